package main

import (
	"strconv"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/holdfast/holdfast/internal/auditlog"
	"github.com/holdfast/holdfast/internal/config"
	"github.com/holdfast/holdfast/internal/postgres"
)

type auditCaseCmd struct {
	Case   string `arg:"" help:"The case's id (cas_…)."`
	Tenant string `required:"" help:"The tenant."`
	Limit  int    `default:"100" help:"How many events, 1 to 1000."`
	Cursor string `help:"Go on after a page: the cursor that it ended with."`
}

// Run prints the case's trail. Reading it is an event itself.
func (c auditCaseCmd) Run(e *env) error {
	return e.withAudit(func(log *auditlog.Log, _ *postgres.DB, _ config.Config) error {
		trail, err := log.Case(e.ctx, auditlog.Reader{Tenant: c.Tenant, By: operator()}, c.Case, c.Cursor, c.Limit)
		if err != nil {
			return err
		}
		w := tabwriter.NewWriter(e.out, 0, 4, 2, ' ', 0)
		t := &env{out: w}
		t.printf("TIME\tACTION\tOUTCOME\tACTOR\tPROPOSAL\n")
		for _, x := range trail.Records {
			proposal, _ := x.Event.Details["proposal"].(string)
			t.printf("%s\t%s\t%s\t%s %s\t%s\n", x.Event.At.Format(time.RFC3339), x.Event.Action, x.Event.Outcome, x.Event.Actor.Kind, x.Event.Actor.ID, proposal)
		}
		if trail.Next != "" {
			t.printf("more: --cursor %s\n", trail.Next)
		}
		if len(trail.Decisions) > 0 {
			t.printf("\nPROPOSAL\tPERSON\tDECISION\tOUTCOME\tPROPOSED BY\tSINCE DRAWN\tSINCE FIRST LOOK\tREASON\n")
		}
		for _, d := range trail.Decisions {
			decision := "against"
			if d.Consent {
				decision = "for"
			}
			t.printf("%s\t%s\t%s\t%s\t%s\t%s\t%s\t%q\n", d.Proposal, d.Person, decision, d.Outcome, d.ProposedBy, span(d.DrawnAt, d.At), span(d.FirstLookAt, d.At), d.Reason)
		}
		return w.Flush()
	})
}

func span(from, to time.Time) string {
	if from.IsZero() {
		return "?"
	}
	return to.Sub(from).Round(time.Second).String()
}

type auditPeopleCmd struct {
	Tenant string `required:"" help:"The tenant."`
	Since  string `help:"From this time on (RFC 3339); 31 days before --until when left out."`
	Until  string `help:"Before this time (RFC 3339); now when left out."`
	Limit  int    `default:"100" help:"How many, 1 to 100."`
	Cursor string `help:"Go on after a page: the cursor that it ended with."`
}

// Run lists people's work. Reading it is an event itself.
func (c auditPeopleCmd) Run(e *env) error {
	f := auditlog.DeskFilter{Cursor: c.Cursor, Limit: c.Limit}
	var err error
	if f.From, err = parseTime("--since", c.Since); err != nil {
		return err
	}
	if f.To, err = parseTime("--until", c.Until); err != nil {
		return err
	}
	return e.withAudit(func(log *auditlog.Log, _ *postgres.DB, _ config.Config) error {
		desk, err := log.Desk(e.ctx, auditlog.Reader{Tenant: c.Tenant, By: operator()}, f)
		if err != nil {
			return err
		}
		w := tabwriter.NewWriter(e.out, 0, 4, 2, ' ', 0)
		t := &env{out: w}
		t.printf("KIND\tWHO\tCASES\tLOOKS\tREFUSED\tPROPOSED\tDRAWN\tFOR\tAGAINST\tHASTY\tMEDIAN SINCE DRAWN\tPROPOSERS\tDECIDED WITH\n")
		for _, x := range desk.Workers {
			t.printf("%s\t%s\t%d\t%d\t%d\t%d\t%d\t%d\t%d\t%d\t%s\t%s\t%s\n", x.Actor.Kind, x.Actor.ID, x.Cases, x.Looks, x.Refused, x.Proposed, x.Drawn,
				x.Approved, x.Rejected, x.Hasty, x.DrawToDecide.Round(time.Second), pairs(x.Proposers), pairs(x.FellowDecider))
		}
		if desk.Next != "" {
			t.printf("more: --cursor %s\n", desk.Next)
		}
		return w.Flush()
	})
}

func pairs(all []auditlog.Pair) string {
	var out []string
	for _, p := range all {
		out = append(out, p.Person+" "+strconv.Itoa(p.Proposals))
	}
	return strings.Join(out, ", ")
}
