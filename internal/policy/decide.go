package policy

import (
	"slices"

	"github.com/holdfast/holdfast/internal/factor"
)

// Decision is the outcome of an assessment at one moment. It is stored beside its Facts, and nobody outside is told its
// score, tier or reasons (design.md, section 3).
type Decision struct {
	Tier          Tier     `json:"tier"`
	Score         int      `json:"score"`
	Reasons       []Reason `json:"reasons"`
	Plan          Plan     `json:"plan"`
	PolicyVersion string   `json:"policy_version"`
	DocumentHash  string   `json:"document_hash"`
	Raised        Raised   `json:"raised,omitzero"` // what operators demanded when it was made
}

// Reason is one thing that spoke for the tier, or that shaped the plan. Text is constant per rule: it holds no personal data.
type Reason struct {
	Rule    string `json:"rule"`               // a signal's name, a tenant's rule as "rule:<name>", or a rule of this package
	Weight  int    `json:"weight,omitempty"`   // what it added to the score
	RaiseTo Tier   `json:"raise_to,omitempty"` // the tier that it demands by itself
	Text    string `json:"text"`
}

// The rules of this package that stand in reasons beside the signals.
const (
	ruleUnknownPopulation = "unknown_population"
	ruleUnknownAAL        = "unknown_aal"
	ruleUnknownReason     = "unknown_reason"
	rulePopulation        = "population"
	ruleEvidence          = "evidence_strength"
	ruleNotice            = "independent_notice"
	rulePostal            = "postal_notice"
	ruleUnreachable       = "no_unattended_way"
	ruleProofing          = "biometric_proofing"
	ruleDefer             = "defer_to_idp"
	ruleAssisted          = "assisted"
)

// assessment is a decision in the making.
type assessment struct {
	policy     *Policy
	facts      Facts
	population population
	aal        int
	readings   map[Signal]Reading
	tier       Tier
	score      int
	reasons    []Reason
}

// Decide judges the facts. It is pure and total: every input yields a valid tier and a plan, what is missing or unknown
// raises, and what is not known at all is judged as the strictest thing that it could be. It never fails.
//
// What depends on which evidence suffices (the strength that tier low asks for, R-096) is judged once it does, and not
// before. The caller ratchets the plan with those of earlier decisions of the same recovery.
func (p *Policy) Decide(f Facts) Decision {
	a := &assessment{policy: p, facts: f, tier: Low, aal: f.aal(), readings: f.readings()}
	a.findPopulation()
	a.weigh()
	a.insist()
	a.applyRules()
	a.applyRaised()

	plan := a.plan()
	if !plan.DeferToIDP && len(f.Evidence) > 0 {
		a.judgeEvidence(&plan)
	}
	return Decision{
		Tier: a.tier, Score: a.score, Reasons: a.reasons, Plan: plan,
		PolicyVersion: p.Version(), DocumentHash: p.Hash(), Raised: f.Raised,
	}
}

// findPopulation looks the population up, or takes the document's fallback and says so.
func (a *assessment) findPopulation() {
	pop, ok := a.policy.doc.Populations[a.facts.Population]
	if !ok {
		name := a.policy.doc.Fallback
		pop = a.policy.doc.Populations[name]
		a.note(Reason{Rule: ruleUnknownPopulation, Text: "The population is not in the document; judged as " + name + "."})
	}
	a.population = pop
	if f := a.facts; f.AAL < 1 || f.AAL > highestAAL {
		a.note(Reason{Rule: ruleUnknownAAL, Text: "The registered assurance level is not one of 1 to 3; judged as at least 2."})
	}
}

// weigh adds the weights up and turns the score into a tier.
func (a *assessment) weigh() {
	for _, s := range Signals() {
		if (s == SIMSwap || s == SIMRecent) && !a.simMatters() {
			continue
		}
		weight, text := a.policy.doc.Signals[s].weigh(a.readings[s])
		if weight > 0 {
			a.score += weight
			a.note(Reason{Rule: string(s), Weight: weight, Text: text})
		}
	}
	a.tier = max(a.tier, a.policy.doc.Thresholds.tier(a.score))
}

// simMatters tells whether the state of a SIM bears on this recovery: a phone was used as evidence, or a swap of a number on
// file was detected, which tells of an attack whatever was used.
func (a *assessment) simMatters() bool {
	return a.facts.provenBy(factor.SMS, factor.Voice) ||
		((a.readings[SIMSwap].State == Present || a.readings[SIMRecent].State == Present) && a.facts.holds(factor.SMS, factor.Voice))
}

// insist raises to what no weight may undercut.
func (a *assessment) insist() {
	if a.readings[ReasonTakeoverSuspected].State == Present {
		a.raise(High, string(ReasonTakeoverSuspected), "The claimant suspects a takeover.")
	}
	switch a.facts.Reason {
	case ReasonLostPassword, ReasonLostMFA, ReasonLostAll, ReasonSuspectedTakeover:
	default:
		a.raise(High, ruleUnknownReason, "The stated reason is unknown.")
	}
	if a.simMatters() {
		switch a.readings[SIMSwap].State {
		case Present:
			a.raise(Critical, string(SIMSwap), "A SIM swap was detected.")
		case Unknown:
			a.raise(Moderate, string(SIMSwap), "Whether the SIM was swapped is unknown (R-056).")
		case Absent:
		}
	}
	if a.simMatters() && a.readings[SIMRecent].State == Present {
		a.raise(High, string(SIMRecent), "The number moved to another SIM within 30 days.")
	}
	if a.readings[FleetFailures].State == Present {
		a.raise(Moderate, string(FleetFailures), "Codes are being guessed over many accounts (R-084).")
	}
	if a.population.MinTier.Valid() {
		a.raise(a.population.MinTier, rulePopulation, "The population's lowest tier.")
	}
}

// applyRules runs the tenant's rules. A rule that fails counts as met.
func (a *assessment) applyRules() {
	if len(a.policy.rules) == 0 {
		return
	}
	vars := a.facts.variables(a.aal, a.readings)
	for _, r := range a.policy.rules {
		switch met, err := r.met(vars); {
		case err != nil:
			a.raise(r.raiseTo, "rule:"+r.name, "The rule could not be evaluated, which counts as met.")
		case met:
			a.raise(r.raiseTo, "rule:"+r.name, r.reason)
		}
	}
}

// plan builds what the document demands of this account at the tier reached so far.
func (a *assessment) plan() Plan {
	plan := a.restricted(a.policy.plan(a.population, a.aal, a.facts.IAL, a.tier))
	if plan.DeferToIDP {
		a.note(Reason{Rule: ruleDefer, Text: "Accounts of this population sign in through their organisation; no grant is given."})
	}
	return plan
}

// judgeEvidence decides what hangs on the evidence, and rebuilds the plan if that raised the tier.
func (a *assessment) judgeEvidence(plan *Plan) {
	if !plan.Satisfied(a.facts.Evidence, a.facts.Now) {
		if !a.reachable(*plan) {
			a.assist(plan, ruleUnreachable, "The usable factors on file cannot meet any alternative.")
		}
		return
	}
	if a.tier == Low && !a.earnsLow(*plan) {
		a.raise(Moderate, ruleEvidence, "The evidence is not of the strength that goes without a hold.")
		*plan = a.plan()
	}
	if a.aal >= highestAAL {
		a.judgeHighest(plan)
	}
	a.judgeNotice(plan)
}

// earnsLow tells whether evidence that suffices is also strong enough for tier low (requirements.md, section 3): a single-factor
// account where the document allows it, else a phishing-resistant authenticator, or an aged saved code with an aged
// channel; from a known device in any case.
func (a *assessment) earnsLow(plan Plan) bool {
	if a.readings[KnownDevice].State != Present {
		return false
	}
	if a.aal < multiFactorAAL && a.policy.doc.SingleFactorLow {
		return true
	}
	var resistant, code, channel bool
	for _, e := range a.facts.Evidence {
		if !plan.counts(e, a.facts.Now) {
			continue
		}
		age := ageOf(e.Since, e.At)
		resistant = resistant || (e.PhishingResistant && e.Class == factor.Authenticator && age >= factor.AgedFactor)
		code = code || (e.Class == factor.Saved && age >= factor.AgedStrong)
		channel = channel || (e.Class == factor.Issued && age >= factor.AgedStrong)
	}
	return resistant || (code && channel)
}

// reachable tells whether the factors on file, with what was proven, could meet an alternative. Proofing needs no factor.
func (a *assessment) reachable(plan Plan) bool {
	could := slices.Clone(a.facts.Evidence)
	for _, x := range a.facts.Factors {
		if class, ok := x.Method.Class(); ok && !x.Suspect && !x.Disabled {
			could = append(could, factor.Evidence{Method: x.Method, Class: class, Source: x.ID, Since: x.Since, At: a.facts.Now})
		}
	}
	could = append(could, factor.Evidence{Method: factor.Reproofing, Class: factor.Proofing, Since: a.facts.Now, At: a.facts.Now})
	return plan.Satisfied(could, a.facts.Now)
}

// assist turns the plan into one that people decide: at tier high or above, with two approvals, at least.
func (a *assessment) assist(plan *Plan, rule, text string) {
	a.note(Reason{Rule: rule, Text: text})
	if a.tier < High {
		a.raise(High, ruleAssisted, "An assisted recovery is at least of tier high.")
		applied := plan.Deviations
		*plan = a.plan()
		plan.Deviations = united(applied, plan.Deviations)
	}
	plan.Assisted = true
	plan.IndependentNotice = a.independentAddress()
	plan.Approvals = max(plan.Approvals, minApprovals)
}

// raise lifts the tier, never lowers it, and keeps the reason.
func (a *assessment) raise(to Tier, rule, text string) {
	a.tier = max(a.tier, to)
	a.note(Reason{Rule: rule, RaiseTo: to, Text: text})
}

func (a *assessment) note(r Reason) { a.reasons = append(a.reasons, r) }
