package postgres_test

import (
	"context"
	"crypto/rand"
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"github.com/holdfast/holdfast/internal/postgres"
	"github.com/holdfast/holdfast/internal/postgres/pgtest"
)

// untold says of each table that no event tells of why that is.
var untold = map[string]string{ //nolint:gochecknoglobals // a table.
	"identifier":      "leads to an account, and proves nothing",
	"attempt_counter": "counts what events tell of one by one",
	"assessment":      "repeats what was asked; what came of it is the recovery's plan, tier and hold",
	"idempotency":     "is a sealed answer of a day",
	"recovery_edge":   "is part of the schema",
	"delivery":        "is the provider's name of a message; its fate is the notice's or the challenge's",
	"delivery_report": "as delivery",
	"reply":           "refuses a repetition; what it said is an objection",
	"text_send":       "counts", "text_count": "counts", "text_pause": "counts", "text_budget": "counts",
	"signal_delivery": "is what an event means to others; the event stands",
	"signal_subject":  "as signal_delivery",
	"support_staff":   "repeats who signed in",
	"abuse_tally":     "counts", "abuse_hour": "counts", "abuse_watermark": "counts", "credential_sighting": "counts",
	"alert":            "counts; what people did about it are events",
	"throttle_bucket":  "counts",
	"client_workload":  "says when a client was used",
	"client_assertion": "refuses a repetition",
	"audit_event":      "is the log", "audit_version": "is the log", "audit_personal": "is the log", "audit_log": "is the log", "audit_retired": "says for readers what events say", "audit_leaf": "is the log",
	"audit_tile": "is the log", "audit_head": "is the log", "audit_checkpoint": "is the log", "audit_cosignature": "is the log",
	"clock_shift":      "is for development",
	"goose_db_version": "is the machinery's", "river_job": "is the machinery's", "river_leader": "is the machinery's",
	"river_migration": "is the machinery's", "river_notification": "is the machinery's", "river_queue": "is the machinery's",
}

// a table that is added is told of, or says why not; and what replay reads is what the triggers tell.
func TestTold_IsEveryTableThatDoesNotSayWhyNot(t *testing.T) {
	t.Parallel()
	w := newScene(t)
	tables := get[[]string](w, `SELECT array_agg(c.relname::text) FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
		WHERE n.nspname IN ('public', 'river') AND c.relkind IN ('r', 'p') AND NOT c.relispartition`)
	told := get[[]string](w, `SELECT array_agg(DISTINCT tgrelid::regclass::text) FROM pg_trigger WHERE tgname LIKE 'told\_%'`)
	for _, table := range tables {
		if slices.Contains(told, table) {
			require.NotContains(t, untold, table)
			continue
		}
		require.Contains(t, untold, table, "events tell of a table, or untold says why not")
	}
	require.ElementsMatch(t, told, postgres.ToldTables())
	for _, table := range told {
		source := get[string](w, `SELECT prosrc FROM pg_proc WHERE proname = 'told_`+table+`'`)
		require.Contains(t, source, postgres.ToldState(table), "replay reads what the trigger tells")
	}
}

// What stood before anything was told is taken over as it stands, and named from then on when it is changed.
func TestMigration_WhatStoodBeforeIsCarried(t *testing.T) {
	t.Parallel()
	url := migratedTo(t, 30)
	w := &scene{t: t, url: url, root: pgtest.Pool(t, url)}
	w.exec(`INSERT INTO tenant (id, name, created_at) VALUES ('demo', 'Demo', now())`)
	w.exec(`INSERT INTO account (tenant_id, id, ref_hash, data_key, ref_sealed, population, aal, ial, created_at, changed_at)
		SELECT 'demo', 'acc_' || i, sha256(convert_to(i::text, 'UTF8')), 'k', 's', 'consumer', 1, 0, now(), now() FROM generate_series(1, 500) i`)
	w.exec(`INSERT INTO channel (tenant_id, id, account_id, kind, address_hash, sealed, since)
		SELECT 'demo', 'chn_' || i || k, 'acc_' || i, k, sha256(convert_to(i::text, 'UTF8')), 's', now() FROM generate_series(1, 500) i, unnest('{email,sms}'::text[]) k`)
	_, err := postgres.Migrate(t.Context(), url)
	require.NoError(t, err)
	judge := func() postgres.RowsJudged {
		out, last, err := postgres.NewAuditLog(postgres.New(w.root)).WalkRows(t.Context(), "account", "", postgres.Told{}, 1000)
		require.NoError(t, err)
		require.Zero(t, last)
		return out
	}
	found := judge()
	require.Equal(t, 1500, found.Rows)
	require.Empty(t, found.Problems)
	w.exec(`UPDATE account SET aal = 2 WHERE id = 'acc_7'`)
	require.Equal(t, []postgres.RowProblem{{Tenant: "demo", What: "account acc_7: aal is 2, and its events say 1"}}, judge().Problems)

	_, err = w.root.Exec(t.Context(), `SET ROLE holdfast_service; INSERT INTO audit_event (tenant_id, id, at, actor_kind, action, subject, outcome) VALUES ('demo', 'evt_x', now(), 'system', 'audit.carried', 'acc_7', 'success')`)
	require.ErrorContains(t, err, "42501", "the service justifies nothing by itself")
}

// nobody but the schema's owner says what rows became, whatever role or setting they come with; and an event tells rows of its own tenant.
func TestTold_IsTheDatabasesWordAlone(t *testing.T) {
	t.Parallel()
	w := newScene(t)
	login := "told_" + strings.ToLower(rand.Text())
	w.exec(`CREATE ROLE ` + login + ` IN ROLE holdfast_service`) // as a node signs in that then takes the service's role
	t.Cleanup(func() { _, _ = w.root.Exec(context.WithoutCancel(t.Context()), `DROP ROLE `+login) })
	const event = `INSERT INTO audit_event (tenant_id, id, at, actor_kind, action, subject, outcome, details) VALUES `
	_, err := w.root.Exec(t.Context(), `SET ROLE `+login+`; `+event+`('demo', 'evt_x', now(), 'system', 'audit.carried', 'acc_7', 'success', '{"rows": {}}')`)
	require.ErrorContains(t, err, "42501")
	tell := func(statements string) map[string]any {
		var out map[string]any
		require.NoError(t, pgx.BeginFunc(t.Context(), w.root, func(tx pgx.Tx) error {
			if _, err := tx.Exec(t.Context(), statements); err != nil {
				return err
			}
			err := tx.QueryRow(t.Context(), `SELECT details - 'rows_nth' FROM audit_event WHERE id = 'evt_y'`).Scan(&out)
			return errors.Join(err, tx.Conn().PgConn().Exec(t.Context(), `ROLLBACK; BEGIN`).Close())
		}))
		return out
	}
	require.Equal(t, map[string]any{"said": true}, tell(event+`('demo', 'evt_y', now(), 'system', 'account.updated', 'acc_7', 'success', '{"said": true, "rows": {"account": {"acc_7": {"aal": 1}}}, "rows_nth": 9, "rows_was": {}}')`))
	require.Equal(t, map[string]any{}, tell(`SELECT set_config('holdfast.told', '["acc_7","account","acc_7",{"aal":1}]', false); `+
		event+`('demo', 'evt_y', now(), 'system', 'account.updated', 'acc_7', 'success', '{}'); SELECT set_config('holdfast.told', '', false)`))
	const two = `INSERT INTO tenant (id, name, created_at) VALUES ('other', 'Other', now());
		INSERT INTO client_switch (tenant_id, subject, version, off, at, changed_by, reason) SELECT id, 'ai', 1, true, '2026-01-01Z', id, 'a test' FROM tenant WHERE id IN ('demo', 'other'); `
	require.Equal(t, map[string]any{"rows": map[string]any{"client_switch": map[string]any{"ai/1": map[string]any{"off": true, "at": "2026-01-01T00:00:00+00:00", "changed_by": "other"}}}},
		tell(two+event+`('other', 'evt_y', now(), 'system', 'clients.switched_off', 'ai', 'success', '{}')`))
}
