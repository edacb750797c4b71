package postgres_test

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"maps"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/stretchr/testify/require"

	"github.com/holdfast/holdfast/internal/credential"
	"github.com/holdfast/holdfast/internal/credential/assertion"
	"github.com/holdfast/holdfast/internal/fault"
	"github.com/holdfast/holdfast/internal/postgres"
)

const here = "https://recovery.example.com"

// signing is a client that signs its assertions.
type signing struct {
	*clientWorld
	*assertion.Scheme
	client string
	kid    string
	alg    jose.SignatureAlgorithm
	key    crypto.Signer
}

func newSigning(t *testing.T) *signing {
	t.Helper()
	s := &signing{clientWorld: newClientWorld(t), kid: "k1", alg: jose.EdDSA}
	s.Scheme = assertion.New(postgres.NewCredentials(s.db), here)
	s.client = s.create(credential.AccountsRead).Client.ID
	_, private, err := ed25519.GenerateKey(rand.Reader)
	require.NoError(t, err)
	s.key = private
	s.register(s.client, s.kid, private)
	return s
}

func (s *signing) register(client, kid string, key crypto.Signer) {
	s.t.Helper()
	text, err := jose.JSONWebKey{Key: key.Public(), KeyID: kid}.MarshalJSON()
	require.NoError(s.t, err)
	keys, err := assertion.ParseKeys(text)
	require.NoError(s.t, err)
	_, err = s.AddKeys(s.t.Context(), credential.AddKeysCommand{Tenant: "demo", Client: client, Keys: keys, By: operator()})
	require.NoError(s.t, err)
}

func (s *signing) now() time.Time {
	s.t.Helper()
	now, err := s.db.Now(s.t.Context())
	require.NoError(s.t, err)
	return now
}

func (s *signing) claims() map[string]any {
	now := s.now()
	return map[string]any{
		"iss": s.client, "sub": s.client, "aud": here, "iat": now.Unix(), "exp": now.Add(time.Minute).Unix(), "jti": rand.Text(),
	}
}

func (s *signing) sign(typ string, change map[string]any, without ...string) string {
	s.t.Helper()
	c := s.claims()
	maps.Copy(c, change)
	for _, name := range without {
		delete(c, name)
	}
	return signed(s.t, jose.SigningKey{Algorithm: s.alg, Key: jose.JSONWebKey{Key: s.key, KeyID: s.kid}}, typ, c)
}

func signed(t testing.TB, by jose.SigningKey, typ string, claims map[string]any) string {
	t.Helper()
	opts := &jose.SignerOptions{}
	if typ != "" {
		opts = opts.WithType(jose.ContentType(typ))
	}
	signer, err := jose.NewSigner(by, opts)
	require.NoError(t, err)
	payload, err := json.Marshal(claims)
	require.NoError(t, err)
	signature, err := signer.Sign(payload)
	require.NoError(t, err)
	text, err := signature.CompactSerialize()
	require.NoError(t, err)
	return text
}

//
func TestAssertion_LetsAClientInOnceByEachKindOfKey(t *testing.T) {
	t.Parallel()
	s := newSigning(t)
	p256, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	rsaKey, err := rsa.GenerateKey(rand.Reader, 2048)
	require.NoError(t, err)
	for alg, key := range map[jose.SignatureAlgorithm]crypto.Signer{jose.EdDSA: s.key, jose.ES256: p256, jose.RS256: rsaKey} {
		s.client, s.kid, s.alg, s.key = s.create(credential.AccountsRead).Client.ID, string(alg), alg, key
		s.register(s.client, s.kid, key)
		token := s.sign(assertion.Type, nil)
		require.True(t, s.Claims(token))
		who, err := s.Scheme.Authenticate(t.Context(), token)
		require.NoError(t, err, alg)
		require.Equal(t, s.client, who.Client)
		require.Equal(t, "demo", who.Tenant)
		require.Equal(t, s.client+"/"+s.kid, who.Credential)
		require.Equal(t, []credential.Scope{credential.AccountsRead}, who.Scopes)
		require.Equal(t, credential.PersonID("Ops on call"), who.Owner)
		_, err = s.Scheme.Authenticate(t.Context(), token)
		require.Equal(t, fault.CodeUnauthenticated, fault.CodeOf(err), "a replay")
		_, err = s.Scheme.Authenticate(t.Context(), s.sign(assertion.Type, map[string]any{"aud": []string{here}}))
		require.NoError(t, err, "the next one")
	}
	list, err := s.ListClients(t.Context(), "demo")
	require.NoError(t, err)
	require.Len(t, slices.DeleteFunc(list, func(c credential.Client) bool { return c.LastUsed().IsZero() }), 3, "their use is known")
	require.Equal(t, 4, scalar[int](s.world, `select count(*) from audit_event where action = 'nhi.key_added'`))
	s.exec(`update client_assertion set expires_at = holdfast_now() - interval '61 minutes' where client_id = $1`, s.client)
	n, err := s.db.ForgetAssertions(t.Context(), 100)
	require.NoError(t, err)
	require.Equal(t, int64(2), n)
	require.Equal(t, 4, scalar[int](s.world, `select count(*) from client_assertion`))
}

func TestAssertion_OfSixteenAtOnceOneIsLetIn(t *testing.T) {
	t.Parallel()
	s := newSigning(t)
	token := s.sign(assertion.Type, nil)
	var in, out atomic.Int32
	var wg sync.WaitGroup
	for range 16 {
		wg.Go(func() {
			_, err := s.Scheme.Authenticate(t.Context(), token)
			switch {
			case err == nil:
				in.Add(1)
			case fault.CodeOf(err) == fault.CodeUnauthenticated:
				out.Add(1)
			}
		})
	}
	wg.Wait()
	require.Equal(t, int32(1), in.Load())
	require.Equal(t, int32(15), out.Load())
}

//
func TestAssertion_IsRefusedUnlessEverythingIsRight(t *testing.T) {
	t.Parallel()
	s := newSigning(t)
	now := s.now()
	other := s.create(credential.AccountsRead).Client.ID
	_, foreign, err := ed25519.GenerateKey(rand.Reader)
	require.NoError(t, err)
	s.register(other, "k2", foreign)
	good := s.sign(assertion.Type, nil)
	parts := strings.Split(good, ".")
	part := func(v map[string]any) string {
		text, err := json.Marshal(v)
		require.NoError(t, err)
		return base64.RawURLEncoding.EncodeToString(text)
	}
	spki, err := x509.MarshalPKIXPublicKey(s.key.Public())
	require.NoError(t, err)
	mac := func(key []byte) string {
		return signed(t, jose.SigningKey{Algorithm: jose.HS256, Key: jose.JSONWebKey{Key: key, KeyID: s.kid}}, assertion.Type, s.claims())
	}
	by := func(kid string, key crypto.Signer) string {
		return signed(t, jose.SigningKey{Algorithm: jose.EdDSA, Key: jose.JSONWebKey{Key: key, KeyID: kid}}, assertion.Type, s.claims())
	}
	rsaKey, err := rsa.GenerateKey(rand.Reader, 2048)
	require.NoError(t, err)
	at := func(change map[string]any, without ...string) string {
		return s.sign(assertion.Type, change, without...)
	}
	for name, token := range map[string]string{
		"alg none":                     part(map[string]any{"alg": "none", "typ": assertion.Type, "kid": s.kid}) + "." + parts[1] + ".",
		"alg none with a signature":    part(map[string]any{"alg": "none", "typ": assertion.Type, "kid": s.kid}) + "." + parts[1] + "." + parts[2],
		"a MAC with the public key":    mac(s.key.Public().(ed25519.PublicKey)),
		"a MAC with its PEM":           mac(pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: spki})),
		"an algorithm of another form": signed(t, jose.SigningKey{Algorithm: jose.RS256, Key: jose.JSONWebKey{Key: rsaKey, KeyID: s.kid}}, assertion.Type, s.claims()),
		"another's key by our kid":     by(s.kid, foreign),
		"the kid of another client":    by("k2", foreign),
		"an unknown kid":               by("k9", s.key),
		"no kid":                       by("", s.key),
		"a kid that is a path":         by("../k1", s.key),
		"typ JWT":                      s.sign("JWT", nil),
		"typ of an access token":       s.sign("at+jwt", nil),
		"no typ":                       s.sign("", nil),
		"a changed payload":            parts[0] + "." + part(s.claims()) + "." + parts[2],
		"another client's name":        at(map[string]any{"iss": other, "sub": other}),
		"another subject":              at(map[string]any{"sub": other}),
		"no subject":                   at(nil, "sub"),
		"another audience":             at(map[string]any{"aud": "https://other.example.com"}),
		"an audience's beginning":      at(map[string]any{"aud": here + "/v1"}),
		"two audiences":                at(map[string]any{"aud": []string{here, "https://other.example.com"}}),
		"no audience":                  at(nil, "aud"),
		"no exp":                       at(nil, "exp"),
		"over":                         at(map[string]any{"iat": now.Add(-2 * time.Minute).Unix(), "exp": now.Add(-time.Second).Unix()}),
		"exp too far":                  at(map[string]any{"exp": now.Add(6 * time.Minute).Unix()}),
		"exp as text":                  at(map[string]any{"exp": "soon"}),
		"exp beyond time":              at(map[string]any{"exp": 1e300}),
		"no iat":                       at(nil, "iat"),
		"iat in the future":            at(map[string]any{"iat": now.Add(2 * time.Minute).Unix(), "exp": now.Add(3 * time.Minute).Unix()}),
		"nbf in the future":            at(map[string]any{"nbf": now.Add(2 * time.Minute).Unix()}),
		"no jti":                       at(nil, "jti"),
		"a huge jti":                   at(map[string]any{"jti": strings.Repeat("x", 129)}),
	} {
		_, err := s.Scheme.Authenticate(t.Context(), token)
		require.Equal(t, fault.CodeUnauthenticated, fault.CodeOf(err), name)
		require.NotContains(t, err.Error(), s.client, name)
	}
	require.Zero(t, scalar[int](s.world, `select count(*) from client_assertion`), "what is refused writes nothing")
	_, err = s.Scheme.Authenticate(t.Context(), good)
	require.NoError(t, err)
	for _, text := range []string{"", "hfk_live_x", "a.b.c", strings.Repeat("a", 9000)} {
		require.False(t, s.Claims(text))
	}
}

//
func TestAssertion_EndsWithItsKeyItsClientAndItsOwner(t *testing.T) {
	t.Parallel()
	for name, end := range map[string]func(s *signing) error{
		"the key": func(s *signing) error {
			return s.RemoveKey(s.t.Context(), credential.RemoveKeyCommand{Tenant: "demo", Client: s.client, Key: s.kid, By: operator()})
		},
		"the client": func(s *signing) error {
			return s.Revoke(s.t.Context(), credential.RevokeCommand{Tenant: "demo", Client: s.client, By: operator()})
		},
		"the owner": func(s *signing) error {
			_, err := s.DisableOwner(s.t.Context(), credential.DisableCommand{Tenant: "demo", Owner: "ops ON call", By: operator()})
			return err
		},
		"time": func(s *signing) error {
			s.exec(`update client_key set created_at = created_at - interval '91 days', expires_at = holdfast_now()`)
			return nil
		},
	} {
		s := newSigning(t)
		_, err := s.Scheme.Authenticate(t.Context(), s.sign(assertion.Type, nil))
		require.NoError(t, err, name)
		require.NoError(t, end(s), name)
		_, err = s.Scheme.Authenticate(t.Context(), s.sign(assertion.Type, nil))
		require.Equal(t, fault.CodeUnauthenticated, fault.CodeOf(err), name)
		require.Equal(t, 1, scalar[int](s.world, `select count(*) from client_assertion`), name)
	}
}

//
func TestAddKeys_KeepsTwoAliveAndNoneInAnApp(t *testing.T) {
	t.Parallel()
	s := newSigning(t)
	key := func(kid string) credential.PublicKey {
		public, _, err := ed25519.GenerateKey(rand.Reader)
		require.NoError(t, err)
		text, err := jose.JSONWebKey{Key: public, KeyID: kid}.MarshalJSON()
		require.NoError(t, err)
		keys, err := assertion.ParseKeys(text)
		require.NoError(t, err)
		return keys[0]
	}
	add := func(client, tenant string, life time.Duration, keys ...credential.PublicKey) error {
		_, err := s.AddKeys(t.Context(), credential.AddKeysCommand{Tenant: tenant, Client: client, Keys: keys, Lifetime: life, By: operator()})
		return err
	}
	requireFault(t, fault.CodeConflict, add(s.client, "demo", 0, key("k1")))
	requireFault(t, fault.CodeInvalidRequest, add(s.client, "demo", 401*24*time.Hour, key("k2")))
	requireFault(t, fault.CodeInvalidRequest, add(s.client, "demo", 0))
	requireFault(t, fault.CodeNotFound, add(s.client, "other", 0, key("k2")))
	require.NoError(t, add(s.client, "demo", 0, key("k2")))
	requireFault(t, fault.CodeConflict, add(s.client, "demo", 0, key("k3")))
	remove := credential.RemoveKeyCommand{Tenant: "demo", Client: s.client, Key: "k1", By: operator()}
	require.NoError(t, s.RemoveKey(t.Context(), remove))
	require.NoError(t, s.RemoveKey(t.Context(), remove), "again changes nothing")
	require.NoError(t, add(s.client, "demo", 0, key("k3")))
	remove.Key = "k9"
	requireFault(t, fault.CodeNotFound, s.RemoveKey(t.Context(), remove))
	app, err := s.CreateClient(t.Context(), credential.CreateCommand{
		Tenant: "demo", Name: "app", Kind: credential.Publishable, Owner: "Ops on call", Scopes: []credential.Scope{credential.RecoveriesStart}, By: operator(),
	})
	require.NoError(t, err)
	requireFault(t, fault.CodeInvalidRequest, add(app.Client.ID, "demo", 0, key("k1")))
	require.Equal(t, 1, scalar[int](s.world, `select count(*) from audit_event where action = 'nhi.key_removed'`))
}
