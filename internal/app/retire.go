package app

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/holdfast/holdfast/internal/audit"
	"github.com/holdfast/holdfast/internal/auditlog"
	"github.com/holdfast/holdfast/internal/config"
	"github.com/holdfast/holdfast/internal/fault"
	"github.com/holdfast/holdfast/internal/postgres"
	"github.com/holdfast/holdfast/internal/recovery"
	"github.com/holdfast/holdfast/internal/secret"
)

// The batches of a retirement.
const (
	retireBatch     = 500
	retireTries     = 60 // seconds that a retirement waits for a busy database, and for its event to be sealed
	mostUnjustified = 100
)

// Retiring takes months out of the audit log by policy (R-181, ADR 0042).
type Retiring struct {
	DB      *postgres.DB // as the owner of the schema
	Log     *auditlog.Log
	Policy  auditlog.RetirePolicy
	Archive auditlog.Archive
	// Pause waits for about a second, or until ctx ends.
	Pause func(ctx context.Context) error
	// Progress hears of each step; it goes to standard error.
	Progress func(text string)

	nobodySeals bool // as a wait has shown; there is no other
}

// NewRetiring builds it from the settings, for an operator. The archive, and who hears of the progress, are the caller's.
func NewRetiring(cfg config.Config, db *postgres.DB, keys *secret.Keyring, operator string) (*Retiring, error) {
	log, err := NewAuditLog(cfg, db, keys)
	if err != nil {
		return nil, err
	}
	outside, err := outsiders(cfg)
	if err != nil {
		return nil, fault.Wrap(err, "build anchors")
	}
	p := auditlog.RetirePolicy{Origin: log.Origin, Months: cfg.Retention.AuditMonths, Anchors: []string{}, Witnesses: []string{}, Operator: operator}
	for _, r := range outside.Receivers {
		p.Anchors = append(p.Anchors, r.Name())
	}
	for _, w := range outside.Witnesses {
		p.Witnesses = append(p.Witnesses, w.Name())
	}
	if p.Quorum = outside.Quorum; p.Quorum == 0 {
		p.Quorum = len(p.Witnesses)
	}
	return &Retiring{DB: db, Log: log, Policy: p, Pause: func(ctx context.Context) error {
		t := time.NewTimer(time.Second)
		defer t.Stop()
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-t.C:
			return nil
		}
	}}, nil
}

// RetireOutcome is what became of a month.
type RetireOutcome struct {
	auditlog.Month
	Kept     []auditlog.Kept // why it was not retired; none when it was, or may be
	Event    string          // the event that retired it
	Archived auditlog.Archived
	Carried  int  // things that are carried on
	Unsealed bool // nobody sealed that event while we waited
}

// Plan says of every month that ended by a time what keeps it, the oldest first. It changes nothing.
func (r *Retiring) Plan(ctx context.Context, before time.Time) ([]RetireOutcome, error) {
	store := postgres.NewAuditLog(r.DB)
	if err := store.MayRetire(ctx); err != nil {
		return nil, err
	}
	months, err := store.Months(ctx)
	if err != nil {
		return nil, err
	}
	var out []RetireOutcome
	for _, m := range months {
		if m.End.After(before) {
			continue
		}
		r.say("%s: looking at what keeps it", m.Name)
		o := RetireOutcome{Month: m}
		if o.Kept, err = store.Kept(ctx, m.Name, r.Policy); err != nil {
			return out, err
		}
		if len(o.Kept) == 0 {
			if o.Kept, o.Carried, err = r.carry(ctx, m, false); err != nil {
				return out, err
			}
		}
		out = append(out, o)
	}
	return out, nil
}

// Finish deletes what went with months that were retired before, should that have been cut short.
func (r *Retiring) Finish(ctx context.Context) (map[string]int64, error) {
	store := postgres.NewAuditLog(r.DB)
	gone := map[string]int64{}
	if err := store.MayRetire(ctx); err != nil {
		return gone, err
	}
	for {
		var batch map[string]int64
		err := r.again(ctx, func() (err error) { batch, err = store.ClearRetired(ctx, retireBatch); return err })
		if err != nil {
			return gone, err
		}
		n := int64(0)
		for table, rows := range batch {
			gone[table] += rows
			n += rows
		}
		if n == 0 {
			return gone, nil
		}
		r.say("deleted: %v", gone)
	}
}

// Retire retires one month that Plan found nothing to keep: archive, carry on, drop, delete what goes with it. It can be cut short anywhere and
// called again.
func (r *Retiring) Retire(ctx context.Context, m auditlog.Month) (RetireOutcome, error) {
	o := RetireOutcome{Month: m}
	store := postgres.NewAuditLog(r.DB)
	var err error
	if o.Kept, err = store.Kept(ctx, m.Name, r.Policy); err != nil || len(o.Kept) > 0 {
		return o, err
	}
	r.say("%s: archiving", m.Name)
	if o.Archived, err = auditlog.ArchiveMonth(ctx, store, r.Log.Origin, r.Log.Keys, m, r.Archive); err != nil {
		return o, err
	}
	digest := o.Archived.Digest
	if _, none := r.Archive.(auditlog.NoArchive); none {
		digest = "none"
	}
	r.say("%s: %d events are as they were sealed; carrying on what needs them", m.Name, o.Archived.Events)
	if o.Kept, o.Carried, err = r.carry(ctx, m, true); err != nil || len(o.Kept) > 0 {
		return o, err
	}
	r.say("%s: dropping it", m.Name)
	if err = r.again(ctx, func() (err error) {
		o.Event, err = store.Retire(ctx, m.Name, r.Policy, o.Archived.Events, digest)
		return err
	}); err != nil {
		return o, err
	}
	if _, err := r.Finish(ctx); err != nil {
		return o, err
	}
	o.Unsealed, err = r.unsealed(ctx, store, o.Event)
	return o, err
}

// carry looks whether every recovery of the month, and every row that it tells of, is as the events say, and writes down what has to be known on of
// what has a row for longer than the month: where a recovery had come, and what was told last of a row. What was carried on before is not again.
func (r *Retiring) carry(ctx context.Context, m auditlog.Month, write bool) (kept []auditlog.Kept, n int, err error) {
	c := &carrying{Retiring: r, month: m, store: postgres.NewAuditLog(r.DB), write: write}
	if err := c.recoveries(ctx); err != nil {
		return c.kept, c.n, err
	}
	for _, head := range c.store.RowHeads() {
		if err := c.rows(ctx, head); err != nil {
			return c.kept, c.n, err
		}
	}
	return c.kept, c.n, nil
}

// carrying is one such look under way.
type carrying struct {
	*Retiring
	month auditlog.Month
	store *postgres.AuditLog
	write bool
	kept  []auditlog.Kept
	n     int // things that are carried on
}

func (c *carrying) unjustified(tenant, what string) {
	if len(c.kept) < mostUnjustified {
		c.kept = append(c.kept, auditlog.Kept{Rule: "unjustified", About: tenant + " " + audit.Visible(what)})
	}
}

// put writes events, unless something keeps the month already.
func (c *carrying) put(ctx context.Context, events []audit.Event) error {
	if !c.write || len(c.kept) > 0 {
		return nil
	}
	for batch := range slices.Chunk(events, retireBatch) {
		if err := c.store.Carry(ctx, c.month.Name, c.Policy.Operator, batch); err != nil {
			return err
		}
	}
	return nil
}

func (c *carrying) recoveries(ctx context.Context) error {
	var after postgres.Told
	for {
		page, err := c.store.RecoveriesOf(ctx, c.month, after, retireBatch)
		if err != nil {
			return err
		}
		var events []audit.Event
		for _, x := range page {
			after = x.Told
			e, problems, err := carried(ctx, c.store, x)
			if err != nil {
				return err
			}
			for _, p := range problems {
				c.unjustified(x.Tenant, x.ID+": "+p)
			}
			if len(problems) == 0 && x.GoesOn {
				c.n++
				if !x.Carried {
					events = append(events, e)
				}
			}
		}
		if err := c.put(ctx, events); err != nil {
			return err
		}
		if len(page) < retireBatch {
			return nil
		}
		c.say("%s: %d recoveries carried on", c.month.Name, c.n)
	}
}

// rows does so with the rows of one head table and all that hangs on them.
func (c *carrying) rows(ctx context.Context, head string) error {
	scopes, err := c.store.ScopesOf(ctx, c.month, head)
	if err != nil {
		return err
	}
	for batch := range slices.Chunk(scopes, replayPage) {
		events, problems, err := c.store.RowsToCarry(ctx, c.month, head, batch)
		if err != nil {
			return err
		}
		for _, p := range problems {
			c.unjustified(p.Tenant, p.What)
		}
		c.n += len(events)
		if err := c.put(ctx, events); err != nil {
			return err
		}
	}
	if len(scopes) > 0 {
		c.say("%s: %d things carried on, up to %s", c.month.Name, c.n, head)
	}
	return nil
}

func carried(ctx context.Context, store *postgres.AuditLog, x postgres.Spanning) (audit.Event, []string, error) {
	events, row, err := store.Transitions(ctx, x.Told)
	if err != nil {
		return audit.Event{}, nil, err
	}
	details, problems := recovery.Carried(events, x.UpTo, row)
	if !x.Forgotten {
		problems = append(problems, "no event tells that it was forgotten")
	}
	if details != nil {
		details["forgotten"] = true // what of its rows may be gone
	}
	return audit.Event{Tenant: x.Tenant, Subject: x.ID, Recovery: x.ID, Details: details}, problems, nil
}

// again does something until the database is no longer too busy for it.
func (r *Retiring) again(ctx context.Context, do func() error) error {
	for try := 0; ; try++ {
		err := do()
		if !errors.Is(err, auditlog.ErrBusy) || try == retireTries {
			return err
		}
		if try == 0 {
			r.say("the database is busy; trying again")
		}
		if err := r.Pause(ctx); err != nil {
			return err
		}
	}
}

// unsealed waits until the event of a retirement is under a published checkpoint, and reports whether it is not: until then, exports name what is
// gone as not yet to be told.
func (r *Retiring) unsealed(ctx context.Context, store *postgres.AuditLog, event string) (bool, error) {
	for try := 0; ; try++ {
		sealed, err := store.Sealed(ctx, r.Log.Origin, "_fleet", event)
		if err != nil || sealed || r.nobodySeals || try == retireTries {
			r.nobodySeals = !sealed && err == nil
			return !sealed, err
		}
		if try == 0 {
			r.say("waiting for %s to be sealed", event)
		}
		if err := r.Pause(ctx); err != nil {
			return true, err
		}
	}
}

func (r *Retiring) say(format string, args ...any) {
	if r.Progress != nil {
		r.Progress(fmt.Sprintf(format, args...))
	}
}

// Stray counts events older than what is kept that lie outside of all months.
func (r *Retiring) Stray(ctx context.Context) (int64, error) {
	now, err := r.DB.Now(ctx)
	if err != nil {
		return 0, err
	}
	return postgres.NewAuditLog(r.DB).Stray(ctx, now.AddDate(0, -r.Policy.Months, 0))
}

// Tables lists what was deleted, by name.
func Tables(gone map[string]int64) []string {
	var out []string
	for table, n := range gone {
		if n > 0 {
			out = append(out, fmt.Sprintf("%d of %s", n, table))
		}
	}
	slices.Sort(out)
	return out
}
