package postgres

import (
	"context"
	"encoding/binary"
	"errors"
	"time"

	"github.com/holdfast/holdfast/internal/factor"
	"github.com/holdfast/holdfast/internal/fault"
	"github.com/holdfast/holdfast/internal/idempotency"
	"github.com/holdfast/holdfast/internal/postgres/dbsqlc"
	"github.com/holdfast/holdfast/internal/recovery"
)

// Recoveries is the recovery.Store on PostgreSQL.
type Recoveries struct{ db *DB }

// NewRecoveries makes the store.
func NewRecoveries(db *DB) *Recoveries { return &Recoveries{db: db} }

var _ recovery.Store = (*Recoveries)(nil)

// replays bounds how often a transaction is run again because of its Idempotency-Key: the second time finds the answer.
const replays = 3

// again runs fn in a transaction, and once more when a request with the same Idempotency-Key committed meanwhile.
func (s *Recoveries) again(ctx context.Context, fn func(*tx) error) error {
	for range replays {
		err := s.db.inTx(ctx, func(p *pipeline) error { return fn(&tx{q: s.db.q, p: p}) })
		if !errors.Is(err, errReplay) {
			return err
		}
	}
	return fault.Of(fault.CodeIdempotencyInFlight)
}

// Starting implements recovery.Store in two round trips: one to begin and read, one to write and commit.
func (s *Recoveries) Starting(ctx context.Context, q recovery.StartQuery, fn func(recovery.Tx, recovery.StartFacts) error) error {
	return s.again(ctx, func(t *tx) error {
		row, err := t.q.LoadStart(ctx, t.p, dbsqlc.LoadStartParams{
			TenantID: q.Tenant, Hashes: q.IdentifierHashes, IdempotencyLock: lockOf(q.Key), IdempotencyKey: q.Key.ID[:], DecoySubject: q.DecoySubject,
		})
		if err != nil {
			return translate(err, "load start")
		}
		in := recovery.StartFacts{Now: row.Now.UTC()}
		if in.Replay, err = replayOf(q.Key, row.Free, row.Fingerprint, row.Outcome); err != nil {
			return err
		}
		if in.Account, err = decodeAccount(row.Account, row.Known); err != nil {
			return err
		}
		if in.History, err = decodeHistory(row.History); err != nil {
			return err
		}
		return fn(t, in)
	})
}

// Changing implements recovery.Store. The locks, the reads and BEGIN are one round trip; the reads see what the locks
// waited for, because each statement has its own snapshot. The recovery's lock lets foreign keys to it pass: the sender adds
// notices while it holds the challenge, and would otherwise wait for an answer that waits for it.
func (s *Recoveries) Changing(ctx context.Context, q recovery.Query, fn func(recovery.Tx, recovery.Loaded) error) error {
	return s.again(ctx, func(t *tx) error {
		id := optional(q.ID)
		if err := t.q.LockRecovery(ctx, t.p, dbsqlc.LockRecoveryParams{TenantID: q.Tenant, ID: id, GrantHash: q.GrantHash}); err != nil {
			return err
		}
		if len(q.OpenCounters) > 0 {
			if err := t.q.OpenCounters(ctx, t.p, dbsqlc.OpenCountersParams{TenantID: q.Tenant, RecoveryID: q.ID, Kinds: q.OpenCounters}); err != nil {
				return err
			}
		}
		if len(q.Counters) > 0 && q.ID != "" {
			if err := t.q.LockCounters(ctx, t.p, dbsqlc.LockCountersParams{TenantID: q.Tenant, RecoveryID: q.ID, Kinds: q.Counters}); err != nil {
				return err
			}
		}
		in, err := s.load(ctx, t.p, q)
		if err != nil {
			return err
		}
		if q.Seat {
			if in.Seat, err = t.seat(ctx, q); err != nil {
				return err
			}
		}
		return fn(t, in)
	})
}

// Reading implements recovery.Store in one round trip.
func (s *Recoveries) Reading(ctx context.Context, q recovery.Query) (recovery.Loaded, error) {
	return s.load(ctx, s.db.pool, q)
}

func (s *Recoveries) load(ctx context.Context, on dbsqlc.DBTX, q recovery.Query) (recovery.Loaded, error) {
	kinds := q.Counters
	if kinds == nil {
		kinds = []string{}
	}
	row, err := s.db.q.LoadRecovery(ctx, on, dbsqlc.LoadRecoveryParams{
		TenantID: q.Tenant, ID: optional(q.ID), GrantHash: q.GrantHash, IdempotencyLock: lockOf(q.Key), IdempotencyKey: q.Key.ID[:],
		Kinds: kinds, SavedPrefix: optional(q.SavedPrefix),
	})
	if err != nil {
		return recovery.Loaded{}, translate(err, "load recovery")
	}
	return decodeLoaded(row, q.Key)
}

// SavedCode implements recovery.Store.
func (s *Recoveries) SavedCode(ctx context.Context, tenant, id, challenge, prefix string) (recovery.SavedLookup, error) {
	row, err := s.db.q.FindSavedCode(ctx, s.db.pool, dbsqlc.FindSavedCodeParams{TenantID: tenant, Prefix: prefix, RecoveryID: id, ChallengeID: challenge})
	err = translate(err, "find saved code")
	if fault.CodeOf(err) == fault.CodeNotFound {
		return recovery.SavedLookup{}, nil
	}
	return recovery.SavedLookup{PHC: row.Phc, ClaimantHash: row.ClaimantHash, Method: factor.Method(row.Method), Resting: row.Resting}, err
}

// ObjectionTarget implements recovery.Store.
func (s *Recoveries) ObjectionTarget(ctx context.Context, tokenHash []byte) (recovery.ObjectionTarget, error) {
	row, err := s.db.q.FindObjection(ctx, s.db.pool, tokenHash)
	err = translate(err, "find objection link")
	if fault.CodeOf(err) == fault.CodeNotFound || (err == nil && row.RecoveryID == nil) {
		return recovery.ObjectionTarget{}, fault.Of(fault.CodeObjectionRefused)
	}
	if err != nil {
		return recovery.ObjectionTarget{}, err
	}
	return recovery.ObjectionTarget{
		Tenant: row.TenantID, Recovery: *row.RecoveryID, Channel: row.ChannelID, TenantName: row.Name, Support: row.SupportContact,
	}, nil
}

// ClaimTarget implements recovery.Store.
func (s *Recoveries) ClaimTarget(ctx context.Context, tenant string, tokenHash []byte) (recovery.ClaimTarget, error) {
	row, err := s.db.q.FindClaim(ctx, s.db.pool, dbsqlc.FindClaimParams{ClaimHash: tokenHash, TenantID: tenant})
	err = translate(err, "find claim link")
	if fault.CodeOf(err) == fault.CodeNotFound || (err == nil && row.RecoveryID == nil) {
		return recovery.ClaimTarget{}, fault.Of(fault.CodeClaimRefused)
	}
	if err != nil {
		return recovery.ClaimTarget{}, err
	}
	return recovery.ClaimTarget{Recovery: *row.RecoveryID, Channel: row.ChannelID, Notice: row.ID}, nil
}

// seat loads the claimant's seat under the recovery's lock; nil where there is none to take.
func (t *tx) seat(ctx context.Context, q recovery.Query) (*recovery.Seat, error) {
	row, err := t.q.LoadSeat(ctx, t.p, dbsqlc.LoadSeatParams{TenantID: q.Tenant, RecoveryID: q.ID})
	err = translate(err, "load seat")
	if fault.CodeOf(err) == fault.CodeNotFound {
		return nil, nil //nolint:nilnil // the claimant started it.
	}
	if err != nil {
		return nil, err
	}
	return &recovery.Seat{ExpiresAt: row.ExpiresAt.UTC(), TakenAt: instant(row.TakenAt)}, nil
}

// OpenRecoveries implements recovery.Store.
func (s *Recoveries) OpenRecoveries(ctx context.Context, tenant, id string, refHashes [][]byte) ([]string, error) {
	ids, err := s.db.q.FindOpenRecoveries(ctx, s.db.pool, dbsqlc.FindOpenRecoveriesParams{TenantID: tenant, ID: optional(id), RefHashes: refHashes})
	return ids, translate(err, "find open recoveries")
}

// Due implements recovery.Store.
func (s *Recoveries) Due(ctx context.Context, atMost int) ([]recovery.DueRecovery, error) {
	rows, err := s.db.q.DueRecoveries(ctx, s.db.pool, int32(min(atMost, 10000))) //nolint:gosec // bounded.
	if err != nil {
		return nil, translate(err, "find due recoveries")
	}
	out := make([]recovery.DueRecovery, 0, len(rows))
	for _, r := range rows {
		out = append(out, recovery.DueRecovery{Tenant: r.TenantID, ID: r.ID})
	}
	return out, nil
}

// lockOf is the advisory lock that tells two requests with one Idempotency-Key apart from a retry.
func lockOf(k idempotency.Key) int64 {
	return int64(binary.BigEndian.Uint64(k.ID[:8])) //nolint:gosec // any 64 bits will do.
}

// replayOf gives the stored answer, nil when there is none yet, or CodeIdempotencyInFlight while the first request works.
func replayOf(k idempotency.Key, free bool, fingerprint, outcome []byte) (*idempotency.Record, error) {
	if k.IsZero() {
		return nil, nil //nolint:nilnil // nothing is remembered without a key.
	}
	if outcome != nil {
		rec := &idempotency.Record{Key: k.ID, Outcome: outcome}
		copy(rec.Fingerprint[:], fingerprint)
		return rec, nil
	}
	if !free {
		return nil, fault.Of(fault.CodeIdempotencyInFlight)
	}
	return nil, nil //nolint:nilnil // the first request with this key.
}

// rememberFor is how long an answer is kept for a retry: the published expiry of an Idempotency-Key.
const rememberFor = 24 * time.Hour
