package recovery

import "time"

// LineOf tells which line of the table judges the event, and whether any does.
func LineOf(r Recovery, ev Event, now time.Time) (int, bool) {
	if r.State.Open() && !now.Before(r.ExpiresAt) && ev.Kind != Due {
		ev = Event{Kind: Due}
	}
	for i, line := range machine {
		if line.From == r.State && line.On == ev.Kind && line.If.holds(r, ev, now) {
			return i, true
		}
	}
	return 0, false
}
