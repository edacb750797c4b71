package postgres

import (
	"context"

	"github.com/holdfast/holdfast/internal/postgres/dbsqlc"
)

// ForgetAnswers deletes answers whose Idempotency-Key has expired, at most atMost of them, and says how many.
func (db *DB) ForgetAnswers(ctx context.Context, atMost int32) (int64, error) {
	n, err := db.q.ForgetAnswers(ctx, db.pool, atMost)
	return n, translate(err, "forget answers")
}

// ForgetDeliveries deletes what providers reported of messages once it is of no use any more: their names for messages lead
// to the numbers at the provider's. What became of a message stays in its notice and in the trail. At most atMost rows of
// a kind go at once; it says how many went of the kind with the most.
func (db *DB) ForgetDeliveries(ctx context.Context, atMost int32) (int64, error) {
	var most int64
	for _, forget := range []func(context.Context, dbsqlc.DBTX, int32) (int64, error){db.q.ForgetDeliveries, db.q.ForgetReports, db.q.ForgetReplies} {
		n, err := forget(ctx, db.pool, atMost)
		if err != nil {
			return most, translate(err, "forget deliveries")
		}
		most = max(most, n)
	}
	return most, nil
}

// ForgetAssertions deletes what was kept of assertions that are over, at most atMost of them, and says how many.
func (db *DB) ForgetAssertions(ctx context.Context, atMost int32) (int64, error) {
	n, err := db.q.ForgetAssertions(ctx, db.pool, atMost)
	return n, translate(err, "forget assertions")
}
