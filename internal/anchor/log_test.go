package anchor_test

import (
	"context"
	"crypto/ed25519"
	"fmt"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/mod/sumdb/tlog"

	"github.com/holdfast/holdfast/internal/audit"
	"github.com/holdfast/holdfast/internal/auditlog"
)

const origin = "recovery.example.com/audit"

// signer signs the checkpoints of these tests.
type signer struct{ ed25519.PrivateKey }

func newSigner() signer { return signer{ed25519.NewKeyFromSeed(make([]byte, ed25519.SeedSize))} }

func (s signer) Public() ed25519.PublicKey { return s.PrivateKey.Public().(ed25519.PublicKey) }
func (s signer) Sign(m []byte) []byte      { return ed25519.Sign(s.PrivateKey, m) }

// book is a log of text leaves, kept as x/mod keeps one.
type book struct {
	hashes []tlog.Hash
	n      int64
}

// newBook makes a log of n leaves of which those from there on begin with a letter of their own.
func newBook(t testing.TB, n, from int64, letter string) *book {
	t.Helper()
	b := &book{}
	for ; b.n < n; b.n++ {
		text := fmt.Sprintf("leaf %d", b.n)
		if b.n >= from {
			text = letter + text
		}
		add, err := tlog.StoredHashes(b.n, []byte(text), b)
		require.NoError(t, err)
		b.hashes = append(b.hashes, add...)
	}
	return b
}

func (b *book) ReadHashes(indexes []int64) ([]tlog.Hash, error) {
	out := make([]tlog.Hash, len(indexes))
	for i, index := range indexes {
		out[i] = b.hashes[index]
	}
	return out, nil
}

// telling is the checkpoint of the first leaves.
func (b *book) telling(t testing.TB, size, known int64) auditlog.Telling {
	t.Helper()
	root, err := tlog.TreeHash(size, b)
	require.NoError(t, err)
	c := audit.Checkpoint{Origin: origin, Head: audit.Head{Size: size, Root: root}}
	note, err := audit.SignCheckpoint(c, newSigner())
	require.NoError(t, err)
	return auditlog.Telling{
		At: time.Now(), Checkpoint: c, Note: note, Known: known,
		Prove: func(_ context.Context, earlier int64) ([]audit.Hash, error) { return tlog.ProveTree(size, earlier, b) },
	}
}

// key is the log's verifier key.
func key(t testing.TB) string {
	t.Helper()
	k, err := audit.VerifierKey(origin, newSigner().Public())
	require.NoError(t, err)
	return k
}

// serve runs a handler and gives its address and a client that follows no redirect.
func serve(t testing.TB, h http.Handler) (string, *http.Client) {
	t.Helper()
	s := httptest.NewServer(h)
	t.Cleanup(s.Close)
	client := s.Client()
	client.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	return s.URL, client
}

// says answers always the same.
func says(status int, kind, body string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", kind)
		w.WriteHeader(status)
		_, _ = w.Write([]byte(body))
	}
}
