package policy

import (
	"slices"
	"time"

	"github.com/holdfast/holdfast/internal/factor"
)

// Plan is what the policy demands of one recovery. It is stored as JSON with the recovery and changes only through Ratchet.
// The zero Plan is satisfied by nothing.
type Plan struct {
	PolicyVersion string        `json:"policy_version"`
	Tier          Tier          `json:"tier"`
	Alternatives  []Alternative `json:"alternatives"` // one of them must be met; none means that no evidence suffices

	// Methods are the methods allowed for this population; evidence by any other one does not count.
	Methods []factor.Method `json:"methods"`
	// Ageing is how long a factor of a method must have been on file, when it was proven, to count at all.
	Ageing map[factor.Method]time.Duration `json:"ageing_ns,omitempty"`

	Hold      time.Duration `json:"hold_ns"`      // from sufficient evidence to ready
	Probation time.Duration `json:"probation_ns"` // after completion
	ReadyFor  time.Duration `json:"ready_for_ns"` // how long ready lasts before the recovery expires
	Approvals int           `json:"approvals"`    // humans who must approve

	// DeferToIDP says that the account belongs to another sign-in: the claimant is sent there by mail, and no grant is given.
	DeferToIDP bool `json:"defer_to_idp,omitempty"`
	// IndependentNotice demands a notice accepted by an address outside the evidence before ready. It is undecided,
	// and false, until the evidence suffices: only then it is known which addresses were used.
	IndependentNotice bool `json:"independent_notice"`
	// Assisted says that this recovery cannot complete unattended: people decide. Their approvals stand in for what led here.
	Assisted bool `json:"assisted,omitempty"`

	Deviations []Deviation `json:"deviations,omitempty"` // all that the document names; Applied marks those used here
}

// Alternative is a set of needs that must all be met.
type Alternative struct {
	Needs []Need `json:"needs"`
}

// Need is met by one piece of evidence: of the class, by one of the methods, on file for at least MinAge when it was proven.
// In a plan Methods is never empty, so that it can be shown as an any-of list.
type Need struct {
	Class   factor.Class    `json:"class"`
	Methods []factor.Method `json:"methods"`
	MinAge  time.Duration   `json:"min_age_ns,omitempty"`
}

// Deviation is a requirement that the document does not meet, by name and with its reason.
type Deviation struct {
	Requirement string `json:"requirement"`
	Reason      string `json:"reason"`
	Applied     bool   `json:"applied,omitempty"` // it made a difference to this very plan
}

// Satisfied tells whether the evidence meets one alternative. Suspect evidence, evidence by a method that is not allowed, of a
// factor too young when it was proven, or accepted after now counts as none. Adding evidence never turns true into false,
// and a hold never ages a young factor into an old one: the age that counts is that at the proof.
//
// It judges evidence alone; hold, approvals and notices are further gates.
func (p Plan) Satisfied(evidence []factor.Evidence, now time.Time) bool {
	return slices.ContainsFunc(p.Alternatives, func(a Alternative) bool { return len(p.unmet(a, evidence, now)) == 0 })
}

// Remaining is what is still to be shown: alternatives of which one suffices, each with the needs that are still open. It is
// nil when the plan is satisfied, and empty but not nil when no evidence can satisfy it.
//
// It depends on the account's assurance; before a first accepted proof it must not be shown to anybody.
func (p Plan) Remaining(evidence []factor.Evidence, now time.Time) []Alternative {
	open := []Alternative{}
	for _, a := range p.Alternatives {
		needs := p.unmet(a, evidence, now)
		if len(needs) == 0 {
			return nil
		}
		if reachable := p.narrow(needs); reachable != nil {
			open = append(open, Alternative{Needs: reachable})
		}
	}
	return normal(open)
}

// Restrict gives the plan for an installation that offers only some methods. It can only make the plan stricter.
func (p Plan) Restrict(offered []factor.Method) Plan {
	p.Methods = intersect(p.Methods, offered)
	return p
}

// Deviates tells whether a deviation from the requirement made a difference to this plan.
func (p Plan) Deviates(requirement string) bool {
	return slices.ContainsFunc(p.Deviations, func(d Deviation) bool { return d.Requirement == requirement && d.Applied })
}

// unmet lists the needs of an alternative that no evidence meets. An alternative without needs is malformed and reads as unmet.
func (p Plan) unmet(a Alternative, evidence []factor.Evidence, now time.Time) []Need {
	if len(a.Needs) == 0 {
		return []Need{{}}
	}
	var open []Need
	for _, n := range a.Needs {
		if !slices.ContainsFunc(evidence, func(e factor.Evidence) bool { return p.counts(e, now) && n.metBy(e) }) {
			open = append(open, n)
		}
	}
	return open
}

// counts tells whether a piece of evidence counts at all under this plan.
func (p Plan) counts(e factor.Evidence, now time.Time) bool {
	class, known := e.Method.Class()
	return known && class == e.Class &&
		!e.Suspect && // rule b of requirements.md, section 4.1
		!e.At.After(now) &&
		slices.Contains(p.Methods, e.Method) &&
		ageOf(e.Since, e.At) >= p.Ageing[e.Method]
}

// metBy tells whether evidence that counts is what the need asks for.
func (n Need) metBy(e factor.Evidence) bool {
	return n.Class == e.Class && slices.Contains(n.Methods, e.Method) && ageOf(e.Since, e.At) >= n.MinAge
}

// narrow leaves in each need the allowed methods only; nil if a need has none.
func (p Plan) narrow(needs []Need) []Need {
	out := make([]Need, 0, len(needs))
	for _, n := range needs {
		n.Methods = intersect(n.Methods, p.Methods)
		if len(n.Methods) == 0 {
			return nil
		}
		out = append(out, n)
	}
	return out
}

// intersect keeps what both have, in the order of the API, without duplicates.
func intersect(a, b []factor.Method) []factor.Method {
	out := []factor.Method{}
	for _, m := range factor.Methods() {
		if slices.Contains(a, m) && slices.Contains(b, m) {
			out = append(out, m)
		}
	}
	return out
}
