package secret_test

import (
	"encoding/hex"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/holdfast/holdfast/internal/secret"
)

// What is stored was made under these labels: a change here orphans every row.
func TestKeyring_DerivedKeysDoNotDrift(t *testing.T) {
	t.Parallel()
	k := fixedRing(t)
	for purpose, want := range map[secret.Purpose]string{
		secret.PurposeIdentifier:  "7c93b5fce1bbf0c811be505c",
		secret.PurposeCode:        "c2a4bb640ab4b2446e781c83",
		secret.PurposePepper:      "74e3ee5d3eebf121e3fbc80c",
		secret.PurposeKEK:         "4866f579f38d2fe1c4de58ef",
		secret.PurposeObjection:   "6437a720173d038868e9f545",
		secret.PurposeIdempotency: "98625980aa7f0ed8974aa313",
		secret.PurposeNetwork:     "f88b4fc831dd46c92403713a",
		secret.PurposeDevice:      "4dbc0736d2a0fc2257b77658",
		secret.PurposeDestination: "854802a0fe6546e9c0bcaa97",
		secret.PurposeDecoy:       "c1429fdaa62deb5483edcc2a",
		secret.PurposeReply:       "5cdd0f3d300d10f685172ab2",
	} {
		require.Equal(t, want, hex.EncodeToString(k.MAC(purpose, "golden", "")[:12]), string(purpose))
	}
	require.Equal(t, "dba3c4eb-024a-8fe6-a0d0-30cde1564ae7", k.DecoySubject("demo", "email", "a@example.com"))
	require.Equal(t, "hfo_k2_6AyqpoHHNg2wXL1s0GWvHcYFGGPYrDPbNIYB2rJbE5J", k.ObjectionToken("ntc_1").Reveal())
	h := secret.HashToken(secret.PurposeGrant, secret.NewString("hfg_1"))
	require.Equal(t, "0d5fbb786f676ac2ffb0f151", hex.EncodeToString(h[:12]))
}

func TestKeyring_AnUnknownPurposeNeverHashesUnderAnEmptyKey(t *testing.T) {
	t.Parallel()
	k := newRing(t)
	require.Panics(t, func() { k.MAC("typo", "x") })
	require.Panics(t, func() { _, _ = k.SealBound("typo", secret.NewString("b"), nil, nil) })
}

func TestBind_TellsListsApart(t *testing.T) {
	t.Parallel()
	require.NotEqual(t, secret.Bind("ab", "c"), secret.Bind("a", "bc"))
	require.NotEqual(t, secret.Bind("a"), secret.Bind("a", ""))
	rapid.Check(t, func(t *rapid.T) {
		a, b := rapid.SliceOf(rapid.String()).Draw(t, "a"), rapid.SliceOf(rapid.String()).Draw(t, "b")
		same := len(a) == len(b)
		for i := 0; same && i < len(a); i++ {
			same = a[i] == b[i]
		}
		require.Equal(t, same, string(secret.Bind(a...)) == string(secret.Bind(b...)))
	})
}

func TestKeyring_IdentifiersAreFoundAcrossARotation(t *testing.T) {
	t.Parallel()
	old := newRing(t)
	stored := old.IdentifierHash("demo", "email", "a@example.com")
	next := rotated(t, rotated(t, old))

	hashes := next.IdentifierHashes("demo", "email", "a@example.com")

	require.Len(t, hashes, 3)
	require.Equal(t, next.IdentifierHash("demo", "email", "a@example.com"), hashes[0], "the primary's comes first")
	require.Equal(t, stored, hashes[2])
	for _, other := range [][]string{
		parts("demo2", "email", "a@example.com"), parts("demo", "phone", "a@example.com"),
		parts("demo", "email", "b@example.com"), parts("demoe", "mail", "a@example.com"),
	} {
		require.NotContains(t, hashes, next.IdentifierHash(other[0], other[1], other[2]))
	}
}

func TestKeyring_ADecoySubjectOutlivesARotation(t *testing.T) {
	t.Parallel()
	old := newRing(t)
	was := old.DecoySubject("demo", "email", "a@example.com")

	next := rotated(t, old)

	require.Equal(t, was, next.DecoySubject("demo", "email", "a@example.com"))
	require.Regexp(t, `^[0-9a-f]{8}-[0-9a-f]{4}-8[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$`, was)
	require.NotEqual(t, was, next.DecoySubject("demo", "email", "b@example.com"))
	require.NotEqual(t, was, next.DecoySubject("other", "email", "a@example.com"))
}

//
func TestKeyring_ACodeIsBoundToItsRecoveryAndChallenge(t *testing.T) {
	t.Parallel()
	k := newRing(t)
	code := secret.NewString("00123456")
	hash := k.CodeHash("rcv_a", "chl_1", code)

	require.Len(t, hash, 32)
	require.True(t, k.VerifyCode(hash, "rcv_a", "chl_1", code))
	require.True(t, rotated(t, k).VerifyCode(hash, "rcv_a", "chl_1", code), "a rotation ends no challenge")
	require.False(t, newRing(t).VerifyCode(hash, "rcv_a", "chl_1", code))
	require.False(t, k.VerifyCode(hash, "rcv_b", "chl_1", code))
	require.False(t, k.VerifyCode(hash, "rcv_a", "chl_2", code))
	require.False(t, k.VerifyCode(hash, "rcv_ac", "hl_1", code))
	require.False(t, k.VerifyCode(hash, "rcv_a", "chl_1", secret.NewString("123456")))
	require.False(t, k.VerifyCode(nil, "rcv_a", "chl_1", code))
	require.False(t, k.VerifyCode(hash[:16], "rcv_a", "chl_1", code))
}

//
func TestKeyring_APepperIsFoundByItsKeyID(t *testing.T) {
	t.Parallel()
	old := newRing(t)
	id, sum := old.Pepper(secret.NewString("BODY"))
	next := rotated(t, old)

	again, err := next.PepperUnder(id, secret.NewString("BODY"))
	require.NoError(t, err)
	require.Equal(t, sum, again)
	newID, newSum := next.Pepper(secret.NewString("BODY"))
	require.NotEqual(t, id, newID)
	require.NotEqual(t, sum, newSum)
	_, err = old.PepperUnder(newID, secret.NewString("BODY"))
	require.ErrorIs(t, err, secret.ErrUnknownKey)
}

func TestEqual_ComparesBytes(t *testing.T) {
	t.Parallel()
	require.True(t, secret.Equal([]byte("ab"), []byte("ab")))
	require.False(t, secret.Equal([]byte("ab"), []byte("ac")))
	require.False(t, secret.Equal([]byte("ab"), []byte("abc")))
}
