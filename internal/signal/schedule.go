package signal

import "time"

// delays are the waits before each attempt, as Standard Webhooks advises: ten attempts over about three days.
func delays() []time.Duration {
	return []time.Duration{
		0, 5 * time.Second, 5 * time.Minute, 30 * time.Minute, 2 * time.Hour, 5 * time.Hour, 10 * time.Hour, 14 * time.Hour, 20 * time.Hour, 24 * time.Hour,
	}
}

// Attempts is how often a delivery is tried before it is given up on.
func Attempts() int { return len(delays()) }

const (
	jitterShare = 0.2            // how much later than its time an attempt may come, at most
	longestWait = 24 * time.Hour // what a receiver may ask for, at most
)

// next is the wait before the attempt after the nth, with jitter from 0 to 1; false when there is none. What the receiver asked for is
// heeded where it is longer.
func next(nth int, asked time.Duration, jitter float64) (time.Duration, bool) {
	d := delays()
	if nth >= len(d) {
		return 0, false
	}
	wait := max(d[nth], min(asked, longestWait))
	return wait + time.Duration(float64(wait)*jitterShare*jitter), true
}
