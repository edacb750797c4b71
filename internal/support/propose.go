package support

import (
	"context"

	"github.com/holdfast/holdfast/internal/fault"
)

// Propose asks two humans to decide. The proposal is bound to a hash of everything that it rests on; one at a time can be open.
// A proposal hands the recovery to people, so that nothing goes on unattended while they look.
//
// Faults: CodeEvidenceShort for an approval that the case does not carry, CodeProposalOpen, CodeConflictOfInterest,
// CodeNotAllowedInState.
func (s *Service) Propose(ctx context.Context, cmd ProposeCommand) (Done, error) {
	if cmd.Outcome != Approve && cmd.Outcome != Deny {
		return Done{}, invalid("/outcome", "is not one of the listed values")
	}
	return acting(ctx, s, cmd.Caller, Query{Case: cmd.Case, Key: cmd.Key}, func(_ Tx, in Loaded, ch *Change) (Done, error) {
		if err := in.worker(cmd.Caller); err != nil {
			return Done{}, err
		}
		if in.Case.openProposal() != nil {
			return Done{}, fault.Of(fault.CodeProposalOpen)
		}
		if !awaits(in.Recovery.Recovery.State) {
			return Done{}, fault.Of(fault.CodeNotAllowedInState)
		}
		if cmd.Outcome == Approve && len(s.missing(in)) > 0 {
			return Done{}, fault.Of(fault.CodeEvidenceShort)
		}
		if err := s.frozen(&in, ch, cmd.Caller, "proposal"); err != nil {
			return Done{}, err
		}
		by := in.as(cmd.Caller)
		in.Case.AIInvolved = in.Case.AIInvolved || by.Client != ""
		b := s.bind(in, cmd.Outcome)
		h, err := b.hash()
		if err != nil {
			return Done{}, err
		}
		p := Proposal{ID: s.newID("prp", in.Now()), Outcome: cmd.Outcome, Hash: h, Security: b.Security, Policy: b.Policy, Recovery: b.Version}
		if err := ch.step(&in, Event{Kind: Propose, By: by, Proposal: &p, Enough: true}, ""); err != nil {
			return Done{}, err
		}
		out := in.done(p.ID)
		out.Proposal = s.proposalView(in, cmd.Caller)
		return out, nil
	})
}
