package app_test

import (
	"crypto/rand"
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/holdfast/holdfast/api/client"
	"github.com/holdfast/holdfast/internal/app/apptest"
	"github.com/holdfast/holdfast/internal/credential"
	"github.com/holdfast/holdfast/internal/postgres"
	"github.com/holdfast/holdfast/internal/secret"
)

// guessed is a scene with one warning, of codes guessed on one account.
func guessed(t *testing.T) (s *scene, alert client.Alert) {
	t.Helper()
	s = newScene(t)
	s.people(t, 1)
	for _, m := range []client.Method{client.MethodEmail, client.MethodSms, client.MethodTotp, client.MethodRecoveryCode} {
		s.fail(t, apptest.Claimant{Identifier: apptest.Email(email(0))}, m, 3)
	}
	require.Equal(t, []string{"CodeGuessing"}, s.look(t))
	return s, s.alerts(t, "")[0]
}

func TestAlerts_AreAcknowledgedWithAReason(t *testing.T) {
	t.Parallel()
	s, alert := guessed(t)
	require.Equal(t, client.Warning, alert.Severity)
	path := "/v1/alerts/" + alert.ID
	apptest.Refused(t, s.ask(t, http.MethodPost, path+"/acknowledge", client.ReasonRequest{Reason: "   "}), http.StatusUnprocessableEntity, client.ProblemCodeInvalidRequest)

	request := apptest.Request{Method: http.MethodPost, Path: path + "/acknowledge", As: s.sre, Body: client.ReasonRequest{Reason: "our own test"}, Key: "ack"}
	got := apptest.Decode[client.Alert](t, s.Do(t, request), http.StatusOK)
	require.Equal(t, client.Acknowledged, got.State)
	require.Equal(t, "our own test", *got.Acknowledgement)
	require.Equal(t, got, apptest.Decode[client.Alert](t, s.Do(t, request), http.StatusOK), "a retry has the first answer")
	require.Equal(t, got, apptest.Decode[client.Alert](t, s.ask(t, http.MethodGet, path, nil), http.StatusOK))
	require.Equal(t, []string{"CodeGuessing"}, s.lookNow(t), "it is still there, and still acknowledged")
	require.Equal(t, client.Acknowledged, s.alerts(t, "")[0].State)
	require.Empty(t, s.alerts(t, "?state=open"))
	require.Equal(t, 1, apptest.Query[int](t, s.Service, "SELECT count(*) FROM audit_event WHERE action = 'alert.acknowledged' AND actor_kind = 'client'"))

	s.Advance(t, 8*time.Hour)
	s.lookNow(t)
	s.Advance(t, 2*time.Hour)
	require.Empty(t, s.lookNow(t))
	apptest.Refused(t, s.ask(t, http.MethodPost, path+"/acknowledge", client.ReasonRequest{Reason: "too late"}), http.StatusConflict, client.ProblemCodeConflict)
}

func TestAlerts_EscalateWhenNobodyLooks(t *testing.T) {
	t.Parallel()
	s, alert := guessed(t)
	s.Advance(t, 121*time.Minute)
	require.Equal(t, []string{"CodeGuessing"}, s.lookNow(t))
	now := s.alerts(t, "?severity=critical")
	require.Len(t, now, 1)
	require.Equal(t, alert.ID, now[0].ID)
	require.NotNil(t, now[0].EscalatedAt)
}

// Another tenant's client sees nothing of it, and says nothing to it.
func TestAlertsAndControls_BelongToTheirTenant(t *testing.T) {
	t.Parallel()
	s, alert := guessed(t)
	_, err := s.Owner.CreateTenant(t.Context(), postgres.Tenant{ID: "other", Name: "Other"})
	require.NoError(t, err)
	stranger, _ := s.Client(t, "other", credential.Service.Scopes()...)
	as := func(method, path string, body any) apptest.Answer {
		return s.Do(t, apptest.Request{Method: method, Path: path, As: stranger, Body: body})
	}
	require.Empty(t, apptest.Decode[client.Alerts](t, as(http.MethodGet, "/v1/alerts", nil), http.StatusOK).Alerts)
	apptest.Refused(t, as(http.MethodGet, "/v1/alerts/"+alert.ID, nil), http.StatusNotFound, client.ProblemCodeNotFound)
	apptest.Refused(t, as(http.MethodPost, "/v1/alerts/"+alert.ID+"/acknowledge", client.ReasonRequest{Reason: "mine"}), http.StatusNotFound, client.ProblemCodeNotFound)

	made := s.raise(t, client.PauseStarts, "")
	require.Empty(t, apptest.Decode[client.Controls](t, as(http.MethodGet, "/v1/controls", nil), http.StatusOK).Controls)
	apptest.Refused(t, as(http.MethodPost, "/v1/controls/"+made.ID+"/lift", client.ReasonRequest{Reason: "mine"}), http.StatusNotFound, client.ProblemCodeNotFound)

	weak, _ := s.Client(t, apptest.Tenant, credential.AlertsRead, credential.ControlsRead)
	apptest.Refused(t, s.Do(t, apptest.Request{Method: http.MethodPost, Path: "/v1/controls/" + made.ID + "/lift", As: weak, Body: client.ReasonRequest{Reason: "may not"}}),
		http.StatusForbidden, client.ProblemCodeForbidden)
}

func TestAlerts_ArePagedNewestFirst(t *testing.T) {
	t.Parallel()
	s := newScene(t)
	now := s.Now(t)
	for i := range 7 {
		_, err := s.Owner.Pool().Exec(t.Context(), `
			INSERT INTO alert (tenant_id, id, detector, key, severity, state, count, peak, threshold, first_seen, last_seen, version)
			VALUES ('acme', $1, 'CodeSpray', $1, 'warning', 'open', 1, 1, 1, $2, $2, 1)`, secret.NewID("alr", now.Add(time.Duration(i)*time.Second), rand.Reader), now)
		require.NoError(t, err)
	}
	var seen []string
	query := "?limit=3"
	for {
		page := apptest.Decode[client.Alerts](t, s.ask(t, http.MethodGet, "/v1/alerts"+query, nil), http.StatusOK)
		for _, a := range page.Alerts {
			seen = append(seen, a.ID)
		}
		if page.NextCursor == nil {
			break
		}
		query = "?limit=3&cursor=" + *page.NextCursor
	}
	require.Len(t, seen, 7)
	require.IsDecreasing(t, seen)
}
