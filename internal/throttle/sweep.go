package throttle

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
)

// sweeper remembers where the last sweep ended.
type sweeper struct{ nextPage atomic.Int64 }

// sweepSQL deletes the expired rows of a range of pages. It waits for nobody: a row that a request holds is not expired.
const sweepSQL = `
WITH span AS MATERIALIZED (
    SELECT CASE WHEN $1 < pages THEN $1 ELSE 0 END AS first
      FROM (SELECT pg_relation_size('throttle_bucket') / current_setting('block_size')::bigint AS pages) size
), expired AS MATERIALIZED (
    SELECT ctid FROM throttle_bucket
     WHERE ctid >= (SELECT format('(%s,0)', first)::tid FROM span)
       AND ctid < (SELECT format('(%s,0)', first + $2)::tid FROM span)
       AND full_at <= (SELECT holdfast_now())
       FOR UPDATE SKIP LOCKED
), gone AS (
    DELETE FROM throttle_bucket WHERE ctid = ANY (ARRAY(SELECT ctid FROM expired)) RETURNING 1
)
SELECT (SELECT count(*) FROM gone), (SELECT first FROM span) + $2`

// Sweep deletes expired rows from the next pages of the table (of 8 KiB, about 60 rows each) and gives how many it deleted. Calls
// walk the table round and round, so the work of one is bounded whatever the table's size, and no index is needed. An
// expired row means the same as none: sweeping saves space and changes no verdict. Redis forgets by itself.
func (l *Limits) Sweep(ctx context.Context, pages int) (deleted int64, err error) {
	if pages < 1 {
		return 0, errors.New("throttle: sweep needs at least one page")
	}
	return l.buckets.sweep(ctx, pages)
}

// sweep implements backend.
func (b buckets) sweep(ctx context.Context, pages int) (deleted int64, err error) {
	var next int64
	row := b.pool.QueryRow(ctx, sweepSQL, b.sweeper.nextPage.Load(), int64(pages))
	if err := row.Scan(&deleted, &next); err != nil {
		return 0, fmt.Errorf("throttle: sweep: %w", err)
	}
	b.sweeper.nextPage.Store(next)
	return deleted, nil
}
