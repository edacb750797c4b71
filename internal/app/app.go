// Package app is the composition root: it builds everything from the configuration, and it is the only package that may
// import all others. What it builds, Run runs until its context ends.
package app

import (
	"context"
	"crypto/rand"
	"fmt"
	"log/slog"
	"net/http"
	"net/netip"
	"net/url"
	"os"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/holdfast/holdfast/api"
	"github.com/holdfast/holdfast/internal/account"
	"github.com/holdfast/holdfast/internal/audit"
	"github.com/holdfast/holdfast/internal/auditlog"
	"github.com/holdfast/holdfast/internal/clock"
	"github.com/holdfast/holdfast/internal/config"
	"github.com/holdfast/holdfast/internal/credential"
	"github.com/holdfast/holdfast/internal/credential/assertion"
	"github.com/holdfast/holdfast/internal/delivery"
	"github.com/holdfast/holdfast/internal/dispatch"
	"github.com/holdfast/holdfast/internal/factor"
	"github.com/holdfast/holdfast/internal/factor/savedcode"
	"github.com/holdfast/holdfast/internal/fault"
	"github.com/holdfast/holdfast/internal/httpapi"
	"github.com/holdfast/holdfast/internal/job"
	"github.com/holdfast/holdfast/internal/notify"
	"github.com/holdfast/holdfast/internal/policy"
	"github.com/holdfast/holdfast/internal/postgres"
	"github.com/holdfast/holdfast/internal/recovery"
	"github.com/holdfast/holdfast/internal/secret"
	"github.com/holdfast/holdfast/internal/signal"
	"github.com/holdfast/holdfast/internal/support"
	"github.com/holdfast/holdfast/internal/telemetry"
	"github.com/holdfast/holdfast/internal/textrule"
	"github.com/holdfast/holdfast/internal/throttle"
	"github.com/holdfast/holdfast/internal/web"
	"github.com/holdfast/holdfast/internal/workforce"
)

// App is the service, built and not yet running.
type App struct {
	Config     config.Config
	Log        *slog.Logger
	DB         *postgres.DB
	Keys       *secret.Keyring
	Policy     *policy.Policy
	Recoveries *recovery.Service
	Cases      *support.Service
	Deliveries *delivery.Service
	Accounts   *account.Service
	Clients    *credential.Clients
	Endpoints  *signal.Endpoints
	TextRules  *textrule.Service
	Abuse      *Abuse
	Audit      *auditlog.Log
	Sealer     *auditlog.Sealer
	Metrics    *telemetry.Metrics
	Readiness  *telemetry.Readiness
	Handler    http.Handler // the public port
	Admin      http.Handler // the admin port

	jobs    *job.Client
	signals *postgres.Signals
	limiter *throttle.Limits
	seen    *sightings
	tension *tension
	redis   *throttle.Redis  // nil where limits are counted in PostgreSQL
	staff   workforce.Config // nobody's when no document is configured
}

// Deps is what a command brings that the configuration cannot: development has its own senders and pages.
type Deps struct {
	Unlimited bool // asks no limits, to measure what they cost; in development mode only

	Log    *slog.Logger
	Keys   *secret.Keyring // read from the configuration when nil
	Sender notify.Sender   // built from the configuration when nil
	Dev    *httpapi.Dev
	// Workforce replaces the document that the configuration names.
	Workforce *workforce.Config
	Tracer    pgx.QueryTracer // hears of every statement, for measurements; nil for none
}

// offered are the methods that this version can verify.
func offered() []factor.Method {
	return []factor.Method{factor.Email, factor.SMS, factor.TOTP, factor.RecoveryCode}
}

// Build connects to the database and builds the service. It fails closed: an unshifted clock, readable keys and a policy
// that loads are conditions of running in production.
func Build(ctx context.Context, cfg config.Config, deps Deps) (*App, error) {
	a := &App{Config: cfg, Log: deps.Log, Keys: deps.Keys, Metrics: telemetry.NewMetrics(telemetry.ReadBuild())}
	var err error
	if a.Keys == nil {
		if a.Keys, err = ReadKeys(cfg); err != nil {
			return nil, err
		}
	}
	if a.Policy, err = LoadPolicy(cfg); err != nil {
		return nil, err
	}
	if a.DB, err = openDB(ctx, cfg, deps.Tracer); err != nil {
		return nil, err
	}
	if err := a.assemble(ctx, deps); err != nil {
		a.Close()
		return nil, err
	}
	return a, nil
}

// assemble builds what stands on the database.
func (a *App) assemble(ctx context.Context, deps Deps) error {
	if err := a.checkClock(ctx); err != nil {
		return err
	}
	lim, err := a.limits(ctx, deps)
	if err != nil {
		return err
	}
	a.limiter, a.seen = lim.Limits, lim.seen
	if a.staff, err = LoadWorkforce(a.Config); err != nil {
		return err
	}
	if deps.Workforce != nil {
		if a.staff, err = deps.Workforce.Complete(a.Config.Dev()); err != nil {
			return err
		}
	}
	if err := a.guard(ctx); err != nil {
		return err
	}
	if err := a.cores(lim); err != nil {
		return err
	}
	if err := a.sending(deps); err != nil {
		return err
	}
	if err := a.auditing(ctx); err != nil {
		return err
	}
	a.watch()
	return a.edge(lim, deps) //nolint:contextcheck // each request brings its own.
}

// checkClock refuses a shifted clock outside development.
func (a *App) checkClock(ctx context.Context) error {
	shift, err := a.DB.ClockShift(ctx)
	if err != nil {
		return fault.Wrap(err, "check the clock (has `holdfast migrate` been run?)")
	}
	if shift != 0 && !a.Config.Dev() {
		return fmt.Errorf("the database's clock is shifted by %s, which only development may do", shift)
	}
	return nil
}

// ReadKeys reads the keyring that the configuration names.
func ReadKeys(cfg config.Config) (*secret.Keyring, error) {
	text, err := cfg.Keys.Read()
	if err != nil {
		return nil, err
	}
	keys, err := secret.ParseKeyring([]byte(text.Reveal()))
	return keys, fault.Wrap(err, "read keyring")
}

// LoadPolicy loads the document or preset that the configuration names. What is below the floor does not load.
func LoadPolicy(cfg config.Config) (*policy.Policy, error) {
	if cfg.Policy.File == "" {
		return policy.Preset(string(cfg.Policy.Preset))
	}
	text, err := os.ReadFile(cfg.Policy.File)
	if err != nil {
		return nil, fault.Wrap(err, "read policy")
	}
	return policy.FromYAML(text)
}

// OpenDB connects as the service's role.
func OpenDB(ctx context.Context, cfg config.Config) (*postgres.DB, error) {
	return openDB(ctx, cfg, nil)
}

func openDB(ctx context.Context, cfg config.Config, tracer pgx.QueryTracer) (*postgres.DB, error) {
	return postgres.Open(ctx, postgres.Config{
		URL: cfg.Database.URL.Reveal(), Role: cfg.Database.Role, MaxConns: cfg.Database.MaxConns, Tracer: tracer,
	})
}

// cores builds the use cases.
func (a *App) cores(lim limits) error {
	hasher, err := savedcode.NewHasher(a.Keys, savedcode.Config{Rand: rand.Reader})
	if err != nil {
		return fault.Wrap(err, "build saved codes")
	}
	signer, err := a.Keys.Signer()
	if err != nil {
		return fault.Wrap(err, "build signer")
	}
	a.Recoveries = recovery.NewService(recovery.Config{
		Store: postgres.NewRecoveries(a.DB), Limits: lim, Controls: raised{a.Abuse.Board, a.tension}, Identifiers: identifiers{}, SavedCodes: savedCodes{hasher}, TOTP: timePasswords{},
		Policies: onePolicy{a.Policy}, Vault: vault{a.Keys}, Keys: a.Keys, Signer: signer, Rand: rand.Reader,
		Issuer: a.Config.HTTP.PublicURL, Offered: offered(), CodeFor: a.Config.Policy.CodeTTL,
	})
	a.Cases = support.NewService(support.Config{
		Store: postgres.NewCases(a.DB), Recoveries: a.Recoveries, Vault: vault{a.Keys}, Keys: a.Keys, Rand: rand.Reader, Limits: lim,
	})
	if a.Accounts, err = newAccounts(a.DB, a.Keys, hasher, textRules(a.Config)); err != nil {
		return err
	}
	a.TextRules = NewTextRules(a.DB, a.Config)
	people, err := NewPeople(a.DB, a.staff)
	if err != nil {
		return err
	}
	store := postgres.NewCredentials(a.DB)
	machines, err := workforce.NewMachines(a.staff, workforce.Deps{Clock: a.DB, Wall: clock.System{}}, store)
	if err != nil {
		return err
	}
	if a.Clients, err = NewClients(a.DB, people, machines, assertion.New(store, a.Config.HTTP.PublicURL)); err != nil {
		return fault.Wrap(err, "build clients")
	}
	a.Endpoints, err = NewEndpoints(a.DB, a.Keys, a.Config)
	return fault.Wrap(err, "build endpoints")
}

// NewClients builds the use cases of client credentials on a database, beside further schemes of credentials.
func NewClients(db *postgres.DB, schemes ...credential.Scheme) (*credential.Clients, error) {
	return credential.NewClients(credential.Config{Store: postgres.NewCredentials(db), Clock: clock.System{}, Rand: rand.Reader, Schemes: schemes})
}

// NewPeople builds the sign-in of people on a database, whose clock judges their tokens.
func NewPeople(db *postgres.DB, c workforce.Config) (*workforce.People, error) {
	return workforce.New(c, workforce.Deps{Clock: db, Wall: clock.System{}})
}

// LoadWorkforce reads the document of the company's OpenID providers. Without one nobody signs in.
func LoadWorkforce(cfg config.Config) (workforce.Config, error) {
	if cfg.Workforce.File == "" {
		return workforce.Config{}, nil
	}
	text, err := os.ReadFile(cfg.Workforce.File)
	if err != nil {
		return workforce.Config{}, fault.Wrap(err, "read the workforce document")
	}
	return workforce.Parse(text, cfg.Dev())
}

// NewAccounts builds the use cases of accounts on a database.
func NewAccounts(db *postgres.DB, keys *secret.Keyring) (*account.Service, error) {
	hasher, err := savedcode.NewHasher(keys, savedcode.Config{Rand: rand.Reader})
	if err != nil {
		return nil, fault.Wrap(err, "build saved codes")
	}
	return newAccounts(db, keys, hasher, nil)
}

func newAccounts(db *postgres.DB, keys *secret.Keyring, hasher *savedcode.Hasher, texts account.Texts) (*account.Service, error) {
	s, err := account.NewService(account.Config{
		Store: postgres.NewAccounts(db), SavedCodes: savedCodes{hasher}, TOTP: timePasswords{}, Keys: keys, Rand: rand.Reader, Clock: clock.System{},
		Texts: texts,
	})
	return s, fault.Wrap(err, "build accounts")
}

// The paces of this node's loops.
const (
	wakeEvery  = time.Second
	wakeAtOnce = 100
	pollEvery  = 100 * time.Millisecond
	sweepEvery = time.Minute
	flushEvery = 10 * time.Second

	settleEvery  = 10 * time.Second
	settleAtOnce = 200

	sweepPages   = 200
	forgetAtOnce = 1000
	eraseAtOnce  = 100
)

// sending builds the background: the dispatcher, the job client, the loops.
func (a *App) sending(deps Deps) error {
	renderer, err := notify.NewRenderer()
	if err != nil {
		return fault.Wrap(err, "build templates")
	}
	base, err := url.Parse(a.Config.HTTP.PublicURL)
	if err != nil {
		return fmt.Errorf("the public URL does not parse")
	}
	links, err := notify.NewLinks(base, a.Config.Dev())
	if err != nil {
		return fault.Wrap(err, "build links")
	}
	sender := deps.Sender
	if sender == nil {
		if sender, err = NewSender(a.Config); err != nil {
			return err
		}
	}
	carrier, err := a.carrier()
	if err != nil {
		return err
	}
	dispatcher := dispatch.New(dispatch.Config{
		Store: postgres.NewDispatches(a.DB), Waker: waker{a.Recoveries}, Sender: sender, Renderer: renderer, Links: links, Loopback: a.Config.Dev(),
		Addresses: vault{a.Keys}, Keys: a.Keys, Rand: rand.Reader, Metrics: a.Metrics, Replies: a.Config.Twilio.Replies, Texts: textRules(a.Config), Carrier: carrier,
		Stops: func(tenant, country string) bool { return a.Abuse.Board.Current(tenant).StopsCountry(country) },
	})
	a.Deliveries = delivery.NewService(delivery.Config{
		Store: postgres.NewDeliveries(a.DB), Objector: objector{a.Recoveries}, Keys: a.Keys, Metrics: a.Metrics,
	})
	signals, err := a.signalling()
	if err != nil {
		return err
	}
	a.jobs, err = job.New(job.Config{
		Pool: a.DB.Pool(), Schema: postgres.RiverSchema, Dispatcher: dispatcher, Replies: a.Deliveries, Signals: signals, Clock: clock.System{}, Log: a.Log,
		Workers: a.Config.Workers, Poll: pollEvery, Metrics: a.Metrics,
	})
	return err
}

// edge builds the public and the admin port.
func (a *App) edge(lim limits, deps Deps) error {
	pages, err := web.New(api.OpenAPI())
	if err != nil {
		return fault.Wrap(err, "build pages")
	}
	heard, err := a.newTexts()
	if err != nil {
		return err
	}
	h := a.Config.HTTP
	server, err := httpapi.New(httpapi.Config{
		Texts: heard, Replies: a.Config.Twilio.Replies,
		Alerts: a.Abuse.Desk, Controls: a.Abuse.Controls, Funnel: a.Abuse.Funnel,
		TextRules: a.TextRules,
		PublicURL: h.PublicURL, Contract: api.OpenAPI(), Recoveries: a.Recoveries, Accounts: a.Accounts, Cases: a.Cases, Clients: a.Clients, Registry: a.Clients, ReadKeys: assertion.ParseKeys, Audit: a.Audit, Limits: lim,
		Pages: pages, JWKS: a.Keys.JWKS, Keyring: a.Keys, Webhooks: a.Endpoints,
		Source: func(r *http.Request) (netip.Addr, error) {
			return throttle.ClientAddr(r, h.TrustedProxies, h.ProxyHops)
		},
		Logger: a.Log, Metrics: a.Metrics, Clock: clock.System{}, BodyLimit: int64(h.BodyLimit), ImportBodyLimit: int64(h.ImportBodyLimit),
		Overload: overload(a.Config), HandlerTimeout: h.HandlerTimeout, ReadTimeout: h.ReadTimeout, Dev: deps.Dev,
		ClientCertificates: h.TLSClientCA != "", StepUp: a.staff.StepUp.Rule(),
	})
	if err != nil {
		return fault.Wrap(err, "build edge")
	}
	a.Handler, a.Admin = server, telemetry.AdminHandler(a.Metrics, a.Readiness)
	return nil
}

// committed counts what was written down, and says aloud what an operator has to hear at once.
func (a *App) committed(ctx context.Context, events []audit.Event) {
	a.Metrics.AuditEvents(len(events))
	for _, e := range events {
		if event, ok := strings.CutPrefix(string(e.Action), "recovery."); ok {
			a.Metrics.Recovery(event)
			a.stage(e)
		}
		if e.Action == audit.RecoveryUndeliverable {
			a.Log.WarnContext(ctx, "no notice reached the owner: the recovery waits for people",
				"tenant", e.Tenant, "recovery", e.Recovery, "from", e.From, "see", "holdfast recovery show "+e.Recovery)
		}
	}
}

// watch builds readiness, pool metrics and the loops.
func (a *App) watch() {
	a.DB.Committed = a.committed
	a.Readiness = telemetry.NewReadiness(a.Log, 2*time.Second,
		telemetry.Check{Name: "database", Probe: a.DB.Ping},
		telemetry.Check{Name: "clock", Probe: a.checkClock},
	)
	_ = a.Metrics.WatchPool("main", func() telemetry.PoolStats {
		s := a.DB.Pool().Stat()
		return telemetry.PoolStats{
			Max: int64(s.MaxConns()), Total: int64(s.TotalConns()), Idle: int64(s.IdleConns()), Acquired: int64(s.AcquiredConns()),
			Acquisitions: s.AcquireCount(), Waits: s.EmptyAcquireCount(), Cancelled: s.CanceledAcquireCount(), WaitTime: s.AcquireDuration(),
		}
	})
}
