package twilio_test

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/holdfast/holdfast/internal/factor"
	"github.com/holdfast/holdfast/internal/notify"
	"github.com/holdfast/holdfast/internal/notify/twilio"
	"github.com/holdfast/holdfast/internal/notify/twilio/twiliotest"
	"github.com/holdfast/holdfast/internal/secret"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const (
	number = "+15550100123"
	code   = "40718253"
)

func message() notify.Message {
	return notify.Message{
		ID: "msg_1", Channel: factor.SMS, To: secret.NewString(number), Kind: notify.RecoveryCode, Tenant: "shop",
		Text: "Example Shop: " + code + " is a code to RECOVER your account & more=1",
	}
}

// peer is the double behind a real server that counts its connections.
type peer struct {
	*twiliotest.Double
	url         *url.URL
	connections atomic.Int64
}

func startPeer(t *testing.T) *peer {
	t.Helper()
	p := &peer{Double: twiliotest.New()}
	server := httptest.NewUnstartedServer(p)
	server.Config.ConnState = func(_ net.Conn, state http.ConnState) {
		if state == http.StateNew {
			p.connections.Add(1)
		}
	}
	server.Start()
	t.Cleanup(server.Close)
	var err error
	p.url, err = url.Parse(server.URL)
	require.NoError(t, err)
	return p
}

func (p *peer) config() twilio.Config {
	return twilio.Config{
		AccountSID: twiliotest.AccountSID, AuthToken: secret.NewString(twiliotest.AuthToken), From: "+15550100100", BaseURL: p.url,
	}
}

func sender(t *testing.T, cfg twilio.Config) *twilio.Sender {
	t.Helper()
	s, err := twilio.New(cfg)
	require.NoError(t, err)
	t.Cleanup(s.Close)
	return s
}

func TestSend_HandsTheMessageOver(t *testing.T) {
	t.Parallel()
	p := startPeer(t)

	receipt, err := sender(t, p.config()).Send(t.Context(), message())

	require.NoError(t, err)
	got := p.Messages()
	require.Len(t, got, 1)
	require.Equal(t, twiliotest.Message{
		SID: receipt.ProviderRef, To: number, From: "+15550100100", Body: message().Text, ValidityPeriod: "600",
	}, got[0])
	require.NotEmpty(t, receipt.ProviderRef)
}

func TestSend_UsesTheMessagingServiceAndTheCallback(t *testing.T) {
	t.Parallel()
	p := startPeer(t)
	cfg := p.config()
	cfg.From, cfg.MessagingServiceSID = "", "MG00000000000000000000000000000000"
	cfg.StatusCallback = &url.URL{Scheme: "https", Host: "recover.example.com", Path: "/callbacks/twilio"}
	m := message()
	m.Kind = notify.HoldEntered

	_, err := sender(t, cfg).Send(t.Context(), m)

	require.NoError(t, err)
	require.Equal(t, "MG00000000000000000000000000000000", p.Messages()[0].MessagingServiceSID)
	require.Equal(t, "https://recover.example.com/callbacks/twilio", p.Messages()[0].StatusCallback)
	require.Empty(t, p.Messages()[0].ValidityPeriod, "a notice is delivered however late")
}

// what the provider says becomes an outcome that holds numbers and nothing else.
func TestSend_TellsTheOutcomesApart(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		behaviour twiliotest.Behaviour
		want      error
		accepted  int
	}{
		"no such number":      {twiliotest.Reject(21211), &notify.Rejected{Reason: notify.ReasonBadAddress, Code: 21211}, 0},
		"unsubscribed":        {twiliotest.Reject(21610), &notify.Rejected{Reason: notify.ReasonBadAddress, Code: 21610}, 0},
		"country not allowed": {twiliotest.Reject(21408), &notify.Rejected{Reason: notify.ReasonRefused, Code: 21408}, 0},
		"a bare 400":          {twiliotest.Page(400), &notify.Rejected{Reason: notify.ReasonRefused, Code: 400}, 0},
		"throttled": {
			twiliotest.Throttle(7*time.Second, 0), &notify.Deferred{Reason: notify.ReasonThrottled, Code: 20429, RetryAfter: 7 * time.Second}, 0,
		},
		"throttled for days": {
			twiliotest.Throttle(72*time.Hour, 0), &notify.Deferred{Reason: notify.ReasonThrottled, Code: 20429, RetryAfter: time.Hour}, 0,
		},
		"account suspended":   {twiliotest.Status(403, 20005), &notify.Deferred{Reason: notify.ReasonUnauthorized, Code: 20005}, 0},
		"request timeout":     {twiliotest.Status(408, 0), &notify.Deferred{Reason: notify.ReasonProvider, Code: 408}, 0},
		"internal error":      {twiliotest.Status(500, 20500), &notify.Deferred{Reason: notify.ReasonProvider, Code: 20500}, 0},
		"a proxy's page":      {twiliotest.Page(502), &notify.Deferred{Reason: notify.ReasonProvider, Code: 502}, 0},
		"a redirect":          {twiliotest.Page(307), &notify.Deferred{Reason: notify.ReasonProvider, Code: 307}, 0},
		"hung up":             {twiliotest.HangUp(), &notify.Unknown{Reason: notify.ReasonHungUp}, 0},
		"hung up in a reply":  {twiliotest.HangUpInReply(), &notify.Unknown{Reason: notify.ReasonHungUp}, 0},
		"accepted, hung up":   {twiliotest.AcceptThenHangUp(), &notify.Unknown{Reason: notify.ReasonHungUp}, 1},
		"accepted, no JSON":   {twiliotest.AcceptOddly("<html>"), &notify.Unknown{Reason: notify.ReasonProvider, Code: 201}, 1},
		"accepted, empty":     {twiliotest.AcceptOddly(""), &notify.Unknown{Reason: notify.ReasonProvider, Code: 201}, 1},
		"accepted, no SID":    {twiliotest.AcceptOddly("{}"), &notify.Unknown{Reason: notify.ReasonProvider}, 1},
		"accepted, null":      {twiliotest.AcceptOddly("null"), &notify.Unknown{Reason: notify.ReasonProvider}, 1},
		"accepted, wrong SID": {twiliotest.AcceptOddly(`{"sid":1}`), &notify.Unknown{Reason: notify.ReasonProvider, Code: 201}, 1},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := startPeer(t)
			p.Number(number, tc.behaviour)
			_, err := sender(t, p.config()).Send(t.Context(), message())
			require.Equal(t, tc.want, err)
			require.Len(t, p.Messages(), tc.accepted)
			require.Equal(t, 1, p.Requests(), "one call is one request: nothing is sent again behind our back")
			requireSilent(t, err)
		})
	}
}

// A provider that says nothing holds a sender no longer than the time limit or the caller's patience, and what then
// became of the message is unknown.
func TestSend_IsBounded(t *testing.T) {
	t.Parallel()
	p := startPeer(t)
	p.Next(1, twiliotest.Slow())
	p.Next(1, twiliotest.AcceptSlowly())

	cfg := p.config()
	cfg.Timeout = 100 * time.Millisecond
	_, err := sender(t, cfg).Send(t.Context(), message())
	require.Equal(t, &notify.Unknown{Reason: notify.ReasonTimeout}, err)

	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	_, err = sender(t, p.config()).Send(ctx, message())
	require.Equal(t, &notify.Unknown{Reason: notify.ReasonTimeout}, err)

	ctx, cancel = context.WithCancel(t.Context())
	cancel()
	_, err = sender(t, p.config()).Send(ctx, message())
	require.Equal(t, &notify.Deferred{Reason: notify.ReasonCancelled}, err)
	require.Len(t, p.Messages(), 1)
}

func TestSend_IsDeferredWhenNobodyListens(t *testing.T) {
	t.Parallel()
	server := httptest.NewServer(http.NotFoundHandler())
	base, err := url.Parse(server.URL)
	require.NoError(t, err)
	server.Close()
	cfg := (&peer{url: base}).config()

	_, err = sender(t, cfg).Send(t.Context(), message())

	require.Equal(t, &notify.Deferred{Reason: notify.ReasonUnreachable}, err)
}

// Wrong credentials are our mistake: no notice is dropped for it.
func TestSend_WrongCredentialsAreNoBounce(t *testing.T) {
	t.Parallel()
	p := startPeer(t)
	cfg := p.config()
	cfg.AuthToken = secret.NewString("wrong")

	_, err := sender(t, cfg).Send(t.Context(), message())

	require.Equal(t, &notify.Deferred{Reason: notify.ReasonUnauthorized, Code: 20003}, err)
	require.NotContains(t, fmt.Sprintf("%+v", cfg), "wrong")
}

// The library leaves error bodies unread, and each then costs a connection; ours are read.
func TestSend_ReusesTheConnectionAfterErrors(t *testing.T) {
	t.Parallel()
	p := startPeer(t)
	p.Next(20, twiliotest.Throttle(time.Second, 9<<10))
	s := sender(t, p.config())

	for range 20 {
		_, err := s.Send(t.Context(), message())
		require.Equal(t, time.Second, notify.RetryAfter(err))
	}
	_, err := s.Send(t.Context(), message())

	require.NoError(t, err)
	require.Equal(t, 21, p.Requests())
	require.EqualValues(t, 1, p.connections.Load())
}

// The base URL may have a path, as a gateway's would.
func TestSend_KeepsThePathOfTheBaseURL(t *testing.T) {
	t.Parallel()
	double := twiliotest.New()
	server := httptest.NewServer(http.StripPrefix("/twilio", double))
	t.Cleanup(server.Close)
	base, err := url.Parse(server.URL + "/twilio/")
	require.NoError(t, err)

	_, err = sender(t, (&peer{url: base}).config()).Send(t.Context(), message())

	require.NoError(t, err)
	require.Len(t, double.Messages(), 1)
}

// one number in E.164 and nothing that Twilio would take for another channel or for two.
func TestSend_RefusesWhatIsNoNumber(t *testing.T) {
	t.Parallel()
	p := startPeer(t)
	s := sender(t, p.config())
	for _, to := range []string{
		"", "+", "15550100123", "+0555010012", "+1 555 0100123", "+15550100123,+15550100124", "whatsapp:+15550100123",
		"+1555010012345678", "+155501", "+1555010012a", "+15550100123\n", "++15550100123", "+١٥٥٥٠١٠٠١٢٣", "owner@example.test",
	} {
		m := message()
		m.To = secret.NewString(to)
		_, err := s.Send(t.Context(), m)
		require.Equal(t, &notify.Rejected{Reason: notify.ReasonBadAddress}, err, "%q", to)
	}
	for _, change := range []func(*notify.Message){
		func(m *notify.Message) { m.Text = "" },
		func(m *notify.Message) { m.Text = strings.Repeat("ä", 1601) },
		func(m *notify.Message) { m.Channel = factor.Voice },
	} {
		m := message()
		change(&m)
		_, err := s.Send(t.Context(), m)
		require.Equal(t, &notify.Rejected{Reason: notify.ReasonBadMessage}, err)
	}
	require.Zero(t, p.Requests())
}

func TestNew_RefusesABadConfiguration(t *testing.T) {
	t.Parallel()
	good := (&peer{}).config()
	_, err := twilio.New(good)
	require.NoError(t, err)
	for name, change := range map[string]func(*twilio.Config){
		"no account":              func(c *twilio.Config) { c.AccountSID = "" },
		"an account with a slash": func(c *twilio.Config) { c.AccountSID = "AC/../x" },
		"no token":                func(c *twilio.Config) { c.AuthToken = secret.String{} },
		"a bad key":               func(c *twilio.Config) { c.APIKey = "S K" },
		"no sender":               func(c *twilio.Config) { c.From = "" },
		"two senders":             func(c *twilio.Config) { c.MessagingServiceSID = "MG1" },
		"a bad base":              func(c *twilio.Config) { c.BaseURL = &url.URL{Scheme: "ftp", Host: "example.com"} },
		"a negative timeout":      func(c *twilio.Config) { c.Timeout = -1 },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := good
			change(&c)
			s, err := twilio.New(c)
			require.Error(t, err)
			require.Nil(t, s)
		})
	}
}

// requireSilent: neither the number nor the code nor the token is in an error, however it is printed.
func requireSilent(t *testing.T, err error) {
	t.Helper()
	var log bytes.Buffer
	slog.New(slog.NewJSONHandler(&log, nil)).InfoContext(t.Context(), "failed", "error", err)
	for _, shown := range []string{err.Error(), fmt.Sprintf("%+v", err), fmt.Sprintf("%#v", err), log.String()} {
		for _, secret := range []string{number, number[1:], code, twiliotest.AuthToken, twiliotest.AccountSID} {
			require.NotContains(t, shown, secret)
		}
	}
}
