package postgres

import (
	"context"

	"github.com/jackc/pgx/v5"

	"github.com/holdfast/holdfast/internal/audit"
)

// RowHeads lists the tables whose rows are walked to hold everything that hangs on them against the log, in the order of the walk.
func (s *AuditLog) RowHeads() []string {
	var out []string
	for _, t := range toldTables {
		if t.head {
			out = append(out, t.name)
		}
	}
	return out
}

// RowsJudged is what judging some of what events are about found.
type RowsJudged struct {
	Rows     int
	Problems []RowProblem
}

// RowProblem is what of a row its history does not justify.
type RowProblem struct{ Tenant, What string }

// WalkRows judges the rows of a head table after that one, at most that many, with all that hangs on them, and gives the last of them; the zero
// Told at the end. An empty tenant means any. What it compares is of one moment.
func (s *AuditLog) WalkRows(ctx context.Context, head, tenant string, after Told, atMost int) (RowsJudged, Told, error) {
	t := toldNamed(head)
	var out RowsJudged
	var last Told
	err := s.atOneMoment(ctx, func(tx pgx.Tx) error {
		rows, err := tx.Query(ctx, `select `+t.tenant()+`, `+t.scope+` from `+t.source()+` where (`+t.tenant()+`, `+t.scope+`) > ($1, $2) and ($3 = '' or `+t.tenant()+` = $3)
			group by 1, 2 order by 1, 2 limit $4`, after.Tenant, after.ID, tenant, atMost)
		if err != nil {
			return err
		}
		scopes, err := pgx.CollectRows(rows, pgx.RowToStructByPos[Told])
		if err != nil || len(scopes) == 0 {
			return err
		}
		if len(scopes) == atMost {
			last = scopes[atMost-1]
		}
		out, err = judge(ctx, tx, t, scopes)
		return err
	})
	return out, last, translate(err, "hold rows against the log")
}

// Beginnings judges what events say was made in a head table and is not there, by events after that one, at most that many; it gives the
// last event, "" at the end. What carries a row on, because the month of its beginning was retired, counts as such an event; where there is none nothing is judged.
func (s *AuditLog) Beginnings(ctx context.Context, head, tenant, after string, atMost int) (RowsJudged, string, error) {
	t := toldNamed(head)
	var out RowsJudged
	last := ""
	if t.begins == "" {
		return out, last, nil
	}
	err := s.atOneMoment(ctx, func(tx pgx.Tx) error {
		var n int
		var missing []string
		err := tx.QueryRow(ctx, `with b as (select u.id, u.subject from (
				(select e.id, e.subject from audit_event e where e.tenant_id = $1 and e.action = $2 and e.id > $3 order by e.id limit $4)
				union all
				(select e.id, e.subject from audit_event e where e.tenant_id = $1 and `+t.carriesOn()+` and e.id > $3 order by e.id limit $4)) u order by u.id limit $4)
			select (select count(*) from b), (select coalesce(max(id), '') from b),
			       coalesce((select array_agg(distinct b.subject) from b where not exists (select 1 from `+t.name+` x where `+t.tenant()+` = $1 and `+t.scope+` = b.subject)), '{}')`,
			tenant, string(t.begins), after, atMost).Scan(&n, &last, &missing)
		if err != nil {
			return err
		}
		if n < atMost {
			last = ""
		}
		out, err = judge(ctx, tx, t, toldOf(tenant, missing))
		return err
	})
	return out, last, translate(err, "hold beginnings against rows")
}

// carriesOn is the condition for events that carry on a row of a head table. A case goes with the last event of its recovery; recoveries are told by TellRecoveries.
func (t toldTable) carriesOn() string {
	switch sql := `e.action = 'audit.carried' and e.details->'rows' ? '` + t.name + `'`; t.name {
	case "recovery":
		return "false"
	case "support_case":
		return sql + ` and exists (select 1 from audit_event o where o.tenant_id = e.tenant_id and o.recovery_id = e.recovery_id and o.action <> 'audit.carried')`
	default:
		return sql
	}
}

// Imports judges the accounts that imports brought and that are not there, by events after that one, at most that many.
func (s *AuditLog) Imports(ctx context.Context, tenant, after string, atMost int) (RowsJudged, string, error) {
	var out RowsJudged
	last := ""
	err := s.atOneMoment(ctx, func(tx pgx.Tx) error {
		var n int
		var missing []string
		err := tx.QueryRow(ctx, `with b as (select e.id, e.details from audit_event e where e.tenant_id = $1 and e.action = $2 and e.id > $3 order by e.id limit $4)
			select (select count(*) from b), (select coalesce(max(id), '') from b),
			       coalesce((select array_agg(k) from b, jsonb_object_keys(b.details->'rows'->'account') k
			                  where not exists (select 1 from account x where x.tenant_id = $1 and x.id = k)), '{}')`,
			tenant, string(audit.AccountsImported), after, atMost).Scan(&n, &last, &missing)
		if err != nil {
			return err
		}
		if n < atMost {
			last = ""
		}
		for _, id := range missing { // its history is found by its row's time, which is gone with it
			out.Problems = append(out.Problems, RowProblem{tenant, "account " + id + ": the row is gone"})
		}
		return nil
	})
	return out, last, translate(err, "hold imports against rows")
}

// mostStrays is how many rows that belong to nothing are named of a table.
const mostStrays = 100

// Strays names rows that hang on something that is not there.
func (s *AuditLog) Strays(ctx context.Context, tenant string) ([]RowProblem, error) {
	var out []RowProblem
	for _, t := range toldTables {
		if t.under == "" {
			continue
		}
		up := toldNamed(t.under)
		scope := "h.id = " + t.scope
		sql := `select x.tenant_id, ` + t.id + ` from ` + t.source() + ` where ($1 = '' or x.tenant_id = $1) and ` + t.scope + ` is not null and not exists (select 1 from ` + up.name +
			` h where h.tenant_id = x.tenant_id and ` + scope + `) limit $2`
		if t.from != "" { // its scope is another row's, which may be gone as well
			sql = `select x.tenant_id, ` + t.id + ` from ` + t.name + ` x left join support_proposal p on p.tenant_id = x.tenant_id and p.id = x.proposal_id
				where ($1 = '' or x.tenant_id = $1) and not exists (select 1 from ` + up.name + ` h where h.tenant_id = x.tenant_id and ` + scope + `) limit $2`
		}
		rows, err := s.db.pool.Query(ctx, sql, tenant, mostStrays)
		if err != nil {
			return nil, translate(err, "look for strays")
		}
		strays, err := pgx.CollectRows(rows, pgx.RowToStructByPos[Told])
		if err != nil {
			return nil, translate(err, "look for strays")
		}
		for _, x := range strays {
			out = append(out, RowProblem{x.Tenant, t.name + " " + x.ID + ": there is no " + t.under + " that it belongs to"})
		}
	}
	return out, nil
}

// Tenants lists those that there are events of, with or without a row.
func (s *AuditLog) Tenants(ctx context.Context) ([]string, error) {
	var out []string
	last := ""
	for {
		var next *string
		if err := s.db.pool.QueryRow(ctx, `select min(tenant_id) from audit_event where tenant_id > $1`, last).Scan(&next); err != nil {
			return nil, translate(err, "list tenants")
		}
		if next == nil {
			return out, nil
		}
		last = *next
		out = append(out, last)
	}
}

// atOneMoment runs fn in a transaction that only reads, and reads all of one moment.
func (s *AuditLog) atOneMoment(ctx context.Context, fn func(pgx.Tx) error) error {
	return pgx.BeginTxFunc(ctx, s.db.pool, pgx.TxOptions{IsoLevel: pgx.RepeatableRead, AccessMode: pgx.ReadOnly}, func(tx pgx.Tx) error {
		// Nothing here is worth compiling: it takes longer than to run.
		if _, err := tx.Exec(ctx, `select set_config('timezone', 'UTC', true), set_config('jit', 'off', true)`); err != nil {
			return err
		}
		return fn(tx)
	})
}
