//go:build conformance

package signal_test

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/json"
	"net/http"
	"os/exec"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/holdfast/holdfast/internal/clock"
	"github.com/holdfast/holdfast/internal/secret"
	"github.com/holdfast/holdfast/internal/signal"
)

// what the sender puts on the wire for every event is verified by the reference library of Standard Webhooks
// and by jose, on node (`make conformance` fetches them).
func TestConformance_OthersVerifyWhatIsSent(t *testing.T) {
	t.Parallel()
	ring, err := secret.GenerateKeyring(rand.Reader)
	require.NoError(t, err)
	ring, _, err = ring.StageTokens(rand.Reader)
	require.NoError(t, err)
	seeds := make([]byte, 64)
	_, err = rand.Read(seeds)
	require.NoError(t, err)
	key := signal.Key{Secret: seeds[:32], Seed: seeds[32:]}
	sealed, err := signal.SealKeys(ring, "acme", "whk_1", key)
	require.NoError(t, err)

	type hook struct {
		Secret  string            `json:"secret"`
		Public  string            `json:"public"`
		Headers map[string]string `json:"headers"`
		Body    string            `json:"body"`
	}
	var hooks []hook
	var tokens []string
	o := &outbox{}
	p := pusher(func(r signal.Request) signal.Answer {
		if o.work.Endpoint.Kind == signal.SET {
			tokens = append(tokens, string(r.Body))
		} else {
			hooks = append(hooks, hook{signal.Shown(key), key.Public(), r.Headers, string(r.Body)})
		}
		return signal.Answer{Status: http.StatusAccepted}
	})
	s, err := signal.NewSender(signal.SenderConfig{
		Outbox: o, Pusher: p, Vault: names{}, Signer: ring, Keys: ring, Issuer: "https://recovery.example.com", Clock: clock.Fixed(t0()), Metrics: metrics{},
	})
	require.NoError(t, err)
	send := func(kind signal.Kind, typ signal.Type, uri signal.EventURI, claims map[string]any, agreed bool) {
		o.work = signal.Work{
			Delivery: signal.Delivery{ID: "dlv_01kagx0b1c3d5e7f9g1h3j5k7m001", Type: typ, Event: uri, Cause: "evt_1", At: time.Now(), Attempts: 1},
			Tenant:   "acme", Now: time.Now(), Claims: claims, Agreed: agreed, Account: signal.Account{ID: "acc_1"},
			Endpoint: signal.Endpoint{
				ID: "whk_1", Kind: kind, URL: "https://rp.example.com", Audience: "https://rp.example.com", SubjectIssuer: "https://login.example.com",
				SavedCodeType: "recovery-code", Keys: sealed,
			},
		}
		require.NoError(t, s.Deliver(context.Background(), "acme", "dlv_1"))
	}
	for _, e := range story() {
		for _, sig := range signal.Of(e) {
			if sig.Data != nil {
				send(signal.Webhook, sig.Type, "", sig.Data, false)
			}
			for _, set := range sig.Sets {
				send(signal.SET, sig.Type, set.Event, set.Claims, set.Agreed)
			}
		}
	}
	require.NotEmpty(t, hooks)
	require.NotEmpty(t, tokens)
	given, err := json.Marshal(map[string]any{"webhooks": hooks, "tokens": map[string]any{
		"jwks": json.RawMessage(ring.JWKS()), "issuer": "https://recovery.example.com", "audience": "https://rp.example.com", "all": tokens,
	}})
	require.NoError(t, err)
	cmd := exec.CommandContext(t.Context(), "node", "check.mjs")
	cmd.Dir, cmd.Stdin = "../../.tools/conformance", bytes.NewReader(given)
	out, err := cmd.CombinedOutput()
	require.NoError(t, err, string(out))
	t.Log(string(out))
}
