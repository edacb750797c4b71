package main

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
)

// Only a development instance on this machine is attacked: anything else is refused before the first request that could harm.
func TestAttack_RefusesWhatIsNoDevelopmentInstance(t *testing.T) {
	t.Parallel()
	asked := 0
	production := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method != http.MethodGet || r.URL.Path != "/dev/inbox" {
			asked++
		}
		w.WriteHeader(http.StatusNotFound)
	}))
	defer production.Close()
	for name, base := range map[string]string{
		"a name": "http://holdfast.internal:8080", "another machine": "http://192.0.2.1:8080", "a public name": "https://recovery.example.com",
		"no address": "", "a production instance here": production.URL,
	} {
		file := filepath.Join(t.TempDir(), "dev.json")
		require.NoError(t, os.WriteFile(file, fmt.Appendf(nil, `{"base_url":%q,"admin_url":"http://127.0.0.1:1","tenant":"demo","credentials":{"app":"a","identity":"b"}}`, base), 0o600))
		_, err := command(t, nil, "", "attack", "--dev", file)
		require.ErrorIs(t, err, errNotDev, name)
	}
	require.Zero(t, asked)
	_, err := command(t, nil, "", "attack", "--dev", filepath.Join(t.TempDir(), "dev.json"))
	require.ErrorIs(t, err, os.ErrNotExist)
	_, err = command(t, nil, "", "attack", "--scenario", "nuke")
	require.Equal(t, 2, exitCode(err))
	out, err := command(t, nil, "", "attack", "--scenario", "list")
	require.NoError(t, err)
	require.Contains(t, out, "pump-prefix")
}
