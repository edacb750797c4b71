package savedcode

import (
	"context"
	"crypto/rand"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/holdfast/holdfast/internal/fault"
	"github.com/holdfast/holdfast/internal/secret"
)

const body = "0123456789ABCDEFGHJKMNPQRS"

func newRing(tb testing.TB) *secret.Keyring {
	tb.Helper()
	k, err := secret.GenerateKeyring(rand.Reader)
	require.NoError(tb, err)
	return k
}

func newHasher(tb testing.TB, keys *secret.Keyring, cfg Config) *Hasher {
	tb.Helper()
	cfg.Rand = rand.Reader
	h, err := NewHasher(keys, cfg)
	require.NoError(tb, err)
	return h
}

//
func TestHasher_AcceptsTheBodyItHashedAndNoOther(t *testing.T) {
	t.Parallel()
	keys := newRing(t)
	h := newHasher(t, keys, Config{})
	a, err := h.Hash(t.Context(), secret.NewString(body))
	require.NoError(t, err)
	b, err := h.Hash(t.Context(), secret.NewString(body))
	require.NoError(t, err)
	require.NotEqual(t, a, b, "two equal codes give different rows")
	require.Regexp(t, `^\$argon2id\$v=19\$m=19456,t=2,p=1,keyid=k1\$[A-Za-z0-9+/]{22}\$[A-Za-z0-9+/]{43}$`, a)
	require.NotContains(t, a, body)

	ok, rehash, err := h.Verify(t.Context(), a, secret.NewString(body))
	require.NoError(t, err)
	require.True(t, ok)
	require.False(t, rehash)
	ok, _, err = h.Verify(t.Context(), a, secret.NewString(body[1:]+"0"))
	require.NoError(t, err)
	require.False(t, ok)

	ok, _, err = newHasher(t, newRing(t), Config{}).Verify(t.Context(), a, secret.NewString(body))
	require.NoError(t, err)
	require.False(t, ok, "without the pepper the row is worth nothing")
}

//
func TestHasher_AsksForARehashAfterARotationOrACostChange(t *testing.T) {
	t.Parallel()
	old := newRing(t)
	phc, err := newHasher(t, old, Config{}).Hash(t.Context(), secret.NewString(body))
	require.NoError(t, err)
	next, err := old.Rotate(rand.Reader)
	require.NoError(t, err)

	ok, rehash, err := newHasher(t, next, Config{}).Verify(t.Context(), phc, secret.NewString(body))
	require.NoError(t, err)
	require.True(t, ok)
	require.True(t, rehash)

	dearer := Floor()
	dearer.Time++
	ok, rehash, err = newHasher(t, old, Config{Params: dearer}).Verify(t.Context(), phc, secret.NewString(body))
	require.NoError(t, err)
	require.True(t, ok)
	require.True(t, rehash)

	last, err := next.Retire("k1")
	require.NoError(t, err)
	_, _, err = newHasher(t, last, Config{}).Verify(t.Context(), phc, secret.NewString(body))
	require.ErrorIs(t, err, secret.ErrUnknownKey)
	require.Equal(t, fault.CodeInternal, fault.CodeOf(err))
}

//
func TestNewHasher_RefusesCostsOutsideItsBounds(t *testing.T) {
	t.Parallel()
	keys := newRing(t)
	for _, p := range []Params{
		{MemoryKiB: 19455, Time: 2, Threads: 1},
		{MemoryKiB: 19456, Time: 1, Threads: 1},
		{MemoryKiB: 19456, Time: 2},
		{MemoryKiB: 1<<20 + 1, Time: 2, Threads: 1},
		{MemoryKiB: 19456, Time: 17, Threads: 1},
	} {
		_, err := NewHasher(keys, Config{Params: p, Rand: rand.Reader})
		require.Error(t, err)
	}
	_, err := NewHasher(nil, Config{Rand: rand.Reader})
	require.Error(t, err)
	_, err = NewHasher(keys, Config{})
	require.Error(t, err)
	_, err = NewHasher(keys, Config{Rand: rand.Reader, Concurrent: -1})
	require.Error(t, err)
	_, err = NewHasher(keys, Config{Rand: strings.NewReader("short")})
	require.Error(t, err)
}

//
func TestHasher_AnUnknownPrefixCostsTheSameWork(t *testing.T) {
	t.Parallel()
	h := newHasher(t, newRing(t), Config{})
	phc, err := h.Hash(t.Context(), secret.NewString(body))
	require.NoError(t, err)
	var asked []Params
	h.derive = func(_, _ []byte, p Params) []byte {
		asked = append(asked, p)
		return make([]byte, tagSize-1)
	}

	_, _, err = h.Verify(t.Context(), phc, secret.NewString(body))
	require.NoError(t, err)
	require.NoError(t, h.VerifyDummy(t.Context(), secret.NewString(body)))

	require.Equal(t, []Params{Floor(), Floor()}, asked)
}

//
func TestHasher_RunsNoMoreAtOnceThanItMay(t *testing.T) {
	t.Parallel()
	const limit, callers = 3, 50
	h := newHasher(t, newRing(t), Config{Concurrent: limit})
	var running, most atomic.Int32
	started, release := make(chan struct{}, callers), make(chan struct{})
	h.derive = func(_, _ []byte, _ Params) []byte {
		now := running.Add(1)
		for m := most.Load(); now > m && !most.CompareAndSwap(m, now); m = most.Load() { //nolint:revive // a maximum.
		}
		started <- struct{}{}
		<-release
		running.Add(-1)
		return make([]byte, tagSize)
	}
	done := make(chan error, callers)
	for range callers {
		go func() { done <- h.VerifyDummy(t.Context(), secret.NewString(body)) }()
	}
	for range limit {
		<-started
	}

	ctx, cancel := context.WithCancel(t.Context())
	waiting := make(chan error, 1)
	go func() {
		_, err := h.Hash(ctx, secret.NewString(body))
		waiting <- err
	}()
	cancel()
	err := <-waiting
	require.Equal(t, fault.CodeOverloaded, fault.CodeOf(err), "a caller that gives up is told so")
	require.ErrorIs(t, err, context.Canceled)

	close(release)
	for range callers {
		require.NoError(t, <-done)
	}
	require.Equal(t, int32(limit), most.Load())
}

func TestHasher_TakesNoSlotForACallerThatIsGone(t *testing.T) {
	t.Parallel()
	h := newHasher(t, newRing(t), Config{})
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	h.derive = func(_, _ []byte, _ Params) []byte { panic("no work is wanted") }
	for range 50 { // a select between a free slot and an ended context would pick either
		require.Equal(t, fault.CodeOverloaded, fault.CodeOf(h.VerifyDummy(ctx, secret.NewString(body))))
	}
}

func TestParseRecord_RefusesWhatItDidNotWrite(t *testing.T) {
	t.Parallel()
	good := record{params: Floor(), keyID: "k1", salt: make([]byte, saltSize), tag: make([]byte, tagSize)}.String()
	got, err := parseRecord(good)
	require.NoError(t, err)
	require.Equal(t, Floor(), got.params)
	for _, change := range [][2]string{
		{"argon2id", "argon2i"},
		{"v=19", "v=16"},
		{"m=19456", "m=8"},
		{"m=19456", "m=019456"},
		{"m=19456", "m=4294967295"},
		{"m=19456", "m=99999999999"},
		{"t=2", "t=1"},
		{"t=2", "t=1000000"},
		{"p=1", "p=0"},
		{"p=1", "p=256"},
		{"keyid=k1", "keyid="},
		{",keyid=k1", ""},
		{"$AAAA", "$AAA"},
		{"A$", "B$"},
	} {
		require.Contains(t, good, change[0])
		_, err := parseRecord(strings.Replace(good, change[0], change[1], 1))
		require.ErrorIs(t, err, errRecord, "%v", change)
	}
	_, _, err = newHasher(t, newRing(t), Config{}).Verify(t.Context(), "$2a$10$x", secret.NewString(body))
	require.Equal(t, fault.CodeInternal, fault.CodeOf(err))
}

func FuzzParseRecord(f *testing.F) {
	f.Add(record{params: Floor(), keyID: "k1", salt: make([]byte, saltSize), tag: make([]byte, tagSize)}.String())
	f.Add("$argon2id$v=19$m=,t=,p=,keyid=$$")
	f.Add("$$$$$")
	f.Fuzz(func(t *testing.T, phc string) {
		r, err := parseRecord(phc)
		if err == nil {
			require.Equal(t, phc, r.String())
		}
	})
}

func BenchmarkHasher_Verify(b *testing.B) {
	h := newHasher(b, newRing(b), Config{})
	phc, err := h.Hash(b.Context(), secret.NewString(body))
	require.NoError(b, err)
	b.ReportAllocs()
	for b.Loop() {
		_, _, err := h.Verify(b.Context(), phc, secret.NewString(body))
		require.NoError(b, err)
	}
}
