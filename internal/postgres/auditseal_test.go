package postgres_test

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/stretchr/testify/require"

	"github.com/holdfast/holdfast/internal/audit"
	"github.com/holdfast/holdfast/internal/auditlog"
	"github.com/holdfast/holdfast/internal/postgres"
	"github.com/holdfast/holdfast/internal/postgres/pgtest"
	"github.com/holdfast/holdfast/internal/secret"
)

const logOrigin = "recovery.example.com/audit"

// quiet hears nothing.
type quiet struct{}

func (quiet) Sealed(int, int64)        {}
func (quiet) SealingLag(time.Duration) {}
func (quiet) SealingStopped(string)    {}
func (quiet) Anchored(string, string)  {}

func (quiet) AnchorLag(string, time.Duration) {}

// logbook is a log on a database of its own, as the service's role.
type logbook struct {
	t    testing.TB
	url  string
	db   *postgres.DB
	root *pgxpool.Pool
	keys *secret.Keyring
}

func newLogbook(t testing.TB) *logbook {
	t.Helper()
	l := &logbook{t: t, url: pgtest.URL(t)}
	l.root = pgtest.Pool(t, l.url)
	l.db = l.connect("holdfast_service")
	var err error
	l.keys, err = secret.GenerateKeyring(rand.Reader)
	require.NoError(t, err)
	return l
}

func (l *logbook) connect(role string) *postgres.DB {
	l.t.Helper()
	db, err := postgres.Open(l.t.Context(), postgres.Config{URL: l.url, Role: role, MaxConns: 8})
	require.NoError(l.t, err)
	l.t.Cleanup(db.Close)
	return db
}

// sealer plays one node.
func (l *logbook) sealer(anchors ...auditlog.Anchor) *auditlog.Sealer {
	l.t.Helper()
	var keys []auditlog.Key
	for _, k := range l.keys.CheckpointKeys() {
		keys = append(keys, k)
	}
	s, err := auditlog.NewSealer(auditlog.SealerConfig{
		Store: postgres.NewAuditLog(l.db), Origin: logOrigin, Keys: keys, Metrics: quiet{}, Anchors: anchors,
	})
	require.NoError(l.t, err)
	return s
}

const insertEvents = `insert into audit_event (tenant_id, id, at, actor_kind, actor_id, action, subject, outcome, origin, request_id, details)
	select $1, $2 || '_' || lpad(i::text, 8, '0'), now(), 'client', 'cli_1', 'account.registered', 'acc_' || i, 'success', '203.0.113.0/24', 'req', jsonb_build_object('n', i)
	  from generate_series(1, $3::int) i`

// write commits n events whose ids begin with a name.
func (l *logbook) write(name string, n int) {
	l.t.Helper()
	_, err := l.db.Pool().Exec(l.t.Context(), insertEvents, "acme", name, n)
	require.NoError(l.t, err)
}

// ask runs a query of one value as the schema's owner.
func ask[T any](l *logbook, sql string, args ...any) T {
	l.t.Helper()
	var v T
	require.NoError(l.t, l.root.QueryRow(l.t.Context(), sql, args...).Scan(&v))
	return v
}

// force runs statements as a superuser who goes past the triggers.
func (l *logbook) force(sql string, args ...any) {
	l.t.Helper()
	conn, err := l.root.Acquire(l.t.Context())
	require.NoError(l.t, err)
	defer conn.Release()
	for _, stmt := range []string{"set session_replication_role = replica", "", "reset session_replication_role"} {
		if stmt == "" {
			_, err = conn.Exec(l.t.Context(), sql, args...)
		} else {
			_, err = conn.Exec(l.t.Context(), stmt)
		}
		require.NoError(l.t, err)
	}
}

// drain seals until the log has so many leaves. Transactions of other tests of this cluster may hold it up.
func (l *logbook) drain(s *auditlog.Sealer, leaves int) {
	l.t.Helper()
	require.Eventually(l.t, func() bool {
		require.NoError(l.t, s.Drain(l.t.Context()))
		return ask[int](l, `select count(*) from audit_leaf`) == leaves
	}, 30*time.Second, 10*time.Millisecond)
}

// requireWhole demands that the log has each event once, without a gap, and that its newest checkpoint is signed over the root
// that its leaves give.
func (l *logbook) requireWhole(events int) {
	l.t.Helper()
	require.Equal(l.t, events, ask[int](l, `select count(*) from audit_event`))
	require.Equal(l.t, events, ask[int](l, `select count(distinct (tenant_id, event_id)) from audit_leaf`))
	require.Equal(l.t, events-1, ask[int](l, `select max(leaf_index) from audit_leaf`))
	rows, err := l.root.Query(l.t.Context(), `select leaf from audit_leaf order by leaf_index`)
	require.NoError(l.t, err)
	edge, err := audit.NewEdge(0, nil)
	require.NoError(l.t, err)
	for rows.Next() {
		var leaf []byte
		require.NoError(l.t, rows.Scan(&leaf))
		edge.Append(audit.LeafHash(leaf))
	}
	require.NoError(l.t, rows.Err())
	keys, err := l.sealer().VerifierKeys()
	require.NoError(l.t, err)
	c, err := audit.OpenCheckpoint([]byte(ask[string](l, `select note from audit_checkpoint order by size desc, signed_at desc limit 1`)), keys)
	require.NoError(l.t, err)
	require.Equal(l.t, audit.Checkpoint{Origin: logOrigin, Head: audit.Head{Size: int64(events), Root: edge.Root()}}, c)
}

func TestSealer_SealsEveryEventOnceAndSignsWhatItSealed(t *testing.T) {
	t.Parallel()
	l := newLogbook(t)
	s := l.sealer()
	require.NoError(t, s.Drain(t.Context()), "nothing to seal is no error")
	for i, n := range []int{1, 254, 3, 700} {
		l.write(fmt.Sprintf("evt_%d", n), n)
		l.drain(s, []int{1, 255, 258, 958}[i])
	}
	l.requireWhole(958)
	other := l.sealer() // another node, which has the edge to read
	l.write("evt_other", 20000)
	l.drain(other, 20958)
	l.write("evt_again", 5)
	l.drain(s, 20963) // a node whose own edge is out of date
	l.requireWhole(20963)
	lag, err := s.Lag(t.Context())
	require.NoError(t, err)
	require.Equal(t, auditlog.Lag{Size: 20963}, lag)
}

// An event of a transaction that began early and commits late is sealed late, and none is passed over.
func TestSealer_WaitsForTransactionsThatAreUnderWay(t *testing.T) {
	t.Parallel()
	l := newLogbook(t)
	s := l.sealer()
	slow, err := l.db.Pool().Begin(t.Context())
	require.NoError(t, err)
	_, err = slow.Exec(t.Context(), insertEvents, "acme", "evt_slow", 3)
	require.NoError(t, err)
	l.write("evt_quick", 5)
	require.NoError(t, s.Drain(t.Context()))
	l.write("evt_later", 5)
	require.NoError(t, s.Drain(t.Context()))
	require.NoError(t, slow.Commit(t.Context()))
	l.drain(s, 13)
	l.requireWhole(13)
}

//
func TestSealer_HasOneWinnerAtATime(t *testing.T) {
	t.Parallel()
	l := newLogbook(t)
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	var wg sync.WaitGroup
	for i := range 8 {
		s := l.sealer()
		wg.Go(func() {
			for ctx.Err() == nil {
				if _, err := s.Round(ctx); err != nil && ctx.Err() == nil {
					t.Errorf("round: %v", err)
					return
				}
			}
		})
		wg.Go(func() {
			for j := range 20 {
				_, err := l.db.Pool().Exec(t.Context(), insertEvents, "acme", fmt.Sprintf("evt_%d_%d", i, j), 7)
				if err != nil {
					t.Errorf("write: %v", err)
				}
			}
		})
	}
	require.Eventually(t, func() bool { return ask[int](l, `select count(*) from audit_leaf`) == 8*20*7 }, 30*time.Second, 20*time.Millisecond)
	stop()
	wg.Wait()
	l.drain(l.sealer(), 8*20*7)
	l.requireWhole(8 * 20 * 7)
	require.Zero(t, ask[int](l, `select count(*) from (select size from audit_checkpoint group by size having count(distinct note) > 1) x`))
}

// A dump restored into another cluster: its events have transaction numbers that mean nothing there.
func TestSealer_GoesOnInAnotherClusterWhoseNumbersBeginAnew(t *testing.T) {
	t.Parallel()
	for _, numbers := range []string{"18446744073709000000", "3"} {
		l := newLogbook(t)
		l.write("evt_sealed", 300)
		l.drain(l.sealer(), 300)
		l.write("evt_not_yet", 20)
		l.force(`update audit_event set xact = $1::text::xid8`, numbers)
		l.force(`update audit_head set system = 42, xact = $1::text::xid8`, numbers)
		s := l.sealer()
		l.drain(s, 320)
		l.requireWhole(320)
		l.write("evt_new", 9)
		lag, err := s.Lag(t.Context())
		require.NoError(t, err)
		require.Equal(t, int64(320), lag.Size)
		l.drain(s, 329)
		l.requireWhole(329)
		l.drain(l.sealer(), 329)
		l.requireWhole(329)
	}
}

// More events than one batch holds, from before the log began.
func TestSealer_CatchesUpWithALongPast(t *testing.T) {
	t.Parallel()
	l := newLogbook(t)
	l.write("evt_past", 2*auditlog.BatchSize+17)
	s := l.sealer()
	more, err := s.Round(t.Context())
	require.NoError(t, err)
	require.True(t, more)
	l.write("evt_meanwhile", 4)
	l.drain(s, 2*auditlog.BatchSize+21)
	l.requireWhole(2*auditlog.BatchSize + 21)
	require.Equal(t, 1, ask[int](l, `select count(*) from audit_head h where h.system <> 0 and size = (select max(size) from audit_head)`))
}

//
func TestSealer_SignsUnderAllKeysWhileTheyRotate(t *testing.T) {
	t.Parallel()
	l := newLogbook(t)
	l.write("evt_a", 2)
	before := l.sealer()
	l.drain(before, 2)
	old, err := before.VerifierKeys()
	require.NoError(t, err)
	l.keys, err = l.keys.Rotate(rand.Reader)
	require.NoError(t, err)
	after := l.sealer()
	require.NoError(t, after.Drain(t.Context()), "no event is new, and the head is signed again")
	both, err := after.VerifierKeys()
	require.NoError(t, err)
	require.Len(t, both, 2)
	note := []byte(ask[string](l, `select note from audit_checkpoint order by size desc, signed_at desc limit 1`))
	for _, known := range [][]string{old, both[:1], both} {
		_, err := audit.OpenCheckpoint(note, known)
		require.NoError(t, err)
	}
	require.Equal(t, 2, ask[int](l, `select count(*) from audit_checkpoint where size = 2`))
}

// memory is an anchor outside of the database.
type memory struct {
	last  audit.Checkpoint
	fails bool
}

func (m *memory) Name() string                                   { return "memory" }
func (m *memory) Last(context.Context) (audit.Checkpoint, error) { return m.last, nil }
func (m *memory) Before(_ context.Context, _ []byte, c audit.Checkpoint) error {
	if m.fails {
		return fmt.Errorf("the disk is full")
	}
	m.last = c
	return nil
}

// a backup that is older than what was published does not go on, and says so by name.
func TestSealer_RefusesToGoOnFromAnOlderBackup(t *testing.T) {
	t.Parallel()
	l, outside := newLogbook(t), &memory{}
	l.write("evt_a", 300)
	running := l.sealer(outside)
	l.drain(running, 300)
	l.write("evt_b", 300)
	l.drain(running, 600)
	// The backup holds the first 300.
	l.force(`delete from audit_leaf where leaf_index >= 300`)
	l.force(`delete from audit_tile where n > 0`)
	l.force(`delete from audit_checkpoint where size > 300`)
	l.force(`delete from audit_head where size > 300`)
	l.force(`delete from audit_event where id like 'evt_b%'`)
	_, err := running.Round(t.Context())
	require.ErrorIs(t, err, auditlog.ErrWentBack, "a process that ran all the time")
	_, err = l.sealer(outside).Round(t.Context())
	require.ErrorIs(t, err, auditlog.ErrWentBack, "a process that was started after it")
	l.write("evt_c", 400)
	_, err = l.sealer(outside).Round(t.Context())
	require.ErrorIs(t, err, auditlog.ErrWentBack, "nothing is sealed over it")
	require.Equal(t, 300, ask[int](l, `select count(*) from audit_leaf`))
	// Somebody lets it grow past what was published: then it is a fork.
	l.drain(l.sealer(), 700)
	_, err = l.sealer(outside).Round(t.Context())
	require.ErrorIs(t, err, auditlog.ErrForked)
	_, err = running.Round(t.Context())
	require.ErrorIs(t, err, auditlog.ErrForked)
}

func TestSealer_PublishesNothingThatItsAnchorDidNotTake(t *testing.T) {
	t.Parallel()
	l, outside := newLogbook(t), &memory{fails: true}
	l.write("evt_a", 3)
	s := l.sealer(outside)
	require.Eventually(t, func() bool {
		_, err := s.Round(t.Context())
		return err != nil && strings.Contains(err.Error(), "the disk is full")
	}, 30*time.Second, 10*time.Millisecond)
	require.Zero(t, ask[int](l, `select count(*) from audit_checkpoint`))
	outside.fails = false
	l.drain(s, 3)
	l.requireWhole(3)
}

//
func TestSealer_NamesTilesThatContradictTheHead(t *testing.T) {
	t.Parallel()
	l := newLogbook(t)
	l.write("evt_a", 600)
	l.drain(l.sealer(), 600)
	l.force(`update audit_leaf set leaf = leaf || ' ' where leaf_index = 599`)
	l.write("evt_b", 1)
	s := l.sealer()
	require.Eventually(t, func() bool {
		_, err := s.Round(t.Context())
		return errors.Is(err, auditlog.ErrBroken)
	}, 30*time.Second, 10*time.Millisecond)
}

// an event whose time lies ahead, before a clock was set right or by a hand that has the database, hides no lag.
func TestLag_IsThatOfTheOldestEventThatWaits(t *testing.T) {
	t.Parallel()
	l := newLogbook(t)
	l.write("evt_a", 3)
	l.drain(l.sealer(), 3)
	for id, at := range map[string]string{"evt_b": "1 year", "evt_c": "-1 hour"} {
		l.force(`insert into audit_event (tenant_id, id, at, actor_kind, action, subject, outcome, xact)
			values ('acme', $1, now() + $2::interval, 'system', 'x', 'y', 'success', (pg_current_xact_id()::text::bigint + case $1 when 'evt_b' then 0 else 100 end)::text::xid8)`, id, at)
	}
	lag, err := l.sealer().Lag(t.Context())
	require.NoError(t, err)
	require.GreaterOrEqual(t, lag.Waiting, time.Hour)
}

// the sealer's keys sign what the leaves give, whoever wrote the head.
func TestSealer_SignsNoHeadThatItsLeavesDoNotGive(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		sql  []string
		want error
	}{
		"the newest head over another root": {
			[]string{`delete from audit_checkpoint`, `update audit_head set root = sha256('forged')`}, auditlog.ErrForked,
		},
		"a further head of another tree": {
			[]string{`insert into audit_head select log_id, 9999, sha256('forged'), sealed_at, system, xact, tenant_id, event_id from audit_head`}, auditlog.ErrBroken,
		},
		"a further head over a leaf, and another root": {[]string{
			`insert into audit_leaf select log_id, 300, tenant_id, 'evt_forged', leaf from audit_leaf where leaf_index = 5`,
			`insert into audit_head select log_id, 301, sha256('forged'), sealed_at, system, xact, tenant_id, event_id from audit_head`,
		}, auditlog.ErrBroken},
		"a checkpoint that is another head's": {
			[]string{`update audit_checkpoint set note = replace(note, E'\n300\n', E'\n299\n')`}, auditlog.ErrBroken,
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			l, outside := newLogbook(t), &memory{}
			l.write("evt_a", 300)
			running := l.sealer(outside)
			l.drain(running, 300)
			honest := outside.last
			for _, sql := range tc.sql {
				l.force(sql)
			}
			notes := ask[int](l, `select count(*) from audit_checkpoint`)
			_, err := running.Round(t.Context())
			if name != "a checkpoint that is another head's" { // it published that head itself, and does not look at it again
				require.ErrorIs(t, err, tc.want, "a process that ran all the time")
			}
			_, err = l.sealer().Round(t.Context())
			require.ErrorIs(t, err, auditlog.ErrBroken, "a process that was started after it, and has no anchor")
			require.Equal(t, honest, outside.last, "no anchor hears of it")
			require.Equal(t, notes, ask[int](l, `select count(*) from audit_checkpoint`), "nothing is signed")
		})
	}
}

// nobody below the schema's owner can rewrite the log.
func TestAuditLog_AdmitsNothingButAdditionsByTheServicesRole(t *testing.T) {
	t.Parallel()
	l := newLogbook(t)
	l.write("evt_a", 300)
	l.drain(l.sealer(), 300)
	for _, table := range []string{"audit_event", "audit_log", "audit_leaf", "audit_tile", "audit_head", "audit_checkpoint", "audit_cosignature"} {
		for _, sql := range []string{"delete from " + table, "truncate " + table + " cascade", "update " + table + " set ctid = ctid", "alter table " + table + " disable trigger all", "drop table " + table} {
			_, err := l.db.Pool().Exec(t.Context(), sql)
			require.Error(t, err, sql)
		}
		for _, column := range []string{"tenant_id", "log_id", "origin", "leaf", "size", "note"} {
			_, err := l.db.Pool().Exec(t.Context(), fmt.Sprintf("update %s set %s = %s", table, column, column))
			require.Error(t, err, "%s.%s", table, column)
		}
	}
	_, err := l.db.Pool().Exec(t.Context(), "set session_replication_role = replica")
	require.Error(t, err)
	_, err = l.db.Pool().Exec(t.Context(), `update audit_personal set origin = ''`)
	require.Error(t, err)
	// The owner's triggers refuse as well, so that a careless migration fails.
	_, err = l.root.Exec(t.Context(), `delete from audit_leaf`)
	require.Error(t, err)

	// Forged heads and checkpoints.
	for name, sql := range map[string]string{
		"a smaller head":           `insert into audit_head select log_id, size - 1, root, sealed_at, system, xact, tenant_id, event_id from audit_head`,
		"a head beyond the leaves": `insert into audit_head select log_id, size + 1, root, sealed_at, system, xact, tenant_id, event_id from audit_head`,
		"another root":             `insert into audit_checkpoint select log_id, size, 'x', replace(note, E'\n300\n', E'\n299\n'), signed_at from audit_checkpoint`,
		"a second leaf":            `insert into audit_leaf select log_id, leaf_index + 300, tenant_id, event_id, leaf from audit_leaf limit 1`,
	} {
		_, err := l.db.Pool().Exec(t.Context(), sql)
		require.Error(t, err, name)
	}
	// What the sealer relies on is the database's to say.
	_, err = l.db.Pool().Exec(t.Context(), `insert into audit_event (tenant_id, id, at, actor_kind, action, subject, outcome, salt, xact)
		values ('acme', 'evt_forged', now(), 'system', 'x', 'y', 'success', '\x00', '18446744073709551615')`)
	require.NoError(t, err)
	l.drain(l.sealer(), 301)
	l.requireWhole(301)
}

//
func TestAuditorsRole_ReadsTheLogAndNothingElse(t *testing.T) {
	t.Parallel()
	l := newLogbook(t)
	l.write("evt_a", 3)
	l.drain(l.sealer(), 3)
	auditor := l.connect("holdfast_auditor")
	may := map[string]bool{
		"audit_event": true, "audit_personal": true, "audit_log": true, "audit_leaf": true, "audit_tile": true, "audit_head": true,
		"audit_checkpoint": true, "audit_cosignature": true,
	}
	rows, err := l.root.Query(t.Context(), `select format('%I.%I', schemaname, tablename), tablename from pg_tables where schemaname in ('public', 'river')`)
	require.NoError(t, err)
	tables := map[string]string{}
	for rows.Next() {
		var full, name string
		require.NoError(t, rows.Scan(&full, &name))
		tables[full] = name
	}
	require.NoError(t, rows.Err())
	require.Greater(t, len(tables), 20)
	for full, name := range tables {
		_, err := auditor.Pool().Exec(t.Context(), "select 1 from "+full+" limit 1")
		require.Equal(t, may[name], err == nil, full)
		_, err = auditor.Pool().Exec(t.Context(), "delete from "+full)
		require.Error(t, err, full)
	}
	_, err = auditor.Pool().Exec(t.Context(), insertEvents, "acme", "evt_b", 1)
	require.Error(t, err)
}
