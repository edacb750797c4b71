// Package httpapi is the edge of the service: it turns HTTP into commands of the core, and views and faults into HTTP.
//
// Every route stands in one table (routes.go) that also says who may call it; a route without a caller's rule cannot be
// built. Before a handler runs, the request has been named, limited, authenticated, bounded, parsed strictly and checked
// against the contract (admit.go). Handlers are thin. A fault becomes HTTP at one place (problem.go).
//
// Nothing that a request says about itself, its Host least of all, reaches an answer.
package httpapi

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/netip"
	"net/url"
	"strings"
	"time"

	"github.com/labstack/echo/v4"

	"github.com/holdfast/holdfast/internal/clock"
	"github.com/holdfast/holdfast/internal/credential"
	"github.com/holdfast/holdfast/internal/secret"
)

// Config is what the edge is built from. All fields are needed, except where it says otherwise.
type Config struct {
	// PublicURL is where the service is reached, for links to problem pages. It comes from configuration alone.
	PublicURL string
	// Contract is the OpenAPI document in YAML that requests are checked against.
	Contract []byte

	Recoveries Recoveries
	Accounts   Accounts
	Alerts     Alerts
	Controls   Controls
	TextRules  TextRules
	Funnel     Funnel
	Cases      Cases
	Clients    Authenticator
	Registry   Registry
	// ReadKeys reads a JWK set of clients' public keys. Its error says what is wrong and repeats nothing of it.
	ReadKeys func(set []byte) ([]credential.PublicKey, error)
	Webhooks Webhooks
	Audit    Audit
	Limits   Limits
	// Texts hears the provider of text messages. Without it its routes do not exist.
	Texts Texts
	// Replies says that what is answered to text messages comes to Texts as well. Without it that route does not exist.
	Replies bool

	Pages Pages
	// JWKS gives the public keys as a JSON document. It is called for each request and must be cheap.
	JWKS func() []byte
	// Keyring seals idempotent answers.
	Keyring *secret.Keyring
	// Source tells the client's address, from a trusted hop only. An error refuses the request.
	Source func(*http.Request) (netip.Addr, error)

	Logger  *slog.Logger
	Metrics Metrics
	// Clock is the process's own: it measures requests and sets network deadlines, and decides nothing else.
	Clock clock.Clock

	Overload        Overload      // how much is taken on at once
	BodyLimit       int64         // bytes of a JSON body
	ImportBodyLimit int64         // bytes of an import
	HandlerTimeout  time.Duration // for the work of one request, an import's excepted
	ReadTimeout     time.Duration // for each piece of an import

	// ClientCertificates says that this installation verifies client certificates: the routes that hand over an account then
	// demand one.
	ClientCertificates bool

	// StepUp is what the routes that demand a fresh authentication of a person ask for. The zero one is met by nobody.
	StepUp credential.StepUp

	// Dev adds the routes of a development installation. It is nil in any other.
	Dev *Dev
}

// Dev is what a development installation offers beside the API.
type Dev struct {
	// Inbox shows what would have been sent, as a page or as JSON.
	Inbox http.Handler
	// Claim is the page where claim links lead, and ClaimScript its script. They stand for a page of a tenant's own app.
	Claim, ClaimScript http.Handler
	// Advance moves the service's clock forward and gives its new time.
	Advance func(ctx context.Context, by time.Duration) (time.Time, error)
	// Token signs an access token of the development issuer, and gives the person's name in the trail and its expiry.
	Token func(ctx context.Context, p DevPerson) (token, person string, expires time.Time, err error)
}

// Server is the edge as an http.Handler. It is safe for concurrent use.
type Server struct {
	echo *echo.Echo
}

// ServeHTTP answers a request.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) { s.echo.ServeHTTP(w, r) }

// handler is what the handlers and the middleware share.
type handler struct {
	Config

	contract *contract
	allow    map[string]string // by path: the methods that it supports
	gate     *gate
	problems string // what the type of a problem begins with
	https    bool
}

// New builds the edge. It fails when the configuration is incomplete, when the contract is not valid, or when the table of
// routes and the contract disagree.
func New(cfg Config) (*Server, error) {
	if err := cfg.validate(); err != nil {
		return nil, err
	}
	public, err := url.Parse(cfg.PublicURL)
	if err != nil || public.Host == "" {
		return nil, errors.New("httpapi: the public URL is not valid")
	}
	doc, err := loadContract(cfg.Contract)
	if err != nil {
		return nil, fmt.Errorf("httpapi: %w", err)
	}
	h := &handler{
		Config: cfg, contract: doc, allow: map[string]string{}, gate: newGate(cfg.Overload),
		problems: public.JoinPath("problems").String() + "/", https: public.Scheme == "https",
	}
	e := echo.New()
	e.HideBanner, e.HidePort = true, true
	e.Logger.SetOutput(discard{})
	e.HTTPErrorHandler = h.problem
	e.Use(h.observe, h.harden, h.survive)
	if err := h.register(e); err != nil {
		return nil, err
	}
	return &Server{echo: e}, nil
}

func (c Config) validate() error {
	for name, missing := range map[string]bool{
		"Recoveries": c.Recoveries == nil, "Accounts": c.Accounts == nil, "Cases": c.Cases == nil, "Clients": c.Clients == nil, "Registry": c.Registry == nil, "ReadKeys": c.ReadKeys == nil, "Audit": c.Audit == nil, "Limits": c.Limits == nil,
		"Alerts": c.Alerts == nil, "Controls": c.Controls == nil, "Funnel": c.Funnel == nil, "Webhooks": c.Webhooks == nil, "Pages": c.Pages == nil, "JWKS": c.JWKS == nil, "Keyring": c.Keyring == nil, "Source": c.Source == nil,
		"TextRules": c.TextRules == nil, "Logger": c.Logger == nil, "Metrics": c.Metrics == nil, "Clock": c.Clock == nil,
		"Overload":  c.Overload.Slots < 1 || c.Overload.Queue < 0 || c.Overload.Wait <= 0,
		"BodyLimit": c.BodyLimit <= 0, "ImportBodyLimit": c.ImportBodyLimit <= 0,
		"HandlerTimeout": c.HandlerTimeout <= 0, "ReadTimeout": c.ReadTimeout <= 0,
		"Dev": c.Dev != nil && (c.Dev.Inbox == nil || c.Dev.Advance == nil || c.Dev.Token == nil),
	} {
		if missing {
			return fmt.Errorf("httpapi: %s is missing", name)
		}
	}
	return nil
}

// register puts the table's routes into the router, each behind its admission.
func (h *handler) register(e *echo.Echo) error {
	table := routes()
	if h.Dev != nil {
		table = append(table, devRoutes()...)
	}
	for _, rt := range table {
		if err := rt.caller.valid(); err != nil {
			return fmt.Errorf("httpapi: %s %s %w", rt.method, rt.path, err)
		}
		op := h.contract.operation(rt.method, rt.path)
		if op == nil && !rt.dev {
			return fmt.Errorf("httpapi: %s %s is not in the contract", rt.method, rt.path)
		}
		if rt.texts && !h.hears(rt) {
			continue
		}
		path := echoPath(rt.path)
		e.Add(rt.method, path, h.admitted(rt, h.admit(rt, op)))
		methods := []string{rt.method}
		if rt.page {
			e.Add(http.MethodHead, path, h.admitted(rt, h.admit(rt, op)))
			methods = append(methods, http.MethodHead)
		}
		h.allow[path] = strings.TrimPrefix(h.allow[path]+", "+strings.Join(methods, ", "), ", ")
	}
	return nil
}

// echoPath writes a path of the contract as echo's router takes it: {name} becomes :name.
func echoPath(path string) string {
	return strings.NewReplacer("{", ":", "}", "").Replace(path)
}

// discard drops what echo itself would log: the wide event has it.
type discard struct{}

// Write implements io.Writer.
func (discard) Write(p []byte) (int, error) { return len(p), nil }
