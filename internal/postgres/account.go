package postgres

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/holdfast/holdfast/internal/account"
	"github.com/holdfast/holdfast/internal/audit"
	"github.com/holdfast/holdfast/internal/fault"
	"github.com/holdfast/holdfast/internal/postgres/dbsqlc"
	"github.com/holdfast/holdfast/internal/textrule"
)

// Accounts is the account.Store on PostgreSQL.
//
// Two registrations of one name must meet, also when nothing of that name is on file yet and when two nodes hash it under
// different keys while the keys rotate. So a change locks all names it concerns, as advisory locks on their hashes under
// every key, and an import, which has too many of them, locks out the changes of its tenant for the length of one batch.
type Accounts struct{ db *DB }

// NewAccounts makes the store.
func NewAccounts(db *DB) *Accounts { return &Accounts{db: db} }

var _ account.Store = (*Accounts)(nil)

// maxRecoveries bounds the recoveries that are loaded with an account. Those that freeze it come first.
const maxRecoveries = 20

// Changing implements account.Store in two round trips: locks and reads, then writes and COMMIT.
func (s *Accounts) Changing(ctx context.Context, q account.Query, fn func(account.Tx, account.Loaded) error) error {
	for range replays {
		err := s.db.inTx(ctx, func(p *pipeline) error {
			if err := s.lock(ctx, p, q); err != nil {
				return err
			}
			in, err := s.load(ctx, p, q)
			if err != nil {
				return err
			}
			return fn(&accountTx{q: s.db.q, p: p}, in)
		})
		if !errors.Is(err, errReplay) {
			return err
		}
	}
	return fault.Of(fault.CodeIdempotencyInFlight)
}

// lock queues the locks. The recoveries are locked in shared mode: one that is just passing its proofs is waited for, and
// then freezes the account.
func (s *Accounts) lock(ctx context.Context, p *pipeline, q account.Query) error {
	if err := s.db.q.LockTenantShared(ctx, p, importLock(q.Tenant)); err != nil {
		return err
	}
	if err := s.db.q.LockNames(ctx, p, nameLocks(q)); err != nil {
		return err
	}
	if err := s.db.q.LockAccount(ctx, p, dbsqlc.LockAccountParams{TenantID: q.Tenant, RefHashes: q.RefHashes}); err != nil {
		return err
	}
	return s.db.q.ShareRecoveries(ctx, p, dbsqlc.ShareRecoveriesParams{TenantID: q.Tenant, RefHashes: q.RefHashes})
}

// nameLocks are in one order for everybody, so that no two changes wait for each other.
func nameLocks(q account.Query) []int64 {
	var out []int64
	for _, h := range slices.Concat(q.RefHashes, q.IdentifierHashes) {
		out = append(out, int64(binary.BigEndian.Uint64(h))) //nolint:gosec // any 64 bits will do.
	}
	slices.Sort(out)
	return slices.Compact(out)
}

func importLock(tenant string) int64 {
	sum := sha256.Sum256([]byte("holdfast/v1/import-lock/" + tenant))
	return int64(binary.BigEndian.Uint64(sum[:])) //nolint:gosec // any 64 bits will do.
}

// Reading implements account.Store in one round trip.
func (s *Accounts) Reading(ctx context.Context, q account.Query) (account.Loaded, error) {
	in, err := s.load(ctx, s.db.pool, q)
	return in, translate(err, "load account")
}

func (s *Accounts) load(ctx context.Context, on dbsqlc.DBTX, q account.Query) (account.Loaded, error) {
	row, err := s.db.q.LoadAccount(ctx, on, dbsqlc.LoadAccountParams{
		TenantID: q.Tenant, RefHashes: q.RefHashes, IdentifierHashes: q.IdentifierHashes, Recoveries: maxRecoveries,
		IdempotencyLock: lockOf(q.Key), IdempotencyKey: q.Key.ID[:], FailureKind: confirmKind(q.Factor),
	})
	if err != nil {
		return account.Loaded{}, err
	}
	in := account.Loaded{Now: row.Now.UTC(), TenantName: row.TenantName, Taken: row.Taken, Failures: int(row.Failures), Held: row.Held}
	in.Texts = textrule.Tenant{Granted: textrule.Granted{Countries: row.TextCountries, Day: -1}, Own: ownTexts(row.OwnCountries, row.OwnLines)}
	if in.Replay, err = replayOf(q.Key, row.Free, row.Fingerprint, row.Outcome); err != nil {
		return account.Loaded{}, err
	}
	if row.Account != nil {
		a, err := decodeStored(row.Account)
		if err != nil {
			return account.Loaded{}, err
		}
		in.Account = &a
	}
	if err := json.Unmarshal(row.Disabled, &in.Disabled); err != nil {
		return account.Loaded{}, fmt.Errorf("decode disabled methods: %w", err)
	}
	in.Recoveries, err = decodeOpenRecoveries(row.Recoveries)
	return in, err
}

// confirmKind names the counter of a pending factor's wrong codes.
func confirmKind(factor string) string { return "confirm:" + factor }

// Existing implements account.Store.
func (s *Accounts) Existing(ctx context.Context, tenant string, refHashes [][]byte) (time.Time, []account.Stored, error) {
	now, err := s.db.Now(ctx)
	if err != nil {
		return time.Time{}, nil, err
	}
	rows, err := s.db.q.ExistingAccounts(ctx, s.db.pool, dbsqlc.ExistingAccountsParams{TenantID: tenant, RefHashes: refHashes})
	if err != nil {
		return time.Time{}, nil, translate(err, "find accounts")
	}
	out := make([]account.Stored, 0, len(rows))
	for _, raw := range rows {
		a, err := decodeStored(raw)
		if err != nil {
			return time.Time{}, nil, err
		}
		out = append(out, a)
	}
	return now, out, nil
}

// Insert implements account.Store in two round trips. With all changes of the tenant locked out, what it does not find on
// file stays so until COMMIT.
func (s *Accounts) Insert(ctx context.Context, tenant string, fresh []account.Fresh, event func(int) audit.Event) ([]int, error) {
	var left []int
	err := s.db.inTx(ctx, func(p *pipeline) error {
		if err := s.db.q.LockTenant(ctx, p, importLock(tenant)); err != nil {
			return err
		}
		taken, err := s.onFile(ctx, p, tenant, fresh)
		if err != nil {
			return err
		}
		left = nil
		var rows bulk
		for i, f := range fresh {
			if taken.any(f) {
				left = append(left, i)
				continue
			}
			rows.add(f.Stored)
		}
		if len(left) == len(fresh) {
			return nil
		}
		if err := rows.insert(ctx, s.db.q, p, tenant); err != nil {
			return err
		}
		return p.appendEvents(event(len(fresh) - len(left)))
	})
	return left, err
}

type hashSet map[string]bool

func (s hashSet) any(f account.Fresh) bool {
	return slices.ContainsFunc(f.RefHashes, s.has) || slices.ContainsFunc(f.IdentifierHashes, s.has)
}

func (s hashSet) has(h []byte) bool { return s[string(h)] }

func (s *Accounts) onFile(ctx context.Context, p *pipeline, tenant string, fresh []account.Fresh) (hashSet, error) {
	q := dbsqlc.HashesOnFileParams{TenantID: tenant, RefHashes: [][]byte{}, IdentifierHashes: [][]byte{}}
	for _, f := range fresh {
		q.RefHashes = append(q.RefHashes, f.RefHashes...)
		q.IdentifierHashes = append(q.IdentifierHashes, f.IdentifierHashes...)
	}
	hashes, err := s.db.q.HashesOnFile(ctx, p, q)
	if err != nil {
		return nil, err
	}
	set := make(hashSet, len(hashes))
	for _, h := range hashes {
		set[string(h)] = true
	}
	return set, nil
}

// ErasuresDue implements account.Store.
func (s *Accounts) ErasuresDue(ctx context.Context, limit int) ([]account.DueErasure, error) {
	rows, err := s.db.q.ErasuresDue(ctx, s.db.pool, int32(min(limit, 10000))) //nolint:gosec // bounded.
	if err != nil {
		return nil, translate(err, "find erasures")
	}
	out := make([]account.DueErasure, 0, len(rows))
	for _, r := range rows {
		out = append(out, account.DueErasure{Tenant: r.TenantID, RefHash: r.RefHash, By: text(r.ErasureAskedBy)})
	}
	return out, nil
}

// Rewriting implements account.Store.
func (s *Accounts) Rewriting(ctx context.Context, after account.Cursor, limit int, fn func([]account.Located) ([]account.Rewrite, error)) (account.Cursor, error) {
	var next account.Cursor
	err := s.db.inTx(ctx, func(p *pipeline) error {
		from := dbsqlc.LockWalkParams{TenantID: after.Tenant, ID: after.Account, AtMost: int32(min(limit, 10000))} //nolint:gosec // bounded.
		if err := s.db.q.LockWalk(ctx, p, from); err != nil {
			return err
		}
		rows, err := s.db.q.LoadWalk(ctx, p, dbsqlc.LoadWalkParams(from))
		if err != nil {
			return err
		}
		accounts := make([]account.Located, 0, len(rows))
		for _, row := range rows {
			a, err := decodeStored(row.Account)
			if err != nil {
				return err
			}
			accounts = append(accounts, account.Located{Tenant: row.TenantID, Stored: a})
			next = account.Cursor{Tenant: row.TenantID, Account: row.ID}
		}
		if len(accounts) == 0 {
			return nil
		}
		rewrites, err := fn(accounts)
		if err != nil {
			return err
		}
		return s.rewrite(ctx, p, rewrites)
	})
	if err != nil {
		return account.Cursor{}, err
	}
	return next, nil
}

func (s *Accounts) rewrite(ctx context.Context, p *pipeline, rewrites []account.Rewrite) error {
	for _, w := range rewrites {
		err := s.db.q.RewrapAccount(ctx, p, dbsqlc.RewrapAccountParams{TenantID: w.Tenant, ID: w.Account, DataKey: w.DataKey, RefHash: w.RefHash})
		if err != nil {
			return err
		}
		for _, id := range w.Identifiers {
			err := s.db.q.RehashIdentifier(ctx, p, dbsqlc.RehashIdentifierParams{TenantID: w.Tenant, AccountID: w.Account, OldHash: id.From, NewHash: id.To})
			if err != nil {
				return err
			}
		}
		for _, c := range w.Channels {
			err := s.db.q.RehashChannel(ctx, p, dbsqlc.RehashChannelParams{TenantID: w.Tenant, AccountID: w.Account, ID: c.Channel, NewHash: c.To})
			if err != nil {
				return err
			}
		}
	}
	return nil
}

type storedJSON struct {
	ID          string   `json:"id"`
	Population  string   `json:"population"`
	AAL         int      `json:"aal"`
	IAL         int      `json:"ial"`
	Locale      string   `json:"locale"`
	CreatedAt   moment   `json:"created_at"`
	ChangedAt   moment   `json:"changed_at"`
	RefHash     hexBytes `json:"ref_hash"`
	RefSealed   hexBytes `json:"ref_sealed"`
	DataKey     hexBytes `json:"data_key"`
	Identifiers []struct {
		Hash   hexBytes `json:"hash"`
		Type   string   `json:"type"`
		Sealed hexBytes `json:"sealed"`
	} `json:"identifiers"`
	Channels []struct {
		ID        string   `json:"id"`
		Kind      string   `json:"kind"`
		Hash      hexBytes `json:"hash"`
		Sealed    hexBytes `json:"sealed"`
		Since     moment   `json:"since"`
		RemovedAt moment   `json:"removed_at"`
		SuspectAt moment   `json:"suspect_at"`
	} `json:"channels"`
	Factors []struct {
		ID          string   `json:"id"`
		Kind        string   `json:"kind"`
		Sealed      hexBytes `json:"sealed"`
		EnrolledAt  moment   `json:"enrolled_at"`
		ConfirmedAt moment   `json:"confirmed_at"`
		SuspectAt   moment   `json:"suspect_at"`
	} `json:"factors"`
	SavedLeft int    `json:"saved_left"`
	ErasureAt moment `json:"erasure_asked_at"`
}

func decodeStored(raw []byte) (account.Stored, error) {
	var j storedJSON
	if err := json.Unmarshal(raw, &j); err != nil {
		return account.Stored{}, fmt.Errorf("decode account: %w", err)
	}
	a := account.Stored{
		ID: j.ID, Profile: account.Profile{Population: j.Population, AAL: j.AAL, IAL: j.IAL, Locale: j.Locale},
		CreatedAt: j.CreatedAt.Time, ChangedAt: j.ChangedAt.Time, RefHash: j.RefHash, RefSealed: j.RefSealed, DataKey: j.DataKey, SavedLeft: j.SavedLeft,
		ErasureAskedAt: j.ErasureAt.Time,
	}
	for _, i := range j.Identifiers {
		a.Identifiers = append(a.Identifiers, account.StoredIdentifier{Hash: i.Hash, Type: i.Type, Sealed: i.Sealed})
	}
	for _, c := range j.Channels {
		a.Channels = append(a.Channels, account.StoredChannel{
			ID: c.ID, Kind: c.Kind, Hash: c.Hash, Sealed: c.Sealed, Since: c.Since.Time, RemovedAt: c.RemovedAt.Time, SuspectAt: c.SuspectAt.Time,
		})
	}
	for _, f := range j.Factors {
		a.Factors = append(a.Factors, account.StoredFactor{
			ID: f.ID, Kind: f.Kind, Sealed: f.Sealed, EnrolledAt: f.EnrolledAt.Time, ConfirmedAt: f.ConfirmedAt.Time, Suspect: !f.SuspectAt.IsZero(),
		})
	}
	return a, nil
}

func decodeOpenRecoveries(raw []byte) ([]account.Recovery, error) {
	var rows []struct {
		ID             string `json:"id"`
		State          string `json:"state"`
		Proven         bool   `json:"proven"`
		Disputed       bool   `json:"disputed"`
		CreatedAt      moment `json:"created_at"`
		NotBefore      moment `json:"not_before"`
		ExpiresAt      moment `json:"expires_at"`
		CompletedAt    moment `json:"completed_at"`
		ProbationUntil moment `json:"probation_until"`
		ClosedAt       moment `json:"closed_at"`
	}
	if err := json.Unmarshal(raw, &rows); err != nil {
		return nil, fmt.Errorf("decode recoveries: %w", err)
	}
	out := make([]account.Recovery, 0, len(rows))
	for _, r := range rows {
		out = append(out, account.Recovery{
			ID: r.ID, State: r.State, Proven: r.Proven, Disputed: r.Disputed, CreatedAt: r.CreatedAt.Time, NotBefore: r.NotBefore.Time,
			ExpiresAt: r.ExpiresAt.Time, CompletedAt: r.CompletedAt.Time, ProbationUntil: r.ProbationUntil.Time, ClosedAt: r.ClosedAt.Time,
		})
	}
	return out, nil
}
