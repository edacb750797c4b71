package support

import (
	"context"
	"slices"
	"time"

	"github.com/holdfast/holdfast/internal/audit"
	"github.com/holdfast/holdfast/internal/fault"
	"github.com/holdfast/holdfast/internal/recovery"
	"github.com/holdfast/holdfast/internal/secret"
)

// Open opens a case, or finds the one that is open around the same recovery. Somebody else's reference, one that was mistyped
// and one of a recovery that is over are all fault.CodeNotFound. A recovery of an account that does not exist opens like any
// other (design.md, section 3).
func (s *Service) Open(ctx context.Context, cmd OpenCommand) (Done, error) {
	if (cmd.Reference == "") == (cmd.AccountRef == "") {
		return Done{}, invalid("/reference", "or account_ref is required, and not both")
	}
	if cmd.AccountRef != "" {
		return s.openFor(ctx, cmd)
	}
	reference, err := secret.ParseReference(cmd.Reference)
	if err != nil {
		return Done{}, s.lookedInVain(ctx, cmd.Caller, "reference", fault.Of(fault.CodeNotFound))
	}
	var out answer[Done]
	q := OpenQuery{Tenant: cmd.Who.Tenant, Reference: reference, Person: cmd.Who.Person(), Key: cmd.Key}
	err = s.Store.Opening(ctx, q, func(tx Tx, in Loaded) error {
		if in.Recovery.Replay != nil {
			return replay(cmd.Key, in.Recovery.Replay, &out)
		}
		return s.open(ctx, tx, in, cmd, &out)
	})
	switch fault.CodeOf(err) {
	case fault.CodeNotFound:
		return Done{}, s.lookedInVain(ctx, cmd.Caller, "reference", err)
	case fault.CodeConflictOfInterest:
		return Done{}, s.lookedInVain(ctx, cmd.Caller, "own_account", err)
	}
	if err != nil {
		return Done{}, fault.Wrap(err, "open case")
	}
	return out.Value, out.err()
}

func (s *Service) open(ctx context.Context, tx Tx, in Loaded, cmd OpenCommand, out *answer[Done]) error {
	if in.Case.ID == "" {
		in.Case = Case{Tenant: cmd.Who.Tenant, Recovery: in.Recovery.Recovery.ID}
	}
	if err := s.fill(ctx, tx, &in); err != nil {
		return err
	}
	*out = answer[Done]{}
	if !s.Recoveries.Due(in.Recovery).State.Open() {
		return fault.Of(fault.CodeNotFound)
	}
	ch := s.change(in, cmd.Caller)
	if in.Case.ID != "" {
		ch.Steps = s.settle(in)
		if n := len(ch.Steps); n > 0 {
			in.Case = ch.Steps[n-1].Next
		}
	}
	switch {
	case in.as(cmd.Caller).Holder:
		return fault.Of(fault.CodeConflictOfInterest)
	case in.Case.State.Open() && in.as(cmd.Caller).among(in.Case.Workers):
		ch.Events = []audit.Event{s.event(in, cmd.Caller, audit.CaseRead, audit.Success, map[string]any{"joined": true})}
	case in.Case.State.Open(): // another agent takes the telephone, and from now on has a part in it
		if err := in.worker(cmd.Caller); err != nil {
			return err
		}
		if err := ch.step(&in, Event{Kind: Join, By: in.as(cmd.Caller)}, ""); err != nil {
			return err
		}
	default:
		if err := s.begin(&in, &ch, Case{Via: ByReference, OpenedBy: cmd.Who.Person()}, in.as(cmd.Caller)); err != nil {
			return err
		}
	}
	out.Value = in.done("")
	var err error
	if ch.Remember, err = remember(cmd.Key, *out); err != nil {
		return err
	}
	return tx.Apply(ctx, ch)
}

// begin makes a new case around the loaded recovery.
func (s *Service) begin(in *Loaded, ch *Change, c Case, by Party) error {
	r := in.Recovery.Recovery
	c.ID, c.Tenant, c.Recovery = s.newID("cas", in.Now()), r.Tenant, r.ID
	_, wrapped, err := s.Keys.NewDataKey(c.Tenant, c.ID)
	if err != nil {
		return fault.Wrap(err, "make the case's key")
	}
	c.DataKey = wrapped
	c.Barred, c.FlaggedAt, c.FlagReason, c.AIInvolved = in.Past.People, in.Past.FlaggedAt, in.Past.FlagReason, in.Past.AIInvolved
	step := Open(c, by, in.Now())
	ch.Case, ch.RecoveryID = c.ID, r.ID
	ch.NewKey = wrapped
	ch.Steps = append(ch.Steps, step)
	in.Case = step.Next
	return nil
}

// openFor starts a recovery for an account, and a case around it. The claim link goes to the addresses on file that are of age
// and not suspect; the agent sees neither link nor address. A name that no account has is answered alike, and written down for
// those who watch.
func (s *Service) openFor(ctx context.Context, cmd OpenCommand) (Done, error) {
	if !slices.Contains([]recovery.Reason{recovery.LostPassword, recovery.LostMFA, recovery.LostAll, recovery.SuspectedTakeover}, cmd.Reason) {
		return Done{}, invalid("/reason", "is not a known reason")
	}
	tenant := cmd.Who.Tenant
	account := s.Keys.MAC(secret.PurposeIdentifier, "limit", tenant, accountName, cmd.AccountRef)
	if err := s.Limits.AllowClaimLinks(ctx, tenant, cmd.Who.Name(), account); err != nil {
		return Done{}, fault.Wrap(err, "open case for account")
	}
	var out answer[Done]
	q := StartQuery{
		Tenant: tenant, RefHashes: s.Vault.RefHashes(tenant, cmd.AccountRef), Decoy: s.Keys.DecoySubject(tenant, accountName, cmd.AccountRef), Key: cmd.Key,
	}
	err := s.Store.Starting(ctx, q, func(tx Tx, facts StartFacts) error {
		if facts.Replay != nil {
			return replay(cmd.Key, facts.Replay, &out)
		}
		out = answer[Done]{}
		if !facts.Page {
			return fault.Of(fault.CodeMethodUnavailable).Detail("This tenant has no page for claim links; open the case by the claimant's reference.")
		}
		return s.startFor(ctx, tx, facts, q.Decoy, cmd, &out)
	})
	if fault.CodeOf(err) == fault.CodeConflictOfInterest {
		return Done{}, s.lookedInVain(ctx, cmd.Caller, "own_account", err)
	}
	if err != nil {
		return Done{}, fault.Wrap(err, "open case for account")
	}
	return out.Value, out.err()
}

// accountName sets the tenant's own name of an account apart from identifiers, where both are hashed.
const accountName = "account_ref"

func (s *Service) startFor(ctx context.Context, tx Tx, facts StartFacts, decoy string, cmd OpenCommand, out *answer[Done]) error {
	begun, err := s.Recoveries.Begin(recovery.OnBehalf{
		Tenant: cmd.Who.Tenant, Client: cmd.Who.Name(), Reason: cmd.Reason, Account: facts.Account, Decoy: decoy, History: facts.History, Now: facts.Now,
	}, recovery.Act{By: cmd.Who.Actor(), RequestID: cmd.RequestID})
	if err != nil {
		return err
	}
	in := Loaded{Recovery: recovery.Loaded{Now: facts.Now, Recovery: begun.Next, Account: facts.Account}, Case: Case{Tenant: cmd.Who.Tenant}, Holder: facts.Holder}
	if err := s.fill(ctx, tx, &in); err != nil {
		return err
	}
	if in.as(cmd.Caller).Holder {
		return fault.Of(fault.CodeConflictOfInterest)
	}
	ch := s.change(in, cmd.Caller)
	ch.Recovery = &begun.Change
	if err := s.begin(&in, &ch, Case{Via: ByAccount, OpenedBy: cmd.Who.Person()}, in.as(cmd.Caller)); err != nil {
		return err
	}
	if facts.Account == nil {
		ch.Events = append(ch.Events, inVain(cmd.Caller, "account", facts.Now))
	}
	out.Value = in.done("")
	if ch.Remember, err = remember(cmd.Key, *out); err != nil {
		return err
	}
	return tx.Apply(ctx, ch)
}

// inVain is the line in the trail that somebody looked for what is not there: guessing leaves one.
func inVain(who Caller, what string, now time.Time) audit.Event {
	return audit.Event{
		Tenant: who.Who.Tenant, At: now, Actor: who.Who.Actor(), Action: audit.CaseLookupRefused, Subject: who.Who.Name(), Reason: what,
		Outcome: audit.Failure, RequestID: who.RequestID,
	}
}

// lookedInVain writes it down where nothing else is written. It gives the refusal, or the failure to write it down.
func (s *Service) lookedInVain(ctx context.Context, who Caller, what string, refusal error) error {
	err := s.Store.Noting(ctx, func(tx Tx, now time.Time) error {
		return tx.Apply(ctx, Change{Tenant: who.Who.Tenant, At: now, Events: []audit.Event{inVain(who, what, now)}})
	})
	if err != nil {
		return fault.Wrap(err, "write down a look-up")
	}
	return refusal
}
