package app_test

import (
	"maps"
	"net/http"
	"net/netip"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/holdfast/holdfast/api/client"
	"github.com/holdfast/holdfast/internal/app/apptest"
	"github.com/holdfast/holdfast/internal/credential"
	"github.com/holdfast/holdfast/internal/postgres/pgtest"
	"github.com/holdfast/holdfast/internal/workforce"
	"github.com/holdfast/holdfast/internal/workforce/devissuer"
)

const shopWeb = "system:serviceaccount:shop:web"

// cluster is a service that a cluster's workload calls: the client was registered through the API, and the document says that
// the workload stands for it.
type cluster struct {
	*scene

	issuer   *devissuer.Issuer
	client   string
	operator string
}

func newCluster(t *testing.T, kind client.ClientKind, scopes ...string) *cluster {
	t.Helper()
	url := pgtest.URL(t)
	before := apptest.New(t, apptest.WithDatabase(url))
	operator := before.Staff(t, "olga", credential.Operator)
	made := apptest.Decode[client.IssuedClient](t, register(t, before, operator, client.ClientRequest{
		Name: "web", Kind: kind, Owner: "robin@example.com", Scopes: scopes, APIKey: new(false),
	}, ""), http.StatusCreated)
	require.Nil(t, made.Token)
	c := &cluster{client: made.Client.ID, operator: operator}
	var err error
	c.issuer, err = devissuer.Start(t.Context(), "127.0.0.1:0")
	require.NoError(t, err)
	t.Cleanup(func() { _ = c.issuer.Close() })
	c.scene = newScene(t, apptest.WithDatabase(url), apptest.WithIssuer(before.Issuer), apptest.WithStaff(func(cfg *workforce.Config) {
		cfg.Workloads = []workforce.Workloads{{
			Issuer: c.issuer.URL(), Audience: []string{"holdfast"},
			Subjects: map[string]workforce.Machine{shopWeb: {Tenant: apptest.Tenant, Client: c.client}},
		}}
	}))
	return c
}

// token is what the cluster gives its workload, with changes; it is good for ten minutes.
func (c *cluster) token(t *testing.T, by *devissuer.Issuer, change map[string]any) string {
	t.Helper()
	now := c.Now(t)
	claims := map[string]any{"iss": c.issuer.URL(), "sub": shopWeb, "aud": []string{"holdfast"}, "iat": now.Unix(), "exp": now.Add(10 * time.Minute).Unix()}
	maps.Copy(claims, change)
	token, _, err := by.Sign("JWT", claims)
	require.NoError(t, err)
	return token
}

func (c *cluster) status(t *testing.T, token string, header ...string) int {
	t.Helper()
	r := apptest.Request{Method: http.MethodGet, Path: "/v1/accounts/nobody/status", As: token, Header: http.Header{}}
	for i := 0; i < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	return c.Do(t, r).Status
}

func (c *cluster) registered(t *testing.T) client.RegisteredClient {
	t.Helper()
	list := apptest.Decode[client.RegisteredClients](t, c.Do(t, apptest.Request{Method: http.MethodGet, Path: "/v1/clients", As: c.Staff(t, "aude", credential.Auditor)}), http.StatusOK)
	for _, x := range list.Clients {
		if x.ID == c.client {
			return x
		}
	}
	t.Fatal("the client is not in the inventory")
	return client.RegisteredClient{}
}

// A workload calls the API by its cluster's token, with no secret of ours, and nobody else does.
func TestWorkload_CallsByItsClustersTokenAndNobodyElseDoes(t *testing.T) {
	t.Parallel()
	c := newCluster(t, client.Service, "accounts:read")
	good := c.token(t, c.issuer, nil)
	require.Nil(t, c.registered(t).LastUsedAt)
	require.Equal(t, http.StatusNotFound, c.status(t, good), "it is let in, and there is no such account")
	require.Equal(t, http.StatusNotFound, c.status(t, good), "until it ends")
	require.NoError(t, c.App.Clients.Flush(t.Context()))
	require.NotNil(t, c.registered(t).WorkloadLastUsedAt)
	require.Equal(t, c.registered(t).WorkloadLastUsedAt, c.registered(t).LastUsedAt)
	apptest.Refused(t, c.Do(t, apptest.Request{Method: http.MethodGet, Path: "/v1/clients", As: good}), http.StatusForbidden, client.ProblemCodeForbidden)
	require.Equal(t, http.StatusForbidden, c.status(t, good, "User-Agent", "Mozilla/5.0"), "a person in a browser is using it")

	stranger, err := devissuer.Start(t.Context(), "127.0.0.1:0")
	require.NoError(t, err)
	t.Cleanup(func() { _ = stranger.Close() })
	now := c.Now(t)
	person, _, err := c.Issuer.Mint(now, devissuer.Person{Subject: shopWeb, Tenants: []string{apptest.Tenant}})
	require.NoError(t, err)
	for name, token := range map[string]string{
		"another audience":         c.token(t, c.issuer, map[string]any{"aud": []string{"billing"}}),
		"no audience":              c.token(t, c.issuer, map[string]any{"aud": []string{}}),
		"another subject":          c.token(t, c.issuer, map[string]any{"sub": "system:serviceaccount:shop:cron"}),
		"a subject's beginning":    c.token(t, c.issuer, map[string]any{"sub": "system:serviceaccount:shop"}),
		"signed by somebody else":  c.token(t, stranger, nil),
		"an issuer of their own":   c.token(t, stranger, map[string]any{"iss": stranger.URL()}),
		"over":                     c.token(t, c.issuer, map[string]any{"iat": now.Add(-time.Hour).Unix(), "exp": now.Add(-time.Minute).Unix()}),
		"a day long":               c.token(t, c.issuer, map[string]any{"exp": now.Add(24 * time.Hour).Unix()}),
		"without an end":           c.token(t, c.issuer, map[string]any{"exp": nil}),
		"by the people's provider": c.token(t, c.Issuer, map[string]any{"iss": c.Issuer.URL()}),
	} {
		require.Equal(t, http.StatusUnauthorized, c.status(t, token), name)
	}
	require.Equal(t, http.StatusForbidden, c.status(t, person), "a person of that name is a person, without that scope")
	for _, secret := range []string{good, person} {
		require.NotContains(t, c.Log.String(), secret)
	}
	c.Advance(t, 11*time.Minute)
	require.Equal(t, http.StatusUnauthorized, c.status(t, good), "it has ended")
	require.Equal(t, http.StatusNotFound, c.status(t, c.token(t, c.issuer, nil)))
	answer := c.Do(t, apptest.Request{Method: http.MethodPost, Path: "/v1/clients/disable-owner", As: c.Staff(t, "olga", credential.Operator), Body: client.OwnerRequest{Owner: "Robin@Example.com"}})
	require.Equal(t, []string{c.client}, apptest.Decode[client.DisabledClients](t, answer, http.StatusOK).Disabled)
	require.Equal(t, http.StatusUnauthorized, c.status(t, c.token(t, c.issuer, nil)), "its owner has left (R-136)")
}

// A workload's token that two places use side by side raises the alert, and so does one that nobody uses any more.
func TestWorkload_SharedOrUnusedIsSeen(t *testing.T) {
	t.Parallel()
	c := newCluster(t, client.Service, "accounts:read")
	require.Equal(t, http.StatusNotFound, c.status(t, c.token(t, c.issuer, nil)))
	require.NoError(t, c.App.Clients.Flush(t.Context()))
	who := &credential.Principal{Tenant: apptest.Tenant, Client: c.client, Credential: c.client + credential.WorkloadSuffix, Kind: credential.Service}
	use := func(networks ...string) {
		for _, n := range networks {
			c.App.SeeCredential(who, netip.MustParseAddr(n))
		}
		require.NoError(t, c.App.FlushSightings(t.Context()))
		c.Advance(t, time.Minute)
	}
	use("192.0.2.1")
	use("192.0.2.1", "198.51.100.1")
	require.Empty(t, c.lookNow(t), "it moved")
	use("192.0.2.1", "198.51.100.1")
	use("192.0.2.1", "198.51.100.1")
	require.Equal(t, []string{"CredentialShared"}, c.lookNow(t))
	require.Equal(t, who.Credential, c.alerts(t, "")[0].Labels[1].Value)
	c.Advance(t, 91*apptest.Day)
	c.lookNow(t)
	require.Equal(t, 1, apptest.Query[int](t, c.Service, `SELECT count(*) FROM alert WHERE detector = 'CredentialDormant' AND key = $1`, who.Credential))
}
