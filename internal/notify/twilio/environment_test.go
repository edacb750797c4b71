package twilio

import (
	"net/http"
	"net/url"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/holdfast/holdfast/internal/factor"
	"github.com/holdfast/holdfast/internal/notify"
	"github.com/holdfast/holdfast/internal/secret"
)

// host is where a call with the given configuration goes.
func host(t *testing.T, cfg Config) string {
	t.Helper()
	cfg.AccountSID, cfg.AuthToken, cfg.From = "AC1", secret.NewString("token"), "Example"
	s, err := New(cfg)
	require.NoError(t, err)
	var got string
	x := &exchange{base: cfg.BaseURL, transport: roundTripFunc(func(r *http.Request) (*http.Response, error) {
		got = r.URL.Host
		return nil, http.ErrHandlerTimeout
	})}
	m := notify.Message{Channel: factor.SMS, To: secret.NewString("+15550100123"), Text: "x"}
	_, err = s.service(t.Context(), x).CreateMessage(s.params(m))
	require.Error(t, err)
	return got
}

// Where messages go is a matter of our configuration, which is validated and printed, and of nothing else.
//
//nolint:paralleltest // it sets the environment.
func TestService_DoesNotReadTheEnvironment(t *testing.T) {
	t.Setenv("TWILIO_EDGE", "sydney")
	t.Setenv("TWILIO_REGION", "au1")
	t.Setenv("TWILIO_ACCOUNT_SID", "ACother")
	t.Setenv("TWILIO_AUTH_TOKEN", "other")

	require.Equal(t, "api.twilio.com", host(t, Config{}))
	require.Equal(t, "api.dublin.ie1.twilio.com", host(t, Config{Edge: "dublin", Region: "ie1"}))
	require.Equal(t, "127.0.0.1:1", host(t, Config{BaseURL: &url.URL{Scheme: "http", Host: "127.0.0.1:1"}}))
}

func TestRetryAfter_ReadsSecondsAndDates(t *testing.T) {
	t.Parallel()
	const date = "Tue, 03 Mar 2026 03:04:05 GMT"
	for value, want := range map[string]time.Duration{
		"": 0, "0": 0, "7": 7 * time.Second, " 7 ": 7 * time.Second, "86400": time.Hour, "99999999999999999999": 0, "-1": 0, "1.5": 0, "soon": 0,
		"Tue, 03 Mar 2026 03:04:35 GMT": 30 * time.Second, "Tue, 03 Mar 2026 03:00:00 GMT": 0, "Fri, 31 Dec 9999 23:59:59 GMT": time.Hour,
	} {
		require.Equal(t, want, retryAfter(http.Header{"Retry-After": {value}, "Date": {date}}), "%q", value)
	}
	require.Zero(t, retryAfter(http.Header{"Retry-After": {date}}), "a date without the server's own says nothing")
}

func FuzzRetryAfter(f *testing.F) {
	f.Add("7", "Tue, 03 Mar 2026 03:04:05 GMT")
	f.Add("Tue, 03 Mar 2026 03:04:35 GMT", "Tue, 03 Mar 2026 03:04:05 GMT")
	f.Add("Fri, 31 Dec 9999 23:59:59 GMT", "Mon, 01 Jan 0001 00:00:00 GMT")
	f.Fuzz(func(t *testing.T, value, date string) {
		got := retryAfter(http.Header{"Retry-After": {value}, "Date": {date}})
		require.GreaterOrEqual(t, got, time.Duration(0))
		require.LessOrEqual(t, got, maxRetryAfter)
	})
}

func FuzzDigest(f *testing.F) {
	f.Add([]byte(`{"code":21211,"message":"+15550100123"}`))
	f.Add([]byte(`<html>`))
	f.Add([]byte(`{"code":"21211"}`))
	f.Fuzz(func(t *testing.T, body []byte) {
		r := digest(&http.Response{StatusCode: http.StatusBadRequest, Header: http.Header{}}, body)
		require.Equal(t, http.StatusBadRequest, r.status)
		require.NotZero(t, r.number())
	})
}
