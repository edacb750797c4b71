package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/holdfast/holdfast/internal/postgres/pgtest"
	"github.com/holdfast/holdfast/internal/secret"
)

// withKeyring is the environment with another keyring.
func withKeyring(t *testing.T, environ []string, text string) []string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "keyring.json")
	require.NoError(t, os.WriteFile(file, []byte(text), 0o600))
	return append(append([]string(nil), environ...), "HOLDFAST_KEYRING_FILE="+file)
}

// The life of endpoints at the command line: secrets are shown once, everything is in the trail, and another tenant's are not there.
func TestWebhooks_AreManagedAtTheCommandLine(t *testing.T) {
	t.Parallel()
	for _, args := range []string{"", " create", " list", " pause", " resume", " delete", " verify", " rotate", " deliveries", " redeliver"} {
		out, err := command(t, nil, "", append(strings.Fields("webhook"+args), "--help")...)
		require.NoError(t, err, args)
		require.Contains(t, out, "Usage: holdfast webhook"+args)
	}
	environ := production(t, pgtest.URL(t))
	operate(t, environ, "", "tenant", "create", "acme", "--name", "Acme")
	made := operate(t, environ, "", "webhook", "create", "https://hooks.example.com/in", "--tenant", "acme", "--event", "recovery.completed,recovery.vetoed")
	id, shown := strings.Fields(field(t, made, "webhook"))[0], field(t, made, "secret")
	require.Regexp(t, `^whsec_`, shown)
	require.Contains(t, made, "whpk_")
	list := operate(t, environ, "", "webhook", "list", "--tenant", "acme")
	require.Contains(t, list, "recovery.completed,recovery.vetoed")
	require.NotContains(t, list, shown)

	_, err := command(t, environ, "", "webhook", "create", "https://rp.example.com", "--tenant", "acme", "--kind", "set")
	require.ErrorContains(t, err, "conflict", "this keyring has no token key")
	environ = withKeyring(t, environ, operate(t, environ, "", "keyring", "rotate", "--tokens"))
	require.Contains(t, operate(t, environ, "", "webhook", "create", "https://rp.example.com", "--tenant", "acme", "--kind", "set"), "jwks.json")
	for _, url := range []string{"http://hooks.example.com", "https://127.0.0.1/", "ftp://x"} {
		_, err := command(t, environ, "", "webhook", "create", url, "--tenant", "acme")
		require.ErrorContains(t, err, "invalid_request", url)
	}

	require.Contains(t, operate(t, environ, "", "webhook", "pause", id, "--tenant", "acme"), "paused")
	_, err = command(t, environ, "", "webhook", "verify", id, "--tenant", "acme")
	require.Error(t, err)
	require.Contains(t, operate(t, environ, "", "webhook", "resume", id, "--tenant", "acme"), "active")
	delivery := strings.TrimSuffix(strings.Fields(operate(t, environ, "", "webhook", "verify", id, "--tenant", "acme"))[1], ":")
	log := operate(t, environ, "", "webhook", "deliveries", id, "--tenant", "acme", "--status", "pending")
	require.Contains(t, log, delivery)
	require.Contains(t, log, "stream.verification")
	_, err = command(t, environ, "", "webhook", "redeliver", id, "--tenant", "acme", "--delivery", delivery)
	require.ErrorContains(t, err, "conflict", "it waits already")
	operate(t, environ, "", "webhook", "redeliver", id, "--tenant", "acme", "--from", "2026-03-01T00:00:00Z", "--to", "2026-03-02T00:00:00Z")
	rotated := operate(t, environ, "", "webhook", "rotate", id, "--tenant", "acme")
	require.NotEqual(t, shown, field(t, rotated, "secret"))
	operate(t, environ, "", "tenant", "create", "globex", "--name", "Globex")
	_, err = command(t, environ, "", "webhook", "delete", id, "--tenant", "globex")
	require.Error(t, err)
	operate(t, environ, "", "webhook", "delete", id, "--tenant", "acme")
	_, err = command(t, environ, "", "webhook", "pause", id, "--tenant", "acme")
	require.Error(t, err)

	trail := operate(t, environ, "", "audit", "list", "--tenant", "acme")
	for _, action := range []string{"webhook.created", "webhook.paused", "webhook.resumed", "webhook.verified", "webhook.rotated", "webhook.deleted", "signal.redelivered"} {
		require.Contains(t, trail, action)
	}
	require.NotContains(t, trail, "whsec_")
	require.NotContains(t, trail, "hooks.example.com")
}

// A rotation of the root key brings the webhooks' keys along, so that the old one can be retired; that of the token key overlaps.
func TestAKeyringRotation_TakesWebhooksAlong(t *testing.T) {
	t.Parallel()
	environ := production(t, pgtest.URL(t))
	operate(t, environ, "", "tenant", "create", "acme", "--name", "Acme")
	id := strings.Fields(field(t, operate(t, environ, "", "webhook", "create", "https://hooks.example.com/in", "--tenant", "acme"), "webhook"))[0]
	environ = withKeyring(t, environ, operate(t, environ, "", "keyring", "rotate"))
	operate(t, environ, "", "keyring", "rewrap")
	operate(t, environ, "", "keyring", "rewrap")
	ring, err := secret.ParseKeyring([]byte(operate(t, environ, "", "keyring", "rotate", "--tokens", "--stage")))
	require.NoError(t, err)
	ring, err = ring.Retire("k1")
	require.NoError(t, err)
	text, err := ring.Reveal()
	require.NoError(t, err)
	environ = withKeyring(t, environ, string(text))
	operate(t, environ, "", "webhook", "rotate", id, "--tenant", "acme")

	staged := operate(t, environ, "", "keyring", "rotate", "--tokens", "--stage")
	var f struct {
		Tokens struct {
			Primary string
			Keys    []struct{ ID string }
		}
	}
	require.NoError(t, json.Unmarshal([]byte(staged), &f))
	require.Equal(t, "t1", f.Tokens.Primary)
	require.Len(t, f.Tokens.Keys, 2)
	promoted := operate(t, withKeyring(t, environ, staged), "", "keyring", "rotate", "--tokens", "--promote", "t2")
	require.NoError(t, json.Unmarshal([]byte(promoted), &f))
	require.Equal(t, "t2", f.Tokens.Primary)
}
