package main

import (
	"maps"
	"slices"
	"text/tabwriter"
	"time"

	"github.com/holdfast/holdfast/internal/abuse"
	"github.com/holdfast/holdfast/internal/app"
	"github.com/holdfast/holdfast/internal/postgres"
)

// withAbuse runs an operator's command on alerts and controls.
func (e *env) withAbuse(fn func(*app.Abuse) error) error {
	return e.withDB(func(db *postgres.DB) error { return fn(app.NewAbuse(db)) })
}

// scope is a tenant, or all of them together.
type scope struct {
	Tenant string `xor:"scope" required:"" help:"The tenant."`
	All    bool   `xor:"scope" required:"" help:"The whole installation."`
}

// or gives the tenant, or what stands for all.
func (s scope) or(all string) string {
	if s.All {
		return all
	}
	return s.Tenant
}

type alertCmd struct {
	List alertListCmd `cmd:"" help:"List alerts, newest first."`
	Show alertShowCmd `cmd:"" help:"Show one alert, with what it means and its runbook."`
	Ack  alertAckCmd  `cmd:"" help:"Acknowledge an alert: somebody looks at it."`
}

type alertListCmd struct {
	scope

	State    string `enum:",open,acknowledged,resolved" default:"" help:"Only alerts in this state: open, acknowledged, resolved."`
	Detector string `help:"Only alerts of this detector, such as CodeSpray."`
	Limit    int    `default:"50" help:"How many, 1 to 200."`
	Cursor   string `help:"Go on after a page: the cursor that it ended with."`
}

// Run lists alerts.
func (c alertListCmd) Run(e *env) error {
	return e.withAbuse(func(a *app.Abuse) error {
		alerts, next, err := a.Desk.List(e.ctx, abuse.Filter{
			Tenant: c.or(abuse.AllTenants), State: abuse.State(c.State), Detector: c.Detector, Limit: c.Limit, Cursor: c.Cursor,
		})
		if err != nil {
			return err
		}
		w := tabwriter.NewWriter(e.out, 0, 4, 2, ' ', 0)
		t := &env{out: w}
		t.printf("ALERT\tTENANT\tDETECTOR\tSEVERITY\tSTATE\tCOUNT\tLIMIT\tFIRST SEEN\tLAST SEEN\tABOUT\n")
		for _, x := range alerts {
			t.printf("%s\t%s\t%s\t%s\t%s\t%d\t%d\t%s\t%s\t%s\n", x.ID, x.Tenant, x.Detector, x.Severity, x.State, x.Count, x.Threshold,
				x.FirstSeen.Format(time.RFC3339), x.LastSeen.Format(time.RFC3339), about(x))
		}
		if next != "" {
			t.printf("more: --cursor %s\n", next)
		}
		return w.Flush()
	})
}

// about is an alert's labels in one line.
func about(a abuse.Alert) string {
	text := ""
	for _, name := range slices.Sorted(maps.Keys(a.Labels)) {
		text += name + "=" + a.Labels[name] + " "
	}
	return text
}

type alertShowCmd struct {
	ID string `arg:"" help:"The alert's id (alr_…)."`
}

// Run shows an alert.
func (c alertShowCmd) Run(e *env) error {
	return e.withAbuse(func(a *app.Abuse) error {
		x, err := a.Desk.Get(e.ctx, abuse.AllTenants, c.ID)
		if err != nil {
			return err
		}
		e.printf("%s  %s, %s, %s\n", x.ID, x.Detector, x.Severity, x.State)
		e.printf("tenant      %s\nabout       %s\ncount       %d (peak %d, from %d on)\nseen        %s to %s\n", x.Tenant, about(x), x.Count, x.Peak,
			x.Threshold, x.FirstSeen.Format(time.RFC3339), x.LastSeen.Format(time.RFC3339))
		if x.AcknowledgedBy != "" {
			e.printf("acknowledged by %s at %s: %s\n", x.AcknowledgedBy, x.AcknowledgedAt.Format(time.RFC3339), x.Acknowledgement)
		}
		for _, d := range abuse.Detectors() {
			if d.Name == x.Detector {
				e.printf("means       %s\nhonest      %s\n", d.Means, d.Honest)
			}
		}
		e.printf("runbook     deploy/runbooks/%s.md\n", x.Detector)
		return nil
	})
}

type alertAckCmd struct {
	ID     string `arg:"" help:"The alert's id (alr_…)."`
	Reason string `required:"" help:"Why that is enough for now."`
}

// Run acknowledges an alert.
func (c alertAckCmd) Run(e *env) error {
	return e.withAbuse(func(a *app.Abuse) error {
		x, err := a.Desk.Acknowledge(e.ctx, abuse.AcknowledgeCommand{Tenant: abuse.AllTenants, ID: c.ID, Reason: c.Reason, By: operator()})
		if err != nil {
			return err
		}
		e.printf("acknowledged %s (%s); it opens again if it grows fivefold\n", x.ID, x.Detector)
		return nil
	})
}
