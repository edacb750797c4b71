package policy

import "time"

// HoldOf is the hold that the document gives a tier in a population, never below the floor of recoveries that people let through.
// A population that the document does not know is judged as its fallback.
func (p *Policy) HoldOf(population string, t Tier) time.Duration {
	pop, ok := p.doc.Populations[population]
	if !ok {
		pop = p.doc.Populations[p.doc.Fallback]
	}
	return max(time.Duration(p.doc.terms(pop, t).Hold), FloorHold(t))
}

// FloorHold is the least hold of a tier that the floor allows, for recoveries that people let through: tier low
// reads as high, because an assisted recovery is never below it.
func FloorHold(t Tier) time.Duration {
	if t >= Critical {
		return floorCriticalHold
	}
	return floorHighHold
}
