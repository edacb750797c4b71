package twilio

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptrace"
	"net/url"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"github.com/holdfast/holdfast/internal/notify"
)

const (
	maxReply      = 1 << 20       // bytes; a reply is about one kilobyte
	maxRetryAfter = 1 * time.Hour // a notice does not wait for longer, whatever the provider asks for
)

// exchange is one request and its reply. It keeps what the library would lose, and from that says what became of the message.
type exchange struct {
	transport http.RoundTripper
	base      *url.URL

	written atomic.Bool // the request may have reached the server whole
	reply   *reply      // nil when none came whole
}

// reply is what counts of a reply: its numbers, and never its text, which repeats the number that was dialled.
type reply struct {
	status     int
	code       int // Twilio's own error number
	retryAfter time.Duration
}

// Error is what the library sees of a reply that is no success.
func (r *reply) Error() string { return fmt.Sprintf("twilio: status %d, error %d", r.status, r.code) }

type roundTripFunc func(*http.Request) (*http.Response, error)

// RoundTrip makes the function an http.RoundTripper.
func (f roundTripFunc) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

// within is the round tripper of the one call that runs under ctx. It sends the request to the configured host, reads the
// reply to its end, so that the connection can be used again, and turns every status but 2xx into an error with what matters.
func (x *exchange) within(ctx context.Context) http.RoundTripper {
	ctx = httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{
		// Called before the last bytes leave the buffer. So a request that is not "written" was surely not received whole.
		WroteRequest: func(httptrace.WroteRequestInfo) { x.written.Store(true) },
	})
	return roundTripFunc(func(r *http.Request) (*http.Response, error) {
		r = r.Clone(ctx)
		if x.base != nil {
			r.URL.Scheme, r.URL.Host, r.Host = x.base.Scheme, x.base.Host, ""
			r.URL.Path = strings.TrimSuffix(x.base.Path, "/") + r.URL.Path
		}
		res, err := x.transport.RoundTrip(r)
		if err != nil {
			return nil, err
		}
		defer res.Body.Close() //nolint:errcheck // read to its end, or given up.
		body, err := io.ReadAll(io.LimitReader(res.Body, maxReply))
		if err != nil {
			return nil, err
		}
		x.reply = digest(res, body)
		if res.StatusCode < 200 || res.StatusCode > 299 {
			return nil, x.reply
		}
		res.Body = io.NopCloser(bytes.NewReader(body))
		return res, nil
	})
}

// digest takes the numbers out of a reply. A body that is not Twilio's (a proxy's page) has none.
func digest(res *http.Response, body []byte) *reply {
	r := &reply{status: res.StatusCode, retryAfter: retryAfter(res.Header)}
	var said struct {
		Code int `json:"code"`
	}
	if json.Unmarshal(body, &said) == nil {
		r.code = said.Code
	}
	return r
}

// outcome says what became of a call that failed.
func (x *exchange) outcome(ctx context.Context) error {
	if x.reply == nil {
		return x.noReply(ctx)
	}
	switch r := x.reply; {
	case r.status >= 200 && r.status <= 299:
		return &notify.Unknown{Reason: notify.ReasonProvider, Code: r.status} // accepted, in words that nobody understands
	case r.status == http.StatusTooManyRequests:
		return &notify.Deferred{Reason: notify.ReasonThrottled, Code: r.number(), RetryAfter: r.retryAfter}
	case r.status == http.StatusUnauthorized, r.status == http.StatusForbidden, r.status == http.StatusNotFound:
		// Our credentials or our account's name. That is no bounce, and must not drop a notice.
		return &notify.Deferred{Reason: notify.ReasonUnauthorized, Code: r.number(), RetryAfter: r.retryAfter}
	case r.status >= 400 && r.status <= 499 && r.status != http.StatusRequestTimeout:
		return &notify.Rejected{Reason: rejection(r.code), Code: r.number()}
	default:
		return &notify.Deferred{Reason: notify.ReasonProvider, Code: r.number(), RetryAfter: r.retryAfter}
	}
}

func (x *exchange) noReply(ctx context.Context) error {
	reason := notify.ReasonUnreachable
	switch {
	case errors.Is(ctx.Err(), context.DeadlineExceeded):
		reason = notify.ReasonTimeout
	case ctx.Err() != nil:
		reason = notify.ReasonCancelled
	case x.written.Load():
		reason = notify.ReasonHungUp
	}
	if x.written.Load() {
		return &notify.Unknown{Reason: reason}
	}
	return &notify.Deferred{Reason: reason}
}

// number is Twilio's own error number, or the status where it gave none.
func (r *reply) number() int {
	if r.code != 0 {
		return r.code
	}
	return r.status
}

// rejection tells a number that cannot be reached from a message that is refused: twilio.com/docs/api/errors.
func rejection(code int) notify.Reason {
	switch code {
	case 21211, 21214, 21217, 21604, 21610, 21612, 21614:
		return notify.ReasonBadAddress
	default:
		return notify.ReasonRefused
	}
}

// retryAfter reads the header of RFC 9110, section 10.2.3: seconds, or a date, which is measured against the server's own.
// What is absent, malformed or past is 0; what is longer than an hour is an hour.
func retryAfter(h http.Header) time.Duration {
	value := strings.TrimSpace(h.Get("Retry-After"))
	var wait time.Duration
	if seconds, err := strconv.ParseUint(value, 10, 31); err == nil {
		wait = time.Duration(seconds) * time.Second
	} else if at, err := http.ParseTime(value); err == nil {
		if now, err := http.ParseTime(h.Get("Date")); err == nil {
			wait = at.Sub(now)
		}
	}
	return min(max(wait, 0), maxRetryAfter)
}
