package httpapi_test

import (
	"context"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/holdfast/holdfast/internal/abuse"
	"github.com/holdfast/holdfast/internal/audit"
)

const (
	alertID   = "alr_01kagx0b1c3d5e7f9g1h3j5k7m"
	controlID = "ctl_01kagx0b1c3d5e7f9g1h3j5k7m"
)

type alerts struct{ *core }

func alert() abuse.Alert {
	return abuse.Alert{
		Tenant: "acme", ID: alertID, Detector: "CodeSpray", Severity: abuse.Critical, State: abuse.Open, Count: 60, Peak: 60, Threshold: 51,
		FirstSeen: t0(), LastSeen: t0(), Version: 1,
	}
}

func (a alerts) List(_ context.Context, f abuse.Filter) ([]abuse.Alert, string, error) {
	return []abuse.Alert{alert()}, alertID, a.ask(f)
}

func (a alerts) Get(_ context.Context, _, id string) (abuse.Alert, error) { return alert(), a.ask(id) }

func (a alerts) Acknowledge(_ context.Context, cmd abuse.AcknowledgeCommand) (abuse.Alert, error) {
	x := alert()
	x.State, x.AcknowledgedAt, x.AcknowledgedBy, x.Acknowledgement = abuse.Acknowledged, t0(), cmd.By.ID, cmd.Reason
	return x, a.ask(cmd)
}

type controls struct{ *core }

func control() abuse.Control {
	return abuse.Control{
		Tenant: "acme", ID: controlID, Kind: abuse.MinTier, Value: "high", Reason: "spray", By: audit.Actor{Kind: audit.ActorClient, ID: "cli_1"},
		SetAt: t0(), ExpiresAt: t0().Add(3 * time.Hour),
	}
}

func (c controls) List(_ context.Context, tenant string, all bool) (time.Time, []abuse.Control, error) {
	return t0(), []abuse.Control{control()}, c.ask([]any{tenant, all})
}

func (c controls) Set(_ context.Context, cmd abuse.SetCommand) (abuse.Control, error) {
	return control(), c.ask(cmd)
}

func (c controls) Lift(_ context.Context, cmd abuse.LiftCommand) (abuse.Control, error) {
	x := control()
	x.LiftedAt, x.LiftedBy, x.LiftReason = t0(), cmd.By.ID, cmd.Reason
	return x, c.ask(cmd)
}

func TestAbuse_ReachesTheCoreWithTheCallersTenant(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.send(t, good()["listAlerts"])
	require.Equal(t, abuse.Filter{Tenant: "acme", State: abuse.Open, Cursor: alertID, Limit: 10}, b.core.last(t))
	b.send(t, sent{method: "GET", path: "/v1/alerts"})
	require.Equal(t, abuse.Filter{Tenant: "acme"}, b.core.last(t))

	a := b.send(t, good()["setControl"])
	require.Equal(t, http.StatusCreated, a.status)
	cmd, ok := b.core.last(t).(abuse.SetCommand)
	require.True(t, ok)
	require.Equal(t, "acme", cmd.Tenant)
	require.Equal(t, audit.Actor{Kind: audit.ActorClient, ID: "cli_1"}, cmd.By)
	require.Equal(t, t0().Add(3*time.Hour), cmd.ExpiresAt)
	require.False(t, cmd.Key.IsZero())
	b.send(t, good()["listControls"])
	require.Equal(t, []any{"acme", true}, b.core.last(t))
}

// A query is read as strictly as a body.
func TestQueries_TakeWhatTheContractNamesAndNothingElse(t *testing.T) {
	t.Parallel()
	b := setup(t)
	for _, query := range []string{
		"state=open&state=open", "state=shut", "limit=0", "limit=201", "limit=1.5", "limit=+1", "limit=01", "cursor=alr_1", "tenant=other", "%00=1", "detector=%zz",
		"email=robin@example.com", "detector=" + strings.Repeat("A", 200),
	} {
		a := b.send(t, sent{method: "GET", path: "/v1/alerts?" + query})
		require.Equal(t, http.StatusUnprocessableEntity, a.status, query)
		require.Equal(t, "invalid_request", a.code(), query)
		require.NotContains(t, a.body, "robin", query)
	}
	require.Zero(t, b.core.calls())
	for _, path := range []string{"/v1/controls?ended=yes", "/v1/alerts/" + alertID + "?state=open"} {
		require.Equal(t, http.StatusUnprocessableEntity, b.send(t, sent{method: "GET", path: path}).status, path)
	}
}

type funnel struct{ *core }

func (f funnel) Rows(_ context.Context, tenant string, days int) ([]abuse.FunnelRow, error) {
	return []abuse.FunnelRow{{Day: t0(), Tier: "low", Method: "email", Started: 3, Proven: 2, Completed: 1}}, f.ask([]any{tenant, days})
}
