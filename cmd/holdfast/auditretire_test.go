package main

import (
	"context"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/holdfast/holdfast/internal/postgres"
	"github.com/holdfast/holdfast/internal/postgres/pgtest"
)

// an operator retires a month from the command line: what would go, who may not, the question, the archive, and how it ends.
func TestAuditRetire_ArchivesAsksAndTells(t *testing.T) {
	t.Parallel()
	database := pgtest.URL(t)
	environ := production(t, database)
	operate(t, environ, "", "tenant", "create", "acme", "--name", "Acme")
	logKey := strings.TrimSpace(operate(t, environ, "", "audit", "keys"))
	s := seals(t, environ)
	_, err := s.db.Pool().Exec(t.Context(), `insert into audit_event (tenant_id, id, at, actor_kind, actor_id, action, subject, outcome, details)
		select 'acme', event_id_at(holdfast_now()) || '_' || lpad(i::text, 8, '0'), holdfast_now(), 'client', 'cli_1', 'authorisation.failed', 'x', 'failure', jsonb_build_object('n', i)
		  from generate_series(1, 50) i`)
	require.NoError(t, err)
	s.drain(50)
	owner, err := postgres.Open(t.Context(), postgres.Config{URL: database, MaxConns: 2})
	require.NoError(t, err)
	t.Cleanup(owner.Close)
	folder := filepath.Join(t.TempDir(), "archive")
	retire := func(in string, more ...string) (string, error) {
		return command(t, environ, in, append([]string{"audit", "retire"}, more...)...)
	}
	code := func(want int, err error) {
		require.Error(t, err)
		require.Equal(t, want, exitCode(err), err)
	}

	for _, wrong := range [][]string{nil, {"--due"}, {"--before", "soon", "--no-archive"}, {"--due", "--before", "2024-11", "--no-archive"}, {"--due", "--archive", folder, "--no-archive"}} {
		_, err := retire("", wrong...)
		code(2, err)
	}
	out, err := retire("", "--before", "2999-01", "--dry-run")
	code(3, err)
	require.Contains(t, out, "before: kept: it ended on ")
	out, err = retire("", "--due", "--archive", folder, "--yes")
	require.NoError(t, err)
	require.Contains(t, out, "0 months retired, 0 kept")

	require.NoError(t, owner.AdvanceClock(t.Context(), 3*366*24*60*60*1e9))
	_, err = command(t, with(environ, "HOLDFAST_DATABASE_URL="+as(t, database, "holdfast_service")), "", "audit", "retire", "--due", "--no-archive", "--yes")
	code(1, err)
	require.ErrorContains(t, err, "the role holdfast_service may not")
	require.ErrorContains(t, err, "HOLDFAST_MIGRATE_DATABASE_URL")
	out, err = command(t, with(environ, "HOLDFAST_AUDIT_WEBHOOK_URL=https://keeper.example/hook", "HOLDFAST_AUDIT_WEBHOOK_SECRET=whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"),
		"", "audit", "retire", "--due", "--dry-run")
	code(3, err)
	require.Contains(t, out, "before: kept: the head that covers it was not taken by ", "an anchor that is configured has to have it")
	out, err = retire("", "--due", "--dry-run")
	require.NoError(t, err)
	require.Contains(t, out, "before: would be retired")
	out, err = retire("no\n", "--due", "--archive", folder)
	code(3, err)
	require.NotContains(t, out, "retired by")
	require.NoDirExists(t, folder)

	// The events have to be sealed, as working nodes do.
	ctx, stop := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() {
		defer close(done)
		for ctx.Err() == nil {
			_, _ = s.Round(ctx)
		}
	}()
	out, err = retire("yes\n", "--due", "--archive", folder)
	stop()
	<-done
	require.NoError(t, err)
	require.NotContains(t, out, "is not sealed yet")
	require.Contains(t, out, "4 months retired, 0 kept")
	require.Contains(t, out, "before: retired by evt_")
	require.Contains(t, out, " 50 events, archived in "+folder+" as sha256:")
	names, err := os.ReadDir(folder)
	require.NoError(t, err)
	var files []string
	for _, f := range names {
		files = append(files, f.Name())
		info, err := f.Info()
		require.NoError(t, err)
		require.Equal(t, os.FileMode(0o600), info.Mode().Perm(), f.Name())
	}
	require.Equal(t, []string{"holdfast-audit-before-acme.ndjson", "holdfast-audit-before.sha256"}, files)
	require.Contains(t, operate(t, nil, "", "audit", "verify", "--quiet", "--key", logKey, folder), "good: 50 events (proofs of each)")
	whole := filepath.Join(t.TempDir(), "log")
	operate(t, environ, "", "audit", "export", "--all", whole)
	_, err = command(t, nil, "", "audit", "verify", "--quiet", "--key", logKey, whole)
	code(3, err) // by this machine's clock its time has not come: the database's is years ahead
	out, err = retire("", "--due", "--no-archive", "--yes")
	require.NoError(t, err)
	require.Contains(t, out, "0 months retired, 0 kept")
}

// as is a connection string of a session that begins as a role.
func as(t *testing.T, database, role string) string {
	t.Helper()
	u, err := url.Parse(database)
	require.NoError(t, err)
	q := u.Query()
	q.Set("role", role)
	u.RawQuery = q.Encode()
	return u.String()
}
