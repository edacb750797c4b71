package recovery

import (
	"slices"
	"time"

	"github.com/holdfast/holdfast/internal/audit"
	"github.com/holdfast/holdfast/internal/factor"
	"github.com/holdfast/holdfast/internal/fault"
	"github.com/holdfast/holdfast/internal/policy"
)

// What people do to a recovery. Package support decides whether they may; here is what is written when they do. Nothing in
// this file reads or writes: the store of cases applies the change in the transaction in which it loaded the recovery.

// Act is who does something to a recovery from outside, and why.
type Act struct {
	By        audit.Actor
	RequestID string
	Reason    string // an enumeration, never free text
}

// Assessed is a loaded recovery as the policy sees it now: the plan and the tier can only have become stricter.
type Assessed struct {
	Plan     policy.Plan
	Tier     policy.Tier
	Decision policy.Decision
	facts    policy.Facts
}

// Assess asks the policy about a loaded recovery. Of an account that is gone, or that never was, it says what was said before.
func (s *Service) Assess(in Loaded) Assessed {
	r := in.Recovery
	f := facts(in.Now, r.Reason, in.Account, in.History, in.Signals, r.Evidence)
	f.Raised = s.Controls.Current(r.Tenant).Raised // what operators demand counts for people too; signals of the moment wait for the gate
	d := s.Policies.Current(r.Tenant).Decide(f)
	if in.Account == nil {
		return Assessed{Plan: r.Plan, Tier: r.Tier, Decision: d, facts: f}
	}
	n := ratcheted(r, Event{Decision: &d})
	return Assessed{Plan: n.Plan, Tier: n.Tier, Decision: d, facts: f}
}

// HoldAt is for how long the policy holds a recovery of this account at a tier: what an approval leads to.
func (s *Service) HoldAt(in Loaded, t policy.Tier) time.Duration {
	population := unknownPopulation
	if in.Account != nil {
		population = in.Account.Population
	}
	return s.Policies.Current(in.Recovery.Tenant).HoldOf(population, t)
}

// Escalation hands the recovery to people, which also freezes it: from now on nothing goes on unattended. It takes a grant back
// that is out. A recovery that people have already, or that is over, is fault.CodeNotAllowedInState.
func (s *Service) Escalation(in Loaded, act Act) (Change, error) {
	return s.acted(in, act, Event{Kind: Escalate, Reason: act.Reason})
}

// Approval is what two humans decided.
type Approval struct {
	Approvers  []string          // PersonIDs
	Evidence   []factor.Evidence // what they accepted as proof beyond what the claimant showed
	Least      policy.Tier       // the tier that the hold is for at least: critical where nobody was proofed
	Proposal   string
	AIInvolved bool
}

// Approved lets the recovery into its hold, with the policy's word on the facts as they are now. It never makes it ready.
func (s *Service) Approved(in Loaded, act Act, a Approval) (Change, error) {
	seen := s.Assess(in)
	change, err := s.acted(in, act, Event{
		Kind: Approve, Reason: act.Reason, Approvers: a.Approvers, Approved: a.Evidence, Least: a.Least, Proposal: a.Proposal, AIInvolved: a.AIInvolved,
		Decision: &seen.Decision, Hold: s.HoldAt(in, max(seen.Tier, policy.High, a.Least)),
	})
	if err == nil && change.Steps[0].Event == Approve {
		change.Assessment = &Assessment{Facts: seen.facts, Decision: seen.Decision}
	}
	return change, err
}

// Refused ends the recovery by two humans' word. The claimant may appeal.
func (s *Service) Refused(in Loaded, act Act, a Approval) (Change, error) {
	return s.acted(in, act, Event{Kind: Deny, Reason: act.Reason, Approvers: a.Approvers, Proposal: a.Proposal, AIInvolved: a.AIInvolved})
}

// Appealed takes a denied recovery back to people, at the claimant's word: R-088.
func (s *Service) Appealed(in Loaded, c Caller) (Change, error) {
	return s.acted(in, Act{By: claimant(c), RequestID: c.RequestID}, Event{Kind: Appeal, Reason: "claimant"})
}

// acted applies an event and makes the change of it. A step that says that its event came too late is part of the change: its
// refusal is to be returned once it is committed.
func (s *Service) acted(in Loaded, act Act, ev Event) (Change, error) {
	step, err := in.Recovery.Apply(ev, in.Now)
	if err != nil {
		return Change{}, err
	}
	change := in.change(act.By, "", act.RequestID, step)
	change.Notices = s.notices(step, in.Account, in.Now)
	return change, nil
}

// Asked has a challenge sent on support's behalf, by the same rules and limits as the claimant's own: the channel is the
// service's choice, and only the claimant can answer. SendCounters names what has to be loaded for it.
func (s *Service) Asked(in Loaded, act Act, m factor.Method) (Change, ChallengeView, error) {
	if !slices.Contains(s.offered(in.Recovery.Tenant), m) || !sendsCode(m) {
		return Change{}, ChallengeView{}, fault.Of(fault.CodeMethodUnavailable)
	}
	ch, err := s.nextChallenge(m, in)
	if err != nil {
		return Change{}, ChallengeView{}, err
	}
	return s.challenged(ch, in, act.By, "", act.RequestID)
}

// SendCounters names the counters that Asked looks at.
func SendCounters(m factor.Method) []string {
	if !sendsCode(m) {
		return nil
	}
	return []string{sendKind(m)}
}

// HeldBy compares a claimant token. A wrong one is answered like a recovery that does not exist.
func (in Loaded) HeldBy(ref Ref) error { return authorise(in, ref) }

// Due is what a loaded recovery has become by time alone.
func (s *Service) Due(in Loaded) Recovery {
	r := in.Recovery
	for _, step := range s.due(in) {
		r = step.Next
	}
	return r
}

// Shown is what the claimant sees of a loaded recovery: the part that support sees as well.
func (s *Service) Shown(in Loaded, r Recovery) View { return s.viewOf(in, r) }

// Strengths are those of what the claimant has shown, and of the strongest objection that stands.
func (r Recovery) Strengths() (claim, objection factor.Strength) { return r.claim(), r.objector() }
