package postgres

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/holdfast/holdfast/internal/audit"
	"github.com/holdfast/holdfast/internal/auditlog"
	"github.com/holdfast/holdfast/internal/fault"
)

var _ auditlog.RetireStore = (*AuditLog)(nil)

// MayRetire implements auditlog.RetireStore.
func (s *AuditLog) MayRetire(ctx context.Context) error {
	var role string
	var may bool
	err := s.db.pool.QueryRow(ctx, `select current_user, has_function_privilege('audit_retire_rows(integer)', 'execute')`).Scan(&role, &may)
	if err != nil {
		return translate(err, "ask for the right to retire")
	}
	if !may {
		return fmt.Errorf("%w: the role %s may not; sign in as the owner of the schema (HOLDFAST_MIGRATE_DATABASE_URL)", auditlog.ErrMayNotRetire, role)
	}
	return nil
}

// Months implements auditlog.RetireStore.
func (s *AuditLog) Months(ctx context.Context) ([]auditlog.Month, error) {
	rows, err := s.db.pool.Query(ctx, `select month, from_id, until_id, ended_at from audit_months()`)
	if err != nil {
		return nil, translate(err, "list months")
	}
	out, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (auditlog.Month, error) {
		var m auditlog.Month
		err := row.Scan(&m.Name, &m.FromID, &m.UntilID, &m.End)
		m.End = m.End.UTC()
		return m, err
	})
	return out, translate(err, "list months")
}

// Stray implements auditlog.RetireStore.
func (s *AuditLog) Stray(ctx context.Context, before time.Time) (n int64, err error) {
	err = s.db.pool.QueryRow(ctx, `select count(*) from audit_event_default where id < event_id_at($1)`, before).Scan(&n)
	return n, translate(err, "look for events outside of all months")
}

// Kept implements auditlog.RetireStore.
func (s *AuditLog) Kept(ctx context.Context, month string, p auditlog.RetirePolicy) ([]auditlog.Kept, error) {
	rows, err := s.db.pool.Query(ctx, `select rule, about from audit_month_kept($1, $2, $3, $4, $5, $6)`, month, p.Origin, p.Months, p.Anchors, p.Witnesses, p.Quorum)
	if err != nil {
		return nil, translate(err, "look what keeps a month")
	}
	out, err := pgx.CollectRows(rows, pgx.RowToStructByPos[auditlog.Kept])
	return out, translate(err, "look what keeps a month")
}

// TenantsOf implements auditlog.RetireStore.
func (s *AuditLog) TenantsOf(ctx context.Context, m auditlog.Month) ([]string, error) {
	rows, err := s.db.pool.Query(ctx, `select distinct tenant_id from audit_event where id >= $1 and id < $2 order by 1`, m.FromID, m.UntilID)
	if err != nil {
		return nil, translate(err, "list tenants of a month")
	}
	out, err := pgx.CollectRows(rows, pgx.RowTo[string])
	return out, translate(err, "list tenants of a month")
}

// WalkMonth implements auditlog.RetireStore.
func (s *AuditLog) WalkMonth(ctx context.Context, origin, tenant string, m auditlog.Month, after string, atMost int) ([]auditlog.Record, error) {
	out, _, err := readRecords(ctx, s.db.pool, recordSQL+`e.tenant_id = @tenant and e.id >= @from and e.id < @until and e.id > @after order by e.id limit @limit`,
		pgx.NamedArgs{"origin": origin, "tenant": tenant, "from": m.FromID, "until": m.UntilID, "after": after, "limit": atMost})
	return out, translate(err, "walk a month")
}

// RecoveriesOf lists the recoveries that a month has an event of, after that one, at most that many; and of each whether it has events in other
// months, and is carried on from it.
func (s *AuditLog) RecoveriesOf(ctx context.Context, m auditlog.Month, after Told, atMost int) ([]Spanning, error) {
	rows, err := s.db.pool.Query(ctx, `
		select x.tenant_id, x.recovery_id,
		       exists (select 1 from audit_event l where l.tenant_id = x.tenant_id and l.recovery_id = x.recovery_id and (l.id >= $2 or l.id < $1) and l.action <> 'audit.carried'),
		       exists (select 1 from audit_event c where c.tenant_id = x.tenant_id and c.recovery_id = x.recovery_id and c.id >= $2 and c.action = 'audit.carried'
		                  and c.details->>'month' = $6 and c.details ? 'version'),
		       exists (select 1 from audit_event f where f.tenant_id = x.tenant_id and f.recovery_id = x.recovery_id
		                  and (f.action = 'recovery.forgotten' or f.action = 'audit.carried' and f.details ? 'forgotten')),
		       coalesce((select max(v.recovery_version) from audit_event v where v.tenant_id = x.tenant_id and v.recovery_id = x.recovery_id and v.id < $2), 0)
		  from (select distinct e.tenant_id, e.recovery_id from audit_event e where e.id >= $1 and e.id < $2 and e.recovery_id is not null
		           and (e.tenant_id, e.recovery_id) > ($3, $4) order by 1, 2 limit $5) x order by 1, 2`, m.FromID, m.UntilID, after.Tenant, after.ID, atMost, m.Name)
	if err != nil {
		return nil, translate(err, "list recoveries of a month")
	}
	out, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (Spanning, error) {
		var x Spanning
		err := row.Scan(&x.Tenant, &x.ID, &x.GoesOn, &x.Carried, &x.Forgotten, &x.UpTo)
		return x, err
	})
	return out, translate(err, "list recoveries of a month")
}

// Spanning is a recovery that a month has events of.
type Spanning struct {
	Told
	GoesOn  bool // it has events in other months
	Carried bool // an event carries it on from this month
	// Forgotten says that an event tells, or carries on, that its working data were deleted.
	Forgotten bool
	UpTo      int64 // the version of its last transition up to the end of the month; 0 when it has none left
}

// Carry writes down what has to be known on of things whose events in a month are about to go: subject, recovery and account may be empty.
func (s *AuditLog) Carry(ctx context.Context, month, operator string, events []audit.Event) error {
	type said struct {
		Tenant   string         `json:"tenant"`
		Subject  string         `json:"subject"`
		Recovery string         `json:"recovery,omitempty"`
		Account  string         `json:"account,omitempty"`
		Details  map[string]any `json:"details"`
	}
	out := make([]said, 0, len(events))
	for _, e := range events {
		out = append(out, said{Tenant: e.Tenant, Subject: e.Subject, Recovery: e.Recovery, Account: e.Account, Details: e.Details})
	}
	text, err := json.Marshal(out)
	if err != nil {
		return fault.Wrap(err, "carry on")
	}
	_, err = s.db.pool.Exec(ctx, `select audit_carry($1, $2, $3)`, month, operator, string(text))
	return translate(err, "carry on")
}

// Retire implements auditlog.RetireStore. A database that is busy is auditlog.ErrBusy.
func (s *AuditLog) Retire(ctx context.Context, month string, p auditlog.RetirePolicy, events int64, archive string) (event string, err error) {
	err = s.db.pool.QueryRow(ctx, `select audit_retire($1, $2, $3, $4, $5, $6, $7, $8, $9)`,
		month, p.Origin, p.Months, p.Anchors, p.Witnesses, p.Quorum, events, archive, p.Operator).Scan(&event)
	return event, retiring(err, "retire a month")
}

// retiring tells apart a lock that was not to be had, a rule that the database refuses by name, and the rest.
func retiring(err error, doing string) error {
	var refused *pgconn.PgError
	if !errors.As(err, &refused) {
		return translate(err, doing)
	}
	switch {
	case refused.Code == "55P03" || refused.Code == "40P01":
		return auditlog.ErrBusy
	case refused.ConstraintName != "" && refused.TableName == "":
		return fmt.Errorf("%w: %s (%s)", auditlog.ErrKept, refused.Message, refused.ConstraintName) // our own words: ids and numbers
	default:
		return translate(err, doing)
	}
}

// ClearRetired implements auditlog.RetireStore.
func (s *AuditLog) ClearRetired(ctx context.Context, atMost int) (map[string]int64, error) {
	var text []byte
	if err := s.db.pool.QueryRow(ctx, `select audit_retire_rows($1)`, atMost).Scan(&text); err != nil {
		return nil, retiring(err, "delete what went with a month")
	}
	out := map[string]int64{}
	return out, fault.Wrap(json.Unmarshal(text, &out), "delete what went with a month")
}

// Sealed implements auditlog.RetireStore.
func (s *AuditLog) Sealed(ctx context.Context, origin, tenant, event string) (published bool, err error) {
	err = s.db.pool.QueryRow(ctx, `
		select exists (select 1 from audit_log g join audit_leaf l on l.log_id = g.id join audit_checkpoint c on c.log_id = g.id and c.size > l.leaf_index
		                where g.origin = $1 and l.tenant_id = $2 and l.event_id = $3)`, origin, tenant, event).Scan(&published)
	return published, translate(err, "look whether an event is sealed")
}

// AuditMonthsStand is how the months of the log stand.
type AuditMonthsStand struct {
	Oldest  time.Time     // when the oldest month ended; zero where there is none
	Overdue time.Duration // for how long one has been past its time that no hold keeps
	Ahead   int           // months that are made beyond the present one; -1 when not even that is
	Stray   bool          // events lie outside of all months
}

// AuditMonths tells how the months of the log stand where kept months are kept.
func (db *DB) AuditMonths(ctx context.Context, kept int) (out AuditMonthsStand, err error) {
	var oldest *time.Time
	var seconds float64
	err = db.pool.QueryRow(ctx, `select oldest, overdue, ahead, stray from audit_months_stand($1)`, kept).Scan(&oldest, &seconds, &out.Ahead, &out.Stray)
	if oldest != nil {
		out.Oldest = oldest.UTC()
	}
	out.Overdue = time.Duration(seconds * float64(time.Second))
	return out, translate(err, "look at the months of the audit log")
}
