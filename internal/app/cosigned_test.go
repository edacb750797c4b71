package app_test

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/holdfast/holdfast/internal/anchor/anchortest"
	"github.com/holdfast/holdfast/internal/app/apptest"
	"github.com/holdfast/holdfast/internal/audit"
)

// a client that asks for cosignatures gets the newest checkpoint that so many witnesses have cosigned, and exports under it,
// which it verifies with the witnesses' keys and nothing of ours.
func TestAuditor_AsksForCosignatures(t *testing.T) {
	t.Parallel()
	one, two := anchortest.NewWitness(t, "witness.example/w1"), anchortest.NewWitness(t, "witness.example/w2")
	way := &gate{}
	settings := make([]string, 0, 2)
	for w, h := range map[*anchortest.Witness]http.Handler{one: one, two: way.wrap(two)} {
		server := httptest.NewServer(h)
		t.Cleanup(server.Close)
		settings = append(settings, w.VerifierKey()+" "+server.URL)
	}
	s := apptest.New(t, apptest.WithEnv("HOLDFAST_AUDIT_WITNESSES="+strings.Join(settings, ","), "HOLDFAST_AUDIT_ANCHOR_NETWORKS=127.0.0.0/8"))
	a := newAuditor(t, s, apptest.Tenant)
	keys := a.keys(t)
	one.Trust("recovery.example.com/audit", keys...)
	two.Trust("recovery.example.com/audit", keys...)
	known, err := audit.ParseWitnesses([]string{one.VerifierKey(), two.VerifierKey()})
	require.NoError(t, err)
	both := a.cosignedBy(t, "?cosignatures=2", 0, keys, known)
	require.Len(t, both.by, 2)

	way.set(true)
	both = a.cosignedBy(t, "?cosignatures=2", 0, keys, known) // one may have been under way
	s.Register(t, apptest.Person{Ref: "u1", Email: "u1@example.com", Phone: "+447700900001"})
	first := a.cosignedBy(t, "?cosignatures=1", both.Size, keys, known)
	require.Equal(t, "witness.example/w1", first.by[0].Witness)
	require.Len(t, first.by, 1)
	require.Equal(t, both.Size, a.cosignedBy(t, "?cosignatures=2", 0, keys, known).Size)

	require.Equal(t, http.StatusNotFound, a.get(t, "checkpoint?cosignatures=3").Status)
	require.Equal(t, http.StatusConflict, a.get(t, "export?cosignatures=3").Status)
	for _, senseless := range []string{"0", "-1", "65", "two", ""} {
		require.Equal(t, http.StatusUnprocessableEntity, a.get(t, "checkpoint?cosignatures="+senseless).Status, senseless)
		require.Equal(t, http.StatusUnprocessableEntity, a.get(t, "export?cosignatures="+senseless).Status, senseless)
	}

	for query, quorum := range map[string]int{"?cosignatures=2": 2, "?cosignatures=1": 1} {
		export := a.get(t, "export"+query)
		require.Equal(t, http.StatusOK, export.Status)
		r, err := audit.Verify(strings.NewReader(export.Body), audit.VerifyConfig{Keys: keys, Witnesses: known, Quorum: quorum})
		require.NoError(t, err)
		require.Empty(t, r.Problems, query)
		require.GreaterOrEqual(t, len(r.Cosigned), quorum)
		require.Positive(t, r.Events)
		require.Positive(t, r.Waiting, "the reading before it is younger")
		if quorum == 2 {
			require.Equal(t, both.Size, r.Checkpoint.Size)
		}
	}
}

// cosignedCheckpoint is a checkpoint with who cosigned it.
type cosignedCheckpoint struct {
	audit.Checkpoint

	by []audit.Cosignature
}

// cosignedBy waits for a checkpoint beyond a size. The anchors are told meanwhile, without their pace.
func (a auditor) cosignedBy(t testing.TB, query string, beyond int64, keys []string, known []audit.Witness) cosignedCheckpoint {
	t.Helper()
	var out cosignedCheckpoint
	require.Eventually(t, func() bool {
		_ = a.s.App.Sealer.Anchor(t.Context()) // one of them may be down
		answer := a.get(t, "checkpoint"+query)
		if answer.Status == http.StatusNotFound {
			return false
		}
		require.Equal(t, http.StatusOK, answer.Status, answer.Body)
		var err error
		out.Checkpoint, err = audit.OpenCheckpoint([]byte(answer.Body), keys)
		require.NoError(t, err)
		out.by, err = audit.Cosignatures([]byte(answer.Body), known)
		require.NoError(t, err)
		return out.Size > beyond
	}, apptest.Patience, 20*time.Millisecond)
	return out
}
