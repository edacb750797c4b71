package anchor_test

import (
	"encoding/base64"
	"net/http"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/holdfast/holdfast/internal/anchor"
	"github.com/holdfast/holdfast/internal/anchor/anchortest"
	"github.com/holdfast/holdfast/internal/auditlog"
	"github.com/holdfast/holdfast/internal/secret"
)

func hooked(t testing.TB, h http.Handler, secrets string) *anchor.Webhook {
	t.Helper()
	url, client := serve(t, h)
	keys, err := secret.ParseWebhookSecrets(secret.NewString(secrets))
	require.NoError(t, err)
	return anchor.NewWebhook(secret.NewString(url+"/hidden-in-the-path"), keys, client)
}

// Standard Webhooks' own library checks what the receiver gets.
func TestWebhook_GivesEachCheckpointUnderOneID(t *testing.T) {
	t.Parallel()
	other := "whsec_" + base64.StdEncoding.EncodeToString(make([]byte, 32))
	r := anchortest.NewReceiver()
	one, two := hooked(t, r, anchortest.Secret), hooked(t, r, other+" "+anchortest.Secret)
	b := newBook(t, 9, 9, "")
	for _, size := range []int64{0, 4, 4, 9} {
		for _, a := range []*anchor.Webhook{one, two} { // two nodes, of which one knows the receiver's next secret
			lines, err := a.Tell(t.Context(), b.telling(t, size, 0))
			require.NoError(t, err)
			require.Empty(t, lines)
		}
	}
	size, ids, bad := r.Kept()
	require.Equal(t, int64(9), size)
	require.Len(t, ids, 3)
	require.Zero(t, bad)
	_, err := hooked(t, r, other).Tell(t.Context(), b.telling(t, 9, 0))
	require.Error(t, err)
	_, _, bad = r.Kept()
	require.Equal(t, 1, bad)
}

//
func TestWebhook_HearsThatTheReceiverHoldsMoreOrSomethingElse(t *testing.T) {
	t.Parallel()
	r := anchortest.NewReceiver()
	a := hooked(t, r, anchortest.Secret)
	b := newBook(t, 9, 9, "")
	_, err := a.Tell(t.Context(), b.telling(t, 9, 0))
	require.NoError(t, err)
	var conflict *auditlog.Conflict
	_, err = a.Tell(t.Context(), b.telling(t, 0, 0))
	require.ErrorAs(t, err, &conflict)
	_, err = a.Tell(t.Context(), b.telling(t, 4, 0))
	require.ErrorAs(t, err, &conflict)
	require.Equal(t, int64(9), conflict.Size)
	_, err = a.Tell(t.Context(), newBook(t, 9, 3, "x").telling(t, 9, 0))
	require.ErrorIs(t, err, auditlog.ErrForked)
	r.Silent = true
	_, err = a.Tell(t.Context(), b.telling(t, 4, 0))
	require.ErrorAs(t, err, &conflict)
	require.Zero(t, conflict.Size)
}

func TestWebhook_AnythingElseIsAFailureAndTellsNoAddress(t *testing.T) {
	t.Parallel()
	b := newBook(t, 3, 3, "")
	for name, h := range map[string]http.Handler{
		"redirect": http.RedirectHandler("/elsewhere", http.StatusPermanentRedirect),
		"gone":     says(410, "text/plain", ""),
		"404":      says(404, "text/plain", ""),
		"429":      says(429, "text/plain", ""),
		"503":      says(503, "text/plain", ""),
		"endless":  http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write(make([]byte, 1<<20)) }),
		"aborts":   http.HandlerFunc(func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }),
	} {
		_, err := hooked(t, h, anchortest.Secret).Tell(t.Context(), b.telling(t, 3, 0))
		require.Error(t, err, name)
		require.NotErrorIs(t, err, auditlog.ErrForked, name)
		require.NotContains(t, err.Error(), "hidden", name)
	}
}
