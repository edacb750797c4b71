package app_test

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/holdfast/holdfast/api/client"
	"github.com/holdfast/holdfast/internal/app/apptest"
	"github.com/holdfast/holdfast/internal/audit"
	"github.com/holdfast/holdfast/internal/credential"
	"github.com/holdfast/holdfast/internal/notify"
)

// held is a recovery of account i in its hold.
func (s *scene) held(t *testing.T, i int) *apptest.Claim {
	t.Helper()
	c := s.Start(t, apptest.Claimant{Identifier: apptest.Email(email(i)), NewDevice: true})
	require.Equal(t, client.StateCoolingOff, c.ProveBy(t, client.MethodEmail).State)
	return c
}

// A grant that comes twice is an alarm; a retry with the same Idempotency-Key is none.
func TestGrantReplayed_IsSeenAndARetryIsNone(t *testing.T) {
	t.Parallel()
	s := newScene(t)
	s.Register(t, apptest.Person{Ref: "u0", Email: email(0), Backup: "b0@example.com"})
	c := s.held(t, 0)
	s.Advance(t, 25*time.Hour)
	c.Await(t, client.StateReady)
	grant := c.Grant(t).Grant
	request := apptest.Request{Method: http.MethodPost, Path: "/v1/grants/redeem", As: s.IdentityToken, Body: client.RedeemRequest{Grant: grant}, Key: "once"}
	require.Equal(t, http.StatusOK, s.Do(t, request).Status)
	require.Equal(t, http.StatusOK, s.Do(t, request).Status, "a retry")
	require.Empty(t, s.look(t))
	apptest.Refused(t, s.Redeem(t, grant), http.StatusConflict, client.ProblemCodeGrantUsed)
	require.Equal(t, []string{"GrantReplayed"}, s.look(t))
	require.Equal(t, client.Critical, s.alerts(t, "")[0].Severity)
}

func TestObjectionSurge_IsSeenAndSingleObjectionsAreNot(t *testing.T) {
	t.Parallel()
	s := newScene(t)
	const owners = 8
	for i := range owners {
		s.Register(t, apptest.Person{Ref: fmt.Sprintf("u%d", i), Email: email(i), Backup: fmt.Sprintf("b%d@example.com", i)})
		s.held(t, i)
	}
	object := func(i int) {
		a := s.Object(t, s.Mail.Link(t, fmt.Sprintf("b%d@example.com", i), notify.HoldEntered, 1))
		require.Less(t, a.Status, 300, a.Body)
	}
	for i := range owners - 1 {
		object(i)
	}
	require.Empty(t, s.look(t), "seven of them, over many people")
	object(owners - 1)
	require.Equal(t, []string{"ObjectionSurge"}, s.look(t))
}

// Owners whose mailboxes refuse do not hear of recoveries; a few dead ones among many are a matter of course.
func TestNoticesUndeliverable_IsSeenWhereTheyAreMany(t *testing.T) {
	t.Parallel()
	s := newScene(t)
	dead := 3
	s.Mail.Before(func(_ context.Context, m notify.Message) error {
		var i int
		if _, err := fmt.Sscanf(m.To.Reveal(), "b%d@example.com", &i); err == nil && i < dead {
			return &notify.Rejected{Reason: notify.ReasonRefused}
		}
		return nil
	})
	begin := func(from, to int) {
		for i := from; i < to; i++ {
			s.Register(t, apptest.Person{Ref: fmt.Sprintf("u%d", i), Email: email(i), Backup: fmt.Sprintf("b%d@example.com", i)})
			s.held(t, i)
		}
		settle(t, s.Service)
	}
	begin(0, 6)
	require.Empty(t, s.look(t))
	dead = 100
	begin(6, 12)
	require.Equal(t, []string{"NoticesUndeliverable"}, s.look(t))
}

// What nobody uses, and what is about to end without a successor.
func TestCredentials_ThatAreDormantOrAboutToEndAreSeen(t *testing.T) {
	t.Parallel()
	s := newScene(t)
	s.ByHand()
	require.Empty(t, s.look(t), "new ones are neither")
	s.Advance(t, 91*24*time.Hour)
	require.Equal(t, http.StatusOK, s.Account(t, http.MethodPut, "u0", "", s.Registration(t, apptest.Person{Ref: "u0", Email: email(0)})).Status/100*100)
	require.NoError(t, s.App.Clients.Flush(t.Context()))
	require.Equal(t, []string{"CredentialDormant", "CredentialDormant"}, s.lookNow(t), "the app's and the watcher's, not the identity system's")
	labels := s.alerts(t, "")[0].Labels
	require.Equal(t, "client", labels[0].Name)
	require.Equal(t, "91", labels[2].Value)

	_, err := s.Owner.Pool().Exec(t.Context(), `UPDATE client_credential SET expires_at = holdfast_now() + interval '3 days' WHERE client_id = $1`, s.IdentityClient)
	require.NoError(t, err)
	require.Contains(t, s.lookNow(t), "CredentialExpiring")
	_, err = s.App.Clients.Rotate(t.Context(), credential.RotateCommand{Tenant: apptest.Tenant, Client: s.IdentityClient, Lifetime: 90 * 24 * time.Hour, By: audit.Actor{Kind: audit.ActorOperator, ID: "robin"}})
	require.NoError(t, err)
	s.Advance(t, 61*time.Minute)
	require.NotContains(t, s.lookNow(t), "CredentialExpiring", "it has a successor")
}

// R-137, T8. A machine's credential in a browser raises the alert; the same machine at work does not.
func TestMachineMisused_IsSeenAndAMachineAtWorkIsNot(t *testing.T) {
	t.Parallel()
	s := newScene(t)
	use := apptest.Request{Method: http.MethodGet, Path: "/v1/accounts/nobody/status", As: s.IdentityToken}
	require.Equal(t, http.StatusNotFound, s.Do(t, use).Status)
	require.Empty(t, s.lookNow(t))
	use.Header = http.Header{"User-Agent": {"Mozilla/5.0"}}
	require.Equal(t, http.StatusForbidden, s.Do(t, use).Status)
	require.Equal(t, []string{"MachineMisused"}, s.lookNow(t))
	require.Equal(t, s.IdentityClient, s.alerts(t, "")[0].Labels[0].Value)
}

// A credential that two networks use side by side is shared; one whose workload moves is not.
func TestCredentialShared_IsSeenAndAMoveIsNot(t *testing.T) {
	t.Parallel()
	s := newScene(t)
	id := apptest.Query[string](t, s.Service, "SELECT public_id FROM client_credential WHERE client_id = $1", s.IdentityClient)
	use := func(networks ...string) {
		for _, n := range networks {
			s.App.SeeCredential(&credential.Principal{Credential: id, Kind: credential.Service}, netip.MustParseAddr(n))
		}
		require.NoError(t, s.App.FlushSightings(t.Context()))
		s.Advance(t, time.Minute)
	}
	use("192.0.2.1")
	use("192.0.2.7", "192.0.2.200", "2001:db8::1") // one network of each family
	use("192.0.2.1", "198.51.100.1")               // it moves
	use("198.51.100.1")
	require.Empty(t, s.lookNow(t))
	for range 2 {
		use("192.0.2.1", "198.51.100.1")
	}
	require.Equal(t, []string{"CredentialShared"}, s.lookNow(t))
	require.Equal(t, id, s.alerts(t, "")[0].Labels[1].Value)
}

// The funnel counts what became of recoveries; unknown names are no part of it.
func TestFunnel_ShowsWhatRecoveriesBecame(t *testing.T) {
	t.Parallel()
	s := newScene(t)
	s.Register(t, apptest.Person{Ref: "u0", Email: email(0), Backup: "b0@example.com"})
	s.Register(t, apptest.Person{Ref: "u1", Email: email(1), Backup: "b1@example.com"})
	c := s.held(t, 0)
	s.Start(t, apptest.Claimant{Identifier: apptest.Email("nobody@example.com")})
	gone := s.Start(t, apptest.Claimant{Identifier: apptest.Email(email(1))})
	require.Equal(t, http.StatusOK, gone.Do(t, http.MethodPost, "/cancel", nil).Status)
	s.Advance(t, 25*time.Hour)
	c.Await(t, client.StateReady)
	require.Equal(t, http.StatusOK, s.Redeem(t, c.Grant(t).Grant).Status)

	rows := apptest.Decode[client.Funnel](t, s.ask(t, http.MethodGet, "/v1/funnel", nil), http.StatusOK).Rows
	require.Len(t, rows, 2)
	var started, proven, completed, abandoned int
	for _, r := range rows {
		started, proven, completed, abandoned = started+r.Started, proven+r.Proven, completed+r.Completed, abandoned+r.Abandoned
		if r.Completed == 1 {
			require.Equal(t, "email", r.Method)
			require.Equal(t, "moderate", r.Tier)
			require.InDelta(t, 25*3600, r.SecondsToCompletion.P50, 60)
			require.Less(t, r.SecondsToProof.P95, 60)
		} else {
			require.Equal(t, "none", r.Method)
		}
	}
	require.Equal(t, []int{2, 1, 1, 1}, []int{started, proven, completed, abandoned})
	require.Empty(t, apptest.Decode[client.Funnel](t, s.ask(t, http.MethodGet, "/v1/funnel?days=1", nil), http.StatusOK).Rows, "they began yesterday")
}

// What the service raises it tells an Alertmanager, again and again.
func TestAlerts_AreToldToAlertmanager(t *testing.T) {
	t.Parallel()
	told := make(chan map[string]string, 64)
	am := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		var alerts []struct{ Labels map[string]string }
		if r.URL.Path == "/api/v2/alerts" && json.NewDecoder(r.Body).Decode(&alerts) == nil {
			for _, a := range alerts {
				select {
				case told <- a.Labels:
				default:
				}
			}
		}
	}))
	defer am.Close()
	s := newScene(t, apptest.WithEnv("HOLDFAST_ALERTMANAGER_URL="+am.URL))
	s.Advance(t, 91*24*time.Hour)
	require.Contains(t, s.lookNow(t), "CredentialDormant")
	require.Eventually(t, func() bool {
		_, err := s.App.TellAlertmanager(t.Context())
		require.NoError(t, err)
		return len(told) > 1
	}, apptest.Patience, 50*time.Millisecond)
	labels := <-told
	require.Equal(t, "CredentialDormant", labels["alertname"])
	require.Equal(t, "acme", labels["tenant"])
	require.NotEmpty(t, labels["about_credential"])
}
