package app_test

import (
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/holdfast/holdfast/api/client"
	"github.com/holdfast/holdfast/internal/app/apptest"
	"github.com/holdfast/holdfast/internal/audit"
	"github.com/holdfast/holdfast/internal/credential"
	"github.com/holdfast/holdfast/internal/notify"
	"github.com/holdfast/holdfast/internal/notify/twilio/twiliotest"
	"github.com/holdfast/holdfast/internal/textrule"
)

// withLookup runs a service that asks a double of Twilio Lookup.
func withLookup(t *testing.T) (*apptest.Service, *twiliotest.Lookups) {
	t.Helper()
	double := twiliotest.NewLookups()
	server := httptest.NewServer(double)
	t.Cleanup(server.Close)
	return apptest.New(t, apptest.WithEnv(
		"HOLDFAST_TWILIO_ACCOUNT_SID="+twiliotest.AccountSID, "HOLDFAST_TWILIO_AUTH_TOKEN="+twiliotest.AuthToken, "HOLDFAST_TWILIO_FROM=+15550100100",
		"HOLDFAST_TWILIO_LOOKUP=true", "HOLDFAST_TWILIO_LOOKUP_BASE_URL="+server.URL,
	)), double
}

// refusedText waits until a code by text was refused and gives why.
func refusedText(t *testing.T, s *apptest.Service, c *apptest.Claim) string {
	t.Helper()
	var reasons []string
	require.Eventually(t, func() bool {
		reasons = apptest.Texts(t, s, `SELECT reason FROM audit_event WHERE action = 'recovery.challenge.send_failed' AND recovery_id = $1`, c.ID)
		return len(reasons) > 0
	}, apptest.Patience, 10*time.Millisecond)
	return reasons[0]
}

// T10. What a carrier says of a SIM decides what a code by text is worth; what it does not say is no comfort.
func TestASIM_DecidesWhatACodeByTextIsWorth(t *testing.T) {
	t.Parallel()
	ago := func(s *apptest.Service, d time.Duration) string { return s.Now(t).Add(-d).Format(time.RFC3339) }
	for name, tc := range map[string]struct {
		say  func(s *apptest.Service, l *twiliotest.Lookups)
		tier string
	}{
		"not swapped": {func(_ *apptest.Service, l *twiliotest.Lookups) {
			l.Say(adaPhone, twiliotest.LineMobile, twiliotest.SIMNotSwapped)
		}, "low"},
		"swapped 20 days ago": {func(s *apptest.Service, l *twiliotest.Lookups) {
			l.Say(adaPhone, twiliotest.LineMobile, twiliotest.SIMSwapped(ago(s, 20*apptest.Day)))
		}, "high"},
		"swapped 40 days ago": {func(s *apptest.Service, l *twiliotest.Lookups) {
			l.Say(adaPhone, twiliotest.LineMobile, twiliotest.SIMSwapped(ago(s, 40*apptest.Day)))
		}, "low"},
		"60620": {func(_ *apptest.Service, l *twiliotest.Lookups) {
			l.Say(adaPhone, twiliotest.LineMobile, twiliotest.SIMIncomplete)
		}, "moderate"},
		"null": {func(_ *apptest.Service, l *twiliotest.Lookups) { l.Say(adaPhone, twiliotest.LineMobile, "null") }, "moderate"},
		"a failure": {func(_ *apptest.Service, l *twiliotest.Lookups) {
			l.Fail(adaPhone, http.StatusInternalServerError, 20500)
		}, "moderate"},
		"no answer in time": {func(_ *apptest.Service, l *twiliotest.Lookups) { l.Hang(adaPhone) }, "moderate"},
		"a number on the Internet": {func(_ *apptest.Service, l *twiliotest.Lookups) {
			l.Say(adaPhone, twiliotest.LineVoIP, twiliotest.SIMNotSwapped)
		}, "moderate"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s, lookups := withLookup(t)
			s.Register(t, apptest.Person{Ref: "ada", Email: ada, Phone: adaPhone})
			tc.say(s, lookups)
			c := s.Start(t, apptest.Claimant{Identifier: apptest.Email(ada)})
			c.ProveBy(t, client.MethodSms)
			require.Equal(t, 1, lookups.Requests())
			require.Equal(t, tc.tier, apptest.Query[string](t, s, `SELECT tier FROM recovery WHERE id = $1`, c.ID))
		})
	}
}

// a SIM that moved within a week gets no code; the number is not offered any more, and the recovery is of the highest tier.
func TestASwappedSIM_GetsNoCodeAndRaisesTheTier(t *testing.T) {
	t.Parallel()
	s, lookups := withLookup(t)
	s.Register(t, apptest.Person{Ref: "ada", Email: ada, Phone: adaPhone})
	lookups.Say(adaPhone, twiliotest.LineMobile, twiliotest.SIMSwapped(s.Now(t).Add(-3*apptest.Day).Format(time.RFC3339)))
	c := s.Start(t, apptest.Claimant{Identifier: apptest.Email(ada)})
	ch := c.Ask(t, client.MethodSms)
	require.Equal(t, "text_sim_swapped", refusedText(t, s, c))
	require.Empty(t, s.Mail.To(adaPhone, notify.RecoveryCode))
	apptest.Refused(t, c.Answer(t, ch.ID, "12345678"), http.StatusUnprocessableEntity, client.ProblemCodeProofRefused)

	c.ProveBy(t, client.MethodEmail)
	require.Equal(t, "critical", apptest.Query[string](t, s, `SELECT tier FROM recovery WHERE id = $1`, c.ID))
	require.NotContains(t, c.Read(t).Methods, client.MethodSms)
}

// A carrier's word is kept for an hour: nobody makes us ask twice by asking twice.
func TestACarrier_IsAskedOnceForAWhile(t *testing.T) {
	t.Parallel()
	s, lookups := withLookup(t)
	s.Register(t, apptest.Person{Ref: "ada", Email: ada, Phone: adaPhone})
	for n := range 3 {
		c := s.Start(t, apptest.Claimant{Identifier: apptest.Email(ada)})
		c.Ask(t, client.MethodSms)
		s.Mail.Await(t, adaPhone, notify.RecoveryCode, n+1)
	}
	require.Equal(t, 1, lookups.Requests())
	s.Start(t, apptest.Claimant{Identifier: apptest.Email(nobody)}).Ask(t, client.MethodSms)
	s.Advance(t, 2*time.Hour)
	s.Start(t, apptest.Claimant{Identifier: apptest.Email(ada)}).Ask(t, client.MethodSms)
	s.Mail.Await(t, adaPhone, notify.RecoveryCode, 4)
	require.Equal(t, 2, lookups.Requests(), "nobody is asked about a decoy")
}

// no code and no notice goes to a country that is not listed or to a line that costs; the claimant sees nothing of
// it, the status warns of it, and the list is the tenant's own as soon as it has one.
func TestNumbers_OutsideTheListGetNoTexts(t *testing.T) {
	t.Parallel()
	s := apptest.New(t)
	let := func(countries []string) {
		require.NoError(t, s.App.TextRules.Grant(t.Context(), textrule.GrantCommand{
			Tenant: apptest.Tenant, Granted: textrule.Granted{Countries: countries, Day: -1}, By: audit.Actor{Kind: audit.ActorOperator, ID: "sam"},
		}))
	}
	const french = "+33612345678"
	s.Register(t, apptest.Person{Ref: "ada", Email: ada, Phone: french})
	require.Contains(t, s.Status(t, "ada").Warnings, "number_not_texted")
	c := s.Start(t, apptest.Claimant{Identifier: apptest.Email(ada)})
	unknown := s.Start(t, apptest.Claimant{Identifier: apptest.Email(nobody)})
	known := c.Do(t, http.MethodPost, "/challenges", client.ChallengeRequest{Method: client.MethodSms})
	decoy := unknown.Do(t, http.MethodPost, "/challenges", client.ChallengeRequest{Method: client.MethodSms})
	require.Equal(t, masked(decoy), masked(known))
	require.Equal(t, "text_country", refusedText(t, s, c))
	require.Empty(t, s.Mail.To(french, notify.RecoveryCode))

	let([]string{"FR"})
	require.NotContains(t, s.Status(t, "ada").Warnings, "number_not_texted")
	s.Advance(t, 5*time.Minute)
	c.Ask(t, client.MethodSms)
	s.Mail.Await(t, french, notify.RecoveryCode, 1)
	let([]string{})
	require.Contains(t, s.Status(t, "ada").Warnings, "number_not_texted", "an empty list is nowhere")
}

// a notice to a number that is not texted counts as bounced, and the address that was used for the claim is none.
func TestNotices_ToNumbersOutsideTheListCountAsBounced(t *testing.T) {
	t.Parallel()
	s := apptest.New(t)
	s.Register(t, apptest.Person{Ref: "ada", Email: ada, Phone: "+33612345678"})
	c, _ := held(t, s)
	require.Eventually(t, func() bool {
		return apptest.Query[int](t, s, `SELECT count(*) FROM audit_event WHERE action = 'notice.failed' AND reason = 'text_country' AND recovery_id = $1`, c.ID) > 0
	}, apptest.Patience, 10*time.Millisecond)
	require.Empty(t, s.Mail.To("+33612345678", notify.HoldEntered))
}

// T11, T22 through the API: somebody who registered a hundred numbers of one prefix gets fewer than twenty codes, and every
// claimant the same answers.
func TestAPump_IsStoppedBelowTwentyCodes(t *testing.T) {
	t.Parallel()
	s := apptest.New(t)
	const people = 30
	for n := range people {
		s.Register(t, apptest.Person{Ref: ref(n), Email: ref(n) + "@example.com", Phone: "+4477009002" + two(n)})
	}
	for n := range people {
		c := s.Start(t, apptest.Claimant{Identifier: apptest.Email(ref(n) + "@example.com")})
		c.Ask(t, client.MethodSms)
	}
	require.Eventually(t, func() bool {
		return apptest.Query[int](t, s, `SELECT count(*) FROM audit_event WHERE action IN ('recovery.challenge.sent', 'recovery.challenge.send_failed')`) == people
	}, apptest.Patience, 10*time.Millisecond)
	codes := 0
	for n := range people {
		codes += len(s.Mail.To("+4477009002"+two(n), notify.RecoveryCode))
	}
	require.Equal(t, 16, codes)
}

func ref(n int) string { return "person-" + two(n) }

func two(n int) string { return string([]byte{byte('0' + n/10), byte('0' + n%10)}) }

// A tenant narrows its own texts by API, within what operators let it; the next code heeds it, other tenants
// do not, and the trail has what it was and what it is.
func TestATenant_NarrowsItsOwnTexts(t *testing.T) {
	t.Parallel()
	s := apptest.New(t)
	token, id := s.Client(t, apptest.Tenant, credential.TextsRead, credential.TextsWrite)
	ask := func(method string, body any) apptest.Answer {
		return s.Do(t, apptest.Request{Method: method, Path: "/v1/text-rules", As: token, Body: body})
	}
	rules := apptest.Decode[client.TextRules](t, ask(http.MethodGet, nil), http.StatusOK)
	require.EqualValues(t, 0, rules.Version)
	require.Equal(t, []string{"GB", "US"}, rules.Effective.Countries)
	a := ask(http.MethodPut, client.TextRulesRequest{Countries: &[]string{"GB", "FR"}})
	apptest.Refused(t, a, http.StatusUnprocessableEntity, client.ProblemCodeInvalidRequest)
	require.Contains(t, a.Body, "GB, US", "the bound is told")

	s.Register(t, apptest.Person{Ref: "ada", Email: ada, Phone: adaPhone})
	require.NotContains(t, s.Status(t, "ada").Warnings, "number_not_texted")
	nowhere := client.TextRulesRequest{Countries: &[]string{}}
	apptest.Decode[client.TextRules](t, ask(http.MethodPut, nowhere), http.StatusOK)
	require.Contains(t, s.Status(t, "ada").Warnings, "number_not_texted")
	c := s.Start(t, apptest.Claimant{Identifier: apptest.Email(ada)})
	c.Ask(t, client.MethodSms)
	require.Equal(t, "text_country", refusedText(t, s, c))

	apptest.Decode[client.TextRules](t, ask(http.MethodPut, nowhere), http.StatusOK) // a repetition
	stale := ask(http.MethodPut, client.TextRulesRequest{Lines: &[]string{"voip"}})
	apptest.Refused(t, stale, http.StatusConflict, client.ProblemCodeConflict)
	day := 1
	apptest.Decode[client.TextRules](t, ask(http.MethodPut, client.TextRulesRequest{Version: 1, CountryDay: &day}), http.StatusOK)
	c = s.Start(t, apptest.Claimant{Identifier: apptest.Email(ada)})
	c.Ask(t, client.MethodSms)
	require.Equal(t, "text_country_spent", refusedText(t, s, c), "the only one is for a number with a history")
	require.Empty(t, s.Mail.To(adaPhone, notify.RecoveryCode))

	require.Equal(t, []string{
		`{"after": {"countries": []}, "before": {}, "version": 1}`,
		`{"after": {"country_day": 1}, "before": {"countries": []}, "version": 2}`,
	}, apptest.Texts(t, s, `SELECT (details - '{rows,rows_was,rows_nth}'::text[])::text FROM audit_event WHERE action = 'text_rules.set' AND actor_id = $1 AND tenant_id = $2 ORDER BY id`, id, apptest.Tenant))
	_, err := s.Owner.CreateTenant(t.Context(), tenantOf("other"))
	require.NoError(t, err)
	other, _ := s.Client(t, "other", credential.TextsRead)
	theirs := apptest.Decode[client.TextRules](t, s.Do(t, apptest.Request{Method: http.MethodGet, Path: "/v1/text-rules", As: other}), http.StatusOK)
	require.EqualValues(t, 0, theirs.Version)
	require.Equal(t, []string{"GB", "US"}, theirs.Effective.Countries)
}
