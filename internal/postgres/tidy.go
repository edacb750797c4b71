package postgres

import "context"

// ForgetAnswers deletes answers whose Idempotency-Key has expired, at most atMost of them, and says how many.
func (db *DB) ForgetAnswers(ctx context.Context, atMost int32) (int64, error) {
	n, err := db.q.ForgetAnswers(ctx, db.pool, atMost)
	return n, translate(err, "forget answers")
}
