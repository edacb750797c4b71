package postgres

import (
	"context"
	"time"

	"github.com/holdfast/holdfast/internal/audit"
	"github.com/holdfast/holdfast/internal/idempotency"
	"github.com/holdfast/holdfast/internal/postgres/dbsqlc"
)

// Report implements credential.Store.
func (s *Credentials) Report(ctx context.Context, e func(now time.Time) audit.Event) error {
	return s.db.inTx(ctx, func(p *pipeline) error {
		now, err := s.db.q.Now(ctx, p)
		if err != nil {
			return err
		}
		return p.appendEvents(e(now.UTC()))
	})
}

// Answered implements credential.Tx.
func (t *credentialTx) Answered(ctx context.Context, key idempotency.Key) (*idempotency.Record, error) {
	row, err := t.q.FindAnswer(ctx, t.p, dbsqlc.FindAnswerParams{IdempotencyLock: lockOf(key), IdempotencyKey: key.ID[:]})
	if err != nil {
		return nil, err
	}
	return replayOf(key, row.Free, row.Fingerprint, row.Outcome)
}

// Remember implements credential.Tx.
func (t *credentialTx) Remember(ctx context.Context, r idempotency.Record, now time.Time) error {
	return t.q.Remember(ctx, t.p, dbsqlc.RememberParams{Key: r.Key[:], Fingerprint: r.Fingerprint[:], Outcome: r.Outcome, ExpiresAt: now.Add(rememberFor)})
}
