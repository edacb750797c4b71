package throttle

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/ulule/limiter/v3"
)

// Store is a limiter.Store over PostgreSQL or Redis: right on any number of nodes, on its server's clock, and with GCRA
// instead of the library's fixed windows. The library's own suite passes on it. Where the two differ, it is stricter:
//
//   - A bucket admits Limit at once and then one per Period/Limit; it does not empty all at once at a window's end.
//   - Reset is when the bucket will be unused again, not when a window ends.
//   - A refused hit does not count, so hammering does not prolong the refusal.
//   - Increment by more than what is left is refused as a whole; nothing is charged.
//   - Increment by a negative count, which would grant credit, is an error; by zero it is a Peek.
//   - Rates of different periods do not share a counter, even under one key. Rates of one period do: give each rule a
//     prefix of its own.
type Store struct {
	buckets backend
	hasher  hasher
	prefix  string
}

var _ limiter.Store = (*Store)(nil)

// NewStore makes a store in PostgreSQL whose keys live under prefix and are hashed with hashKey (at least 16 bytes).
func NewStore(pool *pgxpool.Pool, hashKey []byte, prefix string) (*Store, error) {
	b, err := newBuckets(pool)
	if err != nil {
		return nil, err
	}
	return newStore(b, hashKey, prefix)
}

// NewRedisStore is NewStore in Redis.
func NewRedisStore(r *Redis, hashKey []byte, prefix string) (*Store, error) {
	if r == nil {
		return nil, errors.New("throttle: no Redis")
	}
	return newStore(r, hashKey, prefix)
}

func newStore(b backend, hashKey []byte, prefix string) (*Store, error) {
	h, err := newHasher(hashKey)
	if err != nil {
		return nil, err
	}
	return &Store{buckets: b, hasher: h, prefix: "limiter:" + prefix}, nil
}

// Get counts one hit and reports what is left; Reached means that the hit was refused.
func (s *Store) Get(ctx context.Context, key string, rate limiter.Rate) (limiter.Context, error) {
	return s.Increment(ctx, key, 1, rate)
}

// Increment counts several hits, all of them or none.
func (s *Store) Increment(ctx context.Context, key string, count int64, rate limiter.Rate) (limiter.Context, error) {
	if count < 0 {
		return limiter.Context{}, errors.New("throttle: a negative count would grant credit")
	}
	if count == 0 {
		return s.Peek(ctx, key, rate)
	}
	p, err := paceOfRate(rate)
	if err != nil {
		return limiter.Context{}, err
	}
	levels, err := s.buckets.take(ctx, []charge{{key: s.keyOf(key, rate), pace: p, hits: count}})
	if err != nil {
		return limiter.Context{}, err
	}
	return report(rate, p, levels[0], !levels[0].passed), nil
}

// Peek reports what is left and counts nothing. Reached means that the last hit was refused and that one more would be.
func (s *Store) Peek(ctx context.Context, key string, rate limiter.Rate) (limiter.Context, error) {
	p, err := paceOfRate(rate)
	if err != nil {
		return limiter.Context{}, err
	}
	l, refused, err := s.buckets.peek(ctx, s.keyOf(key, rate))
	if err != nil {
		return limiter.Context{}, fmt.Errorf("throttle: peek: %w", err)
	}
	return report(rate, p, l, refused && l.used()+p.emission > p.tolerance), nil
}

// Reset forgets all hits of the key.
func (s *Store) Reset(ctx context.Context, key string, rate limiter.Rate) (limiter.Context, error) {
	p, err := paceOfRate(rate)
	if err != nil {
		return limiter.Context{}, err
	}
	l, err := s.buckets.reset(ctx, s.keyOf(key, rate))
	if err != nil {
		return limiter.Context{}, fmt.Errorf("throttle: reset: %w", err)
	}
	return report(rate, p, l, false), nil
}

func (s *Store) keyOf(key string, rate limiter.Rate) [keySize]byte {
	return s.hasher.keyOf(s.prefix, rate.Period, key)
}

func paceOfRate(rate limiter.Rate) (pace, error) {
	if rate.Limit <= 0 || rate.Period < time.Microsecond {
		return pace{}, errors.New("throttle: a rate needs a limit and a period above zero")
	}
	if rate.Limit > maxLimit || rate.Period > maxPeriod {
		return pace{}, fmt.Errorf("throttle: a rate is at most %d per %s", maxLimit, maxPeriod)
	}
	return paceOf(rate.Limit, rate.Limit, rate.Period), nil
}

// report puts a level into the library's words.
func report(rate limiter.Rate, p pace, l level, reached bool) limiter.Context {
	return limiter.Context{
		Limit:     rate.Limit,
		Remaining: max(int64((p.tolerance-l.used())/p.emission), 0),
		Reset:     l.fullAt.Unix(),
		Reached:   reached,
	}
}
