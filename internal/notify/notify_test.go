package notify_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/holdfast/holdfast/internal/factor"
	"github.com/holdfast/holdfast/internal/notify"
	"github.com/holdfast/holdfast/internal/secret"
)

// a message shows its outline and nothing else, in every way in which a value is printed by accident.
func TestMessage_ShowsOnlyItsOutline(t *testing.T) {
	t.Parallel()
	m := notify.Message{
		ID: "msg_1", Channel: factor.Email, To: secret.NewString("SECRET@example.com"), Kind: notify.RecoveryCode, Tenant: "shop",
		Subject: "SECRET", Text: "SECRET", HTML: "SECRET", Code: secret.NewString("SECRET"), Links: []string{"SECRET"},
	}
	var log bytes.Buffer
	logger := slog.New(slog.NewJSONHandler(&log, nil))
	logger.InfoContext(t.Context(), "sent", "message", m, "pointer", &m, "many", []notify.Message{m})
	encoded, err := json.Marshal(m)
	require.NoError(t, err)

	for _, shown := range []string{
		fmt.Sprint(m), fmt.Sprintf("%v %+v %#v %s %q %d", m, m, m, m, m, m), fmt.Sprintf("%+v", &m),
		fmt.Sprintf("%+v", struct{ M notify.Message }{m}), string(encoded), log.String(),
	} {
		require.NotContains(t, shown, "SECRET")
		require.Contains(t, shown, "msg_1")
	}
}

func TestOutcomes_SayWhetherToTryAgain(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		err       error
		permanent bool
		after     time.Duration
		reason    notify.Reason
		text      string
	}{
		"rejected": {&notify.Rejected{Reason: notify.ReasonBadAddress, Code: 550}, true, 0, notify.ReasonBadAddress, "notify: rejected: bad_address (550)"},
		"deferred": {
			&notify.Deferred{Reason: notify.ReasonThrottled, Code: 429, RetryAfter: time.Minute}, false, time.Minute,
			notify.ReasonThrottled, "notify: deferred: throttled (429)",
		},
		"unknown":  {&notify.Unknown{Reason: notify.ReasonTimeout}, false, 0, notify.ReasonTimeout, "notify: outcome unknown: timeout"},
		"no route": {notify.ErrNoRoute, true, 0, notify.ReasonNoRoute, "notify: rejected: no_route"},
		"foreign":  {errors.New("odd"), false, 0, notify.ReasonProvider, "odd"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			wrapped := fmt.Errorf("send: %w", tc.err)
			require.Equal(t, tc.permanent, notify.Permanent(wrapped))
			require.Equal(t, tc.after, notify.RetryAfter(wrapped))
			require.Equal(t, tc.reason, notify.ReasonOf(wrapped))
			require.Equal(t, tc.text, tc.err.Error())
		})
	}
	require.False(t, notify.Permanent(nil))
	require.Empty(t, notify.ReasonOf(nil))
}

// "May have been sent" is tried again like what was certainly not sent: a message too many beats a notice too few.
func TestUnknown_ReadsAsDeferred(t *testing.T) {
	t.Parallel()
	var deferred *notify.Deferred
	require.ErrorAs(t, &notify.Unknown{Reason: notify.ReasonHungUp}, &deferred)
	require.Equal(t, notify.ReasonHungUp, deferred.Reason)
}

type recorder struct{ got []notify.Message }

func (r *recorder) Send(_ context.Context, m notify.Message) (notify.Receipt, error) {
	r.got = append(r.got, m)
	return notify.Receipt{ProviderRef: "ref"}, nil
}

func TestRouter_SendsByChannel(t *testing.T) {
	t.Parallel()
	mail := &recorder{}
	router := notify.NewRouter(map[factor.Method]notify.Sender{factor.Email: mail, factor.Voice: nil})

	receipt, err := router.Send(t.Context(), notify.Message{ID: "1", Channel: factor.Email})
	require.NoError(t, err)
	require.Equal(t, "ref", receipt.ProviderRef)
	require.Len(t, mail.got, 1)

	for _, channel := range []factor.Method{factor.SMS, factor.Voice, ""} {
		_, err = router.Send(t.Context(), notify.Message{Channel: channel})
		require.ErrorIs(t, err, notify.ErrNoRoute)
		require.True(t, notify.Permanent(err))
	}
}

func TestKinds_AreEitherCodesOrNotices(t *testing.T) {
	t.Parallel()
	seen := map[notify.Kind]bool{}
	for _, kind := range notify.Kinds() {
		require.False(t, seen[kind])
		seen[kind] = true
		require.True(t, kind.Valid())
		require.False(t, kind.CarriesCode() && kind.MayLink())
	}
	require.False(t, notify.Kind("").Valid())
}

// the base is configuration, and https outside of development.
func TestNewLinks_AcceptsOnlyASafeBase(t *testing.T) {
	t.Parallel()
	for base, want := range map[string]struct{ production, development bool }{
		"https://recover.example.com":        {true, true},
		"https://example.com/recover/":       {true, true},
		"http://localhost:8080":              {false, true},
		"http://127.0.0.1:8080":              {false, true},
		"http://[::1]:8080":                  {false, true},
		"http://recover.example.com":         {false, false},
		"http://localhost.example.com":       {false, false},
		"https://user:pass@example.com":      {false, false},
		"https://example.com/?a=b":           {false, false},
		"https://example.com/#x":             {false, false},
		"https://":                           {false, false},
		"javascript:alert(1)":                {false, false},
		"//example.com":                      {false, false},
		"ftp://127.0.0.1":                    {false, false},
		"https:example.com":                  {false, false},
		"https://:443":                       {false, false},
		"http://127.0.0.1.evil.example:8080": {false, false},
	} {
		t.Run(base, func(t *testing.T) {
			t.Parallel()
			u, err := url.Parse(base)
			require.NoError(t, err)
			_, err = notify.NewLinks(u, false)
			require.Equal(t, want.production, err == nil)
			_, err = notify.NewLinks(u, true)
			require.Equal(t, want.development, err == nil)
		})
	}
	_, err := notify.NewLinks(nil, true)
	require.Error(t, err)
}

// where a tenant's claim links lead is as safe as our own address, and has room for nothing but the secret.
func TestParsePage_AcceptsOnlyASafePage(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]bool{
		"https://shop.example.com/recover": true, "https://shop.example.com": true,
		"http://shop.example.com/recover": false, "http://localhost:8080/dev/claim": false, "https://shop.example.com/r?x=1": false,
		"https://shop.example.com/r#x": false, "https://shop.example.com/r?": false, "https://u:p@shop.example.com": false, "javascript:alert(1)": false,
		"//shop.example.com": false, "": false, "https://shop.example.com/a b": false, "https://shop.example.com/\r\nX": false,
		"https://shop.example.com/" + strings.Repeat("a", 200): false,
	} {
		p, err := notify.ParsePage(text, false)
		require.Equal(t, want, err == nil, text)
		if want {
			require.Equal(t, text, p.String())
			require.Equal(t, text+"#hfl_k1_x", p.Claim(secret.NewString("hfl_k1_x")).Reveal())
			require.Equal(t, "[redacted]", p.Claim(secret.NewString("hfl_k1_x")).String())
			require.True(t, p.Claim(secret.String{}).IsZero())
		}
	}
	_, err := notify.ParsePage("http://localhost:8080/dev/claim", true)
	require.NoError(t, err)
	_, err = notify.ParsePage("http://shop.example.com", true)
	require.Error(t, err)
	require.True(t, notify.Page{}.Claim(secret.NewString("hfl_k1_x")).IsZero())
}

// the secret is in the fragment, so that it is in no request line and no log.
func TestLinks_KeepTheSecretInTheFragment(t *testing.T) {
	t.Parallel()
	base, err := url.Parse("https://example.com/recover/")
	require.NoError(t, err)
	links, err := notify.NewLinks(base, false)
	require.NoError(t, err)
	base.Host = "evil.example"

	link := links.Objection(secret.NewString(token))

	require.Equal(t, "https://example.com/recover/objection#"+token, link.Reveal())
	require.Equal(t, "[redacted]", link.String())
	require.True(t, links.Objection(secret.String{}).IsZero())
	require.True(t, notify.Links{}.Objection(secret.NewString(token)).IsZero())
}
