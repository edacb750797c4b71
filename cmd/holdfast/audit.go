package main

import (
	"encoding/json"
	"text/tabwriter"
	"time"

	"github.com/holdfast/holdfast/internal/audit"
	"github.com/holdfast/holdfast/internal/fault"
	"github.com/holdfast/holdfast/internal/postgres"
)

type auditCmd struct {
	List auditListCmd `cmd:"" help:"List a tenant's audit events, newest first."`
}

type auditListCmd struct {
	Tenant   string `required:"" help:"The tenant."`
	Recovery string `help:"Only events of this recovery (rcv_…)."`
	Subject  string `help:"Only events about this account, client, notice … (acc_…, cli_…, ntc_…)."`
	Action   string `help:"Only this action, such as recovery.completed."`
	Since    string `help:"Only events from this time on (RFC 3339)."`
	Until    string `help:"Only events before this time (RFC 3339)."`
	Limit    int    `default:"50" help:"How many, 1 to 1000."`
	Cursor   string `help:"Go on after a page: the cursor that it ended with."`
	JSON     bool   `help:"One JSON object a line."`
}

// Run lists events.
func (c auditListCmd) Run(e *env) error {
	f := postgres.EventFilter{
		Tenant: c.Tenant, Subject: c.Subject, Recovery: c.Recovery, Action: audit.Action(c.Action), Limit: c.Limit, Cursor: c.Cursor,
	}
	var err error
	if f.From, err = parseTime("--since", c.Since); err != nil {
		return err
	}
	if f.To, err = parseTime("--until", c.Until); err != nil {
		return err
	}
	return e.withDB(func(db *postgres.DB) error {
		events, next, err := db.ListEvents(e.ctx, f)
		if err != nil {
			return err
		}
		if c.JSON {
			return e.printJSON(events)
		}
		w := tabwriter.NewWriter(e.out, 0, 4, 2, ' ', 0)
		t := &env{out: w}
		t.printf("TIME\tACTION\tOUTCOME\tACTOR\tSUBJECT\tCHANGE\tREASON\n")
		for _, x := range events {
			change := ""
			if x.Version > 0 {
				change = x.From + " → " + x.To
			}
			t.printf("%s\t%s\t%s\t%s %s\t%s\t%s\t%s\n", x.At.Format(time.RFC3339), x.Action, x.Outcome, x.Actor.Kind, x.Actor.ID, x.Subject, change, x.Reason)
		}
		if next != "" {
			t.printf("more: --cursor %s\n", next)
		}
		return w.Flush()
	})
}

func (e *env) printJSON(events []audit.Event) error {
	enc := json.NewEncoder(e.out)
	for _, x := range events {
		if err := enc.Encode(x); err != nil {
			return fault.Wrap(err, "write events")
		}
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
