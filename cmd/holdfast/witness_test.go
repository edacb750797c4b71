//go:build conformance

package main

import (
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/holdfast/holdfast/internal/auditlog"
	"github.com/holdfast/holdfast/internal/postgres/pgtest"
)

// omniwitness is the witness of transparency-dev, as its operators run it: a process of its own, with a key that its own tool made and
// a state in SQLite. `make conformance` builds both (.tools/witness).
type omniwitness struct {
	t    *testing.T
	dir  string
	addr string
	key  string // its verifier key, as its tool wrote it
	p    *process
}

// tool is a program that `make conformance` has built.
func tool(t *testing.T, name string) string {
	t.Helper()
	path, err := filepath.Abs(filepath.Join("..", "..", ".bin", name))
	require.NoError(t, err)
	_, err = os.Stat(path)
	require.NoError(t, err, "make conformance builds it")
	return path
}

func newOmniwitness(t *testing.T, name string) *omniwitness {
	t.Helper()
	w := &omniwitness{t: t, dir: t.TempDir()}
	out, err := exec.CommandContext(t.Context(), tool(t, "witness-keys"), "--origin", name, "--out_priv", w.file("key"), "--out_pub", w.file("pub")).CombinedOutput()
	require.NoError(t, err, "%s", out)
	public, err := os.ReadFile(w.file("pub"))
	require.NoError(t, err)
	w.key = string(public)
	return w
}

func (w *omniwitness) file(name string) string { return filepath.Join(w.dir, name) }

// address is "key address", as the settings have it.
func (w *omniwitness) address() string { return w.key + " http://" + w.addr }

// knows tells it of a log.
func (w *omniwitness) knows(origin, key string) {
	w.t.Helper()
	text, err := json.Marshal(map[string]any{"Logs": []map[string]string{{"Origin": origin, "PublicKey": key, "URL": "https://" + origin, "Feeder": "none"}}})
	require.NoError(w.t, err)
	require.NoError(w.t, os.WriteFile(w.file("logs.yaml"), text, 0o600)) // JSON is YAML
}

// start starts it: the first time on an address where nothing listens, and again on the same one. Somebody else may take the address
// between the two moments, so the first time is tried again.
func (w *omniwitness) start() {
	w.t.Helper()
	first := w.addr == ""
	require.Eventually(w.t, func() bool {
		if first {
			w.addr = freeAddr(w.t)
		}
		w.p = launchFile(w.t, tool(w.t, "omniwitness"), nil, func(_ *process, line string) bool {
			return strings.Contains(line, "HTTP server goroutine started") || strings.Contains(line, "failed to listen")
		}, "--logtostderr", "--listen", w.addr, "--metrics_listen", "", "--db_file", w.file("state.db"), "--private_key_path", w.file("key"),
			"--additional_logs", w.file("logs.yaml"))
		return !strings.Contains(w.p.log.String(), "failed to listen")
	}, patience, time.Millisecond, "%v", w.p)
}

// kill has it die.
func (w *omniwitness) kill() {
	w.t.Helper()
	require.NoError(w.t, w.p.cmd.Process.Kill())
	require.Error(w.t, w.p.end(w.t))
}

// T38: a witness that others wrote cosigns our log as it grows, and by its own answer we know a restored database from the
// log that it was taken of.
func TestConformance_OthersWitnessTheLog(t *testing.T) {
	t.Parallel()
	w := newOmniwitness(t, "witness.example/w1")
	plain := production(t, pgtest.URL(t))
	logKey := strings.TrimSpace(operate(t, plain, "", "audit", "keys"))
	w.knows(logOrigin, logKey)
	w.start()
	environ := witnessed(plain, w.address())

	atBirth := backup(t, environ)
	s := seals(t, environ)
	require.NoError(t, s.Anchor(t.Context()), "an empty log is cosigned")
	for _, size := range []int{1, 2, 7, 256, 257, 700} {
		s.grow(size)
		requireCosigned(t, environ, w.key, logKey, size)
	}
	s.db.Close()
	older, same, beyond := backup(t, environ), backup(t, environ), backup(t, environ)
	s = seals(t, environ)
	require.NoError(t, s.Anchor(t.Context()), "the same checkpoint again")
	s.grow(1000)

	w.kill()
	s.write(1)
	s.drain(1001)
	require.Error(t, s.Anchor(t.Context()))
	require.Empty(t, s.reason(), "a witness that is down does not stop the log")
	w.start()
	require.Eventually(t, func() bool { return s.Anchor(t.Context()) == nil && cosigned(t, environ) == 1001 }, patience, time.Millisecond)
	requireCosigned(t, environ, w.key, logKey, 1001)
	s.db.Close()

	for name, database := range map[string]string{"taken of its middle": older, "taken before its first event": atBirth} {
		t.Run("a backup "+name+" went back", func(t *testing.T) {
			t.Parallel()
			requireRefused(t, with(environ, database), auditlog.ErrWentBack, "went_back", "it holds a checkpoint of 1001 leaves")
		})
	}
	for size, database := range map[int]string{1001: same, 1300: beyond} {
		t.Run(fmt.Sprintf("a backup that grew to %d unwatched forked", size), func(t *testing.T) {
			t.Parallel()
			s := seals(t, with(plain, database))
			s.grow(size)
			s.db.Close()
			requireRefused(t, with(environ, database), auditlog.ErrForked, "forked", "the witness holds another root of 1001 leaves")
		})
	}
	t.Run("strangers are no fork", func(t *testing.T) { // it answers 500 to both, for the 404 and the 403 of tlog-witness
		t.Parallel()
		for name, other := range map[string][]string{
			"a log that it does not know": with(environ, "HOLDFAST_AUDIT_ORIGIN=recovery.example.net/audit"),
			"a key that it does not know": witnessed(production(t, pgtest.URL(t)), w.address()),
		} {
			err := seals(t, other).Anchor(t.Context())
			require.ErrorContains(t, err, "it answers ", name)
			require.NotErrorIs(t, err, auditlog.ErrForked, name)
		}
	})
}

// The same with the program itself: it has the log cosigned without being told to, and says by name why it seals nothing on a backup.
func TestConformance_OthersWitnessWhatIsServed(t *testing.T) {
	t.Parallel()
	w := newOmniwitness(t, "witness.example/w1")
	environ := production(t, pgtest.URL(t))
	logKey := strings.TrimSpace(operate(t, environ, "", "audit", "keys"))
	w.knows(logOrigin, logKey)
	w.start()
	environ = witnessed(environ, w.address())
	operate(t, environ, "", "tenant", "create", "acme", "--name", "Acme")
	operate(t, environ, "", "client", "create", "--tenant", "acme", "--name", "app", "--owner", "Robin", "--scope", "recoveries:start")
	older := backup(t, environ)

	p := launch(t, environ, serving, "serve")
	require.Eventually(t, func() bool { return cosigned(t, environ) > 0 }, patience, 20*time.Millisecond, "%s", p.log)
	require.NoError(t, p.cmd.Process.Signal(syscall.SIGTERM))
	require.NoError(t, p.end(t), "%s", p.log)
	requireCosigned(t, environ, w.key, logKey, cosigned(t, environ))

	p = launch(t, with(environ, older), serving, "serve")
	require.Eventually(t, func() bool {
		status, body := get(t, p.admin+"/metrics")
		return status == http.StatusOK && strings.Contains(body, `holdfast_audit_sealing_stopped{reason="went_back"} 1`)
	}, patience, 20*time.Millisecond, "%s", p.log)
	require.Contains(t, p.log.String(), "audit log went back")
	require.Contains(t, p.log.String(), "witness.example/w1")
	require.Zero(t, cosigned(t, with(environ, older)))
}

// cosigned is the size of the newest checkpoint that a witness has cosigned; 0 before the first.
func cosigned(t *testing.T, environ []string) int {
	t.Helper()
	note, err := command(t, environ, "", "audit", "checkpoint", "--cosignatures", "1")
	if err != nil {
		require.Equal(t, 3, exitCode(err), "%s", note)
		return 0
	}
	lines := strings.SplitN(note, "\n", 3)
	size, err := strconv.Atoi(lines[1])
	require.NoError(t, err)
	return size
}

// requireCosigned exports the log under the checkpoint of that size, and has our own commands check the witness' cosignature.
func requireCosigned(t *testing.T, environ []string, witness, logKey string, size int) {
	t.Helper()
	require.Equal(t, size, cosigned(t, environ))
	file := filepath.Join(t.TempDir(), "log.ndjson")
	operate(t, environ, "", "audit", "export", "--all", "--cosignatures", "1", file)
	out := operate(t, nil, "", "audit", "verify", "--quiet", "--key", logKey, "--witness", witness, "--quorum", "1", file)
	require.Contains(t, out, fmt.Sprintf("good: %d events (the whole log) of %s at %d leaves", size, logOrigin, size))
	require.Contains(t, out, "cosigned by witness.example/w1 at ")
}

// requireRefused begins a node on a database: nothing that it does gets a leaf sealed there or a checkpoint cosigned.
func requireRefused(t *testing.T, environ []string, want error, reason, said string) {
	t.Helper()
	before := cosigned(t, environ)
	s := seals(t, environ)
	s.write(5)
	err := s.Anchor(t.Context())
	require.ErrorIs(t, err, want)
	require.ErrorContains(t, err, said)
	lag, err := s.Lag(t.Context())
	require.NoError(t, err)
	for range 3 {
		_, err = s.Round(t.Context())
		require.ErrorIs(t, err, want)
	}
	require.Equal(t, reason, s.reason())
	after, err := s.Lag(t.Context())
	require.NoError(t, err)
	require.Equal(t, lag.Size, after.Size)
	require.Equal(t, before, cosigned(t, environ))
}
