package main

import (
	"bufio"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/holdfast/holdfast/internal/app"
	"github.com/holdfast/holdfast/internal/audit"
	"github.com/holdfast/holdfast/internal/auditlog"
	"github.com/holdfast/holdfast/internal/config"
	"github.com/holdfast/holdfast/internal/fault"
	"github.com/holdfast/holdfast/internal/postgres"
)

type auditRetireCmd struct {
	Before    string `help:"Months before this one, as in 2024-11." placeholder:"YYYY-MM" xor:"which" required:""`
	Due       bool   `help:"Every month whose time is over." xor:"which" required:""`
	Archive   string `help:"Folder that each month is written to first, as exports that 'holdfast audit verify' reads; made when it is not there." placeholder:"DIR" xor:"archive"`
	NoArchive bool   `help:"Keep nothing of what goes. It is checked against the log all the same." xor:"archive"`
	DryRun    bool   `help:"Only say what would go, and what keeps the others."`
	Yes       bool   `short:"y" help:"Do not ask."`
}

// Help tells the rules.
func (auditRetireCmd) Help() string {
	return `Takes whole months of audit events out of the database by policy (deploy/retention.md). It needs the owner of the schema: HOLDFAST_MIGRATE_DATABASE_URL, or
HOLDFAST_DATABASE_URL; and the keyring, for the log's keys.

A month goes when it ended at least HOLDFAST_RETENTION_AUDIT_MONTHS ago by the database's clock, 24 at least; when each of its events is sealed, under a signed
checkpoint that the configured anchors have taken; no legal hold, and no recovery that is not forgotten, has an event in it; and when every row that it tells of is as it says. Any other is kept and
named. 'before' is what was written before there were months. What keeps a month is asked again by the database itself as it drops it.

First it is archived: an export with proofs for each tenant, and a list of their digests (sha256sum -c), which are read back and verified. Then the month is
dropped in one transaction with the event audit.retired, and then what is kept as long as the log of recoveries that have no event left. Leaves, tiles and
checkpoints stay: proofs that were given keep verifying. A run that was cut short is finished by the next one.

Without --yes it asks. Progress goes to standard error. It ends with 3 when a month that was meant is kept, and with 1 when something fails.`
}

// Run retires.
func (c auditRetireCmd) Run(e *env) error {
	var before time.Time
	if c.Before != "" {
		var err error
		if before, err = time.Parse("2006-01", c.Before); err != nil {
			return usageError{fault.Wrap(err, "--before")}
		}
	}
	if c.Archive == "" && !c.NoArchive && !c.DryRun {
		return usageError{errors.New("say --archive DIR, or --no-archive if nothing of it is to be kept")}
	}
	return e.withOwner(func(r *app.Retiring, db *postgres.DB) error {
		r.Progress = (&env{out: e.err}).say
		if c.NoArchive {
			r.Archive = auditlog.NoArchive{}
		} else {
			r.Archive = folder{c.Archive}
		}
		if c.Due {
			now, err := db.Now(e.ctx)
			if err != nil {
				return err
			}
			before = now.AddDate(0, -r.Policy.Months, 0)
		}
		return c.retire(e, r, before)
	})
}

func (e *env) say(text string) { e.printf("%s\n", text) }

// withOwner runs something on the log as the owner of the schema.
func (e *env) withOwner(fn func(*app.Retiring, *postgres.DB) error) error {
	cfg, err := e.config(nil, config.ForMigrating)
	if err != nil {
		return err
	}
	keys, err := app.ReadKeys(cfg)
	if err != nil {
		return err
	}
	if !cfg.Database.MigrateURL.IsZero() {
		cfg.Database.URL = cfg.Database.MigrateURL
	}
	cfg.Database.Role = ""
	db, err := app.OpenDB(e.ctx, cfg)
	if err != nil {
		return err
	}
	defer db.Close()
	r, err := app.NewRetiring(cfg, db, keys, operator().ID)
	if err != nil {
		return err
	}
	return fn(r, db)
}

func (c auditRetireCmd) retire(e *env, r *app.Retiring, before time.Time) error {
	if !c.DryRun {
		gone, err := r.Finish(e.ctx) // of a run that was cut short
		if err != nil {
			return err
		}
		e.printGone(gone)
	}
	plan, err := r.Plan(e.ctx, before)
	if err != nil {
		return err
	}
	kept, due := 0, 0
	for _, m := range plan {
		if len(m.Kept) > 0 {
			kept++
			e.printKept(m)
			continue
		}
		due++
		if c.DryRun {
			e.printf("%s: would be retired; %d things would be carried on\n", m.Name, m.Carried)
		}
	}
	if err := e.printStray(r); err != nil {
		return err
	}
	switch {
	case c.DryRun:
		e.printf("%d months would be retired, %d are kept; nothing was changed\n", due, kept)
		return verdict(kept)
	case due > 0 && !c.Yes && !e.agrees(due):
		return errCheckFailed
	}
	retired := 0
	for _, m := range plan {
		if len(m.Kept) > 0 {
			continue
		}
		o, err := r.Retire(e.ctx, m.Month)
		if err != nil {
			return fault.Wrap(err, m.Name)
		}
		if len(o.Kept) > 0 { // since the plan was made
			kept++
			e.printKept(o)
			continue
		}
		retired++
		e.printRetired(o, c.Archive)
	}
	e.printf("%d months retired, %d kept\n", retired, kept)
	return verdict(kept)
}

func verdict(kept int) error {
	if kept > 0 {
		return errCheckFailed
	}
	return nil
}

// agrees asks whether to go on.
func (e *env) agrees(months int) bool {
	(&env{out: e.err}).printf("%d months of audit events will be deleted. Type yes to go on: ", months)
	line, _ := bufio.NewReader(e.in).ReadString('\n')
	return strings.TrimSpace(line) == "yes"
}

func (e *env) printKept(o app.RetireOutcome) {
	for _, k := range o.Kept {
		e.printf("%s: kept: %s\n", o.Name, audit.Visible(k.String()))
	}
}

func (e *env) printRetired(o app.RetireOutcome, folder string) {
	where := "nothing was archived"
	if folder != "" && o.Archived.Events > 0 {
		where = "archived in " + folder + " as " + o.Archived.Digest
	}
	e.printf("%s: retired by %s: %d events, %s; %d things carried on\n", o.Name, o.Event, o.Archived.Events, where, o.Carried)
	if o.Unsealed {
		e.printf("%s: %s is not sealed yet: until a working node has done so, exports name what is gone as not to be told yet\n", o.Name, o.Event)
	}
}

func (e *env) printGone(gone map[string]int64) {
	if rows := app.Tables(gone); len(rows) > 0 {
		e.printf("of months that were retired before: deleted %s\n", strings.Join(rows, ", "))
	}
}

func (e *env) printStray(r *app.Retiring) error {
	n, err := r.Stray(e.ctx)
	if n > 0 {
		e.printf("%d events past their time lie outside of all months (audit_event_default) and are not retired: deploy/runbooks/HoldfastAuditMonthsMissing.md\n", n)
	}
	return err
}

// folder is an archive of files that only their owner may read.
type folder struct{ path string }

// Keep implements auditlog.Archive: a file has its name once it is written out, checked and there after a crash.
func (f folder) Keep(name string, write func(io.Writer) error, check func(io.Reader) error) error {
	if err := os.MkdirAll(f.path, 0o700); err != nil {
		return fault.Wrap(err, "make the archive")
	}
	final := filepath.Join(f.path, name)
	part := final + ".part"
	if err := (&env{}).toFile(part, write); err != nil {
		return err
	}
	file, err := os.OpenFile(part, os.O_RDWR, 0) //nolint:gosec // the operator names the folder.
	if err != nil {
		return fault.Wrap(err, "read the archive back")
	}
	err = errors.Join(file.Sync(), check(bufio.NewReader(file)))
	if err = errors.Join(err, file.Close()); err != nil {
		return err
	}
	if err := os.Rename(part, final); err != nil {
		return fault.Wrap(err, "keep the archive")
	}
	dir, err := os.Open(f.path)
	if err != nil {
		return fault.Wrap(err, "keep the archive")
	}
	return fault.Wrap(errors.Join(dir.Sync(), dir.Close()), "keep the archive")
}
