// Package anchortest has a witness and a receiver of checkpoints for tests. They keep what they were told, and refuse what does not
// continue it: written from C2SP tlog-witness and tlog-cosignature, on x/mod's tree and notes, and not from what they test.
package anchortest

import (
	"bufio"
	"bytes"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"
)

// Witness is a C2SP witness in memory.
type Witness struct {
	name string
	key  ed25519.PrivateKey
	// Former has it answer another root of the size that it holds with 409 and nothing more, as tlog-witness could be read before July 2026.
	Former bool

	mu     sync.Mutex
	trusts map[string][]string // by origin: verifier keys
	logs   map[string]tlog.Tree
	asked  int
}

// NewWitness makes a witness with a key of its own. It knows no log.
func NewWitness(t testing.TB, name string) *Witness {
	t.Helper()
	_, key, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatalf("anchortest: %v", err)
	}
	return &Witness{name: name, key: key, trusts: map[string][]string{}, logs: map[string]tlog.Tree{}}
}

// Trust has it know a log by its keys.
func (w *Witness) Trust(origin string, keys ...string) *Witness {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.trusts[origin] = keys
	return w
}

// Size is the size that it cosigned last, and how often it was asked.
func (w *Witness) Size(origin string) (size int64, asked int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.logs[origin].N, w.asked
}

// Forget has it lose what it knows of all logs.
func (w *Witness) Forget() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.logs = map[string]tlog.Tree{}
}

// VerifierKey is its key as it publishes it.
func (w *Witness) VerifierKey() string {
	typed := append([]byte{4}, w.key.Public().(ed25519.PublicKey)...) //nolint:forcetypeassert // it is one.
	return fmt.Sprintf("%s+%08x+%s", w.name, w.id(), base64.StdEncoding.EncodeToString(typed))
}

func (w *Witness) id() uint32 {
	typed := append([]byte(w.name+"\n\x04"), w.key.Public().(ed25519.PublicKey)...) //nolint:forcetypeassert // it is one.
	sum := sha256.Sum256(typed)
	return binary.BigEndian.Uint32(sum[:])
}

// ServeHTTP answers POST …/add-checkpoint.
func (w *Witness) ServeHTTP(out http.ResponseWriter, r *http.Request) {
	if r.Method != http.MethodPost || !strings.HasSuffix(r.URL.Path, "/add-checkpoint") {
		http.Error(out, "no such call", http.StatusNotFound)
		return
	}
	body, err := io.ReadAll(http.MaxBytesReader(out, r.Body, 16<<10))
	if err != nil {
		http.Error(out, "too long", http.StatusBadRequest)
		return
	}
	old, proof, signed, ok := parse(body)
	if !ok {
		http.Error(out, "not the form", http.StatusBadRequest)
		return
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.asked++
	w.judge(out, old, proof, signed)
}

func (w *Witness) judge(out http.ResponseWriter, old int64, proof []tlog.Hash, signed []byte) {
	origin, _, _ := strings.Cut(string(signed), "\n")
	keys, known := w.trusts[origin]
	if !known {
		http.Error(out, "unknown log", http.StatusNotFound)
		return
	}
	var verifiers []note.Verifier
	for _, k := range keys {
		v, err := note.NewVerifier(k)
		if err != nil {
			http.Error(out, "bad key", http.StatusInternalServerError)
			return
		}
		verifiers = append(verifiers, v)
	}
	n, err := note.Open(signed, note.VerifierList(verifiers...))
	if err != nil {
		http.Error(out, "no signature", http.StatusForbidden)
		return
	}
	next, ok := tree(n.Text)
	if !ok || old > next.N {
		http.Error(out, "not a checkpoint", http.StatusBadRequest)
		return
	}
	last := w.logs[origin]
	if old != last.N {
		out.Header().Set("Content-Type", "text/x.tlog.size")
		out.WriteHeader(http.StatusConflict)
		_, _ = fmt.Fprintf(out, "%d\n", last.N)
		return
	}
	if old > 0 && old == next.N && last.Hash != next.Hash {
		status := http.StatusUnprocessableEntity
		if w.Former {
			status = http.StatusConflict
		}
		out.WriteHeader(status)
		return
	}
	if (old == 0 || old == next.N) && len(proof) > 0 || old > 0 && old < next.N && tlog.CheckTree(proof, next.N, next.Hash, old, last.Hash) != nil {
		http.Error(out, "no proof", http.StatusUnprocessableEntity)
		return
	}
	w.logs[origin] = next
	_, _ = io.WriteString(out, w.Line(n.Text, time.Now())) //nolint:forbidigo // a witness has a clock of its own.
}

// Line is its cosignature of a checkpoint's text, whatever it knows of the log.
func (w *Witness) Line(text string, at time.Time) string {
	seconds := uint64(at.Unix()) //nolint:gosec // after 1970.
	raw := binary.BigEndian.AppendUint32(nil, w.id())
	raw = binary.BigEndian.AppendUint64(raw, seconds)
	raw = append(raw, ed25519.Sign(w.key, fmt.Appendf(nil, "cosignature/v1\ntime %d\n%s", seconds, text))...)
	return "— " + w.name + " " + base64.StdEncoding.EncodeToString(raw) + "\n"
}

// parse reads the body of add-checkpoint.
func parse(body []byte) (old int64, proof []tlog.Hash, signed []byte, ok bool) {
	in := bufio.NewReader(bytes.NewReader(body))
	first, err := in.ReadString('\n')
	text, isOld := strings.CutPrefix(strings.TrimSuffix(first, "\n"), "old ")
	old, parseErr := strconv.ParseInt(text, 10, 64)
	if err != nil || parseErr != nil || !isOld || old < 0 || strconv.FormatInt(old, 10) != text {
		return 0, nil, nil, false
	}
	for {
		line, err := in.ReadString('\n')
		if err != nil || len(proof) > 63 {
			return 0, nil, nil, false
		}
		if line == "\n" {
			break
		}
		h, err := tlog.ParseHash(strings.TrimSuffix(line, "\n"))
		if err != nil {
			return 0, nil, nil, false
		}
		proof = append(proof, h)
	}
	signed, err = io.ReadAll(in)
	return old, proof, signed, err == nil
}

// tree reads size and root of a checkpoint's text.
func tree(text string) (tlog.Tree, bool) {
	lines := strings.Split(text, "\n")
	if len(lines) < 4 {
		return tlog.Tree{}, false
	}
	n, err := strconv.ParseInt(lines[1], 10, 64)
	h, hashErr := tlog.ParseHash(lines[2])
	return tlog.Tree{N: n, Hash: h}, err == nil && hashErr == nil && n >= 0
}
