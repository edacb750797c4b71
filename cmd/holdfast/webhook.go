package main

import (
	"strings"
	"text/tabwriter"
	"time"

	"github.com/holdfast/holdfast/internal/app"
	"github.com/holdfast/holdfast/internal/config"
	"github.com/holdfast/holdfast/internal/postgres"
	"github.com/holdfast/holdfast/internal/secret"
	"github.com/holdfast/holdfast/internal/signal"
)

type webhookCmd struct {
	Create     webhookCreateCmd     `cmd:"" help:"Register an endpoint and print its secret, once."`
	List       webhookListCmd       `cmd:"" help:"List a tenant's endpoints."`
	Pause      webhookPauseCmd      `cmd:"" help:"Have an endpoint's deliveries wait."`
	Resume     webhookResumeCmd     `cmd:"" help:"Send what waited; take an endpoint back that had answered 410."`
	Delete     webhookDeleteCmd     `cmd:"" help:"Delete an endpoint and destroy its keys."`
	Verify     webhookVerifyCmd     `cmd:"" help:"Send a signal that says nothing, to see whether somebody listens."`
	Rotate     webhookRotateCmd     `cmd:"" help:"Give a webhook another secret; for a day both sign."`
	Deliveries webhookDeliveriesCmd `cmd:"" help:"Show an endpoint's deliveries, newest first."`
	Redeliver  webhookRedeliverCmd  `cmd:"" help:"Send one delivery again, or what was given up on within a period."`
}

// withEndpoints runs an operator's command on the endpoints.
func (e *env) withEndpoints(fn func(*signal.Endpoints) error) error {
	cfg, err := e.config(nil, config.ForOperating)
	if err != nil {
		return err
	}
	keys, err := app.ReadKeys(cfg)
	if err != nil {
		return err
	}
	return e.withDB(func(db *postgres.DB) error {
		endpoints, err := app.NewEndpoints(db, keys, cfg)
		if err != nil {
			return err
		}
		return fn(endpoints)
	})
}

func onBehalf(tenant string) signal.Caller { return signal.Caller{Tenant: tenant, By: operator()} }

type webhookCreateCmd struct {
	URL           string        `arg:"" name:"url" help:"Where to POST: https."`
	Tenant        string        `required:"" help:"The tenant it belongs to."`
	Kind          string        `default:"webhook" enum:"webhook,set" help:"webhook (Standard Webhooks) or set (Security Event Tokens by push)."`
	Event         []string      `help:"What it listens to; everything without. Repeat, or separate by commas."`
	Description   string        `help:"For people."`
	Audience      string        `help:"Tokens: their aud; the URL without."`
	SubjectIssuer string        `help:"Tokens: your issuer, for subjects of format iss_sub; opaque without."`
	SavedCodeType string        `help:"Tokens: what you agreed to call saved codes."`
	Authorization secret.String `help:"Tokens: the value of their Authorization header." env:"WEBHOOK_AUTHORIZATION"`
}

// Run registers the endpoint.
func (c webhookCreateCmd) Run(e *env) error {
	return e.withEndpoints(func(s *signal.Endpoints) error {
		r := signal.Registration{
			Kind: signal.Kind(c.Kind), URL: c.URL, Description: c.Description, Audience: c.Audience, SubjectIssuer: c.SubjectIssuer,
			SavedCodeType: c.SavedCodeType, Authorization: c.Authorization,
		}
		for _, name := range c.Event {
			r.Events = append(r.Events, signal.Type(name))
		}
		made, err := s.Create(e.ctx, onBehalf(c.Tenant), r)
		if err != nil {
			return err
		}
		e.printEndpoint(made)
		return nil
	})
}

// printEndpoint shows an endpoint with its secret, which cannot be shown again.
func (e *env) printEndpoint(made signal.Created) {
	e.printf("webhook     %s (%s, %s)\n", made.Endpoint.ID, made.Endpoint.Kind, made.Endpoint.State)
	if made.Secret.IsZero() {
		e.printf("keys        RS256, see /.well-known/jwks.json\n")
		return
	}
	e.printf("public key  %s\n", made.Endpoint.PublicKeys[0])
	e.printf("secret      %s\n", made.Secret.Reveal())
	e.printf("Keep the secret now: it is sealed, and is not shown again.\n")
}

type webhookListCmd struct {
	Tenant string `required:"" help:"The tenant."`
}

// Run lists the endpoints.
func (c webhookListCmd) Run(e *env) error {
	return e.withEndpoints(func(s *signal.Endpoints) error {
		all, err := s.List(e.ctx, c.Tenant)
		if err != nil {
			return err
		}
		w := tabwriter.NewWriter(e.out, 0, 4, 2, ' ', 0)
		t := &env{out: w}
		t.printf("ID\tKIND\tSTATE\tURL\tEVENTS\tDESCRIPTION\tCREATED\n")
		for _, x := range all {
			events := make([]string, 0, len(x.Events))
			for _, name := range x.Events {
				events = append(events, string(name))
			}
			if len(events) == 0 {
				events = []string{"all"}
			}
			t.printf("%s\t%s\t%s\t%s\t%s\t%s\t%s\n", x.ID, x.Kind, x.State, x.URL, strings.Join(events, ","), x.Description, x.CreatedAt.Format(time.RFC3339))
		}
		return w.Flush()
	})
}

// endpointArg names one endpoint.
type endpointArg struct {
	ID     string `arg:"" help:"The endpoint's id (whk_…)."`
	Tenant string `required:"" help:"Its tenant."`
}

type webhookPauseCmd struct{ endpointArg }

// Run pauses.
func (c webhookPauseCmd) Run(e *env) error {
	return e.withEndpoints(func(s *signal.Endpoints) error {
		x, err := s.Pause(e.ctx, onBehalf(c.Tenant), c.ID)
		if err == nil {
			e.printf("%s is %s\n", x.ID, x.State)
		}
		return err
	})
}

type webhookResumeCmd struct{ endpointArg }

// Run resumes.
func (c webhookResumeCmd) Run(e *env) error {
	return e.withEndpoints(func(s *signal.Endpoints) error {
		x, err := s.Resume(e.ctx, onBehalf(c.Tenant), c.ID)
		if err == nil {
			e.printf("%s is %s\n", x.ID, x.State)
		}
		return err
	})
}

type webhookDeleteCmd struct{ endpointArg }

// Run deletes.
func (c webhookDeleteCmd) Run(e *env) error {
	return e.withEndpoints(func(s *signal.Endpoints) error {
		if err := s.Delete(e.ctx, onBehalf(c.Tenant), c.ID); err != nil {
			return err
		}
		e.printf("%s is deleted\n", c.ID)
		return nil
	})
}

type webhookVerifyCmd struct{ endpointArg }

// Run asks for a verification. A running node sends it.
func (c webhookVerifyCmd) Run(e *env) error {
	return e.withEndpoints(func(s *signal.Endpoints) error {
		id, err := s.Verify(e.ctx, onBehalf(c.Tenant), c.ID)
		if err == nil {
			e.printf("delivery %s: holdfast webhook deliveries %s --tenant %s shows how it went\n", id, c.ID, c.Tenant)
		}
		return err
	})
}

type webhookRotateCmd struct{ endpointArg }

// Run rotates.
func (c webhookRotateCmd) Run(e *env) error {
	return e.withEndpoints(func(s *signal.Endpoints) error {
		made, err := s.Rotate(e.ctx, onBehalf(c.Tenant), c.ID)
		if err != nil {
			return err
		}
		e.printEndpoint(made)
		e.printf("The old one signs as well until %s.\n", made.Endpoint.PreviousUntil.Format(time.RFC3339))
		return nil
	})
}

type webhookDeliveriesCmd struct {
	endpointArg
	Status string `default:"" enum:",pending,delivered,dead" help:"Only those that are pending, delivered or dead (given up on)."`
	Before string `help:"Those before this delivery: the next page."`
	Limit  int    `default:"100" help:"How many, 1 to 100."`
}

// Run shows the log.
func (c webhookDeliveriesCmd) Run(e *env) error {
	return e.withEndpoints(func(s *signal.Endpoints) error {
		all, err := s.Deliveries(e.ctx, signal.DeliveryQuery{
			Tenant: c.Tenant, Endpoint: c.ID, Status: signal.Status(c.Status), Before: c.Before, Limit: c.Limit,
		})
		if err != nil {
			return err
		}
		w := tabwriter.NewWriter(e.out, 0, 4, 2, ' ', 0)
		t := &env{out: w}
		t.printf("ID\tOCCURRED\tTYPE\tEVENT\tSTATUS\tATTEMPTS\tLAST\tNEXT\n")
		for _, d := range all {
			last, next := "-", "-"
			if n := len(d.Tries); n > 0 {
				last = d.Tries[n-1].Outcome
			}
			if d.Status == signal.StatusPending {
				next = d.NextAt.Format(time.RFC3339)
			}
			uri := string(d.Event)
			t.printf("%s\t%s\t%s\t%s\t%s\t%d\t%s\t%s\n", d.ID, d.At.Format(time.RFC3339), d.Type, uri[strings.LastIndex(uri, "/")+1:], d.Status, d.Attempts, last, next)
		}
		return w.Flush()
	})
}

type webhookRedeliverCmd struct {
	endpointArg
	Delivery string    `help:"One delivery, by its id (dlv_…)."`
	From     time.Time `help:"Instead: what happened from then on (RFC 3339)."`
	To       time.Time `help:"… until before then; 30 days later at most."`
	All      bool      `help:"Of a period also what was delivered, not only what was given up on."`
}

// Run asks for it. A running node sends.
func (c webhookRedeliverCmd) Run(e *env) error {
	return e.withEndpoints(func(s *signal.Endpoints) error {
		err := s.Redeliver(e.ctx, onBehalf(c.Tenant), c.ID, signal.Redelivery{Delivery: c.Delivery, From: c.From, To: c.To, All: c.All})
		if err == nil {
			e.printf("it will be sent again\n")
		}
		return err
	})
}
