package postgres_test

import (
	"crypto/rand"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/holdfast/holdfast/internal/audit"
	"github.com/holdfast/holdfast/internal/postgres"
	"github.com/holdfast/holdfast/internal/signal"
)

// endpoint puts an endpoint of the tenant demo there, and gives the store.
func (w *world) endpoint(id, kind string) *postgres.Signals {
	w.t.Helper()
	w.exec(`insert into webhook_endpoint (tenant_id, id, kind, url, audience, state, keys, created_at, changed_at)
		values ('demo', $1, $2, 'https://hooks.example.com/in', 'x', 'active', '\x00', now(), now())`, id, kind)
	return postgres.NewSignals(w.db)
}

// told puts n deliveries there that are due, of something that happened so long ago.
func (w *world) told(endpoint, name string, n int, ago time.Duration) {
	w.t.Helper()
	w.exec(`insert into signal_delivery (tenant_id, id, endpoint_id, event_id, nth, type, event_uri, claims, txn, at, next_at, wake_at)
		select 'demo', $2 || i, $1, 'evt_' || $2 || i, 0, 'recovery.completed', $5, '{}', $2, now() - $4::interval, now() - $4::interval, now() - $4::interval
		  from generate_series(1, $3::int) i`, endpoint, name, n, ago, string(signal.SessionRevoked))
}

// ADR 0031: a door that waits for a thief to be put out is not opened because the log forgot that the receiver never heard of it.
func TestTidy_KeepsWhatAnotherDeliveryWaitsFor(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	s := w.endpoint("whk_1", "set")
	w.told("whk_1", "dlv_out", 1, 40*24*time.Hour)
	w.told("whk_1", "dlv_in", 1, 40*24*time.Hour)
	w.exec(`update signal_delivery set status = 'dead', ended_at = now() - interval '35 days' where id = 'dlv_out1'`)
	w.exec(`update signal_delivery set follows = true, txn = 'dlv_out' where id = 'dlv_in1'`)
	n, err := s.Tidy(t.Context(), signal.KeepEnded, 10)
	require.NoError(t, err)
	require.Zero(t, n)
	got, err := s.Claim(t.Context(), "demo", "dlv_in1")
	require.NoError(t, err)
	require.Nil(t, got, "the door stays shut")
	// Once nobody waits, both go.
	w.exec(`update signal_delivery set status = 'dead', ended_at = now() - interval '31 days' where id = 'dlv_in1'`)
	n, err = s.Tidy(t.Context(), signal.KeepEnded, 10)
	require.NoError(t, err)
	require.Equal(t, 2, n)
}

// what was acknowledged, and is sent once more because somebody asked, has not gone unacknowledged; what has is written down once.
func TestOverdue_IsWhatNobodyEverAcknowledged(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	s := w.endpoint("whk_1", "set")
	w.told("whk_1", "dlv_heard", 1, 0)
	w.told("whk_1", "dlv_dead", 1, 0)
	for id, verdict := range map[string]signal.Verdict{"dlv_heard1": signal.Delivered, "dlv_dead1": signal.Refused} {
		got, err := s.Claim(t.Context(), "demo", id)
		require.NoError(t, err)
		outcome := map[signal.Verdict]string{signal.Delivered: "accepted", signal.Refused: "invalid_request"}[verdict]
		require.NoError(t, s.Record(t.Context(), *got, signal.Result{Verdict: verdict, Try: signal.Try{At: got.Now, Outcome: outcome}}))
	}
	w.exec(`update signal_delivery set at = now() - interval '1 hour'`)
	n, err := s.Overdue(t.Context(), signal.AcknowledgeWithin)
	require.NoError(t, err)
	require.Equal(t, 1, n, "the dead one")

	endpoints, err := signal.NewEndpoints(signal.Config{Store: s, Keys: w.keys, Rand: rand.Reader})
	require.NoError(t, err)
	now := scalar[time.Time](w, `select now()`)
	who := signal.Caller{Tenant: "demo", By: audit.Actor{Kind: audit.ActorOperator, ID: "test"}}
	require.NoError(t, endpoints.Redeliver(t.Context(), who, "whk_1", signal.Redelivery{From: now.Add(-2 * time.Hour), To: now, All: true}))
	require.Equal(t, 2, scalar[int](w, `select count(*) from signal_delivery where status = 'pending'`))
	n, err = s.Overdue(t.Context(), signal.AcknowledgeWithin)
	require.NoError(t, err)
	require.Zero(t, n)
	require.Equal(t, 1, scalar[int](w, `select count(*) from audit_event where action = 'signal.unacknowledged'`))
	b, err := s.Backlog(t.Context())
	require.NoError(t, err)
	require.Equal(t, 1, b.Unacknowledged)
}

// A receiver with a long queue has no crowd of jobs, and nobody stands behind it.
func TestWake_GivesEveryEndpointItsTurn(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	s := w.endpoint("whk_slow", "set")
	w.endpoint("whk_quick", "set")
	w.told("whk_slow", "dlv_slow", 500, time.Hour)
	w.told("whk_quick", "dlv_quick", 1, time.Minute)
	jobs := func(name string) int {
		return scalar[int](w, `select count(*) from river.river_job where kind = 'signal.deliver' and args->>'id' like $1`, name+"%")
	}
	n, err := s.Wake(t.Context(), 100)
	require.NoError(t, err)
	require.Equal(t, 33, n)
	require.Equal(t, 1, jobs("dlv_quick"))
	require.Equal(t, 32, jobs("dlv_slow"))
	_, err = s.Wake(t.Context(), 100)
	require.NoError(t, err)
	require.Equal(t, 64, jobs("dlv_slow"), "the next round takes the next ones")
	require.Equal(t, 1, jobs("dlv_quick"))
}
