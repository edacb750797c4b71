package app_test

import (
	"context"
	"encoding/json"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/holdfast/holdfast/api/client"
	"github.com/holdfast/holdfast/internal/app/apptest"
	"github.com/holdfast/holdfast/internal/notify"
	"github.com/holdfast/holdfast/internal/notify/twilio/twiliotest"
)

// R-100 R-102. While the mail server is down messages wait, nobody becomes ready, and all of it goes on when it is back.
func TestMessages_WaitForAProviderThatIsDown(t *testing.T) {
	t.Parallel()
	s := apptest.New(t)
	s.Register(t, apptest.Person{Ref: "ada", Email: ada, Phone: adaPhone})
	var attempts atomic.Int32
	down := func(context.Context, notify.Message) error {
		attempts.Add(1)
		return &notify.Deferred{Reason: notify.ReasonUnreachable}
	}
	tried := func(n int32) {
		attempts.Store(0)
		require.Eventually(t, func() bool { return attempts.Load() >= n }, apptest.Patience, 10*time.Millisecond)
	}
	s.Mail.Before(down)
	c := s.Start(t, apptest.Claimant{Identifier: apptest.Email(ada)})
	ch := c.Ask(t, client.MethodEmail)
	tried(2)
	require.Empty(t, s.Mail.All())
	s.Mail.Before(nil)
	code := s.Mail.Code(t, ch.ID, 1)

	s.Mail.Before(down)
	require.Equal(t, http.StatusOK, c.Answer(t, ch.ID, code).Status)
	tried(3)
	require.Equal(t, client.StateCoolingOff, c.Read(t).State)
	apptest.Refused(t, c.Do(t, http.MethodPost, "/grant", nil), http.StatusConflict, client.ProblemCodeNotReady)
	s.Mail.Before(nil)
	s.Mail.Await(t, adaPhone, notify.HoldEntered, 1)
	c.Await(t, client.StateReady)
	s.Mail.Await(t, ada, notify.HoldEntered, 1)
	require.Len(t, s.Mail.To(ada, notify.RecoveryCode), 1)
}

// S9, R-102. Where every notice bounces, nothing ever becomes ready; a notice to the code's own address is none.
func TestARecoveryWhoseNoticesBounce_NeverBecomesReady(t *testing.T) {
	t.Parallel()
	for name, bounces := range map[string]func(notify.Message) bool{
		"everywhere": func(m notify.Message) bool { return !m.Kind.CarriesCode() },
		"at every address but the code's own": func(m notify.Message) bool {
			return !m.Kind.CarriesCode() && m.To.Reveal() != ada
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := apptest.New(t)
			s.Register(t, apptest.Person{Ref: "ada", Email: ada, Phone: adaPhone})
			s.Mail.Before(func(_ context.Context, m notify.Message) error {
				if bounces(m) {
					return &notify.Rejected{Reason: notify.ReasonBadAddress}
				}
				return nil
			})
			c := s.Start(t, apptest.Claimant{Identifier: apptest.Email(ada)})
			c.ProveBy(t, client.MethodEmail)
			settle(t, s)
			for range 8 {
				state := c.Read(t).State
				require.Contains(t, []client.State{client.StateCoolingOff, client.StateAssisted}, state)
				apptest.Refused(t, c.Do(t, http.MethodPost, "/grant", nil), http.StatusConflict, client.ProblemCodeNotReady)
				s.Advance(t, 13*time.Hour)
			}
			require.Equal(t, client.StateAssisted, c.Read(t).State, "it is for people to decide")
			require.Empty(t, apptest.Texts(t, s, `SELECT id FROM audit_event WHERE action = 'recovery.ready'`))
		})
	}
}

// The real protocols, once from end to end: mail through a real mail server, text messages through a double of the
// provider's API that also fails at first.
func TestAWholeRecovery_OverRealMailAndTheTextProvidersAPI(t *testing.T) {
	t.Parallel()
	host, port, api := startMailpit(t)
	double := twiliotest.New()
	double.Next(1, twiliotest.Throttle(time.Second, 10))
	double.Next(1, twiliotest.HangUp())
	provider := httptest.NewServer(double)
	t.Cleanup(provider.Close)
	s := apptest.New(t, apptest.WithProviders(), apptest.WithEnv(
		"HOLDFAST_SMTP_HOST="+host, "HOLDFAST_SMTP_PORT="+port, "HOLDFAST_SMTP_TLS=none", "HOLDFAST_SMTP_FROM=Acme Recovery <recovery@example.com>",
		"HOLDFAST_TWILIO_ACCOUNT_SID="+twiliotest.AccountSID, "HOLDFAST_TWILIO_AUTH_TOKEN="+twiliotest.AuthToken,
		"HOLDFAST_TWILIO_FROM=+15550100100", "HOLDFAST_TWILIO_BASE_URL="+provider.URL,
	))
	s.Register(t, apptest.Person{Ref: "ada", Email: ada, Phone: adaPhone})

	c := s.Start(t, apptest.Claimant{Identifier: apptest.Email(ada)})
	ch := c.Ask(t, client.MethodEmail)
	mail := awaitMail(t, api, "Code to recover")
	code := regexp.MustCompile(`(?m)^\s*(\d{8})\s*$`).FindStringSubmatch(mail.Text)
	require.NotNil(t, code, mail.Text)
	require.Equal(t, http.StatusOK, c.Answer(t, ch.ID, code[1]).Status)

	c.Await(t, client.StateReady)
	require.Equal(t, http.StatusOK, s.Redeem(t, c.Grant(t).Grant).Status)
	held := awaitMail(t, api, "is being recovered")
	require.Contains(t, held.Text, apptest.Public+"/objection#hfo_")
	require.Contains(t, held.HTML, apptest.Public+"/objection#hfo_")
	awaitMail(t, api, "account was recovered")
	require.Eventually(t, func() bool { return len(double.Messages()) >= 3 }, apptest.Patience, 20*time.Millisecond)
	for _, m := range double.Messages() {
		require.Equal(t, adaPhone, m.To)
		require.NotRegexp(t, `\b\d{8}\b`, m.Body, "no code went to the telephone")
	}
}

type mail struct{ ID, Subject, Text, HTML string }

// awaitMail waits for a mail with words in its subject.
func awaitMail(t *testing.T, api, subject string) mail {
	t.Helper()
	var found mail
	require.Eventually(t, func() bool {
		var list struct{ Messages []mail }
		if fetch(t, api+"/api/v1/messages", &list) != nil {
			return false
		}
		for _, m := range list.Messages {
			if strings.Contains(m.Subject, subject) {
				return fetch(t, api+"/api/v1/message/"+m.ID, &found) == nil
			}
		}
		return false
	}, apptest.Patience, 50*time.Millisecond, "no mail %q", subject)
	return found
}

func fetch(t *testing.T, url string, out any) error {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, nil)
	require.NoError(t, err)
	res, err := (&http.Client{Timeout: 10 * time.Second}).Do(req)
	if err != nil {
		return err
	}
	defer func() { _ = res.Body.Close() }()
	return json.NewDecoder(res.Body).Decode(out)
}

// startMailpit runs a real mail server (https://mailpit.axllent.org): the one on PATH or in GOPATH, or else the version that
// .tools/go.mod pins.
func startMailpit(t *testing.T) (host, port, api string) {
	t.Helper()
	smtpAddr, apiAddr := freeAddr(t), freeAddr(t)
	cmd := exec.CommandContext(t.Context(), mailpit(t), "--smtp", smtpAddr, "--listen", apiAddr, "--disable-version-check", "--smtp-disable-rdns", "--quiet")
	cmd.Env = append(os.Environ(), "TMPDIR="+t.TempDir())
	require.NoError(t, cmd.Start())
	t.Cleanup(func() { _ = cmd.Wait() }) // the test's context, cancelled just before, has killed it
	api = "http://" + apiAddr
	var ignored any
	require.Eventually(t, func() bool { return fetch(t, api+"/api/v1/messages", &ignored) == nil }, apptest.Patience, 20*time.Millisecond)
	host, port, err := net.SplitHostPort(smtpAddr)
	require.NoError(t, err)
	return host, port, api
}

func mailpit(t *testing.T) string {
	t.Helper()
	if found, err := exec.LookPath("mailpit"); err == nil {
		return found
	}
	if gopath, err := exec.CommandContext(t.Context(), "go", "env", "GOPATH").Output(); err == nil {
		if found := filepath.Join(strings.TrimSpace(string(gopath)), "bin", "mailpit"); exists(found) {
			return found
		}
	}
	tools, err := filepath.Abs("../../.tools")
	require.NoError(t, err)
	built := filepath.Join(t.TempDir(), "mailpit")
	build := exec.CommandContext(t.Context(), "go", "build", "-C", tools, "-o", built, "github.com/axllent/mailpit")
	build.Env = append(os.Environ(), "GOFLAGS=-mod=mod -buildvcs=false", "GOWORK=off", "CGO_ENABLED=0")
	out, err := build.CombinedOutput()
	require.NoError(t, err, "build mailpit: %s", out)
	return built
}

func exists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}

func freeAddr(t *testing.T) string {
	t.Helper()
	l, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer func() { _ = l.Close() }()
	return l.Addr().String()
}
