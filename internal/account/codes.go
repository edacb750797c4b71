package account

import (
	"context"

	"github.com/holdfast/holdfast/internal/audit"
	"github.com/holdfast/holdfast/internal/fault"
	"github.com/holdfast/holdfast/internal/secret"
)

// codesPerSet is how many saved codes an owner prints at a time.
const codesPerSet = 10

// IssueCodes gives a new set of saved codes, once, revokes all earlier ones and tells the owner. A
// retry with the same Idempotency-Key gives the same codes.
//
// Faults: CodeNotFound, CodeRecoveryOpen, CodeOverloaded when too many hashes wait, and those of the
// Idempotency-Key.
func (s *Service) IssueCodes(ctx context.Context, cmd IssueCodesCommand) ([]secret.String, error) {
	q := s.query(cmd.Caller, cmd.Ref)
	q.Key = cmd.Key
	codes, texts, err := s.mintFor(ctx, q)
	if err != nil {
		return nil, fault.Wrap(err, "issue saved codes")
	}
	var out sealed[[]string]
	err = s.Store.Changing(ctx, q, func(tx Tx, in Loaded) error {
		if in.Replay != nil {
			return out.replay(cmd.Key, in.Replay)
		}
		a, err := changeable(in)
		if err != nil {
			return err
		}
		out = sealed[[]string]{Value: texts}
		change := Change{
			Tenant: cmd.Tenant, Account: a.ID, At: in.Now, ReplaceCodes: s.identified(codes, in),
			Notices: s.notices(cmd.Tenant, *a, noticeCodesIssued, in.Now),
			Events:  []audit.Event{s.event(cmd.Caller, in.Now, audit.SavedCodesIssued, a.ID, map[string]any{"codes": len(codes), "replaced": a.SavedLeft})},
		}
		if change.Remember, err = out.remember(cmd.Key); err != nil {
			return err
		}
		return tx.Apply(ctx, change)
	})
	if err != nil {
		return nil, fault.Wrap(err, "issue saved codes")
	}
	shown := make([]secret.String, 0, len(out.Value))
	for _, text := range out.Value {
		shown = append(shown, secret.NewString(text))
	}
	return shown, nil
}

// mintFor does the argon2 work, which is too slow for a transaction, and only where it looks as if it will be wanted: the
// transaction judges again.
func (s *Service) mintFor(ctx context.Context, q Query) ([]StoredCode, []string, error) {
	in, err := s.Store.Reading(ctx, q)
	if err != nil || in.Replay != nil {
		return nil, nil, err
	}
	if _, err := changeable(in); err != nil {
		return nil, nil, err
	}
	var codes []StoredCode
	var texts []string
	for range codesPerSet {
		prefix, phc, plain, err := s.SavedCodes.Mint(ctx)
		if err != nil {
			return nil, nil, err
		}
		codes = append(codes, StoredCode{Prefix: prefix, PHC: phc})
		texts = append(texts, plain.Reveal())
	}
	return codes, texts, nil
}

func (s *Service) identified(codes []StoredCode, in Loaded) []StoredCode {
	out := make([]StoredCode, 0, len(codes))
	for _, c := range codes {
		c.ID = s.newID("svc", in.Now)
		out = append(out, c)
	}
	return out
}
