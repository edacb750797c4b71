package main

import (
	"net/url"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/holdfast/holdfast/internal/postgres/pgtest"
)

// who takes the whole log away, or replays recoveries from it, at the database and past the service, leaves an event; where none can
// be written, nothing is given out.
func TestReadingTheWholeLog_IsAnEventOrIsNotDone(t *testing.T) {
	t.Parallel()
	database := pgtest.URL(t)
	environ := production(t, database)
	operate(t, environ, "", "tenant", "create", "acme", "--name", "Acme")
	logKey := strings.TrimSpace(operate(t, environ, "", "audit", "keys"))
	s := seals(t, environ)
	s.write(2)
	s.drain(2)
	events := func(tenant, action string) string {
		return operate(t, environ, "", "audit", "list", "--tenant", tenant, "--action", action, "--json")
	}
	file := filepath.Join(t.TempDir(), "log")
	auditor := with(environ, "HOLDFAST_DATABASE_ROLE=holdfast_auditor")
	operate(t, auditor, "", "audit", "export", "--all", file)
	exported := events("_fleet", "audit.exported")
	require.Equal(t, 1, strings.Count(exported, "\n"))
	require.Contains(t, exported, `"whole":true`)
	require.Contains(t, operate(t, nil, "", "audit", "verify", "--quiet", "--key", logKey, file), "good: 2 events (the whole log) of "+logOrigin+" at 2 leaves; personal data of 0 erased; 1 not sealed yet", "its own")

	require.Contains(t, operate(t, environ, "", "audit", "replay"), "0 not justified")
	require.Equal(t, 1, strings.Count(events("_fleet", "audit.read"), `"replay":true`))
	operate(t, environ, "", "audit", "replay", "--tenant", "acme")
	require.Equal(t, 1, strings.Count(events("acme", "audit.read"), `"replay":true`))
	_, err := command(t, environ, "", "audit", "replay", "--tenant", "nobody")
	require.ErrorContains(t, err, "no such tenant")

	u, err := url.Parse(database)
	require.NoError(t, err)
	q := u.Query()
	q.Set("default_transaction_read_only", "on")
	u.RawQuery = q.Encode()
	for _, role := range []string{"holdfast_auditor", "holdfast_service"} {
		replica := with(environ, "HOLDFAST_DATABASE_URL="+u.String(), "HOLDFAST_DATABASE_ROLE="+role)
		for _, args := range [][]string{{"audit", "export", "--all", "-"}, {"audit", "replay"}} {
			out, err := command(t, replica, "", args...)
			require.Error(t, err, args)
			require.Empty(t, out, args)
		}
	}
}
