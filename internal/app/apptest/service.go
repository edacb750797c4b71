// Package apptest runs the whole service inside a test: built by app.Build and run by App.Run, with its jobs and loops, on a
// database of its own, on a port of this machine. Tests speak to it over HTTP as a customer's systems would, by a client that
// checks all traffic against the contract; a Mailbox takes the messages, and the one clock can be moved.
package apptest

import (
	"bytes"
	"context"
	"crypto/rand"
	"log/slog"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/holdfast/holdfast/internal/app"
	"github.com/holdfast/holdfast/internal/audit"
	"github.com/holdfast/holdfast/internal/config"
	"github.com/holdfast/holdfast/internal/credential"
	"github.com/holdfast/holdfast/internal/fault"
	"github.com/holdfast/holdfast/internal/httpapi/contracttest"
	"github.com/holdfast/holdfast/internal/notify"
	"github.com/holdfast/holdfast/internal/postgres"
	"github.com/holdfast/holdfast/internal/postgres/pgtest"
	"github.com/holdfast/holdfast/internal/secret"
	"github.com/holdfast/holdfast/internal/telemetry"
	"github.com/holdfast/holdfast/internal/workforce"
	"github.com/holdfast/holdfast/internal/workforce/devissuer"
)

const (
	// Public is the configured address of the service: what links, problem types and statements begin with. It is not where
	// the test's service listens.
	Public = "https://recovery.example.com"
	// Tenant is the tenant that every Service has.
	Tenant = "acme"

	// Patience is how long a test waits for what happens in the background. It is far more than is needed, so that only a
	// thing that never happens fails.
	Patience = 30 * time.Second
	glance   = 10 * time.Millisecond // between two looks
)

// Service is a running service.
type Service struct {
	App      *app.App
	Owner    *postgres.DB // as the schema's owner: moves the clock, counts rows
	Mail     *Mailbox     // nil with WithProviders
	Phones   *Phones      // nil without WithPhones
	Log      *Log
	Contract *contracttest.Transport
	Issuer   *devissuer.Issuer // signs the company's people in; see Staff

	Addr string // host and port, for tests that write to the wire by themselves
	Base string // http://Addr

	// AppToken may start recoveries; IdentityToken may do everything else.
	AppToken, IdentityToken string
	// IdentityClient is the identity system's id: the audience of statements.
	IdentityClient string

	byHand *bool
	client *http.Client
}

type options struct {
	url       string
	tokens    bool
	environ   []string
	providers bool
	texts     bool
	issuer    *devissuer.Issuer
	staff     func(*workforce.Config)
}

// Option changes how a Service is built.
type Option func(*options)

// WithEnv sets HOLDFAST_ variables, NAME=value; the last of a name counts.
func WithEnv(environ ...string) Option {
	return func(o *options) { o.environ = append(o.environ, environ...) }
}

// WithDatabase runs on a migrated database of the test's own making.
func WithDatabase(url string) Option { return func(o *options) { o.url = url } }

// WithProviders sends by the providers that WithEnv configures, not to a Mailbox.
func WithProviders() Option { return func(o *options) { o.providers = true } }

// WithPhones sends text messages by Twilio's API to a double of it, which may call back; replies are heard.
func WithPhones() Option { return func(o *options) { o.texts = true } }

// WithTokens gives the service a key to sign Security Event Tokens with, which takes a while to make.
func WithTokens() Option { return func(o *options) { o.tokens = true } }

// WithIssuer has the company's people sign in at another test's issuer, as on a second node of one installation.
func WithIssuer(i *devissuer.Issuer) Option { return func(o *options) { o.issuer = i } }

// WithStaff changes whose tokens are believed, and what they mean.
func WithStaff(change func(*workforce.Config)) Option {
	return func(o *options) { o.staff = change }
}

// New builds and runs a service. It is stopped when the test ends, and has to stop without an error.
func New(t testing.TB, opts ...Option) *Service {
	t.Helper()
	var o options
	for _, opt := range opts {
		opt(&o)
	}
	if o.url == "" {
		o.url = pgtest.URL(t)
	}
	s := &Service{Log: &Log{}, byHand: new(bool)}
	var sender notify.Sender
	if !o.providers {
		s.Mail = NewMailbox()
		sender = s.Mail
	}
	if o.texts {
		s.Phones = newPhones(t, s)
		o.environ = append(s.Phones.environ(), o.environ...)
	}
	cfg := load(t, o)
	if o.texts && !o.providers {
		sender = s.Phones.route(t, cfg, s.Mail)
	}
	log := telemetry.NewLogger(s.Log, slog.LevelDebug, false)
	var err error
	s.Owner, err = postgres.Open(t.Context(), postgres.Config{URL: o.url, MaxConns: 4})
	require.NoError(t, err)
	s.Issuer = o.issuer
	if s.Issuer == nil {
		s.Issuer, err = devissuer.Start(t.Context(), "127.0.0.1:0")
		require.NoError(t, err)
		t.Cleanup(func() { _ = s.Issuer.Close() })
	}
	staff := s.Issuer.Config()
	if o.staff != nil {
		o.staff(&staff)
	}
	s.App, err = app.Build(t.Context(), cfg, app.Deps{Log: log, Sender: sender, Workforce: &staff})
	require.NoError(t, err)
	s.run(t)
	s.Contract = contracttest.New(t, &http.Transport{MaxIdleConnsPerHost: 16})
	s.client = &http.Client{Transport: s.Contract, Timeout: 2 * Patience}
	s.tenant(t, Tenant)
	return s
}

// load makes the configuration as the command would, from an environment. The mode is dev, because only there may the clock
// be moved; nothing else of dev is on: no routes, no laxer limits.
func load(t testing.TB, o options) config.Config {
	t.Helper()
	keys, err := secret.GenerateKeyring(rand.Reader)
	require.NoError(t, err)
	if o.tokens {
		keys, _, err = keys.StageTokens(rand.Reader)
		require.NoError(t, err)
	}
	text, err := keys.Reveal()
	require.NoError(t, err)
	cfg, err := config.Load(append([]string{
		"HOLDFAST_MODE=dev", "HOLDFAST_LISTEN=127.0.0.1:0", "HOLDFAST_ADMIN_LISTEN=127.0.0.1:0", "HOLDFAST_PUBLIC_URL=" + Public,
		"HOLDFAST_DATABASE_URL=" + o.url, "HOLDFAST_KEYRING=" + string(text), "HOLDFAST_DB_MAX_CONNS=8", "HOLDFAST_WORKERS=4",
		"HOLDFAST_HANDLER_TIMEOUT=60s", "HOLDFAST_WRITE_TIMEOUT=90s", // a busy machine is slow, and no test asks how slow
		"HOLDFAST_SLOTS=256", // tests crowd in on purpose
	}, o.environ...), config.ForServing)
	require.NoError(t, err)
	return cfg
}

// run starts the service and waits until it listens.
func (s *Service) run(t testing.TB) {
	t.Helper()
	ctx, stop := context.WithCancel(context.WithoutCancel(t.Context()))
	listening, ended := make(chan app.Listening, 1), make(chan error, 1)
	go func() { ended <- s.App.Run(ctx, func(l app.Listening) { listening <- l }) }()
	t.Cleanup(func() {
		if !*s.byHand && !t.Failed() {
			s.justified(context.WithoutCancel(t.Context()), t)
		}
		stop()
		require.NoError(t, <-ended)
		s.App.Close()
		s.Owner.Close()
	})
	select {
	case l := <-listening:
		s.Addr = l.Public.String()
		s.Base = "http://" + s.Addr
	case err := <-ended:
		ended <- nil
		require.NoError(t, err)
		t.FailNow()
	}
}

// tenant makes the tenant and its two clients.
func (s *Service) tenant(t testing.TB, id string) {
	t.Helper()
	_, err := s.Owner.CreateTenant(t.Context(), postgres.Tenant{ID: id, Name: "Acme", SupportContact: "https://support.example.com", Locale: "en"})
	if fault.CodeOf(err) != fault.CodeConflict { // a second node finds it there
		require.NoError(t, err)
	}
	s.AppToken, _ = s.Client(t, id, credential.RecoveriesStart)
	s.IdentityToken, s.IdentityClient = s.Client(t, id,
		credential.AccountsWrite, credential.AccountsRead, credential.GrantsRedeem, credential.ObjectionsWrite,
		credential.SignalsWrite, credential.SignalsRead)
}

// At makes another tenant on the same service, and gives the service with that tenant's clients.
func (s *Service) At(t testing.TB, tenant string) *Service {
	t.Helper()
	other := *s
	other.tenant(t, tenant)
	return &other
}

// Client makes a server-side client with scopes, and gives its token and its id.
func (s *Service) Client(t testing.TB, tenant string, scopes ...credential.Scope) (token, id string) {
	t.Helper()
	return s.NewClient(t, tenant, credential.Service, scopes)
}

// Publishable makes a client as lies in an app.
func (s *Service) Publishable(t testing.TB, tenant string) (token string) {
	t.Helper()
	token, _ = s.NewClient(t, tenant, credential.Publishable, []credential.Scope{credential.RecoveriesStart})
	return token
}

// NewClient makes a client of a kind with scopes, and gives its token and its id.
func (s *Service) NewClient(t testing.TB, tenant string, kind credential.Kind, scopes []credential.Scope) (token, id string) {
	t.Helper()
	return s.clientOf(t, tenant, kind, "Robin", scopes)
}

func (s *Service) clientOf(t testing.TB, tenant string, kind credential.Kind, owner string, scopes []credential.Scope) (token, id string) {
	t.Helper()
	made, err := s.App.Clients.CreateClient(t.Context(), credential.CreateCommand{
		Tenant: tenant, Name: "a test's client", Kind: kind, Owner: owner, Scopes: scopes, Lifetime: credential.MaxLifetime,
		By: audit.Actor{Kind: audit.ActorOperator, ID: "test"},
	})
	require.NoError(t, err)
	return made.Token.Reveal(), made.Client.ID
}

// Advance moves the one clock forward and has everything judged that is now due.
func (s *Service) Advance(t testing.TB, by time.Duration) {
	t.Helper()
	require.NoError(t, s.Owner.AdvanceClock(t.Context(), by))
	for {
		n, err := s.App.Recoveries.WakeAll(t.Context(), 100)
		require.NoError(t, err)
		if n < 100 {
			return
		}
	}
}

// Now reads the one clock.
func (s *Service) Now(t testing.TB) time.Time {
	t.Helper()
	now, err := s.Owner.Now(t.Context())
	require.NoError(t, err)
	return now
}

// Log keeps what the service logs. It is safe for concurrent use.
type Log struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

// Write implements io.Writer.
func (l *Log) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.Write(p)
}

// String gives everything so far.
func (l *Log) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.String()
}

// Lines gives the lines that contain a text.
func (l *Log) Lines(containing string) []string {
	var out []string
	for line := range strings.Lines(l.String()) {
		if strings.Contains(line, containing) {
			out = append(out, line)
		}
	}
	return out
}
