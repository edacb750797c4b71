package postgres

import (
	"context"
	"fmt"
	"maps"
	"slices"

	"github.com/jackc/pgx/v5"

	"github.com/holdfast/holdfast/internal/audit"
	"github.com/holdfast/holdfast/internal/auditlog"
)

// rowsInEvent bounds how many rows one event carries on.
const rowsInEvent = 100

// ofRecovery tells which head tables have rows that go with their recovery, and which recovery that is of a scope's events.
func (t toldTable) ofRecovery() bool { return t.name == "recovery" || t.name == "support_case" }

// ScopesOf lists what the events of a month tell rows of a head table and of those that hang on it about. What goes with a recovery that has no event in
// any other month is left out: it goes as well.
func (s *AuditLog) ScopesOf(ctx context.Context, m auditlog.Month, head string) ([]Told, error) {
	t := toldNamed(head)
	var names []string
	for _, x := range t.family() {
		names = append(names, x.name)
	}
	scope := map[about]string{aboutAccount: "e.account_id", aboutRecovery: "e.recovery_id", aboutSubject: "e.subject"}[t.about]
	sql := `select distinct e.tenant_id, ` + scope + ` from audit_event e where e.id >= $1 and e.id < $2 and e.details->'rows' ?| $3 and ` + scope + ` is not null`
	if t.ofRecovery() {
		sql += ` and (e.recovery_id is null or exists (select 1 from audit_event o where o.tenant_id = e.tenant_id and o.recovery_id = e.recovery_id
			and (o.id < $1 or o.id >= $2) and o.action <> 'audit.carried'))`
	}
	if t.about == aboutAccount { // those that came with others
		sql += ` union select e.tenant_id, k from audit_event e, jsonb_object_keys(e.details->'rows'->'account') k
			where e.id >= $1 and e.id < $2 and e.action = '` + string(audit.AccountsImported) + `' and e.details->'rows' ? 'account'`
	}
	rows, err := s.db.pool.Query(ctx, sql+` order by 1, 2`, m.FromID, m.UntilID, names)
	if err != nil {
		return nil, translate(err, "list what a month tells of")
	}
	out, err := pgx.CollectRows(rows, pgx.RowToStructByPos[Told])
	return out, translate(err, "list what a month tells of")
}

// RowsToCarry gives, of these scopes, the events that carry on what was told last, in this month, of each row that stands; and what of the rows
// is not justified, which is to be carried on by nothing.
func (s *AuditLog) RowsToCarry(ctx context.Context, m auditlog.Month, head string, scopes []Told) (events []audit.Event, problems []RowProblem, err error) {
	t := toldNamed(head)
	err = s.atOneMoment(ctx, func(tx pgx.Tx) error {
		family, rules := t.family(), toldRules()
		histories, err := hear(ctx, tx, t, family, scopes)
		if err != nil {
			return err
		}
		held := map[Told][]audit.Held{}
		for _, x := range family {
			if err := hold(ctx, tx, x, scopes, held); err != nil {
				return err
			}
		}
		recoveries, err := recoveriesOf(ctx, tx, t, scopes)
		if err != nil {
			return err
		}
		for _, scope := range scopes {
			what := histories[scope].Unjustified(held[scope], rules)
			for _, w := range what {
				problems = append(problems, RowProblem{scope.Tenant, w})
			}
			if len(what) == 0 {
				events = append(events, carryRows(scope, recoveries[scope], histories[scope], held[scope], m)...)
			}
		}
		return nil
	})
	return events, problems, translate(err, "carry rows on")
}

// carryRows makes the events that carry on the rows of a scope whose last telling lies in the month. Each repeats one event's tellings in that event's
// place in their order: a row that changes meanwhile is told after it, whichever of the two is written first.
func carryRows(scope Told, recovery string, h *audit.History, held []audit.Held, m auditlog.Month) (out []audit.Event) {
	last := map[int64][]audit.Telling{}
	for _, row := range held {
		if told, ok := h.Last(row.Table, row.ID); ok && told.Event >= m.FromID && told.Event < m.UntilID {
			last[told.Nth] = append(last[told.Nth], told)
		}
	}
	for _, nth := range slices.Sorted(maps.Keys(last)) {
		for some := range slices.Chunk(last[nth], rowsInEvent) {
			rows := map[string]map[string]any{}
			for _, t := range some {
				if rows[t.Table] == nil {
					rows[t.Table] = map[string]any{}
				}
				rows[t.Table][t.ID] = t.Row
			}
			out = append(out, audit.Event{
				Tenant: scope.Tenant, Subject: scope.ID, Recovery: recovery, Details: map[string]any{audit.RowsDetail: rows, audit.RowsNthDetail: nth},
			})
		}
	}
	return out
}

// recoveriesOf gives the recovery that each scope goes with, where it does.
func recoveriesOf(ctx context.Context, tx pgx.Tx, t toldTable, scopes []Told) (map[Told]string, error) {
	out := map[Told]string{}
	switch t.name {
	case "recovery":
		for _, s := range scopes {
			out[s] = s.ID
		}
	case "support_case":
		tenants, ids := columns(scopes)
		rows, err := tx.Query(ctx, `select c.tenant_id, c.id, c.recovery_id from unnest($1::text[], $2::text[]) s(t, i) join support_case c on c.tenant_id = s.t and c.id = s.i`, tenants, ids)
		if err != nil {
			return nil, fmt.Errorf("read the recoveries of cases: %w", err)
		}
		var s Told
		var recovery string
		_, err = pgx.ForEachRow(rows, []any{&s.Tenant, &s.ID, &recovery}, func() error { out[s] = recovery; return nil })
		return out, err
	}
	return out, nil
}
