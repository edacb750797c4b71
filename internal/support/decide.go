package support

import (
	"context"

	"github.com/holdfast/holdfast/internal/fault"
	"github.com/holdfast/holdfast/internal/policy"
	"github.com/holdfast/holdfast/internal/recovery"
	"github.com/holdfast/holdfast/internal/secret"
)

// Decide takes one human's word on a proposal that they were given, have read, and hold the hash of. The second word for it
// executes it: in the same transaction everything is judged anew, and the recovery's own table has the last word. One word against
// it ends it.
//
// Faults: CodeProposalVoid when it no longer stands, CodeConflictOfInterest for who has a part in it, CodeNotFound for who was not
// given it, CodeConflict for who has not read the case since.
func (s *Service) Decide(ctx context.Context, cmd DecideCommand) (Done, error) {
	if err := checkWords("/reason", cmd.Reason); err != nil {
		return Done{}, err
	}
	return acting(ctx, s, cmd.Caller, Query{Case: cmd.Case, Key: cmd.Key}, func(_ Tx, in Loaded, ch *Change) (Done, error) {
		by := in.as(cmd.Caller)
		if err := s.decidable(in, by, cmd); err != nil {
			return Done{}, err
		}
		p := in.Case.Proposal
		d := Decision{
			Person: by.Person, Account: by.Account, Security: by.Security, Consent: cmd.Consent, Hash: cmd.Hash, ReadAt: in.Assignment.ReadAt, At: in.Now(),
		}
		var err error
		if d.Reason, err = s.seal(in.Case, p.ID+"/"+by.Person, cmd.Reason); err != nil {
			return Done{}, err
		}
		ev := Event{Kind: Consent, By: by, Decision: &d}
		if !cmd.Consent {
			ev.Kind = Dissent
		}
		if err := ch.step(&in, ev, ""); err != nil {
			return Done{}, err
		}
		if last := ch.Steps[len(ch.Steps)-1]; last.Execute {
			if err := s.execute(&in, ch, cmd.Caller, last); err != nil {
				return Done{}, err
			}
		}
		out := in.done(p.ID)
		out.Proposal = s.proposalView(in, cmd.Caller)
		return out, nil
	})
}

// decidable says why the human cannot decide about the proposal; nil when they can.
func (s *Service) decidable(in Loaded, by Party, cmd DecideCommand) error {
	p := in.Case.Proposal
	if p == nil || p.ID != cmd.Proposal {
		return fault.Of(fault.CodeNotFound)
	}
	if err := in.Case.mayDecide(by); err != nil {
		return err
	}
	if in.Assignment == nil || in.Assignment.Proposal != p.ID {
		return fault.Of(fault.CodeNotFound) // approvers do not choose what they decide
	}
	switch {
	case p.Status != ProposalOpen, in.Case.State != Proposed:
		return fault.Of(fault.CodeProposalVoid)
	case !in.Assignment.live(in.Now()):
		return fault.Of(fault.CodeProposalVoid).Detail("Your time for this proposal is over. Ask for the next one.")
	case in.Assignment.ReadAt.IsZero():
		return fault.Of(fault.CodeConflict).Detail("Read the case before you decide.")
	case !secret.Equal(cmd.Hash, p.Hash):
		return fault.Of(fault.CodeProposalVoid).Detail("The evidence_hash is not this proposal's. Read the case again.")
	}
	return nil
}

// execute changes the recovery as two humans decided. What it demands is judged on what is loaded now, under the locks
// of this transaction.
func (s *Service) execute(in *Loaded, ch *Change, who Caller, decided Step) error {
	p := decided.Next.Proposal
	a := recovery.Approval{Approvers: p.consents(), Proposal: p.ID, AIInvolved: p.AI}
	act := recovery.Act{By: who.Who.Actor(), RequestID: who.RequestID, Reason: "two_humans"}
	if p.Outcome == Deny {
		c, err := s.Recoveries.Refused(in.Recovery, act, a)
		if err != nil {
			return err
		}
		return ch.adopt(in, c)
	}
	if len(s.missing(*in)) > 0 {
		return fault.Of(fault.CodeEvidenceShort)
	}
	a.Evidence, a.Least = in.attached(in.Now()), leastTier(*in)
	c, err := s.Recoveries.Approved(in.Recovery, act, a)
	if err != nil {
		return err
	}
	if err := ch.adopt(in, c); err != nil {
		return err
	}
	if held := in.Recovery.Recovery; held.State != recovery.CoolingOff || held.Tier < policy.High {
		return fault.Of(fault.CodeInternal) // never straight to ready (requirements.md, section 4.2)
	}
	return nil
}

// Appeal takes a denied recovery back to people, in a new case. It takes the claimant's token and the same evidence as before
// and those who worked on it or decided before do not decide again.
func (s *Service) Appeal(ctx context.Context, cmd AppealCommand) (recovery.View, error) {
	var out answer[recovery.View]
	q := OpenQuery{Tenant: cmd.Tenant, Recovery: cmd.ID, Key: cmd.Key}
	err := s.Store.Opening(ctx, q, func(tx Tx, in Loaded) error {
		if err := in.Recovery.HeldBy(cmd.Ref); err != nil {
			return err
		}
		if in.Recovery.Replay != nil {
			return replay(cmd.Key, in.Recovery.Replay, &out)
		}
		out = answer[recovery.View]{}
		if in.Case.State.Open() {
			return fault.Of(fault.CodeNotAllowedInState)
		}
		in.Case.Tenant = cmd.Tenant
		ch := Change{Tenant: cmd.Tenant, At: in.Now()}
		c, err := s.Recoveries.Appealed(in.Recovery, cmd.Caller)
		if err != nil {
			return err
		}
		if err := ch.adopt(&in, c); err != nil {
			return err
		}
		if err := s.begin(&in, &ch, Case{Via: ByAppeal}, Party{}); err != nil {
			return err
		}
		in.Recovery.Case = recovery.CaseOpen
		out.Value = s.Recoveries.Shown(in.Recovery, in.Recovery.Recovery)
		if ch.Remember, err = remember(cmd.Key, out); err != nil {
			return err
		}
		return tx.Apply(ctx, ch)
	})
	if err != nil {
		return recovery.View{}, fault.Wrap(err, "appeal")
	}
	return out.Value, out.err()
}
