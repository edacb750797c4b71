package policy

import (
	"slices"

	"github.com/holdfast/holdfast/internal/factor"
)

// Raised is what operators demand beyond the document at this moment. It only makes stricter, and has no field that could do
// otherwise. The zero value demands nothing.
type Raised struct {
	MinTier Tier            `json:"min_tier,omitempty"` // no recovery is judged below it
	Stopped []factor.Method `json:"stopped,omitempty"`  // methods that give no new proof; what was proven by them before stays
}

const ruleControl = "control"

// IsZero tells whether nothing is demanded.
func (r Raised) IsZero() bool { return r.MinTier == 0 && len(r.Stopped) == 0 }

// stops tells whether evidence by the method that is yet to come does not count.
func (a *assessment) stops(m factor.Method) bool {
	return slices.Contains(a.facts.Raised.Stopped, m) && !a.facts.provenBy(m)
}

// applyRaised raises the tier to what operators demand.
func (a *assessment) applyRaised() {
	if a.facts.Raised.MinTier.Valid() {
		a.raise(a.facts.Raised.MinTier, ruleControl, "An operator has raised the lowest tier.")
	}
	if slices.ContainsFunc(a.facts.Raised.Stopped, a.stops) {
		a.note(Reason{Rule: ruleControl, Text: "An operator has stopped a method."})
	}
}

// restricted leaves the stopped methods out of a plan.
func (a *assessment) restricted(p Plan) Plan {
	if len(a.facts.Raised.Stopped) == 0 {
		return p
	}
	return p.Restrict(slices.DeleteFunc(factor.Methods(), a.stops))
}
