package app_test

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/holdfast/holdfast/api/client"
	"github.com/holdfast/holdfast/internal/app/apptest"
	"github.com/holdfast/holdfast/internal/notify"
	"github.com/holdfast/holdfast/internal/postgres"
	"github.com/holdfast/holdfast/internal/signal"
)

// Contested and vetoed are told once the recovery is known outside.
func TestAnObjection_IsToldAsItWeighs(t *testing.T) {
	t.Parallel()
	s := listening(t)
	there := apptest.NewReceiver(t)
	s.Register(t, apptest.Person{Ref: "ada", Email: ada, Phone: adaPhone, AAL: 2, Aged: 10 * apptest.Day})
	seed := s.EnrolTOTP(t, "ada")
	s.Advance(t, 8*apptest.Day)
	codes := s.IssueCodes(t, "ada")
	hooked(t, s, client.WebhookRequest{Kind: client.WebhookKindSet, URL: there.URL + "/set"})
	c := claimWithCode(t, s, codes[0])
	require.Equal(t, []string{"risc/event-type/recovery-activated"}, uris(t, s, there.Await(t, "/set", 1)))
	link := s.Mail.Link(t, adaPhone, notify.HoldEntered, 1)
	apptest.Decode[client.Objection](t, s.Object(t, link), http.StatusAccepted)
	o := open(t, s, there.Await(t, "/set", 2)[1])
	require.Equal(t, "RECOVERY_CONTESTED", o.claims()["risk_reason"])
	require.Equal(t, []any{"HIGH", "USER", "user"}, []any{o.claims()["current_level"], o.claims()["principal"], o.claims()["initiating_entity"]})
	require.Equal(t, map[string]any{"format": "opaque", "id": "ada"}, o.Subject, "no issuer was named")
	apptest.Decode[client.Objection](t, objectWith(t, s, link, client.EvidenceMethodTotp, s.TOTP(t, seed)), http.StatusAccepted)
	require.Equal(t, client.StateVetoed, c.Read(t).State)
	require.Equal(t, "RECOVERY_VETOED", open(t, s, there.Await(t, "/set", 3)[2]).claims()["risk_reason"])
}

// what ends before its hold was never told of, and stays so. The same for decoys.
func TestWhatNobodyHeardOf_EndsInSilence(t *testing.T) {
	t.Parallel()
	s := listening(t)
	there := apptest.NewReceiver(t)
	seed, _ := equipped(t, s)
	hooked(t, s, client.WebhookRequest{Kind: client.WebhookKindSet, URL: there.URL + "/set"})
	hooked(t, s, client.WebhookRequest{Kind: client.WebhookKindWebhook, URL: there.URL + "/hook"})
	for range 100 { // nobody can spam relying parties about a victim
		s.Start(t, apptest.Claimant{Identifier: apptest.Email(ada)})
	}
	c := s.Start(t, apptest.Claimant{Identifier: apptest.Email(ada), NewDevice: true})
	c.ProveBy(t, client.MethodEmail)
	apptest.Decode[client.Objections](t, s.Account(t, http.MethodPost, "ada", "/objections", client.AppObjectionRequest{
		Evidence: &client.Evidence{Method: client.EvidenceMethodTotp, Code: s.TOTP(t, seed)},
	}), http.StatusAccepted)
	require.Equal(t, client.StateVetoed, c.Read(t).State)
	decoy := s.Start(t, apptest.Claimant{Identifier: apptest.Email("nobody@example.com")})
	decoy.Answer(t, decoy.Ask(t, client.MethodTotp).ID, "000000")
	require.Equal(t, http.StatusOK, decoy.Do(t, http.MethodPost, "/cancel", nil).Status)
	expires := s.Start(t, apptest.Claimant{Identifier: apptest.Email("nobody@example.com")})
	s.Advance(t, 31*apptest.Day)
	require.Equal(t, client.StateExpired, expires.Read(t).State)
	require.Zero(t, apptest.Query[int](t, s, `SELECT count(*) FROM signal_delivery`))
}

// 4.2, R-117: a reversal puts the thief out, and lets the owner back only where that was acknowledged.
func TestAReversal_PutsTheThiefOutBeforeItLetsTheOwnerIn(t *testing.T) {
	t.Parallel()
	s := listening(t)
	there := apptest.NewReceiver(t)
	c, codes := changedAddress(t, s)
	s.Advance(t, c.Read(t).NotBefore.Sub(s.Now(t))+time.Minute)
	c.Await(t, client.StateReady)
	require.Equal(t, http.StatusOK, s.Redeem(t, c.Grant(t).Grant).Status)
	link := s.Mail.Link(t, ada, notify.RecoveryCompleted, 1)
	set := hooked(t, s, client.WebhookRequest{Kind: client.WebhookKindSet, URL: there.URL + "/set"})
	hook := hooked(t, s, client.WebhookRequest{Kind: client.WebhookKindWebhook, URL: there.URL + "/hook"})
	there.Answer(func(got apptest.Received) apptest.Reply {
		if got.Path == "/set" && strings.HasSuffix(open(t, s, got).uri(), "session-revoked") {
			return apptest.Reply{Status: http.StatusServiceUnavailable}
		}
		return apptest.Reply{Status: http.StatusAccepted}
	})
	apptest.Decode[client.Objection](t, objectWith(t, s, link, client.EvidenceMethodRecoveryCode, codes[0]), http.StatusAccepted)
	require.Equal(t, client.StateReversed, c.Read(t).State)
	require.ElementsMatch(t, []string{
		"risc/event-type/account-disabled", "caep/event-type/session-revoked", "caep/event-type/credential-change password revoke",
		"risc/event-type/account-credential-change-required",
	}, uris(t, s, there.Await(t, "/set", 4)))
	for _, got := range there.All("/set") {
		if o := open(t, s, got); strings.HasSuffix(o.uri(), "account-disabled") {
			require.Equal(t, "hijacking", o.claims()["reason"])
		}
	}
	types := func() []string {
		out := []string{}
		for _, got := range there.All("/hook") {
			out = append(out, checked(t, hook, got).Type)
		}
		return out
	}
	there.Await(t, "/hook", 3)
	require.ElementsMatch(t, []string{"recovery.reversed", "credential.must_change", "account.unfrozen"}, types())
	require.Equal(t, "account.unfrozen", types()[2], "after what puts the thief out")
	var waits client.WebhookDelivery
	for _, d := range deliveries(t, s, set.ID) {
		if strings.HasSuffix(*d.Event, "account-enabled") {
			waits = d
		}
	}
	require.Empty(t, waits.Tries, "the door stays shut while the thief may be inside")

	there.Answer(func(apptest.Received) apptest.Reply { return apptest.Reply{Status: http.StatusAccepted} })
	s.Advance(t, 10*time.Second)
	awaitDelivery(t, s, set.ID, waits.ID, stands(client.Delivered))
	all := uris(t, s, there.All("/set"))
	require.Equal(t, "risc/event-type/account-enabled", all[len(all)-1])
	causes := map[string]bool{}
	for _, got := range there.All("/set") {
		causes[open(t, s, got).Cause] = true
	}
	require.Len(t, causes, 1, "one cause, one txn")
	s.Advance(t, 40*apptest.Day)
	settle(t, s)
	require.Equal(t, 1, apptest.Query[int](t, s, `SELECT count(*) FROM signal_delivery WHERE event_uri LIKE '%account-enabled'`), "the door opens once")
}

// changes of addresses are told without an address; an erased account is told by its name, which is then gone.
func TestAnErasedAccount_IsNamedToThoseWhoAreYetToBeTold(t *testing.T) {
	t.Parallel()
	s := listening(t)
	there := apptest.NewReceiver(t)
	issuer := "https://login.example.com"
	set := hooked(t, s, client.WebhookRequest{Kind: client.WebhookKindSet, URL: there.URL + "/set", SubjectIssuer: &issuer})
	s.Register(t, apptest.Person{Ref: "ada", Email: ada, Phone: adaPhone})
	require.Equal(t, http.StatusOK, s.Account(t, http.MethodPut, "ada", "", s.Registration(t, apptest.Person{Ref: "ada", Email: ada, Phone: adaPhone, Backup: backup})).Status)
	require.Equal(t, "risc/event-type/recovery-information-changed", open(t, s, there.Await(t, "/set", 1)[0]).uri())

	there.Answer(func(apptest.Received) apptest.Reply { return apptest.Reply{Status: http.StatusBadGateway} })
	require.Equal(t, http.StatusNoContent, s.Account(t, http.MethodDelete, "ada", "", nil).Status)
	there.Await(t, "/set", 2)
	dump := apptest.Query[string](t, s, `SELECT coalesce(string_agg(to_jsonb(x)::text, ''), '') FROM signal_subject x`)
	require.NotEmpty(t, dump)
	for _, name := range []string{`"ada`, "616461"} { // as text and in hex, in which "ada" alone comes by chance
		require.NotContains(t, dump, name, "it is sealed")
	}
	there.Answer(func(apptest.Received) apptest.Reply { return apptest.Reply{Status: http.StatusAccepted} })
	s.Advance(t, 10*time.Second)
	awaitDelivery(t, s, set.ID, deliveries(t, s, set.ID)[0].ID, stands(client.Delivered))
	o := open(t, s, there.Await(t, "/set", 3)[2])
	require.Equal(t, "risc/event-type/account-purged", o.uri())
	require.Equal(t, "ada", o.Subject["sub"])
	store := postgres.NewSignals(s.App.DB)
	_, err := store.Tidy(t.Context(), signal.KeepEnded, 10)
	require.NoError(t, err)
	require.Zero(t, apptest.Query[int](t, s, `SELECT count(*) FROM signal_subject`), "nobody is left to be told")
	s.Advance(t, 31*apptest.Day)
	n, err := store.Tidy(t.Context(), signal.KeepEnded, 10)
	require.NoError(t, err)
	require.Equal(t, 2, n)

	require.Equal(t, http.StatusNoContent, about(t, s, set.ID, http.MethodDelete, "", nil).Status)
	apptest.Refused(t, about(t, s, set.ID, http.MethodGet, "", nil), http.StatusNotFound, client.ProblemCodeNotFound)
	s.Register(t, apptest.Person{Ref: "bea", Email: "bea@example.com", Phone: "+447700900109"})
	require.Equal(t, http.StatusNoContent, s.Account(t, http.MethodDelete, "bea", "", nil).Status)
	require.Zero(t, apptest.Query[int](t, s, `SELECT count(*) FROM signal_subject`), "without a listener no name is kept")
}

// one tenant's endpoints are nothing to another's client, and hear nothing of its accounts.
func TestEndpoints_AreTheirTenantsOwn(t *testing.T) {
	t.Parallel()
	s := listening(t)
	there := apptest.NewReceiver(t)
	_, err := s.Owner.CreateTenant(t.Context(), postgres.Tenant{ID: "globex", Name: "Globex"})
	require.NoError(t, err)
	hook := hooked(t, s, client.WebhookRequest{Kind: client.WebhookKindWebhook, URL: there.URL + "/hook"})
	id := verification(t, s, hook.ID)
	other, _ := s.Client(t, "globex", "signals:write", "signals:read")
	for _, r := range []apptest.Request{
		{Method: http.MethodGet},
		{Method: http.MethodDelete},
		{Method: http.MethodPost, Path: "/pause"},
		{Method: http.MethodPost, Path: "/resume"},
		{Method: http.MethodPost, Path: "/rotate"},
		{Method: http.MethodPost, Path: "/verify"},
		{Method: http.MethodGet, Path: "/deliveries"},
		{Method: http.MethodPost, Path: "/deliveries/" + id + "/redeliver"},
	} {
		r.Path, r.As = "/v1/webhooks/"+hook.ID+r.Path, other
		apptest.Refused(t, s.Do(t, r), http.StatusNotFound, client.ProblemCodeNotFound)
	}
	mine := s.Do(t, apptest.Request{Method: http.MethodGet, Path: "/v1/webhooks", As: other})
	require.Empty(t, apptest.Decode[client.Webhooks](t, mine, http.StatusOK).Webhooks)
	for range signal.MaxEndpoints {
		s.Do(t, apptest.Request{Method: http.MethodPost, Path: "/v1/webhooks", As: other, Body: client.WebhookRequest{Kind: client.WebhookKindWebhook, URL: there.URL}})
	}
	apptest.Refused(t, s.Do(t, apptest.Request{Method: http.MethodPost, Path: "/v1/webhooks", As: other, Body: client.WebhookRequest{Kind: client.WebhookKindWebhook, URL: there.URL}}),
		http.StatusConflict, client.ProblemCodeConflict)
}

// A keyring without a token key says so at once, and does not take an endpoint that nothing could be sent to.
func TestTokens_NeedAKey(t *testing.T) {
	t.Parallel()
	s := apptest.New(t)
	a := s.Do(t, apptest.Request{Method: http.MethodPost, Path: "/v1/webhooks", As: s.IdentityToken, Body: client.WebhookRequest{Kind: client.WebhookKindSet, URL: "https://rp.example.com"}})
	apptest.Refused(t, a, http.StatusConflict, client.ProblemCodeConflict)
}
