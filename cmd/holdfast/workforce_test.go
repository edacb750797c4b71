package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/holdfast/holdfast/internal/credential"
	"github.com/holdfast/holdfast/internal/postgres"
	"github.com/holdfast/holdfast/internal/postgres/pgtest"
	"github.com/holdfast/holdfast/internal/workforce/devissuer"
)

func TestWorkforceCheck_ExplainsATokenAndNeverPrintsIt(t *testing.T) {
	t.Parallel()
	issuer, err := devissuer.Start(t.Context(), "127.0.0.1:0")
	require.NoError(t, err)
	t.Cleanup(func() { _ = issuer.Close() })
	dir, url := t.TempDir(), pgtest.URL(t)
	text, err := issuer.Config().Render()
	require.NoError(t, err)
	document := filepath.Join(dir, "workforce.yaml")
	require.NoError(t, os.WriteFile(document, text, 0o600))
	db, err := postgres.Open(t.Context(), postgres.Config{URL: url, MaxConns: 4})
	require.NoError(t, err)
	t.Cleanup(db.Close)
	now, err := db.Now(t.Context())
	require.NoError(t, err)
	environ := []string{"HOLDFAST_MODE=dev", "HOLDFAST_DATABASE_URL=" + url, "HOLDFAST_WORKFORCE_FILE=" + document}
	check := func(token string) (string, error) {
		var out strings.Builder
		err := run(t.Context(), []string{"workforce", "check", "-"}, environ, strings.NewReader("Bearer "+token+"\n"), &out, &out)
		require.NotContains(t, out.String(), token)
		return out.String(), err
	}

	p := devissuer.Person{Subject: "ruth", Roles: []credential.Role{credential.Approver}, Tenants: []string{"acme"}}
	token, _, err := issuer.Mint(now, p)
	require.NoError(t, err)
	said, err := check(token)
	require.NoError(t, err)
	for _, want := range []string{"accepted", "roles     approver", "tenants   acme", "cases:decide", "step-up   met"} {
		require.Contains(t, said, want)
	}
	p.SignedIn = time.Hour
	token, _, err = issuer.Mint(now, p)
	require.NoError(t, err)
	said, err = check(token)
	require.NoError(t, err)
	require.Contains(t, said, "step-up   not met")
	token, _, err = issuer.Mint(now.Add(-2*time.Hour), p)
	require.NoError(t, err)
	said, err = check(token)
	require.ErrorIs(t, err, errCheckFailed)
	require.Contains(t, said, "exp is missing or over")
	said, err = check("nonsense")
	require.ErrorIs(t, err, errCheckFailed)
	require.Contains(t, said, "refused")

	var out strings.Builder
	require.NoError(t, run(t.Context(), []string{"workforce", "show"}, environ, nil, &out, &out))
	require.Contains(t, out.String(), issuer.URL())
	require.Contains(t, out.String(), "max_age: 15m0s")
	require.ErrorIs(t, run(t.Context(), []string{"workforce", "show"}, nil, nil, &out, &out), errNoWorkforce)
}
