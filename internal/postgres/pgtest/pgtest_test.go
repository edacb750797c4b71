package pgtest_test

import (
	"context"
	"sync/atomic"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"github.com/holdfast/holdfast/internal/postgres/pgtest"
)

// migration is a schema of one table that counts how often it was built.
func migration(runs *atomic.Int32) pgtest.Migrate {
	return func(ctx context.Context, url string) error {
		runs.Add(1)
		conn, err := pgx.Connect(ctx, url)
		if err != nil {
			return err
		}
		defer conn.Close(ctx)
		_, err = conn.Exec(ctx, "CREATE TABLE thing (n int)")
		return err
	}
}

func TestNewWith_GivesEachTestADatabaseOfItsOwn(t *testing.T) {
	t.Parallel()
	var runs atomic.Int32
	t.Cleanup(func() { require.LessOrEqual(t, runs.Load(), int32(1), "the template is built once") })
	for range 8 {
		t.Run("test", func(t *testing.T) {
			t.Parallel()
			pool := pgtest.NewWith(t, migration(&runs), "own database")
			_, err := pool.Exec(t.Context(), "INSERT INTO thing VALUES (1)")
			require.NoError(t, err)
			var n int
			require.NoError(t, pool.QueryRow(t.Context(), "SELECT count(*) FROM thing").Scan(&n))
			require.Equal(t, 1, n)
			require.EqualValues(t, 8, pool.Config().MaxConns)
		})
	}
}

func TestURLWith_GivesAConnectionString(t *testing.T) {
	t.Parallel()
	var runs atomic.Int32
	url := pgtest.URLWith(t, migration(&runs), "connection string")
	conn, err := pgx.Connect(t.Context(), url)
	require.NoError(t, err)
	var name string
	require.NoError(t, conn.QueryRow(t.Context(), "SELECT current_database()").Scan(&name))
	require.Regexp(t, "^t_[a-z0-9]{26}$", name)
	require.NoError(t, conn.Close(t.Context()))
}

func TestNew_HasTheCurrentSchema(t *testing.T) {
	t.Parallel()
	pool := pgtest.New(t)
	for _, table := range []string{"recovery", "throttle_bucket", "river.river_job"} {
		var there bool
		require.NoError(t, pool.QueryRow(t.Context(), "SELECT to_regclass($1) IS NOT NULL", table).Scan(&there))
		require.True(t, there, table)
	}
}
