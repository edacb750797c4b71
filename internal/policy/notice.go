package policy

import (
	"cmp"
	"slices"
	"time"

	"github.com/holdfast/holdfast/internal/factor"
)

// What a document may name to change how notices bind.
const (
	reqNotice = "R-096"        // no completion unless a notice reached an address outside the evidence
	reqPostal = "R-096-postal" // recoveries at AAL3 are notified by post as well (63B-4 section 4.6)
)

// singleAddressHold is the least that a single-factor account waits when its only address was used as evidence.
const singleAddressHold = 24 * time.Hour

// judgeNotice applies R-096 to evidence that suffices. With an independent address on file, a notice accepted there is
// demanded. Without one the recovery goes to people, except for a single-factor account under a document that names the
// deviation: that one is held for at least a day, and watched through probation, instead.
func (a *assessment) judgeNotice(plan *Plan) {
	switch {
	case plan.Assisted:
	case a.independentAddress():
		plan.IndependentNotice = true
	case a.aal < multiFactorAAL && a.policy.names(reqNotice):
		plan.Hold = max(plan.Hold, singleAddressHold)
		plan.Probation = max(plan.Probation, floorProbation)
		apply(plan, reqNotice)
		a.note(Reason{Rule: ruleNotice, Text: "No address outside the evidence: held for at least 24 h under the document's deviation from R-096."})
	default:
		a.assist(plan, ruleNotice, "No address outside the evidence can be notified (R-096).")
	}
}

// judgeHighest applies what 63B-4 asks at AAL3 beyond AAL2: a biometric comparison for accounts proofed at IAL3, and
// a notice by post, which only people can see to.
func (a *assessment) judgeHighest(plan *Plan) {
	if a.facts.IAL >= biometricIAL {
		a.assist(plan, ruleProofing, "AAL3 with IAL3 needs a biometric comparison against the original (R-004).")
	}
	if a.policy.names(reqPostal) {
		apply(plan, reqPostal)
		return
	}
	a.assist(plan, rulePostal, "A recovery at AAL3 needs a notice by post (63B-4 section 4.6).")
}

// independentAddress tells whether the address of a trustworthy channel on file was not used as evidence. One that came lately could be
// the attacker's own, and counts as none. A disabled one gives no codes, but still takes notices.
func (a *assessment) independentAddress() bool {
	return slices.ContainsFunc(a.facts.Factors, func(x Factor) bool {
		return isChannel(x.Method) && !x.Suspect && ageOf(x.Since, a.facts.Now) >= noticeTrusted &&
			!slices.ContainsFunc(a.facts.Evidence, func(e factor.Evidence) bool { return e.Source == x.ID || e.Reach() == cmp.Or(x.Address, x.ID) })
	})
}

// apply marks a deviation as one that made a difference to this plan.
func apply(plan *Plan, requirement string) {
	for i, d := range plan.Deviations {
		if d.Requirement == requirement {
			plan.Deviations[i].Applied = true
		}
	}
}
