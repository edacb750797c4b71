package postgres_test

import (
	"maps"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/holdfast/holdfast/internal/clock"
	"github.com/holdfast/holdfast/internal/credential"
	"github.com/holdfast/holdfast/internal/fault"
	"github.com/holdfast/holdfast/internal/postgres"
	"github.com/holdfast/holdfast/internal/workforce"
	"github.com/holdfast/holdfast/internal/workforce/devissuer"
)

const serviceAccount = "system:serviceaccount:shop:web"

// A cluster's token stands for a client, and for nobody when anything about it is not right.
func TestWorkloads_AreTheClientsThatTheirSubjectsStandFor(t *testing.T) {
	t.Parallel()
	w := newClientWorld(t)
	cluster, err := devissuer.Start(t.Context(), "127.0.0.1:0")
	require.NoError(t, err)
	t.Cleanup(func() { _ = cluster.Close() })
	web, gone := w.create(credential.AccountsRead).Client.ID, "cli_0"
	made, err := w.CreateClient(t.Context(), credential.CreateCommand{
		Tenant: "demo", Name: "app", Kind: credential.Publishable, Owner: "Ops on call", Scopes: []credential.Scope{credential.RecoveriesStart}, By: operator(),
	})
	require.NoError(t, err)
	app := made.Client.ID
	cfg, err := workforce.Config{Workloads: []workforce.Workloads{{
		Issuer: cluster.URL(), Audience: []string{"holdfast"}, Subjects: map[string]workforce.Machine{
			serviceAccount: {Tenant: "demo", Client: web}, "app": {Tenant: "demo", Client: app}, "gone": {Tenant: "demo", Client: gone},
			"elsewhere": {Tenant: "other", Client: web},
		},
	}}}.Complete(true)
	require.NoError(t, err)
	machines, err := workforce.NewMachines(cfg, workforce.Deps{Clock: w.db, Wall: clock.System{}}, postgres.NewCredentials(w.db))
	require.NoError(t, err)
	now, err := w.db.Now(t.Context())
	require.NoError(t, err)
	sign := func(typ string, change map[string]any, without ...string) string {
		c := map[string]any{"iss": cluster.URL(), "sub": serviceAccount, "aud": []string{"holdfast"}, "iat": now.Unix(), "exp": now.Add(time.Hour).Unix(), "jti": "1"}
		maps.Copy(c, change)
		for _, name := range without {
			delete(c, name)
		}
		token, _, err := cluster.Sign(typ, c)
		require.NoError(t, err)
		return token
	}
	for _, typ := range []string{"", "JWT"} {
		token := sign(typ, nil)
		require.True(t, machines.Claims(token))
		who, err := machines.Authenticate(t.Context(), token)
		require.NoError(t, err, typ)
		require.Equal(t, credential.Principal{
			Tenant: "demo", Client: web, Credential: web + credential.WorkloadSuffix, Kind: credential.Service, Scopes: []credential.Scope{credential.AccountsRead},
			Owner: credential.PersonID("Ops on call"), ExpiresAt: now.Add(time.Hour).Truncate(time.Second),
		}, who)
	}
	for name, token := range map[string]string{
		"another subject":         sign("", map[string]any{"sub": serviceAccount + "2"}),
		"a subject's beginning":   sign("", map[string]any{"sub": "system:serviceaccount:shop"}),
		"another spelling":        sign("", map[string]any{"sub": "System:serviceaccount:shop:web"}),
		"another audience":        sign("", map[string]any{"aud": "https://kubernetes.default.svc"}),
		"a type for people":       sign("at+jwt", nil),
		"more than an hour":       sign("", map[string]any{"exp": now.Add(time.Hour + time.Minute).Unix()}),
		"over":                    sign("", map[string]any{"iat": now.Add(-time.Hour).Unix(), "exp": now.Add(-time.Second).Unix()}),
		"no exp":                  sign("", nil, "exp"),
		"an ID token":             sign("", map[string]any{"nonce": "n"}),
		"a client in an app":      sign("", map[string]any{"sub": "app"}),
		"a client that is none":   sign("", map[string]any{"sub": "gone"}),
		"a client of another's":   sign("", map[string]any{"sub": "elsewhere"}),
		"a cut signature":         sign("", nil)[:200],
		"an issuer we do not ask": sign("", map[string]any{"iss": "https://other.example.com"}),
	} {
		_, err := machines.Authenticate(t.Context(), token)
		require.Equal(t, fault.CodeUnauthenticated, fault.CodeOf(err), name)
	}
	_, err = w.DisableOwner(t.Context(), credential.DisableCommand{Tenant: "demo", Owner: "Ops on call", By: operator()})
	require.NoError(t, err)
	_, err = machines.Authenticate(t.Context(), sign("", nil))
	require.Equal(t, fault.CodeUnauthenticated, fault.CodeOf(err), "its owner has left")
}
