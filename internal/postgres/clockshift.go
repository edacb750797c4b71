package postgres

import (
	"context"
	"time"
)

// AdvanceClock shifts the one clock by a duration, for development and tests. The service's role may not (00006_roles.sql).
func (db *DB) AdvanceClock(ctx context.Context, by time.Duration) error {
	return translate(db.q.AdvanceClock(ctx, db.pool, by), "advance the clock")
}
