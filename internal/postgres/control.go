package postgres

import (
	"context"
	"time"

	"github.com/holdfast/holdfast/internal/abuse"
	"github.com/holdfast/holdfast/internal/audit"
	"github.com/holdfast/holdfast/internal/fault"
	"github.com/holdfast/holdfast/internal/idempotency"
	"github.com/holdfast/holdfast/internal/postgres/dbsqlc"
)

// Setting implements abuse.ControlStore.
func (s *Abuse) Setting(ctx context.Context, tenant string, key idempotency.Key, fn func(abuse.ControlTx, abuse.LoadedControl) error) error {
	return s.again(ctx, func(p *pipeline) error {
		in, err := s.loadForControl(ctx, p, tenant, key)
		if err != nil {
			return err
		}
		return fn(&abuseTx{s, p}, in)
	})
}

// Lifting implements abuse.ControlStore.
func (s *Abuse) Lifting(ctx context.Context, tenant, id string, key idempotency.Key, fn func(abuse.ControlTx, abuse.LoadedControl) error) error {
	return s.again(ctx, func(p *pipeline) error {
		row, err := s.db.q.LockControl(ctx, p, dbsqlc.LockControlParams{ID: id, TenantID: tenant})
		if err != nil {
			return err
		}
		in, err := s.loadForControl(ctx, p, row.Control.TenantID, key)
		if err != nil {
			return err
		}
		in.Control = decodeControl(row.Control)
		return fn(&abuseTx{s, p}, in)
	})
}

func (s *Abuse) loadForControl(ctx context.Context, p *pipeline, tenant string, key idempotency.Key) (abuse.LoadedControl, error) {
	row, err := s.db.q.LoadForControl(ctx, p, dbsqlc.LoadForControlParams{TenantID: tenant, IdempotencyLock: lockOf(key), IdempotencyKey: key.ID[:]})
	if err != nil {
		return abuse.LoadedControl{}, err
	}
	if !row.Known {
		return abuse.LoadedControl{}, fault.Of(fault.CodeNotFound)
	}
	in := abuse.LoadedControl{Now: row.Now.UTC(), InForce: int(row.InForce)}
	in.Replay, err = replayOf(key, row.Free, row.Fingerprint, row.Outcome)
	return in, err
}

// InForce implements abuse.ControlStore.
func (s *Abuse) InForce(ctx context.Context) ([]abuse.Control, error) {
	rows, err := s.db.q.ControlsInForce(ctx, s.db.pool)
	if err != nil {
		return nil, translate(err, "read controls")
	}
	out := make([]abuse.Control, 0, len(rows))
	for _, r := range rows {
		out = append(out, decodeControl(r.Control))
	}
	return out, nil
}

// Controls implements abuse.ControlStore.
func (s *Abuse) Controls(ctx context.Context, tenant string, all bool) (time.Time, []abuse.Control, error) {
	now, err := s.db.Now(ctx)
	if err != nil {
		return time.Time{}, nil, err
	}
	rows, err := s.db.q.ListControls(ctx, s.db.pool, dbsqlc.ListControlsParams{TenantID: tenant, Ended: all})
	if err != nil {
		return time.Time{}, nil, translate(err, "list controls")
	}
	out := make([]abuse.Control, 0, len(rows))
	for _, r := range rows {
		out = append(out, decodeControl(r.Control))
	}
	return now, out, nil
}

// Set implements abuse.ControlTx.
func (t *abuseTx) Set(ctx context.Context, c abuse.Control, event audit.Event, answer *idempotency.Record) error {
	err := t.s.db.q.InsertControl(ctx, t.p, dbsqlc.InsertControlParams{
		TenantID: c.Tenant, ID: c.ID, Kind: string(c.Kind), Value: c.Value, Reason: c.Reason, SetByKind: string(c.By.Kind), SetBy: c.By.ID,
		SetAt: c.SetAt, ExpiresAt: c.ExpiresAt,
	})
	if err != nil {
		return err
	}
	return t.finish(ctx, event, answer)
}

// Lift implements abuse.ControlTx.
func (t *abuseTx) Lift(ctx context.Context, c abuse.Control, event audit.Event, answer *idempotency.Record) error {
	err := t.s.db.q.LiftControl(ctx, t.p, dbsqlc.LiftControlParams{
		TenantID: c.Tenant, ID: c.ID, At: &c.LiftedAt, LiftedBy: c.LiftedBy, LiftReason: c.LiftReason,
	})
	if err != nil {
		return err
	}
	return t.finish(ctx, event, answer)
}

func decodeControl(r dbsqlc.Control) abuse.Control {
	return abuse.Control{
		Tenant: r.TenantID, ID: r.ID, Kind: abuse.ControlKind(r.Kind), Value: r.Value, Reason: r.Reason,
		By: audit.Actor{Kind: audit.ActorKind(r.SetByKind), ID: r.SetBy}, SetAt: r.SetAt.UTC(), ExpiresAt: r.ExpiresAt.UTC(),
		LiftedAt: instant(r.LiftedAt), LiftedBy: r.LiftedBy, LiftReason: r.LiftReason,
	}
}
