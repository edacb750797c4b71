package postgres_test

import (
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"github.com/holdfast/holdfast/internal/postgres"
)

// plan gives PostgreSQL's plan of a statement.
func (w *world) plan(sql string, args ...any) string {
	w.t.Helper()
	rows, err := w.root.Query(w.t.Context(), "EXPLAIN "+sql, args...)
	require.NoError(w.t, err)
	lines, err := pgx.CollectRows(rows, pgx.RowTo[string])
	require.NoError(w.t, err)
	return strings.Join(lines, "\n")
}

// However long the journal is, detectors read the range of it that is new, and of what they counted the minutes of their window.
func TestDetectors_NeverScanTheJournal(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	now, err := w.db.Now(t.Context())
	require.NoError(t, err)
	for _, sql := range []string{
		`INSERT INTO audit_event (tenant_id, id, at, actor_kind, action, subject, outcome)
		 SELECT 'demo', 'evt_0' || lpad(g::text, 25, '0'), holdfast_now() - interval '1 day', 'system', 'recovery.proof.rejected', 'x', 'failure' FROM generate_series(1, 40000) g`,
		`INSERT INTO abuse_tally (tenant_id, measure, minute, subject, n)
		 SELECT 'demo', m, date_trunc('minute', holdfast_now()) - make_interval(mins => g % 420), 's' || g, 1
		   FROM generate_series(1, 20000) g, unnest(ARRAY['failed', 'started']) m`,
		`ANALYZE audit_event`, `ANALYZE abuse_tally`,
	} {
		_, err := w.root.Exec(t.Context(), sql)
		require.NoError(t, err)
	}
	from, to := postgres.IDAt(now.Add(-time.Minute)), postgres.IDAt(now)
	for name, plan := range map[string]string{
		"first": w.plan(postgres.FirstEvent, from),
		"fold":  w.plan(postgres.FoldJournal, from, to),
	} {
		require.NotContains(t, strings.ReplaceAll(plan, "Seq Scan on audit_event_default", ""), "Seq Scan on audit_event", name)
		require.Regexp(t, `audit_event_[a-z0-9]+_pkey`, plan, name)
		require.NotContains(t, plan, "Seq Scan on recovery", name)
	}
	sums := w.plan(postgres.AbuseSums, "tenant", []string{"failed"}, []string{}, now.Add(-10*time.Minute), now, 200_000, 50, true)
	require.NotContains(t, sums, "Seq Scan on abuse_tally")
	require.Contains(t, sums, "abuse_tally_window")
}

// What is set as a control stays as it was set, whatever the service's role writes.
func TestControls_AreHistoryInTheDatabase(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	run := func(sql string) error {
		_, err := w.db.Pool().Exec(t.Context(), sql)
		return err
	}
	const begin = `INSERT INTO control (tenant_id, id, kind, value, reason, set_by_kind, set_by, set_at, expires_at) `
	require.NoError(t, run(begin+`VALUES ('demo', 'ctl_1', 'min_tier', 'high', 'a test', 'client', 'cli_1', now(), now() + interval '1 hour')`))
	for name, sql := range map[string]string{
		"the lowest tier":      begin + `VALUES ('demo', 'ctl_2', 'min_tier', 'low', 'a test', 'client', 'cli_1', now(), now() + interval '1 hour')`,
		"another kind":         begin + `VALUES ('demo', 'ctl_2', 'max_tier', 'low', 'a test', 'client', 'cli_1', now(), now() + interval '1 hour')`,
		"for ever":             begin + `VALUES ('demo', 'ctl_2', 'pause_starts', '', 'a test', 'client', 'cli_1', now(), now() + interval '8 days')`,
		"without a reason":     begin + `VALUES ('demo', 'ctl_2', 'pause_starts', '', '', 'client', 'cli_1', now(), now() + interval '1 hour')`,
		"lower it":             `UPDATE control SET value = 'moderate' WHERE id = 'ctl_1'`,
		"shorten it":           `UPDATE control SET expires_at = now() + interval '1 minute' WHERE id = 'ctl_1'`,
		"lift it without whom": `UPDATE control SET lifted_at = now() WHERE id = 'ctl_1'`,
		"forget it":            `DELETE FROM control WHERE id = 'ctl_1'`,
	} {
		require.Error(t, run(sql), name)
	}
	require.NoError(t, run(`UPDATE control SET lifted_at = now(), lifted_by = 'robin', lift_reason = 'over' WHERE id = 'ctl_1'`))
	require.Error(t, run(`UPDATE control SET lifted_at = NULL, lifted_by = '' WHERE id = 'ctl_1'`), "once is once")
}
