package support

import (
	"slices"
	"time"

	"github.com/holdfast/holdfast/internal/audit"
	"github.com/holdfast/holdfast/internal/fault"
	"github.com/holdfast/holdfast/internal/secret"
)

// rule is one line of the table: in From, on On, when If holds, the case goes to To, and Do fills the step.
type rule struct {
	From   State
	On     EventKind
	If     guard
	To     State
	Do     effect
	Action audit.Action // empty: what the caller says, for Work
}

// machine is the whole life of a case. Lines are judged from the top; the first whose guard holds is taken. A pair without a
// line, or none of whose guards hold, is refused and nothing is written.
//
//nolint:gochecknoglobals // the table is a constant.
var machine = []rule{
	{Opened, Work, flagged, Flagged, work, ""}, // in a case before
	{Opened, Work, always, EvidencePending, work, ""},
	{EvidencePending, Work, always, EvidencePending, work, ""},
	{Flagged, Work, always, Flagged, work, ""},
	{Proposed, Work, flagged, Flagged, workAndVoid, ""},
	{Proposed, Work, always, EvidencePending, workAndVoid, ""},

	{Opened, Propose, enough, Proposed, propose, audit.CaseProposed},
	{EvidencePending, Propose, enough, Proposed, propose, audit.CaseProposed},
	{Flagged, Propose, enough, Proposed, propose, audit.CaseProposed},

	{Proposed, Consent, secondHuman, Decided, execute, audit.CaseExecuted},
	{Proposed, Consent, firstHuman, Proposed, count, audit.CaseApproved},
	{Proposed, Dissent, flaggedAnotherHuman, Flagged, reject, audit.CaseRejected},
	{Proposed, Dissent, anotherHuman, EvidencePending, reject, audit.CaseRejected},

	{Proposed, Alter, flagged, Flagged, voidProposal, audit.CaseProposalVoided},
	{Proposed, Alter, always, EvidencePending, voidProposal, audit.CaseProposalVoided},
	{Proposed, Lapse, flaggedLapsed, Flagged, lapse, audit.CaseProposalLapsed},
	{Proposed, Lapse, lapsed, EvidencePending, lapse, audit.CaseProposalLapsed},

	{Opened, Flag, always, Flagged, raise, audit.CaseFlagged},
	{EvidencePending, Flag, always, Flagged, raise, audit.CaseFlagged},
	{Flagged, Flag, always, Flagged, raise, audit.CaseFlagged},
	{Proposed, Flag, always, Flagged, raiseAndVoid, audit.CaseFlagged},

	{Opened, Join, always, Opened, work, audit.CaseRead},
	{EvidencePending, Join, always, EvidencePending, work, audit.CaseRead},
	{Flagged, Join, always, Flagged, work, audit.CaseRead},
	{Proposed, Join, always, Proposed, work, audit.CaseRead},

	{Opened, End, always, Closed, end, audit.CaseClosed},
	{EvidencePending, End, always, Closed, end, audit.CaseClosed},
	{Flagged, End, always, Closed, end, audit.CaseClosed},
	{Proposed, End, always, Closed, endAndVoid, audit.CaseClosed},
	{Opened, Idle, idle, Expired, end, audit.CaseExpired},
	{EvidencePending, Idle, idle, Expired, end, audit.CaseExpired},
}

// guard is a named condition of the table.
type guard struct {
	name  string
	holds func(c Case, ev Event, now time.Time) bool
}

//nolint:gochecknoglobals // the guards are constants of the table.
var (
	always  = guard{"", func(Case, Event, time.Time) bool { return true }}
	flagged = guard{"flagged", func(c Case, _ Event, _ time.Time) bool { return !c.FlaggedAt.IsZero() }}
	enough  = guard{"evidence carries it", func(_ Case, ev Event, _ time.Time) bool {
		return ev.Proposal != nil && ev.Enough && !ev.By.Holder && ev.By.Person != ""
	}}

	// anotherHuman: who decides has no part in what is decided about, is no machine, holds what they saw in hand, and has not
	// decided before.
	anotherHuman = guard{"a human who has no part in it, on the same hash", func(c Case, ev Event, now time.Time) bool {
		p, d := c.Proposal, ev.Decision
		return p != nil && d != nil && p.Status == ProposalOpen && now.Before(p.ExpiresAt) && ev.By.Human() && d.Person == ev.By.Person && d.Account == ev.By.Account &&
			c.mayDecide(ev.By) == nil && len(p.Hash) > 0 && secret.Equal(d.Hash, p.Hash) && (!p.Security || (ev.By.Security && d.Security))
	}}
	firstHuman = guard{"the first human", func(c Case, ev Event, now time.Time) bool {
		return anotherHuman.holds(c, ev, now) && len(c.Proposal.consents()) == 0
	}}
	secondHuman = guard{"the second human", func(c Case, ev Event, now time.Time) bool {
		return anotherHuman.holds(c, ev, now) && len(c.Proposal.consents()) == 1
	}}
	flaggedAnotherHuman = guard{"flagged, a human who has no part in it", func(c Case, ev Event, now time.Time) bool {
		return flagged.holds(c, ev, now) && anotherHuman.holds(c, ev, now)
	}}
	lapsed = guard{"its time is over", func(c Case, _ Event, now time.Time) bool {
		return c.Proposal != nil && !now.Before(c.Proposal.ExpiresAt)
	}}
	flaggedLapsed = guard{"flagged, its time is over", func(c Case, ev Event, now time.Time) bool {
		return flagged.holds(c, ev, now) && lapsed.holds(c, ev, now)
	}}
	// idle: a flag does not go away because nobody looks.
	idle = guard{"nobody worked on it, not flagged", func(c Case, _ Event, now time.Time) bool {
		return c.FlaggedAt.IsZero() && !now.Before(c.ExpiresAt)
	}}
)

// mayDecide says why a party must not decide about the case's proposal; nil when they may.
func (c Case) mayDecide(who Party) error {
	switch {
	case !who.Human():
		return fault.Of(fault.CodeForbidden)
	case who.Holder, who.among(c.Workers), who.among(c.Barred):
		return fault.Of(fault.CodeConflictOfInterest)
	case c.Proposal != nil && c.Proposal.By.Person == who.Person:
		return fault.Of(fault.CodeConflictOfInterest)
	case c.Proposal != nil && slices.ContainsFunc(c.Proposal.Decisions, func(d Decision) bool { return who.among([]string{d.Person, d.Account}) }):
		return fault.Of(fault.CodeConflictOfInterest)
	case c.Proposal != nil && c.Proposal.Security && !who.Security:
		return fault.Of(fault.CodeForbidden)
	default:
		return nil
	}
}

// effect is a named consequence of a line of the table.
type effect struct {
	name string
	fill func(s *Step, c Case, ev Event, now time.Time)
}

//nolint:gochecknoglobals // the effects are constants of the table.
var (
	work = effect{"it is being worked on", func(s *Step, _ Case, ev Event, now time.Time) { s.worked(ev, now) }}

	workAndVoid = effect{"it is being worked on, void the proposal", func(s *Step, _ Case, ev Event, now time.Time) {
		s.worked(ev, now)
		s.close(ProposalVoid, now)
	}}
	propose = effect{"ask two humans", func(s *Step, _ Case, ev Event, now time.Time) {
		s.worked(ev, now)
		p := *ev.Proposal
		p.Status, p.At, p.ExpiresAt, p.By = ProposalOpen, now, now.Add(ProposalFor), ev.By
		p.AI = s.Next.AIInvolved
		p.Decisions = nil
		s.Next.Proposal, s.NewProposal = &p, true
	}}
	count   = effect{"keep the decision", func(s *Step, _ Case, ev Event, _ time.Time) { s.decide(ev) }}
	execute = effect{"keep the decision, change the recovery", func(s *Step, _ Case, ev Event, now time.Time) {
		s.decide(ev)
		s.Next.Outcome = s.Next.Proposal.Outcome
		s.close(ProposalExecuted, now)
		s.Execute = true
	}}
	reject = effect{"keep the decision, the proposal is over", func(s *Step, _ Case, ev Event, now time.Time) {
		s.decide(ev)
		s.close(ProposalRejected, now)
	}}
	voidProposal = effect{"void the proposal and every approval of it", func(s *Step, _ Case, _ Event, now time.Time) { s.close(ProposalVoid, now) }}
	lapse        = effect{"the proposal lapses", func(s *Step, _ Case, _ Event, now time.Time) { s.close(ProposalLapsed, now) }}
	raise        = effect{"freeze", func(s *Step, _ Case, ev Event, now time.Time) { s.raise(ev, now) }}
	raiseAndVoid = effect{"freeze, void the proposal", func(s *Step, _ Case, ev Event, now time.Time) {
		s.raise(ev, now)
		s.close(ProposalVoid, now)
	}}
	end        = effect{"end it", func(*Step, Case, Event, time.Time) {}}
	endAndVoid = effect{"end it, void the proposal", func(s *Step, _ Case, _ Event, now time.Time) { s.close(ProposalVoid, now) }}
)

// Line is one line of the table in words, for the tests.
type Line struct {
	From State
	On   EventKind
	If   string
	To   State
	Do   string
}

// Lines gives the table in words, in its order.
func Lines() []Line {
	out := make([]Line, 0, len(machine))
	for _, r := range machine {
		out = append(out, Line{From: r.From, On: r.On, If: r.If.name, To: r.To, Do: r.Do.name})
	}
	return out
}

// Apply judges one event against the case and gives the step that would follow. It is pure. What the table does not allow is
// fault.CodeNotAllowedInState, and nothing is to be written.
func (c Case) Apply(ev Event, now time.Time) (Step, error) {
	for _, line := range machine {
		if line.From != c.State || line.On != ev.Kind || !line.If.holds(c, ev, now) {
			continue
		}
		step := Step{From: c.State, To: line.To, Event: ev.Kind, Action: line.Action, By: ev.By, At: now, Next: c}
		step.Next.State = line.To
		line.Do.fill(&step, c, ev, now)
		step.finish(now)
		return step, nil
	}
	return Step{}, fault.Of(fault.CodeNotAllowedInState).Detail("The case is not in a state that allows this.")
}
