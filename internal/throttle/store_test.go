package throttle_test

import (
	"context"
	"os"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/ulule/limiter/v3"
	"github.com/ulule/limiter/v3/drivers/store/tests"

	"github.com/holdfast/holdfast/internal/throttle"
)

func store(t testing.TB, prefix string) *throttle.Store {
	t.Helper()
	s, err := throttle.NewStore(database(t), hashKey, prefix)
	require.NoError(t, err)
	return s
}

func TestStore_PassesTheLibrarysSequentialSuite(t *testing.T) {
	t.Parallel()
	tests.TestStoreSequentialAccess(t, store(t, "suite"))
}

// The suite hits one key 250,000 times from 500 goroutines. Every twentieth of these hits goes to the store here, which
// keeps the concurrency and takes seconds; FULL_STORE_SUITE=1 sends them all and takes a minute.
func TestStore_PassesTheLibrarysConcurrentSuite(t *testing.T) {
	t.Parallel()
	var s limiter.Store = store(t, "suite")
	if os.Getenv("FULL_STORE_SUITE") == "" {
		s = &thinned{Store: s}
	}
	tests.TestStoreConcurrentAccess(t, s)
}

// thinned passes one in twenty calls of Get on, and answers the others with the last true answer.
type thinned struct {
	limiter.Store
	calls atomic.Int64
	last  atomic.Pointer[limiter.Context]
}

// Get implements limiter.Store.
func (s *thinned) Get(ctx context.Context, key string, rate limiter.Rate) (limiter.Context, error) {
	if last := s.last.Load(); last != nil && s.calls.Add(1)%20 != 0 {
		return *last, nil
	}
	got, err := s.Store.Get(ctx, key, rate)
	if err == nil {
		s.last.Store(&got)
	}
	return got, err
}

func TestStore_CountsAllHitsOrNone(t *testing.T) {
	t.Parallel()
	s := store(t, "test")
	rate := limiter.Rate{Limit: 10, Period: time.Hour}
	got, err := s.Increment(t.Context(), "k", 7, rate)
	require.NoError(t, err)
	require.EqualValues(t, 3, got.Remaining)
	got, err = s.Increment(t.Context(), "k", 4, rate)
	require.NoError(t, err)
	require.True(t, got.Reached)
	require.EqualValues(t, 3, got.Remaining)
	got, err = s.Increment(t.Context(), "k", 1<<62, rate)
	require.NoError(t, err)
	require.True(t, got.Reached)
	got, err = s.Increment(t.Context(), "k", 3, rate)
	require.NoError(t, err)
	require.False(t, got.Reached)
	require.Zero(t, got.Remaining)
}

func TestStore_GrantsNoCredit(t *testing.T) {
	t.Parallel()
	s := store(t, "test")
	rate := limiter.Rate{Limit: 10, Period: time.Hour}
	_, err := s.Increment(t.Context(), "k", -5, rate)
	require.ErrorContains(t, err, "credit")
	got, err := s.Increment(t.Context(), "k", 0, rate)
	require.NoError(t, err)
	require.EqualValues(t, 10, got.Remaining)
}

func TestStore_SharesNoCounterBetweenPrefixesAndPeriods(t *testing.T) {
	t.Parallel()
	pool := database(t)
	one, err := throttle.NewStore(pool, hashKey, "one")
	require.NoError(t, err)
	two, err := throttle.NewStore(pool, hashKey, "two")
	require.NoError(t, err)
	hour, day := limiter.Rate{Limit: 2, Period: time.Hour}, limiter.Rate{Limit: 2, Period: 24 * time.Hour}
	for _, get := range []func() (limiter.Context, error){
		func() (limiter.Context, error) { return one.Get(t.Context(), "k", hour) },
		func() (limiter.Context, error) { return one.Get(t.Context(), "k", day) },
		func() (limiter.Context, error) { return two.Get(t.Context(), "k", hour) },
	} {
		got, err := get()
		require.NoError(t, err)
		require.EqualValues(t, 1, got.Remaining)
	}
}

func TestStore_RefusesRatesWithoutALimit(t *testing.T) {
	t.Parallel()
	s := store(t, "test")
	for _, rate := range []limiter.Rate{
		{}, {Limit: 0, Period: time.Hour}, {Limit: -1, Period: time.Hour}, {Limit: 1, Period: 0}, {Limit: 1 << 40, Period: time.Hour},
	} {
		_, err := s.Get(t.Context(), "k", rate)
		require.Error(t, err)
		_, err = s.Peek(t.Context(), "k", rate)
		require.Error(t, err)
		_, err = s.Reset(t.Context(), "k", rate)
		require.Error(t, err)
	}
}

func BenchmarkStore(b *testing.B) {
	s := store(b, "bench")
	rate := limiter.Rate{Limit: 1_000_000, Period: time.Hour}
	b.Run("one key, serial", func(b *testing.B) {
		for b.Loop() {
			_, err := s.Get(context.Background(), "k", rate)
			require.NoError(b, err)
		}
	})
	b.Run("own keys, parallel", func(b *testing.B) {
		var n atomic.Int64
		b.RunParallel(func(pb *testing.PB) {
			key := time.Duration(n.Add(1)).String()
			for pb.Next() {
				_, err := s.Get(context.Background(), key, rate)
				require.NoError(b, err)
			}
		})
	})
}
