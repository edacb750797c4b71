package app_test

import (
	"net/http"
	"strconv"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/holdfast/holdfast/api/client"
	"github.com/holdfast/holdfast/internal/app/apptest"
	"github.com/holdfast/holdfast/internal/notify"
	"github.com/holdfast/holdfast/internal/notify/twilio/twiliotest"
)

// What a notice of the hold says on the telephone.
const heldText = "is being recovered and will be opened"

// ready brings ada's recovery to where the claimant may take the grant: her telephone took the notice, by all that is known.
func ready(t *testing.T, s *apptest.Service) (*apptest.Claim, twiliotest.Message) {
	t.Helper()
	s.Register(t, apptest.Person{Ref: "ada", Email: ada, Phone: adaPhone})
	c := s.Start(t, apptest.Claimant{Identifier: apptest.Email(ada), NewDevice: true})
	c.ProveBy(t, client.MethodEmail)
	m := s.Phones.Await(t, adaPhone, heldText, 1)
	settled(t, s, "notice.accepted", 2, c.ID)
	s.Advance(t, 25*time.Hour)
	c.Await(t, client.StateReady)
	return c, m
}

// settled waits until an action was written down n times about the hold's notices, or about anything of the recovery.
func settled(t *testing.T, s *apptest.Service, action string, n int, recovery string) {
	t.Helper()
	require.Eventually(t, func() bool {
		return len(apptest.Texts(t, s, `SELECT id FROM audit_event WHERE action = $1 AND recovery_id = $2 AND (details->>'kind' = 'hold_entered' OR details->>'kind' IS NULL)`, action, recovery)) >= n
	}, apptest.Patience, 10*time.Millisecond, "no %s", action)
}

// R-096 R-102. A text message that its provider took and then could not deliver is no notice: what rested on it goes to people,
// and a grant that is out is void.
func TestANoticeThatFailsAfterItsAcceptance_TakesTheRecoveryBackToPeople(t *testing.T) {
	t.Parallel()
	for name, granted := range map[string]bool{"ready": false, "granted": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := apptest.New(t, apptest.WithPhones())
			c, m := ready(t, s)
			var grant client.Grant
			if granted {
				grant = c.Grant(t)
			}
			require.Equal(t, http.StatusNoContent, s.Phones.Report(t, m, "undelivered", "30003").Status)
			require.Equal(t, client.StateAssisted, c.Read(t).State, "at once, whoever asks")
			settled(t, s, "recovery.undeliverable", 1, c.ID)
			require.Nil(t, c.Read(t).ReadyUntil)
			apptest.Refused(t, c.Do(t, http.MethodPost, "/grant", nil), http.StatusConflict, client.ProblemCodeNotReady)
			if granted {
				apptest.Refused(t, s.Redeem(t, grant.Grant), http.StatusUnprocessableEntity, client.ProblemCodeGrantRefused)
			}
			require.Equal(t, []string{"unreachable 30003"}, apptest.Texts(t, s,
				`SELECT reason || ' ' || (details->>'code') FROM audit_event WHERE action = 'notice.undelivered' AND recovery_id = $1`, c.ID))
			require.Equal(t, []string{"undeliverable"}, apptest.Texts(t, s,
				`SELECT reason FROM audit_event WHERE action = 'recovery.undeliverable' AND recovery_id = $1 AND to_state = 'assisted'`, c.ID))
			require.Len(t, s.Log.Lines("no notice reached the owner"), 1, "and the log says so at that moment")
			require.Contains(t, s.Log.Lines("no notice reached the owner")[0], c.ID)
		})
	}
}

// The grant is refused even before anybody was woken: the failure itself shuts the gate.
func TestANoticeThatFails_ShutsTheGateInTheSameMoment(t *testing.T) {
	t.Parallel()
	s := apptest.New(t, apptest.WithPhones())
	c, m := ready(t, s)
	grant := c.Grant(t)
	require.Equal(t, http.StatusNoContent, s.Phones.Report(t, m, "failed", "30007").Status)
	a := s.Redeem(t, grant.Grant)
	apptest.Refused(t, a, http.StatusUnprocessableEntity, client.ProblemCodeGrantRefused)
	require.Equal(t, client.StateAssisted, c.Await(t, client.StateAssisted).State)
}

// A fate is told once: repeated, late and contradicting reports change nothing, and the last are written down.
func TestReports_ComeTwiceLateAndAgainstEachOther(t *testing.T) {
	t.Parallel()
	s := apptest.New(t, apptest.WithPhones())
	c, m := ready(t, s)
	for _, status := range []string{"delivered", "queued", "delivered", "sent", "sending", "undelivered", "failed", "undelivered"} {
		require.Equal(t, http.StatusNoContent, s.Phones.Report(t, m, status, "").Status, status)
	}
	require.Equal(t, client.StateReady, c.Read(t).State)
	count := func(action string) int {
		return len(apptest.Texts(t, s, `SELECT id FROM audit_event WHERE action = $1 AND recovery_id = $2`, action, c.ID))
	}
	require.Equal(t, 1, count("notice.delivered"))
	require.Equal(t, 1, count("delivery.contradicted"))
	require.Zero(t, count("notice.undelivered"))
	require.Equal(t, http.StatusOK, s.Redeem(t, c.Grant(t).Grant).Status, "it was delivered, and stays so")
}

// A report that is faster than the answer to the sending is not lost.
func TestAReport_ThatOvertakesTheAnswerCounts(t *testing.T) {
	t.Parallel()
	s := apptest.New(t, apptest.WithPhones())
	s.Register(t, apptest.Person{Ref: "ada", Email: ada, Phone: adaPhone})
	s.Phones.Number(adaPhone, twiliotest.AcceptAfter(func(m twiliotest.Message) {
		s.Phones.Report(t, m, "undelivered", "30005")
		s.Phones.Report(t, m, "queued", "")
	}))
	c := s.Start(t, apptest.Claimant{Identifier: apptest.Email(ada)})
	c.ProveBy(t, client.MethodEmail)
	settled(t, s, "notice.undelivered", 1, c.ID)
	settled(t, s, "notice.accepted", 2, c.ID)
	c.Await(t, client.StateAssisted)
	require.Empty(t, apptest.Texts(t, s, `SELECT id FROM audit_event WHERE action = 'recovery.ready'`))
}

// What became of a code is kept like what became of a notice, and nobody who claims can see it.
func TestReports_AboutACodeShowNothingToTheClaimant(t *testing.T) {
	t.Parallel()
	s := apptest.New(t, apptest.WithPhones())
	s.Register(t, apptest.Person{Ref: "ada", Email: ada, Phone: adaPhone})
	c := s.Start(t, apptest.Claimant{Identifier: apptest.Email(ada)})
	c.Ask(t, client.MethodSms)
	m := s.Phones.Await(t, adaPhone, "code", 1)
	require.Eventually(t, func() bool {
		return apptest.Query[int](t, s, `SELECT count(*) FROM delivery WHERE challenge_id IS NOT NULL`) == 1
	}, apptest.Patience, 10*time.Millisecond)
	before := c.Read(t)
	require.Equal(t, http.StatusNoContent, s.Phones.Report(t, m, "undelivered", "30003").Status)
	require.Equal(t, 1, apptest.Query[int](t, s, `SELECT count(*) FROM audit_event WHERE action = 'recovery.challenge.undelivered'`))
	require.Equal(t, before, c.Read(t))
}

// R-103 R-104 R-106. NO to the text message pauses, once, whoever carries it; it is told to everybody like any objection.
func TestAReplyOfNo_PausesOnce(t *testing.T) {
	t.Parallel()
	s := apptest.New(t, apptest.WithPhones())
	s.Register(t, apptest.Person{Ref: "ada", Email: ada, Phone: adaPhone})
	c, _ := held(t, s)
	m := s.Phones.Await(t, adaPhone, heldText, 1)
	require.Contains(t, m.Body, "reply NO or "+apptest.Public+"/objection#hfo_")

	for _, body := range []string{"hello?", "STOP", "no, that was not me"} {
		a, _ := s.Phones.Reply(t, adaPhone, body)
		require.Equal(t, http.StatusOK, a.Status)
	}
	stranger, _ := s.Phones.Reply(t, "+447700900999", "NO")
	a, call := s.Phones.Reply(t, adaPhone, " No! ")
	require.Equal(t, stranger.Body, a.Body, "the sender learns nothing")
	require.Equal(t, "text/xml; charset=utf-8", a.Header.Get("Content-Type"))
	c.Await(t, client.StateContested)
	s.Mail.Await(t, ada, notify.ObjectionReceived, 1)
	s.Phones.Await(t, adaPhone, "somebody objected", 1)
	require.Equal(t, []string{"reply owner E0"}, apptest.Texts(t, s,
		`SELECT reason || ' ' || actor_kind || ' ' || (details->>'strength') FROM audit_event WHERE action = 'recovery.contested' AND recovery_id = $1`, c.ID))

	a, _ = s.Phones.Reply(t, adaPhone, "NO")
	require.Equal(t, http.StatusOK, a.Status)
	require.Equal(t, http.StatusOK, s.Phones.Call(t, call).Status)
	require.Eventually(t, func() bool { return apptest.Query[int](t, s, `SELECT count(*) FROM reply WHERE heard_at IS NULL`) == 0 }, apptest.Patience, 10*time.Millisecond)
	require.Equal(t, 3, apptest.Query[int](t, s, `SELECT count(*) FROM reply`), "each once")
	require.Zero(t, apptest.Query[int](t, s, `SELECT count(*) FROM reply WHERE cardinality(reply_hashes) > 0`), "whose it was is forgotten")
	require.Len(t, s.Phones.To(adaPhone, "somebody objected"), 1, "said again it is told to nobody")

	s.Advance(t, 72*time.Hour+time.Minute)
	require.Equal(t, client.StateCoolingOff, c.Read(t).State)
	s.Phones.Reply(t, adaPhone, "NO")
	require.Eventually(t, func() bool {
		return apptest.Query[int](t, s, `SELECT count(*) FROM audit_event WHERE action = 'recovery.objection.refused' AND recovery_id = $1`, c.ID) == 1
	}, apptest.Patience, 10*time.Millisecond)
	require.Equal(t, client.StateCoolingOff, c.Read(t).State, "the channel has had its pause")
}

// All recoveries that were told to the number hear its NO, of every tenant; one answer counts once, so that a copy of it does
// not meet a later claim.
func TestAReplyOfNo_ReachesAllThatWereToldThereAndNoLaterOne(t *testing.T) {
	t.Parallel()
	s := apptest.New(t, apptest.WithPhones())
	claims := make([]*apptest.Claim, 0, 3)
	for i, email := range []string{ada, "ada.work@example.com"} {
		s.Register(t, apptest.Person{Ref: "ada" + strconv.Itoa(i), Email: email, Phone: adaPhone})
		c := s.Start(t, apptest.Claimant{Identifier: apptest.Email(email), NewDevice: true})
		c.ProveBy(t, client.MethodEmail)
		claims = append(claims, c)
	}
	s.Register(t, apptest.Person{Ref: "bob", Email: "bob@example.com", Phone: "+447700900202"})
	other := s.Start(t, apptest.Claimant{Identifier: apptest.Email("bob@example.com"), NewDevice: true})
	other.ProveBy(t, client.MethodEmail)
	s.Phones.Await(t, adaPhone, heldText, 2)
	s.Phones.Await(t, "+447700900202", heldText, 1)

	_, call := s.Phones.Reply(t, adaPhone, "Nein")
	for _, c := range claims {
		c.Await(t, client.StateContested)
	}
	require.Equal(t, client.StateCoolingOff, other.Read(t).State)

	later := s.Start(t, apptest.Claimant{Identifier: apptest.Email(ada), NewDevice: true})
	later.ProveBy(t, client.MethodEmail)
	s.Phones.Await(t, adaPhone, heldText, 3)
	require.Equal(t, http.StatusOK, s.Phones.Call(t, call).Status)
	settle(t, s)
	require.Equal(t, client.StateCoolingOff, later.Read(t).State)
}

// With the account goes what its number could be found by; and who has opted out is a failure, not a silence.
func TestErasure_ForgetsWhoMayReply(t *testing.T) {
	t.Parallel()
	s := apptest.New(t, apptest.WithPhones())
	s.Register(t, apptest.Person{Ref: "ada", Email: ada, Phone: adaPhone})
	c, _ := held(t, s)
	s.Phones.Await(t, adaPhone, heldText, 1)
	hashes := func() int {
		return apptest.Query[int](t, s, `SELECT count(*) FROM notice WHERE reply_hash IS NOT NULL`)
	}
	require.Equal(t, 1, hashes(), "the telephone's, and no other")
	require.Equal(t, http.StatusOK, c.Do(t, http.MethodPost, "/cancel", nil).Status)
	settle(t, s)
	require.Equal(t, http.StatusNoContent, s.Account(t, http.MethodDelete, "ada", "", nil).Status)
	require.Zero(t, hashes())
}

// Nobody but Twilio speaks for Twilio, whatever the request says of its host.
func TestCallbacks_OfOthersChangeNothing(t *testing.T) {
	t.Parallel()
	s := apptest.New(t, apptest.WithPhones())
	c, m := ready(t, s)
	settle(t, s)
	rows := s.Rows(t)
	good := twiliotest.Signed(apptest.StatusURL, twiliotest.StatusForm(m, "undelivered", ""))
	forged := good
	forged.Signatures = []string{twiliotest.Sign("00000000000000000000000000000000", apptest.StatusURL, good.Form)}
	unsigned := good
	unsigned.Signatures = nil
	elsewhere := twiliotest.Signed(s.Base+"/v1/providers/twilio/status", good.Form)
	tampered := twiliotest.Signed(apptest.StatusURL, twiliotest.StatusForm(m, "delivered", ""))
	tampered.Form.Set("MessageStatus", "failed")
	othersRoute := twiliotest.Signed(apptest.MessageURL, good.Form)
	othersRoute.URL = apptest.StatusURL
	doubled := good
	doubled.Body = good.Form.Encode() + "&MessageStatus=failed"
	for name, call := range map[string]twiliotest.Callback{
		"forged": forged, "unsigned": unsigned, "for another address": elsewhere, "tampered": tampered, "a key twice": doubled,
		"the other route's": othersRoute,
	} {
		a := s.Phones.Call(t, call)
		apptest.Refused(t, a, http.StatusForbidden, client.ProblemCodeForbidden)
		require.NotContains(t, a.Body, "signature", name)
	}
	reply := twiliotest.Signed(apptest.MessageURL, twiliotest.ReplyForm(adaPhone, apptest.OurNumber, "NO"))
	reply.Form.Set("From", "+447700900202")
	apptest.Refused(t, s.Phones.Call(t, reply), http.StatusForbidden, client.ProblemCodeForbidden)
	require.Equal(t, rows, s.Rows(t), "nothing was written")
	require.Equal(t, client.StateReady, c.Read(t).State)
	require.NotContains(t, s.Log.String(), adaPhone)
}

// Without a provider there is nobody to believe: its routes are as absent as any other.
func TestCallbacks_AreAbsentWithoutAProvider(t *testing.T) {
	t.Parallel()
	s := apptest.New(t)
	for _, path := range []string{"/v1/providers/twilio/status", "/v1/providers/twilio/messages"} {
		apptest.Refused(t, s.Do(t, apptest.Request{Method: http.MethodPost, Path: path, Body: "a=b", Header: http.Header{"Content-Type": {"application/x-www-form-urlencoded"}}}),
			http.StatusNotFound, client.ProblemCodeNotFound)
	}
}
