package policy

import (
	"maps"
	"slices"
	"time"

	"github.com/holdfast/holdfast/internal/factor"
)

const (
	minApprovals  = 2 // two distinct humans
	proofedIAL    = 1 // from here on an account was proofed, and may be proofed again
	biometricIAL  = 3
	assuranceOne  = "aal1"
	assuranceTwo  = "aal2"
	assuranceHigh = "aal3"
)

// plan builds the plan of a population at a level of assurance and a tier. Notices are left undecided.
func (p *Policy) plan(pop population, aal, ial int, tier Tier) Plan {
	terms := p.doc.terms(pop, tier)
	plan := Plan{
		PolicyVersion: p.doc.Version,
		Tier:          tier,
		Alternatives:  []Alternative{},
		Methods:       intersect(pop.Methods, factor.Methods()),
		Ageing:        p.doc.ageing(pop),
		Hold:          time.Duration(terms.Hold),
		Probation:     time.Duration(terms.Probation),
		ReadyFor:      time.Duration(p.doc.ReadyFor),
		Approvals:     terms.Approvals,
		DeferToIDP:    pop.DeferToIDP,
		Deviations:    p.Deviations(),
	}
	if !pop.DeferToIDP {
		plan.Alternatives = concrete(p.doc.alternatives(pop, aal), plan.Methods, aal, ial)
	}
	return plan
}

// alternatives are the population's own for the level of assurance, or the document's.
func (d document) alternatives(pop population, aal int) []alternative {
	level := assuranceKey(aal)
	if own, ok := pop.Evidence[level]; ok {
		return own
	}
	return d.Evidence[level]
}

func assuranceKey(aal int) string {
	switch {
	case aal <= 1:
		return assuranceOne
	case aal == multiFactorAAL:
		return assuranceTwo
	default:
		return assuranceHigh
	}
}

// concrete spells the document's alternatives out for an account: each need with the methods that are allowed, alternatives
// without any dropped, proofing only for those who were proofed, and at AAL3 with IAL3 proofing alone.
func concrete(alternatives []alternative, methods []factor.Method, aal, ial int) []Alternative {
	out := []Alternative{}
	for _, a := range alternatives {
		needs := make([]Need, 0, len(a))
		for _, n := range a {
			needs = append(needs, Need{Class: n.Class, Methods: n.allowed(methods), MinAge: time.Duration(n.MinAge)})
		}
		proofing := slices.ContainsFunc(needs, func(n Need) bool { return n.Class == factor.Proofing })
		switch {
		case slices.ContainsFunc(needs, func(n Need) bool { return len(n.Methods) == 0 }):
		case proofing && ial < proofedIAL:
		case !proofing && aal >= highestAAL && ial >= biometricIAL:
		default:
			out = append(out, Alternative{Needs: needs})
		}
	}
	return normal(out)
}

// allowed are the allowed methods that can meet the need.
func (n need) allowed(methods []factor.Method) []factor.Method {
	out := []factor.Method{}
	for _, m := range methods {
		if class, _ := m.Class(); class == n.Class && (len(n.Methods) == 0 || slices.Contains(n.Methods, m)) {
			out = append(out, m)
		}
	}
	return out
}

// terms are the population's own for the tier, or the document's.
func (d document) terms(pop population, tier Tier) terms {
	if own, ok := pop.Tiers[tier]; ok {
		return own
	}
	return d.Tiers[tier]
}

// ageing joins the population's ages over the document's.
func (d document) ageing(pop population) map[factor.Method]time.Duration {
	out := make(map[factor.Method]time.Duration, len(d.Ageing)+len(pop.Ageing))
	for _, ages := range []map[factor.Method]duration{d.Ageing, pop.Ageing} {
		for m, age := range ages {
			out[m] = time.Duration(age)
		}
	}
	return out
}

// sortedKeys lists a map's keys in order, so that nothing depends on the order of iteration.
func sortedKeys[K ~string, V any](m map[K]V) []K { return slices.Sorted(maps.Keys(m)) }
