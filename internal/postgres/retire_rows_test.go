package postgres_test

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/holdfast/holdfast/internal/audit"
	"github.com/holdfast/holdfast/internal/postgres"
)

// What is kept as long as the log is kept by the database: from the service, and from its owner in passing, until the last event of its recovery
// is retired; then while a legal hold lasts.
func TestRetire_RowsAreKeptAsLongAsTheLog(t *testing.T) {
	t.Parallel()
	s := newScene(t)
	p := s.person("ada")
	c, _ := s.closed(p)
	s.advance(month + time.Hour)
	require.Equal(t, int64(1), s.forget()["recovery"])
	owner, err := postgres.Open(t.Context(), postgres.Config{URL: s.url, MaxConns: 4})
	require.NoError(t, err)
	t.Cleanup(owner.Close)
	store := postgres.NewAuditLog(owner)
	kept := []string{"evidence", "recovery_grant", "audit_version", "recovery"}
	refused := func() {
		for _, table := range kept {
			require.Positive(t, get[int](s, `SELECT count(*) FROM `+table), table)
			s.stops("42501", `DELETE FROM `+table)
			_, err := s.root.Exec(t.Context(), `DELETE FROM `+table)
			require.ErrorContains(t, err, table+" is kept as long as the log")
		}
	}
	refused()
	cleared := func() map[string]int64 {
		gone, err := store.ClearRetired(t.Context(), 10)
		require.NoError(t, err)
		return gone
	}
	require.Empty(t, cleared(), "nothing was retired")

	// All its months go, by the hand of whoever may do anything, and one by policy, so that there is something to finish.
	l := &logbook{t: t, url: s.url, db: s.db, root: s.root, keys: s.keys}
	l.drain(l.sealer(), get[int](s, `SELECT count(*) FROM audit_event`))
	s.advance(years)
	_, err = store.Retire(t.Context(), "before", byPolicy(), get[int64](s, `SELECT count(*) FROM audit_event_before`), "none")
	require.ErrorContains(t, err, "nothing carries on", "it has events of later months")
	require.NoError(t, store.Carry(t.Context(), "before", "root", []audit.Event{{Tenant: "demo", Subject: c.id, Recovery: c.id, Details: map[string]any{"version": 1}}}))
	_, err = store.Retire(t.Context(), "before", byPolicy(), get[int64](s, `SELECT count(*) FROM audit_event_before`), "none")
	require.NoError(t, err)
	refused()
	require.Equal(t, map[string]int64{"audit_personal": get[int64](s, `SELECT count(*) FROM audit_personal p WHERE NOT EXISTS (SELECT 1 FROM audit_event e WHERE e.id = p.event_id)`)}, cleared())
	require.Empty(t, cleared())
	s.exec(`DELETE FROM audit_event WHERE recovery_id = $1 AND action <> 'audit.carried'`, c.id)
	_, err = s.root.Exec(t.Context(), `DELETE FROM audit_version`)
	require.ErrorContains(t, err, "audit_version is kept as long as the log", "a version could be written again while there is a row that has it")

	by := audit.Actor{Kind: audit.ActorOperator, ID: "root"}
	require.NoError(t, s.db.SetHold(t.Context(), by, postgres.Hold{Tenant: "demo", Account: p.id, Reason: "case 7"}))
	require.Empty(t, cleared())
	_, err = s.root.Exec(t.Context(), `DELETE FROM evidence`)
	require.ErrorContains(t, err, "evidence is kept as long as the log")
	require.NoError(t, s.db.LiftHold(t.Context(), by, "demo", p.id))
	s.exec(`UPDATE recovery SET forgotten_at = NULL`)
	require.Empty(t, cleared(), "it is not forgotten")
	s.exec(`UPDATE recovery SET forgotten_at = created_at`)
	gone := cleared()
	for _, table := range kept {
		require.Positive(t, gone[table], table)
		require.Zero(t, get[int](s, `SELECT count(*) FROM `+table), table)
	}
	require.Empty(t, cleared())
}

// a row that the service changes while its month is retired is told after what is carried on of it, though its event was written before that.
func TestRetire_ARowThatChangesMeanwhileIsToldAfterWhatIsCarried(t *testing.T) {
	t.Parallel()
	s := newScene(t)
	const event = `INSERT INTO audit_event (tenant_id, id, at, actor_kind, action, subject, outcome) VALUES ('demo', event_id_now(), now(), 'system', 'account.replaced', 'acc_1', 'success')`
	_, err := s.root.Exec(t.Context(), `INSERT INTO account (tenant_id, id, ref_hash, data_key, ref_sealed, population, aal, ial, created_at, changed_at)
		VALUES ('demo', 'acc_1', sha256('1'), 'k', 's', 'consumer', 1, 0, now(), now()); `+event)
	require.NoError(t, err)
	owner, err := postgres.Open(t.Context(), postgres.Config{URL: s.url, MaxConns: 4})
	require.NoError(t, err)
	t.Cleanup(owner.Close)
	store := postgres.NewAuditLog(owner)
	months, err := store.Months(t.Context())
	require.NoError(t, err)

	tx, err := s.root.Begin(t.Context())
	require.NoError(t, err)
	defer tx.Rollback(context.WithoutCancel(t.Context())) //nolint:errcheck // it was committed, or the test has failed.
	for _, sql := range []string{`UPDATE account SET aal = 2`, event} {
		_, err = tx.Exec(t.Context(), sql)
		require.NoError(t, err)
	}
	events, problems, err := store.RowsToCarry(t.Context(), months[0], "account", []postgres.Told{{Tenant: "demo", ID: "acc_1"}})
	require.NoError(t, err)
	require.Empty(t, problems)
	require.Len(t, events, 1)
	require.NoError(t, store.Carry(t.Context(), months[0].Name, "root", events))
	require.NoError(t, tx.Commit(t.Context()))

	found, _, err := store.WalkRows(t.Context(), "account", "", postgres.Told{}, 10)
	require.NoError(t, err)
	require.Equal(t, 1, found.Rows)
	require.Empty(t, found.Problems)
}
