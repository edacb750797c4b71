package account

import (
	"context"
	"strings"
	"time"

	"github.com/holdfast/holdfast/internal/audit"
	"github.com/holdfast/holdfast/internal/fault"
	"github.com/holdfast/holdfast/internal/secret"
)

const (
	kindTOTP = "totp"

	// maxFactors bounds the confirmed factors of an account, and its pending ones as well.
	maxFactors = 5
	// pendingFor is how long a factor waits for its first code; after that it is as if it had never been.
	pendingFor = time.Hour
	// maxConfirmations bounds the codes that may be tried on a pending factor: who does not have the seed guesses one of
	// 10^6, twice, with each.
	maxConfirmations = 10

	defaultLabel = "Account"
)

// enrolmentText is an Enrolment with its secrets as text, for sealing.
type enrolmentText struct {
	ID     string `json:"id"`
	Kind   string `json:"kind"`
	Secret string `json:"secret"`
	URL    string `json:"url"`
}

func (t enrolmentText) reveal() Enrolment {
	return Enrolment{ID: t.ID, Kind: t.Kind, Secret: secret.NewString(t.Secret), URL: secret.NewString(t.URL)}
}

// Enrol begins to enrol a TOTP factor and gives its seed, once. It counts only once Confirm has seen its first
// code, and ends after an hour without.
//
// Faults: CodeNotFound, CodeRecoveryOpen, CodeInvalidRequest for another kind or a label that an app could mistake,
// CodeFactorRefused when there are too many already, and those of the Idempotency-Key.
func (s *Service) Enrol(ctx context.Context, cmd EnrolCommand) (Enrolment, error) {
	if cmd.Kind != kindTOTP {
		return Enrolment{}, invalid("/kind", "is not a kind of factor that can be enrolled")
	}
	var out sealed[enrolmentText]
	q := s.query(cmd.Caller, cmd.Ref)
	q.Key = cmd.Key
	err := s.Store.Changing(ctx, q, func(tx Tx, in Loaded) error {
		if in.Replay != nil {
			return out.replay(cmd.Key, in.Replay)
		}
		a, err := changeable(in)
		if err != nil {
			return err
		}
		change, err := s.enrol(cmd, *a, in, &out.Value)
		if err != nil {
			return err
		}
		if change.Remember, err = out.remember(cmd.Key); err != nil {
			return err
		}
		return tx.Apply(ctx, change)
	})
	if err != nil {
		return Enrolment{}, fault.Wrap(err, "enrol factor")
	}
	return out.Value.reveal(), nil
}

func (s *Service) enrol(cmd EnrolCommand, a Stored, in Loaded, out *enrolmentText) (Change, error) {
	confirmed, pending, stale := a.sortFactors(in.Now)
	if len(confirmed) >= maxFactors || len(pending) >= maxFactors {
		return Change{}, fault.Of(fault.CodeFactorRefused).Detail("This account has as many factors as it may have.")
	}
	seed, link, err := s.TOTP.Generate(issuer(in.TenantName), label(cmd.Label))
	if err != nil {
		return Change{}, err
	}
	key, err := s.Keys.OpenDataKey(a.DataKey, cmd.Tenant, a.ID)
	if err != nil {
		return Change{}, fault.Wrap(err, "open data key")
	}
	f := StoredFactor{ID: s.newID("fac", in.Now), Kind: kindTOTP, EnrolledAt: in.Now}
	if f.Sealed, err = key.Seal(reveal(seed), SeedAAD(cmd.Tenant, a.ID, f.ID)); err != nil {
		return Change{}, err
	}
	*out = enrolmentText{ID: f.ID, Kind: f.Kind, Secret: s.TOTP.Text(seed).Reveal(), URL: link.Reveal()}
	return Change{
		Tenant: cmd.Tenant, Account: a.ID, At: in.Now, AddFactor: &f, DropFactors: stale,
		Events: []audit.Event{s.event(cmd.Caller, in.Now, audit.FactorEnrolled, a.ID, map[string]any{"factor": f.ID, "kind": f.Kind})},
	}, nil
}

// issuer is the tenant's name in an authenticator app, where a colon would end it.
func issuer(tenant string) string {
	return strings.TrimSpace(strings.ReplaceAll(tenant, ":", " "))
}

func label(given string) string {
	if given == "" {
		return defaultLabel
	}
	return given
}

// sortFactors tells confirmed factors, those that wait for their first code, and those that waited too long apart.
func (a Stored) sortFactors(now time.Time) (confirmed, pending []StoredFactor, stale []string) {
	for _, f := range a.Factors {
		switch {
		case !f.ConfirmedAt.IsZero():
			confirmed = append(confirmed, f)
		case now.Sub(f.EnrolledAt) < pendingFor:
			pending = append(pending, f)
		default:
			stale = append(stale, f.ID)
		}
	}
	return confirmed, pending, stale
}

// Confirm makes a factor count with its first code, which is used up by that, and tells the owner. A wrong
// code is counted before it is refused; the tenth removes the pending factor.
//
// Faults: CodeNotFound for an account or pending factor that is not there, CodeFactorRefused for a wrong code,
// CodeRecoveryOpen, and those of the Idempotency-Key.
func (s *Service) Confirm(ctx context.Context, cmd ConfirmCommand) (FactorView, error) {
	var out sealed[FactorView]
	q := s.query(cmd.Caller, cmd.Ref)
	q.Key, q.Factor = cmd.Key, cmd.Factor
	err := s.Store.Changing(ctx, q, func(tx Tx, in Loaded) error {
		if in.Replay != nil {
			return out.replay(cmd.Key, in.Replay)
		}
		a, err := changeable(in)
		if err != nil {
			return err
		}
		change, answer, err := s.confirm(cmd, *a, in)
		if err != nil {
			return err
		}
		out = answer
		if change.Remember, err = out.remember(cmd.Key); err != nil {
			return err
		}
		return tx.Apply(ctx, change)
	})
	if err != nil {
		return FactorView{}, fault.Wrap(err, "confirm factor")
	}
	return out.Value, out.err()
}

func (s *Service) confirm(cmd ConfirmCommand, a Stored, in Loaded) (Change, sealed[FactorView], error) {
	var none sealed[FactorView]
	confirmed, pending, _ := a.sortFactors(in.Now)
	f, ok := find(pending, cmd.Factor)
	if !ok {
		return Change{}, none, fault.Of(fault.CodeNotFound)
	}
	if len(confirmed) >= maxFactors {
		return Change{}, none, fault.Of(fault.CodeFactorRefused).Detail("This account has as many factors as it may have.")
	}
	key, err := s.Keys.OpenDataKey(a.DataKey, cmd.Tenant, a.ID)
	if err != nil {
		return Change{}, none, fault.Wrap(err, "open data key")
	}
	seed, err := key.Open(f.Sealed, SeedAAD(cmd.Tenant, a.ID, f.ID))
	if err != nil {
		return Change{}, none, fault.Wrap(err, "open seed")
	}
	step, ok := s.TOTP.Verify(seed, cmd.Code, in.Now, 0)
	if !ok {
		return s.refuseConfirmation(cmd, a, f, in), sealed[FactorView]{Refusal: fault.CodeFactorRefused}, nil
	}
	f.ConfirmedAt = in.Now
	return Change{
		Tenant: cmd.Tenant, Account: a.ID, At: in.Now, Confirm: &Confirmation{Factor: f.ID, Step: step},
		Notices: s.notices(cmd.Tenant, a, noticeFactorAdded, in.Now),
		Events:  []audit.Event{s.event(cmd.Caller, in.Now, audit.FactorBound, a.ID, map[string]any{"factor": f.ID, "kind": f.Kind})},
	}, sealed[FactorView]{Value: f.view()}, nil
}

func (s *Service) refuseConfirmation(cmd ConfirmCommand, a Stored, f StoredFactor, in Loaded) Change {
	c := Change{Tenant: cmd.Tenant, Account: a.ID, At: in.Now, Failed: &Failed{Factor: f.ID, Count: in.Failures + 1}}
	e := s.event(cmd.Caller, in.Now, audit.FactorBound, a.ID, map[string]any{"factor": f.ID, "kind": f.Kind, "failures": in.Failures + 1})
	e.Outcome, e.Reason = audit.Failure, "wrong_code"
	if in.Failures+1 >= maxConfirmations {
		c.DropFactors = []string{f.ID}
		e.Reason = "too_many_wrong_codes"
	}
	c.Events = []audit.Event{e}
	return c
}

// RemoveFactor removes a factor and tells the owner; one that was never confirmed goes silently. A factor that is
// not there, also for the second time, is fault.CodeNotFound; CodeRecoveryOpen as everywhere.
func (s *Service) RemoveFactor(ctx context.Context, cmd RemoveFactorCommand) error {
	err := s.Store.Changing(ctx, s.query(cmd.Caller, cmd.Ref), func(tx Tx, in Loaded) error {
		a, err := changeable(in)
		if err != nil {
			return err
		}
		f, ok := find(a.Factors, cmd.Factor)
		if !ok {
			return fault.Of(fault.CodeNotFound)
		}
		change := Change{
			Tenant: cmd.Tenant, Account: a.ID, At: in.Now,
			Events: []audit.Event{s.event(cmd.Caller, in.Now, audit.FactorRevoked, a.ID, map[string]any{
				"factor": f.ID, "kind": f.Kind, "pending": f.ConfirmedAt.IsZero(),
			})},
		}
		if f.ConfirmedAt.IsZero() {
			change.DropFactors = []string{f.ID}
		} else {
			change.RemoveFactor = f.ID
			change.Notices = s.notices(cmd.Tenant, *a, noticeFactorRemoved, in.Now)
		}
		return tx.Apply(ctx, change)
	})
	return fault.Wrap(err, "remove factor")
}

func find(factors []StoredFactor, id string) (StoredFactor, bool) {
	for _, f := range factors {
		if f.ID == id {
			return f, true
		}
	}
	return StoredFactor{}, false
}
