package recovery

import (
	"time"

	"github.com/holdfast/holdfast/internal/factor"
)

// The lives of challenges (requirements.md, section 3). A code that is typed in lives ten minutes, by mail as well.
const (
	challengeFor = 10 * time.Minute
	resendFirst  = time.Minute
	resendMost   = 32 * time.Minute
)

// Challenge is one attempt to prove one factor within one recovery. There is one per recovery and method: asking again
// makes a new code in it, which overwrites the old one and resets no counter.
type Challenge struct {
	ID         string
	Method     factor.Method
	Channel    string // empty for a decoy challenge and for methods without a channel
	Sends      int
	Attempts   int
	CodeHash   []byte // nil until the sender minted it
	CreatedAt  time.Time
	ExpiresAt  time.Time
	ResendAt   time.Time
	MintedAt   time.Time
	AcceptedAt time.Time // when the provider took the message
	ConsumedAt time.Time
}

// alive reports whether the challenge can still be answered, given how often a code may be tried.
func (c Challenge) alive(now time.Time, attempts int) bool {
	return c.ConsumedAt.IsZero() && now.Before(c.ExpiresAt) && c.Attempts < attempts
}

// humanly is the least time in which a person reads a message and types its code.
const humanly = time.Second

// hasty reports whether the code was typed in sooner than a person can.
func (c Challenge) hasty() bool {
	return sendsCode(c.Method) && !c.ConsumedAt.IsZero() && !c.MintedAt.IsZero() && c.ConsumedAt.Sub(c.MintedAt) < humanly
}

// again asks for the challenge once more. jitter, 0 to 1, spreads the waits that grow with each send.
func (c Challenge) again(now time.Time, jitter float64) Challenge {
	c.Sends++
	c.CodeHash, c.MintedAt, c.AcceptedAt = nil, time.Time{}, time.Time{}
	c.ExpiresAt = now.Add(challengeFor)
	wait := min(resendFirst<<(c.Sends-1), resendMost)
	c.ResendAt = now.Add(wait + time.Duration(jitter*float64(wait)/4)).Truncate(time.Second)
	return c
}

// find gives the recovery's challenge of a method, if there is one.
func find(challenges []Challenge, match func(Challenge) bool) (Challenge, bool) {
	for _, c := range challenges {
		if match(c) {
			return c, true
		}
	}
	return Challenge{}, false
}

// sendsCode reports whether a challenge of the method sends something out.
func sendsCode(m factor.Method) bool { return m == factor.Email || m == factor.SMS }
