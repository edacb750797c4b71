package app_test

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/holdfast/holdfast/api/client"
	"github.com/holdfast/holdfast/internal/app/apptest"
)

// deliveries reads an endpoint's log.
func deliveries(t *testing.T, s *apptest.Service, id string) []client.WebhookDelivery {
	t.Helper()
	return apptest.Decode[client.WebhookDeliveries](t, about(t, s, id, http.MethodGet, "/deliveries", nil), http.StatusOK).Deliveries
}

// verification asks for a signal that says nothing, and gives its id.
func verification(t *testing.T, s *apptest.Service, id string) string {
	t.Helper()
	return apptest.Decode[client.WebhookVerification](t, about(t, s, id, http.MethodPost, "/verify", nil), http.StatusAccepted).DeliveryID
}

// awaitDelivery waits until a delivery looks as it should.
func awaitDelivery(t *testing.T, s *apptest.Service, endpoint, id string, as func(client.WebhookDelivery) bool) client.WebhookDelivery {
	t.Helper()
	var found client.WebhookDelivery
	require.Eventually(t, func() bool {
		for _, d := range deliveries(t, s, endpoint) {
			if d.ID == id {
				found = d
				return as(d)
			}
		}
		return false
	}, apptest.Patience, 20*time.Millisecond, "the delivery does not get there: %+v", found)
	return found
}

func tried(n int) func(client.WebhookDelivery) bool {
	return func(d client.WebhookDelivery) bool { return len(d.Tries) >= n }
}

func stands(status client.WebhookDeliveryStatus) func(client.WebhookDelivery) bool {
	return func(d client.WebhookDelivery) bool { return d.Status == status }
}

func last(d client.WebhookDelivery) string { return d.Tries[len(d.Tries)-1].Outcome }

// what a receiver answers, what the log calls it, and whether it is sent again. The id stays the same.
func TestReceivers_GetWhatTheStandardsSay(t *testing.T) {
	t.Parallel()
	s := listening(t)
	there := apptest.NewReceiver(t)
	elsewhere := apptest.NewReceiver(t)
	for name, tc := range map[string]struct {
		kind    client.WebhookKind
		reply   apptest.Reply
		outcome string
		dead    bool // not sent again
	}{
		"webhook: any 5xx":               {client.WebhookKindWebhook, apptest.Reply{Status: 503}, "server_error", false},
		"webhook: any 4xx":               {client.WebhookKindWebhook, apptest.Reply{Status: 404}, "client_error", false},
		"webhook: a redirect":            {client.WebhookKindWebhook, apptest.Reply{Status: 307, Header: map[string]string{"Location": elsewhere.URL + "/stolen"}}, "redirect", false},
		"webhook: it hangs up":           {client.WebhookKindWebhook, apptest.Reply{HangUp: true}, "no_answer", false},
		"token: 200 is a lie":            {client.WebhookKindSet, apptest.Reply{Status: 200}, "not_acknowledged", false},
		"token: 202 with a body":         {client.WebhookKindSet, apptest.Reply{Status: 202, Body: "thanks"}, "not_acknowledged", false},
		"token: a redirect":              {client.WebhookKindSet, apptest.Reply{Status: 302, Header: map[string]string{"Location": elsewhere.URL + "/stolen"}}, "redirect", false},
		"token: invalid_request":         {client.WebhookKindSet, apptest.Reply{Status: 400, Body: `{"err":"invalid_request","description":"x"}`}, "invalid_request", true},
		"token: invalid_key":             {client.WebhookKindSet, apptest.Reply{Status: 400, Body: `{"err":"invalid_key"}`}, "invalid_key", false},
		"token: invalid_audience":        {client.WebhookKindSet, apptest.Reply{Status: 400, Body: `{"err":"invalid_audience"}`}, "invalid_audience", true},
		"token: authentication_failed":   {client.WebhookKindSet, apptest.Reply{Status: 400, Body: `{"err":"authentication_failed"}`}, "authentication_failed", false},
		"token: 400 with something else": {client.WebhookKindSet, apptest.Reply{Status: 400, Body: `<html>`}, "client_error", false},
		"token: it hangs up":             {client.WebhookKindSet, apptest.Reply{HangUp: true}, "no_answer", false},
	} {
		path := "/" + strings.ReplaceAll(name, " ", "-")
		e := hooked(t, s, client.WebhookRequest{Kind: tc.kind, URL: there.URL + path})
		there.Answer(func(got apptest.Received) apptest.Reply { return tc.reply })
		id := verification(t, s, e.ID)
		d := awaitDelivery(t, s, e.ID, id, tried(1))
		require.Equal(t, tc.outcome, last(d), name)
		there.Answer(func(apptest.Received) apptest.Reply { return apptest.Reply{Status: 202} })
		if tc.dead {
			require.Equal(t, client.Dead, d.Status, name)
			require.Equal(t, http.StatusNoContent, about(t, s, e.ID, http.MethodPost, "/deliveries/"+id+"/redeliver", nil).Status)
		} else {
			require.Equal(t, client.Pending, d.Status, name)
			require.WithinDuration(t, d.Tries[0].At.Add(5*time.Second), *d.NextAttemptAt, 2*time.Second, name)
			s.Advance(t, 10*time.Second)
		}
		d = awaitDelivery(t, s, e.ID, id, stands(client.Delivered))
		require.Equal(t, "accepted", last(d))
		require.Len(t, d.Tries, 2, name)
		got := there.All(path)
		require.Len(t, got, 2)
		require.Equal(t, sameID(t, s, e, got[0]), sameID(t, s, e, got[1]), "the id stays: %s", name)
		require.Equal(t, http.StatusNoContent, about(t, s, e.ID, http.MethodDelete, "", nil).Status)
	}
	require.Empty(t, elsewhere.All("/stolen"), "a redirect is never followed")
	require.NotEmpty(t, apptest.Texts(t, s, `SELECT id FROM audit_event WHERE action = 'signal.dead'`))
}

// sameID is the id of what arrived: webhook-id, or jti with the whole token, which is the same text every time.
func sameID(t *testing.T, s *apptest.Service, e client.Webhook, got apptest.Received) string {
	t.Helper()
	if e.Kind == client.WebhookKindSet {
		return open(t, s, got).ID + " " + got.Body
	}
	checked(t, e, got)
	return got.Header.Get("webhook-id")
}

// the verification event of SSF is about the stream.
func TestVerification_NamesTheStream(t *testing.T) {
	t.Parallel()
	s := listening(t)
	there := apptest.NewReceiver(t)
	auth := "Bearer their-own-token"
	set := hooked(t, s, client.WebhookRequest{Kind: client.WebhookKindSet, URL: there.URL + "/set", Authorization: &auth})
	id := verification(t, s, set.ID)
	got := there.Await(t, "/set", 1)[0]
	require.Equal(t, auth, got.Header.Get("Authorization"))
	o := open(t, s, got)
	require.Equal(t, id, o.ID)
	require.Equal(t, "ssf/event-type/verification", o.uri())
	require.Equal(t, map[string]any{"format": "opaque", "id": set.ID}, o.Subject)
	require.NotEmpty(t, o.claims()["state"])
	require.NotContains(t, apptest.Query[string](t, s, `SELECT to_jsonb(e)::text FROM webhook_endpoint e`), "their-own-token")
}

// 429 and Retry-After are heeded; a date works as well as seconds.
func TestThrottling_IsHeeded(t *testing.T) {
	t.Parallel()
	s := listening(t)
	there := apptest.NewReceiver(t)
	there.Answer(func(apptest.Received) apptest.Reply {
		return apptest.Reply{Status: 429, Header: map[string]string{"Retry-After": "7200"}}
	})
	hook := hooked(t, s, client.WebhookRequest{Kind: client.WebhookKindWebhook, URL: there.URL + "/hook"})
	d := awaitDelivery(t, s, hook.ID, verification(t, s, hook.ID), tried(1))
	require.Equal(t, "throttled", last(d))
	require.False(t, d.NextAttemptAt.Before(d.Tries[0].At.Add(2*time.Hour)), "what it asked for is heeded")
	require.True(t, d.NextAttemptAt.Before(d.Tries[0].At.Add(3*time.Hour)))
}

// 410 ends an endpoint until somebody resumes it. Nothing is written down for it meanwhile, and what was given up on can be sent.
func TestGone_DisablesTheEndpoint(t *testing.T) {
	t.Parallel()
	s := listening(t)
	there := apptest.NewReceiver(t)
	there.Answer(func(apptest.Received) apptest.Reply { return apptest.Reply{Status: http.StatusGone} })
	hook := hooked(t, s, client.WebhookRequest{Kind: client.WebhookKindWebhook, URL: there.URL + "/hook"})
	id := verification(t, s, hook.ID)
	awaitDelivery(t, s, hook.ID, id, stands(client.Dead))
	read := func() client.Webhook {
		return apptest.Decode[client.Webhook](t, about(t, s, hook.ID, http.MethodGet, "", nil), http.StatusOK)
	}
	require.Equal(t, client.WebhookStateDisabled, read().State)
	require.Len(t, apptest.Texts(t, s, `SELECT id FROM audit_event WHERE action = 'webhook.disabled' AND reason = 'gone' AND subject = $1`, hook.ID), 1)

	s.Register(t, apptest.Person{Ref: "ada", Email: ada, Phone: adaPhone})
	s.EnrolTOTP(t, "ada")
	require.Len(t, deliveries(t, s, hook.ID), 1, "nothing is written down for who wants no more")
	apptest.Refused(t, about(t, s, hook.ID, http.MethodPost, "/verify", nil), http.StatusConflict, client.ProblemCodeConflict)
	apptest.Refused(t, about(t, s, hook.ID, http.MethodPost, "/deliveries/"+id+"/redeliver", nil), http.StatusConflict, client.ProblemCodeConflict)

	there.Answer(func(apptest.Received) apptest.Reply { return apptest.Reply{Status: http.StatusNoContent} })
	require.Equal(t, http.StatusOK, about(t, s, hook.ID, http.MethodPost, "/resume", nil).Status)
	require.Equal(t, client.WebhookStateActive, read().State)
	now := s.Now(t)
	period := client.RedeliverRequest{From: now.Add(-time.Hour), To: now}
	require.Equal(t, http.StatusNoContent, about(t, s, hook.ID, http.MethodPost, "/redeliver", period).Status)
	awaitDelivery(t, s, hook.ID, id, stands(client.Delivered))
}

// nothing is lost. Ten attempts over three days, then a dead letter, which a command sends again under its id; that
// nobody acknowledged the end of sessions is written down and shown meanwhile.
func TestADeadReceiver_LosesNothing(t *testing.T) {
	t.Parallel()
	s := listening(t)
	there := apptest.NewReceiver(t)
	there.Answer(func(apptest.Received) apptest.Reply { return apptest.Reply{Status: http.StatusBadGateway} })
	set := hooked(t, s, client.WebhookRequest{Kind: client.WebhookKindSet, URL: there.URL + "/set", Events: &[]client.SignalType{client.RecoveryCompleted}})
	s.Register(t, apptest.Person{Ref: "ada", Email: ada, Phone: adaPhone})
	begun := s.Now(t)
	c := s.Start(t, apptest.Claimant{Identifier: apptest.Email(ada)})
	c.ProveBy(t, client.MethodEmail)
	c.Await(t, client.StateReady)
	require.Equal(t, http.StatusOK, s.Redeem(t, c.Grant(t).Grant).Status)
	log := deliveries(t, s, set.ID)
	require.Len(t, log, 2, "a new password, and the end of sessions: the others were not asked for")

	for n := 1; n < 10; n++ {
		for _, d := range log {
			d = awaitDelivery(t, s, set.ID, d.ID, tried(n))
			require.Equal(t, client.Pending, d.Status)
		}
		s.Advance(t, 30*time.Hour)
	}
	for _, d := range log {
		d = awaitDelivery(t, s, set.ID, d.ID, stands(client.Dead))
		require.Len(t, d.Tries, 10)
	}
	revoked := log[0].ID
	if !strings.HasSuffix(*log[0].Event, "session-revoked") {
		revoked = log[1].ID
	}
	require.Eventually(t, func() bool {
		return len(apptest.Texts(t, s, `SELECT id FROM audit_event WHERE action = 'signal.unacknowledged' AND details->>'delivery' = $1`, revoked)) == 1
	}, apptest.Patience, 50*time.Millisecond, "R-117: it is written down, once")
	require.Eventually(t, func() bool {
		page := scrape(t, s)
		return strings.Contains(page, `holdfast_signals_waiting{status="dead"} 2`) && strings.Contains(page, `holdfast_signals_waiting{status="unacknowledged"} 1`)
	}, apptest.Patience, 50*time.Millisecond)

	there.Answer(func(apptest.Received) apptest.Reply { return apptest.Reply{Status: http.StatusAccepted} })
	before := len(there.All("/set"))
	require.Equal(t, http.StatusNoContent, about(t, s, set.ID, http.MethodPost, "/redeliver", client.RedeliverRequest{From: begun, To: begun.Add(apptest.Day)}).Status)
	again := there.Await(t, "/set", before+2)
	for _, d := range log {
		awaitDelivery(t, s, set.ID, d.ID, stands(client.Delivered))
	}
	ids := map[string]bool{}
	for _, got := range again {
		ids[open(t, s, got).ID] = true
	}
	require.Len(t, ids, 2, "each keeps its id through all of it")
	require.Eventually(t, func() bool {
		return strings.Contains(scrape(t, s), `holdfast_signals_waiting{status="dead"} 0`)
	}, apptest.Patience, 50*time.Millisecond)
}

// A pause holds back and loses nothing; who resumes gets it all.
func TestAPause_HoldsBack(t *testing.T) {
	t.Parallel()
	s := listening(t)
	there := apptest.NewReceiver(t)
	hook := hooked(t, s, client.WebhookRequest{Kind: client.WebhookKindWebhook, URL: there.URL + "/hook"})
	require.Equal(t, http.StatusOK, about(t, s, hook.ID, http.MethodPost, "/pause", nil).Status)
	s.Register(t, apptest.Person{Ref: "ada", Email: ada, Phone: adaPhone})
	s.EnrolTOTP(t, "ada")
	s.Advance(t, time.Hour)
	require.Len(t, deliveries(t, s, hook.ID), 1)
	require.Empty(t, there.All("/hook"))
	require.Equal(t, http.StatusOK, about(t, s, hook.ID, http.MethodPost, "/resume", nil).Status)
	require.Equal(t, "factor.bound", checked(t, hook, there.Await(t, "/hook", 1)[0]).Type)
}

// during a rotation both secrets check every message; afterwards the new one alone does. What is shown once is shown again to
// a retry of the very same request, and to nobody else.
func TestRotation_OverlapsForADay(t *testing.T) {
	t.Parallel()
	s := listening(t)
	there := apptest.NewReceiver(t)
	body := client.WebhookRequest{Kind: client.WebhookKindWebhook, URL: there.URL + "/hook"}
	create := apptest.Request{Method: http.MethodPost, Path: "/v1/webhooks", As: s.IdentityToken, Body: body, Key: "once"}
	hook := apptest.Decode[client.Webhook](t, s.Do(t, create), http.StatusCreated)
	require.Equal(t, hook, apptest.Decode[client.Webhook](t, s.Do(t, create), http.StatusCreated), "a retry")
	require.Regexp(t, `^whsec_[A-Za-z0-9+/=]{44}$`, *hook.Secret)
	require.Nil(t, apptest.Decode[client.Webhook](t, about(t, s, hook.ID, http.MethodGet, "", nil), http.StatusOK).Secret)
	listed := apptest.Decode[client.Webhooks](t, s.Do(t, apptest.Request{Method: http.MethodGet, Path: "/v1/webhooks", As: s.IdentityToken}), http.StatusOK)
	require.Len(t, listed.Webhooks, 1)
	require.Nil(t, listed.Webhooks[0].Secret)

	fresh := apptest.Decode[client.Webhook](t, about(t, s, hook.ID, http.MethodPost, "/rotate", nil), http.StatusOK)
	require.NotEqual(t, *hook.Secret, *fresh.Secret)
	require.Equal(t, hook.PublicKeys[0], fresh.PublicKeys[1])
	apptest.Refused(t, about(t, s, hook.ID, http.MethodPost, "/rotate", nil), http.StatusConflict, client.ProblemCodeConflict)
	verification(t, s, hook.ID)
	both := there.Await(t, "/hook", 1)[0]
	require.Len(t, strings.Fields(both.Header.Get("webhook-signature")), 4)
	checked(t, fresh, both)
	lib(t, *hook.Secret, both, true)

	s.Advance(t, 25*time.Hour)
	verification(t, s, hook.ID)
	one := there.Await(t, "/hook", 2)[1]
	checked(t, fresh, one)
	lib(t, *hook.Secret, one, false)
}

// an internal address is not connected to, and the log says no more than that.
func TestInternalAddresses_AreNotConnectedTo(t *testing.T) {
	t.Parallel()
	s := apptest.New(t)
	there := apptest.NewReceiver(t)
	hook := hooked(t, s, client.WebhookRequest{Kind: client.WebhookKindWebhook, URL: there.URL + "/hook"}) // development takes the URL
	d := awaitDelivery(t, s, hook.ID, verification(t, s, hook.ID), tried(1))
	require.Equal(t, "address_not_allowed", last(d))
	require.Empty(t, there.All("/hook"))
}
