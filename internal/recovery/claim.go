package recovery

import (
	"context"
	"slices"
	"time"

	"github.com/holdfast/holdfast/internal/audit"
	"github.com/holdfast/holdfast/internal/factor"
	"github.com/holdfast/holdfast/internal/fault"
	"github.com/holdfast/holdfast/internal/idempotency"
	"github.com/holdfast/holdfast/internal/outbox"
	"github.com/holdfast/holdfast/internal/policy"
	"github.com/holdfast/holdfast/internal/secret"
)

// A recovery that support starts for an account has nobody in the claimant's seat. A link to it goes to the addresses on file,
// and whoever brings it takes the seat, once. The link shows nothing about who brings it (R-037, strength E0): everything that a
// claimant has to prove is still to be proven, and every notice, hold and objection comes as for any other recovery (ADR 0040).

// SeatFor is how long a link hands the seat over: as long as a claimant has to reach the hold.
const SeatFor = VerifyFor

// Seat is the claimant's seat in a recovery that support started.
type Seat struct {
	ExpiresAt time.Time
	TakenAt   time.Time // zero while it is free
}

// SeatTaken is who took it, and by which notice's link.
type SeatTaken struct{ By, Notice string }

// ClaimTarget is what a claim link is about.
type ClaimTarget struct{ Recovery, Channel, Notice string }

// OnBehalf is a recovery that support starts for an account.
type OnBehalf struct {
	Tenant  string
	Client  string // who started it: a person, who is no client, by PersonID
	Reason  Reason
	Account *Account // nil for a name that no account has
	Decoy   string   // the pseudonym of such a name
	History History
	Now     time.Time
}

// Begun is a recovery that was started on an account's behalf, with the notices by which its claim link goes out.
type Begun struct {
	Change Change
	Next   Recovery
}

// Begin starts a recovery on an account's behalf. Its claimant token is derived where it is needed (secret.Keyring.ClaimToken),
// and the links to it go to the addresses on file alone: whoever asked for the recovery never sees either. For a
// name that no account has it does the same, and nothing is sent: an agent does not learn which names there are.
func (s *Service) Begin(b OnBehalf, act Act) (Begun, error) {
	if err := s.mayStart(b.Tenant); err != nil {
		return Begun{}, err
	}
	reference, err := secret.NewReference(s.Rand)
	if err != nil {
		return Begun{}, fault.Wrap(err, "mint reference")
	}
	signals := StartSignals{KnownDevice: policy.Unknown, Network: policy.Unknown}
	f := s.raised(b.Tenant, "", facts(b.Now, b.Reason, b.Account, b.History, signals, nil))
	decision := s.Policies.Current(b.Tenant).Decide(f)
	r := Recovery{
		ID: s.newID("rcv", b.Now), Tenant: b.Tenant, Reference: reference, Subject: b.Decoy, Client: b.Client,
		Reason: b.Reason, Plan: decision.Plan, Tier: decision.Tier,
	}
	if b.Account != nil {
		r.Account, r.Subject = b.Account.ID, b.Account.ID
	}
	step := Open(r, b.Now)
	hash := secret.HashToken(secret.PurposeClaimant, s.Keys.ClaimToken(r.ID))
	change := Change{
		Tenant: r.Tenant, Subject: r.Subject, At: b.Now, Steps: []Step{step}, By: act.By, RequestID: act.RequestID,
		Opening:    &Opening{ClaimantHash: hash[:], Signals: signals, SeatUntil: b.Now.Add(SeatFor)},
		Assessment: &Assessment{Facts: f, Decision: decision},
	}
	change.Notices = s.claimLinks(step.Next, b.Account, b.Now)
	return Begun{Change: change, Next: step.Next}, nil
}

// claimLinks makes a notice with a link for each address that one may go to.
func (s *Service) claimLinks(r Recovery, a *Account, now time.Time) []outbox.Notice {
	if a == nil {
		return nil
	}
	var out []outbox.Notice
	for _, c := range a.Channels {
		if !c.trusted(r.Plan, now) {
			continue
		}
		n := outbox.Notice{
			ID: s.newID("ntc", now), Tenant: r.Tenant, Account: a.ID, Recovery: r.ID, Kind: string(NoticeClaimLink), Channel: c.ID, CreatedAt: now,
		}
		hash := secret.HashToken(secret.PurposeClaimLink, s.Keys.ClaimLinkToken(n.ID))
		n.ClaimHash = hash[:]
		out = append(out, n)
	}
	return out
}

// trusted reports whether a claim link may go to the address: one that links can be read at, on file, not suspect, and of an age
// at which the policy would send a code to it. A thief who added an address yesterday, or moved the number to another
// SIM, gets none.
func (c Channel) trusted(p policy.Plan, now time.Time) bool {
	age := max(factor.AgedFactor, p.Ageing[c.Kind])
	swapped := !c.SIMSwappedAt.IsZero() && now.Sub(c.SIMSwappedAt) < age
	return (c.Kind == factor.Email || c.Kind == factor.SMS) && c.RemovedAt.IsZero() && !c.Suspect && !swapped && now.Sub(c.Since) >= age
}

// ClaimCommand brings the secret of a claim link.
type ClaimCommand struct {
	Caller
	Link secret.String
	Key  idempotency.Key
}

// Claim hands the claimant's seat to whoever brings a claim link, as a start does. Any of a recovery's links does it, once for
// all of them. A link that is unknown, of another tenant, too late, taken before, or of a recovery that is over is one and the
// same answer; that a link was brought for a seat that was taken is written down for those who watch.
//
// Faults: CodeClaimRefused, and those of the Idempotency-Key.
func (s *Service) Claim(ctx context.Context, cmd ClaimCommand) (Started, error) {
	if err := secret.CheckClaimLinkToken(cmd.Link); err != nil {
		return Started{}, fault.Of(fault.CodeClaimRefused)
	}
	hash := secret.HashToken(secret.PurposeClaimLink, cmd.Link)
	link, err := s.Store.ClaimTarget(ctx, cmd.Tenant, hash[:])
	if err != nil {
		return Started{}, fault.Wrap(err, "find claim link")
	}
	var out sealed[startedText]
	err = s.Store.Changing(ctx, Query{Tenant: cmd.Tenant, ID: link.Recovery, Seat: true, Key: cmd.Key}, func(tx Tx, in Loaded) error {
		if in.Replay != nil {
			return replay(cmd.Key, in.Replay, &out)
		}
		out = sealed[startedText]{}
		change, err := s.claimed(cmd, link, in, &out)
		if err != nil {
			return err
		}
		if change.Remember, err = remember(cmd.Key, out); err != nil {
			return err
		}
		return tx.Apply(ctx, change)
	})
	if err != nil {
		return Started{}, fault.Wrap(err, "claim")
	}
	return out.Value.reveal(), out.err()
}

// claimed gives the seat, or writes down why not.
func (s *Service) claimed(cmd ClaimCommand, link ClaimTarget, in Loaded, out *sealed[startedText]) (Change, error) {
	r := s.Due(in)
	change := in.change(claimant(cmd.Caller), network(cmd.Addr), cmd.RequestID)
	event := audit.Event{
		Tenant: r.Tenant, At: in.Now, Actor: change.By, Action: audit.RecoveryClaimed, Subject: r.ID, Recovery: r.ID, Outcome: audit.Success,
		Details: map[string]any{"channel": link.Channel, "notice": link.Notice},
	}
	refuse := func(action audit.Action, why string) Change {
		event.Action, event.Outcome, event.Reason = action, audit.Failure, why
		change.Events = []audit.Event{event}
		out.refuse(fault.Of(fault.CodeClaimRefused))
		return change
	}
	switch {
	case in.Seat == nil || in.Account == nil:
		return Change{}, fault.Of(fault.CodeClaimRefused)
	case !in.Seat.TakenAt.IsZero():
		return refuse(audit.RecoveryClaimReplayed, "taken"), nil
	case !in.Now.Before(in.Seat.ExpiresAt):
		return refuse(audit.RecoveryClaimRefused, "too_late"), nil
	case !r.State.Open():
		return refuse(audit.RecoveryClaimRefused, "over"), nil
	case !in.Account.stillOurs(link.Channel):
		return refuse(audit.RecoveryClaimRefused, "channel"), nil
	}
	token, err := s.Keys.ClaimTokenFor(r.ID, in.ClaimantHash)
	if err != nil {
		return Change{}, fault.Wrap(err, "derive claimant token")
	}
	change.Events = []audit.Event{event}
	change.TakeSeat = &SeatTaken{By: cmd.Client, Notice: link.Notice}
	change.Recovery = r.ID
	out.Value = startedText{View: s.viewOf(in, r), Token: token.Reveal()}
	return change, nil
}

// stillOurs reports whether the address is on file and not suspect.
func (a *Account) stillOurs(channel string) bool {
	return slices.ContainsFunc(a.Channels, func(c Channel) bool { return c.ID == channel && c.RemovedAt.IsZero() && !c.Suspect })
}
