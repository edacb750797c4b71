package savedcode

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"runtime"

	"golang.org/x/crypto/argon2"

	"github.com/holdfast/holdfast/internal/fault"
	"github.com/holdfast/holdfast/internal/secret"
)

const (
	saltSize = 16
	tagSize  = sha256.Size
)

// Params are argon2id's cost (RFC 9106).
type Params struct {
	MemoryKiB uint32
	Time      uint32
	Threads   uint8
}

// Floor is the least cost that a Hasher takes: OWASP's and ASVS appendix C's.
func Floor() Params { return Params{MemoryKiB: 19456, Time: 2, Threads: 1} }

// DefaultParams is the floor, and not RFC 9106's 64 MiB. A dearer hash protects what can be guessed; 130 random bits cannot be, at
// any cost. What is left of it is the price that we pay for an attacker's guesses, and that should be low (T42).
func DefaultParams() Params { return Floor() }

func (p Params) atLeast(q Params) bool {
	return p.MemoryKiB >= q.MemoryKiB && p.Time >= q.Time && p.Threads >= q.Threads
}

// Config is what a Hasher is made of.
type Config struct {
	Params     Params    // DefaultParams when zero
	Concurrent int       // how many hashes may run at once; twice the processors when zero
	Rand       io.Reader // the source of salts
}

// Hasher hashes and checks the bodies of saved codes. Its work is bounded: no more than Concurrent hashes, each of
// Params.MemoryKiB, run at once, whoever asks. It is safe for concurrent use.
type Hasher struct {
	keys   *secret.Keyring
	params Params
	rand   io.Reader
	slots  chan struct{}
	dummy  string
	derive deriveFunc
}

type deriveFunc func(password, salt []byte, p Params) []byte

// NewHasher makes a Hasher. Costs below the floor are refused.
func NewHasher(keys *secret.Keyring, cfg Config) (*Hasher, error) {
	if cfg.Params == (Params{}) {
		cfg.Params = DefaultParams()
	}
	if cfg.Concurrent == 0 {
		cfg.Concurrent = 2 * runtime.GOMAXPROCS(0)
	}
	switch {
	case keys == nil || cfg.Rand == nil || cfg.Concurrent < 0:
		return nil, errors.New("savedcode: a hasher needs keys, a random source and a positive concurrency")
	case !cfg.Params.atLeast(Floor()):
		return nil, fmt.Errorf("savedcode: argon2id below the floor of m=%d, t=%d, p=%d", Floor().MemoryKiB, Floor().Time, Floor().Threads)
	case !ceiling().atLeast(cfg.Params):
		return nil, errors.New("savedcode: argon2id above the ceiling of m=1048576, t=16, p=16")
	}
	h := &Hasher{keys: keys, params: cfg.Params, rand: cfg.Rand, slots: make(chan struct{}, cfg.Concurrent), derive: argon}
	salt, err := h.salt()
	if err != nil {
		return nil, err
	}
	// No body hashes to a tag of zeros by anything but a chance of one in 2^256, and VerifyDummy does not tell anyway.
	h.dummy = record{params: h.params, keyID: keys.PrimaryID(), salt: salt, tag: make([]byte, tagSize)}.String()
	return h, nil
}

// Hash gives what is stored of a body: a PHC string with the cost, the pepper's key id, a fresh salt and the tag. It waits
// for a free slot until ctx ends, and then answers fault.CodeOverloaded, which may be retried.
func (h *Hasher) Hash(ctx context.Context, body secret.String) (string, error) {
	salt, err := h.salt()
	if err != nil {
		return "", err
	}
	keyID, peppered := h.keys.Pepper(body)
	tag, err := h.run(ctx, peppered, salt, h.params)
	if err != nil {
		return "", err
	}
	return record{params: h.params, keyID: keyID, salt: salt, tag: tag}.String(), nil
}

// Verify reports whether phc was made of body, in constant time, and whether it should be hashed anew because the cost or
// the pepper's key has changed since. A wrong body is no error. It waits like Hash; a phc that cannot be read, or whose
// key is gone, is an internal error.
func (h *Hasher) Verify(ctx context.Context, phc string, body secret.String) (ok, needsRehash bool, err error) {
	r, err := parseRecord(phc)
	if err != nil {
		return false, false, fault.Wrap(err, "savedcode: verify")
	}
	peppered, err := h.keys.PepperUnder(r.keyID, body)
	if err != nil {
		return false, false, fault.Wrap(err, "savedcode: verify")
	}
	tag, err := h.run(ctx, peppered, r.salt, r.params)
	if err != nil {
		return false, false, err
	}
	return secret.Equal(tag, r.tag), r.params != h.params || r.keyID != h.keys.PrimaryID(), nil
}

// VerifyDummy does the work of Verify for a prefix that names no code, and accepts nothing.
func (h *Hasher) VerifyDummy(ctx context.Context, body secret.String) error {
	_, _, err := h.Verify(ctx, h.dummy, body)
	return err
}

// run takes a slot, hashes and gives the slot back. A caller whose ctx has ended gets none, even if one is free: nobody waits
// for the answer any more.
func (h *Hasher) run(ctx context.Context, password, salt []byte, p Params) ([]byte, error) {
	if err := ctx.Err(); err != nil {
		return nil, overloaded(err)
	}
	select {
	case h.slots <- struct{}{}:
	case <-ctx.Done():
		return nil, overloaded(ctx.Err())
	}
	defer func() { <-h.slots }()
	return h.derive(password, salt, p), nil
}

func overloaded(err error) error {
	return fault.Wrap(fault.Of(fault.CodeOverloaded).Because(err), "savedcode: wait for a slot")
}

func (h *Hasher) salt() ([]byte, error) {
	salt := make([]byte, saltSize)
	if _, err := io.ReadFull(h.rand, salt); err != nil {
		return nil, fmt.Errorf("savedcode: random source: %w", err)
	}
	return salt, nil
}

func argon(password, salt []byte, p Params) []byte {
	return argon2.IDKey(password, salt, p.Time, p.MemoryKiB, p.Threads, tagSize)
}
