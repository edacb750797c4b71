package postgres

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/holdfast/holdfast/internal/audit"
	"github.com/holdfast/holdfast/internal/fault"
	"github.com/holdfast/holdfast/internal/postgres/dbsqlc"
	"github.com/holdfast/holdfast/internal/secret"
)

// EventFilter says which audit events to list. Empty fields do not restrict.
type EventFilter struct {
	Tenant   string // required
	Subject  string
	Recovery string
	Action   audit.Action
	From, To time.Time // From included, To not
	Cursor   string    // the cursor of the page before
	Limit    int       // 1 to MaxEvents; MaxEvents when zero
}

// MaxEvents bounds one page of events.
const MaxEvents = 1000

// idSlack is by how much an event's id may be older than its time.
const idSlack = time.Minute

// ListEvents gives events, newest first, and the cursor of the next page; it is empty after the last one. Events that are
// appended meanwhile do not move the pages. A filter without a tenant, or a cursor that is none, is fault.CodeInvalidRequest.
func (db *DB) ListEvents(ctx context.Context, f EventFilter) ([]audit.Event, string, error) {
	if f.Limit == 0 {
		f.Limit = MaxEvents
	}
	if f.Tenant == "" || f.Limit < 1 || f.Limit > MaxEvents || (f.Cursor != "" && secret.ParseID("evt", f.Cursor) != nil) {
		return nil, "", fault.Of(fault.CodeInvalidRequest)
	}
	q := dbsqlc.ListAuditEventsParams{
		TenantID: f.Tenant, Before: optional(f.Cursor), FromAt: nullable(f.From), ToAt: nullable(f.To),
		Subject: optional(f.Subject), Recovery: optional(f.Recovery), Action: optional(string(f.Action)), AtMost: int32(f.Limit + 1),
	}
	if !f.From.IsZero() {
		floor := secret.NewID("evt", f.From.Add(-idSlack), bytes.NewReader(make([]byte, 16)))
		q.Floor = &floor
	}
	rows, err := db.q.ListAuditEvents(ctx, db.pool, q)
	if err != nil {
		return nil, "", translate(err, "list audit events")
	}
	next := ""
	if len(rows) > f.Limit {
		rows = rows[:f.Limit]
		next = rows[f.Limit-1].ID
	}
	out := make([]audit.Event, 0, len(rows))
	for _, row := range rows {
		e, err := decodeEvent(row)
		if err != nil {
			return nil, "", err
		}
		out = append(out, e)
	}
	return out, next, nil
}

func decodeEvent(row dbsqlc.AuditEvent) (audit.Event, error) {
	e := audit.Event{
		ID: row.ID, Tenant: row.TenantID, At: row.At.UTC(), Actor: audit.Actor{Kind: audit.ActorKind(row.ActorKind), ID: row.ActorID},
		Action: audit.Action(row.Action), Subject: row.Subject, Recovery: text(row.RecoveryID), From: text(row.FromState), To: text(row.ToState),
		Reason: row.Reason, PolicyVersion: row.PolicyVersion, Outcome: audit.Outcome(row.Outcome), Origin: row.Origin, RequestID: row.RequestID,
	}
	if row.RecoveryVersion != nil {
		e.Version = *row.RecoveryVersion
	}
	if err := json.Unmarshal(row.Details, &e.Details); err != nil {
		return audit.Event{}, fmt.Errorf("decode audit details: %w", err)
	}
	if len(e.Details) == 0 {
		e.Details = nil
	}
	return e, nil
}
