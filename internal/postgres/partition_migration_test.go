package postgres_test

import (
	"context"
	"io/fs"
	"strconv"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/stdlib"
	"github.com/pressly/goose/v3"
	"github.com/stretchr/testify/require"

	"github.com/holdfast/holdfast/internal/postgres"
	"github.com/holdfast/holdfast/internal/postgres/pgtest"
	"github.com/holdfast/holdfast/migrations"
)

// A log that was written before there were months becomes the first of them: each event, its salt, its transaction and its place are as they
// were, each version is taken, and what lies beyond the month goes on in the default partition.
func TestMigration_ALogBecomesItsFirstPartition(t *testing.T) {
	t.Parallel()
	names, err := fs.Glob(migrations.FS, "*_audit_partitions.sql")
	require.NoError(t, err)
	require.Len(t, names, 1)
	version, err := strconv.ParseInt(strings.Split(names[0], "_")[0], 10, 64)
	require.NoError(t, err)
	url := migratedTo(t, version-1)
	w := &scene{t: t, url: url, root: pgtest.Pool(t, url)}
	w.exec(`INSERT INTO audit_event (tenant_id, id, at, actor_kind, action, subject, recovery_id, recovery_version, to_state, outcome, salt)
		SELECT 'demo', 'evt_01k' || lpad(i::text, 23, '0'), now() - interval '1 hour', 'client', 'x', 'rcv_' || i % 500, 'rcv_' || i % 500, 1 + i / 500, 'verifying', 'success', uuid_send(gen_random_uuid())
		  FROM generate_series(0, 2999) i`)
	w.exec(`INSERT INTO audit_event (tenant_id, id, at, actor_kind, action, subject, outcome) VALUES ('demo', 'evt_7later', now(), 'system', 'x', 'x', 'success')`)
	const all = `SELECT md5(string_agg(concat_ws('|', tenant_id, id, at, actor_kind, action, subject, recovery_id, recovery_version, to_state, outcome, salt, xact, details), E'\n' ORDER BY tenant_id, id)) FROM audit_event`
	before := get[string](w, all)

	_, err = postgres.Migrate(t.Context(), url)
	require.NoError(t, err)
	require.Equal(t, before, get[string](w, all))
	require.Equal(t, 3000, get[int](w, `SELECT count(*) FROM audit_event WHERE tableoid = 'audit_event_before'::regclass`))
	require.Equal(t, "evt_7later", get[string](w, `SELECT id FROM audit_event WHERE tableoid = 'audit_event_default'::regclass`))
	require.Equal(t, 3000, get[int](w, `SELECT count(*) FROM audit_version JOIN audit_event e USING (tenant_id, recovery_id, recovery_version, to_state)`))
	require.Equal(t, 5, get[int](w, `SELECT count(*) FROM pg_inherits WHERE inhparent = 'audit_event'::regclass`))
	require.Zero(t, get[int](w, `SELECT count(*) FROM pg_index WHERE NOT indisvalid`))
	_, err = w.root.Exec(t.Context(), `INSERT INTO audit_event (tenant_id, id, at, actor_kind, action, subject, recovery_id, recovery_version, to_state, outcome)
		VALUES ('demo', event_id_at(now() + interval '60 days'), now(), 'client', 'x', 'x', 'rcv_7', 2, 'verifying', 'success')`)
	require.ErrorContains(t, err, "audit_event_version")
	_, err = w.root.Exec(t.Context(), `DELETE FROM audit_event_before`)
	require.ErrorContains(t, err, "audit events admit no DELETE")
}

// migratedTo gives a database of its own with the schema as it was after that migration.
func migratedTo(t *testing.T, version int64) string {
	t.Helper()
	return pgtest.URLWith(t, func(ctx context.Context, url string) error {
		pc, err := pgx.ParseConfig(url)
		if err != nil {
			return err
		}
		db := stdlib.OpenDB(*pc)
		defer func() { _ = db.Close() }()
		provider, err := goose.NewProvider(goose.DialectPostgres, db, migrations.FS, goose.WithDisableGlobalRegistry(true))
		if err != nil {
			return err
		}
		_, err = provider.UpTo(ctx, version)
		return err
	}, "migrated to "+strconv.FormatInt(version, 10))
}
