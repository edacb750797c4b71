package throttle

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
)

const (
	keySize     = 16 // bytes of a bucket's key; 128 bits of a keyed hash do not collide
	minHashKey  = 16 // bytes
	maxAttempts = 3
)

// pace is the shape of a bucket: one hit flows off per emission, and tolerance is what the bucket holds.
type pace struct {
	emission, tolerance time.Duration // whole microseconds, as the database counts
}

// paceOf turns a limit per period and a burst into a pace. The emission is rounded up, so that rounding never lets more
// through.
func paceOf(limit, burst int64, period time.Duration) pace {
	emission := (period + time.Duration(limit) - 1) / time.Duration(limit)
	emission = max((emission + time.Microsecond - 1).Truncate(time.Microsecond), time.Microsecond)
	return pace{emission: emission, tolerance: time.Duration(burst) * emission}
}

// cost is how much n hits fill. More than the bucket holds costs just more than the bucket holds, whatever n is.
func (p pace) cost(n int64) time.Duration {
	if n > int64(p.tolerance/p.emission) {
		return p.tolerance + p.emission
	}
	return time.Duration(n) * p.emission
}

// charge is what one request asks of one bucket.
type charge struct {
	key  [keySize]byte
	pace pace
	hits int64
}

// level is a bucket as the database saw it.
type level struct {
	now    time.Time // the database's clock
	fullAt time.Time // when nothing of it is used any more; not before now
	fits   bool      // the hits of this charge fit into it
	passed bool      // the hits of all charges fit, and all were charged
}

// used is how much of the bucket is taken.
func (l level) used() time.Duration { return l.fullAt.Sub(l.now) }

// backend keeps buckets, for any number of nodes exactly.
type backend interface {
	// take charges every bucket, or none when one of them has no room. The levels come in the order of the charges, which
	// must name each key once.
	take(ctx context.Context, charges []charge) ([]level, error)
	// peek reads a bucket, and whether its last hit was refused.
	peek(ctx context.Context, key [keySize]byte) (l level, refused bool, err error)
	// reset empties a bucket.
	reset(ctx context.Context, key [keySize]byte) (level, error)
	// sweep deletes what has expired, from the next pages of wherever it lies, and says how much.
	sweep(ctx context.Context, pages int) (deleted int64, err error)
}

// hasher makes the keys of buckets.
type hasher struct{ key []byte }

func newHasher(hashKey []byte) (hasher, error) {
	if len(hashKey) < minHashKey {
		return hasher{}, fmt.Errorf("throttle: the hash key has %d bytes, want at least %d", len(hashKey), minHashKey)
	}
	return hasher{slices.Clone(hashKey)}, nil
}

// buckets is the table throttle_bucket.
type buckets struct {
	pool    *pgxpool.Pool
	sweeper *sweeper
}

func newBuckets(pool *pgxpool.Pool) (buckets, error) {
	if pool == nil {
		return buckets{}, errors.New("throttle: no database pool")
	}
	return buckets{pool: pool, sweeper: &sweeper{}}, nil
}

// keyOf hashes what is limited. The rule and the period are part of it, so that no two rules ever share a counter.
func (h hasher) keyOf(rule string, period time.Duration, subject string) (key [keySize]byte) {
	mac := hmac.New(sha256.New, h.key)
	fmt.Fprintf(mac, "%q %d ", rule, period.Microseconds()) // quoted: the rule's end is unambiguous
	mac.Write([]byte(subject))
	copy(key[:], mac.Sum(nil))
	return key
}

// planSQL keeps the planner from reading the whole table. A statement is planned once and kept; planned while the table is
// small, it would go on reading all of it when there are a million rows. Sequential scans remain possible where there is no
// other way, at a make-believe cost that would wake the JIT compiler. A generic plan is kept instead of made for each call: its
// parameters change nothing. The settings hold for this transaction alone.
const planSQL = `SELECT set_config('enable_seqscan', 'off', true), set_config('jit', 'off', true), set_config('plan_cache_mode', 'force_generic_plan', true)`

// ensureSQL makes the rows that takeSQL locks. It writes nothing when they are there.
const ensureSQL = `
INSERT INTO throttle_bucket (key, full_at)
SELECT key, '-infinity' FROM unnest($1::bytea[]) AS key ORDER BY key
ON CONFLICT (key) DO NOTHING`

// takeSQL charges all buckets or none (GCRA). It locks the rows first, one by one in the order of their keys, so that two
// requests cannot wait for each other, and reads the clock only after the last lock was granted. It writes by ON CONFLICT,
// which goes by the primary key and to the latest version of a row, whatever the statement's snapshot knows.
const takeSQL = `
WITH want AS MATERIALIZED (
    SELECT key, place, cost * interval '1 microsecond' AS cost, tolerance * interval '1 microsecond' AS tolerance
      FROM unnest($1::bytea[], $2::bigint[], $3::bigint[]) WITH ORDINALITY AS w (key, cost, tolerance, place)
     ORDER BY key
), locked AS MATERIALIZED (
    SELECT w.key, w.place, w.cost, w.tolerance, b.full_at, b.refused
      FROM want w, LATERAL (SELECT full_at, refused FROM throttle_bucket WHERE key = w.key FOR UPDATE) b
), clock AS MATERIALIZED (
    SELECT holdfast_now() AS now, count(*) AS found FROM locked
), judged AS MATERIALIZED (
    SELECT key, place, now, refused, greatest(full_at, now) AS full_at, greatest(full_at, now) + cost AS next,
           greatest(full_at, now) + cost <= now + tolerance AS fits,
           bool_and(greatest(full_at, now) + cost <= now + tolerance) OVER () AND found = cardinality($1::bytea[]) AS passed
      FROM locked, clock
), charged AS (
    INSERT INTO throttle_bucket (key, full_at, refused)
    SELECT key, CASE WHEN passed THEN next ELSE full_at END, NOT passed FROM judged
     WHERE passed OR NOT fits AND NOT refused
    ON CONFLICT (key) DO UPDATE SET full_at = excluded.full_at, refused = excluded.refused
)
SELECT now, CASE WHEN passed THEN next ELSE full_at END, fits, passed FROM judged ORDER BY place`

// take implements backend in one round trip and one implicit transaction.
func (b buckets) take(ctx context.Context, charges []charge) ([]level, error) {
	for range maxAttempts {
		levels, err := b.tryTake(ctx, charges)
		if err != nil {
			return nil, err
		}
		if len(levels) == len(charges) {
			return levels, nil
		}
		// Sweep removed an expired row between the two statements. Nothing was charged.
	}
	return nil, errors.New("throttle: the buckets keep vanishing")
}

func (b buckets) tryTake(ctx context.Context, charges []charge) ([]level, error) {
	keys := make([][]byte, len(charges))
	costs := make([]int64, len(charges))
	tolerances := make([]int64, len(charges))
	for i, c := range charges {
		keys[i] = c.key[:]
		costs[i] = c.pace.cost(c.hits).Microseconds()
		tolerances[i] = c.pace.tolerance.Microseconds()
	}
	batch := &pgx.Batch{}
	batch.Queue(planSQL)
	batch.Queue(ensureSQL, keys)
	batch.Queue(takeSQL, keys, costs, tolerances)
	results := b.pool.SendBatch(ctx, batch)
	defer results.Close() //nolint:errcheck // its error is that of the query, which is looked at

	for range batch.Len() - 1 {
		if _, err := results.Exec(); err != nil {
			return nil, fmt.Errorf("throttle: make buckets: %w", err)
		}
	}
	rows, err := results.Query()
	if err != nil {
		return nil, fmt.Errorf("throttle: take: %w", err)
	}
	levels, err := pgx.CollectRows(rows, scanLevel)
	if err != nil {
		return nil, fmt.Errorf("throttle: take: %w", err)
	}
	if err := results.Close(); err != nil { // the commit
		return nil, fmt.Errorf("throttle: take: %w", err)
	}
	return levels, nil
}

func scanLevel(row pgx.CollectableRow) (l level, err error) {
	err = row.Scan(&l.now, &l.fullAt, &l.fits, &l.passed)
	return l, err
}

const peekSQL = `
SELECT c.now, greatest(b.full_at, c.now), coalesce(b.refused, false)
  FROM (SELECT holdfast_now() AS now OFFSET 0) c LEFT JOIN throttle_bucket b ON b.key = $1`

// peek implements backend.
func (b buckets) peek(ctx context.Context, key [keySize]byte) (l level, refused bool, err error) {
	err = b.pool.QueryRow(ctx, peekSQL, key[:]).Scan(&l.now, &l.fullAt, &refused)
	return l, refused, err
}

const resetSQL = `
WITH gone AS (DELETE FROM throttle_bucket WHERE key = $1)
SELECT holdfast_now()`

// reset implements backend.
func (b buckets) reset(ctx context.Context, key [keySize]byte) (l level, err error) {
	err = b.pool.QueryRow(ctx, resetSQL, key[:]).Scan(&l.now)
	l.fullAt = l.now
	return l, err
}
