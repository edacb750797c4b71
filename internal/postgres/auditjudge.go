package postgres

import (
	"context"
	"fmt"
	"slices"

	"github.com/jackc/pgx/v5"

	"github.com/holdfast/holdfast/internal/audit"
)

// judge holds all rows of these scopes against their histories.
func judge(ctx context.Context, tx pgx.Tx, head toldTable, scopes []Told) (RowsJudged, error) {
	var out RowsJudged
	if len(scopes) == 0 {
		return out, nil
	}
	family := head.family()
	histories, err := hear(ctx, tx, head, family, scopes)
	if err != nil {
		return out, err
	}
	held := map[Told][]audit.Held{}
	for _, t := range family {
		if err := hold(ctx, tx, t, scopes, held); err != nil {
			return out, err
		}
	}
	rules := toldRules()
	for _, s := range scopes {
		out.Rows += len(held[s])
		for _, what := range histories[s].Unjustified(held[s], rules) {
			out.Problems = append(out.Problems, RowProblem{s.Tenant, what})
		}
	}
	return out, nil
}

// hear reads what the events about each scope tell of its tables.
func hear(ctx context.Context, tx pgx.Tx, head toldTable, family []toldTable, scopes []Told) (map[Told]*audit.History, error) {
	out := make(map[Told]*audit.History, len(scopes))
	for _, s := range scopes {
		out[s] = &audit.History{}
	}
	var names []string
	for _, t := range family {
		names = append(names, t.name)
	}
	tenants, ids := columns(scopes)
	rows, err := tx.Query(ctx, tellingsSQL(head.about), tenants, ids, names)
	if err != nil {
		return nil, err
	}
	var s Told
	var t audit.Telling
	_, err = pgx.ForEachRow(rows, []any{&s.Tenant, &s.ID, &t.Table, &t.ID, &t.Row, &t.Event, &t.At, &t.Is, &t.Was, &t.Nth}, func() error {
		out[s].Hear(t)
		t.Row = nil
		return nil
	})
	if err != nil {
		return nil, err
	}
	return out, forgotten(ctx, tx, head, tenants, ids, out)
}

// What a telling is read from an event e, its tables r and their rows k as.
const (
	toldRow = `r.tab, k.id, nullif(k.row, 'null'), e.id, e.at, left(encode(sha256(convert_to(k.row::text, 'UTF8')), 'hex'), 24),
		coalesce(e.details->'rows_was'->r.tab->>k.id, ''), (e.details->>'rows_nth')::bigint`
	toldRows = ` cross join lateral jsonb_each(e.details->'rows') r(tab, ids) cross join lateral jsonb_each(r.ids) k(id, row)`
)

// tellingsSQL reads what events tell, in the order in which they were written.
func tellingsSQL(a about) string {
	on := map[about]string{aboutAccount: "x.account_id", aboutRecovery: "x.recovery_id", aboutSubject: "x.subject"}[a]
	sql := `select s.t, s.i, ` + toldRow + ` from unnest($1::text[], $2::text[]) s(t, i)
		cross join lateral (select x.id, x.at, x.recovery_id, x.details from audit_event x where x.tenant_id = s.t and ` + on + ` = s.i and x.details ? 'rows' offset 0) e` +
		toldRows + ` where r.tab = any ($3)`
	switch a {
	case aboutAccount:
		sql = `with ` + importsSQL + sql + ` union all select s.t, s.i, k.tab, k.id, nullif(k.row, 'null'), k.event, k.at, left(encode(sha256(convert_to(k.row::text, 'UTF8')), 'hex'), 24), '', k.nth
			from scopes s join brought k on k.t = s.t and k.at = s.since and k.owner = s.i where k.tab = any ($3)`
	case aboutSubject: // a recovery's notices are told among its own
		sql += ` and (r.tab <> 'notice' or e.recovery_id is null)`
	case aboutRecovery:
	}
	return sql + ` order by 10, 6`
}

// importsSQL finds the imports that accounts came with others by: they have the time of their accounts. Each is taken apart once, however many of its accounts are
// looked at.
const importsSQL = `scopes as materialized (
		select s.t, s.i, a.created_at as since from unnest($1::text[], $2::text[]) s(t, i) join account a on a.tenant_id = s.t and a.id = s.i
	), brought as materialized (
		select m.t, e.id as event, e.at, e.nth, r.tab, k.id, k.row, coalesce(k.row->>'account_id', k.id) as owner
		  from (select distinct t, since from scopes) m cross join lateral (
			select x.id, x.at, x.details->'rows' as rows, (x.details->>'rows_nth')::bigint as nth from audit_event x where x.tenant_id = m.t and x.action = '` + string(audit.AccountsImported) + `'
			   and x.id between 'evt_' || substr(event_id_at(m.since - interval '1 minute'), 5) and event_id_at(m.since + interval '1 minute') and x.at = m.since offset 0) e
		 cross join lateral jsonb_each(e.rows) r(tab, ids) cross join lateral jsonb_each(r.ids) k(id, row)
	) `

// forgotten marks what lost its working data, as the events say.
func forgotten(ctx context.Context, tx pgx.Tx, head toldTable, tenants, ids []string, out map[Told]*audit.History) error {
	const forgot = `(f.action = $3 or f.action = 'audit.carried' and f.details ? 'forgotten')` // itself, or carried on when its month was retired
	var sql string
	switch head.name {
	case "recovery":
		sql = `select s.t, s.i from unnest($1::text[], $2::text[]) s(t, i) where exists (
			select 1 from audit_event f where f.tenant_id = s.t and f.recovery_id = s.i and ` + forgot + `)`
	case "support_case":
		sql = `select s.t, s.i from unnest($1::text[], $2::text[]) s(t, i) where exists (select 1 from audit_event c
			join audit_event f on f.tenant_id = c.tenant_id and f.recovery_id = c.recovery_id and ` + forgot + ` where c.tenant_id = s.t and c.subject = s.i)`
	default:
		return nil
	}
	rows, err := tx.Query(ctx, sql, tenants, ids, string(audit.RecoveryForgotten))
	if err != nil {
		return err
	}
	var s Told
	_, err = pgx.ForEachRow(rows, []any{&s.Tenant, &s.ID}, func() error {
		out[s].Forgotten = true
		return nil
	})
	return err
}

// hold reads the rows of a table that hang on these scopes.
func hold(ctx context.Context, tx pgx.Tx, t toldTable, scopes []Told, held map[Told][]audit.Held) error {
	tenants, ids := columns(scopes)
	rows, err := tx.Query(ctx, `select s.t, s.i, k.id, k.row from unnest($1::text[], $2::text[]) s(t, i) cross join lateral (
		select `+t.id+` as id, `+t.row()+` as row from `+t.source()+` where `+t.tenant()+` = s.t and `+t.scope+` = s.i offset 0) k`, tenants, ids)
	if err != nil {
		return err
	}
	var s Told
	var h audit.Held
	_, err = pgx.ForEachRow(rows, []any{&s.Tenant, &s.ID, &h.ID, &h.Row}, func() error {
		h.Table = t.name
		held[s] = append(held[s], h)
		h.Row = nil
		return nil
	})
	return err
}

func columns(scopes []Told) (tenants, ids []string) {
	for _, s := range scopes {
		tenants, ids = append(tenants, s.Tenant), append(ids, s.ID)
	}
	return tenants, ids
}

func toldOf(tenant string, ids []string) []Told {
	var out []Told
	for _, id := range ids {
		out = append(out, Told{tenant, id})
	}
	return out
}

func toldNamed(name string) toldTable {
	i := slices.IndexFunc(toldTables, func(t toldTable) bool { return t.name == name })
	if i < 0 {
		panic(fmt.Sprintf("no events tell of %q", name))
	}
	return toldTables[i]
}

// family is a head with all that hangs on it.
func (t toldTable) family() []toldTable {
	out := []toldTable{t}
	for _, x := range toldTables {
		if x.under == t.name {
			out = append(out, x)
		}
	}
	return out
}

// source is what the row x is read from.
func (t toldTable) source() string {
	if t.from != "" {
		return fmt.Sprintf(t.from, t.name)
	}
	return t.name + " x"
}
