package app_test

import (
	"encoding/json"
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/holdfast/holdfast/api/client"
	"github.com/holdfast/holdfast/internal/app/apptest"
	"github.com/holdfast/holdfast/internal/credential"
	"github.com/holdfast/holdfast/internal/workforce/devissuer"
)

// An operator registers a client that has no credential of ours, lets a new key follow the old one, and ends it.
func TestOperators_RegisterRotateAndEndClientsKeys(t *testing.T) {
	t.Parallel()
	a, b := twoNodes(t)
	operator := a.Staff(t, "olga", credential.Operator)
	old, next := newSigningKey(t, "2026-03"), newSigningKey(t, "2026-06")
	create := apptest.Request{Method: http.MethodPost, Path: "/v1/clients", As: operator, Key: "k-1", Body: map[string]any{
		"name": "status board", "kind": "service", "owner": "robin@example.com", "scopes": []string{"accounts:read"},
		"api_key": false, "keys": []json.RawMessage{old.jwk}, "expires_in_days": 30,
	}}
	first := a.Do(t, create)
	made := apptest.Decode[client.IssuedClient](t, first, http.StatusCreated)
	require.Nil(t, made.Token)
	require.Nil(t, made.Credential)
	require.Empty(t, made.Client.Credentials)
	require.Len(t, made.Client.Keys, 1)
	require.WithinDuration(t, made.Client.CreatedAt.Add(30*apptest.Day), made.Client.Keys[0].ExpiresAt, time.Second)
	require.Equal(t, first.Body, a.Do(t, create).Body, "a retry is answered the same")
	id := made.Client.ID
	works := func(s *apptest.Service, k signingKey) int {
		return s.Do(t, apptest.Request{Method: http.MethodGet, Path: "/v1/accounts/nobody/status", As: k.sign(t, s, id)}).Status
	}
	require.Equal(t, http.StatusNotFound, works(a, old), "it is let in, and there is no such account")
	require.Equal(t, http.StatusUnauthorized, works(a, next))

	add := apptest.Request{Method: http.MethodPost, Path: "/v1/clients/" + id + "/keys", As: operator, Key: "k-2", Body: map[string]any{"keys": []json.RawMessage{next.jwk}}}
	added := a.Do(t, add)
	require.Equal(t, "2026-06", apptest.Decode[client.ClientKeys](t, added, http.StatusCreated).Keys[0].ID)
	require.Equal(t, added.Body, a.Do(t, add).Body)
	require.Equal(t, http.StatusNotFound, works(b, old), "both live, on every node")
	require.Equal(t, http.StatusNotFound, works(b, next))
	add.Key, add.Body = "", map[string]any{"keys": []json.RawMessage{newSigningKey(t, "third").jwk}}
	apptest.Refused(t, a.Do(t, add), http.StatusConflict, client.ProblemCodeConflict)

	end := apptest.Request{Method: http.MethodDelete, Path: "/v1/clients/" + id + "/keys/2026-03", As: operator}
	require.Equal(t, http.StatusNoContent, a.Do(t, end).Status)
	require.Equal(t, http.StatusUnauthorized, works(b, old), "at once, on every node")
	require.Equal(t, http.StatusNotFound, works(b, next))
	require.Equal(t, http.StatusNoContent, a.Do(t, end).Status, "again changes nothing")
	end.Path = "/v1/clients/" + id + "/keys/never"
	apptest.Refused(t, a.Do(t, end), http.StatusNotFound, client.ProblemCodeNotFound)
	a.Advance(t, 91*apptest.Day)
	require.Equal(t, http.StatusUnauthorized, works(a, next), "every key has an end")

	auditor := a.Staff(t, "aude", credential.Auditor)
	list := apptest.Decode[client.RegisteredClients](t, a.Do(t, apptest.Request{Method: http.MethodGet, Path: "/v1/clients", As: auditor}), http.StatusOK)
	var keys []client.ClientKey
	for _, c := range list.Clients {
		if c.ID == id {
			keys = c.Keys
		}
	}
	require.Len(t, keys, 2)
	require.NotNil(t, keys[0].RevokedAt)
	require.NotNil(t, keys[1].LastUsedAt)
	require.Equal(t, 1, apptest.Query[int](t, a, `SELECT count(*) FROM audit_event WHERE action = 'nhi.key_added' AND subject = $1`, id))
	require.Equal(t, 1, apptest.Query[int](t, a, `SELECT count(*) FROM audit_event WHERE action = 'nhi.key_removed' AND subject = $1`, id))
}

// What is no public key of a good kind is refused, and a private one is not repeated. Who has not just signed in adds none.
func TestClientKeys_AreRefusedUnlessPublicStrongAndFreshlyAdded(t *testing.T) {
	t.Parallel()
	s := apptest.New(t)
	operator := s.Staff(t, "olga", credential.Operator)
	_, id := s.Client(t, apptest.Tenant, credential.AccountsRead)
	const x = "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"
	add := func(as string, key any) apptest.Answer {
		return s.Do(t, apptest.Request{Method: http.MethodPost, Path: "/v1/clients/" + id + "/keys", As: as, Body: map[string]any{"keys": []any{key}}})
	}
	for name, key := range map[string]map[string]any{
		"a private key":        {"kty": "OKP", "crv": "Ed25519", "x": x, "d": "nWGxne_9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A"},
		"a secret":             {"kty": "oct", "k": x},
		"a certificate":        {"kty": "OKP", "crv": "Ed25519", "x": x, "x5c": []string{"MIIB"}},
		"another curve":        {"kty": "EC", "crv": "P-384", "x": x, "y": x},
		"a short RSA key":      {"kty": "RSA", "n": "sXchqEgiTnU", "e": "AQAB"},
		"half a key":           {"kty": "OKP", "crv": "Ed25519"},
		"a name that is a way": {"kty": "OKP", "crv": "Ed25519", "x": x, "kid": "../k"},
		"for encryption":       {"kty": "OKP", "crv": "Ed25519", "x": x, "use": "enc"},
	} {
		a := add(operator, key)
		require.Equal(t, http.StatusUnprocessableEntity, a.Status, name)
		require.NotContains(t, a.Body, "nWGxne", name)
	}
	good := map[string]any{"kty": "OKP", "crv": "Ed25519", "x": x}
	stale := s.SignIn(t, devissuer.Person{Subject: "olga", Roles: []credential.Role{credential.Operator}, SignedIn: time.Hour})
	require.Equal(t, http.StatusUnauthorized, add(stale, good).Status)
	require.Equal(t, http.StatusForbidden, add(s.Staff(t, "aude", credential.Auditor), good).Status)
	require.Equal(t, http.StatusForbidden, add(s.IdentityToken, good).Status)
	require.Equal(t, http.StatusCreated, add(operator, good).Status)
	app := map[string]any{"name": "app", "kind": "publishable", "owner": "Robin", "scopes": []string{"recoveries:start"}, "api_key": false}
	apptest.Refused(t, s.Do(t, apptest.Request{Method: http.MethodPost, Path: "/v1/clients", As: operator, Body: app}), http.StatusUnprocessableEntity, client.ProblemCodeInvalidRequest)
	require.NotContains(t, s.Log.String(), "nWGxne")
}
