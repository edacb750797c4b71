package postgres

import (
	"context"
	"errors"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/holdfast/holdfast/internal/audit"
	"github.com/holdfast/holdfast/internal/delivery"
	"github.com/holdfast/holdfast/internal/dispatch"
	"github.com/holdfast/holdfast/internal/outbox"
	"github.com/holdfast/holdfast/internal/postgres/dbsqlc"
	"github.com/holdfast/holdfast/internal/recovery"
)

// Deliveries is the delivery.Store on PostgreSQL.
type Deliveries struct{ db *DB }

// NewDeliveries makes the store.
func NewDeliveries(db *DB) *Deliveries { return &Deliveries{db: db} }

var _ delivery.Store = (*Deliveries)(nil)

// Report implements delivery.Store.
func (s *Deliveries) Report(ctx context.Context, r delivery.Report) (delivery.Heard, error) {
	var heard delivery.Heard
	err := s.db.inTx(ctx, func(p *pipeline) error {
		if err := s.db.q.LockReference(ctx, p, dbsqlc.LockReferenceParams{Provider: r.Provider, Reference: r.Reference}); err != nil {
			return err
		}
		at, err := s.db.q.InsertReport(ctx, p, dbsqlc.InsertReportParams{
			Provider: r.Provider, Reference: r.Reference, Status: string(r.Fate), Reason: string(r.Reason),
		})
		if errors.Is(err, pgx.ErrNoRows) { // said before
			heard = delivery.Heard{Verdict: delivery.Repeated}
			return nil
		}
		if err != nil {
			return err
		}
		heard, err = s.db.hear(ctx, p, r, at.UTC())
		return err
	})
	return heard, err
}

// hear does what a new report demands. The reference is locked.
func (db *DB) hear(ctx context.Context, p *pipeline, r delivery.Report, at time.Time) (delivery.Heard, error) {
	row, err := db.q.LoadReported(ctx, p, dbsqlc.LoadReportedParams{Provider: r.Provider, Reference: r.Reference})
	if errors.Is(err, pgx.ErrNoRows) {
		return delivery.Heard{Verdict: delivery.Waiting}, nil
	}
	if err != nil {
		return delivery.Heard{}, err
	}
	heard := delivery.Heard{Verdict: delivery.Fate(row.Fate).Hears(r.Fate), Channel: row.ChannelKind, Kind: row.Kind}
	event := reported(row, r, at)
	switch heard.Verdict {
	case delivery.Settled:
		if err := db.settle(ctx, p, row, r); err != nil {
			return delivery.Heard{}, err
		}
	case delivery.Contradicted:
		event.Action, event.Outcome = audit.DeliveryContradicted, audit.Failure
		event.Details["stands"] = row.Fate
	case delivery.Repeated, delivery.Waiting, delivery.OnTheWay:
		return heard, nil
	default:
		return heard, nil
	}
	return heard, p.appendEvents(event)
}

// settle moves the message's fate. A notice of the hold whose acceptance is taken back wakes its recovery by the recovery's
// own row: a crash after the commit loses nothing.
func (db *DB) settle(ctx context.Context, p *pipeline, row dbsqlc.LoadReportedRow, r delivery.Report) error {
	err := db.q.SettleDelivery(ctx, p, dbsqlc.SettleDeliveryParams{
		Provider: r.Provider, Reference: r.Reference, Fate: string(r.Fate), Reason: string(r.Reason),
	})
	if err != nil || row.NoticeID == "" {
		return err
	}
	if r.Fate == delivery.Delivered {
		return db.q.DeliverNotice(ctx, p, dbsqlc.DeliverNoticeParams{TenantID: row.TenantID, ID: row.NoticeID})
	}
	if row.RecoveryID != "" && row.Kind == string(recovery.NoticeHeld) {
		if err := db.q.WakeForNotice(ctx, p, dbsqlc.WakeForNoticeParams{TenantID: row.TenantID, ID: row.RecoveryID}); err != nil {
			return err
		}
	}
	return db.q.TakeNoticeBack(ctx, p, dbsqlc.TakeNoticeBackParams{TenantID: row.TenantID, ID: row.NoticeID, Reason: optional(string(r.Reason))})
}

// reported is the event that tells of a report.
func reported(row dbsqlc.LoadReportedRow, r delivery.Report, at time.Time) audit.Event {
	e := audit.Event{
		ID: newEventID(at), Tenant: row.TenantID, At: at, Actor: audit.Actor{Kind: audit.ActorSystem, ID: r.Provider}, Action: audit.NoticeDelivered,
		Subject: row.NoticeID, Recovery: row.RecoveryID, Reason: string(r.Reason), Outcome: audit.Success,
		Details: map[string]any{"kind": row.Kind, "channel": row.ChannelID, "said": string(r.Fate)},
	}
	if r.Code != 0 {
		e.Details["code"] = r.Code
	}
	if r.Fate == delivery.Failed {
		e.Action, e.Outcome = audit.NoticeUndelivered, audit.Failure
	}
	if row.NoticeID == "" {
		e.Subject, e.Action = row.ChallengeID, audit.ChallengeDelivered
		if r.Fate == delivery.Failed {
			e.Action = audit.ChallengeUndelivered
		}
	}
	return e
}

// took records that a provider took a message, and hears what it reported of it already. It is the last step of the
// transaction that records the acceptance.
func (db *DB) took(ctx context.Context, p *pipeline, d dbsqlc.InsertDeliveryParams, at time.Time) error {
	if d.Provider == "" || d.Reference == "" {
		return nil
	}
	if err := db.q.LockReference(ctx, p, dbsqlc.LockReferenceParams{Provider: d.Provider, Reference: d.Reference}); err != nil {
		return err
	}
	if err := db.q.InsertDelivery(ctx, p, d); err != nil {
		return err
	}
	waiting, err := db.q.WaitingReports(ctx, p, dbsqlc.WaitingReportsParams{Provider: d.Provider, Reference: d.Reference})
	if err != nil {
		return err
	}
	for _, w := range waiting {
		r := delivery.Report{Provider: d.Provider, Reference: d.Reference, Fate: delivery.Fate(w.Status), Reason: delivery.Reason(w.Reason)}
		if _, err := db.hear(ctx, p, r, at); err != nil {
			return err
		}
	}
	return nil
}

// deliveryOf is what a provider's word makes of a message; the caller says which message it is.
func deliveryOf(tenant string, w dispatch.Word) dbsqlc.InsertDeliveryParams {
	return dbsqlc.InsertDeliveryParams{TenantID: tenant, Provider: w.Provider, Reference: w.Reference}
}

// TakeReply implements delivery.Store.
func (s *Deliveries) TakeReply(ctx context.Context, r delivery.KeptReply) (bool, error) {
	fresh := true
	err := s.db.inTx(ctx, func(p *pipeline) error {
		_, err := s.db.q.InsertReply(ctx, p, dbsqlc.InsertReplyParams{Provider: r.Provider, Reference: r.Reference, ReplyHashes: r.Hashes})
		if errors.Is(err, pgx.ErrNoRows) {
			fresh = false
			return nil
		}
		if err != nil {
			return err
		}
		return p.enqueue(ctx, outbox.Job{Kind: outbox.HearReply, ID: delivery.ReplyID(r.Provider, r.Reference)})
	})
	return fresh, err
}

// Reply implements delivery.Store.
func (s *Deliveries) Reply(ctx context.Context, provider, reference string) ([]delivery.Told, error) {
	rows, err := s.db.q.ReplyTargets(ctx, s.db.pool, dbsqlc.ReplyTargetsParams{Provider: provider, Reference: reference})
	if err != nil {
		return nil, translate(err, "find who a reply is for")
	}
	out := make([]delivery.Told, 0, len(rows))
	for _, row := range rows {
		out = append(out, delivery.Told{Tenant: row.TenantID, Recovery: row.RecoveryID, Channel: row.ChannelID})
	}
	return out, nil
}

// ReplyHeard implements delivery.Store.
func (s *Deliveries) ReplyHeard(ctx context.Context, provider, reference string) error {
	return translate(s.db.q.HearReply(ctx, s.db.pool, dbsqlc.HearReplyParams{Provider: provider, Reference: reference}), "mark reply")
}
