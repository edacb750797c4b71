package postgres

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/holdfast/holdfast/internal/abuse"
	"github.com/holdfast/holdfast/internal/audit"
	"github.com/holdfast/holdfast/internal/fault"
	"github.com/holdfast/holdfast/internal/idempotency"
	"github.com/holdfast/holdfast/internal/postgres/dbsqlc"
	"github.com/holdfast/holdfast/internal/secret"
)

// Live implements abuse.Journal.
func (s *Abuse) Live(ctx context.Context) ([]abuse.Alert, error) {
	rows, err := s.db.q.LiveAlerts(ctx, s.db.pool)
	if err != nil {
		return nil, translate(err, "read live alerts")
	}
	out := make([]abuse.Alert, 0, len(rows))
	for _, r := range rows {
		a, err := decodeAlert(r.Alert)
		if err != nil {
			return nil, err
		}
		out = append(out, a)
	}
	return out, nil
}

// Fresh implements abuse.Journal.
func (s *Abuse) Fresh(ctx context.Context, since time.Duration) (time.Time, []abuse.Alert, error) {
	now, err := s.db.Now(ctx)
	if err != nil {
		return time.Time{}, nil, err
	}
	rows, err := s.db.q.FreshAlerts(ctx, s.db.pool, since)
	if err != nil {
		return time.Time{}, nil, translate(err, "read fresh alerts")
	}
	out := make([]abuse.Alert, 0, len(rows))
	for _, r := range rows {
		a, err := decodeAlert(r.Alert)
		if err != nil {
			return time.Time{}, nil, err
		}
		out = append(out, a)
	}
	return now, out, nil
}

// Tally implements abuse.Journal.
func (s *Abuse) Tally(ctx context.Context) ([]abuse.Level, time.Duration, error) {
	lag, err := s.db.q.AbuseLag(ctx, s.db.pool)
	if err != nil && !errors.Is(err, pgx.ErrNoRows) {
		return nil, 0, translate(err, "read watermark")
	}
	rows, err := s.db.q.AlertLevels(ctx, s.db.pool)
	if err != nil {
		return nil, 0, translate(err, "count alerts")
	}
	out := make([]abuse.Level, 0, len(rows))
	for _, r := range rows {
		out = append(out, abuse.Level{Detector: r.Detector, Severity: abuse.Severity(r.Severity), State: abuse.State(r.State), Alerts: r.Alerts})
	}
	return out, lag, nil
}

// write stores an alert by its version, or gives fault.CodeConflict.
func (s *Abuse) write(ctx context.Context, p *pipeline, a abuse.Alert) error {
	labels, err := json.Marshal(a.Labels)
	if err != nil {
		return fmt.Errorf("encode labels: %w", err)
	}
	if a.Labels == nil {
		labels = []byte("{}")
	}
	if a.Version == 0 {
		_, err = s.db.q.InsertAlert(ctx, p, dbsqlc.InsertAlertParams{
			TenantID: a.Tenant, ID: a.ID, Detector: a.Detector, Key: a.Key, Severity: string(a.Severity), State: string(a.State), Labels: labels,
			Count: a.Count, Peak: a.Peak, Threshold: a.Threshold, FirstSeen: a.FirstSeen, LastSeen: a.LastSeen, EscalatedAt: nullable(a.EscalatedAt),
		})
	} else {
		_, err = s.db.q.UpdateAlert(ctx, p, dbsqlc.UpdateAlertParams{
			TenantID: a.Tenant, ID: a.ID, Version: a.Version, Severity: string(a.Severity), State: string(a.State), Count: a.Count, Peak: a.Peak,
			Threshold: a.Threshold, LastSeen: a.LastSeen, EscalatedAt: nullable(a.EscalatedAt), AcknowledgedAt: nullable(a.AcknowledgedAt),
			AcknowledgedBy: a.AcknowledgedBy, Acknowledgement: a.Acknowledgement, ResolvedAt: nullable(a.ResolvedAt),
		})
	}
	if errors.Is(err, pgx.ErrNoRows) {
		return fault.Of(fault.CodeConflict)
	}
	return err
}

// Get implements abuse.Alerts.
func (s *Abuse) Get(ctx context.Context, tenant, id string) (abuse.Alert, error) {
	row, err := s.db.q.GetAlert(ctx, s.db.pool, dbsqlc.GetAlertParams{ID: id, TenantID: tenant})
	if err != nil {
		return abuse.Alert{}, translate(err, "get alert")
	}
	return decodeAlert(row.Alert)
}

// List implements abuse.Alerts.
func (s *Abuse) List(ctx context.Context, f abuse.Filter) ([]abuse.Alert, string, error) {
	if f.Cursor != "" && secret.ParseID("alr", f.Cursor) != nil {
		return nil, "", fault.Of(fault.CodeInvalidRequest).At("query cursor", "is not a cursor")
	}
	rows, err := s.db.q.ListAlerts(ctx, s.db.pool, dbsqlc.ListAlertsParams{
		TenantID: f.Tenant, Before: optional(f.Cursor), State: optional(string(f.State)), Severity: optional(string(f.Severity)),
		Detector: optional(f.Detector), AtMost: int32(min(f.Limit, abuse.MaxAlerts) + 1), //nolint:gosec // bounded.
	})
	if err != nil {
		return nil, "", translate(err, "list alerts")
	}
	next := ""
	if len(rows) > f.Limit {
		rows = rows[:f.Limit]
		next = rows[f.Limit-1].Alert.ID
	}
	out := make([]abuse.Alert, 0, len(rows))
	for _, r := range rows {
		a, err := decodeAlert(r.Alert)
		if err != nil {
			return nil, "", err
		}
		out = append(out, a)
	}
	return out, next, nil
}

// Changing implements abuse.Alerts.
func (s *Abuse) Changing(ctx context.Context, tenant, id string, key idempotency.Key, fn func(abuse.AlertTx, abuse.LoadedAlert) error) error {
	return s.again(ctx, func(p *pipeline) error {
		row, err := s.db.q.LockAlert(ctx, p, dbsqlc.LockAlertParams{ID: id, TenantID: tenant, IdempotencyLock: lockOf(key), IdempotencyKey: key.ID[:]})
		if err != nil {
			return err
		}
		in := abuse.LoadedAlert{Now: row.Now.UTC()}
		if in.Replay, err = replayOf(key, row.Free, row.Fingerprint, row.Outcome); err != nil {
			return err
		}
		if in.Alert, err = decodeAlert(row.Alert); err != nil {
			return err
		}
		return fn(&abuseTx{s, p}, in)
	})
}

// again runs fn in a transaction, and once more when a request with the same Idempotency-Key committed meanwhile.
func (s *Abuse) again(ctx context.Context, fn func(*pipeline) error) error {
	for range replays {
		if err := s.db.inTx(ctx, fn); !errors.Is(err, errReplay) {
			return err
		}
	}
	return fault.Of(fault.CodeIdempotencyInFlight)
}

// abuseTx is the write door of alerts and controls.
type abuseTx struct {
	s *Abuse
	p *pipeline
}

// Apply implements abuse.AlertTx.
func (t *abuseTx) Apply(ctx context.Context, a abuse.Alert, event audit.Event, answer *idempotency.Record) error {
	if err := t.s.write(ctx, t.p, a); err != nil {
		return err
	}
	return t.finish(ctx, event, answer)
}

func (t *abuseTx) finish(ctx context.Context, event audit.Event, answer *idempotency.Record) error {
	if err := t.s.note(t.p, event); err != nil || answer == nil {
		return err
	}
	return t.s.db.q.Remember(ctx, t.p, dbsqlc.RememberParams{
		Key: answer.Key[:], Fingerprint: answer.Fingerprint[:], Outcome: answer.Outcome, ExpiresAt: event.At.Add(rememberFor),
	})
}

func decodeAlert(r dbsqlc.Alert) (abuse.Alert, error) {
	a := abuse.Alert{
		Tenant: r.TenantID, ID: r.ID, Detector: r.Detector, Key: r.Key, Severity: abuse.Severity(r.Severity), State: abuse.State(r.State),
		Count: r.Count, Peak: r.Peak, Threshold: r.Threshold, FirstSeen: r.FirstSeen.UTC(), LastSeen: r.LastSeen.UTC(),
		EscalatedAt: instant(r.EscalatedAt), AcknowledgedAt: instant(r.AcknowledgedAt), AcknowledgedBy: r.AcknowledgedBy,
		Acknowledgement: r.Acknowledgement, ResolvedAt: instant(r.ResolvedAt), Version: r.Version,
	}
	if err := json.Unmarshal(r.Labels, &a.Labels); err != nil {
		return abuse.Alert{}, fmt.Errorf("decode labels: %w", err)
	}
	return a, nil
}
