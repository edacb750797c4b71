package main

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/holdfast/holdfast/api/client"
	"github.com/holdfast/holdfast/internal/app/apptest"
	"github.com/holdfast/holdfast/internal/notify/twilio/twiliotest"
	"github.com/holdfast/holdfast/internal/postgres/pgtest"
)

// S9, R-096, R-102. With a mail server that rejects everything and text messages that do not arrive, nothing becomes ready,
// and the operator sees why: in `holdfast recovery show`, in the metrics and in the log.
func TestUndeliverableNotices_NothingBecomesReadyAndTheOperatorSeesWhy(t *testing.T) {
	t.Parallel()
	const phone = "+447700900101"
	for name, tc := range map[string]struct {
		texts    twiliotest.Behaviour // what becomes of text messages; nil when they are taken and then reported as undelivered
		waits    []string             // obstacles when the hold is over
		until    time.Duration        // after the hold, when people are asked
		phone    string               // what became of the notice by text message
		why      string
		obstacle string
	}{
		"text messages are down": {
			texts: twiliotest.Status(http.StatusServiceUnavailable, 20503), waits: []string{"notice_on_the_way"}, until: 25 * time.Hour,
			phone: "tried", obstacle: "notice_on_the_way",
		},
		"text messages are taken and lost": {
			waits: []string{"owner_not_reached"}, until: time.Minute, phone: "accepted, then failed", why: "unreachable", obstacle: "owner_not_reached",
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			mail, url := startSink(t), pgtest.URL(t)
			s := apptest.New(t, apptest.WithDatabase(url), apptest.WithProviders(), apptest.WithPhones(), apptest.WithEnv(mail.environ(t)...))
			show := func(name string) (recoveryPage, string) {
				environ := []string{"HOLDFAST_DATABASE_URL=" + url}
				var page recoveryPage
				require.NoError(t, json.Unmarshal([]byte(operate(t, environ, "", "recovery", "show", name, "--json")), &page))
				return page, operate(t, environ, "", "recovery", "show", name)
			}
			s.Register(t, apptest.Person{Ref: "ada", Email: "ada@example.com", Phone: phone})
			c := s.Start(t, apptest.Claimant{Identifier: apptest.Email("ada@example.com"), NewDevice: true})
			ch := c.Ask(t, client.MethodEmail)
			code := awaitCode(t, mail, ch.ID)

			mail.rejects.Store(true)
			s.Phones.Number(phone, tc.texts)
			r := apptest.Decode[client.Recovery](t, c.Answer(t, ch.ID, code), http.StatusOK)
			require.Equal(t, client.StateCoolingOff, r.State)
			awaitEvent(t, s, c.ID, "notice.failed")
			if tc.texts == nil {
				m := s.Phones.Await(t, phone, "is being recovered", 1)
				require.Equal(t, http.StatusNoContent, s.Phones.Report(t, m, "undelivered", "30003").Status)
				awaitEvent(t, s, c.ID, "notice.undelivered")
			}
			page, _ := show(c.Reference)
			require.Equal(t, append(tc.waits, "hold_runs"), codes(page))

			s.Advance(t, 24*time.Hour+time.Second)
			apptest.Refused(t, c.Do(t, http.MethodPost, "/grant", nil), http.StatusConflict, client.ProblemCodeNotReady)
			s.Advance(t, tc.until)
			c.Await(t, client.StateAssisted)
			awaitEvent(t, s, c.ID, "recovery.undeliverable")
			for range 3 {
				apptest.Refused(t, c.Do(t, http.MethodPost, "/grant", nil), http.StatusConflict, client.ProblemCodeNotReady)
				s.Advance(t, 7*apptest.Day)
			}
			require.Zero(t, apptest.Query[int](t, s, `SELECT count(*) FROM audit_event WHERE action = 'recovery.ready'`))

			page, text := show(c.ID)
			require.Equal(t, []string{"people_decide", tc.obstacle}, codes(page))
			byKind := map[string]notice{}
			for _, n := range page.Notices {
				if n.Kind == "hold_entered" {
					byKind[n.ChannelKind] = n
				}
			}
			require.Equal(t, tc.phone, byKind["sms"].Status)
			require.Equal(t, tc.why, byKind["sms"].Reason)
			require.True(t, byKind["sms"].Counts)
			require.Equal(t, "failed", byKind["email"].Status)
			require.Equal(t, "bad_address", byKind["email"].Reason)
			require.False(t, byKind["email"].Counts, "it was used as evidence")
			require.Contains(t, text, obstacleText("people_decide"))
			require.Contains(t, text, "recovery.undeliverable")
			for _, personal := range []string{"ada@example.com", phone, phone[1:], "ada@"} {
				require.NotContains(t, text, personal)
			}

			require.Len(t, s.Log.Lines("no notice reached the owner"), 1)
			require.Contains(t, s.Log.Lines("no notice reached the owner")[0], "holdfast recovery show "+c.ID)
			scrape := httptest.NewRecorder()
			s.App.Admin.ServeHTTP(scrape, httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/metrics", nil))
			require.Contains(t, scrape.Body.String(), `holdfast_recoveries_total{event="undeliverable"} 1`)
			require.Regexp(t, `holdfast_messages_total\{channel="email",kind="hold_entered",outcome="bad_address"\} 1`, scrape.Body.String())
		})
	}
}

// A mail that comes back after the mail server had taken it was never a notice.
func TestNoticeBounced_TakesAnAcceptanceBack(t *testing.T) {
	t.Parallel()
	mail, url := startSink(t), pgtest.URL(t)
	s := apptest.New(t, apptest.WithDatabase(url), apptest.WithProviders(), apptest.WithEnv(mail.environ(t)...))
	s.Register(t, apptest.Person{Ref: "ada", Email: "ada@example.com", Backup: "ada.backup@example.org"})
	c := s.Start(t, apptest.Claimant{Identifier: apptest.Email("ada@example.com"), NewDevice: true})
	ch := c.Ask(t, client.MethodEmail)
	require.Equal(t, http.StatusOK, c.Answer(t, ch.ID, awaitCode(t, mail, ch.ID)).Status)
	require.Eventually(t, func() bool {
		return apptest.Query[int](t, s, `SELECT count(*) FROM notice WHERE kind = 'hold_entered' AND accepted_at IS NOT NULL`) == 2
	}, patience, 10*time.Millisecond)
	s.Advance(t, 24*time.Hour+time.Second)
	c.Await(t, client.StateReady)

	environ := []string{"HOLDFAST_DATABASE_URL=" + url}
	id := apptest.Query[string](t, s, `
		SELECT n.id FROM notice n WHERE n.kind = 'hold_entered' AND NOT EXISTS (SELECT 1 FROM evidence e WHERE e.source = n.channel_id)`) + "@example.com"
	require.Equal(t, id+"  settled hold_entered\n", operate(t, environ, "", "notice", "bounced", "<"+id+">"))
	awaitEvent(t, s, c.ID, "recovery.undeliverable")
	require.Equal(t, client.StateAssisted, c.Read(t).State)
	require.Contains(t, operate(t, environ, "", "notice", "bounced", id), "repeated")
	require.Contains(t, operate(t, environ, "", "notice", "bounced", "nobody@example.com"), "waiting")
}

func TestRecoveryShow_NamesWhatItCannotFind(t *testing.T) {
	t.Parallel()
	environ := []string{"HOLDFAST_DATABASE_URL=" + pgtest.URL(t)}
	_, err := command(t, environ, "", "recovery", "show", "HF-0000-0000")
	require.ErrorContains(t, err, "not")
	_, err = command(t, environ, "", "recovery", "show", "nonsense!")
	require.Equal(t, 2, exitCode(err))
}

func codes(p recoveryPage) []string {
	var out []string
	for _, o := range p.Obstacles {
		out = append(out, string(o.Code))
	}
	return out
}

func awaitCode(t *testing.T, mail *sink, challenge string) string {
	t.Helper()
	for {
		code, there, changed := mail.has(challenge)
		if there {
			return code
		}
		select {
		case <-changed:
		case <-time.After(patience): //nolint:forbidigo // a bound, not a wait.
			require.FailNow(t, "no code came")
		}
	}
}

// awaitEvent waits until something about a notice of the hold, or the recovery itself, was written down.
func awaitEvent(t *testing.T, s *apptest.Service, recovery, action string) {
	t.Helper()
	require.Eventually(t, func() bool {
		return apptest.Query[int](t, s, `SELECT count(*) FROM audit_event WHERE action = $1 AND recovery_id = $2 AND coalesce(details->>'kind', 'hold_entered') = 'hold_entered'`, action, recovery) > 0
	}, patience, 10*time.Millisecond, "no %s", action)
}
