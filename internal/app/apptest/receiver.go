package apptest

import (
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
)

// Receiver is another system: it takes webhooks and tokens and answers as it is told to. It is safe for concurrent use.
type Receiver struct {
	URL string

	mu     sync.Mutex
	got    []Received
	answer func(Received) Reply
}

// Received is one request that arrived.
type Received struct {
	Path   string
	Header http.Header
	Body   string
}

// Reply is what a receiver answers. HangUp ends the connection in place of an answer.
type Reply struct {
	Status int
	Header map[string]string
	Body   string
	HangUp bool
}

// NewReceiver starts a receiver that accepts everything with 202 and an empty body, which suits both kinds.
func NewReceiver(t testing.TB) *Receiver {
	t.Helper()
	r := &Receiver{answer: func(Received) Reply { return Reply{Status: http.StatusAccepted} }}
	server := httptest.NewServer(r)
	t.Cleanup(server.Close)
	r.URL = server.URL
	return r
}

// Answer has f answer from now on. It may block.
func (r *Receiver) Answer(f func(Received) Reply) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.answer = f
}

// ServeHTTP implements http.Handler.
func (r *Receiver) ServeHTTP(w http.ResponseWriter, req *http.Request) {
	body, err := io.ReadAll(req.Body)
	if err != nil {
		return
	}
	got := Received{Path: req.URL.Path, Header: req.Header.Clone(), Body: string(body)}
	r.mu.Lock()
	r.got = append(r.got, got)
	answer := r.answer
	r.mu.Unlock()
	reply := answer(got)
	if reply.HangUp {
		panic(http.ErrAbortHandler)
	}
	for name, value := range reply.Header {
		w.Header().Set(name, value)
	}
	w.WriteHeader(reply.Status)
	_, _ = io.WriteString(w, reply.Body)
}

// All lists what arrived at a path, oldest first.
func (r *Receiver) All(path string) []Received {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.DeleteFunc(slices.Clone(r.got), func(g Received) bool { return g.Path != path })
}

// Await waits until n requests have arrived at a path.
func (r *Receiver) Await(t testing.TB, path string, n int) []Received {
	t.Helper()
	require.Eventually(t, func() bool { return len(r.All(path)) >= n }, Patience, glance, "%d signals do not arrive at %s", n, path)
	return r.All(path)
}
