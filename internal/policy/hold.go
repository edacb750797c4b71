package policy

import "time"

// FloorHold is the least hold of a tier that the floor allows, for recoveries that people let through: tier low
// reads as high, because an assisted recovery is never below it.
func FloorHold(t Tier) time.Duration {
	if t >= Critical {
		return floorCriticalHold
	}
	return floorHighHold
}
