package app_test

import (
	"context"
	"fmt"
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/holdfast/holdfast/api/client"
	"github.com/holdfast/holdfast/internal/app/apptest"
	"github.com/holdfast/holdfast/internal/notify"
)

const nobody = "nobody@example.com"

// walk is somebody who tries everything on one identifier, and what they were told.
type walk struct {
	s          *apptest.Service
	identifier client.Identifier
	transcript []string
}

// note sends a request and writes down what anybody could see of the answer.
func (w *walk) note(t *testing.T, step string, r apptest.Request) apptest.Answer {
	t.Helper()
	a := w.s.Do(t, r)
	w.transcript = append(w.transcript, fmt.Sprintf("%s\n%s %s\n%s", step, r.Method, hide(r.Path), masked(a)))
	return a
}

func (w *walk) start(t *testing.T, step string) *apptest.Claim {
	t.Helper()
	var c *apptest.Claim
	a := w.note(t, step, apptest.Request{
		Method: http.MethodPost, Path: "/v1/recoveries", As: w.s.AppToken, Body: apptest.Claimant{Identifier: w.identifier, Reason: client.LostMfa}.Body(),
	})
	if a.Status == http.StatusCreated {
		c = w.s.Claim(apptest.Decode[client.StartedRecovery](t, a, http.StatusCreated))
	}
	return c
}

func (w *walk) ask(t *testing.T, c *apptest.Claim, m client.Method) string {
	t.Helper()
	a := w.note(t, "ask for "+string(m), c.Request(http.MethodPost, "/challenges", client.ChallengeRequest{Method: m}))
	id, _ := apptest.JSON(t, a.Body)["id"].(string)
	return id
}

func (w *walk) answer(t *testing.T, c *apptest.Claim, challenge, code string) {
	t.Helper()
	w.note(t, "answer", c.Request(http.MethodPost, "/challenges/"+challenge+"/answers", client.AnswerRequest{Code: code}))
}

// exhaust goes on until there is nothing left to try, over every limit and every wait, and past the end.
func (w *walk) exhaust(t *testing.T, foreignSavedCode string) {
	t.Helper()
	first := w.start(t, "start")
	challenges := map[client.Method]string{}
	for _, m := range []client.Method{"email", "sms", "totp", "recovery_code", "voice", "passkey", "contact"} {
		challenges[m] = w.ask(t, first, m)
		w.ask(t, first, m) // too soon
	}
	settle(t, w.s) // before the clock jumps past what is being sent
	for range 2 {
		w.answer(t, first, challenges["recovery_code"], foreignSavedCode)
	}
	for _, code := range []string{"not a code", "12345678", "☃", foreignSavedCode[:9]} {
		w.answer(t, first, challenges["sms"], code)
	}
	w.guess(t, first, challenges["email"])
	w.answer(t, first, "chl_01kagx44n2t9q0e5r8w1y3z6b7", "12345678")
	w.resend(t, first, "sms")

	second := w.start(t, "a second start")
	w.ask(t, second, "sms") // the day's sends are used up
	w.answer(t, second, w.ask(t, second, "email"), "12345678")
	w.answer(t, second, challenges["email"], "12345678") // another recovery's
	w.s.Advance(t, 11*time.Minute)
	w.answer(t, first, challenges["totp"], "123456") // over
	w.note(t, "grant", first.Request(http.MethodPost, "/grant", nil))
	w.note(t, "read", first.Request(http.MethodGet, "", nil))

	w.s.Advance(t, 24*time.Hour)
	w.note(t, "read", first.Request(http.MethodGet, "", nil))
	w.ask(t, first, "email")
	w.note(t, "cancel", first.Request(http.MethodPost, "/cancel", nil))
	third := w.start(t, "a third start")
	w.note(t, "cancel", third.Request(http.MethodPost, "/cancel", nil))
	w.note(t, "read", third.Request(http.MethodGet, "", nil))
	for i := range 40 {
		w.start(t, fmt.Sprintf("start %d", i))
	}
}

// guess guesses a sent code until it is dead, waiting whenever that is asked for.
func (w *walk) guess(t *testing.T, c *apptest.Claim, challenge string) {
	t.Helper()
	for _, wait := range []time.Duration{0, 0, 0, 31 * time.Second, 3 * time.Minute, 11 * time.Minute, 2 * time.Hour} {
		w.s.Advance(t, wait)
		w.answer(t, c, challenge, "12345678")
		w.note(t, "read", c.Request(http.MethodGet, "", nil))
	}
	w.ask(t, c, "email")
}

// resend asks for new codes until none is left.
func (w *walk) resend(t *testing.T, c *apptest.Claim, m client.Method) {
	t.Helper()
	for range 6 {
		w.s.Advance(t, 45*time.Minute)
		w.ask(t, c, m)
	}
}

// R-071 R-072 R-073 R-074 R-075, I8. Whoever walks over an unknown identifier, or over an account of any kind, to exhaustion is
// told the same to the last byte, and the same is written down for it.
func TestADecoy_CannotBeToldFromAnyAccount(t *testing.T) {
	t.Parallel()
	want, rows := exhausted(t, apptest.Email(nobody))
	require.Equal(t, 97, len(want)) //nolint:testifylint // Len would print them all.
	for _, address := range []string{ada, "cleo@example.com", "gus@example.net", "finn@example.org"} {
		t.Run(address, func(t *testing.T) {
			t.Parallel()
			got, written := exhausted(t, apptest.Email(address))
			require.Equal(t, len(want), len(got)) //nolint:testifylint // the same.
			for i := range want {
				require.Equal(t, want[i], got[i], "step %d", i)
			}
			delete(written, "public.text_send") // what was let through to a number lies behind the outbox, as messages do
			delete(written, "public.text_count")
			require.Equal(t, rows, written)
		})
	}
}

// exhausted walks over one identifier in a service of its own and gives the transcript and what was written.
func exhausted(t *testing.T, identifier client.Identifier) (transcript []string, rows map[string]int) {
	t.Helper()
	s := apptest.New(t)
	s.Register(t, apptest.Person{Ref: "ada", Email: ada, Phone: adaPhone, Backup: backup, AAL: 2})
	s.Register(t, apptest.Person{Ref: "cleo", Email: "cleo@example.com"})
	s.Register(t, apptest.Person{Ref: "gus", Email: "gus@example.net", Population: "federated"})
	s.Register(t, apptest.Person{Ref: "finn", Email: "finn@example.org", Population: "pseudonymous", Phone: "+447700900106"})
	s.EnrolTOTP(t, "ada")
	s.IssueCodes(t, "ada")
	foreign := s.IssueCodes(t, "finn")[0]
	if identifier.Value == "finn@example.org" {
		foreign = s.IssueCodes(t, "ada")[0]
	} else {
		s.IssueCodes(t, "ada")
	}
	settle(t, s)
	before := written(t, s)
	sent := len(s.Mail.All())
	w := &walk{s: s, identifier: identifier}
	w.exhaust(t, foreign)
	require.Empty(t, s.Log.Lines(`"code":"conflict"`))
	settle(t, s)
	if identifier.Value == nobody {
		require.Len(t, s.Mail.All(), sent, "nobody gets a message")
	} else {
		require.NotEmpty(t, s.Mail.To(identifier.Value, ""))
	}
	return w.transcript, apptest.Grown(before, written(t, s))
}

// written counts what requests write. Left out is what the sender alone adds for an account, long after the answer: that a
// message went out, and the notices that tell the owner of the attempt.
func written(t *testing.T, s *apptest.Service) map[string]int {
	t.Helper()
	rows := s.Rows(t)
	delete(rows, "public.notice")
	rows["public.audit_event"] = apptest.Query[int](t, s,
		`SELECT count(*) FROM audit_event WHERE action NOT IN ('recovery.challenge.sent', 'notice.accepted')`)
	rows["river.river_job"] = apptest.Query[int](t, s, `SELECT count(*) FROM river.river_job WHERE kind = 'challenge.deliver'`)
	return rows
}

// settle waits until the background has done what it has to do.
func settle(t *testing.T, s *apptest.Service) {
	t.Helper()
	require.Eventually(t, func() bool {
		return apptest.Query[int](t, s, `SELECT count(*) FROM river.river_job WHERE finalized_at IS NULL`) == 0
	}, apptest.Patience, 20*time.Millisecond)
}

// heard waits until every address has taken its notice of the hold: one that is under way for a day counts as lost.
func heard(t *testing.T, s *apptest.Service) {
	t.Helper()
	require.Eventually(t, func() bool {
		return apptest.Query[int](t, s, `SELECT count(*) FROM notice WHERE kind = 'hold_entered' AND accepted_at IS NULL AND failed_at IS NULL`) == 0
	}, apptest.Patience, 20*time.Millisecond)
}

// Nobody waits for a provider: the answers are there while it says nothing.
func TestAProviderThatHangs_KeepsNobodyWaiting(t *testing.T) {
	t.Parallel()
	s := apptest.New(t)
	s.Register(t, apptest.Person{Ref: "ada", Email: ada, Phone: adaPhone})
	hanging, release := make(chan struct{}, 16), make(chan struct{})
	s.Mail.Before(func(ctx context.Context, _ notify.Message) error {
		hanging <- struct{}{}
		select {
		case <-release:
			return nil
		case <-ctx.Done():
			return &notify.Deferred{Reason: notify.ReasonTimeout}
		}
	})
	real := s.Start(t, apptest.Claimant{Identifier: apptest.Email(ada)})
	ch := real.Ask(t, client.MethodEmail)
	<-hanging
	again := s.Start(t, apptest.Claimant{Identifier: apptest.Email(ada)})
	again.Ask(t, client.MethodSms)
	decoy := s.Start(t, apptest.Claimant{Identifier: apptest.Email(nobody)})
	decoy.Ask(t, client.MethodEmail)
	apptest.Refused(t, real.Answer(t, ch.ID, "12345678"), http.StatusUnprocessableEntity, client.ProblemCodeProofRefused)
	require.Empty(t, s.Mail.All())

	close(release)
	require.Equal(t, http.StatusOK, real.Answer(t, ch.ID, s.Mail.Code(t, ch.ID, 1)).Status)
}

// R-069 R-070 R-078. The source's bucket and the identifier's are independent, and the source's is the tighter one.
func TestOneSource_CannotUseUpAnOwnersBucket(t *testing.T) {
	t.Parallel()
	s := apptest.New(t)
	s.Register(t, apptest.Person{Ref: "ada", Email: ada, Phone: adaPhone})
	start := func(ip, address string) int {
		return s.Do(t, apptest.Request{
			Method: http.MethodPost, Path: "/v1/recoveries", As: s.AppToken, Body: apptest.Claimant{Identifier: apptest.Email(address), IP: ip}.Body(),
		}).Status
	}
	count := func(n int, do func(i int) int) map[int]int {
		out := map[int]int{}
		for i := range n {
			out[do(i)]++
		}
		return out
	}
	// Whatever address of its /64 the source writes from, and whomever it is after.
	require.Equal(t, map[int]int{201: 10, 429: 10}, count(20, func(i int) int { return start(fmt.Sprintf("2001:db8:0:1::%x", i+1), ada) }))
	require.Equal(t, map[int]int{429: 5}, count(5, func(i int) int { return start("2001:db8:0:1::7", fmt.Sprintf("u%d@example.com", i)) }))
	require.Equal(t, 201, start(apptest.NewIP(), ada), "the owner starts from elsewhere")
	require.Equal(t, map[int]int{201: 19, 429: 6}, count(25, func(int) int { return start(apptest.NewIP(), ada) }))
}
