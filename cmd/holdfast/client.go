package main

import (
	"cmp"
	"os/user"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/holdfast/holdfast/internal/app"
	"github.com/holdfast/holdfast/internal/audit"
	"github.com/holdfast/holdfast/internal/config"
	"github.com/holdfast/holdfast/internal/credential"
	"github.com/holdfast/holdfast/internal/fault"
	"github.com/holdfast/holdfast/internal/notify"
	"github.com/holdfast/holdfast/internal/postgres"
	"github.com/holdfast/holdfast/internal/textrule"
)

// withDB runs an operator's command on the database.
func (e *env) withDB(fn func(*postgres.DB) error) error {
	cfg, err := e.config(nil, config.ForMigrating)
	if err != nil {
		return err
	}
	if cfg.Database.URL.IsZero() {
		cfg.Database.URL = cfg.Database.MigrateURL
	}
	db, err := app.OpenDB(e.ctx, cfg)
	if err != nil {
		return err
	}
	defer db.Close()
	return fn(db)
}

// withClients runs an operator's command on the clients.
func (e *env) withClients(fn func(*credential.Clients) error) error {
	return e.withDB(func(db *postgres.DB) error {
		clients, err := app.NewClients(db)
		if err != nil {
			return err
		}
		return fn(clients)
	})
}

// operator is who runs the command, for the audit trail: the name of the operating system's account.
func operator() audit.Actor {
	a := audit.Actor{Kind: audit.ActorOperator, ID: "unknown"}
	if u, err := user.Current(); err == nil {
		a.ID = u.Username
	}
	return a
}

type tenantCmd struct {
	Create tenantCreateCmd `cmd:"" help:"Create a tenant."`
	List   tenantListCmd   `cmd:"" help:"List tenants."`
	Set    tenantSetCmd    `cmd:"" help:"Say where a tenant's text messages may go and how many a day."`
	Claims tenantClaimsCmd `cmd:"" help:"Say where a tenant's claim links lead, so that agents can open cases for accounts."`
}

type tenantCreateCmd struct {
	ID      string `arg:"" help:"Its id: lower-case letters, digits, - and _."`
	Name    string `required:"" help:"The brand as owners know it; stands in every message."`
	Support string `help:"Where owners reach people: a number, an address or a page."`
	Locale  string `default:"en" help:"Language of messages to accounts without one."`
}

// Run creates the tenant.
func (c tenantCreateCmd) Run(e *env) error {
	return e.withDB(func(db *postgres.DB) error {
		t, err := db.CreateTenant(e.ctx, postgres.Tenant{ID: c.ID, Name: c.Name, SupportContact: c.Support, Locale: c.Locale})
		if fault.CodeOf(err) == fault.CodeConflict {
			e.printf("tenant %s exists already; nothing was changed\n", c.ID)
			return nil
		}
		if err != nil {
			return err
		}
		e.printf("created tenant %s\n", t.ID)
		return nil
	})
}

type tenantSetCmd struct {
	ID            string   `arg:"" help:"The tenant."`
	TextCountries []string `help:"Countries whose numbers get its text messages, as in GB,DE; \"none\" for nowhere, \"default\" for what the installation says." default:"default"`
	TextDay       int      `help:"Codes by text a day; below zero for what the installation says, which it cannot exceed." default:"-1"`
}

// Help tells that all is set at once.
func (tenantSetCmd) Help() string {
	return `Sets both at once: what is left out becomes the installation's default. Takes effect with the next message, on every node.
It is what the tenant is let: by PUT /v1/text-rules it makes less of that for itself, and never more.
A number whose country is not on the list, and any premium, shared-cost, toll-free, personal, pager, voicemail or satellite number gets no
text message whatever is set here.`
}

// Run sets them.
func (c tenantSetCmd) Run(e *env) error {
	countries := c.TextCountries
	switch {
	case len(countries) == 1 && countries[0] == "default":
		countries = nil
	case len(countries) == 1 && countries[0] == "none":
		countries = []string{}
	}
	return e.withDB(func(db *postgres.DB) error {
		rules := &textrule.Service{Store: postgres.NewTextRules(db)}
		err := rules.Grant(e.ctx, textrule.GrantCommand{Tenant: c.ID, Granted: textrule.Granted{Countries: countries, Day: c.TextDay}, By: operator()})
		if err != nil {
			return err
		}
		e.printf("tenant %s is set\n", c.ID)
		return nil
	})
}

type tenantClaimsCmd struct {
	ID   string `arg:"" help:"The tenant."`
	Page string `required:"" help:"The page of the tenant's app where a claimant goes on, as in https://shop.example.com/recover; \"none\" to open no more cases for accounts."`
}

// Help tells what the page has to do.
func (tenantClaimsCmd) Help() string {
	return `An agent who opens a case for an account has a link sent to the addresses on file; it leads to this page, with a secret in its fragment.
The page shows a button; once a person has pressed it, the app sends the secret to POST /v1/recoveries/claims and goes on as after a start.
Opening the page must change nothing. Takes effect with the next message, on every node; links on their way lead to the new page.`
}

// Run sets it.
func (c tenantClaimsCmd) Run(e *env) error {
	page := ""
	if c.Page != "none" {
		cfg, err := e.config(nil, config.ForMigrating)
		if err != nil {
			return err
		}
		parsed, err := notify.ParsePage(c.Page, cfg.Dev())
		if err != nil {
			return err
		}
		page = parsed.String()
	}
	return e.withDB(func(db *postgres.DB) error {
		if err := db.SetTenantClaimPage(e.ctx, c.ID, page, operator()); err != nil {
			return err
		}
		e.printf("tenant %s is set\n", c.ID)
		return nil
	})
}

type tenantListCmd struct{}

// Run lists the tenants.
func (tenantListCmd) Run(e *env) error {
	return e.withDB(func(db *postgres.DB) error {
		tenants, err := db.Tenants(e.ctx)
		if err != nil {
			return err
		}
		w := tabwriter.NewWriter(e.out, 0, 4, 2, ' ', 0)
		t := &env{out: w}
		t.printf("ID\tNAME\tSUPPORT\tLOCALE\tCREATED\tTEXTS TO\tTEXTS A DAY\tCLAIM PAGE\n")
		for _, x := range tenants {
			countries, day := "(default)", "(default)"
			if x.TextCountries != nil {
				countries = cmp.Or(strings.Join(x.TextCountries, ","), "nowhere")
			}
			if x.TextDay >= 0 {
				day = strconv.Itoa(x.TextDay)
			}
			t.printf("%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\n", x.ID, x.Name, x.SupportContact, x.Locale, x.CreatedAt.Format(time.RFC3339), countries, day, cmp.Or(x.ClaimPage, "(none)"))
		}
		return w.Flush()
	})
}

type clientCmd struct {
	Create  clientCreateCmd  `cmd:"" help:"Create a client and print its credential, once."`
	List    clientListCmd    `cmd:"" help:"List clients with their owners, scopes, expiry and last use."`
	Rotate  clientRotateCmd  `cmd:"" help:"Give a client a second credential; the first one lives on until it is revoked."`
	Disable clientDisableCmd `cmd:"" help:"Disable a client or an owner's clients, for good, or switch every AI agent off."`
	Enable  clientEnableCmd  `cmd:"" help:"Switch AI agents on again, or let an owner have clients again."`
	Revoke  clientRevokeCmd  `cmd:"" help:"End a credential, or a client with all of its credentials."`
	Key     clientKeyCmd     `cmd:"" help:"Public keys by which clients sign assertions (RFC 7523)."`
}

type clientCreateCmd struct {
	Tenant string        `required:"" help:"The tenant it belongs to."`
	Name   string        `required:"" help:"What it is: \"web shop\", \"login service\"."`
	Owner  string        `required:"" help:"The human who answers for it."`
	Scope  []string      `required:"" help:"What it may do, such as recoveries:start. Repeat, or separate by commas."`
	Kind   string        `default:"service" enum:"service,publishable,ai_agent" help:"service (keeps its secret), publishable (lies in an app; recoveries:start only) or ai_agent (cases:read, cases:note, cases:propose, cases:flag)."`
	Life   time.Duration `default:"2160h" help:"How long the credential and the keys live, 1h to 9600h (400 days)."`
	Keys   string        `help:"A file with its public keys, by which it signs assertions: a JWK set, a JWK, or PEM."`

	NoAPIKey bool `name:"no-api-key" help:"Make no credential: it signs by its keys, or calls by its cluster's token."`
}

// Run creates the client.
func (c clientCreateCmd) Run(e *env) error {
	cmd := credential.CreateCommand{
		Tenant: c.Tenant, Name: c.Name, Owner: c.Owner, Kind: credential.Kind(c.Kind), Lifetime: c.Life, Keyless: c.NoAPIKey, By: operator(),
	}
	if c.Keys != "" {
		var err error
		if cmd.Keys, err = readKeys(c.Keys); err != nil {
			return err
		}
	}
	return e.withClients(func(clients *credential.Clients) error {
		for _, s := range c.Scope {
			cmd.Scopes = append(cmd.Scopes, credential.Scope(s))
		}
		made, err := clients.CreateClient(e.ctx, cmd)
		if err != nil {
			return err
		}
		e.printIssued(made)
		return nil
	})
}

// printIssued shows a credential; it cannot be shown again.
func (e *env) printIssued(made credential.Issued) {
	e.printf("client      %s\n", made.Client.ID)
	for _, k := range made.Client.Keys {
		e.printf("key         %s, %s, expires %s\n", k.ID, k.Algorithm, k.ExpiresAt.Format(time.RFC3339))
	}
	if made.Credential.PublicID == "" {
		return
	}
	e.printf("credential  %s, expires %s\n", made.Credential.PublicID, made.Credential.ExpiresAt.Format(time.RFC3339))
	e.printf("token       %s\n", made.Token.Reveal())
	e.printf("Keep the token now: only its hash is stored, and it is not shown again.\n")
}

type clientListCmd struct {
	Tenant string `required:"" help:"The tenant."`
}

// Run lists the clients.
func (c clientListCmd) Run(e *env) error {
	return e.withClients(func(clients *credential.Clients) error {
		all, err := clients.ListClients(e.ctx, c.Tenant)
		if err != nil {
			return err
		}
		w := tabwriter.NewWriter(e.out, 0, 4, 2, ' ', 0)
		t := &env{out: w}
		t.printf("CLIENT\tNAME\tKIND\tOWNER\tSCOPES\tCREDENTIAL\tEXPIRES\tLAST USED\tSTATE\n")
		for _, x := range all {
			scopes := make([]string, 0, len(x.Scopes))
			for _, s := range x.Scopes {
				scopes = append(scopes, string(s))
			}
			if len(x.Credentials) == 0 {
				t.printf("%s\t%s\t%s\t%s\t%s\t(none)\t\t%s\t%s\n", x.ID, x.Name, x.Kind, x.Owner, strings.Join(scopes, ","), moment(x.LastUsed()), stateOf(x, credential.Info{}))
			}
			for _, k := range x.Credentials {
				t.printf("%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\n", x.ID, x.Name, x.Kind, x.Owner, strings.Join(scopes, ","), k.PublicID,
					k.ExpiresAt.Format(time.RFC3339), moment(k.LastUsedAt), stateOf(x, k))
			}
		}
		return w.Flush()
	})
}

func stateOf(c credential.Client, k credential.Info) string {
	switch {
	case !c.DisabledAt.IsZero():
		return "disabled"
	case !k.RevokedAt.IsZero():
		return "revoked"
	case k.PublicID == "":
		return "registered"
	default:
		return "issued"
	}
}

func moment(t time.Time) string {
	if t.IsZero() {
		return "never"
	}
	return t.Format(time.RFC3339)
}

type clientRotateCmd struct {
	Client string        `arg:"" help:"The client's id (cli_…)."`
	Tenant string        `required:"" help:"Its tenant."`
	Life   time.Duration `default:"2160h" help:"How long the new credential lives."`
}

// Run adds a credential.
func (c clientRotateCmd) Run(e *env) error {
	return e.withClients(func(clients *credential.Clients) error {
		made, err := clients.Rotate(e.ctx, credential.RotateCommand{Tenant: c.Tenant, Client: c.Client, Lifetime: c.Life, By: operator()})
		if err != nil {
			return err
		}
		e.printIssued(made)
		e.printf("Revoke the old credential once nothing uses it: holdfast client list shows when it was last used.\n")
		return nil
	})
}

type clientRevokeCmd struct {
	Client     string `arg:"" help:"The client's id (cli_…)."`
	Tenant     string `required:"" help:"Its tenant."`
	Credential string `help:"One credential's public id; without it the whole client ends."`
}

// Run revokes.
func (c clientRevokeCmd) Run(e *env) error {
	return e.withClients(func(clients *credential.Clients) error {
		err := clients.Revoke(e.ctx, credential.RevokeCommand{Tenant: c.Tenant, Client: c.Client, Credential: c.Credential, By: operator()})
		if err != nil {
			return err
		}
		e.printf("revoked; every node heeds it within seconds\n")
		return nil
	})
}
