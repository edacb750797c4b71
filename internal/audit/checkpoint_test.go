package audit_test

import (
	"crypto/ed25519"
	"encoding/base64"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/mod/sumdb/note"

	"github.com/holdfast/holdfast/internal/audit"
)

const origin = "recovery.example.com/audit"

// seed is a key that anybody can guess.
type seed byte

func (s seed) private() ed25519.PrivateKey {
	b := make([]byte, ed25519.SeedSize)
	b[0] = byte(s)
	return ed25519.NewKeyFromSeed(b)
}
func (s seed) Public() ed25519.PublicKey { return s.private().Public().(ed25519.PublicKey) }
func (s seed) Sign(m []byte) []byte      { return ed25519.Sign(s.private(), m) }

func (s seed) verifier(t testing.TB) string {
	t.Helper()
	k, err := audit.VerifierKey(origin, s.Public())
	require.NoError(t, err)
	return k
}

func someCheckpoint() audit.Checkpoint {
	return audit.Checkpoint{Origin: origin, Head: audit.Head{Size: 70000, Root: audit.LeafHash([]byte("root"))}}
}

//
func TestCheckpoint_IsWrittenAsTheSpecificationSays(t *testing.T) {
	t.Parallel()
	c := someCheckpoint()
	require.Equal(t, origin+"\n70000\n"+base64.StdEncoding.EncodeToString(c.Root[:])+"\n", c.Text())
	got, err := audit.ParseCheckpoint(c.Text())
	require.NoError(t, err)
	require.Equal(t, c, got)
	_, err = audit.ParseCheckpoint(c.Text() + "an extension\n")
	require.NoError(t, err)
	for name, text := range map[string]string{
		"nothing":         "",
		"no last newline": strings.TrimSuffix(c.Text(), "\n"),
		"leading zero":    strings.Replace(c.Text(), "70000", "070000", 1),
		"a sign":          strings.Replace(c.Text(), "70000", "+70000", 1),
		"negative":        strings.Replace(c.Text(), "70000", "-1", 1),
		"too large":       strings.Replace(c.Text(), "70000", "9223372036854775808", 1),
		"no origin":       "\n1\n" + base64.StdEncoding.EncodeToString(c.Root[:]) + "\n",
		"short root":      origin + "\n1\nAAAA\n",
		"empty line":      c.Text() + "\n",
	} {
		_, err := audit.ParseCheckpoint(text)
		require.ErrorIs(t, err, audit.ErrCheckpoint, name)
	}
}

// notes are checked with x/mod's own verifier, and ours takes what its signer writes.
func TestSignCheckpoint_IsAcceptedByAnotherVerifier(t *testing.T) {
	t.Parallel()
	signed, err := audit.SignCheckpoint(someCheckpoint(), seed(1), seed(2))
	require.NoError(t, err)
	for _, known := range []seed{1, 2} {
		v, err := note.NewVerifier(known.verifier(t))
		require.NoError(t, err)
		n, err := note.Open(signed, note.VerifierList(v))
		require.NoError(t, err)
		require.Equal(t, someCheckpoint().Text(), n.Text)
		require.Len(t, n.Sigs, 1)
		require.Len(t, n.UnverifiedSigs, 1, "a key that is not known is passed over")
		require.True(t, audit.SignedBy(signed, known.verifier(t)))
	}
	require.False(t, audit.SignedBy(signed, seed(3).verifier(t)))

	skey, vkey, err := note.GenerateKey(nil, origin)
	require.NoError(t, err)
	signer, err := note.NewSigner(skey)
	require.NoError(t, err)
	theirs, err := note.Sign(&note.Note{Text: someCheckpoint().Text()}, signer)
	require.NoError(t, err)
	got, err := audit.OpenCheckpoint(theirs, []string{vkey})
	require.NoError(t, err)
	require.Equal(t, someCheckpoint(), got)
}

//
func TestOpenCheckpoint_RefusesWhatNobodyKnownSigned(t *testing.T) {
	t.Parallel()
	signed, err := audit.SignCheckpoint(someCheckpoint(), seed(1))
	require.NoError(t, err)
	_, err = audit.OpenCheckpoint(signed, []string{seed(2).verifier(t)})
	require.Error(t, err, "unknown keys alone")
	_, err = audit.OpenCheckpoint(signed, nil)
	require.Error(t, err, "no keys")
	_, err = audit.OpenCheckpoint([]byte(strings.Replace(string(signed), "70000", "70001", 1)), []string{seed(1).verifier(t)})
	require.Error(t, err, "another size")
	forged := signed[:len(signed)-3]
	forged = append(forged[:len(forged)-8], []byte("AAAAAAAA\n")...)
	_, err = audit.OpenCheckpoint(forged, []string{seed(1).verifier(t)})
	require.Error(t, err, "a wrong signature by a known key")
	other, err := audit.VerifierKey("another.example.com/log", seed(1).Public())
	require.NoError(t, err)
	_, err = audit.OpenCheckpoint(signed, []string{other})
	require.Error(t, err, "the same key under another name")
	_, err = audit.OpenCheckpoint(signed, []string{"no key"})
	require.Error(t, err)
}

// a note with many signatures is a note.
func TestOpenCheckpoint_TakesSixteenSignatures(t *testing.T) {
	t.Parallel()
	var keys []audit.SigningKey
	for i := range 16 {
		keys = append(keys, seed(i+1))
	}
	signed, err := audit.SignCheckpoint(someCheckpoint(), keys...)
	require.NoError(t, err)
	got, err := audit.OpenCheckpoint(signed, []string{seed(16).verifier(t), seed(16).verifier(t)})
	require.NoError(t, err)
	require.Equal(t, someCheckpoint(), got)
}

func TestValidOrigin_RefusesWhatNoKeyMayBeCalled(t *testing.T) {
	t.Parallel()
	require.True(t, audit.ValidOrigin(origin))
	for _, bad := range []string{"", "a b", "a+b", "a\nb", "é", strings.Repeat("a", 201)} {
		require.False(t, audit.ValidOrigin(bad), bad)
		_, err := audit.VerifierKey(bad, seed(1).Public())
		require.Error(t, err)
	}
}

func FuzzParseCheckpoint(f *testing.F) {
	f.Add(someCheckpoint().Text())
	f.Add("o\n0\nAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=\next\n")
	f.Fuzz(func(t *testing.T, text string) {
		c, err := audit.ParseCheckpoint(text)
		if err != nil {
			return
		}
		again, err := audit.ParseCheckpoint(c.Text())
		require.NoError(t, err)
		require.Equal(t, c, again)
		require.True(t, strings.HasPrefix(text, c.Text()))
	})
}
