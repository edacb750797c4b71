package postgres

import (
	"context"
	"errors"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/holdfast/holdfast/internal/audit"
)

// Place is a leaf's place in one of the logs.
type Place struct {
	Log   int16
	Index int64
}

// YoungLeaves gives the place before the first leaf whose batch was sealed within that time.
func (s *AuditLog) YoungLeaves(ctx context.Context, within time.Duration) (Place, error) {
	var out Place
	err := s.db.pool.QueryRow(ctx, `select h.log_id, h.size - 1 from audit_head h where h.sealed_at < holdfast_now() - $1::interval
		order by h.log_id desc, h.size desc limit 1`, within).Scan(&out.Log, &out.Index)
	if err == nil || errors.Is(err, pgx.ErrNoRows) {
		return out, nil
	}
	return out, translate(err, "find young leaves")
}

// LostOrigins names events after that place, among at most that many leaves, that say no more whence they came, though they did when they were sealed and
// their account was not erased. Events older than within are let be, however late they were sealed. It gives the last place, the zero Place at the end. An empty tenant means any.
func (s *AuditLog) LostOrigins(ctx context.Context, tenant string, after Place, within time.Duration, atMost int) ([]RowProblem, Place, error) {
	rows, err := s.db.pool.Query(ctx, `
		with page as (select l.log_id, l.leaf_index, l.tenant_id, l.event_id, l.leaf from audit_leaf l
		               where (l.log_id, l.leaf_index) > ($1, $2) order by l.log_id, l.leaf_index limit $3)
		select p.log_id, p.leaf_index, p.tenant_id, p.event_id, p.leaf, p.event_id < event_id_at(holdfast_now() - $5::interval)
		    or exists (select 1 from audit_personal x where x.tenant_id = p.tenant_id and x.event_id = p.event_id)
		    or exists (select 1 from audit_event e join audit_event gone on gone.tenant_id = e.tenant_id and gone.account_id = e.account_id and gone.action = $4
		                where e.tenant_id = p.tenant_id and e.id = p.event_id)
		  from page p order by 1, 2`, after.Log, after.Index, atMost, string(audit.AccountErased), within)
	if err != nil {
		return nil, Place{}, translate(err, "look for origins")
	}
	var out []RowProblem
	var at Place
	var of, event string
	var leaf []byte
	var justified bool
	n := 0
	_, err = pgx.ForEachRow(rows, []any{&at.Log, &at.Index, &of, &event, &leaf, &justified}, func() error {
		n++
		if justified || (tenant != "" && of != tenant) {
			return nil
		}
		if l, err := audit.ParseLeaf(leaf); err == nil && l.Personal != nil {
			out = append(out, RowProblem{of, "audit_personal " + event + ": the row is gone, before its time and without an erasure"})
		}
		return nil
	})
	if n < atMost {
		at = Place{}
	}
	return out, at, translate(err, "look for origins")
}
