package postgres

import (
	"context"
	"time"

	"github.com/holdfast/holdfast/internal/fault"
	"github.com/holdfast/holdfast/internal/postgres/dbsqlc"
	"github.com/holdfast/holdfast/internal/recovery"
	"github.com/holdfast/holdfast/internal/support"
)

// Cases is the support.Store on PostgreSQL. A case is locked by its recovery's row: there is one order of locks, and whoever
// changes either waits for whoever changes the other.
type Cases struct {
	db         *DB
	recoveries *Recoveries
}

// NewCases makes the store.
func NewCases(db *DB) *Cases { return &Cases{db: db, recoveries: NewRecoveries(db)} }

var _ support.Store = (*Cases)(nil)

// caseTx is support.Tx.
type caseTx struct{ *tx }

func (s *Cases) again(ctx context.Context, fn func(*caseTx) error) error {
	return s.recoveries.again(ctx, func(t *tx) error { return fn(&caseTx{t}) })
}

// Opening implements support.Store.
func (s *Cases) Opening(ctx context.Context, q support.OpenQuery, fn func(support.Tx, support.Loaded) error) error {
	id := q.Recovery
	if id == "" {
		var err error
		if id, err = s.db.q.FindRecoveryByReference(ctx, s.db.pool, dbsqlc.FindRecoveryByReferenceParams{TenantID: q.Tenant, Reference: q.Reference}); err != nil {
			return translate(err, "find recovery by reference")
		}
	}
	return s.again(ctx, func(t *caseTx) error {
		if err := t.q.LockRecovery(ctx, t.p, dbsqlc.LockRecoveryParams{TenantID: q.Tenant, ID: &id}); err != nil {
			return err
		}
		in := support.Loaded{}
		var err error
		if in.Recovery, err = s.recoveries.load(ctx, t.p, recovery.Query{Tenant: q.Tenant, ID: id, Key: q.Key}); err != nil {
			return err
		}
		found, err := t.q.CaseOf(ctx, t.p, dbsqlc.CaseOfParams{TenantID: q.Tenant, RecoveryID: id})
		switch err = translate(err, "find case"); {
		case fault.CodeOf(err) == fault.CodeNotFound:
		case err != nil:
			return err
		default:
			if err := s.loadCase(ctx, t.p, support.Query{Tenant: q.Tenant, Case: found, Person: q.Person}, &in); err != nil {
				return err
			}
		}
		if err := s.loadHolder(ctx, t.p, q.Tenant, &in); err != nil {
			return err
		}
		if in.Past, err = s.before(ctx, t.p, q.Tenant, id); err != nil {
			return err
		}
		return fn(t, in)
	})
}

// before is what the recovery's cases leave to the next one.
func (s *Cases) before(ctx context.Context, p *pipeline, tenant, id string) (support.Past, error) {
	row, err := s.db.q.CasesBefore(ctx, p, dbsqlc.CasesBeforeParams{TenantID: tenant, RecoveryID: id})
	if err != nil {
		return support.Past{}, translate(err, "load the cases before")
	}
	return support.Past{
		People: row.People, FlaggedAt: instant(row.FlaggedAt), FlagReason: support.FlagReason(row.FlagReason), AIInvolved: row.AiInvolved,
	}, nil
}

// Starting implements support.Store.
func (s *Cases) Starting(ctx context.Context, q support.StartQuery, fn func(support.Tx, support.StartFacts) error) error {
	return s.again(ctx, func(t *caseTx) error {
		row, err := t.q.LoadAccountStart(ctx, t.p, dbsqlc.LoadAccountStartParams{
			TenantID: q.Tenant, RefHashes: q.RefHashes, DecoySubject: q.Decoy, IdempotencyLock: lockOf(q.Key), IdempotencyKey: q.Key.ID[:],
		})
		if err != nil {
			return translate(err, "load account")
		}
		in := support.StartFacts{Now: row.Now.UTC(), Page: row.HasPage}
		if in.Replay, err = replayOf(q.Key, row.Free, row.Fingerprint, row.Outcome); err != nil {
			return err
		}
		if in.Account, err = decodeAccount(row.Account, row.ID != ""); err != nil {
			return err
		}
		if in.History, err = decodeHistory(row.History); err != nil {
			return err
		}
		if in.Account == nil {
			return fn(t, in)
		}
		if in.Holder, err = s.holder(ctx, t.p, q.Tenant, row.ID); err != nil {
			return err
		}
		return fn(t, in)
	})
}

// Changing implements support.Store.
func (s *Cases) Changing(ctx context.Context, q support.Query, fn func(support.Tx, support.Loaded) error) error {
	return s.again(ctx, func(t *caseTx) error {
		if err := t.q.LockCase(ctx, t.p, dbsqlc.LockCaseParams{TenantID: q.Tenant, ID: q.Case}); err != nil {
			return err
		}
		in := support.Loaded{}
		if err := s.loadCase(ctx, t.p, q, &in); err != nil {
			return err
		}
		id := in.Case.Recovery
		if len(q.Counters) > 0 {
			if err := t.q.OpenCounters(ctx, t.p, dbsqlc.OpenCountersParams{TenantID: q.Tenant, RecoveryID: id, Kinds: q.Counters}); err != nil {
				return err
			}
			if err := t.q.LockCounters(ctx, t.p, dbsqlc.LockCountersParams{TenantID: q.Tenant, RecoveryID: id, Kinds: q.Counters}); err != nil {
				return err
			}
		}
		return s.loadRest(ctx, t, q, in, fn)
	})
}

// Reading implements support.Store.
func (s *Cases) Reading(ctx context.Context, q support.Query, fn func(support.Tx, support.Loaded) error) error {
	return s.again(ctx, func(t *caseTx) error {
		in := support.Loaded{}
		if err := s.loadCase(ctx, t.p, q, &in); err != nil {
			return err
		}
		return s.loadRest(ctx, t, q, in, fn)
	})
}

// loadRest loads what lies around a loaded case, and runs fn.
func (s *Cases) loadRest(ctx context.Context, t *caseTx, q support.Query, in support.Loaded, fn func(support.Tx, support.Loaded) error) error {
	var err error
	in.Recovery, err = s.recoveries.load(ctx, t.p, recovery.Query{Tenant: q.Tenant, ID: in.Case.Recovery, Counters: q.Counters, Key: q.Key})
	if err != nil {
		return err
	}
	if err := s.loadHolder(ctx, t.p, q.Tenant, &in); err != nil {
		return err
	}
	return fn(t, in)
}

// Listing implements support.Store.
func (s *Cases) Listing(ctx context.Context, q support.ListQuery, fn func(support.Tx, support.List) error) error {
	return s.again(ctx, func(t *caseTx) error {
		now, err := t.q.Now(ctx, t.p)
		if err != nil {
			return err
		}
		rows, err := t.q.ListCases(ctx, t.p, dbsqlc.ListCasesParams{TenantID: q.Tenant, Person: q.Person, Now: now})
		if err != nil {
			return err
		}
		out := support.List{Now: now.UTC(), Cases: make([]support.Listed, 0, len(rows))}
		for _, row := range rows {
			state, err := support.ParseState(row.State)
			if err != nil {
				return err
			}
			out.Cases = append(out.Cases, support.Listed{
				ID: row.ID, Reference: row.Reference, State: state, Recovery: recovery.State(row.RecoveryState), Flagged: row.FlaggedAt != nil,
				Assigned: row.ProposalID != "", Proposal: row.ProposalID, CreatedAt: row.CreatedAt.UTC(), ExpiresAt: row.ExpiresAt.UTC(),
			})
		}
		return fn(t, out)
	})
}

// Assigning implements support.Store. One lock for a tenant's queue keeps a proposal from being handed to more people than wait
// for it.
func (s *Cases) Assigning(ctx context.Context, q support.ListQuery, fn func(support.Tx, support.Queue) error) error {
	return s.again(ctx, func(t *caseTx) error {
		if err := t.q.LockQueue(ctx, t.p, q.Tenant); err != nil {
			return err
		}
		now, err := t.q.Now(ctx, t.p)
		if err != nil {
			return err
		}
		out := support.Queue{Now: now.UTC()}
		held, err := t.q.HeldAssignment(ctx, t.p, dbsqlc.HeldAssignmentParams{TenantID: q.Tenant, Person: q.Person, Now: now})
		switch err = translate(err, "find assignment"); {
		case fault.CodeOf(err) == fault.CodeNotFound:
		case err != nil:
			return err
		default:
			out.Current = &support.Waiting{Case: held.CaseID, Proposal: held.ID, Security: held.Security, ExpiresAt: held.ExpiresAt.UTC()}
		}
		rows, err := t.q.WaitingProposals(ctx, t.p, dbsqlc.WaitingProposalsParams{TenantID: q.Tenant, Person: q.Person, Names: goesBy(q), Now: now})
		if err != nil {
			return err
		}
		for _, row := range rows {
			out.Waiting = append(out.Waiting, support.Waiting{Case: row.CaseID, Proposal: row.ID, Recovery: row.RecoveryID, Security: row.Security, ExpiresAt: row.ExpiresAt.UTC()})
		}
		return fn(t, out)
	})
}

// goesBy is all that a person goes by.
func goesBy(q support.ListQuery) []string {
	if q.Account == "" {
		return []string{q.Person}
	}
	return []string{q.Person, q.Account}
}

// Noting implements support.Store.
func (s *Cases) Noting(ctx context.Context, fn func(support.Tx, time.Time) error) error {
	return s.again(ctx, func(t *caseTx) error {
		now, err := t.q.Now(ctx, t.p)
		if err != nil {
			return err
		}
		return fn(t, now.UTC())
	})
}

// Stale implements support.Store.
func (s *Cases) Stale(ctx context.Context, atMost int) ([]support.Query, error) {
	rows, err := s.db.q.StaleCases(ctx, s.db.pool, int32(min(atMost, 10000))) //nolint:gosec // bounded.
	if err != nil {
		return nil, translate(err, "find stale cases")
	}
	out := make([]support.Query, 0, len(rows))
	for _, row := range rows {
		out = append(out, support.Query{Tenant: row.TenantID, Case: row.ID})
	}
	return out, nil
}
