package postgres_test

import (
	"errors"
	"fmt"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/stretchr/testify/require"

	"github.com/holdfast/holdfast/internal/factor"
	"github.com/holdfast/holdfast/internal/fault"
	"github.com/holdfast/holdfast/internal/postgres"
	"github.com/holdfast/holdfast/internal/recovery"
)

// toNextMonth moves the one clock to that long before the next month begins.
func (s *scene) toNextMonth(before time.Duration) {
	s.t.Helper()
	now := s.now()
	next := time.Date(now.Year(), now.Month()+1, 1, 0, 0, 0, 0, time.UTC)
	s.advance(next.Sub(now) - before)
}

func (c *claim) months() int {
	c.s.t.Helper()
	return get[int](c.s, `SELECT count(DISTINCT tableoid) FROM audit_event WHERE recovery_id = $1`, c.id)
}

// R-110, ADR 0012: a recovery that is decided upon at the turn of a month has one winner for each version, and one event, although
// its events lie in two partitions.
func TestAVersion_IsTakenOnceAcrossMonths(t *testing.T) {
	t.Parallel()
	s := newScene(t)
	p := s.person("ada")
	s.toNextMonth(2 * time.Minute)
	first := s.now().Month()
	c := s.start(p.identifier)
	ch := c.challenge(factor.Email)
	s.mint(c.id, ch.ID, goodCode)
	begun := make(chan struct{})
	var winners, before, after atomic.Int64
	codes := race(attackers, func(n int) error {
		if n > 0 { // the clock goes on while they race: one is certain to begin before the turn, and one after it
			<-begun
			if _, err := s.root.Exec(t.Context(), `UPDATE clock_shift SET by = by + interval '16 seconds'`); err != nil {
				return err
			}
		}
		var now time.Time
		if err := s.root.QueryRow(t.Context(), `SELECT holdfast_now()`).Scan(&now); err != nil {
			return err
		}
		if now.UTC().Month() == first {
			before.Add(1)
		} else {
			after.Add(1)
		}
		if n == 0 {
			close(begun)
		}
		_, err := s.Cancel(t.Context(), recovery.CancelCommand{Caller: app(), Ref: c.ref})
		if err == nil {
			winners.Add(1)
		}
		return err
	})
	require.Zero(t, codes[fault.CodeInternal], codes)
	require.Positive(t, before.Load(), "some began before the turn of the month")
	require.Positive(t, after.Load(), "and some after it")
	require.Positive(t, winners.Load())
	require.Equal(t, 1, get[int](s, `SELECT count(*) FROM audit_event WHERE recovery_id = $1 AND to_state = 'cancelled'`, c.id))
	require.Equal(t, recovery.Cancelled, c.state())
	c.audited()
	c.justified()
}

// ADR 0012: nor does anybody take one who goes past the guarded UPDATE, as a program that did not look whether it changed the row: of sixteen
// at once, with the clock on either side of the turn, one has its event. The guard stands before the lock in the race above; here is nothing but the lock.
func TestAVersion_IsTakenOnceByWhoeverSkipsTheGuard(t *testing.T) {
	t.Parallel()
	s := newScene(t)
	s.toNextMonth(time.Minute)
	c := s.start(s.person("ada").identifier)
	c.challenge(factor.Email)
	version := get[int64](s, `SELECT version FROM recovery WHERE id = $1`, c.id)
	var winners atomic.Int64
	race(attackers, func(n int) error {
		err := pgx.BeginFunc(t.Context(), s.db.Pool(), func(tx pgx.Tx) error {
			if _, err := tx.Exec(t.Context(), `UPDATE recovery SET state = 'cancelled', version = version + 1, changed_at = holdfast_now(), closed_at = holdfast_now(), wake_at = NULL
				WHERE id = $1 AND version = $2`, c.id, version); err != nil {
				return err
			}
			_, err := tx.Exec(t.Context(), `INSERT INTO audit_event (tenant_id, id, at, actor_kind, action, subject, recovery_id, recovery_version, from_state, to_state, outcome)
				VALUES ('demo', event_id_at(holdfast_now() + $3 * interval '2 minutes') || gen_random_uuid(), holdfast_now(), 'system', 'recovery.cancelled', $1, $1, $2, 'verifying', 'cancelled', 'success')`,
				c.id, version+1, n%2)
			return err
		})
		if err == nil {
			winners.Add(1)
			return nil
		}
		var pg *pgconn.PgError
		if !errors.As(err, &pg) || pg.ConstraintName != "audit_event_version" {
			t.Errorf("stopped by something else: %v", err)
		}
		return err
	})
	require.Equal(t, int64(1), winners.Load())
	require.Equal(t, 1, get[int](s, `SELECT count(*) FROM audit_event WHERE recovery_id = $1 AND recovery_version = $2`, c.id, version+1))
	c.audited()
}

// The database itself: an event of a version that has one is refused in every month, in the same transaction and in another, as is
// a version that is written around the trail.
func TestSQL_CannotTakeAVersionTwice(t *testing.T) {
	t.Parallel()
	s := newScene(t)
	s.toNextMonth(time.Minute)
	c := s.start(s.person("ada").identifier)
	c.challenge(factor.Email)
	s.advance(2 * time.Minute)
	_, err := s.Cancel(t.Context(), recovery.CancelCommand{Caller: app(), Ref: c.ref})
	require.NoError(t, err)
	require.Equal(t, 2, c.months(), "one recovery, two months")
	c.justified()
	forged := func(at string, version int) string {
		return fmt.Sprintf(`INSERT INTO audit_event (tenant_id, id, at, actor_kind, action, subject, recovery_id, recovery_version, to_state, outcome)
			VALUES ('demo', event_id_at(holdfast_now() %s) || gen_random_uuid(), now(), 'system', 'forged', 'x', '%s', %d, 'verifying', 'success')`, at, c.id, version)
	}
	for _, at := range []string{"", "- interval '1 hour'", "+ interval '40 days'", "+ interval '10 years'", "- interval '10 years'"} {
		for version := 1; version <= 3; version++ {
			s.stops("audit_event_version", forged(at, version))
		}
	}
	open := s.start(s.person("bob").identifier)
	open.challenge(factor.Email)
	step := open.set(recovery.Cancelled, "closed_at = holdfast_now()")
	s.stops("audit_event_version", step[0], step[1], fmt.Sprintf(`INSERT INTO audit_event (tenant_id, id, at, actor_kind, action, subject, recovery_id, recovery_version, to_state, outcome)
		SELECT 'demo', event_id_at(holdfast_now() + interval '40 days'), now(), 'system', 'forged', 'x', id, version, state, 'success' FROM recovery WHERE id = '%s'`, open.id))
	s.stops("recovery_has_event", step[0])
	s.stops("42501", step[0], fmt.Sprintf(`INSERT INTO audit_version VALUES ('demo', '%s', 3, 'cancelled')`, open.id))
	s.stops("recovery_has_event", step[0], // an event that is not written takes no version
		fmt.Sprintf(`INSERT INTO audit_event (tenant_id, id, at, actor_kind, action, subject, recovery_id, recovery_version, to_state, outcome)
			SELECT e.tenant_id, e.id, now(), 'system', 'forged', 'x', '%s', 3, 'cancelled', 'success' FROM audit_event e LIMIT 1 ON CONFLICT DO NOTHING`, open.id))
}

// An event is never refused for want of a month; months are made by the service's role, once however many nodes ask, and belong to
// the owner of the schema.
func TestAuditMonths_AreMadeAheadAndNothingFailsWithoutThem(t *testing.T) {
	t.Parallel()
	s := newScene(t)
	partitions := func() int {
		return get[int](s, `SELECT count(*) FROM pg_inherits WHERE inhparent = 'audit_event'::regclass`)
	}
	require.Equal(t, 5, partitions(), "what was before, three months, and the rest")
	stray := func() bool {
		out, err := s.db.StrayAuditEvents(t.Context())
		require.NoError(t, err)
		return out
	}
	s.toNextMonth(-time.Minute)
	race(attackers, func(int) error { _, err := s.db.MakeAuditMonths(t.Context(), 3); return err })
	require.Equal(t, 6, partitions())
	p := s.person("ada")
	c := s.start(p.identifier)
	require.False(t, stray())
	s.advance(200 * day)
	late := s.start(p.identifier)
	require.True(t, stray())
	_, err := s.db.MakeAuditMonths(t.Context(), 3)
	require.NoError(t, err)
	s.toNextMonth(-time.Minute)
	next := s.start(p.identifier)
	_, err = s.Cancel(t.Context(), recovery.CancelCommand{Caller: app(), Ref: late.ref})
	require.Error(t, err, "it has expired meanwhile")
	late.wake()
	require.Equal(t, 2, late.months())
	for _, x := range []*claim{c, late, next} {
		x.justified()
	}
	require.Equal(t, 3, get[int](s, `SELECT count(DISTINCT tableoid) FROM audit_event`))
	s.exec(`INSERT INTO audit_event (tenant_id, id, at, actor_kind, action, subject, outcome)
		VALUES ('demo', event_id_at(holdfast_now() + interval '140 days'), now(), 'system', 'x', 'x', 'success')`)
	_, err = s.db.MakeAuditMonths(t.Context(), 6)
	require.NoError(t, err, "a month whose events lie elsewhere is left alone")
	_, err = s.db.MakeAuditMonths(t.Context(), 100)
	require.Equal(t, fault.CodeInternal, fault.CodeOf(err))
	require.Zero(t, get[int](s, `SELECT count(*) FROM pg_class c JOIN pg_inherits i ON i.inhrelid = c.oid
		WHERE i.inhparent = 'audit_event'::regclass AND pg_get_userbyid(c.relowner) = 'holdfast_service'`))
}

// R-177, ADR 0006: no partition, made by whomever, can be read, written, changed, emptied or dropped by the service or the auditor but through the
// log, nor changed by the owner of the schema in passing.
func TestSQL_CannotReachThePartitions(t *testing.T) {
	t.Parallel()
	s := newScene(t)
	s.advance(70 * day)
	_, err := s.db.MakeAuditMonths(t.Context(), 4)
	require.NoError(t, err)
	s.advance(-70 * day)
	for n := range 8 {
		s.start(s.person(fmt.Sprintf("p%d", n)).identifier)
		s.advance(25 * day)
	}
	rows, err := s.root.Query(t.Context(), `SELECT inhrelid::regclass::text FROM pg_inherits WHERE inhparent = 'audit_event'::regclass`)
	require.NoError(t, err)
	names, err := pgx.CollectRows(rows, pgx.RowTo[string])
	require.NoError(t, err)
	require.Greater(t, len(names), 5)
	for _, name := range append(names, "audit_version") {
		for _, sql := range []string{
			`UPDATE ` + name + ` SET recovery_id = 'x'`, `DELETE FROM ` + name, `TRUNCATE ` + name, `DROP TABLE ` + name,
			`INSERT INTO ` + name + ` SELECT * FROM ` + name, `ALTER TABLE ` + name + ` DISABLE TRIGGER ALL`,
		} {
			s.stops("42501", sql)
		}
		if name != "audit_version" {
			s.stops("42501", `SELECT * FROM `+name)
		}
		require.True(t, get[bool](s, `SELECT NOT has_table_privilege('holdfast_auditor', $1, 'INSERT, UPDATE, DELETE, TRUNCATE')`, name))
		_, err = s.root.Exec(t.Context(), `TRUNCATE `+name)
		require.ErrorContains(t, err, "TRUNCATE", name)
		if get[int](s, `SELECT count(*) FROM `+name) == 0 {
			continue
		}
		for _, sql := range []string{`UPDATE ` + name + ` SET recovery_id = 'x'`, `DELETE FROM ` + name} {
			_, err = s.root.Exec(t.Context(), sql)
			require.Error(t, err, "not even by the schema's owner: %s", sql)
		}
	}
	s.stops("42501", `ALTER TABLE audit_event DETACH PARTITION audit_event_default`)
	require.Equal(t, 8, get[int](s, `SELECT count(*) FROM audit_event WHERE action = 'recovery.initiated'`))
}

// The database's bound of a month is how the service makes ids.
func TestEventIDAt_IsHowIDsBegin(t *testing.T) {
	t.Parallel()
	s := newScene(t)
	for _, at := range []time.Time{time.Date(2026, 12, 1, 0, 0, 0, 0, time.UTC), time.Date(2031, 7, 14, 15, 9, 26, 535_000_000, time.UTC)} {
		require.Equal(t, postgres.IDAt(at)[:14], get[string](s, `SELECT event_id_at($1)`, at))
	}
}
