package postgres_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/stretchr/testify/require"

	"github.com/holdfast/holdfast/internal/fault"
	"github.com/holdfast/holdfast/internal/postgres"
	"github.com/holdfast/holdfast/internal/postgres/dbsqlc"
	"github.com/holdfast/holdfast/internal/postgres/pgtest"
)

// pipe is a database with one table and one connection, so that whatever a transaction leaves behind meets the next one.
type pipe struct {
	*postgres.DB
	t    *testing.T
	root *pgxpool.Pool
}

func newPipe(t *testing.T) *pipe {
	t.Helper()
	url := pgtest.URL(t)
	root := pgtest.Pool(t, url)
	_, err := root.Exec(t.Context(), `CREATE TABLE thing (n int UNIQUE DEFERRABLE INITIALLY DEFERRED)`)
	require.NoError(t, err)
	db, err := postgres.Open(t.Context(), postgres.Config{URL: url, MaxConns: 1})
	require.NoError(t, err)
	t.Cleanup(db.Close)
	return &pipe{DB: db, t: t, root: root}
}

const insertThing = `INSERT INTO thing VALUES ($1)`

// clean checks that nothing was written, nothing is open, and the connection works.
func (p *pipe) clean(want int) {
	p.t.Helper()
	var open, n int
	require.NoError(p.t, p.root.QueryRow(p.t.Context(), `SELECT count(*) FROM thing`).Scan(&n))
	require.Equal(p.t, want, n)
	require.NoError(p.t, p.InTx(p.t.Context(), func(tx dbsqlc.DBTX) error {
		return tx.QueryRow(p.t.Context(), `SELECT 1`).Scan(&n)
	}))
	require.NoError(p.t, p.root.QueryRow(p.t.Context(), `SELECT count(*) FROM pg_stat_activity
		WHERE datname = current_database() AND state LIKE 'idle in transaction%'`).Scan(&open))
	require.Zero(p.t, open, "a transaction is left open")
	require.NoError(p.t, p.root.QueryRow(p.t.Context(), `SELECT count(*) FROM pg_locks
		WHERE relation = 'thing'::regclass AND mode LIKE 'RowExclusive%'`).Scan(&open))
	require.Zero(p.t, open, "a lock is left behind")
}

func TestPipeline_CommitsWhatWasQueued(t *testing.T) {
	t.Parallel()
	p := newPipe(t)
	ctx := t.Context()
	require.NoError(t, p.InTx(ctx, func(tx dbsqlc.DBTX) error {
		for n := range 3 {
			if _, err := tx.Exec(ctx, insertThing, n); err != nil {
				return err
			}
		}
		var seen int
		require.NoError(t, tx.QueryRow(ctx, `SELECT count(*) FROM thing`).Scan(&seen))
		require.Equal(t, 3, seen, "a query sees what was queued before it")
		rows, err := tx.Query(ctx, `SELECT n FROM thing ORDER BY n`)
		require.NoError(t, err)
		all, err := pgx.CollectRows(rows, pgx.RowTo[int])
		require.NoError(t, err)
		require.Equal(t, []int{0, 1, 2}, all)
		_, err = tx.Exec(ctx, insertThing, 3)
		return err
	}))
	p.clean(4)
	require.NoError(t, p.InTx(ctx, func(dbsqlc.DBTX) error { return nil }), "nothing to do is no transaction")
}

func TestPipeline_AnErrorInTheMiddleLeavesNothing(t *testing.T) {
	t.Parallel()
	own := errors.New("of the function")
	for name, fn := range map[string]func(ctx context.Context, tx dbsqlc.DBTX) error{
		"its own, before anything was sent": func(context.Context, dbsqlc.DBTX) error { return own },
		"its own, after a query": func(ctx context.Context, tx dbsqlc.DBTX) error {
			var n int
			return errors.Join(tx.QueryRow(ctx, `SELECT count(*) FROM thing`).Scan(&n), own)
		},
		"a query that does not parse": func(ctx context.Context, tx dbsqlc.DBTX) error {
			return tx.QueryRow(ctx, `SELEC 1`).Scan(nil)
		},
		"a query that fails at its second row": func(ctx context.Context, tx dbsqlc.DBTX) error {
			rows, err := tx.Query(ctx, `SELECT 1 / (2 - n) FROM generate_series(1, 3) n`)
			if err != nil {
				return err
			}
			_, err = pgx.CollectRows(rows, pgx.RowTo[int])
			return err
		},
		"a queued statement, told by the next query": func(ctx context.Context, tx dbsqlc.DBTX) error {
			if _, err := tx.Exec(ctx, `INSERT INTO thing VALUES (1 / $1::int)`, 0); err != nil {
				return err
			}
			var n int
			return tx.QueryRow(ctx, `SELECT 1`).Scan(&n)
		},
		"a queued statement, told by the commit": func(ctx context.Context, tx dbsqlc.DBTX) error {
			_, err := tx.Exec(ctx, `INSERT INTO thing VALUES (1 / $1::int)`, 0)
			return err
		},
		"a deferred constraint at the commit": func(ctx context.Context, tx dbsqlc.DBTX) error {
			_, err := tx.Exec(ctx, insertThing, 1)
			return err
		},
		"an error that the function kept to itself": func(ctx context.Context, tx dbsqlc.DBTX) error {
			_ = tx.QueryRow(ctx, `SELECT 1 / 0`).Scan(nil)
			return nil
		},
		"no row": func(ctx context.Context, tx dbsqlc.DBTX) error {
			var n int
			return tx.QueryRow(ctx, `SELECT n FROM thing WHERE n = 99`).Scan(&n)
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := newPipe(t)
			err := p.InTx(t.Context(), func(tx dbsqlc.DBTX) error {
				if _, err := tx.Exec(t.Context(), insertThing, 1); err != nil {
					return err
				}
				return fn(t.Context(), tx)
			})
			require.Error(t, err)
			require.NotContains(t, err.Error(), "(n)=(1)", "no row's content")
			p.clean(0)
		})
	}
}

// COMMIT of a failed transaction is answered with ROLLBACK, and no error. That is no success.
func TestPipeline_ReportsACommitThatRolledBack(t *testing.T) {
	t.Parallel()
	p := newPipe(t)
	err := p.InTx(t.Context(), func(tx dbsqlc.DBTX) error {
		_ = tx.QueryRow(t.Context(), `SELECT 1 / 0`).Scan(nil)
		return nil
	})
	require.ErrorIs(t, err, pgx.ErrTxCommitRollback)
	p.clean(0)
}

func TestPipeline_ACancelledContextLeavesNoTransaction(t *testing.T) {
	t.Parallel()
	for name, fn := range map[string]func(ctx context.Context, cancel func(), tx dbsqlc.DBTX) error{
		"before the first query": func(ctx context.Context, cancel func(), tx dbsqlc.DBTX) error {
			cancel()
			return tx.QueryRow(ctx, `SELECT 1`).Scan(nil)
		},
		"before the commit": func(ctx context.Context, cancel func(), tx dbsqlc.DBTX) error {
			var n int
			err := tx.QueryRow(ctx, `SELECT 1`).Scan(&n)
			cancel()
			return err
		},
		"during a query": func(ctx context.Context, _ func(), tx dbsqlc.DBTX) error {
			ctx, stop := context.WithTimeout(ctx, 50*time.Millisecond)
			defer stop()
			return tx.QueryRow(ctx, `SELECT pg_sleep(30)`).Scan(nil)
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := newPipe(t)
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			err := p.InTx(ctx, func(tx dbsqlc.DBTX) error {
				if _, err := tx.Exec(ctx, insertThing, 1); err != nil {
					return err
				}
				return fn(ctx, cancel, tx)
			})
			require.Equal(t, fault.CodeTimeout, fault.CodeOf(err), "%v", err)
			// The server notices a closed connection by itself; nothing of it may be seen in the meantime.
			require.Eventually(t, func() bool {
				var open int
				err := p.root.QueryRow(t.Context(), `SELECT count(*) FROM pg_stat_activity WHERE datname = current_database()
					AND (state LIKE 'idle in transaction%' OR query LIKE '%pg_sleep(30)%') AND pid <> pg_backend_pid()`).Scan(&open)
				return err == nil && open == 0
			}, 10*time.Second, 10*time.Millisecond)
			p.clean(0)
		})
	}
}

func TestPipeline_APanicRollsBackAndGoesOn(t *testing.T) {
	t.Parallel()
	p := newPipe(t)
	for _, queried := range []bool{false, true} {
		require.PanicsWithValue(t, "of the function", func() {
			_ = p.InTx(t.Context(), func(tx dbsqlc.DBTX) error {
				_, err := tx.Exec(t.Context(), insertThing, 1)
				require.NoError(t, err)
				if queried {
					var n int
					require.NoError(t, tx.QueryRow(t.Context(), `SELECT 1`).Scan(&n))
				}
				panic("of the function")
			})
		})
		p.clean(0)
	}
}
