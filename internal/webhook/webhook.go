// Package webhook makes the attempts of signals over HTTP: one request, no redirect, TLS with a verified certificate, and
// never a connection to an internal address, whatever a name resolves to at that moment.
package webhook

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"net"
	"net/http"
	"net/netip"
	"strconv"
	"time"

	"github.com/holdfast/holdfast/internal/signal"
)

// Config is what a Pusher is made of.
type Config struct {
	// Allowed are internal networks that may be connected to all the same. None by default.
	Allowed []netip.Prefix
	// Roots are the authorities that certificates are checked against; the system's when nil.
	Roots *x509.CertPool
	// Resolver looks names up; the system's when nil.
	Resolver *net.Resolver
	// Timeout is how long one attempt may take; signal.AttemptFor when zero.
	Timeout time.Duration
	// Now reads the wall clock, for a Retry-After that names a date.
	Now func() time.Time
}

// Pusher is the signal.Pusher over net/http. It is safe for concurrent use.
type Pusher struct {
	client  *http.Client
	timeout time.Duration
	now     func() time.Time
}

var _ signal.Pusher = (*Pusher)(nil)

const (
	connectWithin = 5 * time.Second
	maxHeaders    = 16 << 10
	maxAnswer     = 4 << 10 // enough for an error code; the rest is not read
	userAgent     = "Holdfast-Signals/1"
)

// New makes a Pusher.
func New(cfg Config) *Pusher {
	if cfg.Timeout == 0 {
		cfg.Timeout = signal.AttemptFor
	}
	return &Pusher{timeout: cfg.Timeout, now: cfg.Now, client: Client(Config{Allowed: cfg.Allowed, Roots: cfg.Roots, Resolver: cfg.Resolver})}
}

// Client makes the guarded client alone, for what else is sent to addresses that somebody wrote down: it follows no redirect and uses no
// proxy. Of the configuration it takes Allowed, Roots, Resolver and Timeout, which is for a whole exchange; none when zero.
func Client(cfg Config) *http.Client {
	dialer := &net.Dialer{Timeout: connectWithin, Resolver: cfg.Resolver, Control: guard(cfg.Allowed).control}
	return &http.Client{
		Transport: final{&http.Transport{
			DialContext: dialer.DialContext, Proxy: nil, // the guard judges the address that is connected to: there is nothing in between
			TLSClientConfig:     &tls.Config{MinVersion: tls.VersionTLS12, RootCAs: cfg.Roots},
			TLSHandshakeTimeout: connectWithin, MaxResponseHeaderBytes: maxHeaders, DisableCompression: true, ForceAttemptHTTP2: true,
			DisableKeepAlives: true, // each attempt resolves and is judged anew, and none is lost to a connection that has just ended
		}},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		Timeout:       cfg.Timeout,
	}
}

// final takes nothing for an answer that is not a final one. A receiver that says it goes on in another protocol (101) is handed the
// connection by net/http, which from then on no deadline ends: with one such answer it would keep a worker for ever.
type final struct{ http.RoundTripper }

var errNotFinal = errors.New("the answer is not a final one")

// RoundTrip implements http.RoundTripper.
func (f final) RoundTrip(r *http.Request) (*http.Response, error) {
	res, err := f.RoundTripper.RoundTrip(r)
	if err == nil && res.StatusCode < http.StatusOK {
		_ = res.Body.Close()
		return nil, errNotFinal
	}
	return res, err
}

// Push implements signal.Pusher.
func (p *Pusher) Push(ctx context.Context, r signal.Request) signal.Answer {
	ctx, cancel := context.WithTimeout(ctx, p.timeout)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, r.URL, bytes.NewReader(r.Body))
	if err != nil {
		return signal.Answer{Failure: signal.FailedConnect}
	}
	for name, value := range r.Headers {
		req.Header.Set(name, value)
	}
	req.Header.Set("User-Agent", userAgent)
	res, err := p.client.Do(req)
	if err != nil {
		return signal.Answer{Failure: failure(err)}
	}
	defer func() { _ = res.Body.Close() }()
	body, err := io.ReadAll(io.LimitReader(res.Body, maxAnswer))
	if err != nil { // an answer that breaks off is none
		return signal.Answer{Failure: failure(err)}
	}
	return signal.Answer{Status: res.StatusCode, RetryAfter: p.retryAfter(res), Body: body}
}

// retryAfter reads what the receiver asks for, in seconds or as a date.
func (p *Pusher) retryAfter(res *http.Response) time.Duration {
	text := res.Header.Get("Retry-After")
	if seconds, err := strconv.ParseUint(text, 10, 31); err == nil {
		return time.Duration(seconds) * time.Second //nolint:gosec // 31 bits of seconds fit.
	}
	at, err := http.ParseTime(text)
	if err != nil || p.now == nil {
		return 0
	}
	return max(at.Sub(p.now()), 0)
}

// failure names what went wrong, for the delivery log. The error itself may hold the address and goes no further.
func failure(err error) signal.Failure {
	var (
		internal *notAllowed
		dns      *net.DNSError
		cert     *tls.CertificateVerificationError
		alert    tls.AlertError
		record   tls.RecordHeaderError
		op       *net.OpError
		timeout  interface{ Timeout() bool }
	)
	switch {
	case errors.As(err, &internal):
		return signal.FailedAddress
	case errors.As(err, &cert), errors.As(err, &alert), errors.As(err, &record), errors.Is(err, http.ErrSchemeMismatch):
		return signal.FailedTLS
	case errors.As(err, &timeout) && timeout.Timeout(), errors.Is(err, context.DeadlineExceeded), errors.Is(err, context.Canceled):
		return signal.FailedTimeout
	case errors.As(err, &dns):
		return signal.FailedResolve
	case errors.As(err, &op) && op.Op == "dial":
		return signal.FailedConnect
	case errors.As(err, &op) && op.Op == "remote error": // the other side ends the handshake
		return signal.FailedTLS
	default:
		return signal.FailedAnswer
	}
}
