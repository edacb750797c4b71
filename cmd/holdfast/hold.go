package main

import (
	"cmp"
	"text/tabwriter"
	"time"

	"github.com/holdfast/holdfast/internal/account"
	"github.com/holdfast/holdfast/internal/postgres"
)

type holdCmd struct {
	Set  holdSetCmd  `cmd:"" help:"Delete nothing of an account, or of a whole tenant, until the hold is lifted: no retention, no erasure."`
	Lift holdLiftCmd `cmd:"" help:"End a hold; what is past its time goes within minutes."`
	List holdListCmd `cmd:"" help:"List the holds that last."`
}

// held is whom a hold is about.
type held struct {
	Tenant  string `required:"" help:"The tenant."`
	Account string `help:"The account, by the tenant's own name for it; the whole tenant when absent."`
}

// id finds the account; "" stands for the tenant.
func (h held) id(e *env) (string, error) {
	if h.Account == "" {
		return "", nil
	}
	var id string
	err := e.withAccounts(func(accounts *account.Service) error {
		view, err := accounts.Get(e.ctx, account.Caller{Tenant: h.Tenant, Client: operator().ID, Operator: true}, h.Account)
		id = view.ID
		return err
	})
	return id, err
}

type holdSetCmd struct {
	held

	Reason string `required:"" help:"Why, as in the number of a case: 3 to 200 characters, kept until the hold is lifted; no personal data."`
}

// Run sets a hold.
func (c holdSetCmd) Run(e *env) error {
	id, err := c.id(e)
	if err != nil {
		return err
	}
	return e.withDB(func(db *postgres.DB) error {
		if err := db.SetHold(e.ctx, operator(), postgres.Hold{Tenant: c.Tenant, Account: id, Reason: c.Reason}); err != nil {
			return err
		}
		e.printf("held: nothing of %s %s is deleted until the hold is lifted\n", c.Tenant, cmp.Or(id, "(all)"))
		return nil
	})
}

type holdLiftCmd struct{ held }

// Run lifts a hold.
func (c holdLiftCmd) Run(e *env) error {
	id, err := c.id(e)
	if err != nil {
		return err
	}
	return e.withDB(func(db *postgres.DB) error {
		if err := db.LiftHold(e.ctx, operator(), c.Tenant, id); err != nil {
			return err
		}
		e.printf("lifted: what of %s %s is past its time goes within minutes\n", c.Tenant, cmp.Or(id, "(all)"))
		return nil
	})
}

type holdListCmd struct{}

// Run lists holds.
func (holdListCmd) Run(e *env) error {
	return e.withDB(func(db *postgres.DB) error {
		holds, err := db.Holds(e.ctx)
		if err != nil {
			return err
		}
		w := tabwriter.NewWriter(e.out, 0, 4, 2, ' ', 0)
		t := &env{out: w}
		t.printf("TENANT\tACCOUNT\tSINCE\tREASON\n")
		for _, h := range holds {
			t.printf("%s\t%s\t%s\t%s\n", h.Tenant, cmp.Or(h.Account, "(all)"), h.Since.Format(time.RFC3339), h.Reason)
		}
		return w.Flush()
	})
}
