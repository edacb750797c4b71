package audit

import (
	"crypto/ed25519"
	"encoding/base64"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"
)

// Head is the state of a log: how many leaves, and the root over them.
type Head struct {
	Size int64
	Root Hash
}

// Checkpoint is a head of the log of that origin (C2SP tlog-checkpoint).
type Checkpoint struct {
	Origin string
	Head
}

// ErrCheckpoint says that a text is no checkpoint.
var ErrCheckpoint = errors.New("audit: not a checkpoint")

// Text is what is signed: origin, size and root, a line each.
func (c Checkpoint) Text() string {
	return c.Origin + "\n" + strconv.FormatInt(c.Size, 10) + "\n" + base64.StdEncoding.EncodeToString(c.Root[:]) + "\n"
}

// ParseCheckpoint reads the text of a checkpoint. Extension lines, which we never write, are passed over.
func ParseCheckpoint(text string) (Checkpoint, error) {
	lines := strings.Split(text, "\n")
	if len(lines) < 4 || lines[0] == "" || lines[len(lines)-1] != "" {
		return Checkpoint{}, ErrCheckpoint
	}
	c := Checkpoint{Origin: lines[0]}
	var err error
	if c.Size, err = strconv.ParseInt(lines[1], 10, 64); err != nil || c.Size < 0 || strconv.FormatInt(c.Size, 10) != lines[1] {
		return Checkpoint{}, ErrCheckpoint
	}
	root, err := base64.StdEncoding.Strict().DecodeString(lines[2])
	if err != nil || len(root) != tlog.HashSize {
		return Checkpoint{}, ErrCheckpoint
	}
	copy(c.Root[:], root)
	for _, extension := range lines[3 : len(lines)-1] {
		if extension == "" {
			return Checkpoint{}, ErrCheckpoint
		}
	}
	return c, nil
}

// ValidOrigin reports whether a name may be the origin of a log and the name of its keys (C2SP signed-note).
func ValidOrigin(origin string) bool {
	if origin == "" || len(origin) > 200 {
		return false
	}
	for _, r := range origin {
		if r <= ' ' || r == '+' || r > '~' {
			return false
		}
	}
	return true
}

// A SigningKey signs checkpoints.
type SigningKey interface {
	Public() ed25519.PublicKey
	Sign(message []byte) []byte
}

// VerifierKey writes a key of the log of that origin as verifiers are given it: name+hash+base64 (C2SP signed-note).
func VerifierKey(origin string, public ed25519.PublicKey) (string, error) {
	if !ValidOrigin(origin) {
		return "", errors.New("audit: the origin is not fit to name a key")
	}
	return note.NewEd25519VerifierKey(origin, public)
}

// noteSigner is a SigningKey as package note takes it.
type noteSigner struct {
	note.Verifier
	key SigningKey
}

// Sign implements note.Signer.
func (s noteSigner) Sign(message []byte) ([]byte, error) { return s.key.Sign(message), nil }

// SignCheckpoint signs a checkpoint under every key, the first one first: while keys rotate, who knows either is served.
func SignCheckpoint(c Checkpoint, keys ...SigningKey) ([]byte, error) {
	if len(keys) == 0 {
		return nil, errors.New("audit: no key to sign with")
	}
	signers := make([]note.Signer, 0, len(keys))
	for _, k := range keys {
		text, err := VerifierKey(c.Origin, k.Public())
		if err != nil {
			return nil, err
		}
		v, err := note.NewVerifier(text)
		if err != nil {
			return nil, err
		}
		signers = append(signers, noteSigner{v, k})
	}
	return note.Sign(&note.Note{Text: c.Text()}, signers...)
}

// OpenCheckpoint checks a signed checkpoint: at least one of the keys, written as VerifierKey writes them, must have signed it,
// and none that did may be wrong. Signatures by keys that are not among them are passed over.
func OpenCheckpoint(signed []byte, keys []string) (Checkpoint, error) {
	verifiers, err := verifiersOf(keys)
	if err != nil {
		return Checkpoint{}, err
	}
	n, err := note.Open(signed, verifiers)
	if err != nil {
		return Checkpoint{}, fmt.Errorf("audit: the checkpoint's signature: %w", err)
	}
	c, err := ParseCheckpoint(n.Text)
	if err != nil {
		return Checkpoint{}, err
	}
	for _, sig := range n.Sigs {
		if sig.Name == c.Origin {
			return c, nil
		}
	}
	return Checkpoint{}, errors.New("audit: the checkpoint is signed for another log")
}

func verifiersOf(keys []string) (note.Verifiers, error) {
	list := make([]note.Verifier, 0, len(keys))
	seen := map[string]bool{}
	for _, k := range keys {
		v, err := note.NewVerifier(k)
		if err != nil {
			return nil, fmt.Errorf("audit: not a verifier key: %w", err)
		}
		if id := v.Name() + strconv.FormatUint(uint64(v.KeyHash()), 16); !seen[id] {
			seen[id] = true
			list = append(list, v)
		}
	}
	return note.VerifierList(list...), nil
}

// UnverifiedCheckpoint reads a signed checkpoint without looking at its signatures.
func UnverifiedCheckpoint(signed []byte) (Checkpoint, error) {
	text, _, ok := strings.Cut(string(signed), "\n\n")
	if !ok {
		return Checkpoint{}, ErrCheckpoint
	}
	return ParseCheckpoint(text + "\n")
}

// SignedBy reports whether a note carries a signature line of that verifier key. It does not check it.
func SignedBy(signed []byte, key string) bool {
	v, err := note.NewVerifier(key)
	if err != nil {
		return false
	}
	_, lines, _ := strings.Cut(string(signed), "\n\n")
	for line := range strings.Lines(lines) {
		rest, ok := strings.CutPrefix(strings.TrimSuffix(line, "\n"), "— "+v.Name()+" ")
		if !ok {
			continue
		}
		raw, err := base64.StdEncoding.DecodeString(rest)
		if err == nil && len(raw) > 4 && uint32(raw[0])<<24|uint32(raw[1])<<16|uint32(raw[2])<<8|uint32(raw[3]) == v.KeyHash() {
			return true
		}
	}
	return false
}
