package smtp_test

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/holdfast/holdfast/internal/factor"
	"github.com/holdfast/holdfast/internal/notify"
	"github.com/holdfast/holdfast/internal/notify/smtp"
	"github.com/holdfast/holdfast/internal/secret"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const owner = "owner@example.test"

func message() notify.Message {
	return notify.Message{
		ID: "msg_01.abc-9", Channel: factor.Email, To: secret.NewString(owner), Locale: "de", Kind: notify.HoldEntered, Tenant: "shop",
		Subject: "Ihr Konto wird wiederhergestellt: prüfen Sie das",
		Text:    "Jemand möchte in Ihr Konto.\n.\nNicht Sie? https://example.com/objection#tok_en\n",
		HTML:    "<!DOCTYPE html><html lang=\"de\"><body><p>Jemand möchte in Ihr Konto.</p></body></html>",
		At:      time.Date(2026, time.March, 3, 3, 4, 5, 0, time.UTC),
	}
}

func sender(t *testing.T, cfg smtp.Config) *smtp.Sender {
	t.Helper()
	if cfg.From == "" {
		cfg.From = "Example Shop <no-reply@example.com>"
	}
	if cfg.TLS == "" {
		cfg.TLS = smtp.None
	}
	s, err := smtp.New(cfg)
	require.NoError(t, err)
	return s
}

// a real mail server gets the mail as it was meant, in both forms, with a Message-ID that a retry repeats.
func TestSend_ArrivesAtARealMailServer(t *testing.T) {
	t.Parallel()
	peer := startMailpit(t)
	s := sender(t, smtp.Config{Host: peer.host, Port: peer.port, HeloName: "holdfast.example.com"})

	receipt, err := s.Send(t.Context(), message())
	require.NoError(t, err)
	require.Equal(t, "msg_01.abc-9@example.com", receipt.ProviderRef)
	again, err := s.Send(t.Context(), message())
	require.NoError(t, err)
	require.Equal(t, receipt, again)

	mails := peer.messages(t, 2)
	want := message()
	for _, got := range mails {
		require.Equal(t, "msg_01.abc-9@example.com", got.MessageID)
		require.Equal(t, want.Subject, got.Subject)
		require.Equal(t, "Example Shop", got.From.Name)
		require.Equal(t, "no-reply@example.com", got.From.Address)
		require.Len(t, got.To, 1)
		require.Equal(t, owner, got.To[0].Address)
		require.Equal(t, want.Text, strings.ReplaceAll(got.Text, "\r\n", "\n"))
		require.Equal(t, want.HTML, strings.TrimSpace(got.HTML))
		require.True(t, want.At.Equal(got.Date))
	}
	headers := peer.headers(t, mails[0].ID)
	require.Equal(t, []string{"auto-generated"}, headers["Auto-Submitted"])
	require.Equal(t, []string{"All"}, headers["X-Auto-Response-Suppress"])
	require.Equal(t, []string{"de"}, headers["Content-Language"])
	require.Contains(t, headers["Content-Type"][0], "multipart/alternative")
	require.NotContains(t, headers, "User-Agent")
	require.NotContains(t, headers, "X-Mailer")
}

// The two ways to TLS and the sign-in, against a real server with a certificate of its own.
func TestSend_ProtectsTheConnectionAndSignsIn(t *testing.T) {
	t.Parallel()
	cert, key, pool := certificate(t)
	users := filepath.Join(t.TempDir(), "users")
	require.NoError(t, os.WriteFile(users, []byte("holdfast:right\n"), 0o600))
	tlsArgs := []string{"--smtp-tls-cert", cert, "--smtp-tls-key", key, "--smtp-auth-file", users}
	startTLS := startMailpit(t, append(tlsArgs, "--smtp-require-starttls")...)
	implicit := startMailpit(t, append(tlsArgs, "--smtp-require-tls")...)
	signIn := smtp.Config{Username: "holdfast", Password: secret.NewString("right"), RootCAs: pool}

	for name, tc := range map[string]struct {
		peer mailpit
		tls  smtp.TLS
	}{
		"STARTTLS demanded": {startTLS, smtp.Mandatory},
		"STARTTLS offered":  {startTLS, smtp.Opportunistic},
		"TLS at once":       {implicit, smtp.Implicit},
	} {
		cfg := signIn
		cfg.Host, cfg.Port, cfg.TLS = tc.peer.host, tc.peer.port, tc.tls
		_, err := sender(t, cfg).Send(t.Context(), message())
		require.NoError(t, err, name)
	}
	startTLS.messages(t, 2)
	implicit.messages(t, 1)

	for name, tc := range map[string]struct {
		change func(*smtp.Config)
		want   notify.Reason
	}{
		"a certificate that nobody vouches for": {func(c *smtp.Config) { c.RootCAs = nil }, notify.ReasonTLS},
		"even when TLS is a matter of taste":    {func(c *smtp.Config) { c.RootCAs, c.TLS = nil, smtp.Opportunistic }, notify.ReasonTLS},
		"a wrong password":                      {func(c *smtp.Config) { c.Password = secret.NewString("wrong") }, notify.ReasonUnauthorized},
	} {
		cfg := signIn
		cfg.Host, cfg.Port, cfg.TLS = startTLS.host, startTLS.port, smtp.Mandatory
		tc.change(&cfg)
		_, err := sender(t, cfg).Send(t.Context(), message())
		requireDeferred(t, err, tc.want)
		require.NotContains(t, err.Error(), "wrong", name)
	}
}

func TestSend_NeverGoesWithoutTLSWhereItIsDemanded(t *testing.T) {
	t.Parallel()
	f := startFake(t, nil)
	s := sender(t, smtp.Config{Host: f.host, Port: f.port, TLS: smtp.Mandatory})

	_, err := s.Send(t.Context(), message())

	requireDeferred(t, err, notify.ReasonTLS)
	require.Empty(t, f.data)
}

// a hard bounce is told from a passing trouble, and from trouble of our own, which must not drop a notice.
func TestSend_TellsABounceFromAPassingTrouble(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		script script
		want   error
	}{
		"no such mailbox":        {script{"RCPT": "550 5.1.1 <" + owner + ">: unknown"}, &notify.Rejected{Reason: notify.ReasonBadAddress, Code: 550}},
		"our sender is refused":  {script{"MAIL": "553 5.1.8 no"}, &notify.Rejected{Reason: notify.ReasonRefused, Code: 553}},
		"the text is refused":    {script{".": "554 5.6.0 no"}, &notify.Rejected{Reason: notify.ReasonRefused, Code: 554}},
		"DATA is refused":        {script{"DATA": "554 5.5.1 no"}, &notify.Rejected{Reason: notify.ReasonRefused, Code: 554}},
		"greylisted":             {script{"RCPT": "451 4.7.1 later"}, &notify.Deferred{Reason: notify.ReasonProvider, Code: 451}},
		"full":                   {script{".": "452 4.3.1 disk"}, &notify.Deferred{Reason: notify.ReasonProvider, Code: 452}},
		"shutting down":          {script{"MAIL": "421 4.3.2 bye"}, &notify.Deferred{Reason: notify.ReasonProvider, Code: 421}},
		"sign-in wanted":         {script{"MAIL": "530 5.7.0 sign in"}, &notify.Deferred{Reason: notify.ReasonUnauthorized, Code: 530}},
		"our address is blocked": {script{"GREETING": "554 5.7.1 " + owner}, &notify.Deferred{Reason: notify.ReasonProvider, Code: 554}},
		"hung up at once":        {script{"GREETING": hangUp}, &notify.Deferred{Reason: notify.ReasonHungUp}},
		"not a mail server":      {script{"GREETING": "HTTP/1.1 400 Bad Request"}, &notify.Deferred{Reason: notify.ReasonHungUp}},
		"hung up at EHLO":        {script{"EHLO": hangUp}, &notify.Deferred{Reason: notify.ReasonHungUp}},
		"hung up at RCPT":        {script{"RCPT": hangUp}, &notify.Deferred{Reason: notify.ReasonHungUp}},
		"hung up at the end":     {script{".": hangUp}, &notify.Unknown{Reason: notify.ReasonHungUp}},
		"a rude farewell":        {script{"QUIT": hangUp}, nil},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := startFake(t, tc.script)
			_, err := sender(t, smtp.Config{Host: f.host, Port: f.port}).Send(t.Context(), message())
			require.Equal(t, tc.want, err)
			if err != nil {
				require.NotContains(t, err.Error(), owner)
			}
			<-f.left // the connection is closed on every path
		})
	}
}

func TestSend_IsDeferredWhenNobodyListens(t *testing.T) {
	t.Parallel()
	host, port, _ := strings.Cut(freeAddr(t), ":")
	s := sender(t, smtp.Config{Host: host, Port: atoi(t, port)})

	_, err := s.Send(t.Context(), message())

	requireDeferred(t, err, notify.ReasonUnreachable)
}

// A server that says nothing holds a sender no longer than the time limit, or the caller's patience, at every step.
func TestSend_IsBoundedAtEveryStep(t *testing.T) {
	t.Parallel()
	for _, step := range []string{"GREETING", "EHLO", "MAIL", "RCPT", "DATA", "."} {
		t.Run(step, func(t *testing.T) {
			t.Parallel()
			f := startFake(t, script{step: hang})
			_, err := sender(t, smtp.Config{Host: f.host, Port: f.port, Timeout: 100 * time.Millisecond}).Send(t.Context(), message())
			requireInterrupted(t, step, err, notify.ReasonTimeout)

			ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
			defer cancel()
			_, err = sender(t, smtp.Config{Host: f.host, Port: f.port}).Send(ctx, message())
			requireInterrupted(t, step, err, notify.ReasonTimeout)

			ctx, cancel = context.WithCancel(t.Context())
			cancel()
			_, err = sender(t, smtp.Config{Host: f.host, Port: f.port}).Send(ctx, message())
			requireDeferred(t, err, notify.ReasonCancelled)
		})
	}
}

// Once the server has the message, its farewell no longer matters.
func TestSend_DoesNotFailForALateFarewell(t *testing.T) {
	t.Parallel()
	f := startFake(t, script{"QUIT": hang})

	_, err := sender(t, smtp.Config{Host: f.host, Port: f.port, Timeout: 100 * time.Millisecond}).Send(t.Context(), message())

	require.NoError(t, err)
}

// R-034, T20: one message, one address; nothing in it opens a header.
func TestSend_RefusesHeaderInjection(t *testing.T) {
	t.Parallel()
	f := startFake(t, nil)
	s := sender(t, smtp.Config{Host: f.host, Port: f.port})
	for name, tc := range map[string]struct {
		change func(*notify.Message)
		want   notify.Reason
	}{
		"a line break in the subject": {func(m *notify.Message) { m.Subject = "a\r\nBcc: thief@example.net" }, notify.ReasonBadMessage},
		"a bare carriage return":      {func(m *notify.Message) { m.Subject = "a\rb" }, notify.ReasonBadMessage},
		"no subject":                  {func(m *notify.Message) { m.Subject = "" }, notify.ReasonBadMessage},
		"an endless subject":          {func(m *notify.Message) { m.Subject = strings.Repeat("a", 301) }, notify.ReasonBadMessage},
		"an id with a bracket":        {func(m *notify.Message) { m.ID = "a>\r\nX: y" }, notify.ReasonBadMessage},
		"no id":                       {func(m *notify.Message) { m.ID = "" }, notify.ReasonBadMessage},
		"no text":                     {func(m *notify.Message) { m.Text = "" }, notify.ReasonBadMessage},
		"another channel":             {func(m *notify.Message) { m.Channel = factor.SMS }, notify.ReasonBadMessage},
		"two addresses":               {to("a@example.test,b@example.test"), notify.ReasonBadAddress},
		"a name":                      {to("Owner <owner@example.test>"), notify.ReasonBadAddress},
		"a group":                     {to("g: a@example.test;"), notify.ReasonBadAddress},
		"a line break":                {to("a@example.test\r\nBcc: b@example.test"), notify.ReasonBadAddress},
		"a null byte":                 {to("a\x00@example.test"), notify.ReasonBadAddress},
		"no address":                  {to(""), notify.ReasonBadAddress},
		"no domain":                   {to("owner"), notify.ReasonBadAddress},
		"too long":                    {to(strings.Repeat("a", 250) + "@example.test"), notify.ReasonBadAddress},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			m := message()
			tc.change(&m)
			_, err := s.Send(t.Context(), m)
			require.Equal(t, &notify.Rejected{Reason: tc.want}, err)
		})
	}
}

// An unsafe language tag is left out; the rest of the message is fine.
func TestSend_LeavesAnUnsafeLanguageOut(t *testing.T) {
	t.Parallel()
	f := startFake(t, nil)
	m := message()
	m.Locale = "de\r\nBcc: thief@example.net"

	_, err := sender(t, smtp.Config{Host: f.host, Port: f.port}).Send(t.Context(), m)

	require.NoError(t, err)
	<-f.left
	require.Len(t, f.data, 1)
	require.NotContains(t, f.data[0], "thief")
}

func TestNew_RefusesABadConfiguration(t *testing.T) {
	t.Parallel()
	good := smtp.Config{Host: "mail.example.test", Port: 25, From: "no-reply@example.com"}
	_, err := smtp.New(good)
	require.NoError(t, err)
	for name, change := range map[string]func(*smtp.Config){
		"no host":                 func(c *smtp.Config) { c.Host = "" },
		"no port":                 func(c *smtp.Config) { c.Port = 0 },
		"no sender":               func(c *smtp.Config) { c.From = "" },
		"two senders":             func(c *smtp.Config) { c.From = "a@example.com, b@example.com" },
		"an unknown policy":       func(c *smtp.Config) { c.TLS = "maybe" },
		"a name without password": func(c *smtp.Config) { c.Username = "u" },
		"a password without name": func(c *smtp.Config) { c.Password = secret.NewString("p") },
		"a negative timeout":      func(c *smtp.Config) { c.Timeout = -1 },
		"a line break in HELO":    func(c *smtp.Config) { c.HeloName = "a\r\nb" },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := good
			change(&c)
			s, err := smtp.New(c)
			require.Error(t, err)
			require.Nil(t, s)
		})
	}
}

func to(address string) func(*notify.Message) {
	return func(m *notify.Message) { m.To = secret.NewString(address) }
}

func requireDeferred(t *testing.T, err error, want notify.Reason) {
	t.Helper()
	var deferred *notify.Deferred
	require.ErrorAs(t, err, &deferred)
	require.Equal(t, want, deferred.Reason)
	require.NotContains(t, err.Error(), owner)
}

// requireInterrupted: before the final dot the message was not sent; after it nobody knows.
func requireInterrupted(t *testing.T, step string, err error, want notify.Reason) {
	t.Helper()
	if step == "." {
		require.Equal(t, &notify.Unknown{Reason: want}, err)
		return
	}
	require.Equal(t, &notify.Deferred{Reason: want}, err)
}
