package audit_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/holdfast/holdfast/internal/audit"
)

// logOf writes a whole log of n events as it is exported, and gives its key.
func logOf(t testing.TB, n int) (export []byte, key string) {
	t.Helper()
	var lines bytes.Buffer
	enc := json.NewEncoder(&lines)
	enc.SetEscapeHTML(false)
	edge := &audit.Edge{}
	at := time.Date(2026, 3, 1, 12, 0, 0, 123456000, time.UTC)
	for i := range n {
		e := audit.Entry{
			Salt:     bytes.Repeat([]byte{byte(i)}, audit.SaltSize),
			Personal: &audit.Personal{Salt: bytes.Repeat([]byte{byte(i + 1)}, audit.SaltSize), Origin: "203.0.113.0/24", RequestID: fmt.Sprintf("req_%d", i)},
			Event: audit.Event{
				ID: fmt.Sprintf("evt_%026d", i), Tenant: "acme", At: at.Add(time.Duration(i) * time.Millisecond), Actor: audit.Actor{Kind: audit.ActorClaimant, ID: "cli_1"},
				Action: audit.ProofAccepted, Subject: fmt.Sprintf("rcv_%026d", i), Account: fmt.Sprintf("acc_%026d", i), Recovery: fmt.Sprintf("rcv_%026d", i),
				Version: 3, From: "verifying", To: "verifying", PolicyVersion: "balanced@1", Outcome: audit.Success,
				Details: map[string]any{"method": "email", "class": "I", "n": json.Number("7"), "row": map[string]any{"tier": "low", "expires_at": "2026-03-01T13:00:00Z"}},
			},
		}
		leaf, err := audit.LeafOf(e)
		require.NoError(t, err)
		text, err := leaf.Encode()
		require.NoError(t, err)
		edge.Append(audit.LeafHash(text))
		require.NoError(t, enc.Encode(audit.LineOf(e, int64(i), text, nil)))
	}
	require.NoError(t, enc.Encode(audit.ExportEnd{End: true, Lines: int64(n)}))
	signed, err := audit.SignCheckpoint(audit.Checkpoint{Origin: origin, Head: audit.Head{Size: int64(n), Root: edge.Root()}}, seed(1))
	require.NoError(t, err)
	var out bytes.Buffer
	require.NoError(t, json.NewEncoder(&out).Encode(audit.ExportHeader{
		Version: audit.ExportVersion, Origin: origin, Keys: []string{seed(1).verifier(t)}, Checkpoint: string(signed), Whole: true,
	}))
	return append(out.Bytes(), lines.Bytes()...), seed(1).verifier(t)
}

// The issue, "Done when": a clean log of 1,000,000 events verifies in under a minute. cmd/bench measures the command; this shows where
// the time goes.
func BenchmarkVerify(b *testing.B) {
	const events = 20_000
	export, key := logOf(b, events)
	b.SetBytes(int64(len(export)))
	b.ReportAllocs()
	for b.Loop() {
		r, err := audit.Verify(bytes.NewReader(export), audit.VerifyConfig{Keys: []string{key}})
		require.NoError(b, err)
		require.True(b, r.OK(), r.Problems)
		require.EqualValues(b, events, r.Events)
	}
	b.ReportMetric(events*float64(b.N)/b.Elapsed().Seconds(), "events/s")
}
