package postgres

import (
	"context"
	"errors"

	"github.com/jackc/pgx/v5"

	"github.com/holdfast/holdfast/internal/audit"
	"github.com/holdfast/holdfast/internal/fault"
	"github.com/holdfast/holdfast/internal/recovery"
)

// Told names a recovery that there are events of, whether or not its row is there.
type Told struct{ Tenant, ID string }

// TellRecoveries lists recoveries that there is a row or an event of, after that one, at most that many. An empty tenant means any. Where the first
// event was retired, what carries the recovery on counts in its place.
//
// The rest of a tenant and the tenants after it are asked for apart: of a comparison of rows PostgreSQL believes that it leaves
// nothing, and would sort all events of all months for each page.
func (s *AuditLog) TellRecoveries(ctx context.Context, tenant string, after Told, atMost int) ([]Told, error) {
	rows, err := s.db.pool.Query(ctx, `
		select t, i from (
			(select r.tenant_id as t, r.id as i from recovery r where (r.tenant_id, r.id) > ($1, $2) and ($3 = '' or r.tenant_id = $3) order by 1, 2 limit $4)
			union
			(select e.tenant_id, e.recovery_id from audit_event e where e.tenant_id = $1 and e.recovery_id > $2 and e.recovery_version = 1
			    and ($3 = '' or e.tenant_id = $3) order by 1, 2 limit $4)
			union
			(select e.tenant_id, e.recovery_id from audit_event e where e.tenant_id > $1 and e.recovery_id is not null and e.recovery_version = 1
			    and ($3 = '' or e.tenant_id = $3) order by 1, 2 limit $4)
			union
			(select distinct e.tenant_id, e.recovery_id from audit_event e where e.action = 'audit.carried' and (e.tenant_id, e.recovery_id) > ($1, $2)
			    and exists (select 1 from audit_event o where o.tenant_id = e.tenant_id and o.recovery_id = e.recovery_id and o.action <> 'audit.carried') and ($3 = '' or e.tenant_id = $3) order by 1, 2 limit $4)) x
		order by t, i limit $4`, after.Tenant, after.ID, tenant, atMost)
	if err != nil {
		return nil, translate(err, "list recoveries")
	}
	out, err := pgx.CollectRows(rows, pgx.RowToStructByPos[Told])
	return out, translate(err, "list recoveries")
}

// Transitions gives a recovery's transitions in the order of their versions, after them what was carried on of those that are retired, and its row; nil
// when it is gone.
func (s *AuditLog) Transitions(ctx context.Context, r Told) ([]audit.Event, *recovery.Recovery, error) {
	rows, err := s.db.pool.Query(ctx, `select `+entryColumns+` from `+entryTables+`
		where e.tenant_id = $1 and e.recovery_id = $2 and (e.recovery_version is not null or (e.action = 'audit.carried' and e.reason = 'retention')) order by e.recovery_version nulls last, e.id`, r.Tenant, r.ID)
	if err != nil {
		return nil, nil, translate(err, "read transitions")
	}
	defer rows.Close()
	var events []audit.Event
	for rows.Next() {
		entry, err := scanEntry(rows)
		if err != nil {
			return nil, nil, translate(err, "read transitions")
		}
		events = append(events, entry.Event)
	}
	if err := rows.Err(); err != nil {
		return nil, nil, translate(err, "read transitions")
	}
	in, err := NewRecoveries(s.db).Reading(ctx, recovery.Query{Tenant: r.Tenant, ID: r.ID})
	var f *fault.Fault
	if errors.As(err, &f) && f.Code == fault.CodeNotFound {
		return events, nil, nil
	}
	return events, &in.Recovery, err
}
