package throttle_test

import (
	"context"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/alicebob/miniredis/v2"
	"github.com/stretchr/testify/require"
	"github.com/ulule/limiter/v3"
	"github.com/ulule/limiter/v3/drivers/store/tests"

	"github.com/holdfast/holdfast/internal/fault"
	"github.com/holdfast/holdfast/internal/secret"
	"github.com/holdfast/holdfast/internal/throttle"
	"github.com/holdfast/holdfast/internal/throttle/redistest"
)

func redisAt(t testing.TB, url string) *throttle.Redis {
	t.Helper()
	r, err := throttle.NewRedis(secret.NewString(url))
	require.NoError(t, err)
	t.Cleanup(func() { _ = r.Close() })
	return r
}

// redisLimits has the default rules in Redis, with these windows for the rules named.
func redisLimits(t testing.TB, url string, overrides map[throttle.Name]string) *throttle.Limits {
	t.Helper()
	rules, err := throttle.DefaultRules().With(overrides)
	require.NoError(t, err)
	l, err := throttle.New(throttle.Config{Redis: redisAt(t, url), HashKey: hashKey, Rules: rules, Timeout: time.Minute})
	require.NoError(t, err)
	return l
}

// shiftedLimits are limits in a Redis whose clock a test moves.
func shiftedLimits(t testing.TB, url string, overrides map[throttle.Name]string) *throttle.Limits {
	t.Helper()
	rules, err := throttle.DefaultRules().With(overrides)
	require.NoError(t, err)
	r := redisAt(t, url)
	r.AssumeSound() // miniredis does not tell what it evicts
	l, err := throttle.New(throttle.Config{Redis: r, HashKey: hashKey, Rules: rules, Timeout: time.Minute})
	require.NoError(t, err)
	return l
}

// shifted is a Redis whose clock a test moves. The script and its arithmetic are the same; only time is not the machine's.
func shifted(t testing.TB) (m *miniredis.Miniredis, url string, forward func(time.Duration)) {
	t.Helper()
	m = miniredis.RunT(t)
	now := time.Date(2026, 3, 1, 9, 0, 0, 0, time.UTC)
	m.SetTime(now)
	return m, "redis://" + m.Addr(), func(by time.Duration) {
		now = now.Add(by)
		m.SetTime(now)
		m.FastForward(by)
	}
}

// replicas share the limit.
func TestRedis_FourNodesShareOneLimitExactly(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	var through atomic.Int64
	var wg sync.WaitGroup
	for range 4 {
		node := redisLimits(t, server.URL, map[throttle.Name]string{throttle.VerifySource: "50-H"})
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

// no window has an edge that a double burst fits over. A fixed window lets 19 of these 20 through.
func TestRedis_ABurstOverAWindowsEdgeGetsNoDouble(t *testing.T) {
	t.Parallel()
	_, url, forward := shifted(t)
	l := shiftedLimits(t, url, map[throttle.Name]string{throttle.VerifySource: "10-H"})
	take := throttle.Take{Rule: throttle.VerifySource, Key: "192.0.2.1/32"}
	require.Equal(t, 1, passed(t, l, 1, take))
	forward(59*time.Minute + 59*time.Second)
	require.Equal(t, 10, passed(t, l, 20, take))
	forward(2 * time.Second)
	require.Zero(t, passed(t, l, 10, take))
	forward(6 * time.Minute)
	require.Equal(t, 1, passed(t, l, 10, take))
	forward(2 * time.Hour)
	require.Equal(t, 10, passed(t, l, 20, take), "it fills up and no further")
}

// what one bucket refuses never reaches another.
func TestRedis_ChargesAllBucketsOrNone(t *testing.T) {
	t.Parallel()
	l := redisLimits(t, redistest.Start(t).URL, map[throttle.Name]string{throttle.StartSource: "3-H", throttle.StartIdentifier: "5-H"})
	require.Equal(t, 3, passed(t, l, 50, source("attacker"), identifier("victim")))
	require.Equal(t, 2, passed(t, l, 50, source("elsewhere"), identifier("victim")), "the attacker's refused attempts cost the victim nothing")
	require.Equal(t, 1, passed(t, l, 5, source("elsewhere"), identifier("another")))
}

func TestRedis_PassesTheLibrarysSequentialSuite(t *testing.T) {
	t.Parallel()
	s, err := throttle.NewRedisStore(redisAt(t, redistest.Start(t).URL), hashKey, "suite")
	require.NoError(t, err)
	tests.TestStoreSequentialAccess(t, s)
}

func TestRedis_PassesTheLibrarysConcurrentSuite(t *testing.T) {
	t.Parallel()
	s, err := throttle.NewRedisStore(redisAt(t, redistest.Start(t).URL), hashKey, "suite")
	require.NoError(t, err)
	tests.TestStoreConcurrentAccess(t, &thinned{Store: s})
}

func TestRedis_StoreCountsAllHitsOrNone(t *testing.T) {
	t.Parallel()
	s, err := throttle.NewRedisStore(redisAt(t, redistest.Start(t).URL), hashKey, "test")
	require.NoError(t, err)
	rate := limiter.Rate{Limit: 10, Period: time.Hour}
	for _, tc := range []struct {
		hits, left int64
		reached    bool
	}{{7, 3, false}, {4, 3, true}, {1 << 62, 3, true}, {3, 0, false}, {1, 0, true}} {
		got, err := s.Increment(t.Context(), "k", tc.hits, rate)
		require.NoError(t, err)
		require.Equal(t, tc.left, got.Remaining)
		require.Equal(t, tc.reached, got.Reached)
	}
	got, err := s.Reset(t.Context(), "k", rate)
	require.NoError(t, err)
	require.EqualValues(t, 10, got.Remaining)
}

// Two stores judge the same story alike: the arithmetic is one, written twice.
func TestRedis_JudgesAsPostgreSQLDoes(t *testing.T) {
	t.Parallel()
	pool := database(t)
	_, url, forward := shifted(t)
	overrides := map[throttle.Name]string{throttle.StartSource: "3-H,7-D", throttle.StartIdentifier: "5-H,9-D"}
	inRedis, inPostgres := shiftedLimits(t, url, overrides), limits(t, pool, overrides)
	ahead := time.Duration(0)
	for i, step := range []time.Duration{0, 0, 0, 0, 0, 19 * time.Minute, time.Minute, 0, 0, 2 * time.Hour, 0, 0, 0, 0, 12 * time.Hour, 0, 0, 0, 48 * time.Hour, 0} {
		ahead += step
		forward(step)
		moveClock(t, pool, ahead.String())
		takes := []throttle.Take{source("a"), identifier([]string{"x", "y", "x"}[i%3])}
		require.Equal(t, fault.CodeOf(inPostgres.Allow(t.Context(), takes)), fault.CodeOf(inRedis.Allow(t.Context(), takes)), "request %d", i)
	}
}

// Each rule says what happens when its store is down, and a server that comes back is used again without a restart.
func TestRedis_RefusesByNameWhileItIsDown(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	l := redisLimits(t, server.URL, nil)
	start := []throttle.Take{source("s"), identifier("i")}
	object := []throttle.Take{{Rule: throttle.ObjectionSource, Key: "s"}}
	require.NoError(t, l.Allow(t.Context(), start))

	server.Down()
	require.Equal(t, fault.CodeUnavailable, fault.CodeOf(l.Allow(t.Context(), start)))
	require.NoError(t, l.Allow(t.Context(), object), "an objection is never lost to a limit's store")

	server.Up()
	require.Eventually(t, func() bool { return l.Allow(t.Context(), start) == nil }, time.Minute, 10*time.Millisecond)
}

// A node that starts while Redis is down starts, refuses, and recovers by itself.
func TestRedis_MayBeDownWhenANodeStarts(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	server.Down()
	r := redisAt(t, server.URL)
	require.Error(t, r.Check(t.Context()))
	l, err := throttle.New(throttle.Config{Redis: r, HashKey: hashKey, Rules: throttle.DefaultRules()})
	require.NoError(t, err)
	require.Equal(t, fault.CodeUnavailable, fault.CodeOf(l.Allow(t.Context(), []throttle.Take{source("s")})))
	server.Up()
	require.Eventually(t, func() bool { return l.Allow(t.Context(), []throttle.Take{source("s")}) == nil }, time.Minute, 10*time.Millisecond)
}

// A limit that is evicted is a limit that is not there.
func TestRedis_IsNotUsedWhenItMayEvictLimits(t *testing.T) {
	t.Parallel()
	r := redisAt(t, redistest.Start(t, "--maxmemory", "64mb", "--maxmemory-policy", "allkeys-lru").URL)
	require.ErrorIs(t, r.Check(t.Context()), throttle.ErrEvicts)
	l, err := throttle.New(throttle.Config{Redis: r, HashKey: hashKey, Rules: throttle.DefaultRules()})
	require.NoError(t, err)
	require.Equal(t, fault.CodeUnavailable, fault.CodeOf(l.Allow(t.Context(), []throttle.Take{source("s")})))

	bounded := redisAt(t, redistest.Start(t, "--maxmemory", "64mb", "--maxmemory-policy", "noeviction").URL)
	require.NoError(t, bounded.Check(t.Context()))
}

// No address and no identifier rests in Redis, and nothing rests there for ever.
func TestRedis_KeepsHashesWithAnEnd(t *testing.T) {
	t.Parallel()
	m, url, forward := shifted(t)
	l := shiftedLimits(t, url, nil)
	require.NoError(t, l.Allow(t.Context(), []throttle.Take{source("192.0.2.1/32"), identifier("ada@example.com")}))
	keys := m.Keys()
	require.Len(t, keys, 4)
	for _, key := range keys {
		require.Regexp(t, `^\{holdfast\}:limit:[0-9a-f]{32}$`, key)
		require.Positive(t, m.TTL(key))
	}
	forward(25 * time.Hour)
	require.Empty(t, m.Keys())
}

func TestRedis_DoesNotRepeatTheURLInAnError(t *testing.T) {
	t.Parallel()
	_, err := throttle.NewRedis(secret.NewString("http://user:hunter2@redis"))
	require.Error(t, err)
	require.NotContains(t, err.Error(), "hunter2")
	_, err = throttle.New(throttle.Config{Redis: redisAt(t, "redis://localhost:1"), Pool: database(t), HashKey: hashKey, Rules: throttle.DefaultRules()})
	require.ErrorContains(t, err, "one store")
}

func BenchmarkRedis(b *testing.B) {
	l := redisLimits(b, redistest.Start(b).URL, nil)
	for b.Loop() {
		_ = l.Allow(context.Background(), []throttle.Take{{Rule: throttle.RequestClient, Key: "k"}, source("s")})
	}
}
