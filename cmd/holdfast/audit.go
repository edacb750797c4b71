package main

import (
	"encoding/json"
	"strconv"
	"text/tabwriter"
	"time"

	"github.com/holdfast/holdfast/internal/app"
	"github.com/holdfast/holdfast/internal/audit"
	"github.com/holdfast/holdfast/internal/auditlog"
	"github.com/holdfast/holdfast/internal/config"
	"github.com/holdfast/holdfast/internal/fault"
	"github.com/holdfast/holdfast/internal/postgres"
	"github.com/holdfast/holdfast/internal/secret"
)

type auditCmd struct {
	List       auditListCmd       `cmd:"" help:"List a tenant's audit events, newest first."`
	Case       auditCaseCmd       `cmd:"" help:"Who looked at a support case, who decided what, and how fast."`
	People     auditPeopleCmd     `cmd:"" help:"What people and AI agents did on cases in a period, and whom they met."`
	Checkpoint auditCheckpointCmd `cmd:"" help:"Print the newest checkpoint and how far sealing is behind."`
	Keys       auditKeysCmd       `cmd:"" help:"Print the keys that checkpoints are verified with."`
	Export     auditExportCmd     `cmd:"" help:"Export events with their proofs, or the whole log."`
	Verify     auditVerifyCmd     `cmd:"" help:"Check exports offline: no database, no service."`
	Replay     auditReplayCmd     `cmd:"" help:"Rebuild every recovery from its events and report what they do not justify."`
	Retire     auditRetireCmd     `cmd:"" help:"Take whole months out of the log by policy: archived, verified, with an event that says so."`
}

type auditListCmd struct {
	Tenant   string `required:"" help:"The tenant."`
	Account  string `help:"Only events that concern this account, by your name of it (account_ref) or its id (acc_…)."`
	Recovery string `help:"Only events of this recovery (rcv_…)."`
	Subject  string `help:"Only events about this thing (acc_…, cas_…, cli_…, ntc_…)."`
	Actor    string `help:"Only what this client, agent or operator did."`
	Action   string `help:"Only this action, such as recovery.completed."`
	Since    string `help:"Only events from this time on (RFC 3339)."`
	Until    string `help:"Only events before this time (RFC 3339)."`
	Limit    int    `default:"50" help:"How many, 1 to 1000."`
	Cursor   string `help:"Go on after a page: the cursor that it ended with."`
	JSON     bool   `help:"One JSON object a line."`
}

// Run lists events. Like every reading of the log, it is an event itself.
func (c auditListCmd) Run(e *env) error {
	f := auditlog.Filter{
		AccountRef: c.Account, Subject: c.Subject, Recovery: c.Recovery, Actor: c.Actor, Action: audit.Action(c.Action), Limit: c.Limit, Cursor: c.Cursor,
	}
	if secret.ParseID("acc", c.Account) == nil {
		f.AccountRef, f.Account = "", c.Account
	}
	var err error
	if f.From, err = parseTime("--since", c.Since); err != nil {
		return err
	}
	if f.To, err = parseTime("--until", c.Until); err != nil {
		return err
	}
	return e.withAudit(func(log *auditlog.Log, _ *postgres.DB, _ config.Config) error {
		page, err := log.Events(e.ctx, auditlog.Reader{Tenant: c.Tenant, By: operator()}, f)
		if err != nil {
			return err
		}
		if c.JSON {
			return e.printJSON(page.Records)
		}
		w := tabwriter.NewWriter(e.out, 0, 4, 2, ' ', 0)
		t := &env{out: w}
		t.printf("TIME\tACTION\tOUTCOME\tACTOR\tSUBJECT\tCHANGE\tREASON\tLOG\n")
		for _, x := range page.Records {
			change, place := "", "not sealed"
			if x.Event.Version > 0 {
				change = x.Event.From + " → " + x.Event.To
			}
			if x.Sealed() {
				place = strconv.FormatInt(x.Index, 10)
			}
			t.printf("%s\t%s\t%s\t%s %s\t%s\t%s\t%s\t%s\n", x.Event.At.Format(time.RFC3339), x.Event.Action, x.Event.Outcome, x.Event.Actor.Kind,
				x.Event.Actor.ID, x.Event.Subject, change, x.Event.Reason, place)
		}
		if page.Next != "" {
			t.printf("more: --cursor %s\n", page.Next)
		}
		return w.Flush()
	})
}

func (e *env) printJSON(records []auditlog.Record) error {
	enc := json.NewEncoder(e.out)
	for _, x := range records {
		if x.Personal != nil {
			x.Event.Origin, x.Event.RequestID = x.Personal.Origin, x.Personal.RequestID
		}
		if err := enc.Encode(x.Event); err != nil {
			return fault.Wrap(err, "write events")
		}
	}
	return nil
}

// withAudit runs an operator's command on the audit log.
func (e *env) withAudit(fn func(*auditlog.Log, *postgres.DB, config.Config) error) error {
	cfg, err := e.config(nil, config.ForOperating)
	if err != nil {
		return err
	}
	keys, err := app.ReadKeys(cfg)
	if err != nil {
		return err
	}
	return e.withDB(func(db *postgres.DB) error {
		log, err := app.NewAuditLog(cfg, db, keys)
		if err != nil {
			return err
		}
		return fn(log, db, cfg)
	})
}

type auditCheckpointCmd struct {
	Cosignatures int `help:"The newest that at least so many witnesses have cosigned." placeholder:"N"`
}

// Run prints the checkpoint.
func (c auditCheckpointCmd) Run(e *env) error {
	return e.withAudit(func(log *auditlog.Log, db *postgres.DB, _ config.Config) error {
		note, err := log.Checkpoint(e.ctx, c.Cosignatures)
		if fault.CodeOf(err) == fault.CodeNotFound {
			e.printf("there is no such checkpoint under the origin %s yet\n", log.Origin)
			return errCheckFailed
		}
		if err != nil {
			return err
		}
		e.printf("%s", note)
		lag, err := postgres.NewAuditLog(db).Lag(e.ctx, log.Origin)
		if err != nil {
			return err
		}
		e.printf("\n%d events sealed; the oldest that is not has been waiting for %s\n", lag.Size, lag.Waiting.Round(time.Millisecond))
		return nil
	})
}

type auditKeysCmd struct{}

// Run prints the keys. It needs no database.
func (auditKeysCmd) Run(e *env) error {
	cfg, err := e.config(nil)
	if err != nil {
		return err
	}
	keys, err := app.ReadKeys(cfg)
	if err != nil {
		return err
	}
	for _, k := range keys.CheckpointKeys() {
		text, err := audit.VerifierKey(app.AuditOrigin(cfg), k.Public())
		if err != nil {
			return err
		}
		e.printf("%s\n", text)
	}
	return nil
}

func parseTime(flag, text string) (time.Time, error) {
	if text == "" {
		return time.Time{}, nil
	}
	t, err := time.Parse(time.RFC3339, text)
	if err != nil {
		return time.Time{}, usageError{fault.Wrap(err, flag)}
	}
	return t, nil
}
