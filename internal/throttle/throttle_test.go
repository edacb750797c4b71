package throttle_test

import (
	"context"
	"os"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/stretchr/testify/require"

	"github.com/holdfast/holdfast/internal/fault"
	"github.com/holdfast/holdfast/internal/postgres/pgtest"
	"github.com/holdfast/holdfast/internal/throttle"
)

var hashKey = []byte("a key for tests, of thirty-two b")

// schema is what the throttle needs of the migrations: the clock and its own table.
func schema(t testing.TB) (pgtest.Migrate, string) {
	t.Helper()
	table, err := os.ReadFile("../../migrations/00003_throttle.sql")
	require.NoError(t, err)
	sql := `CREATE TABLE clock_shift (only_row boolean PRIMARY KEY DEFAULT true, by interval NOT NULL);
CREATE FUNCTION holdfast_now() RETURNS timestamptz LANGUAGE sql VOLATILE PARALLEL SAFE AS $$
    SELECT clock_timestamp() + coalesce((SELECT by FROM clock_shift), interval '0')
$$;` + string(table)
	return func(ctx context.Context, url string) error {
		conn, err := pgx.Connect(ctx, url)
		if err != nil {
			return err
		}
		defer conn.Close(ctx)
		_, err = conn.Exec(ctx, sql)
		return err
	}, "throttle\n" + sql
}

func database(t testing.TB) *pgxpool.Pool {
	t.Helper()
	migrate, version := schema(t)
	return pgtest.NewWith(t, migrate, version)
}

// limits has the default rules, with these windows for the rules named.
func limits(t testing.TB, pool *pgxpool.Pool, overrides map[throttle.Name]string) *throttle.Limits {
	t.Helper()
	rules, err := throttle.DefaultRules().With(overrides)
	require.NoError(t, err)
	l, err := throttle.New(throttle.Config{Pool: pool, HashKey: hashKey, Rules: rules, Timeout: time.Minute})
	require.NoError(t, err)
	return l
}

// moveClock sets how far the database's clock is ahead.
func moveClock(t testing.TB, pool *pgxpool.Pool, by string) {
	t.Helper()
	_, err := pool.Exec(t.Context(),
		`INSERT INTO clock_shift (by) VALUES ($1::text::interval) ON CONFLICT (only_row) DO UPDATE SET by = excluded.by`, by)
	require.NoError(t, err)
}

// passed sends n requests one after the other and counts those that were let through.
func passed(t testing.TB, l *throttle.Limits, n int, takes ...throttle.Take) int {
	t.Helper()
	through := 0
	for range n {
		err := l.Allow(t.Context(), takes)
		if err == nil {
			through++
			continue
		}
		require.Equal(t, fault.CodeThrottled, fault.CodeOf(err), err)
	}
	return through
}

func source(key string) throttle.Take {
	return throttle.Take{Rule: throttle.StartSource, Key: key}
}

func identifier(key string) throttle.Take {
	return throttle.Take{Rule: throttle.StartIdentifier, Key: key}
}

// replicas share the limit.
func TestAllow_FourNodesShareOneLimitExactly(t *testing.T) {
	t.Parallel()
	migrate, version := schema(t)
	url := pgtest.URLWith(t, migrate, version)
	var through atomic.Int64
	var wg sync.WaitGroup
	for range 4 {
		node := limits(t, pgtest.Pool(t, url), map[throttle.Name]string{throttle.VerifySource: "50-H"})
		for range 100 {
			wg.Go(func() {
				if node.Allow(t.Context(), []throttle.Take{{Rule: throttle.VerifySource, Key: "192.0.2.1/32"}}) == nil {
					through.Add(1)
				}
			})
		}
	}
	wg.Wait()
	require.EqualValues(t, 50, through.Load())
}

// Requests that share buckets in every combination neither deadlock nor charge halves.
func TestAllow_ChargesAllBucketsOrNoneUnderContention(t *testing.T) {
	t.Parallel()
	migrate, version := schema(t)
	url := pgtest.URLWith(t, migrate, version)
	keys := []string{"a", "b", "c", "d"}
	var through [4]atomic.Int64
	var sweeps sync.WaitGroup
	done := make(chan struct{})
	first := limits(t, pgtest.Pool(t, url), nil)
	sweeps.Go(func() { // expired and fresh rows come and go meanwhile
		for {
			select {
			case <-done:
				return
			default:
				_, _ = first.Sweep(t.Context(), 10)
			}
		}
	})
	var wg sync.WaitGroup
	faults := make(chan fault.Code, 400)
	for node := range 4 {
		l := limits(t, pgtest.Pool(t, url), map[throttle.Name]string{throttle.VerifySource: "40-H"})
		for i := range 100 {
			wg.Go(func() {
				one, other := keys[i%4], keys[(i+1+node%3)%4]
				err := l.Allow(t.Context(), []throttle.Take{{Rule: throttle.VerifySource, Key: one}, {Rule: throttle.VerifySource, Key: other}})
				if err == nil {
					through[i%4].Add(1)
					through[(i+1+node%3)%4].Add(1)
					return
				}
				faults <- fault.CodeOf(err)
			})
		}
	}
	wg.Wait()
	close(done)
	sweeps.Wait()
	close(faults)
	for code := range faults {
		require.Equal(t, fault.CodeThrottled, code)
	}
	for i := range through {
		require.LessOrEqual(t, through[i].Load(), int64(40))
		left := passed(t, limits(t, pgtest.Pool(t, url), map[throttle.Name]string{throttle.VerifySource: "40-H"}), 50,
			throttle.Take{Rule: throttle.VerifySource, Key: keys[i]})
		require.EqualValues(t, 40, through[i].Load()+int64(left), "a bucket holds what was let through, no more and no less")
	}
}

// there is no window whose edge lets a double burst through.
func TestAllow_LetsNoDoubleBurstThroughAtAnEdge(t *testing.T) {
	t.Parallel()
	pool := database(t)
	l := limits(t, pool, map[throttle.Name]string{throttle.VerifySource: "10-H"})
	hit := throttle.Take{Rule: throttle.VerifySource, Key: "192.0.2.1/32"}

	require.Equal(t, 1, passed(t, l, 1, hit), "the first hit would open a fixed window")
	moveClock(t, pool, "59 minutes 50 seconds")
	require.Equal(t, 10, passed(t, l, 20, hit), "the burst at its end")
	moveClock(t, pool, "60 minutes 20 seconds")
	require.Zero(t, passed(t, l, 20, hit), "the burst at the next one's start")
	moveClock(t, pool, "66 minutes")
	require.Equal(t, 1, passed(t, l, 20, hit), "one per tenth of an hour from then on")
	moveClock(t, pool, "24 hours")
	require.Equal(t, 10, passed(t, l, 20, hit), "and a rested bucket is full again, not fuller")
}

// one source against many identifiers is stopped, and many sources against one identifier are.
func TestAllow_BucketsOfSourceAndIdentifierAreIndependent(t *testing.T) {
	t.Parallel()
	l := limits(t, database(t), nil)
	through := 0
	for i := range 500 {
		through += passed(t, l, 1, source("192.0.2.1/32"), identifier("victim "+string(rune('A'+i))))
	}
	require.Equal(t, 10, through)

	through = 0
	for i := range 500 {
		through += passed(t, l, 1, source("source "+string(rune('A'+i))), identifier("one victim"))
	}
	require.Equal(t, 30, through)
}

// an attacker at one address cannot exhaust the victim's bucket, however often he is refused.
func TestAllow_OneSourceCannotLockAnIdentifierOut(t *testing.T) {
	t.Parallel()
	pool := database(t)
	l := limits(t, pool, nil)
	for hour := range 30 {
		moveClock(t, pool, time.Duration(hour*int(time.Hour)).String())
		passed(t, l, 50, source("198.51.100.7/32"), identifier("victim"))
		require.Equal(t, 1, passed(t, l, 1, source("the owner at hour "+string(rune('A'+hour))), identifier("victim")), hour)
	}
}

// a refusal says neither which bucket it was nor exactly how long it lasts.
func TestAllow_RefusesVaguely(t *testing.T) {
	t.Parallel()
	l := limits(t, database(t), nil)
	require.Equal(t, 10, passed(t, l, 10, source("192.0.2.1/32")))
	for range 20 {
		f := fault.From(l.Allow(t.Context(), []throttle.Take{source("192.0.2.1/32"), identifier("someone")}))
		require.Equal(t, fault.CodeThrottled, f.Code)
		require.NotContains(t, f.Public, "source")
		require.ErrorContains(t, f, "start_source", "the log learns it")
		require.GreaterOrEqual(t, f.RetryAfter, 10*time.Minute, "the true wait of 6 minutes is rounded up")
		require.LessOrEqual(t, f.RetryAfter, 15*time.Minute)
		require.Zero(t, f.RetryAfter%time.Second)
	}
}

func TestAllow_FailsClosedWhenTheStoreIsDownUnlessTheRuleSaysOtherwise(t *testing.T) {
	t.Parallel()
	pool := database(t)
	l := limits(t, pool, nil)
	_, err := pool.Exec(t.Context(), `DROP TABLE throttle_bucket`)
	require.NoError(t, err)

	objection := throttle.Take{Rule: throttle.ObjectionSource, Key: "192.0.2.1/32"}
	require.Equal(t, fault.CodeUnavailable, fault.CodeOf(l.Allow(t.Context(), []throttle.Take{source("192.0.2.1/32")})))
	require.NoError(t, l.Allow(t.Context(), []throttle.Take{objection}))
	require.Equal(t, fault.CodeUnavailable, fault.CodeOf(l.Allow(t.Context(), []throttle.Take{objection, source("192.0.2.1/32")})),
		"the strictest rule of a request decides")

	pool.Close()
	require.Equal(t, fault.CodeUnavailable, fault.CodeOf(l.Allow(t.Context(), []throttle.Take{source("192.0.2.1/32")})))
	require.Equal(t, fault.CodeInternal, fault.CodeOf(l.Allow(t.Context(), []throttle.Take{{Rule: "no_such_rule"}})))
	require.NoError(t, l.Allow(t.Context(), nil), "what falls under no rule needs no store")
}

func TestAllow_KeepsNoAddressInTheTable(t *testing.T) {
	t.Parallel()
	pool := database(t)
	require.Equal(t, 1, passed(t, limits(t, pool, nil), 1, source("192.0.2.1/32"), identifier("someone@example.com")))
	var rows int
	var text string
	require.NoError(t, pool.QueryRow(t.Context(), `SELECT count(*), string_agg(encode(key, 'escape'), ' ') FROM throttle_bucket`).Scan(&rows, &text))
	require.Equal(t, 4, rows, "two windows of two rules")
	require.NotContains(t, text, "192.0.2")
	require.NotContains(t, text, "example")
}

func TestAllow_CountsABucketThatIsHitTwice(t *testing.T) {
	t.Parallel()
	l := limits(t, database(t), nil)
	require.Equal(t, 5, passed(t, l, 10, source("192.0.2.1/32"), source("192.0.2.1/32")))
}

// A hit must not wait for the disk: it may cost a request no durable commit of its own.
func TestAllow_WaitsForNoFlushOfTheWriteAheadLog(t *testing.T) {
	t.Parallel()
	migrate, version := schema(t)
	config, err := pgxpool.ParseConfig(pgtest.URLWith(t, migrate, version))
	require.NoError(t, err)
	config.ConnConfig.RuntimeParams["synchronous_commit"] = "on"
	config.MaxConns = 1
	pool, err := pgxpool.NewWithConfig(t.Context(), config)
	require.NoError(t, err)
	t.Cleanup(pool.Close)
	_, err = pool.Exec(t.Context(), `CREATE TABLE durable (n int)`)
	require.NoError(t, err)
	rules := throttle.DefaultRules().Scaled(1000)
	l, err := throttle.New(throttle.Config{Pool: pool, HashKey: hashKey, Rules: rules})
	require.NoError(t, err)

	// behind reports whether something written before the present moment is not yet flushed.
	behind := func() (yes bool) {
		require.NoError(t, pool.QueryRow(t.Context(), `SELECT pg_current_wal_flush_lsn() < pg_current_wal_insert_lsn()`).Scan(&yes))
		return yes
	}
	notWaited := 0
	for range 50 {
		_, err := pool.Exec(t.Context(), `INSERT INTO durable VALUES (1)`)
		require.NoError(t, err)
		require.Equal(t, 1, passed(t, l, 1, source("192.0.2.1/32"), identifier("someone")))
		if behind() {
			notWaited++
		}
	}
	// The hit's commit record itself may be left behind, and mostly is; a commit that waited would never leave one.
	require.Positive(t, notWaited)
	t.Logf("of 50 hits, %d left their commit record unflushed", notWaited)
}

func TestSweep_RemovesWhatHasExpiredAndNothingElse(t *testing.T) {
	t.Parallel()
	pool := database(t)
	l := limits(t, pool, map[throttle.Name]string{throttle.VerifySource: "10-H"})
	for i := range 300 {
		require.NoError(t, l.Allow(t.Context(), []throttle.Take{{Rule: throttle.VerifySource, Key: string(rune('A' + i))}}))
	}
	deleted, err := l.Sweep(t.Context(), 100)
	require.NoError(t, err)
	require.Zero(t, deleted)

	moveClock(t, pool, "6 minutes")
	require.Equal(t, 1, passed(t, l, 1, throttle.Take{Rule: throttle.VerifySource, Key: "alive"}))
	first, err := l.Sweep(t.Context(), 1)
	require.NoError(t, err)
	require.Positive(t, first)
	require.Less(t, first, int64(300), "one call's work is bounded")
	total := first
	for range 20 {
		deleted, err = l.Sweep(t.Context(), 1)
		require.NoError(t, err)
		total += deleted
	}
	require.EqualValues(t, 300, total)
	require.Equal(t, 9, passed(t, l, 20, throttle.Take{Rule: throttle.VerifySource, Key: "alive"}))

	_, err = l.Sweep(t.Context(), 0)
	require.Error(t, err)
}

func TestNew_RefusesAWeakKeyAndABadTable(t *testing.T) {
	t.Parallel()
	pool := database(t)
	_, err := throttle.New(throttle.Config{Pool: pool, HashKey: []byte("short"), Rules: throttle.DefaultRules()})
	require.ErrorContains(t, err, "hash key")
	_, err = throttle.New(throttle.Config{Pool: pool, HashKey: hashKey})
	require.ErrorContains(t, err, "start_source is missing")
	_, err = throttle.New(throttle.Config{HashKey: hashKey, Rules: throttle.DefaultRules()})
	require.ErrorContains(t, err, "no database pool")
}

func BenchmarkAllow(b *testing.B) {
	pool := database(b)
	l, err := throttle.New(throttle.Config{Pool: pool, HashKey: hashKey, Rules: throttle.DefaultRules().Scaled(1_000_000)})
	require.NoError(b, err)
	b.Run("one start, four buckets, serial", func(b *testing.B) {
		for b.Loop() {
			require.NoError(b, l.Allow(b.Context(), []throttle.Take{source("192.0.2.1/32"), identifier("someone")}))
		}
	})
	b.Run("new identifiers, parallel", func(b *testing.B) {
		var n atomic.Int64
		b.RunParallel(func(pb *testing.PB) {
			for pb.Next() {
				key := time.Duration(n.Add(1)).String()
				require.NoError(b, l.Allow(b.Context(), []throttle.Take{source(key), identifier(key)}))
			}
		})
	})
}
