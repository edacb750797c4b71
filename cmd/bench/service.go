package main

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"strconv"
	"time"

	"github.com/holdfast/holdfast/internal/app"
	"github.com/holdfast/holdfast/internal/audit"
	"github.com/holdfast/holdfast/internal/config"
	"github.com/holdfast/holdfast/internal/credential"
	"github.com/holdfast/holdfast/internal/telemetry"
)

// service is Holdfast on one database, as `holdfast serve` runs it, but for a provider that accepts at once and edge limits
// that are out of the way: everything comes from one address. What it logs is written and thrown away.
type service struct {
	*database

	app    *app.App
	trace  *tracer
	mail   *mailbox
	base   string
	http   *http.Client
	client struct{ app, identity string } // credentials
	cancel context.CancelFunc
	ended  chan error
}

const mostClients = 32

func (l *lab) newService(ctx context.Context, d *database, unlimited ...bool) (*service, error) {
	s := &service{database: d, trace: newTracer(), mail: newMailbox(), ended: make(chan error, 1)}
	cfg, err := config.Load([]string{
		"HOLDFAST_MODE=dev", "HOLDFAST_LIMIT_FACTOR=100000", "HOLDFAST_LISTEN=127.0.0.1:0", "HOLDFAST_ADMIN_LISTEN=127.0.0.1:0",
		"HOLDFAST_PUBLIC_URL=https://recovery.example.com", "HOLDFAST_DATABASE_URL=" + d.url, "HOLDFAST_KEYRING=" + l.keyring,
	}, config.ForServing)
	if err != nil {
		return nil, err
	}
	log := telemetry.NewLogger(io.Discard, slog.LevelInfo, false)
	if s.app, err = app.Build(ctx, cfg, app.Deps{Log: log, Sender: s.mail, Tracer: s.trace, Unlimited: len(unlimited) > 0}); err != nil {
		return nil, err
	}
	s.app.Handler = s.trace.middleware(s.app.Handler)
	s.http = &http.Client{Timeout: time.Minute, Transport: &http.Transport{MaxIdleConnsPerHost: mostClients, DisableCompression: true}}
	for token, scope := range map[*string]credential.Scope{
		&s.client.app: credential.RecoveriesStart, &s.client.identity: credential.GrantsRedeem,
	} {
		made, err := s.app.Clients.CreateClient(ctx, credential.CreateCommand{
			Tenant: tenant, Name: "bench " + string(scope), Kind: credential.Service, Owner: "bench", Scopes: []credential.Scope{scope},
			Lifetime: credential.MaxLifetime, By: audit.Actor{Kind: audit.ActorOperator, ID: "bench"},
		})
		if err != nil {
			return nil, err
		}
		*token = made.Token.Reveal()
	}
	return s, s.run(ctx)
}

// run serves until stop, also when ctx ends before.
func (s *service) run(ctx context.Context) error {
	ctx, s.cancel = context.WithCancel(context.WithoutCancel(ctx))
	listening := make(chan app.Listening, 1)
	go func() { s.ended <- s.app.Run(ctx, func(l app.Listening) { listening <- l }) }()
	select {
	case l := <-listening:
		s.base = "http://" + l.Public.String()
		return nil
	case err := <-s.ended:
		s.ended <- err
		return errors.Join(err, errors.New("the service does not listen"))
	}
}

func (s *service) stop() error {
	s.cancel()
	s.http.CloseIdleConnections()
	err := <-s.ended
	s.app.Close()
	return err
}

// quiet waits until the outbox is empty, so that what a cell caused in the background is counted with it.
func (s *service) quiet(ctx context.Context) error {
	for {
		var left int
		err := s.owner.Pool().QueryRow(ctx, `SELECT count(*) FROM river.river_job WHERE state IN ('available', 'running', 'retryable')`).Scan(&left)
		if err != nil || left == 0 {
			return err
		}
		if err := pause(ctx, 50*time.Millisecond); err != nil {
			return err
		}
	}
}

// statusError is an answer that was not wanted.
type statusError struct {
	status int
	path   string
	body   string
}

// Error gives the answer.
func (e statusError) Error() string { return e.path + ": " + strconv.Itoa(e.status) + " " + e.body }
