package workforce_test

import (
	"context"
	"crypto/rand"
	"crypto/rsa"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/stretchr/testify/require"
	"github.com/zitadel/oidc/v3/example/server/exampleop"
	"github.com/zitadel/oidc/v3/example/server/storage"
	"github.com/zitadel/oidc/v3/pkg/op"

	"github.com/holdfast/holdfast/internal/credential"
	"github.com/holdfast/holdfast/internal/fault"
	"github.com/holdfast/holdfast/internal/workforce"
)

const (
	console         = "agent-console"
	consoleRedirect = "http://localhost:9999/auth/callback"
	consoleSecret   = "a-secret-of-the-console"
)

// providerStore is the store of zitadel/oidc's example provider. It says what a company adds to its access tokens, and its
// signing key can change.
type providerStore struct {
	*storage.Storage
	key atomic.Pointer[providerKey]
}

type providerKey struct {
	id      string
	private *rsa.PrivateKey
}

func newProviderStore(t *testing.T, issuer string) *providerStore {
	t.Helper()
	s := &providerStore{Storage: storage.NewStorageWithClients(storage.NewUserStore(issuer),
		map[string]*storage.Client{console: storage.WebClient(console, consoleSecret, consoleRedirect)})}
	s.rotate(t, "first")
	return s
}

func (s *providerStore) rotate(t *testing.T, id string) {
	t.Helper()
	private, err := rsa.GenerateKey(rand.Reader, 2048)
	require.NoError(t, err)
	s.key.Store(&providerKey{id: id, private: private})
}

// GetPrivateClaimsFromRequest implements op.CanGetPrivateClaimsFromRequest.
func (s *providerStore) GetPrivateClaimsFromRequest(_ context.Context, r op.TokenRequest, _ []string) (map[string]any, error) {
	claims := map[string]any{"groups": []string{"holdfast-agents"}, "email": "robin@example.com", "email_verified": true}
	if signedIn, ok := r.(interface {
		GetAMR() []string
		GetAuthTime() time.Time
	}); ok {
		claims["amr"], claims["auth_time"] = signedIn.GetAMR(), signedIn.GetAuthTime().Unix()
	}
	return claims, nil
}

func (s *providerStore) GetClientByClientID(ctx context.Context, id string) (op.Client, error) {
	c, err := s.Storage.GetClientByClientID(ctx, id)
	return jwtClient{c}, err
}

func (s *providerStore) ClientCredentials(ctx context.Context, id, secret string) (op.Client, error) {
	c, err := s.Storage.ClientCredentials(ctx, id, secret)
	return jwtClient{c}, err
}

func (s *providerStore) SigningKey(context.Context) (op.SigningKey, error) {
	return s.key.Load().signing(), nil
}

func (s *providerStore) KeySet(context.Context) ([]op.Key, error) {
	return []op.Key{s.key.Load().public()}, nil
}

// jwtClient gets access tokens that are JWTs: the example's are opaque.
type jwtClient struct{ op.Client }

func (jwtClient) AccessTokenType() op.AccessTokenType { return op.AccessTokenTypeJWT }

type keyHalf struct {
	id  string
	key any
}

func (k *providerKey) signing() keyHalf { return keyHalf{k.id, k.private} }
func (k *providerKey) public() keyHalf  { return keyHalf{k.id, &k.private.PublicKey} }

func (k keyHalf) ID() string                                { return k.id }
func (k keyHalf) Key() any                                  { return k.key }
func (keyHalf) Use() string                                 { return "sig" }
func (keyHalf) Algorithm() jose.SignatureAlgorithm          { return jose.RS256 }
func (keyHalf) SignatureAlgorithm() jose.SignatureAlgorithm { return jose.RS256 }

// provider is the running OpenID provider as a browser and a console meet it.
type provider struct {
	*httptest.Server
	store  *providerStore
	client *http.Client
}

func startProvider(t *testing.T) *provider {
	t.Helper()
	var handler atomic.Pointer[http.Handler]
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { (*handler.Load()).ServeHTTP(w, r) }))
	t.Cleanup(server.Close)
	store := newProviderStore(t, server.URL)
	var h http.Handler = exampleop.SetupServer(server.URL, store, nil, false)
	handler.Store(&h)
	client := &http.Client{Timeout: 10 * time.Second, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	return &provider{Server: server, store: store, client: client}
}

func (p *provider) do(t *testing.T, method, where string, form url.Values, auth ...string) *http.Response {
	t.Helper()
	if strings.HasPrefix(where, "/") {
		where = p.URL + where
	}
	r, err := http.NewRequestWithContext(t.Context(), method, where, strings.NewReader(form.Encode()))
	require.NoError(t, err)
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	if len(auth) == 2 {
		r.SetBasicAuth(auth[0], auth[1])
	}
	res, err := p.client.Do(r)
	require.NoError(t, err)
	t.Cleanup(func() { _ = res.Body.Close() })
	return res
}

func (p *provider) redirected(t *testing.T, res *http.Response) *url.URL {
	t.Helper()
	require.Equal(t, http.StatusFound, res.StatusCode)
	to, err := res.Location()
	require.NoError(t, err)
	return to
}

type granted struct {
	AccessToken string `json:"access_token"`
	IDToken     string `json:"id_token"`
}

func (p *provider) token(t *testing.T, form url.Values, auth ...string) granted {
	t.Helper()
	res := p.do(t, http.MethodPost, "/oauth/token", form, auth...)
	require.Equal(t, http.StatusOK, res.StatusCode)
	var out granted
	require.NoError(t, json.NewDecoder(res.Body).Decode(&out))
	return out
}

// signIn is a person at the login page, and the console that exchanges the code.
func (p *provider) signIn(t *testing.T) granted {
	t.Helper()
	ask := url.Values{
		"client_id": {console}, "response_type": {"code"}, "scope": {"openid email"}, "redirect_uri": {consoleRedirect}, "state": {"st"},
	}
	login := p.redirected(t, p.do(t, http.MethodGet, "/auth?"+ask.Encode(), nil))
	form := url.Values{"id": {login.Query().Get("authRequestID")}, "username": {"test-user2"}, "password": {"verysecure"}}
	back := p.redirected(t, p.do(t, http.MethodPost, "/login/username", form))
	code := p.redirected(t, p.do(t, http.MethodGet, back.String(), nil)).Query().Get("code")
	require.NotEmpty(t, code)
	return p.token(t, url.Values{"grant_type": {"authorization_code"}, "code": {code}, "redirect_uri": {consoleRedirect}}, console, consoleSecret)
}

func (p *provider) trust(t *testing.T, h *hands, change ...func(*workforce.Issuer)) *workforce.People {
	t.Helper()
	i := workforce.Issuer{
		Issuer: p.URL, Audience: []string{console, "sid1"}, Parties: []string{console, "sid1"}, TokenTypes: []string{"JWT"},
		RolesClaim: "groups", Roles: map[string][]credential.Role{"holdfast-agents": {credential.Agent}}, Tenants: []string{"acme"},
	}
	for _, f := range change {
		f(&i)
	}
	return people(t, workforce.Config{People: []workforce.Issuer{i}}, h)
}

// Tried against a provider that others wrote: zitadel/oidc.
func TestPeople_SignInAtAnIndependentProvider(t *testing.T) {
	t.Parallel()
	p := startProvider(t)
	h := &hands{}
	h.at.Store(time.Now().Unix())
	staff := p.trust(t, h)
	got := p.signIn(t)

	require.True(t, staff.Claims(got.AccessToken))
	who, err := staff.Authenticate(t.Context(), got.AccessToken)
	require.NoError(t, err)
	require.Equal(t, credential.Workforce, who.Kind)
	require.Equal(t, "acme", who.Tenant)
	require.Equal(t, credential.ScopesOf([]credential.Role{credential.Agent}), who.Scopes)
	require.Equal(t, "id2", who.Staff.Subject)
	require.Equal(t, credential.PersonID("robin@example.com"), who.Staff.Person)
	require.Equal(t, []string{"pwd"}, who.Staff.AMR)
	require.WithinDuration(t, h.wall(), who.Staff.AuthenticatedAt, time.Minute)

	for name, refused := range map[string]struct {
		people *workforce.People
		token  string
		why    string
	}{
		"its ID token":                     {staff, got.IDToken, "ID token"},
		"a machine's token of the same":    {staff, p.token(t, url.Values{"grant_type": {"client_credentials"}}, "sid1", "verysecret").AccessToken, "machine"},
		"where only RFC 9068 is believed":  {p.trust(t, h, func(i *workforce.Issuer) { i.TokenTypes = nil }), got.AccessToken, "typ"},
		"for somebody else":                {p.trust(t, h, func(i *workforce.Issuer) { i.Audience = []string{"holdfast"} }), got.AccessToken, "aud"},
		"given to a client we do not know": {p.trust(t, h, func(i *workforce.Issuer) { i.Parties = []string{"other"} }), got.AccessToken, "azp"},
	} {
		_, err := refused.people.Authenticate(t.Context(), refused.token)
		require.Equal(t, fault.CodeUnauthenticated, fault.CodeOf(err), name)
		require.ErrorContains(t, err, refused.why, name)
	}

	p.store.rotate(t, "second")
	next := p.signIn(t)
	h.advance(11 * time.Second) // an issuer is asked for new keys at most every ten seconds
	_, err = staff.Authenticate(t.Context(), next.AccessToken)
	require.NoError(t, err, "the provider's new key is found")
	_, err = staff.Authenticate(t.Context(), got.AccessToken)
	require.Equal(t, fault.CodeUnauthenticated, fault.CodeOf(err), "a key that the provider has withdrawn signs nothing any more")
	h.advance(time.Hour)
	_, err = staff.Authenticate(t.Context(), next.AccessToken)
	require.ErrorContains(t, err, "exp")
}
