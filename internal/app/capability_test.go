package app_test

import (
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/stretchr/testify/require"

	"github.com/holdfast/holdfast/api"
	"github.com/holdfast/holdfast/api/client"
	"github.com/holdfast/holdfast/internal/app/apptest"
	"github.com/holdfast/holdfast/internal/credential"
	"github.com/holdfast/holdfast/internal/httpapi"
	"github.com/holdfast/holdfast/internal/postgres"
	"github.com/holdfast/holdfast/internal/workforce/devissuer"
)

// caller is one kind of caller, and what it may do by the matrix.
type caller struct {
	name    string
	token   string
	refused int // with what, where it may not call
	may     func(c httpapi.Capability) bool
}

// callers signs in one of every kind. Nobody of them holds a claimant's token; who needs one is answered 404.
func callers(t *testing.T, s *apptest.Service) []caller {
	t.Helper()
	never := func(httpapi.Capability) bool { return false }
	out := []caller{
		{name: "nobody", refused: http.StatusUnauthorized, may: never},
		{name: "a made-up credential", token: "hfk_live_000000000000_0000000000000000000000000000000000000000000_000000", refused: http.StatusUnauthorized, may: never},
		{name: "a made-up token", token: "eyJhbGciOiJub25lIn0.eyJpc3MiOiJ4In0.", refused: http.StatusUnauthorized, may: never},
	}
	for _, k := range credential.ClientKinds() {
		token, _ := s.NewClient(t, apptest.Tenant, k, k.Scopes())
		out = append(out, caller{name: string(k), token: token, refused: http.StatusForbidden, may: func(c httpapi.Capability) bool {
			return slices.Contains(c.Kinds, k)
		}})
		for _, one := range k.Scopes() { // all scopes but one: that one opens nothing
			if k == credential.Publishable {
				continue
			}
			rest := slices.DeleteFunc(k.Scopes(), func(x credential.Scope) bool { return x == one })
			token, _ := s.NewClient(t, apptest.Tenant, k, rest)
			out = append(out, caller{name: string(k) + " without " + string(one), token: token, refused: http.StatusForbidden, may: func(c httpapi.Capability) bool {
				return slices.Contains(c.Kinds, k) && c.Scope != one
			}})
		}
	}
	for _, r := range credential.Roles() {
		byRole := func(c httpapi.Capability) bool { return slices.Contains(c.Roles, r) }
		out = append(out,
			caller{name: "a fresh " + string(r), token: s.Staff(t, "fresh-"+string(r), r), refused: http.StatusForbidden, may: byRole},
			caller{
				name: "a stale " + string(r), refused: http.StatusForbidden,
				token: s.SignIn(t, devissuer.Person{Subject: "stale", Roles: []credential.Role{r}, SignedIn: time.Hour}),
				may:   func(c httpapi.Capability) bool { return byRole(c) && !c.Fresh },
			},
			caller{
				name: "a weak " + string(r), refused: http.StatusForbidden,
				token: s.SignIn(t, devissuer.Person{Subject: "weak", Roles: []credential.Role{r}, ACR: "none", AMR: []string{"pwd", "otp"}}),
				may:   func(c httpapi.Capability) bool { return byRole(c) && !c.Fresh },
			},
		)
	}
	return append(out, caller{
		name: "a person without a role", token: s.SignIn(t, devissuer.Person{Subject: "guest"}), refused: http.StatusForbidden, may: never,
	})
}

// madeUp fills a path with ids that are well formed and name nothing.
func madeUp(path string) string {
	for _, name := range []string{"recovery_id:rcv", "challenge_id:chl", "factor_id:fac", "client_id:cli", "webhook_id:whk", "case_id:cas", "proposal_id:prp"} {
		param, prefix, _ := strings.Cut(name, ":")
		path = strings.ReplaceAll(path, "{"+param+"}", prefix+"_01kagx0b1c3d5e7f9g1h3j5k7m")
	}
	for {
		open := strings.IndexByte(path, '{')
		if open < 0 {
			return path
		}
		path = path[:open] + "made-up" + path[strings.IndexByte(path, '}')+1:]
	}
}

// Every route as every kind of caller, through the whole service: what the matrix allows is not
// refused for who calls, and everything else is.
func TestEveryRoute_IsForWhomTheMatrixSaysAndNobodyElse(t *testing.T) {
	t.Parallel()
	s := apptest.New(t, apptest.WithEnv("HOLDFAST_LIMIT_FACTOR=100000"))
	all := callers(t, s)
	tried := 0
	for _, c := range httpapi.Capabilities() {
		if c.Anyone() {
			continue
		}
		for _, who := range all {
			r := apptest.Request{Method: c.Method, Path: madeUp(c.Path), As: who.token}
			switch {
			case c.Path == "/v1/accounts/import":
				r.Body, r.Header = "\n", http.Header{"Content-Type": {"application/x-ndjson"}}
			case c.Method == http.MethodPost, c.Method == http.MethodPut:
				r.Body = "{}"
			}
			a := s.Do(t, r)
			where := who.name + ": " + c.Method + " " + c.Path + ": " + a.Body
			tried++
			switch {
			case who.may(c):
				require.NotContains(t, []int{http.StatusUnauthorized, http.StatusForbidden}, a.Status, where)
				require.Less(t, a.Status, http.StatusInternalServerError, where)
			case c.Fresh && a.Status == http.StatusUnauthorized && who.refused == http.StatusForbidden: // the step-up
				require.Equal(t, "insufficient_user_authentication", a.Code(), where)
				require.Contains(t, a.Header.Get("WWW-Authenticate"), `error="insufficient_user_authentication"`)
				require.Contains(t, a.Header.Get("WWW-Authenticate"), `acr_values="phr phrh", max_age="900"`)
			default:
				require.Equal(t, who.refused, a.Status, where)
			}
		}
	}
	require.Greater(t, tried, 500)
	// A person of another tenant, and one who names a tenant that they do not serve.
	stranger := s.SignIn(t, devissuer.Person{Subject: "stranger", Roles: credential.Roles(), Tenants: []string{"globex"}})
	a := s.Do(t, apptest.Request{Method: http.MethodGet, Path: "/v1/clients", As: stranger})
	require.Equal(t, http.StatusOK, a.Status, a.Body)
	require.JSONEq(t, `{"ai_agents":{"off":false,"every_tenant":false},"clients":[]}`, a.Body, "another tenant's clients are not theirs to see")
	for _, c := range httpapi.Capabilities() {
		if len(c.Roles) == 0 {
			continue
		}
		r := apptest.Request{Method: c.Method, Path: madeUp(c.Path), As: stranger, Header: http.Header{"Holdfast-Tenant": {apptest.Tenant}}}
		if c.Method == http.MethodPost {
			r.Body = "{}"
		}
		require.Equal(t, http.StatusForbidden, s.Do(t, r).Status, "%s %s", c.Method, c.Path)
	}
}

// Whatever has an id belongs to its tenant: another tenant's callers, with every scope and role there is, meet nothing.
func TestEveryID_NamesNothingForAnotherTenant(t *testing.T) {
	t.Parallel()
	s := apptest.New(t, apptest.WithEnv("HOLDFAST_LIMIT_FACTOR=100000"))
	s.Register(t, apptest.Person{Ref: "ada", Email: ada, Phone: adaPhone})
	s.EnrolTOTP(t, "ada")
	claim := s.Start(t, apptest.Claimant{Identifier: apptest.Email(ada)})
	challenge := claim.Ask(t, client.MethodEmail)
	ids := map[string]string{
		"account_ref": "ada", "recovery_id": claim.ID, "challenge_id": challenge.ID, "client_id": s.IdentityClient,
		"factor_id": apptest.Query[string](t, s, `SELECT id FROM factor LIMIT 1`),
	}
	_, err := s.Owner.CreateTenant(t.Context(), postgres.Tenant{ID: "globex", Name: "Globex", Locale: "en"})
	require.NoError(t, err)
	service, _ := s.NewClient(t, "globex", credential.Service, credential.Service.Scopes())
	bot, _ := s.NewClient(t, "globex", credential.AIAgent, credential.AIAgent.Scopes())
	person := s.SignIn(t, devissuer.Person{Subject: "gus", Roles: credential.Roles(), Tenants: []string{"globex"}})
	doc, err := openapi3.NewLoader().LoadFromData(api.OpenAPI())
	require.NoError(t, err)
	settle(t, s)
	before := s.Rows(t)
	tried := map[string]bool{}
	for _, c := range httpapi.Capabilities() {
		if c.Anyone() || !strings.Contains(c.Path, "{") || c.Method == http.MethodPut { // a PUT makes an account of the caller's own
			continue
		}
		path := c.Path
		for param, id := range ids {
			if strings.Contains(path, "{"+param+"}") {
				tried[param] = true
			}
			path = strings.ReplaceAll(path, "{"+param+"}", id)
		}
		r := apptest.Request{Method: c.Method, Path: madeUp(path), As: service}
		switch {
		case c.Claimant:
			r.Claimant = claim.ClaimantToken
		case slices.Contains(c.Kinds, credential.AIAgent):
			r.As = bot
		case !slices.Contains(c.Kinds, credential.Service):
			r.As = person
		}
		if c.Method == http.MethodPost {
			r.Body = exampleBody(t, doc, c)
		}
		a := s.Do(t, r)
		require.Equal(t, http.StatusNotFound, a.Status, "%s %s: %s", c.Method, path, a.Body)
	}
	for param := range ids {
		require.True(t, tried[param], "%s was not tried", param)
	}
	grown := apptest.Grown(before, s.Rows(t))
	for table := range grown {
		// The background writes down that the challenge was sent.
		require.Contains(t, []string{"public.idempotency", "public.audit_event", "public.audit_personal"}, table, "nothing of anybody's has changed: %v", grown)
	}
	require.Subset(t, []string{"nhi.created", "audit.read", "agent.lookup.refused"}, apptest.Texts(t, s, `SELECT action FROM audit_event WHERE tenant_id = 'globex'`), "who asks for what is not theirs leaves a trace with themselves at most")
	require.Zero(t, apptest.Query[int](t, s, `SELECT count(*) FROM audit_event WHERE tenant_id = 'acme' AND actor_id IN (SELECT id FROM client WHERE tenant_id = 'globex')`))
}

// exampleBody is the contract's own example of a request, so that what is refused is refused for whose it is; {} without one.
func exampleBody(t *testing.T, doc *openapi3.T, c httpapi.Capability) any {
	t.Helper()
	op := doc.Paths.Value(c.Path).Operations()[c.Method]
	if op.RequestBody != nil {
		if media := op.RequestBody.Value.Content["application/json"]; media != nil && media.Example != nil {
			return media.Example
		}
	}
	return "{}"
}
