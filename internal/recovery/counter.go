package recovery

import (
	"time"

	"github.com/holdfast/holdfast/internal/factor"
)

// The limits of requirements.md, section 3, per account (or pseudonym) and method, across recoveries. They slide: each
// counts what happened in the time before now, so there is no window edge to burst over.
const (
	failuresPerHour     = 10
	failuresPerDay      = 25
	failuresToDisable   = 100 // consecutive; then the method is disabled, never the account
	attemptsPerCode     = 5
	attemptsTightened   = 3 // while codes are guessed over many accounts
	sendsPerRecovery    = 5
	sendsPerDestination = 5 // a day
)

// Counter counts failures or sends of one method on one subject.
type Counter struct {
	Consecutive int
	Recent      []time.Time // of the last 24 hours, oldest first
	WaitUntil   time.Time
	DisabledAt  time.Time
}

// failureKind and sendKind name the counters of a method.
func failureKind(m factor.Method) string { return string(m) }
func sendKind(m factor.Method) string    { return "send:" + string(m) }

// mayFail reports whether one more failure is bearable, and when it will be if it is not.
func (c Counter) mayFail(now time.Time) (ok bool, wait time.Duration) {
	switch {
	case !c.DisabledAt.IsZero():
		return false, 24 * time.Hour
	case now.Before(c.WaitUntil):
		return false, c.WaitUntil.Sub(now)
	}
	if n := c.since(now, time.Hour); n >= failuresPerHour {
		return false, c.freeAt(now, time.Hour, failuresPerHour)
	}
	if n := c.since(now, 24*time.Hour); n >= failuresPerDay {
		return false, c.freeAt(now, 24*time.Hour, failuresPerDay)
	}
	return true, 0
}

// fail counts one failure and says how long to wait after it (63B-4 section 3.2.2, R-082).
func (c Counter) fail(now time.Time) Counter {
	c.Consecutive++
	c.Recent = append(c.trimmed(now), now)
	if wait := waitAfter(c.Consecutive); wait > 0 {
		c.WaitUntil = now.Add(wait)
	}
	if c.Consecutive >= failuresToDisable {
		c.Consecutive = failuresToDisable
		c.DisabledAt = now
	}
	return c
}

// succeed disregards earlier failures.
func (c Counter) succeed() Counter {
	c.Consecutive, c.WaitUntil = 0, time.Time{}
	return c
}

// waitAfter is how long a method rests after so many consecutive failures.
func waitAfter(consecutive int) time.Duration {
	switch {
	case consecutive <= 2:
		return 0
	case consecutive == 3:
		return 30 * time.Second
	case consecutive == 4:
		return 2 * time.Minute
	case consecutive == 5:
		return 10 * time.Minute
	default:
		return time.Hour
	}
}

// maySend reports whether the destination can take another message today.
func (c Counter) maySend(now time.Time) (ok bool, wait time.Duration) {
	if c.since(now, 24*time.Hour) < sendsPerDestination {
		return true, 0
	}
	return false, c.freeAt(now, 24*time.Hour, sendsPerDestination)
}

// send counts one message.
func (c Counter) send(now time.Time) Counter {
	c.Recent = append(c.trimmed(now), now)
	return c
}

func (c Counter) since(now time.Time, d time.Duration) int {
	n := 0
	for _, t := range c.Recent {
		if now.Sub(t) < d {
			n++
		}
	}
	return n
}

// freeAt is how long until fewer than limit of the recent ones are within d.
func (c Counter) freeAt(now time.Time, d time.Duration, limit int) time.Duration {
	return max(c.Recent[len(c.Recent)-limit].Add(d).Sub(now), time.Second)
}

func (c Counter) trimmed(now time.Time) []time.Time {
	out := make([]time.Time, 0, len(c.Recent)+1)
	for _, t := range c.Recent {
		if now.Sub(t) < 24*time.Hour {
			out = append(out, t)
		}
	}
	return out
}
