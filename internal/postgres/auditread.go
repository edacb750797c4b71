package postgres

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/holdfast/holdfast/internal/abuse"
	"github.com/holdfast/holdfast/internal/audit"
	"github.com/holdfast/holdfast/internal/auditlog"
	"github.com/holdfast/holdfast/internal/fault"
	"github.com/holdfast/holdfast/internal/secret"
)

var _ auditlog.ReadStore = (*AuditLog)(nil)

// idSlack is by how much an event's id may be older than its time.
const idSlack = time.Minute

// recordSQL selects records. Only what is asked for is in a statement, so that its plan can use the index that fits: a
// condition of the form "no filter or equal" would keep a prepared statement from all of them.
const recordSQL = `select ` + entryColumns + `, coalesce(l.leaf_index, -1), l.leaf from ` + entryTables + `
	left join lateral (select x.leaf_index, x.leaf from audit_leaf x
		where x.log_id = (select g.id from audit_log g where g.origin = @origin) and x.tenant_id = e.tenant_id and x.event_id = e.id offset 0) l on true
	where `

// condition gives the conditions of a filter and their arguments.
func condition(origin string, f auditlog.Filter) (string, pgx.NamedArgs) {
	where, args := []string{"e.tenant_id = @tenant"}, pgx.NamedArgs{"origin": origin, "tenant": f.Tenant}
	for _, c := range []struct{ sql, name, value string }{
		{"e.account_id = @account", "account", f.Account},
		{"e.recovery_id = @recovery", "recovery", f.Recovery},
		{"e.subject = @subject", "subject", f.Subject},
		{"e.actor_id = @actor", "actor", f.Actor},
		{"e.action = @action", "action", string(f.Action)},
	} {
		if c.value != "" {
			where, args[c.name] = append(where, c.sql), c.value
		}
	}
	// Ids sort by time: a bound on the id lets every index stop where the period ends.
	if !f.From.IsZero() {
		where = append(where, "e.at >= @from and e.id >= @floor")
		args["from"], args["floor"] = f.From, idAt(f.From.Add(-idSlack))
	}
	if !f.To.IsZero() {
		where = append(where, "e.at < @to and e.id <= @ceiling")
		args["to"], args["ceiling"] = f.To, lastIDAt(f.To.Add(idSlack))
	}
	return strings.Join(where, " and "), args
}

// lastIDAt is the largest id of an audit event of that time; idAt is the smallest.
func lastIDAt(at time.Time) string {
	return secret.NewID("evt", at, bytes.NewReader(bytes.Repeat([]byte{0xff}, 16)))
}

// eventsSQL is the statement that Events runs. Tests look at its plan.
func eventsSQL(origin string, f auditlog.Filter) (string, pgx.NamedArgs) {
	where, args := condition(origin, f)
	if f.Cursor != "" {
		where, args["cursor"] = where+" and e.id < @cursor", f.Cursor
	}
	args["limit"] = f.Limit + 1
	return recordSQL + where + " order by e.id desc limit @limit", args
}

// Events implements auditlog.ReadStore.
func (s *AuditLog) Events(ctx context.Context, origin string, f auditlog.Filter, reading audit.Event) (auditlog.Page, error) {
	var page auditlog.Page
	sql, args := eventsSQL(origin, f)
	err := s.db.inTx(ctx, func(p *pipeline) error {
		var err error
		var cut bool
		if page.Records, cut, err = readRecords(ctx, p, sql, args); err != nil {
			return err
		}
		if len(page.Records) > f.Limit {
			page.Records, cut = page.Records[:f.Limit], true
		}
		if cut {
			page.Next = page.Records[len(page.Records)-1].Event.ID
		} else if page.RetiredBefore, err = retiredBefore(ctx, p); err != nil {
			return err
		}
		reading.Details["events"] = len(page.Records)
		return p.appendEvents(reading)
	})
	if err != nil {
		return auditlog.Page{}, translate(err, "read events")
	}
	return page, nil
}

// Event implements auditlog.ReadStore.
func (s *AuditLog) Event(ctx context.Context, origin, tenant, id string, reading audit.Event) (auditlog.Record, error) {
	var out auditlog.Record
	err := s.db.inTx(ctx, func(p *pipeline) error {
		found, _, err := readRecords(ctx, p, recordSQL+`e.tenant_id = @tenant and e.id = @id`, pgx.NamedArgs{"origin": origin, "tenant": tenant, "id": id})
		if err != nil {
			return err
		}
		if len(found) == 0 {
			return s.missing(ctx, p, origin, tenant, id)
		}
		out = found[0]
		return p.appendEvents(reading)
	})
	return out, translate(err, "read event")
}

// missing says why an event is not there: its leaf may be, of a month that was retired.
func (s *AuditLog) missing(ctx context.Context, on rower, origin, tenant, id string) error {
	rows, err := on.Query(ctx, `
		select 1 from audit_leaf l join audit_retired r on l.event_id >= r.from_id and l.event_id < r.until_id
		 where l.log_id = (select g.id from audit_log g where g.origin = $1) and l.tenant_id = $2 and l.event_id = $3 limit 1`, origin, tenant, id)
	if err != nil {
		return err
	}
	found, err := pgx.CollectRows(rows, pgx.RowTo[int])
	switch {
	case err != nil:
		return err
	case len(found) > 0:
		return fault.Of(fault.CodeEventRetired)
	default:
		return fault.Of(fault.CodeNotFound)
	}
}

// retiredBefore is the end of the youngest month that was retired; zero when none was.
func retiredBefore(ctx context.Context, on rower) (time.Time, error) {
	rows, err := on.Query(ctx, `select ended_at from audit_retired order by ended_at desc limit 1`)
	if err != nil {
		return time.Time{}, err
	}
	ends, err := pgx.CollectRows(rows, pgx.RowTo[time.Time])
	if err != nil || len(ends) == 0 {
		return time.Time{}, err
	}
	return ends[0].UTC(), nil
}

// Record implements auditlog.ReadStore.
func (s *AuditLog) Record(ctx context.Context, reading audit.Event) error {
	err := s.db.inTx(ctx, func(p *pipeline) error { return p.appendEvents(reading) })
	return translate(err, "record reading")
}

// Walk implements auditlog.ReadStore.
func (s *AuditLog) Walk(ctx context.Context, origin string, f auditlog.Filter, after string, atMost int) ([]auditlog.Record, error) {
	where, args := condition(origin, f)
	args["after"], args["limit"] = after, atMost
	out, _, err := readRecords(ctx, s.db.pool, recordSQL+where+" and e.id > @after order by e.id limit @limit", args)
	return out, translate(err, "walk events")
}

// Checkpoint implements auditlog.ReadStore.
func (s *AuditLog) Checkpoint(ctx context.Context, origin string, cosignatures int) (auditlog.Signed, error) {
	var note, lines string
	err := s.db.pool.QueryRow(ctx, `
		select c.note, coalesce((select string_agg(w.lines, '' order by w.witness) from audit_cosignature w where w.log_id = c.log_id and w.size = c.size), '')
		  from audit_checkpoint c join audit_log l on l.id = c.log_id where l.origin = $1 and ($2::int = 0 or c.size = (
			select w.size from audit_cosignature w where w.log_id = l.id and w.lines <> '' group by w.size having count(*) >= $2::int order by w.size desc limit 1))
		 order by c.size desc, c.signed_at desc limit 1`, origin, cosignatures).Scan(&note, &lines)
	if err != nil {
		return auditlog.Signed{}, translate(err, "read checkpoint")
	}
	c, err := audit.UnverifiedCheckpoint([]byte(note))
	if err != nil {
		return auditlog.Signed{}, fault.Of(fault.CodeInternal).Because(err)
	}
	return auditlog.Signed{Checkpoint: c, Note: []byte(note + lines)}, nil
}

// AccountID implements auditlog.ReadStore.
func (s *AuditLog) AccountID(ctx context.Context, tenant string, refHashes [][]byte) (string, error) {
	var id string
	err := s.db.pool.QueryRow(ctx, `select id from account where tenant_id = $1 and ref_hash = any($2)`, tenant, refHashes).Scan(&id)
	return id, translate(err, "find account")
}

// Now implements auditlog.ReadStore.
func (s *AuditLog) Now(ctx context.Context) (time.Time, error) { return s.db.Now(ctx) }

// rower runs a query: a pool, a transaction or a pipeline.
type rower interface {
	Query(ctx context.Context, sql string, args ...any) (pgx.Rows, error)
}

// readRecords reads events, and no more at once than memory is to hold: cut says that there may be others.
func readRecords(ctx context.Context, on rower, sql string, args pgx.NamedArgs) (out []auditlog.Record, cut bool, err error) {
	rows, err := on.Query(ctx, sql, args)
	if err != nil {
		return nil, false, err
	}
	defer rows.Close()
	var read bytesRead
	for !read.enough() && rows.Next() {
		var r auditlog.Record
		if r.Entry, err = scanEntry(rows, &r.Index, &r.Leaf); err != nil {
			return nil, false, fmt.Errorf("decode event: %w", err)
		}
		read.count(rows)
		out = append(out, r)
	}
	rows.Close()
	return out, read.enough(), errors.Join(rows.Err())
}

var _ auditlog.WholeStore = (*AuditLog)(nil)

// Leaves implements auditlog.WholeStore.
func (s *AuditLog) Leaves(ctx context.Context, origin string, from, size int64, atMost int) ([]auditlog.Whole, error) {
	rows, err := s.db.pool.Query(ctx, `
		with log as materialized (select id from audit_log where origin = $1)
		select `+entryColumns+`, l.leaf_index, l.leaf, e.id is not null
		  from (select x.leaf_index, x.leaf, x.tenant_id, x.event_id from audit_leaf x
		         where x.log_id = (select id from log) and x.leaf_index >= $2 and x.leaf_index < $3 order by x.leaf_index limit $4) l
		  left join lateral (select y.tenant_id, y.id, y.at, y.actor_kind, y.actor_id, y.action, y.subject, y.account_id, y.recovery_id,
		         y.recovery_version, y.from_state, y.to_state, y.reason, y.policy_version, y.outcome, y.details, y.salt from audit_event y where y.tenant_id = l.tenant_id and y.id = l.event_id offset 0) e on true
		  left join lateral (select q.salt, q.origin, q.request_id from audit_personal q where q.tenant_id = e.tenant_id and q.event_id = e.id offset 0) p on true
		 order by l.leaf_index`, origin, from, size, atMost)
	if err != nil {
		return nil, translate(err, "read leaves")
	}
	defer rows.Close()
	var out []auditlog.Whole
	var read bytesRead
	for !read.enough() && rows.Next() {
		w, err := scanWhole(rows)
		if err != nil {
			return nil, translate(err, "read leaves")
		}
		read.count(rows)
		out = append(out, w)
	}
	rows.Close()
	return out, translate(rows.Err(), "read leaves")
}

// scanWhole reads a leaf whose event may be gone: then all its columns are null.
func scanWhole(rows pgx.Rows) (auditlog.Whole, error) {
	values := rows.RawValues()
	if values[0] == nil {
		var w auditlog.Whole
		skip := make([]any, len(values))
		skip[len(values)-3], skip[len(values)-2] = &w.Index, &w.Leaf
		return w, rows.Scan(skip...)
	}
	var w auditlog.Whole
	var there bool
	entry, err := scanEntry(rows, &w.Index, &w.Leaf, &there)
	w.Entry = &entry
	return w, err
}

// TellReading implements auditlog.WholeStore. The event is the schema owner's to write, so that every role that may read the log can have it
// written, and none can choose its words. It belongs to the tenant whose recoveries were replayed, or to the fleet; a tenant that is not there is fault.CodeNotFound.
func (s *AuditLog) TellReading(ctx context.Context, r auditlog.Reading) error {
	what, whose := "export", r.Tenant
	if r.Replay {
		what = "replay"
	}
	if whose == "" {
		whose = abuse.Fleet
	}
	_, err := s.db.pool.Exec(ctx, `select audit_reading($1, $2, $3, $4)`, what, whose, r.Size, r.Cosignatures)
	return translate(err, "write down the reading")
}

// Beside implements auditlog.WholeStore. A leaf that is not of the tree of that size hides no event.
func (s *AuditLog) Beside(ctx context.Context, origin string, size int64, tenant, id string, atMost int) ([]audit.Entry, error) {
	rows, err := s.db.pool.Query(ctx, `select `+entryColumns+` from `+entryTables+`
		where (e.tenant_id, e.id) > ($2, $3) and not exists (
			select 1 from audit_leaf l where l.log_id = (select g.id from audit_log g where g.origin = $1) and l.tenant_id = e.tenant_id and l.event_id = e.id
			   and l.leaf_index < $5)
		order by e.tenant_id, e.id limit $4`, origin, tenant, id, atMost, size)
	if err != nil {
		return nil, translate(err, "read events beside the log")
	}
	defer rows.Close()
	var out []audit.Entry
	var read bytesRead
	for !read.enough() && rows.Next() {
		entry, err := scanEntry(rows)
		if err != nil {
			return nil, translate(err, "read events beside the log")
		}
		read.count(rows)
		out = append(out, entry)
	}
	rows.Close()
	return out, translate(rows.Err(), "read events beside the log")
}
