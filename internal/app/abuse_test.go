package app_test

import (
	"fmt"
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/holdfast/holdfast/api/client"
	"github.com/holdfast/holdfast/internal/abuse"
	"github.com/holdfast/holdfast/internal/app/apptest"
	"github.com/holdfast/holdfast/internal/credential"
)

// scene is a service with accounts, and somebody who watches over it.
type scene struct {
	*apptest.Service

	sre string
}

func newScene(t *testing.T, opts ...apptest.Option) *scene {
	t.Helper()
	s := &scene{Service: apptest.New(t, opts...)}
	s.sre, _ = s.Client(t, apptest.Tenant, credential.AlertsRead, credential.AlertsWrite, credential.ControlsRead, credential.ControlsWrite, credential.FunnelRead)
	return s
}

func email(i int) string { return fmt.Sprintf("u%d@example.com", i) }

// people registers accounts u0, u1, ….
func (s *scene) people(t *testing.T, n int) {
	t.Helper()
	for i := range n {
		s.Register(t, apptest.Person{Ref: fmt.Sprintf("u%d", i), Email: email(i)})
	}
}

// fail starts a recovery and answers wrongly so many times.
func (s *scene) fail(t *testing.T, c apptest.Claimant, m client.Method, times int) {
	t.Helper()
	claim := s.Start(t, c)
	ch := claim.Ask(t, m)
	for range times {
		apptest.Refused(t, claim.Answer(t, ch.ID, "12345678"), http.StatusUnprocessableEntity, client.ProblemCodeProofRefused)
	}
}

// look lets what happened settle, has the detectors look and gives the live alerts' detectors.
func (s *scene) look(t *testing.T) []string {
	t.Helper()
	s.Advance(t, abuse.Settle+time.Second)
	return s.lookNow(t)
}

func (s *scene) lookNow(t *testing.T) []string {
	t.Helper()
	require.Eventually(t, func() bool { // the service's own loop may be looking at this moment
		round, err := s.App.Abuse.Watch.Look(t.Context())
		require.NoError(t, err)
		return round.Ran && !round.Behind
	}, apptest.Patience, 10*time.Millisecond)
	return apptest.Texts(t, s.Service, "SELECT detector FROM alert WHERE state <> 'resolved' ORDER BY detector")
}

func (s *scene) ask(t *testing.T, method, path string, body any) apptest.Answer {
	t.Helper()
	return s.Do(t, apptest.Request{Method: method, Path: path, As: s.sre, Body: body})
}

func (s *scene) alerts(t *testing.T, query string) []client.Alert {
	t.Helper()
	return apptest.Decode[client.Alerts](t, s.ask(t, http.MethodGet, "/v1/alerts"+query, nil), http.StatusOK).Alerts
}

// R-084, T14. Two wrong codes on each of many accounts, each from a network of its own: no limit of an account or a source sees
// it, the detector does.
func TestCodeSpray_IsSeenOverManyAccounts(t *testing.T) {
	t.Parallel()
	s := newScene(t)
	s.people(t, 26)
	for i := range 26 {
		s.fail(t, apptest.Claimant{Identifier: apptest.Email(email(i))}, client.MethodEmail, 2)
	}
	require.Equal(t, []string{"CodeSpray"}, s.look(t))
	found := s.alerts(t, "?detector=CodeSpray")[0]
	require.Equal(t, client.Critical, found.Severity)
	require.Equal(t, 52, found.Count)
	require.Equal(t, 51, found.Threshold)

	// It stays one alert while it goes on, and ends by itself when it is quiet.
	s.fail(t, apptest.Claimant{Identifier: apptest.Email(email(0))}, client.MethodTotp, 1)
	require.Equal(t, []string{"CodeSpray"}, s.look(t))
	again := s.alerts(t, "")
	require.Len(t, again, 1)
	require.Equal(t, found.ID, again[0].ID)
	require.Equal(t, 53, again[0].Count)
	s.Advance(t, 11*time.Minute)
	s.lookNow(t)
	s.Advance(t, 11*time.Minute)
	require.Empty(t, s.lookNow(t))
	require.Equal(t, client.Resolved, s.alerts(t, "")[0].State)
	require.Equal(t, []string{"alert.raised", "alert.resolved"}, apptest.Texts(t, s.Service, "SELECT action FROM audit_event WHERE action LIKE 'alert.%' ORDER BY id"))
}

// Many people mistype a code once, and one of them three times: nothing to wake somebody for. R-084.
func TestHonestMistakes_RaiseNoAlert(t *testing.T) {
	t.Parallel()
	s := newScene(t)
	s.people(t, 30)
	for i := range 30 {
		s.fail(t, apptest.Claimant{Identifier: apptest.Email(email(i))}, client.MethodEmail, 1)
	}
	s.fail(t, apptest.Claimant{Identifier: apptest.Email(email(0))}, client.MethodTotp, 3)
	for i := range 5 { // an office
		s.fail(t, apptest.Claimant{Identifier: apptest.Email(email(i)), IP: fmt.Sprintf("198.51.100.%d", i+1)}, client.MethodRecoveryCode, 2)
	}
	for i := range 4 { // mistyped addresses
		s.Start(t, apptest.Claimant{Identifier: apptest.Email(fmt.Sprintf("nobody%d@example.com", i)), IP: "198.51.100.9"})
	}
	require.Empty(t, s.look(t))
}

// A tenant with many recoveries has many failures every hour; what is usual for it is no alarm, three times as much is. R-084.
func TestCodeSpray_ComparesATenantWithItself(t *testing.T) {
	t.Parallel()
	s := newScene(t)
	s.people(t, 30)
	_, err := s.Owner.Pool().Exec(t.Context(), `
		INSERT INTO abuse_hour SELECT 'acme', 'failed', date_trunc('hour', holdfast_now()) - make_interval(hours => g), 360 FROM generate_series(1, 100) g`)
	require.NoError(t, err)
	for i := range 30 {
		s.fail(t, apptest.Claimant{Identifier: apptest.Email(email(i))}, client.MethodEmail, 2)
	}
	require.Empty(t, s.look(t), "60 in ten minutes, where 60 are usual")
	for i := range 30 {
		for _, m := range []client.Method{client.MethodTotp, client.MethodSms} {
			s.fail(t, apptest.Claimant{Identifier: apptest.Email(email(i))}, m, 2)
		}
	}
	require.Equal(t, []string{"CodeSpray"}, s.look(t), "three times that")
}

func TestSourceCodeSpray_IsSeenWhateverAddressOfTheNetwork(t *testing.T) {
	t.Parallel()
	s := newScene(t)
	s.people(t, 15)
	for i := range 15 {
		s.fail(t, apptest.Claimant{Identifier: apptest.Email(email(i)), IP: fmt.Sprintf("203.0.113.%d", i+1)}, client.MethodEmail, 2)
	}
	require.Equal(t, []string{"SourceCodeSpray"}, s.look(t))
	found := s.alerts(t, "")[0]
	require.Equal(t, []client.AlertLabel{{Name: "source", Value: "203.0.113.0/24"}}, found.Labels)
}

// T13. One account, a new network for each claim.
func TestManySources_AndCodeGuessingAreSeenOnOneAccount(t *testing.T) {
	t.Parallel()
	s := newScene(t)
	s.people(t, 1)
	methods := []client.Method{client.MethodEmail, client.MethodSms, client.MethodTotp, client.MethodRecoveryCode}
	for i := range 10 {
		times := 0
		if i < len(methods) {
			times = 3
		}
		s.fail(t, apptest.Claimant{Identifier: apptest.Email(email(0))}, methods[i%len(methods)], times)
	}
	require.Equal(t, []string{"CodeGuessing", "ManySources"}, s.look(t))
	account := apptest.Query[string](t, s.Service, "SELECT id FROM account")
	for _, a := range s.alerts(t, "") {
		require.Equal(t, []client.AlertLabel{{Name: "subject", Value: account}}, a.Labels, a.Detector)
	}
}

// T21. Somebody tries which addresses exist: from one network with rotating addresses, and from everywhere.
func TestDecoySurge_IsSeenPerSourceAndPerTenant(t *testing.T) {
	t.Parallel()
	s := newScene(t)
	for i := range 15 {
		s.Start(t, apptest.Claimant{Identifier: apptest.Email(fmt.Sprintf("a%d@example.net", i)), IP: fmt.Sprintf("2001:db8:7:%x::1", i)})
	}
	require.Equal(t, []string{"SourceDecoySurge"}, s.look(t))
	require.Equal(t, []client.AlertLabel{{Name: "source", Value: "2001:db8:7::/48"}}, s.alerts(t, "")[0].Labels)
	for i := range 36 {
		s.Start(t, apptest.Claimant{Identifier: apptest.Email(fmt.Sprintf("b%d@example.net", i))})
	}
	require.Equal(t, []string{"DecoySurge", "SourceDecoySurge"}, s.look(t))
}

// Several people of one network, most of whom have an account. T21.
func TestDecoys_AmongAccountsRaiseNoAlert(t *testing.T) {
	t.Parallel()
	s := newScene(t)
	s.people(t, 20)
	for i := range 20 {
		s.Start(t, apptest.Claimant{Identifier: apptest.Email(email(i)), IP: fmt.Sprintf("198.51.100.%d", i+1)})
	}
	for i := range 16 {
		s.Start(t, apptest.Claimant{Identifier: apptest.Email(fmt.Sprintf("a%d@example.net", i)), IP: fmt.Sprintf("198.51.100.%d", i+101)})
	}
	require.Empty(t, s.look(t))
}

// What is counted stands once, whoever counts, and an alert is one alert: sixteen nodes look at the same moment.
func TestAlerts_AreRaisedOnceByAnyNumberOfNodes(t *testing.T) {
	t.Parallel()
	s := newScene(t)
	s.people(t, 26)
	for i := range 26 {
		s.fail(t, apptest.Claimant{Identifier: apptest.Email(email(i))}, client.MethodEmail, 2)
	}
	s.Advance(t, abuse.Settle+time.Second)
	done := make(chan error, 16)
	for range 16 {
		go func() { _, err := s.App.Abuse.Watch.Look(t.Context()); done <- err }()
	}
	for range 16 {
		require.NoError(t, <-done)
	}
	require.Equal(t, []string{"CodeSpray"}, s.lookNow(t))
	require.Equal(t, 52, s.alerts(t, "")[0].Count)
	require.Equal(t, 1, apptest.Query[int](t, s.Service, "SELECT count(*) FROM audit_event WHERE action = 'alert.raised'"))
}
