package webhook_test

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/holdfast/holdfast/internal/signal"
	"github.com/holdfast/holdfast/internal/webhook"
)

func loopback() []netip.Prefix { return []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")} }

func push(t *testing.T, p *webhook.Pusher, url string) signal.Answer {
	t.Helper()
	return p.Push(t.Context(), signal.Request{URL: url, Body: []byte(`{"type":"x"}`), Headers: map[string]string{"Content-Type": "application/json", "webhook-id": "dlv_1"}})
}

// secure starts a receiver with TLS and gives the pool that its certificate is of. Its name is example.com.
func secure(t *testing.T, h http.Handler, change ...func(*tls.Config)) (*httptest.Server, *x509.CertPool) {
	t.Helper()
	s := httptest.NewUnstartedServer(h)
	s.TLS = &tls.Config{MinVersion: tls.VersionTLS10} //nolint:gosec // the test's peer offers what it is told to.
	for _, f := range change {
		f(s.TLS)
	}
	s.Config.ErrorLog = nil
	s.StartTLS()
	t.Cleanup(s.Close)
	return s, s.Client().Transport.(*http.Transport).TLSClientConfig.RootCAs
}

func TestPush_SendsWhatItWasGivenAndReadsTheAnswer(t *testing.T) {
	t.Parallel()
	var got *http.Request
	var body string
	s, roots := secure(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		text, _ := io.ReadAll(r.Body)
		got, body = r, string(text)
		w.Header().Set("Retry-After", "120")
		w.WriteHeader(http.StatusTooManyRequests)
		_, _ = io.WriteString(w, strings.Repeat("x", 1<<20))
	}))
	a := push(t, webhook.New(webhook.Config{Allowed: loopback(), Roots: roots}), s.URL+"/in?a=b")
	require.Equal(t, http.StatusTooManyRequests, a.Status)
	require.Equal(t, 2*time.Minute, a.RetryAfter)
	require.LessOrEqual(t, len(a.Body), 4<<10, "no more of an answer is read than is needed")
	require.Equal(t, `{"type":"x"}`, body, "to the byte: it is what was signed") //nolint:testifylint // bytes, not JSON, are compared.
	require.Equal(t, "dlv_1", got.Header.Get("webhook-id"))
	require.Equal(t, "/in?a=b", got.URL.String())
	require.Empty(t, got.Header.Get("Accept-Encoding"))
}

//
func TestPush_ReadsARetryAfterThatIsADate(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 3, 1, 9, 0, 0, 0, time.UTC)
	for text, want := range map[string]time.Duration{
		now.Add(time.Hour).Format(http.TimeFormat): time.Hour, now.Add(-time.Hour).Format(http.TimeFormat): 0, "soon": 0, "": 0, "-5": 0, "99999999999": 0,
	} {
		s, roots := secure(t, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Retry-After", text)
			w.WriteHeader(http.StatusServiceUnavailable)
		}))
		p := webhook.New(webhook.Config{Allowed: loopback(), Roots: roots, Now: func() time.Time { return now }})
		require.Equal(t, want, push(t, p, s.URL).RetryAfter, text)
	}
}

// no message leaves over TLS that is old, of another name or of an authority that nobody named.
func TestPush_ChecksTheCertificateAndTheVersion(t *testing.T) {
	t.Parallel()
	var arrived atomic.Int32
	count := http.HandlerFunc(func(http.ResponseWriter, *http.Request) { arrived.Add(1) })
	s, roots := secure(t, count)
	require.Equal(t, signal.FailedTLS, push(t, webhook.New(webhook.Config{Allowed: loopback()}), s.URL).Failure, "an unknown authority")
	other := strings.Replace(s.URL, "127.0.0.1", "localhost", 1)
	require.Equal(t, signal.FailedTLS, push(t, webhook.New(webhook.Config{Allowed: loopback(), Roots: roots, Resolver: (&names{answers: []netip.Addr{netip.MustParseAddr("127.0.0.1")}}).resolver(t)}), strings.Replace(other, "localhost", "elsewhere.test", 1)).Failure, "another name")
	old, oldRoots := secure(t, count, func(c *tls.Config) { c.MaxVersion = tls.VersionTLS11 })
	require.Equal(t, signal.FailedTLS, push(t, webhook.New(webhook.Config{Allowed: loopback(), Roots: oldRoots}), old.URL).Failure, "TLS 1.1")
	plain := httptest.NewServer(count)
	t.Cleanup(plain.Close)
	require.Equal(t, signal.FailedTLS, push(t, webhook.New(webhook.Config{Allowed: loopback()}), strings.Replace(plain.URL, "http:", "https:", 1)).Failure, "no TLS at all")
	require.Zero(t, arrived.Load())
	require.Equal(t, http.StatusOK, push(t, webhook.New(webhook.Config{Allowed: loopback(), Roots: roots}), s.URL).Status)
}

// a redirect is an answer, and where it leads is not visited.
func TestPush_FollowsNoRedirect(t *testing.T) {
	t.Parallel()
	var arrived atomic.Int32
	there := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { arrived.Add(1) }))
	t.Cleanup(there.Close)
	for _, status := range []int{301, 302, 303, 307, 308} {
		s := httptest.NewServer(http.RedirectHandler(there.URL, status))
		t.Cleanup(s.Close)
		require.Equal(t, status, push(t, webhook.New(webhook.Config{Allowed: loopback()}), s.URL).Status)
	}
	require.Zero(t, arrived.Load())
}

// a name that resolves to a public address when it is registered and to an internal one when it is connected to.
func TestPush_JudgesTheAddressThatItConnectsTo(t *testing.T) {
	t.Parallel()
	var arrived atomic.Int32
	inside := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { arrived.Add(1) }))
	t.Cleanup(inside.Close)
	_, port, err := net.SplitHostPort(inside.Listener.Addr().String())
	require.NoError(t, err)
	dns := &names{answers: []netip.Addr{netip.MustParseAddr("93.184.215.14"), netip.MustParseAddr("127.0.0.1")}}
	resolver := dns.resolver(t)
	first, err := resolver.LookupNetIP(t.Context(), "ip4", "rebinding.test")
	require.NoError(t, err)
	require.Equal(t, "93.184.215.14", first[0].String(), "whoever looked before was shown something public")

	p := webhook.New(webhook.Config{Resolver: resolver})
	for range 3 {
		require.Equal(t, signal.FailedAddress, push(t, p, "http://rebinding.test:"+port).Failure)
	}
	require.Zero(t, arrived.Load())
	named := webhook.New(webhook.Config{Resolver: resolver, Allowed: loopback()})
	require.Equal(t, http.StatusOK, push(t, named, "http://rebinding.test:"+port).Status, "it was the guard, and nothing else")
	require.Equal(t, int32(1), arrived.Load())
	for _, url := range []string{"http://127.0.0.1:" + port, "http://[::ffff:127.0.0.1]:" + port, "http://[::1]:" + port, "http://169.254.169.254/latest/meta-data", "http://0.0.0.0:" + port, "http://2130706433:" + port} {
		require.NotEmpty(t, push(t, p, url).Failure, url)
	}
	require.Equal(t, int32(1), arrived.Load())
}

func TestPush_SaysWhyNoAnswerCame(t *testing.T) {
	t.Parallel()
	closed, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	require.NoError(t, closed.Close())
	p := webhook.New(webhook.Config{Allowed: loopback()})
	require.Equal(t, signal.FailedConnect, push(t, p, "http://"+closed.Addr().String()).Failure)

	half := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Length", "100")
		_, _ = io.WriteString(w, "half of an ans")
		_ = http.NewResponseController(w).Flush()
		panic(http.ErrAbortHandler)
	}))
	t.Cleanup(half.Close)
	require.Equal(t, signal.FailedAnswer, push(t, p, half.URL).Failure, "an answer that breaks off is none")

	release := make(chan struct{})
	slow := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { <-release }))
	t.Cleanup(slow.Close)
	hasty := webhook.New(webhook.Config{Allowed: loopback(), Timeout: 50 * time.Millisecond})
	require.Equal(t, signal.FailedTimeout, push(t, hasty, slow.URL).Failure)

	drip := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		_ = http.NewResponseController(w).Flush()
		<-release
	}))
	t.Cleanup(drip.Close)
	t.Cleanup(func() { close(release) }) // before the servers wait for their handlers
	require.Equal(t, signal.FailedTimeout, push(t, hasty, drip.URL).Failure, "the time bounds the body as well")

	over, cancel := context.WithCancel(t.Context())
	cancel()
	require.Equal(t, signal.FailedTimeout, p.Push(over, signal.Request{URL: slow.URL}).Failure)
	require.NotEmpty(t, push(t, p, "http://no-such-name.invalid").Failure)
}
