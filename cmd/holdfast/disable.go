package main

import (
	"errors"

	"github.com/holdfast/holdfast/internal/credential"
)

// errOneTarget is for a call that does not say what to disable; errNoReason for a switch without a reason.
var (
	errOneTarget = errors.New("name one client and its tenant, or --owner and --tenant, or --all-ai")
	errNoReason  = errors.New("--all-ai needs --reason: who comes next reads it")
)

type clientDisableCmd struct {
	Client string `arg:"" optional:"" help:"The client's id (cli_…)."`
	Tenant string `help:"The tenant. With --all-ai: of this tenant only; of all when left out."`
	Owner  string `help:"Disable every client of this owner, and register no more for them."`
	AllAI  bool   `name:"all-ai" help:"The one switch: stop every AI agent, those too that are made while it is off."`
	Reason string `help:"Why, for whoever reads the trail; needed with --all-ai."`
}

// Run disables.
func (c clientDisableCmd) Run(e *env) error {
	if err := oneTarget(c.Client != "", c.Owner != "", c.AllAI, c.Tenant != "", c.Reason != ""); err != nil {
		return err
	}
	return e.withClients(func(clients *credential.Clients) error {
		ids := []string{c.Client}
		var err error
		cmd := credential.DisableCommand{Tenant: c.Tenant, Owner: c.Owner, Reason: c.Reason, By: operator()}
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

func oneTarget(client, owner, ai, tenant, reason bool) error {
	chosen := 0
	for _, is := range []bool{client, owner, ai} {
		if is {
			chosen++
		}
	}
	switch {
	case chosen != 1 || (!tenant && !ai):
		return usageError{errOneTarget}
	case ai && !reason:
		return usageError{errNoReason}
	}
	return nil
}

type clientEnableCmd struct {
	Tenant string `help:"The tenant. With --all-ai: of this tenant only; the installation's switch when left out."`
	Owner  string `help:"Let clients be registered for this owner again. Those that were disabled stay so."`
	AllAI  bool   `name:"all-ai" help:"Switch AI agents on again. Those that were disabled one by one stay so."`
	Reason string `help:"Why, for whoever reads the trail; needed with --all-ai."`
}

// Run switches on.
func (c clientEnableCmd) Run(e *env) error {
	if err := oneTarget(false, c.Owner != "", c.AllAI, c.Tenant != "", c.Reason != ""); err != nil {
		return err
	}
	return e.withClients(func(clients *credential.Clients) error {
		enable := clients.EnableOwner
		if c.AllAI {
			enable = clients.EnableAI
		}
		if err := enable(e.ctx, credential.DisableCommand{Tenant: c.Tenant, Owner: c.Owner, Reason: c.Reason, By: operator()}); err != nil {
			return err
		}
		e.printf("switched on; what was disabled one by one stays disabled\n")
		return nil
	})
}
