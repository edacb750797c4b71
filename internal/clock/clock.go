// Package clock is where Holdfast's processes may read the wall clock.
//
// What is due in a recovery is never decided by it: that is the database's clock alone, read inside the transaction
// (ADR 0005). This one serves caches, back-off and log lines.
package clock

import "time"

// Clock tells the time.
type Clock interface {
	// Now is the present in UTC.
	Now() time.Time
}

// System is the process's own clock.
type System struct{}

// Now is the present in UTC, to the microsecond, as the database would give it.
func (System) Now() time.Time { return time.Now().UTC().Truncate(time.Microsecond) }

// Fixed is a clock that stands still, for tests.
type Fixed time.Time

// Now is the fixed instant.
func (f Fixed) Now() time.Time { return time.Time(f) }
