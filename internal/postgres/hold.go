package postgres

import (
	"context"
	"time"

	"github.com/holdfast/holdfast/internal/audit"
	"github.com/holdfast/holdfast/internal/fault"
	"github.com/holdfast/holdfast/internal/postgres/dbsqlc"
)

// Hold keeps retention and erasure from an account, or from all of a tenant when Account is empty.
type Hold struct {
	Tenant, Account, Reason string
	Since                   time.Time
}

// SetHold begins a hold, with its event. It is fault.CodeConflict when there is one already.
func (db *DB) SetHold(ctx context.Context, by audit.Actor, h Hold) error {
	return db.hold(ctx, by, h, audit.HoldSet, func(p *pipeline) (int64, error) {
		return db.q.SetLegalHold(ctx, p, dbsqlc.SetLegalHoldParams{TenantID: h.Tenant, AccountID: h.Account, Reason: h.Reason})
	}, fault.CodeConflict)
}

// LiftHold ends a hold, with its event: what is past its time goes with the next round. It is fault.CodeNotFound when there is none.
func (db *DB) LiftHold(ctx context.Context, by audit.Actor, tenant, account string) error {
	return db.hold(ctx, by, Hold{Tenant: tenant, Account: account}, audit.HoldLifted, func(p *pipeline) (int64, error) {
		return db.q.LiftLegalHold(ctx, p, dbsqlc.LiftLegalHoldParams{TenantID: tenant, AccountID: account})
	}, fault.CodeNotFound)
}

func (db *DB) hold(ctx context.Context, by audit.Actor, h Hold, action audit.Action, write func(*pipeline) (int64, error), none fault.Code) error {
	subject := h.Account
	if subject == "" {
		subject = h.Tenant
	}
	err := db.inTx(ctx, func(p *pipeline) error {
		now, err := db.q.Now(ctx, p)
		if err != nil {
			return err
		}
		n, err := write(p)
		if err != nil {
			return err
		}
		if n == 0 {
			return fault.Of(none)
		}
		now = now.UTC()
		return p.appendEvents(audit.Event{
			ID: newEventID(now), Tenant: h.Tenant, At: now, Actor: by, Action: action, Subject: subject, Outcome: audit.Success,
		})
	})
	return fault.Wrap(err, "change legal hold")
}

// Holds lists the holds that last.
func (db *DB) Holds(ctx context.Context) ([]Hold, error) {
	rows, err := db.q.ListLegalHolds(ctx, db.pool)
	if err != nil {
		return nil, translate(err, "list legal holds")
	}
	out := make([]Hold, 0, len(rows))
	for _, r := range rows {
		out = append(out, Hold{Tenant: r.TenantID, Account: r.AccountID, Reason: r.Reason, Since: r.SetAt.UTC()})
	}
	return out, nil
}
