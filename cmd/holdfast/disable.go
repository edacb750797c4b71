package main

import (
	"errors"

	"github.com/holdfast/holdfast/internal/credential"
)

// errOneTarget is for a call that does not say what to disable.
var errOneTarget = errors.New("name one client and its tenant, or --owner and --tenant, or --all-ai")

type clientDisableCmd struct {
	Client string `arg:"" optional:"" help:"The client's id (cli_…)."`
	Tenant string `help:"The tenant. With --all-ai: of this tenant only; of all when left out."`
	Owner  string `help:"Disable every client of this owner."`
	AllAI  bool   `name:"all-ai" help:"The one switch: disable every AI agent."`
}

// Run disables.
func (c clientDisableCmd) Run(e *env) error {
	chosen := 0
	for _, is := range []bool{c.Client != "", c.Owner != "", c.AllAI} {
		if is {
			chosen++
		}
	}
	if chosen != 1 || (c.Tenant == "" && !c.AllAI) {
		return usageError{errOneTarget}
	}
	return e.withClients(func(clients *credential.Clients) error {
		ids := []string{c.Client}
		var err error
		cmd := credential.DisableCommand{Tenant: c.Tenant, Owner: c.Owner, By: operator()}
		switch {
		case c.AllAI:
			ids, err = clients.DisableAI(e.ctx, cmd)
		case c.Owner != "":
			ids, err = clients.DisableOwner(e.ctx, cmd)
		default:
			err = clients.Revoke(e.ctx, credential.RevokeCommand{Tenant: c.Tenant, Client: c.Client, By: operator()})
		}
		if err != nil {
			return err
		}
		for _, id := range ids {
			e.printf("disabled %s\n", id)
		}
		e.printf("%d disabled; every node heeds it within seconds\n", len(ids))
		return nil
	})
}
