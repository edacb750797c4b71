package app_test

import (
	"crypto/ed25519"
	"crypto/rand"
	"encoding/json"
	"net/http"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/stretchr/testify/require"

	"github.com/holdfast/holdfast/api/client"
	"github.com/holdfast/holdfast/internal/app/apptest"
	"github.com/holdfast/holdfast/internal/audit"
	"github.com/holdfast/holdfast/internal/credential"
	"github.com/holdfast/holdfast/internal/credential/assertion"
)

// signingKey is a private key that a client keeps.
type signingKey struct {
	jwk    []byte // the public half
	signer jose.Signer
}

func newSigningKey(t *testing.T, kid string) signingKey {
	t.Helper()
	public, private, err := ed25519.GenerateKey(rand.Reader)
	require.NoError(t, err)
	jwk, err := jose.JSONWebKey{Key: public, KeyID: kid}.MarshalJSON()
	require.NoError(t, err)
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: jose.EdDSA, Key: jose.JSONWebKey{Key: private, KeyID: kid}},
		(&jose.SignerOptions{}).WithType(assertion.Type))
	require.NoError(t, err)
	return signingKey{jwk: jwk, signer: signer}
}

// sign makes a new assertion of the client, good for five minutes from now.
func (k signingKey) sign(t *testing.T, s *apptest.Service, client string) string {
	t.Helper()
	now := s.Now(t)
	payload, err := json.Marshal(map[string]any{
		"iss": client, "sub": client, "aud": apptest.Public, "iat": now.Unix(), "exp": now.Add(assertion.MaxLifetime).Unix(), "jti": rand.Text(),
	})
	require.NoError(t, err)
	signed, err := k.signer.Sign(payload)
	require.NoError(t, err)
	text, err := signed.CompactSerialize()
	require.NoError(t, err)
	return text
}

// A server that keeps a private key calls by what it signs, under the same rules as by a credential.
func TestClients_CallByAssertionsThatTheySign(t *testing.T) {
	t.Parallel()
	s := apptest.New(t)
	_, id := s.Client(t, apptest.Tenant, credential.AccountsRead)
	key := newSigningKey(t, "k1")
	keys, err := assertion.ParseKeys(key.jwk)
	require.NoError(t, err)
	by := audit.Actor{Kind: audit.ActorOperator, ID: "test"}
	_, err = s.App.Clients.AddKeys(t.Context(), credential.AddKeysCommand{Tenant: apptest.Tenant, Client: id, Keys: keys, By: by})
	require.NoError(t, err)
	sign := func() string { return key.sign(t, s, id) }
	status := apptest.Request{Method: http.MethodGet, Path: "/v1/accounts/nobody/status"}
	call := func(token string) apptest.Answer {
		r := status
		r.As = token
		return s.Do(t, r)
	}
	token := sign()
	apptest.Refused(t, call(token), http.StatusNotFound, client.ProblemCodeNotFound) // it is let in, and there is no such account
	apptest.Refused(t, call(token), http.StatusUnauthorized, client.ProblemCodeUnauthenticated)
	r := status
	r.As, r.Header = sign(), http.Header{"Cookie": {"a=b"}}
	require.Equal(t, http.StatusForbidden, s.Do(t, r).Status, "a person in a browser is using it")
	apptest.Refused(t, s.Do(t, apptest.Request{Method: http.MethodPut, Path: "/v1/accounts/nobody", As: sign(), Body: map[string]any{"identifiers": []any{}}}),
		http.StatusForbidden, client.ProblemCodeForbidden)
	token = sign()
	s.Advance(t, assertion.MaxLifetime+time.Second)
	apptest.Refused(t, call(token), http.StatusUnauthorized, client.ProblemCodeUnauthenticated)
	require.Equal(t, http.StatusNotFound, call(sign()).Status)
	_, err = s.App.Clients.DisableOwner(t.Context(), credential.DisableCommand{Tenant: apptest.Tenant, Owner: "Robin", By: by})
	require.NoError(t, err)
	apptest.Refused(t, call(sign()), http.StatusUnauthorized, client.ProblemCodeUnauthenticated)
}
