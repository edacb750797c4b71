package main

import (
	"crypto/rand"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"github.com/holdfast/holdfast/internal/app"
	"github.com/holdfast/holdfast/internal/auditlog"
	"github.com/holdfast/holdfast/internal/config"
	"github.com/holdfast/holdfast/internal/postgres"
	"github.com/holdfast/holdfast/internal/postgres/pgtest"
)

// logOrigin is the origin of the log of production's environment.
const logOrigin = "recovery.example.com/audit"

// witnessed is an environment in which the log is told to witnesses of this machine: "key address" each.
func witnessed(environ []string, witnesses ...string) []string {
	return with(environ, "HOLDFAST_MODE=dev", "HOLDFAST_LOG_FORMAT=json", "HOLDFAST_AUDIT_ANCHOR_NETWORKS=127.0.0.0/8",
		"HOLDFAST_AUDIT_WITNESSES="+strings.Join(witnesses, ","))
}

// sealing is a node of which only the sealer is there, so that a test need not wait for its pace.
type sealing struct {
	*auditlog.Sealer

	t  *testing.T
	db *postgres.DB

	mu      sync.Mutex
	stopped string
}

// seals begins one as the environment says, on the database that it names.
func seals(t *testing.T, environ []string) *sealing {
	t.Helper()
	cfg, err := config.Load(environ, config.ForOperating)
	require.NoError(t, err)
	keys, err := app.ReadKeys(cfg)
	require.NoError(t, err)
	s := &sealing{t: t}
	s.db, err = postgres.Open(t.Context(), postgres.Config{URL: cfg.Database.URL.Reveal(), Role: "holdfast_service", MaxConns: 4})
	require.NoError(t, err)
	t.Cleanup(s.db.Close)
	s.Sealer, err = app.NewSealer(cfg, s.db, keys, s)
	require.NoError(t, err)
	return s
}

// Sealed implements auditlog.Metrics.
func (s *sealing) Sealed(int, int64) {}

// SealingLag implements auditlog.Metrics.
func (s *sealing) SealingLag(time.Duration) {}

// Anchored implements auditlog.Metrics.
func (s *sealing) Anchored(string, string) {}

// AnchorLag implements auditlog.Metrics.
func (s *sealing) AnchorLag(string, time.Duration) {}

// SealingStopped implements auditlog.Metrics.
func (s *sealing) SealingStopped(reason string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.stopped = reason
}

func (s *sealing) reason() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.stopped
}

// write commits events of tenant acme.
func (s *sealing) write(n int) {
	s.t.Helper()
	_, err := s.db.Pool().Exec(s.t.Context(), `insert into audit_event (tenant_id, id, at, actor_kind, actor_id, action, subject, outcome)
		select 'acme', $1 || '_' || lpad(i::text, 8, '0'), holdfast_now(), 'client', 'cli_1', 'account.registered', 'acc_' || i, 'success' from generate_series(1, $2::int) i`,
		"evt_"+rand.Text(), n)
	require.NoError(s.t, err)
}

// drain seals until the log has so many leaves: transactions of other tests of this cluster may hold it up.
func (s *sealing) drain(leaves int) {
	s.t.Helper()
	require.Eventually(s.t, func() bool {
		require.NoError(s.t, s.Drain(s.t.Context()))
		lag, err := s.Lag(s.t.Context())
		require.NoError(s.t, err)
		return lag.Size == int64(leaves)
	}, patience, 10*time.Millisecond)
}

// grow writes and seals until the log has so many leaves, and tells it. What commands have written meanwhile counts.
func (s *sealing) grow(leaves int) {
	s.t.Helper()
	var events int
	require.NoError(s.t, s.db.Pool().QueryRow(s.t.Context(), "select count(*) from audit_event").Scan(&events))
	s.write(leaves - events)
	s.drain(leaves)
	require.NoError(s.t, s.Anchor(s.t.Context()))
}

// backup copies the database of an environment, which nobody may be connected to, and gives the copy's address as a setting.
func backup(t *testing.T, environ []string) string {
	t.Helper()
	cfg, err := config.Load(environ, config.ForOperating)
	require.NoError(t, err)
	from, err := url.Parse(cfg.Database.URL.Reveal())
	require.NoError(t, err)
	name := strings.TrimPrefix(from.Path, "/")
	copied := "b_" + strings.ToLower(rand.Text())
	to := *from
	from.Path, to.Path = "/postgres", "/"+copied
	_, err = pgtest.Pool(t, from.String()).Exec(t.Context(), "create database "+pgx.Identifier{copied}.Sanitize()+" template "+pgx.Identifier{name}.Sanitize())
	require.NoError(t, err)
	return "HOLDFAST_DATABASE_URL=" + to.String()
}

// with is an environment with more in it.
func with(environ []string, more ...string) []string {
	return append(environ[:len(environ):len(environ)], more...)
}
