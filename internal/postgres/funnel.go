package postgres

import (
	"bytes"
	"context"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/holdfast/holdfast/internal/abuse"
	"github.com/holdfast/holdfast/internal/secret"
)

var _ abuse.FunnelStore = (*Abuse)(nil)

// funnelWithin bounds one reading, so that a large tenant's curiosity costs no other its connections.
const funnelWithin = 5 * time.Second

// funnel sums the recoveries of tenant $1 from the id $2 on: a range of the primary key. A recovery's first proof gives its
// method.
const funnel = `
SELECT date_trunc('day', r.created_at AT TIME ZONE 'UTC') AT TIME ZONE 'UTC' AS day, r.tier, coalesce(e.method, 'none') AS method,
       count(*) AS started, count(e.method) AS proven, count(r.held_at) AS held,
       count(*) FILTER (WHERE EXISTS (SELECT 1 FROM objection o WHERE o.tenant_id = r.tenant_id AND o.recovery_id = r.id)) AS objected,
       count(r.completed_at) AS completed,
       count(*) FILTER (WHERE r.completed_at IS NULL AND r.state IN ('expired', 'cancelled')) AS abandoned,
       coalesce(percentile_cont(0.5) WITHIN GROUP (ORDER BY extract(epoch FROM e.accepted_at - r.created_at)), 0)::float8,
       coalesce(percentile_cont(0.95) WITHIN GROUP (ORDER BY extract(epoch FROM e.accepted_at - r.created_at)), 0)::float8,
       coalesce(percentile_cont(0.5) WITHIN GROUP (ORDER BY extract(epoch FROM r.completed_at - r.created_at)), 0)::float8,
       coalesce(percentile_cont(0.95) WITHIN GROUP (ORDER BY extract(epoch FROM r.completed_at - r.created_at)), 0)::float8
  FROM recovery r
  LEFT JOIN LATERAL (SELECT x.method, x.accepted_at FROM evidence x
                      WHERE x.tenant_id = r.tenant_id AND x.recovery_id = r.id ORDER BY x.accepted_at, x.challenge_id LIMIT 1) e ON true
 WHERE r.tenant_id = $1 AND r.id >= $2 AND r.account_id IS NOT NULL
 GROUP BY 1, 2, 3 ORDER BY 1 DESC, 2, 3 LIMIT 2000`

// Funnel implements abuse.FunnelStore.
func (s *Abuse) Funnel(ctx context.Context, tenant string, days int) ([]abuse.FunnelRow, error) {
	now, err := s.db.Now(ctx)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, funnelWithin)
	defer cancel()
	from := now.Truncate(24*time.Hour).AddDate(0, 0, 1-days)
	rows, err := s.db.pool.Query(ctx, funnel, tenant, secret.NewID("rcv", from, bytes.NewReader(make([]byte, 16))))
	if err != nil {
		return nil, translate(err, "read funnel")
	}
	out, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (abuse.FunnelRow, error) {
		var r abuse.FunnelRow
		var seconds [4]float64
		err := row.Scan(&r.Day, &r.Tier, &r.Method, &r.Started, &r.Proven, &r.Held, &r.Objected, &r.Completed, &r.Abandoned,
			&seconds[0], &seconds[1], &seconds[2], &seconds[3])
		for i, to := range []*time.Duration{&r.ProvenHalf, &r.ProvenMost, &r.CompletedHalf, &r.CompletedMost} {
			*to = time.Duration(seconds[i] * float64(time.Second))
		}
		r.Day = r.Day.UTC()
		return r, err
	})
	return out, translate(err, "read funnel")
}
