package main

import (
	"encoding/base64"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/holdfast/holdfast/internal/postgres"
	"github.com/holdfast/holdfast/internal/postgres/pgtest"
	"github.com/holdfast/holdfast/internal/signal"
)

// fewSignalKills is how often the sender is killed, unless HOLDFAST_TEST_KILLS asks for another number.
const fewSignalKills = 6

// receiver is another system, which outlives the service. While it holds, it answers nobody.
type receiver struct {
	url     string
	arrived chan arrival

	mu      sync.Mutex
	holding bool
	bodies  map[string][]string // by id
}

// arrival is a request that is there, and held or answered.
type arrival struct {
	id   string
	held bool
}

func newReceiver(t *testing.T) *receiver {
	t.Helper()
	r := &receiver{arrived: make(chan arrival, 1024), bodies: map[string][]string{}}
	server := httptest.NewServer(r)
	t.Cleanup(server.Close)
	r.url = server.URL
	return r
}

func (r *receiver) hold(on bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.holding = on
}

// ServeHTTP implements http.Handler.
func (r *receiver) ServeHTTP(w http.ResponseWriter, req *http.Request) {
	body, err := io.ReadAll(req.Body)
	if err != nil {
		return // it died while it sent
	}
	id := req.Header.Get("webhook-id")
	if id == "" {
		id = tokenID(string(body))
	}
	r.mu.Lock()
	r.bodies[id] = append(r.bodies[id], string(body))
	holding := r.holding
	r.mu.Unlock()
	if holding {
		r.arrived <- arrival{id, true}
		<-req.Context().Done() // the sender is gone
		return
	}
	w.WriteHeader(http.StatusAccepted)
	_ = http.NewResponseController(w).Flush() // it has its answer; whether it writes it down is another matter
	r.arrived <- arrival{id, false}
}

// next waits for an arrival, and notes what is held.
func (r *receiver) next(t *testing.T, p *process, held map[string]bool) arrival {
	t.Helper()
	select {
	case a := <-r.arrived:
		if a.held {
			held[a.id] = true
		}
		return a
	case <-time.After(patience):
		require.FailNow(t, "no signal arrives", "%s", p.log)
		return arrival{}
	}
}

// got gives what arrived, by id.
func (r *receiver) got() map[string][]string {
	r.mu.Lock()
	defer r.mu.Unlock()
	out := make(map[string][]string, len(r.bodies))
	for id, bodies := range r.bodies {
		out[id] = append([]string(nil), bodies...)
	}
	return out
}

// tokenID reads the jti of a token.
func tokenID(token string) string {
	parts := strings.Split(token, ".")
	if len(parts) != 3 {
		return ""
	}
	var claims struct {
		ID string `json:"jti"`
	}
	text, err := base64.RawURLEncoding.DecodeString(parts[1])
	if err != nil || json.Unmarshal(text, &claims) != nil {
		return ""
	}
	return claims.ID
}

// The issue, "Done when": the service is killed when a signal is with its receiver and not yet written down, or has just been answered.
// Everything arrives in the end, at least once, every time under the same id and with the same body.
func TestKill9_BetweenSendingAndRecordingLosesNoSignal(t *testing.T) {
	t.Parallel()
	_ = binary(t)
	database, there := pgtest.URL(t), newReceiver(t)
	environ := append(production(t, database), "HOLDFAST_MODE=dev", "HOLDFAST_LOG_FORMAT=json", "HOLDFAST_SIGNAL_NETWORKS=127.0.0.0/8", "HOLDFAST_AUDIT_ANCHOR_FILE="+t.TempDir()+"/anchor")
	environ = withKeyring(t, environ, operate(t, environ, "", "keyring", "rotate", "--tokens"))
	operate(t, environ, "", "tenant", "create", "acme", "--name", "Acme")
	var endpoints []string
	for _, kind := range []string{"webhook", "set"} {
		made := operate(t, environ, "", "webhook", "create", there.url+"/"+kind, "--tenant", "acme", "--kind", kind)
		endpoints = append(endpoints, strings.Fields(field(t, made, "webhook"))[0])
	}
	owner, err := postgres.Open(t.Context(), postgres.Config{URL: database, MaxConns: 2})
	require.NoError(t, err)
	defer owner.Close()

	count := func(sql string) (n int) {
		require.NoError(t, owner.Pool().QueryRow(t.Context(), sql).Scan(&n))
		return n
	}
	drain := func() {
		there.hold(false)
		p := launch(t, environ, serving, "serve")
		require.Eventually(t, func() bool {
			require.NoError(t, owner.AdvanceClock(t.Context(), time.Second)) // a retry is due at its time
			return count(`SELECT count(*) FROM signal_delivery WHERE status <> 'delivered'`) == 0
		}, patience, 20*time.Millisecond, "everything arrives in the end")
		require.NoError(t, p.cmd.Process.Kill())
		require.Error(t, p.end(t))
	}
	held := map[string]bool{}
	for round := range deaths(t, fewSignalKills) {
		there.hold(round%2 == 0)
		for _, id := range endpoints {
			operate(t, environ, "", "webhook", "verify", id, "--tenant", "acme")
		}
		p := launch(t, environ, serving, "serve")
		for there.next(t, p, held).held != (round%2 == 0) { // one that was answered as its sender died may tell of it late
		}
		require.NoError(t, p.cmd.Process.Kill())
		require.Error(t, p.end(t))
		require.NoError(t, owner.AdvanceClock(t.Context(), signal.LeaseFor+time.Second))
		if round%5 == 4 { // an attempt is counted before it is sent, and after ten it is a dead letter
			drain()
		}
	}
	drain()
	all := there.got()
	require.Len(t, all, count(`SELECT count(*) FROM signal_delivery`), "each under its own id, and nothing else")
	again := 0
	for id, bodies := range all {
		require.Equal(t, 1, count(`SELECT count(*) FROM signal_delivery WHERE id = '`+id+`'`), id)
		for _, body := range bodies {
			require.Equal(t, bodies[0], body, "what is sent again is the same")
		}
		if held[id] {
			require.Greater(t, len(bodies), 1, "it was not acknowledged, so it came again")
		}
		again += len(bodies) - 1
	}
	require.NotEmpty(t, held)
	t.Logf("%d signals, of these %d held when the sender died; %d came again", len(all), len(held), again)
}
