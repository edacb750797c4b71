package postgres

import (
	"context"
	"encoding/json"
	"fmt"

	"github.com/holdfast/holdfast/internal/audit"
	"github.com/holdfast/holdfast/internal/outbox"
	"github.com/holdfast/holdfast/internal/postgres/dbsqlc"
)

// pending is an event that is written with the commit.
type pending struct {
	event audit.Event
	row   dbsqlc.InsertAuditEventParams
}

// appendEvents puts audit events into the transaction. They are written last, whenever they are appended: the database adds to each
// what the transaction wrote of the rows that it is about (ADR 0041).
func (p *pipeline) appendEvents(events ...audit.Event) error {
	for _, e := range events {
		details := []byte("{}")
		if e.Details != nil {
			var err error
			if details, err = json.Marshal(e.Details); err != nil {
				return fmt.Errorf("encode audit details: %w", err)
			}
		}
		row := dbsqlc.InsertAuditEventParams{
			TenantID: e.Tenant, ID: e.ID, At: e.At, ActorKind: string(e.Actor.Kind), ActorID: e.Actor.ID, Action: string(e.Action),
			Subject: e.Subject, RecoveryID: optional(e.Recovery), FromState: optional(e.From), ToState: optional(e.To),
			Reason: e.Reason, PolicyVersion: e.PolicyVersion, Outcome: string(e.Outcome), Origin: e.Origin, RequestID: e.RequestID, Details: details,
		}
		if e.Version > 0 {
			row.RecoveryVersion = &e.Version
		} else {
			row.FromState, row.ToState = nil, nil
		}
		p.pending = append(p.pending, pending{e, row})
	}
	return nil
}

// flush queues the events that wait, each with what it means to others.
func (p *pipeline) flush(ctx context.Context) error {
	q := dbsqlc.New()
	for _, w := range p.pending {
		p.events = append(p.events, w.event)
		if err := q.InsertAuditEvent(ctx, p, w.row); err != nil {
			return err
		}
		if err := p.emit(ctx, w.event); err != nil {
			return err
		}
	}
	p.pending = nil
	return nil
}

// insertJob is how River's insert-only clients insert (ADR 0010): no NOTIFY, workers poll.
const insertJob = `insert into river.river_job (kind, args, queue, priority, max_attempts, state) values ($1, $2, 'default', $3, $4, 'available')`

// The attempts a job gets. A code is worth sending for minutes; a notice is retried for days.
const (
	challengeAttempts = 8
	noticeAttempts    = 100
)

// enqueue queues jobs into the transaction.
func (p *pipeline) enqueue(ctx context.Context, jobs ...outbox.Job) error {
	for _, j := range jobs {
		args, err := json.Marshal(map[string]any{"tenant": j.Tenant, "id": j.ID, "sends": j.Sends})
		if err != nil {
			return fmt.Errorf("encode job: %w", err)
		}
		attempts, priority := noticeAttempts, 2
		if j.Kind == outbox.DeliverChallenge {
			attempts, priority = challengeAttempts, 1
		}
		if _, err := p.Exec(ctx, insertJob, string(j.Kind), args, priority, attempts); err != nil {
			return err
		}
	}
	return nil
}

// insertNotices queues notices and the jobs that send them into the transaction.
func (p *pipeline) insertNotices(ctx context.Context, q *dbsqlc.Queries, notices ...outbox.Notice) error {
	for _, n := range notices {
		err := q.InsertNotice(ctx, p, dbsqlc.InsertNoticeParams{
			TenantID: n.Tenant, ID: n.ID, AccountID: n.Account, RecoveryID: optional(n.Recovery), Kind: n.Kind,
			ChannelID: n.Channel, ObjectionHash: n.ObjectionHash, ClaimHash: n.ClaimHash, CreatedAt: n.CreatedAt,
		})
		if err != nil {
			return err
		}
		if err := p.enqueue(ctx, outbox.Job{Kind: outbox.DeliverNotice, Tenant: n.Tenant, ID: n.ID}); err != nil {
			return err
		}
	}
	return nil
}

// optional is nil for the empty string.
func optional(s string) *string {
	if s == "" {
		return nil
	}
	return &s
}
