package postgres

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/holdfast/holdfast/internal/audit"
	"github.com/holdfast/holdfast/internal/fault"
	"github.com/holdfast/holdfast/internal/outbox"
	"github.com/holdfast/holdfast/internal/postgres/dbsqlc"
	"github.com/holdfast/holdfast/internal/signal"
)

var _ signal.Outbox = (*Signals)(nil)

// Claim implements signal.Outbox in one statement.
func (s *Signals) Claim(ctx context.Context, tenant, id string) (*signal.Work, error) {
	row, err := s.db.q.ClaimDelivery(ctx, s.db.pool, dbsqlc.ClaimDeliveryParams{TenantID: tenant, ID: id, Lease: signal.LeaseFor})
	err = translate(err, "claim delivery")
	if fault.CodeOf(err) == fault.CodeNotFound {
		return nil, nil //nolint:nilnil // nothing is to be sent.
	}
	if err != nil {
		return nil, err
	}
	w := signal.Work{
		Delivery: signal.Delivery{
			ID: row.ID, Endpoint: row.EndpointID, Type: signal.Type(row.Type), Event: signal.EventURI(row.EventUri), Cause: row.Txn,
			Recovery: text(row.RecoveryID), At: row.At.UTC(), Status: signal.StatusPending, Attempts: int(row.Attempts),
		},
		Tenant: tenant, Claim: row.ClaimsTaken, Now: row.Now.UTC(), Agreed: row.Agreed,
		Endpoint: signal.Endpoint{
			Tenant: tenant, ID: row.EndpointID, Kind: signal.Kind(row.Kind), URL: row.Url, Audience: row.Audience,
			SubjectIssuer: row.SubjectIssuer, SavedCodeType: row.SavedCodeType, State: signal.Active, Keys: row.Keys,
		},
		Account: signal.Account{ID: text(row.AccountID), DataKey: row.DataKey, RefSealed: row.RefSealed, LastSealed: row.LastSealed},
	}
	if err := json.Unmarshal(row.Claims, &w.Claims); err != nil {
		return nil, fmt.Errorf("decode signal: %w", err)
	}
	return &w, nil
}

// Return implements signal.Outbox.
func (s *Signals) Return(ctx context.Context, w signal.Work, wait time.Duration) error {
	err := s.db.q.ReturnDelivery(ctx, s.db.pool, dbsqlc.ReturnDeliveryParams{TenantID: w.Tenant, ID: w.ID, Claim: w.Claim, Wait: wait})
	return translate(err, "return delivery")
}

// Record implements signal.Outbox.
func (s *Signals) Record(ctx context.Context, w signal.Work, r signal.Result) error {
	try, err := json.Marshal(r.Try)
	if err != nil {
		return fmt.Errorf("encode try: %w", err)
	}
	q := dbsqlc.RecordDeliveryParams{TenantID: w.Tenant, ID: w.ID, Claim: w.Claim, Try: try, Status: string(signal.StatusDead)}
	switch r.Verdict {
	case signal.Delivered:
		q.Status = string(signal.StatusDelivered)
	case signal.Retry:
		q.Status, q.NextAt = string(signal.StatusPending), &r.NextAt
	case signal.Refused, signal.Gone:
	}
	return s.db.inTx(ctx, func(p *pipeline) error {
		now, err := s.db.q.RecordDelivery(ctx, p, q)
		if fault.CodeOf(translate(err, "")) == fault.CodeNotFound {
			return nil // somebody else claimed it meanwhile, and says what became of it
		}
		if err != nil {
			return err
		}
		return s.after(ctx, p, w, r, now.UTC())
	})
}

// after writes what follows from a recorded attempt.
func (s *Signals) after(ctx context.Context, p *pipeline, w signal.Work, r signal.Result, now time.Time) error {
	switch r.Verdict {
	case signal.Retry:
		return nil
	case signal.Delivered:
		return s.db.q.WakeFollowers(ctx, p, dbsqlc.WakeFollowersParams{TenantID: w.Tenant, EndpointID: w.Endpoint.ID, Txn: w.Cause, Now: now})
	case signal.Gone:
		if err := s.disable(ctx, p, w, now); err != nil {
			return err
		}
	case signal.Refused:
	}
	e := signalEvent(w.Tenant, now, audit.SignalDead, w.Endpoint.ID)
	e.Outcome, e.Reason, e.Recovery = audit.Failure, r.Try.Outcome, w.Recovery
	e.Details = map[string]any{"delivery": w.ID, "type": string(w.Type), "attempts": w.Attempts, "status": r.Try.Status}
	return p.appendEvents(e)
}

// disable takes the receiver's 410 at its word, once.
func (s *Signals) disable(ctx context.Context, p *pipeline, w signal.Work, now time.Time) error {
	_, err := s.db.q.DisableEndpoint(ctx, p, dbsqlc.DisableEndpointParams{TenantID: w.Tenant, ID: w.Endpoint.ID, At: now})
	if fault.CodeOf(translate(err, "")) == fault.CodeNotFound {
		return nil
	}
	if err != nil {
		return err
	}
	if err := s.db.q.EndDeliveries(ctx, p, dbsqlc.EndDeliveriesParams{TenantID: w.Tenant, EndpointID: w.Endpoint.ID, At: &now}); err != nil {
		return err
	}
	e := signalEvent(w.Tenant, now, audit.WebhookDisabled, w.Endpoint.ID)
	e.Reason = "gone"
	return p.appendEvents(e)
}

func signalEvent(tenant string, now time.Time, action audit.Action, subject string) audit.Event {
	return audit.Event{
		ID: newEventID(now), Tenant: tenant, At: now, Actor: audit.Actor{Kind: audit.ActorSystem, ID: "signals"}, Action: action,
		Subject: subject, Outcome: audit.Success,
	}
}

// wokenAtOnce bounds what Wake takes of one endpoint: a receiver that is slow, or was away for a day, has neither thousands of jobs find
// its two places taken, nor other receivers' deliveries stand behind its own.
const wokenAtOnce = "32"

// wakeSignals makes jobs for what is due. A job that is lost is made anew a minute later; one too many finds nothing to do.
const wakeSignals = `
with due as (
    update signal_delivery d set wake_at = n.now + interval '60 seconds'
      from (select holdfast_now() as now) n
     where (d.tenant_id, d.id) in (
        select w.tenant_id, w.id from webhook_endpoint e cross join lateral (
            select x.tenant_id, x.id, x.wake_at from signal_delivery x
             where x.tenant_id = e.tenant_id and x.endpoint_id = e.id and x.status = 'pending' and x.wake_at <= (select holdfast_now())
               and (not x.follows or not exists (
                   select 1 from signal_delivery b where b.tenant_id = x.tenant_id and b.endpoint_id = x.endpoint_id and b.txn = x.txn
                      and not b.follows and b.status <> 'delivered'))
             order by x.wake_at limit ` + wokenAtOnce + ` for update of x skip locked) w
         where e.state = 'active' order by w.wake_at limit $1)
    returning d.tenant_id, d.id
)
insert into river.river_job (kind, args, queue, priority, max_attempts, state)
select '` + string(outbox.DeliverSignal) + `', jsonb_build_object('tenant', tenant_id, 'id', id), '` + outbox.SignalQueue + `', 3, ` + signalAttempts + `, 'available' from due`

// Wake implements signal.Outbox.
func (s *Signals) Wake(ctx context.Context, atMost int) (int, error) {
	tag, err := s.db.pool.Exec(ctx, wakeSignals, atMost)
	return int(tag.RowsAffected()), translate(err, "wake signals")
}

// overdueAtOnce bounds one round of Overdue.
const overdueAtOnce = 100

// Overdue implements signal.Outbox.
func (s *Signals) Overdue(ctx context.Context, after time.Duration) (int, error) {
	n := 0
	err := s.db.inTx(ctx, func(p *pipeline) error {
		rows, err := s.db.q.OverdueRevocations(ctx, p, dbsqlc.OverdueRevocationsParams{
			EventUri: string(signal.SessionRevoked), After: after, AtMost: overdueAtOnce,
		})
		if err != nil {
			return err
		}
		n = len(rows)
		for _, r := range rows {
			e := signalEvent(r.TenantID, r.Now.UTC(), audit.SignalUnacknowledged, r.EndpointID)
			e.Outcome, e.Recovery = audit.Failure, text(r.RecoveryID)
			e.Details = map[string]any{"delivery": r.ID, "status": r.Status, "attempts": int(r.Attempts)}
			if err := p.appendEvents(e); err != nil {
				return err
			}
		}
		return nil
	})
	return n, err
}

// Backlog implements signal.Outbox.
func (s *Signals) Backlog(ctx context.Context) (signal.Backlog, error) {
	row, err := s.db.q.SignalBacklog(ctx, s.db.pool)
	return signal.Backlog{
		Pending: int(row.Pending), Dead: int(row.Dead), Unacknowledged: int(row.Unacknowledged), Oldest: time.Duration(row.Oldest * float64(time.Second)),
	}, translate(err, "measure backlog")
}

// Tidy implements signal.Outbox.
func (s *Signals) Tidy(ctx context.Context, after time.Duration, atMost int) (int, error) {
	if _, err := s.db.q.TidySubjects(ctx, s.db.pool); err != nil {
		return 0, translate(err, "forget names")
	}
	n, err := s.db.q.TidyDeliveries(ctx, s.db.pool, dbsqlc.TidyDeliveriesParams{After: after, AtMost: int32(min(atMost, 10_000))}) //nolint:gosec // bounded.
	return int(n), translate(err, "tidy deliveries")
}
