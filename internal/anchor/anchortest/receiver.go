package anchortest

import (
	"fmt"
	"io"
	"net/http"
	"sync"

	webhooks "github.com/standard-webhooks/standard-webhooks/libraries/go"
	"golang.org/x/mod/sumdb/tlog"
)

// Receiver is an operator's own keeper of checkpoints. It checks what it is sent as Standard Webhooks' library does, and keeps the
// largest.
type Receiver struct {
	verifier *webhooks.Webhook
	// Silent has it answer 409 without a size.
	Silent bool

	mu   sync.Mutex
	kept tlog.Tree
	ids  map[string]int
	bad  int
}

// Secret is what Receivers of tests are shown.
const Secret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw" //nolint:gosec // the specification's example.

// NewReceiver makes a receiver that shares Secret.
func NewReceiver() *Receiver {
	v, err := webhooks.NewWebhook(Secret)
	if err != nil {
		panic(err) // the constant is one
	}
	return &Receiver{verifier: v, ids: map[string]int{}}
}

// Kept is the size that it keeps, how often each webhook-id came, and how many requests were not signed as they should be.
func (r *Receiver) Kept() (size int64, ids map[string]int, bad int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	ids = map[string]int{}
	for id, n := range r.ids {
		ids[id] = n
	}
	return r.kept.N, ids, r.bad
}

// ServeHTTP keeps a checkpoint, or answers 409 with the size that it keeps.
func (r *Receiver) ServeHTTP(w http.ResponseWriter, in *http.Request) {
	body, err := io.ReadAll(http.MaxBytesReader(w, in.Body, 16<<10))
	r.mu.Lock()
	defer r.mu.Unlock()
	next, ok := tree(string(body))
	if err != nil || !ok || r.verifier.Verify(body, in.Header) != nil || in.Header.Get("Content-Type") != "text/plain; charset=utf-8" {
		r.bad++
		http.Error(w, "not signed", http.StatusBadRequest)
		return
	}
	r.ids[in.Header.Get("webhook-id")]++
	if next.N < r.kept.N || (next.N == r.kept.N && next.N > 0 && next.Hash != r.kept.Hash) {
		if !r.Silent {
			w.Header().Set("Content-Type", "text/x.tlog.size")
		}
		w.WriteHeader(http.StatusConflict)
		_, _ = fmt.Fprintf(w, "%d\n", r.kept.N)
		return
	}
	r.kept = next
	w.WriteHeader(http.StatusNoContent)
}
