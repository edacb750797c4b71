package apptest

import (
	"context"
	"encoding/json"
	"maps"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/holdfast/holdfast/internal/app"
)

// Rows counts the rows of every table of ours and of the jobs, of a partitioned one as a whole. Buckets of the edge limits are left out: every request
// leaves a trace there. So is what the sealer and the detectors write, at times of their own.
func (s *Service) Rows(t testing.TB) map[string]int {
	t.Helper()
	const tables = `
		SELECT n.nspname || '.' || c.relname FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
		 WHERE c.relkind IN ('r', 'p') AND NOT c.relispartition AND (n.nspname = 'public' AND c.relname NOT IN ('throttle_bucket', 'goose_db_version',
		       'audit_log', 'audit_leaf', 'audit_tile', 'audit_head', 'audit_checkpoint', 'audit_cosignature',
		       'abuse_tally', 'abuse_hour', 'abuse_watermark', 'credential_sighting') OR n.nspname = 'river' AND c.relname = 'river_job')`
	rows, err := s.Owner.Pool().Query(t.Context(), tables)
	require.NoError(t, err)
	names, err := pgx.CollectRows(rows, pgx.RowTo[string])
	require.NoError(t, err)
	out := make(map[string]int, len(names))
	for _, name := range names {
		out[name] = Query[int](t, s, "SELECT count(*) FROM "+name)
	}
	return out
}

// Query gives the one value of a query of the schema's owner.
func Query[T any](t testing.TB, s *Service, sql string, args ...any) T {
	t.Helper()
	var out T
	require.NoError(t, s.Owner.Pool().QueryRow(t.Context(), sql, args...).Scan(&out))
	return out
}

// Texts gives the one column of a query.
func Texts(t testing.TB, s *Service, sql string, args ...any) []string {
	t.Helper()
	rows, err := s.Owner.Pool().Query(t.Context(), sql, args...)
	require.NoError(t, err)
	out, err := pgx.CollectRows(rows, pgx.RowTo[string])
	require.NoError(t, err)
	return out
}

// Grown gives by how many rows each table grew, leaving out those that did not.
func Grown(before, after map[string]int) map[string]int {
	out := maps.Clone(after)
	for name, n := range before {
		if out[name] -= n; out[name] == 0 {
			delete(out, name)
		}
	}
	return out
}

// JSON reads a JSON text.
func JSON(t testing.TB, text string) map[string]any {
	t.Helper()
	var out map[string]any
	require.NoError(t, json.Unmarshal([]byte(text), &out), text)
	return out
}

// ByHand says that the test writes rows past the service: its end does not hold them against the log.
func (s *Service) ByHand() { *s.byHand = true }

// justified holds every row against the log: whatever a test did through the service, its history justifies.
func (s *Service) justified(ctx context.Context, t testing.TB) {
	t.Helper()
	var said []string
	_, err := app.Replay(ctx, s.Owner, "", func(text string) { said = append(said, text) })
	assert.NoError(t, err)
	assert.Empty(t, said, "rows that no event tells of; a test that writes past the service says so by ByHand")
}
