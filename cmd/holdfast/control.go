package main

import (
	"text/tabwriter"
	"time"

	"github.com/holdfast/holdfast/internal/abuse"
	"github.com/holdfast/holdfast/internal/app"
)

type controlCmd struct {
	List controlListCmd `cmd:"" help:"List controls."`
	Set  controlSetCmd  `cmd:"" help:"Raise the bar for a while: the lowest tier, or stop a method, a country or new recoveries."`
	Lift controlLiftCmd `cmd:"" help:"Take back a raise."`
}

type controlListCmd struct {
	scope

	Ended bool `help:"Also those that have ended."`
}

// Run lists controls.
func (c controlListCmd) Run(e *env) error {
	return e.withAbuse(func(a *app.Abuse) error {
		now, controls, err := a.Controls.List(e.ctx, c.or(abuse.AllTenants), c.Ended)
		if err != nil {
			return err
		}
		w := tabwriter.NewWriter(e.out, 0, 4, 2, ' ', 0)
		t := &env{out: w}
		t.printf("CONTROL\tTENANT\tKIND\tVALUE\tSTATE\tSET BY\tEXPIRES\tREASON\n")
		for _, x := range controls {
			state := "in force"
			switch {
			case !x.LiftedAt.IsZero():
				state = "lifted by " + x.LiftedBy
			case !x.InForce(now):
				state = "expired"
			}
			t.printf("%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\n", x.ID, x.Tenant, x.Kind, x.Value, state, x.By.ID, x.ExpiresAt.Format(time.RFC3339), x.Reason)
		}
		return w.Flush()
	})
}

type controlSetCmd struct {
	scope

	Kind   string        `arg:"" enum:"min_tier,stop_method,stop_country,pause_starts" help:"min_tier, stop_method, stop_country or pause_starts."`
	Value  string        `arg:"" optional:"" help:"The tier, method or country; nothing for pause_starts."`
	For    time.Duration `required:"" help:"For how long, 1m to 168h; it ends by itself."`
	Reason string        `required:"" help:"Why. It is kept; no personal data."`
}

// Run sets a control.
func (c controlSetCmd) Run(e *env) error {
	return e.withAbuse(func(a *app.Abuse) error {
		x, err := a.Controls.Set(e.ctx, abuse.SetCommand{
			Tenant: c.or(abuse.Fleet), Kind: abuse.ControlKind(c.Kind), Value: c.Value, Reason: c.Reason, For: c.For, By: operator(),
		})
		if err != nil {
			return err
		}
		e.printf("set %s: %s %s for %s until %s; every node heeds it within seconds\n", x.ID, x.Kind, x.Value, x.Tenant, x.ExpiresAt.Format(time.RFC3339))
		return nil
	})
}

type controlLiftCmd struct {
	ID     string `arg:"" help:"The control's id (ctl_…)."`
	Reason string `required:"" help:"Why it is no longer needed."`
}

// Run lifts a control.
func (c controlLiftCmd) Run(e *env) error {
	return e.withAbuse(func(a *app.Abuse) error {
		x, err := a.Controls.Lift(e.ctx, abuse.LiftCommand{Tenant: abuse.AllTenants, ID: c.ID, Reason: c.Reason, By: operator()})
		if err != nil {
			return err
		}
		e.printf("lifted %s; recoveries that it raised stay as they are\n", x.ID)
		return nil
	})
}
