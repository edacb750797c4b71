package secret_test

import (
	"bytes"
	"encoding/hex"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/holdfast/holdfast/internal/secret"
)

//
func TestDataKey_OpensWhatItSealed(t *testing.T) {
	t.Parallel()
	k := newRing(t)
	key, wrapped, err := k.NewDataKey("demo", "acc_1")
	require.NoError(t, err)
	opened, err := k.OpenDataKey(wrapped, "demo", "acc_1")
	require.NoError(t, err)
	rapid.Check(t, func(t *rapid.T) {
		plain := rapid.SliceOf(rapid.Byte()).Draw(t, "plain")
		aad := rapid.SliceOf(rapid.Byte()).Draw(t, "aad")
		sealed, err := key.Seal(plain, aad)
		require.NoError(t, err)

		got, err := opened.Open(sealed, aad)

		require.NoError(t, err)
		require.True(t, bytes.Equal(plain, got))
		_, err = opened.Open(sealed, append(bytes.Clone(aad), 0))
		require.ErrorIs(t, err, secret.ErrNotOpened)
		i := rapid.IntRange(0, len(sealed)-1).Draw(t, "i")
		sealed[i] ^= 1
		_, err = opened.Open(sealed, aad)
		require.ErrorIs(t, err, secret.ErrNotOpened)
	})
}

func TestDataKey_BelongsToOneAccountOfOneTenant(t *testing.T) {
	t.Parallel()
	k := newRing(t)
	_, wrapped, err := k.NewDataKey("demo", "acc_1")
	require.NoError(t, err)
	for _, other := range [][]string{parts("demo", "acc_2"), parts("demo2", "acc_1"), parts("demoa", "cc_1"), parts("", "demoacc_1")} {
		_, err := k.OpenDataKey(wrapped, other[0], other[1])
		require.ErrorIs(t, err, secret.ErrNotOpened)
	}
	_, second, err := k.NewDataKey("demo", "acc_1")
	require.NoError(t, err)
	require.NotEqual(t, wrapped, second)
}

func TestDataKey_OfAnotherAccountOpensNothing(t *testing.T) {
	t.Parallel()
	k := newRing(t)
	a, _, err := k.NewDataKey("demo", "acc_1")
	require.NoError(t, err)
	b, _, err := k.NewDataKey("demo", "acc_2")
	require.NoError(t, err)
	sealed, err := a.Seal([]byte("x"), []byte("aad"))
	require.NoError(t, err)
	_, err = b.Open(sealed, []byte("aad"))
	require.ErrorIs(t, err, secret.ErrNotOpened)
}

//
func TestDataKey_IsRewrappedOnceAfterARotation(t *testing.T) {
	t.Parallel()
	old := newRing(t)
	key, wrapped, err := old.NewDataKey("demo", "acc_1")
	require.NoError(t, err)
	sealed, err := key.Seal([]byte("a@example.com"), []byte("aad"))
	require.NoError(t, err)
	same, changed, err := old.Rewrap(wrapped, "demo", "acc_1")
	require.NoError(t, err)
	require.False(t, changed)
	require.Equal(t, wrapped, same)

	next := rotated(t, old)
	fresh, changed, err := next.Rewrap(wrapped, "demo", "acc_1")
	require.NoError(t, err)
	require.True(t, changed)
	last, err := next.Retire("k1")
	require.NoError(t, err)

	_, err = last.OpenDataKey(wrapped, "demo", "acc_1")
	require.ErrorIs(t, err, secret.ErrUnknownKey)
	opened, err := last.OpenDataKey(fresh, "demo", "acc_1")
	require.NoError(t, err)
	plain, err := opened.Open(sealed, []byte("aad"))
	require.NoError(t, err)
	require.Equal(t, "a@example.com", string(plain))
	_, _, err = next.Rewrap(wrapped, "demo", "acc_2")
	require.ErrorIs(t, err, secret.ErrNotOpened)
}

// goldenWrapped is a data key of demo/acc_1 under fixedRing.
const goldenWrapped = "01026b32129401ebd9321c9b0cbc1ec3dc859476b86b13049497405fa50edfd896de527f7746b309aafc0a30a2fa199cf122c3c6b9de81de5d412078e0af15788204e248b57111825a8d1fb194205de629ef008651a1103ed408567c98846497b0867a89f8480466a21703d7a570bcac68191c3c03f8c5ed087daedb4baf876c318e97deb4d1be69a3938fcf3049bda776d061b86232c347adba5a"

// A blob of the first release opens for ever: neither tink's encoding nor our labels may drift.
func TestDataKey_GoldenBlobStillOpens(t *testing.T) {
	t.Parallel()
	wrapped, err := hex.DecodeString(goldenWrapped)
	require.NoError(t, err)
	sealed, err := hex.DecodeString("0150fab839248b6dc9e2a8452991f6ff90c57357a21bce12c6485404800981c1f806b93e96983e")
	require.NoError(t, err)
	bound, err := hex.DecodeString("01026b324bd30d897282033c2d035272f84716f38b57ab1f9718f0a69a243fa955be7568eb7d")
	require.NoError(t, err)
	k := fixedRing(t)

	key, err := k.OpenDataKey(wrapped, "demo", "acc_1")
	require.NoError(t, err)
	plain, err := key.Open(sealed, []byte("aad"))
	require.NoError(t, err)
	require.Equal(t, "golden", string(plain))
	plain, err = k.OpenBound(secret.PurposeIdempotency, secret.NewString("bind"), bound, []byte("aad"))
	require.NoError(t, err)
	require.Equal(t, "golden", string(plain))
}

func TestSealBound_NeedsKeyPurposeBindAndAAD(t *testing.T) {
	t.Parallel()
	k, bind, aad := newRing(t), secret.NewString("client's key"), []byte("aad")
	blob, err := k.SealBound(secret.PurposeIdempotency, bind, []byte("hfg_x"), aad)
	require.NoError(t, err)

	plain, err := rotated(t, k).OpenBound(secret.PurposeIdempotency, bind, blob, aad)
	require.NoError(t, err)
	require.Equal(t, "hfg_x", string(plain))

	_, err = newRing(t).OpenBound(secret.PurposeIdempotency, bind, blob, aad)
	require.ErrorIs(t, err, secret.ErrNotOpened)
	_, err = k.OpenBound(secret.PurposeCode, bind, blob, aad)
	require.ErrorIs(t, err, secret.ErrNotOpened)
	_, err = k.OpenBound(secret.PurposeIdempotency, secret.NewString("other"), blob, aad)
	require.ErrorIs(t, err, secret.ErrNotOpened)
	_, err = k.OpenBound(secret.PurposeIdempotency, bind, blob, nil)
	require.ErrorIs(t, err, secret.ErrNotOpened)
	require.NotContains(t, string(blob), "hfg_x")
}

func FuzzOpenDataKey(f *testing.F) {
	k := fixedRing(f)
	wrapped, err := hex.DecodeString(goldenWrapped)
	require.NoError(f, err)
	f.Add(wrapped)
	f.Add(wrapped[:4])
	f.Add([]byte{1, 200})
	f.Add([]byte{})
	f.Fuzz(func(t *testing.T, blob []byte) {
		if bytes.Equal(blob, wrapped) {
			return
		}
		_, err := k.OpenDataKey(blob, "demo", "acc_1")
		require.Error(t, err)
		_, err = k.OpenBound(secret.PurposeIdempotency, secret.NewString("b"), blob, nil)
		require.Error(t, err)
	})
}

func BenchmarkDataKey_NewAndSeal(b *testing.B) {
	k := newRing(b)
	address := []byte("a.longer.address@example.com")
	b.ReportAllocs()
	for b.Loop() {
		key, _, err := k.NewDataKey("demo", "acc_1")
		require.NoError(b, err)
		_, err = key.Seal(address, []byte("channel.address"))
		require.NoError(b, err)
	}
}

func BenchmarkDataKey_OpenAndOpen(b *testing.B) {
	k := newRing(b)
	key, wrapped, err := k.NewDataKey("demo", "acc_1")
	require.NoError(b, err)
	sealed, err := key.Seal([]byte("a@example.com"), nil)
	require.NoError(b, err)
	b.ReportAllocs()
	for b.Loop() {
		key, err := k.OpenDataKey(wrapped, "demo", "acc_1")
		require.NoError(b, err)
		_, err = key.Open(sealed, nil)
		require.NoError(b, err)
	}
}

func BenchmarkIdentifierHash(b *testing.B) {
	k := newRing(b)
	for b.Loop() {
		k.IdentifierHash("demo", "email", "a@example.com")
	}
}
