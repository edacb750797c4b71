package main

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/stretchr/testify/require"

	"github.com/holdfast/holdfast/internal/postgres/pgtest"
)

const (
	fewKills  = 50 // HOLDFAST_TEST_KILLS asks for another number
	claimants = 4
	killAfter = 300 * time.Millisecond // at most, after it listens
	people    = 600
)

// The issue, "Bad input and faults": the service is killed at any moment under load. Every request that was answered has its
// effect, its audit event and its message after a restart; what was not answered can be asked for again with its key.
func TestKill9_LosesNothingThatWasAnswered(t *testing.T) {
	t.Parallel()
	_ = binary(t)
	database, mail := pgtest.URL(t), startSink(t)
	environ := append(append(production(t, database), mail.environ(t)...), "HOLDFAST_LISTEN="+freeAddr(t), "HOLDFAST_AUDIT_ANCHOR_FILE="+filepath.Join(t.TempDir(), "anchor"))
	operate(t, environ, "", "tenant", "create", "acme", "--name", "Acme")
	app := field(t, operate(t, environ, "", "client", "create", "--tenant", "acme", "--name", "app", "--owner", "Robin", "--scope", "recoveries:start"), "token")
	operate(t, environ, importLines(people), "account", "import", "--tenant", "acme", "-")

	gate := newGate()
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	load := &load{app: app, gate: gate, mail: mail}
	var wg sync.WaitGroup
	for i := range claimants {
		wg.Go(func() { load.run(ctx, i) })
	}
	chance := rand.New(rand.NewPCG(9, 9)) //nolint:gosec // the moments of death, the same in every run.
	kills := deaths(t, fewKills)
	for round := range kills {
		p := launch(t, environ, serving, "serve")
		before := load.answers()
		gate.open(p.public)
		<-time.After(5*time.Millisecond + time.Duration(chance.Int64N(int64(killAfter))))
		if round%2 == 0 { // on a busy machine too, every other life answers something; the others may die before they do
			require.Eventually(t, func() bool { return load.answers() > before }, patience, time.Millisecond)
		}
		gate.shut()
		require.NoError(t, p.cmd.Process.Kill())
		require.Error(t, p.end(t))
	}
	p := launch(t, environ, serving, "serve")
	gate.open(p.public)
	require.Eventually(t, func() bool { return load.count("start") > kills }, patience, 10*time.Millisecond)
	load.finish()
	wg.Wait()
	t.Logf("%d answered, of these %d after a repetition; %d recoveries", len(load.answered), load.repeated, load.count("start"))
	require.Empty(t, load.strange, "answers that the contract does not foresee here")
	require.Greater(t, load.count("start"), kills)

	load.checkEffects(t)
	checkEvents(t, database, load.answered)
	load.checkMessages(t)
	checkLog(t, environ, database)
}

// checkLog demands that every event is sealed in the end, once, without a gap and under one history: the whole export is verified
// offline against the keys and every checkpoint that the anchor took before it was published, over all deaths.
func checkLog(t *testing.T, environ []string, database string) {
	t.Helper()
	pool, err := pgxpool.New(t.Context(), database)
	require.NoError(t, err)
	defer pool.Close()
	dir := t.TempDir()
	file := filepath.Join(dir, "log.ndjson")
	anchors := []string{filepath.Join(dir, "anchor"), filepath.Join(dir, "anchor.last")}
	require.Eventually(t, func() bool {
		var done bool
		err := pool.QueryRow(t.Context(), `SELECT (SELECT max(size) FROM audit_head) = (SELECT max(size) FROM audit_checkpoint) AND NOT EXISTS (
			SELECT FROM audit_event e WHERE NOT EXISTS (SELECT FROM audit_leaf l WHERE l.tenant_id = e.tenant_id AND l.event_id = e.id))`).Scan(&done)
		if err != nil || !done {
			return false
		}
		for _, kept := range anchors { // as they stand: the export is an event, which the service goes on to seal, and to tell to the anchor
			text, err := os.ReadFile(filepath.Join(filepath.Dir(anchorOf(environ)), filepath.Base(kept)))
			require.NoError(t, err)
			require.NoError(t, os.WriteFile(kept, text, 0o600))
		}
		operate(t, environ, "", "audit", "export", "--all", file)
		out, err := command(t, environ, "", "audit", "verify", "-q", "--key", strings.TrimSpace(operate(t, environ, "", "audit", "keys")),
			"--anchor", anchors[0], "--anchor", anchors[1], file)
		if err != nil {
			t.Logf("%s", out)
		}
		return err == nil && strings.Contains(out, "; 1 not sealed yet") // the export itself
	}, patience, 100*time.Millisecond, "every event is sealed and published, and the log is whole")
	require.Contains(t, operate(t, environ, "", "audit", "replay"), " 0 not justified")
}

// anchorOf is the anchor file of an environment.
func anchorOf(environ []string) string {
	for _, e := range environ {
		if path, ok := strings.CutPrefix(e, "HOLDFAST_AUDIT_ANCHOR_FILE="); ok {
			return path
		}
	}
	return ""
}

// deaths is how often the service is killed: so many times, or what HOLDFAST_TEST_KILLS says.
func deaths(t *testing.T, few int) int {
	t.Helper()
	text := os.Getenv("HOLDFAST_TEST_KILLS")
	if text == "" {
		return few
	}
	n, err := strconv.Atoi(text)
	require.NoError(t, err)
	return n
}

// importLines writes people for an import.
func importLines(n int) string {
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, `{"account_ref":"u%d","population":"consumer","identifiers":[{"type":"email","value":"u%d@example.com"}],`+
			`"channels":[{"type":"email","address":"u%d@example.com","verified_at":"2025-01-02T03:04:05Z"}],"assurance":{"aal":1},"locale":"en"}`+"\n", i, i, i)
	}
	return b.String()
}

// checkEvents demands an event for every answered request, and for every version of every recovery, and none beside.
func checkEvents(t *testing.T, database string, answered []answered) {
	t.Helper()
	pool, err := pgxpool.New(t.Context(), database)
	require.NoError(t, err)
	defer pool.Close()
	count := func(sql string, args ...any) int {
		var n int
		require.NoError(t, pool.QueryRow(t.Context(), sql, args...).Scan(&n))
		return n
	}
	for _, a := range answered {
		n := count(`SELECT count(*) FROM audit_event e JOIN audit_personal p ON p.tenant_id = e.tenant_id AND p.event_id = e.id
			WHERE p.request_id = $1 AND e.recovery_id = $2 AND e.action = ANY ($3)`, a.request, a.recovery, a.actions())
		require.Equal(t, 1, n, "the audit event of %+v", a)
	}
	require.Zero(t, count(`SELECT count(*) FROM recovery r WHERE r.version <> (
		SELECT count(*) FROM audit_event e WHERE e.tenant_id = r.tenant_id AND e.recovery_id = r.id AND e.recovery_version BETWEEN 1 AND r.version)`),
		"versions without an event")
	require.Zero(t, count(`SELECT count(*) FROM audit_event e WHERE e.recovery_version IS NOT NULL AND NOT EXISTS (
		SELECT FROM recovery r WHERE r.tenant_id = e.tenant_id AND r.id = e.recovery_id AND r.version >= e.recovery_version)`),
		"events without a version")
}
