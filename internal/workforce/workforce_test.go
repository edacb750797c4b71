package workforce_test

import (
	"context"
	"crypto/rand"
	"crypto/rsa"
	"encoding/base64"
	"encoding/json"
	"maps"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/stretchr/testify/require"

	"github.com/holdfast/holdfast/internal/credential"
	"github.com/holdfast/holdfast/internal/fault"
	"github.com/holdfast/holdfast/internal/workforce"
	"github.com/holdfast/holdfast/internal/workforce/devissuer"
)

// hands is both clocks, moved by the test.
type hands struct{ at atomic.Int64 }

func (h *hands) wall() time.Time { return time.Unix(h.at.Load(), 0).UTC() }

func (h *hands) advance(d time.Duration) { h.at.Add(int64(d / time.Second)) }

type dbClock struct{ *hands }

func (c dbClock) Now(context.Context) (time.Time, error) { return c.wall(), nil }

type wallClock struct{ *hands }

func (c wallClock) Now() time.Time { return c.wall() }

type bundle struct {
	*workforce.People
	issuer *devissuer.Issuer
	clock  *hands
}

func setup(t *testing.T, change ...func(*workforce.Config)) *bundle {
	t.Helper()
	issuer, err := devissuer.Start(t.Context(), "127.0.0.1:0")
	require.NoError(t, err)
	t.Cleanup(func() { _ = issuer.Close() })
	b := &bundle{issuer: issuer, clock: &hands{}}
	b.clock.at.Store(time.Date(2026, 3, 1, 9, 0, 0, 0, time.UTC).Unix())
	cfg := issuer.Config()
	for _, f := range change {
		f(&cfg)
	}
	b.People = people(t, cfg, b.clock)
	return b
}

func people(t *testing.T, cfg workforce.Config, h *hands) *workforce.People {
	t.Helper()
	cfg, err := cfg.Complete(true)
	require.NoError(t, err)
	p, err := workforce.New(cfg, workforce.Deps{Clock: dbClock{h}, Wall: wallClock{h}})
	require.NoError(t, err)
	return p
}

func robin() devissuer.Person {
	return devissuer.Person{
		Subject: "u-7", Email: "Robin@example.com", Roles: []credential.Role{credential.Agent, credential.Auditor}, Tenants: []string{"acme", "globex"},
		SignedIn: 3 * time.Minute, AMR: []string{"pwd", "hwk"},
	}
}

func TestPeople_AreKnownByTheirTokens(t *testing.T) {
	t.Parallel()
	b := setup(t)
	token, expires, err := b.issuer.Mint(b.clock.wall(), robin())
	require.NoError(t, err)
	require.True(t, b.Claims(token))
	who, err := b.Authenticate(t.Context(), token)
	require.NoError(t, err)
	require.Equal(t, credential.Principal{
		Kind: credential.Workforce, Scopes: credential.ScopesOf([]credential.Role{credential.Agent, credential.Auditor}), ExpiresAt: expires,
		Staff: &credential.Staff{
			Issuer: b.issuer.URL(), Subject: "u-7", Person: credential.PersonID("robin@example.com"),
			Roles: []credential.Role{credential.Agent, credential.Auditor}, Tenants: []string{"acme", "globex"},
			AuthenticatedAt: b.clock.wall().Add(-3 * time.Minute), ACR: "phr", AMR: []string{"pwd", "hwk"}, At: b.clock.wall(),
		},
	}, who)
	require.NotContains(t, jsonOf(t, who), "obin", "no address is kept")
	require.Equal(t, 1, b.issuer.Asked())
}

func jsonOf(t *testing.T, v any) string {
	t.Helper()
	text, err := json.Marshal(v)
	require.NoError(t, err)
	return string(text)
}

// Everything about a token has to be right.
func TestTokens_AreRefusedUnlessEverythingIsRight(t *testing.T) {
	t.Parallel()
	b := setup(t)
	now := b.clock.wall()
	good := b.issuer.Claims(now, robin())
	sign := func(typ string, change map[string]any, without ...string) string {
		c := maps.Clone(good)
		maps.Copy(c, change)
		for _, name := range without {
			delete(c, name)
		}
		token, _, err := b.issuer.Sign(typ, c)
		require.NoError(t, err)
		return token
	}
	const at = "at+jwt"
	ok := sign(at, nil)
	parts := strings.Split(ok, ".")
	rawHeader := func(header string, signature string) string {
		return base64.RawURLEncoding.EncodeToString([]byte(header)) + "." + parts[1] + "." + signature
	}
	hs := func() string { // an HMAC under the published key's bytes
		signer, err := jose.NewSigner(jose.SigningKey{Algorithm: jose.HS256, Key: []byte(strings.Repeat("k", 64))}, (&jose.SignerOptions{}).WithType(at))
		require.NoError(t, err)
		signed, err := signer.Sign([]byte(jsonOf(t, good)))
		require.NoError(t, err)
		text, err := signed.CompactSerialize()
		require.NoError(t, err)
		return text
	}()
	foreign := func(embed bool) string { // another key, which the token may bring along
		private, err := rsa.GenerateKey(rand.Reader, 2048)
		require.NoError(t, err)
		opts := (&jose.SignerOptions{EmbedJWK: embed}).WithType(at)
		signer, err := jose.NewSigner(jose.SigningKey{Algorithm: jose.RS256, Key: private}, opts)
		require.NoError(t, err)
		signed, err := signer.Sign([]byte(jsonOf(t, good)))
		require.NoError(t, err)
		text, err := signed.CompactSerialize()
		require.NoError(t, err)
		return text
	}
	for name, token := range map[string]string{
		"alg none":                        rawHeader(`{"alg":"none","typ":"at+jwt"}`, ""),
		"alg none with the signature":     rawHeader(`{"alg":"none","typ":"at+jwt"}`, parts[2]),
		"a MAC":                           hs,
		"another's key":                   foreign(false),
		"a key that it brings":            foreign(true),
		"a changed payload":               parts[0] + "." + base64.RawURLEncoding.EncodeToString([]byte(strings.Replace(jsonOf(t, good), "u-7", "u-8", 1))) + "." + parts[2],
		"a cut signature":                 ok[:len(ok)-4],
		"typ JWT":                         sign("JWT", nil),
		"no typ":                          sign("", nil),
		"an ID token's nonce":             sign(at, map[string]any{"nonce": "n"}),
		"an ID token's at_hash":           sign(at, map[string]any{"at_hash": "n"}),
		"another audience":                sign(at, map[string]any{"aud": "other"}),
		"no audience":                     sign(at, nil, "aud"),
		"another party":                   sign(at, map[string]any{"azp": "other"}),
		"no party":                        sign(at, nil, "azp"),
		"two parties":                     sign(at, map[string]any{"client_id": "other"}),
		"several audiences without party": sign(at, map[string]any{"aud": []string{"holdfast", "other"}}, "azp"),
		"over":                            sign(at, map[string]any{"exp": now.Unix()}),
		"no exp":                          sign(at, nil, "exp"),
		"exp as text":                     sign(at, map[string]any{"exp": "tomorrow"}),
		"exp beyond time":                 sign(at, map[string]any{"exp": 1e300}),
		"no iat":                          sign(at, nil, "iat"),
		"iat in the future":               sign(at, map[string]any{"iat": now.Add(2 * time.Minute).Unix()}),
		"nbf in the future":               sign(at, map[string]any{"nbf": now.Add(2 * time.Minute).Unix()}),
		"it lives for days":               sign(at, map[string]any{"exp": now.Add(48 * time.Hour).Unix()}),
		"no subject":                      sign(at, nil, "sub"),
		"a huge subject":                  sign(at, map[string]any{"sub": strings.Repeat("x", 300)}),
		"a machine's, by client":          sign(at, map[string]any{"sub": devissuer.Party}),
		"a machine's, by grant":           sign(at, map[string]any{"gty": "client-credentials"}),
		"a machine's, by one of grants":   sign(at, map[string]any{"gty": []string{"client-credentials"}}),
		"a machine's, by its kind":        sign(at, map[string]any{"idtyp": "app"}),
		"a machine's, by its name":        sign(at, map[string]any{"preferred_username": "Service-Account-desk"}),
	} {
		_, err := b.Authenticate(t.Context(), token)
		require.Equal(t, fault.CodeUnauthenticated, fault.CodeOf(err), name)
		require.NotContains(t, err.Error(), "u-7", name)
		require.NotContains(t, err.Error(), parts[1], name)
	}
	for name, token := range map[string]string{
		"as it is": ok, "with the media type": sign("application/at+jwt", nil), "nbf just ahead": sign(at, map[string]any{"nbf": now.Add(30 * time.Second).Unix()}),
		"several audiences, one party": sign(at, map[string]any{"aud": []string{"other", "holdfast"}}),
	} {
		_, err := b.Authenticate(t.Context(), token)
		require.NoError(t, err, name)
	}
	_, err := b.Authenticate(t.Context(), sign(at, map[string]any{"iss": "https://other.example.com"}))
	require.Equal(t, fault.CodeUnauthenticated, fault.CodeOf(err))
	require.False(t, b.Claims(sign(at, map[string]any{"iss": "https://other.example.com"})), "another issuer's is not ours to judge")
	for _, text := range []string{"", "hfk_live_x", "a.b.c", "..", strings.Repeat("a", 9000)} {
		require.False(t, b.Claims(text))
	}
}

func TestClaims_BecomeRolesAndTenantsOnlyAsConfigured(t *testing.T) {
	t.Parallel()
	b := setup(t, func(c *workforce.Config) {
		i := &c.People[0]
		i.RolesClaim, i.Roles = "realm_access.roles", map[string][]credential.Role{"HF-Desk": {credential.Agent}, "HF-Lead": {credential.Approver, credential.Auditor}}
		i.TenantsClaim, i.Tenants = "https://example.com/tenants", []string{"acme"}
		i.PersonClaim = "employee"
	})
	try := func(change map[string]any) credential.Principal {
		c := b.issuer.Claims(b.clock.wall(), robin())
		maps.Copy(c, change)
		token, _, err := b.issuer.Sign("at+jwt", c)
		require.NoError(t, err)
		who, err := b.Authenticate(t.Context(), token)
		require.NoError(t, err)
		return who
	}
	who := try(map[string]any{
		"realm_access": map[string]any{"roles": []any{"HF-Lead", "HF-Other", 7, "agent"}}, "https://example.com/tenants": []string{"acme", "globex"}, "employee": "E-17",
	})
	require.Equal(t, []credential.Role{credential.Approver, credential.Auditor}, who.Staff.Roles, "a role's own name grants nothing unless it is configured")
	require.Equal(t, []string{"acme"}, who.Staff.Tenants, "the configured list limits the claim")
	require.Equal(t, "acme", who.Tenant)
	require.Equal(t, credential.PersonID("e-17"), who.Person())
	who = try(map[string]any{"realm_access": "HF-Lead", "https://example.com/tenants": map[string]any{"acme": true}})
	require.Empty(t, who.Staff.Roles)
	require.Empty(t, who.Scopes)
	require.Empty(t, who.Staff.Tenants)
	require.Equal(t, credential.PersonID(b.issuer.URL()+"|u-7"), who.Person(), "without the claim, the account")
	who = try(map[string]any{"realm_access": map[string]any{"roles": "HF-Desk"}, "auth_time": nil})
	require.Equal(t, []credential.Role{credential.Agent}, who.Staff.Roles)
	require.True(t, who.Staff.AuthenticatedAt.IsZero())
}

// Two accounts at two providers are one person when they say the same, and are refused when they do not say.
func TestPerson_IsTheSameAcrossIssuersAndAnUnverifiedAddressIsNone(t *testing.T) {
	t.Parallel()
	other, err := devissuer.Start(t.Context(), "127.0.0.1:0")
	require.NoError(t, err)
	t.Cleanup(func() { _ = other.Close() })
	b := setup(t, func(c *workforce.Config) { c.People = append(c.People, other.Config().People...) })
	now := b.clock.wall()
	one, _, err := b.issuer.Mint(now, robin())
	require.NoError(t, err)
	again := robin()
	again.Subject, again.Email = "contractor-9", "robin@EXAMPLE.com"
	two, _, err := other.Mint(now, again)
	require.NoError(t, err)
	first, err := b.Authenticate(t.Context(), one)
	require.NoError(t, err)
	second, err := b.Authenticate(t.Context(), two)
	require.NoError(t, err)
	require.Equal(t, first.Person(), second.Person())
	require.NotEqual(t, first.Staff.Issuer, second.Staff.Issuer)
	for name, change := range map[string]map[string]any{
		"unverified": {"email_verified": false}, "unsaid": {"email_verified": nil}, "none": {"email": ""}, "no text": {"email": []string{"robin@example.com"}},
	} {
		c := other.Claims(now, again)
		maps.Copy(c, change)
		token, _, err := other.Sign("at+jwt", c)
		require.NoError(t, err)
		_, err = b.Authenticate(t.Context(), token)
		require.Equal(t, fault.CodeUnauthenticated, fault.CodeOf(err), name)
	}
	// A token of one issuer that says it is the other's is signed by no key of that one.
	c := b.issuer.Claims(now, robin())
	c["iss"] = other.URL()
	token, _, err := b.issuer.Sign("at+jwt", c)
	require.NoError(t, err)
	_, err = b.Authenticate(t.Context(), token)
	require.Equal(t, fault.CodeUnauthenticated, fault.CodeOf(err))
}

func TestKeys_RotateAndAreAskedForSeldom(t *testing.T) {
	t.Parallel()
	b := setup(t)
	mint := func() string {
		token, _, err := b.issuer.Mint(b.clock.wall(), robin())
		require.NoError(t, err)
		return token
	}
	before := mint()
	_, err := b.Authenticate(t.Context(), before)
	require.NoError(t, err)
	require.NoError(t, b.issuer.Rotate())
	after := mint()
	_, err = b.Authenticate(t.Context(), after)
	require.Equal(t, fault.CodeUnauthenticated, fault.CodeOf(err), "it was asked a moment ago")
	require.Equal(t, 1, b.issuer.Asked())
	b.clock.advance(11 * time.Second)
	for _, token := range []string{after, before} {
		_, err = b.Authenticate(t.Context(), token)
		require.NoError(t, err)
	}
	require.Equal(t, 2, b.issuer.Asked())

	// A flood of made-up keys asks no more often.
	header := base64.RawURLEncoding.EncodeToString([]byte(`{"alg":"ES256","typ":"at+jwt","kid":"made-up"}`))
	flood := header + after[strings.Index(after, "."):]
	for range 50 {
		_, err = b.Authenticate(t.Context(), flood)
		require.Equal(t, fault.CodeUnauthenticated, fault.CodeOf(err))
	}
	require.Equal(t, 2, b.issuer.Asked())
	require.NoError(t, b.issuer.Rotate())
	b.clock.advance(11 * time.Minute)
	_, err = b.Authenticate(t.Context(), before)
	require.Equal(t, fault.CodeUnauthenticated, fault.CodeOf(err), "a key that is withdrawn opens nothing")
}

func TestIssuerDown_KnownKeysWorkForABoundedTime(t *testing.T) {
	t.Parallel()
	b := setup(t, func(c *workforce.Config) { c.People[0].KeysFor = 30 * time.Minute })
	token, _, err := b.issuer.Mint(b.clock.wall(), robin())
	require.NoError(t, err)
	_, err = b.Authenticate(t.Context(), token)
	require.NoError(t, err)
	require.NoError(t, b.issuer.Close())
	b.clock.advance(29 * time.Minute)
	_, err = b.Authenticate(t.Context(), token)
	require.NoError(t, err, "known keys go on")
	b.clock.advance(2 * time.Minute)
	_, err = b.Authenticate(t.Context(), token)
	require.Equal(t, fault.CodeUnavailable, fault.CodeOf(err))
	require.ErrorContains(t, err, b.issuer.URL(), "the log is told which")

	cold := setup(t)
	token, _, err = cold.issuer.Mint(cold.clock.wall(), robin())
	require.NoError(t, err)
	require.NoError(t, cold.issuer.Close())
	_, err = cold.Authenticate(t.Context(), token)
	require.Equal(t, fault.CodeUnavailable, fault.CodeOf(err), "who was never known is not let in")
}

func TestIssuer_ThatAnswersOddlyIsNotBelieved(t *testing.T) {
	t.Parallel()
	b := setup(t)
	token, _, err := b.issuer.Mint(b.clock.wall(), robin())
	require.NoError(t, err)
	for name, handler := range map[string]http.HandlerFunc{
		"a redirect": func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, b.issuer.URL()+"/jwks", http.StatusFound)
		},
		"an error": func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusInternalServerError) },
		"no JSON":  func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte("<html>")) },
		"no keys":  func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte(`{"keys":[]}`)) },
		"a shared key": func(w http.ResponseWriter, _ *http.Request) {
			_, _ = w.Write([]byte(`{"keys":[{"kty":"oct","k":"c2VjcmV0"}]}`))
		},
		"a huge answer":  func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write(make([]byte, 1<<20)) },
		"another issuer": nil,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			cfg, in := b.issuer.Config(), token
			if handler != nil {
				server := httptest.NewServer(handler)
				t.Cleanup(server.Close)
				cfg.People[0].JWKS = server.URL
			} else { // discovery names another one
				server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
					_, _ = w.Write([]byte(`{"issuer":"https://other.example.com","jwks_uri":"` + b.issuer.URL() + `/jwks"}`))
				}))
				t.Cleanup(server.Close)
				cfg.People[0].Issuer = server.URL
				c := b.issuer.Claims(b.clock.wall(), robin())
				c["iss"] = server.URL
				var err error
				in, _, err = b.issuer.Sign("at+jwt", c)
				require.NoError(t, err)
			}
			_, err := people(t, cfg, b.clock).Authenticate(t.Context(), in)
			require.Equal(t, fault.CodeUnavailable, fault.CodeOf(err))
		})
	}
}
