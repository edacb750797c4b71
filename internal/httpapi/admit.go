package httpapi

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/netip"
	"net/url"
	"strings"
	"time"

	"github.com/labstack/echo/v4"

	"github.com/holdfast/holdfast/internal/credential"
	"github.com/holdfast/holdfast/internal/fault"
	"github.com/holdfast/holdfast/internal/idempotency"
	"github.com/holdfast/holdfast/internal/secret"
	"github.com/holdfast/holdfast/internal/telemetry"
)

const (
	headerClaimant = "Holdfast-Claimant"
	// headerTenant picks one of the tenants that a person serves.
	headerTenant = "Holdfast-Tenant"
	// longestCredential bounds what is looked at of an Authorization header. It has room for a signed token.
	longestCredential = 8 << 10
)

// call is what admission has learned about a request.
type call struct {
	requestID string
	source    netip.Addr
	who       *credential.Principal // nil where anyone may call
	claimant  secret.String
	params    map[string]string
	query     map[string]string // what the contract names and the request gave
	rawKey    secret.String     // the Idempotency-Key as sent
	body      []byte
	key       idempotency.Key // zero where none was sent and none is needed
}

const callKey = "holdfast.call"

// callOf gives what admission has learned. Handlers run only behind it.
func callOf(c echo.Context) *call {
	in, ok := c.Get(callKey).(*call)
	if !ok {
		panic("httpapi: a handler without admission")
	}
	return in
}

// admit is the one way into a handler. In this order: where the request comes from, who sends it and whether they may, how
// often, for which recovery, what it says, and which request it is if it comes again. Nothing is looked up by what the
// request names before its limits have been asked.
func (h *handler) admit(rt route, op *operation) echo.HandlerFunc {
	return func(c echo.Context) error {
		if rt.body != bodyNDJSON && !rt.stream {
			ctx, cancel := context.WithTimeout(c.Request().Context(), h.HandlerTimeout)
			defer cancel()
			c.SetRequest(c.Request().WithContext(ctx))
		}
		in := &call{requestID: telemetry.RequestIDFrom(c.Request().Context())}
		c.Set(callKey, in)
		for _, step := range []func(echo.Context, route, *operation, *call) error{
			h.locate, h.authenticate, h.limit, h.claim, h.address, h.name, h.read, h.identify,
		} {
			if err := step(c, rt, op, in); err != nil {
				return err
			}
		}
		return rt.handle(h, c)
	}
}

// locate finds the client's address. A request whose source cannot be told would pass every limit by source: it is refused.
func (h *handler) locate(c echo.Context, _ route, _ *operation, in *call) error {
	addr, err := h.Source(c.Request())
	if err != nil {
		return fault.Of(fault.CodeUnavailable).Because(err)
	}
	in.source = addr
	return nil
}

// authenticate finds out who calls and whether the route is for them. The zero rule is for nobody.
func (h *handler) authenticate(c echo.Context, rt route, _ *operation, in *call) error {
	if tls := c.Request().TLS; rt.mutual && h.ClientCertificates && (tls == nil || len(tls.VerifiedChains) == 0) {
		return fault.Of(fault.CodeUnauthenticated).Because(errNoCertificate)
	}
	switch rt.caller.kind {
	case anyone, provider:
		return nil
	case bearer, claimant:
	case nobody:
		return fault.Of(fault.CodeForbidden)
	default:
		return fault.Of(fault.CodeForbidden)
	}
	ctx := c.Request().Context()
	who, err := h.bearer(ctx, c.Request().Header)
	if err != nil {
		if fault.KindOf(err) != fault.Unauthenticated {
			return err
		}
		if limited := h.Limits.AllowRefusedCredential(ctx, in.source); limited != nil {
			return limited
		}
		return err
	}
	known := who
	if who, err = forTenant(who, c.Request().Header); err != nil {
		return h.refuse(c, rt, known, in, err) // and not in the trail of a tenant that is none of theirs
	}
	in.who = &who
	event := telemetry.EventFrom(ctx)
	event.Set("tenant", who.Tenant)
	if who.Human() {
		event.Set("person", who.Name())
	} else {
		event.Set("client", who.Client)
		event.Set("credential", who.Credential)
	}
	if err := h.refuseInteractive(c, who, in); err != nil {
		return err
	}
	if !rt.caller.allows(who) {
		return h.refuse(c, rt, who, in, fault.Of(fault.CodeForbidden))
	}
	if rt.caller.fresh && who.Human() && !h.StepUp.Fresh(who) {
		return h.refuse(c, rt, who, in, fault.Of(fault.CodeStepUp))
	}
	return nil
}

// refuse has it written down that somebody known tried what is not for them, and gives why. What cannot be written down is
// refused as unavailable.
func (h *handler) refuse(c echo.Context, rt route, who credential.Principal, in *call, why error) error {
	if code := fault.CodeOf(why); code == fault.CodeForbidden || code == fault.CodeStepUp {
		if err := h.Registry.ReportRefused(c.Request().Context(), who, in.requestID, rt.method+" "+rt.path, code); err != nil {
			return err
		}
	}
	return why
}

// forTenant is the principal acting for the tenant that the request names. Who serves several has to name one.
func forTenant(who credential.Principal, header http.Header) (credential.Principal, error) {
	values := header.Values(headerTenant)
	name := ""
	switch {
	case len(values) > 1:
		return who, fault.Of(fault.CodeInvalidRequest).At("header "+headerTenant, "must be sent once")
	case len(values) == 1:
		name = values[0]
	case who.Human() && len(who.Staff.Tenants) > 1:
		return who, fault.Of(fault.CodeInvalidRequest).At("header "+headerTenant, "is required for who serves several tenants")
	}
	who, ok := who.For(name)
	if !ok {
		return who, fault.Of(fault.CodeForbidden)
	}
	return who, nil
}

// errNoCertificate is why a caller without a verified client certificate is not authenticated.
var errNoCertificate = errors.New("no verified client certificate")

// bearer reads the Authorization header (RFC 6750) and asks who it is.
func (h *handler) bearer(ctx context.Context, header http.Header) (credential.Principal, error) {
	values := header.Values("Authorization")
	if len(values) != 1 {
		return credential.Principal{}, fault.Of(fault.CodeUnauthenticated)
	}
	scheme, token, found := strings.Cut(values[0], " ")
	if !found || !strings.EqualFold(scheme, "Bearer") || token == "" || len(token) > longestCredential {
		return credential.Principal{}, fault.Of(fault.CodeUnauthenticated)
	}
	return h.Clients.Authenticate(ctx, token)
}

// limit asks how often. A provider's word is limited when it proves to be none (texts.go): an owner's NO is never shed for
// being one too many.
func (h *handler) limit(c echo.Context, rt route, _ *operation, in *call) error {
	if rt.caller.kind == provider {
		return nil
	}
	quota, err := h.Limits.AllowRequest(c.Request().Context(), rt.class, in.source, in.who)
	if in.who != nil && in.who.Kind == credential.Service && quota.Limit > 0 {
		showQuota(c.Response().Header(), quota)
	}
	return err
}

// showQuota tells a server-side client of its own quota (draft-ietf-httpapi-ratelimit-headers-10), never of a bucket by
// source, identifier or device.
func showQuota(header http.Header, q Quota) {
	seconds := func(d time.Duration) int64 { return int64((d + time.Second - 1) / time.Second) }
	header.Set("RateLimit-Policy", fmt.Sprintf("%q;q=%d;w=%d", q.Name, q.Limit, seconds(q.Window)))
	header.Set("RateLimit", fmt.Sprintf("%q;r=%d;t=%d", q.Name, q.Remaining, seconds(q.Reset)))
}

// claim takes the claimant's token. One that is missing or malformed is answered like a recovery that does not exist.
func (h *handler) claim(c echo.Context, rt route, _ *operation, in *call) error {
	if rt.caller.kind != claimant {
		return nil
	}
	values := c.Request().Header.Values(headerClaimant)
	if len(values) != 1 {
		return fault.Of(fault.CodeNotFound)
	}
	in.claimant = secret.NewString(values[0])
	if err := secret.CheckToken(secret.PrefixClaimant, in.claimant); err != nil {
		return fault.Of(fault.CodeNotFound)
	}
	return nil
}

// address reads the path's parameters. A malformed id of ours names nothing; the account's name is the caller's own word, and
// they are told what is wrong with it. Only reads of lists take a query, and of it what the contract names.
func (h *handler) address(c echo.Context, rt route, op *operation, in *call) error {
	if strings.HasPrefix(rt.path, "/v1/") {
		var err error
		if in.query, err = op.readQuery(c.Request().URL.RawQuery); err != nil {
			return err
		}
	}
	in.params = map[string]string{}
	for _, name := range c.ParamNames() {
		value := c.Param(name)
		if c.Request().URL.RawPath != "" { // then echo has matched the escaped path
			plain, err := url.PathUnescape(value)
			if err != nil {
				return fault.Of(fault.CodeNotFound)
			}
			value = plain
		}
		if !op.validParam(name, value) {
			if name == "account_ref" {
				return fault.Of(fault.CodeInvalidRequest).At("path "+name, "does not have the right form")
			}
			return fault.Of(fault.CodeNotFound)
		}
		in.params[name] = value
	}
	return nil
}

// name reads the Idempotency-Key, before the body: it is the cheaper thing to put right. Where it may be left out, its absence
// is no fault.
func (h *handler) name(c echo.Context, rt route, _ *operation, in *call) error {
	values := c.Request().Header.Values(idempotency.Header)
	if rt.key == keyNone || (rt.key == keyOptional && len(values) == 0) {
		return nil
	}
	var err error
	in.rawKey, err = idempotency.Parse(values)
	return err
}

// read takes the body in and checks it against the contract. The handler of a stream reads it itself.
func (h *handler) read(c echo.Context, rt route, op *operation, in *call) error {
	var err error
	switch rt.body {
	case bodyNone:
		return refuseBody(c.Request())
	case bodyNDJSON:
		return requireMedia(c.Request(), mediaNDJSON)
	case bodyForm:
		in.body, err = h.readBody(c, mediaForm)
		return err
	case bodyJSON, bodyMaybe:
		in.body, err = h.readJSON(c, rt.body == bodyMaybe)
	}
	if err != nil {
		return err
	}
	value, err := parseStrict(in.body)
	if err != nil {
		return err
	}
	return op.checkBody(value)
}

// identify tells a repetition from another request. The claimant's token is part of who calls: without it
// nobody meets a claimant's answers.
func (h *handler) identify(c echo.Context, _ route, _ *operation, in *call) error {
	if in.rawKey.IsZero() {
		return nil
	}
	caller := secret.Bind("holdfast/v1/anyone")
	switch {
	case in.who == nil:
	case in.who.Human():
		caller = secret.Bind("holdfast/v1/workforce", in.who.Tenant, in.who.Staff.Issuer, in.who.Staff.Subject)
	default:
		caller = secret.Bind("holdfast/v1/client", in.who.Tenant, in.who.Client, in.claimant.Reveal())
	}
	r := c.Request()
	in.key = idempotency.New(h.Keyring, string(caller), r.Method+" "+r.URL.EscapedPath(), in.rawKey, in.body)
	return nil
}
