package policy

import (
	"cmp"
	"fmt"
	"slices"
	"time"

	"github.com/holdfast/holdfast/internal/factor"
)

// Report is what Check found. It is a value: its text is by Text, its members are for other renderings.
type Report struct {
	Version       string          `json:"version"`
	Hash          string          `json:"document_hash"`
	Failures      []string        `json:"failures,omitempty"` // why the document must not be used; none means that all proofs held
	Compared      int             `json:"compared"`           // evidence sets judged under pairs of tiers
	Clauses       []Clause        `json:"clauses"`
	SingleAddress []SingleAddress `json:"single_address"`
	Deviations    []Deviation     `json:"deviations,omitempty"`
}

// OK tells whether every proof held.
func (r Report) OK() bool { return len(r.Failures) == 0 }

// SingleAddress says what becomes of an account with one e-mail address and nothing else known against it (R-096, S10).
type SingleAddress struct {
	Population string `json:"population"`
	AAL        int    `json:"aal"`
	Outcome    string `json:"outcome"`
}

// Check proves by enumeration, for every population, level of assurance and proofing, over all sets of evidence, that a stricter
// tier is never easier to pass than a laxer one, and that accounts above AAL1 never pass with one class. It then
// says which clauses of 63B-4 are met or deviated from. It takes well under a second for a document of ordinary size.
func Check(p *Policy) Report {
	c := &prover{policy: p, oneClass: map[int]bool{}}
	for _, name := range p.Populations() {
		for aal := 1; aal <= highestAAL; aal++ {
			for ial := 0; ial <= biometricIAL; ial++ {
				c.compareTiers(name, aal, ial)
			}
		}
	}
	return Report{
		Version: p.Version(), Hash: p.Hash(), Failures: c.failures, Compared: c.compared,
		Clauses: c.clauses(), SingleAddress: p.singleAddress(), Deviations: p.Deviations(),
	}
}

// prover enumerates.
type prover struct {
	policy   *Policy
	failures []string
	compared int
	oneClass map[int]bool // by level of assurance: some set passes that is below 63B-4 section 4.2.2
}

// provenAt is an arbitrary instant: only differences of time matter.
func provenAt() time.Time { return time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC) }

// compareTiers compares each tier's plan with that of the next laxer one.
func (c *prover) compareTiers(name string, aal, ial int) {
	pop := c.policy.doc.Populations[name]
	lax := c.policy.plan(pop, aal, ial, Low)
	sets := evidenceSets(lax.Methods)
	laxPasses := c.passes(lax, sets, aal)
	for _, tier := range Tiers()[1:] {
		strict := c.policy.plan(pop, aal, ial, tier)
		strictPasses := c.passes(strict, sets, aal)
		c.compared += len(sets)
		where := fmt.Sprintf("population %s, AAL%d, IAL%d: tier %s", name, aal, ial, tier)
		if i := firstEasier(laxPasses, strictPasses); i >= 0 {
			c.failures = append(c.failures, fmt.Sprintf("%s passes with %v, tier %s does not", where, methodsOf(sets[i]), lax.Tier))
		}
		if strict.Hold < lax.Hold || strict.Probation < lax.Probation || strict.Approvals < lax.Approvals || strict.ReadyFor > lax.ReadyFor {
			c.failures = append(c.failures, fmt.Sprintf("%s asks for less time or fewer approvals than tier %s", where, lax.Tier))
		}
		lax, laxPasses = strict, strictPasses
	}
}

// passes judges every set, and notes those that pass below section 4.2.2.
func (c *prover) passes(plan Plan, sets [][]factor.Evidence, aal int) []bool {
	out := make([]bool, len(sets))
	for i, set := range sets {
		out[i] = plan.Satisfied(set, provenAt())
		if out[i] && !sufficient(set, aal) {
			c.oneClass[aal] = true
			if requirement := requirementFor(aal); !c.policy.names(requirement) {
				c.failures = append(c.failures, fmt.Sprintf("an AAL%d account passes with %v (%s)", aal, methodsOf(set), requirement))
			}
		}
	}
	return out
}

// sufficient states 63B-4 section 4.2.2 by itself, not by the document's alternatives: it is what those are proven against.
func sufficient(set []factor.Evidence, aal int) bool {
	classes := factor.Classes(set)
	if slices.Contains(classes, factor.Proofing) {
		return true
	}
	codes := slices.DeleteFunc(slices.Clone(classes), func(c factor.Class) bool { return c == factor.Authenticator })
	if aal < multiFactorAAL {
		return len(codes) >= 1
	}
	return len(codes) >= 1 && len(classes) >= 2
}

func requirementFor(aal int) string {
	switch aal {
	case 1:
		return reqOneClass
	case 2:
		return reqTwoClasses
	default:
		return reqHighest
	}
}

// evidenceSets lists all subsets of the methods, each with all items new, aged a little, and old.
func evidenceSets(methods []factor.Method) [][]factor.Evidence {
	ages := []time.Duration{0, floorFactorAge, maxAgeing}
	var out [][]factor.Evidence
	for mask := range 1 << len(methods) {
		for _, age := range ages {
			var set []factor.Evidence
			for i, m := range methods {
				if mask&(1<<i) != 0 {
					set = append(set, proof(m, age))
				}
			}
			out = append(out, set)
		}
	}
	return out
}

// proof is one accepted proof of a factor of some age.
func proof(m factor.Method, age time.Duration) factor.Evidence {
	class, _ := m.Class()
	return factor.Evidence{
		Method: m, Class: class, Source: string(m), Since: provenAt().Add(-age), At: provenAt(),
		PhishingResistant: m == factor.Passkey,
	}
}

func firstEasier(lax, strict []bool) int {
	for i := range strict {
		if strict[i] && !lax[i] {
			return i
		}
	}
	return -1
}

func methodsOf(set []factor.Evidence) []factor.Method {
	out := make([]factor.Method, len(set))
	for i, e := range set {
		out[i] = e.Method
	}
	return out
}

// singleAddress plays the account with one aged address through Decide: at AAL1 by a code sent there, at AAL2 with the saved code.
func (p *Policy) singleAddress() []SingleAddress {
	var out []SingleAddress
	for _, name := range p.Populations() {
		for aal, methods := range map[int][]factor.Method{
			1: {factor.Email}, multiFactorAAL: {factor.Email, factor.RecoveryCode},
		} {
			f := quiet(name, aal)
			for _, m := range methods {
				f.Factors = append(f.Factors, Factor{ID: string(m), Method: m, Since: provenAt().Add(-maxAgeing)})
				f.Evidence = append(f.Evidence, proof(m, maxAgeing))
			}
			out = append(out, SingleAddress{Population: name, AAL: aal, Outcome: outcome(p.Decide(f), f)})
		}
	}
	slices.SortFunc(out, func(x, y SingleAddress) int {
		return cmp.Or(cmp.Compare(x.Population, y.Population), cmp.Compare(x.AAL, y.AAL))
	})
	return out
}

// quiet are facts in which every signal is known and nothing speaks against the claim.
func quiet(population string, aal int) Facts {
	f := Facts{Now: provenAt(), Population: population, AAL: aal, Reason: ReasonLostPassword, Signals: map[Signal]Reading{}}
	for _, s := range Signals() {
		f.Signals[s] = Reading{State: Absent}
	}
	f.Signals[KnownDevice] = Reading{State: Present}
	return f
}

func outcome(d Decision, f Facts) string {
	switch {
	case d.Plan.DeferToIDP:
		return "is sent to the organisation's sign-in"
	case d.Plan.Assisted:
		return fmt.Sprintf("goes to people: %d approvals, then held %s", d.Plan.Approvals, inDays(d.Plan.Hold))
	case !d.Plan.Satisfied(f.Evidence, f.Now):
		return "cannot recover with it"
	default:
		text := fmt.Sprintf("recovers after a hold of %s, probation %s", inDays(d.Plan.Hold), inDays(d.Plan.Probation))
		if d.Plan.Approvals > 0 {
			text += fmt.Sprintf(", %d approvals", d.Plan.Approvals)
		}
		if d.Plan.Deviates(reqNotice) {
			text += ", under the deviation from R-096"
		}
		return text
	}
}
