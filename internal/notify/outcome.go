package notify

import (
	"errors"
	"fmt"
	"time"
)

// Reason says why a message was not sent: a constant that is fit for logs, metrics and audit events.
type Reason string

// The reasons.
const (
	ReasonNoRoute      Reason = "no_route"       // no sender is configured for the channel
	ReasonBadAddress   Reason = "bad_address"    // the address is malformed, or the provider says that it does not exist
	ReasonBadMessage   Reason = "bad_message"    // the message itself cannot be sent: unsafe header, too long, empty
	ReasonRefused      Reason = "refused"        // the provider refuses this message for good
	ReasonThrottled    Reason = "throttled"      // the provider asks us to slow down
	ReasonProvider     Reason = "provider_error" // the provider failed, or answered what nobody understands
	ReasonUnauthorized Reason = "unauthorized"   // the provider does not accept our credentials or our set-up
	ReasonUnreachable  Reason = "unreachable"    // no connection
	ReasonTLS          Reason = "tls_failed"     // no connection that is safe enough
	ReasonTimeout      Reason = "timeout"        // no answer in time
	ReasonCancelled    Reason = "cancelled"      // our own process gave up, for instance at its shutdown
	ReasonHungUp       Reason = "hung_up"        // the connection ended in the middle of the exchange
)

// Rejected means that the message will never be accepted: trying again is useless, and the address or the message is at
// fault (R-102 counts it as a bounce).
type Rejected struct {
	Reason Reason
	Code   int // the provider's own number (SMTP 550, Twilio 21211); 0 for none
}

// Error names the reason and the number, never the address.
func (e *Rejected) Error() string { return describe("rejected", e.Reason, e.Code) }

// Is reports whether target is a rejection for the same reason, so that errors.Is works with ErrNoRoute.
func (e *Rejected) Is(target error) bool {
	t, ok := target.(*Rejected)
	return ok && t.Reason == e.Reason
}

// Deferred means that the message was certainly not accepted, and that a later attempt may succeed.
type Deferred struct {
	Reason     Reason
	Code       int
	RetryAfter time.Duration // what the provider asked for; 0 for nothing
}

// Error names the reason and the number, never the address.
func (e *Deferred) Error() string { return describe("deferred", e.Reason, e.Code) }

// Unknown means that the provider may have accepted the message although we did not hear so. It is tried again, because a
// message too many is better than a notice too few; so it reads as Deferred to errors.As.
type Unknown struct {
	Reason Reason
	Code   int
}

// Error names the reason and the number, never the address.
func (e *Unknown) Error() string { return describe("outcome unknown", e.Reason, e.Code) }

// Unwrap gives the Deferred as which callers treat it.
func (e *Unknown) Unwrap() error { return &Deferred{Reason: e.Reason, Code: e.Code} }

// ErrNoRoute is the rejection of a message whose channel has no sender.
var ErrNoRoute error = &Rejected{Reason: ReasonNoRoute} //nolint:gochecknoglobals // a sentinel.

// Permanent reports whether trying again is useless. Only *Rejected is permanent: an error that nobody foresaw is tried
// again, since dropping a notice is the worse mistake.
func Permanent(err error) bool {
	var r *Rejected
	return errors.As(err, &r)
}

// RetryAfter is how long the provider asked us to wait, and 0 when it did not.
func RetryAfter(err error) time.Duration {
	var d *Deferred
	if errors.As(err, &d) {
		return d.RetryAfter
	}
	return 0
}

// ReasonOf names why sending failed: "" for nil, ReasonProvider for an error that is none of ours.
func ReasonOf(err error) Reason {
	var (
		rejected *Rejected
		deferred *Deferred
	)
	switch {
	case err == nil:
		return ""
	case errors.As(err, &rejected):
		return rejected.Reason
	case errors.As(err, &deferred):
		return deferred.Reason
	default:
		return ReasonProvider
	}
}

func describe(what string, reason Reason, code int) string {
	if code == 0 {
		return fmt.Sprintf("notify: %s: %s", what, reason)
	}
	return fmt.Sprintf("notify: %s: %s (%d)", what, reason, code)
}
