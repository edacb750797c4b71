package main

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/holdfast/holdfast/internal/anchor/anchortest"
	"github.com/holdfast/holdfast/internal/postgres/pgtest"
)

// reachable is a witness of the log that can be cut off.
type reachable struct {
	*anchortest.Witness

	down    atomic.Bool
	address string // "key address", as the settings have it
}

func newReachable(t *testing.T, name, logKey string) *reachable {
	t.Helper()
	w := &reachable{Witness: anchortest.NewWitness(t, name).Trust(logOrigin, logKey)}
	server := httptest.NewServer(http.HandlerFunc(func(out http.ResponseWriter, r *http.Request) {
		if w.down.Load() {
			http.Error(out, "down", http.StatusServiceUnavailable)
			return
		}
		w.ServeHTTP(out, r)
	}))
	t.Cleanup(server.Close)
	w.address = w.VerifierKey() + " " + server.URL
	return w
}

// twiceWitnessed is a log of six leaves of which one witness has cosigned five and another three, and its environment and key.
func twiceWitnessed(t *testing.T) (one, two *reachable, environ []string, logKey string) {
	t.Helper()
	environ = production(t, pgtest.URL(t))
	operate(t, environ, "", "tenant", "create", "acme", "--name", "Acme")
	logKey = strings.TrimSpace(operate(t, environ, "", "audit", "keys"))
	one, two = newReachable(t, "witness.example/w1", logKey), newReachable(t, "witness.example/w2", logKey)
	environ = witnessed(environ, one.address, two.address)
	s := seals(t, environ)
	require.NoError(t, s.Anchor(t.Context()))
	s.grow(3)
	two.down.Store(true)
	s.write(2)
	s.drain(5)
	require.Error(t, s.Anchor(t.Context()), "one of them is down")
	s.write(1)
	s.drain(6)
	return one, two, environ, logKey
}

// an operator takes the newest checkpoint that so many witnesses have cosigned, and is told when there is none.
func TestAuditCheckpoint_IsTheNewestWithSoManyCosignatures(t *testing.T) {
	t.Parallel()
	_, _, environ, _ := twiceWitnessed(t)
	for cosignatures, size := range []int{6, 5, 3} {
		out := operate(t, environ, "", "audit", "checkpoint", "--cosignatures", fmt.Sprint(cosignatures))
		require.True(t, strings.HasPrefix(out, fmt.Sprintf("%s\n%d\n", logOrigin, size)), "%d: %s", cosignatures, out)
		require.GreaterOrEqual(t, strings.Count(out, "— witness.example/"), cosignatures)
		require.Contains(t, out, "6 events sealed")
	}
	out, err := command(t, environ, "", "audit", "checkpoint", "--cosignatures", "3")
	require.Equal(t, 3, exitCode(err), "%v", err)
	require.Contains(t, out, "there is no such checkpoint under the origin "+logOrigin)
	require.Contains(t, operate(t, environ, "", "audit", "checkpoint"), logOrigin+"\n6\n")
}

// whoever verifies demands a quorum of the witnesses that they know, and nothing but that: of exports of the whole log, and of a
// tenant's.
func TestAuditVerify_DemandsAQuorumOfWitnesses(t *testing.T) {
	t.Parallel()
	one, two, environ, logKey := twiceWitnessed(t)
	stranger := anchortest.NewWitness(t, "witness.example/w3").VerifierKey()
	namesake := anchortest.NewWitness(t, "witness.example/w1").VerifierKey()
	export := func(t *testing.T, what string, cosignatures int) (string, error) {
		t.Helper()
		path := filepath.Join(t.TempDir(), "log")
		args := []string{"audit", "export", "--all", "--cosignatures", fmt.Sprint(cosignatures), path}
		if what != "all" {
			args = []string{"audit", "export", "--tenant", what, "--cosignatures", fmt.Sprint(cosignatures), path}
		}
		_, err := command(t, environ, "", args...)
		return path, err
	}
	key := func(w *reachable) string { return w.VerifierKey() }
	for _, what := range []string{"all", "acme"} {
		for name, tc := range map[string]struct {
			cosignatures int
			demands      []string
			leaves       int
			bad          string
		}{
			"both":                  {cosignatures: 2, demands: []string{"--witness", key(one), "--witness", key(two)}, leaves: 3},
			"both, by number":       {cosignatures: 2, demands: []string{"--witness", key(one), "--witness", key(two), "--quorum", "2"}, leaves: 3},
			"one of both":           {cosignatures: 1, demands: []string{"--witness", key(one), "--witness", key(two), "--quorum", "1"}, leaves: 5},
			"two of three":          {cosignatures: 2, demands: []string{"--witness", stranger, "--witness", key(one), "--witness", key(two), "--quorum", "2"}, leaves: 3},
			"nobody":                {cosignatures: 0, leaves: 6},
			"both, but one is late": {cosignatures: 1, demands: []string{"--witness", key(one), "--witness", key(two)}, leaves: 5, bad: "cosignatures of 1 of the witnesses, and 2 are demanded"},
			"one, but none is":      {cosignatures: 0, demands: []string{"--witness", key(one)}, leaves: 6, bad: "cosignatures of 0 of the witnesses, and 1 are demanded"},
			"the other one":         {cosignatures: 1, demands: []string{"--witness", key(two)}, leaves: 5, bad: "cosignatures of 0 of the witnesses, and 1 are demanded"},
			"a stranger":            {cosignatures: 2, demands: []string{"--witness", stranger}, leaves: 3, bad: "cosignatures of 0 of the witnesses"},
			"a namesake":            {cosignatures: 2, demands: []string{"--witness", namesake}, leaves: 3, bad: "cosignatures of 0 of the witnesses"},
		} {
			t.Run(what+" "+name, func(t *testing.T) {
				t.Parallel()
				file, err := export(t, what, tc.cosignatures)
				require.NoError(t, err)
				out, err := command(t, nil, "", append([]string{"audit", "verify", "--key", logKey, file}, tc.demands...)...)
				require.Contains(t, out, fmt.Sprintf("at %d leaves", tc.leaves))
				if tc.bad != "" {
					require.Equal(t, 3, exitCode(err), out)
					require.Contains(t, out, "NOT GOOD")
					require.Contains(t, out, tc.bad)
					return
				}
				require.NoError(t, err, out)
				require.Equal(t, min(len(tc.demands)/2, tc.cosignatures), strings.Count(out, ": cosigned by witness.example/"), out)
			})
		}
	}
	for _, what := range []string{"all", "acme"} {
		_, err := export(t, what, 3)
		require.Error(t, err, "there is no such checkpoint")
	}
}

// A cosignature that is there and is not good is told, and so is a call that demands what cannot be.
func TestAuditVerify_RefusesForgedCosignaturesAndSenselessDemands(t *testing.T) {
	t.Parallel()
	one, two, environ, logKey := twiceWitnessed(t)
	path := filepath.Join(t.TempDir(), "log")
	operate(t, environ, "", "audit", "export", "--all", "--cosignatures", "2", path)
	text, err := os.ReadFile(path)
	require.NoError(t, err)
	header, rest, _ := strings.Cut(string(text), "\n")
	var h map[string]any
	require.NoError(t, json.Unmarshal([]byte(header), &h))
	note := h["checkpoint"].(string)
	for name, forged := range map[string]string{
		"of another checkpoint": strings.SplitAfter(note, "\n\n")[0] + lineOf(t, note, logOrigin) + lineOf(t, one.Line("x", time.Now()), "witness.example/w1") + lineOf(t, note, "witness.example/w2"),
		"cut short":             strings.Replace(note, lineOf(t, note, "witness.example/w1"), lineOf(t, note, "witness.example/w1")[:40]+"\n", 1),
	} {
		h["checkpoint"] = forged
		again, err := json.Marshal(h)
		require.NoError(t, err)
		require.NoError(t, os.WriteFile(path, []byte(string(again)+"\n"+rest), 0o600))
		out, err := command(t, nil, "", "audit", "verify", "--key", logKey, "--witness", one.VerifierKey(), "--witness", two.VerifierKey(), "--quorum", "1", path)
		require.Equal(t, 3, exitCode(err), "%s: %s", name, out)
		require.Contains(t, out, "cosignature of the checkpoint is not good", name)
	}
	for name, demands := range map[string][]string{
		"more than there are":     {"--witness", one.VerifierKey(), "--quorum", "2"},
		"of nobody":               {"--quorum", "1"},
		"a negative number":       {"--witness", one.VerifierKey(), "--quorum=-1"},
		"the log's own key":       {"--witness", logKey},
		"what is no key":          {"--witness", "witness.example/w1"},
		"the same witness, twice": {"--witness", one.VerifierKey(), "--witness", one.VerifierKey()},
	} {
		_, err := command(t, nil, "", append([]string{"audit", "verify", path}, demands...)...)
		require.Equal(t, 2, exitCode(err), name)
	}
}

// lineOf is the signature line of that name in a note.
func lineOf(t *testing.T, note, name string) string {
	t.Helper()
	for line := range strings.Lines(note) {
		if strings.HasPrefix(line, "— "+name+" ") {
			return line
		}
	}
	require.FailNow(t, "no line", "%s in %s", name, note)
	return ""
}
