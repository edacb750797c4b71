package secret_test

import (
	"bytes"
	"crypto/rand"
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/holdfast/holdfast/internal/secret"
)

//
func TestNewToken_Holds256BitsAndNeverRepeats(t *testing.T) {
	t.Parallel()
	seen := map[string]bool{}
	for range 1000 {
		token, err := secret.NewToken(rand.Reader, secret.PrefixClaimant)
		require.NoError(t, err)
		require.Regexp(t, `^hfc_[0-9A-Za-z]{43}$`, token.Reveal())
		require.NoError(t, secret.CheckToken(secret.PrefixClaimant, token))
		require.ErrorIs(t, secret.CheckToken(secret.PrefixGrant, token), secret.ErrMalformed)
		require.False(t, seen[token.Reveal()])
		seen[token.Reveal()] = true
	}
	token, err := secret.NewToken(rand.Reader, "hfc")
	require.NoError(t, err)
	require.NotContains(t, fmt.Sprintf("%v %+v %#v", token, token, token), token.Reveal())
}

func TestNewToken_ReportsAFailingSource(t *testing.T) {
	t.Parallel()
	_, err := secret.NewToken(bytes.NewReader([]byte("short")), "hfc")
	require.Error(t, err)
}

func TestHashToken_SeparatesPurposes(t *testing.T) {
	t.Parallel()
	token := secret.NewString("hfg_x")
	a, b := secret.HashToken(secret.PurposeGrant, token), secret.HashToken(secret.PurposeClaimant, token)
	require.NotEqual(t, a, b)
	require.Equal(t, a, secret.HashToken(secret.PurposeGrant, secret.NewString("hfg_x")))
}

//
func TestMintCode_DigitsAreUniformAndLeadingZerosStay(t *testing.T) {
	t.Parallel()
	const n = 20000
	var at [8][10]int
	for range n {
		code, err := secret.MintCode(rand.Reader, 8)
		require.NoError(t, err)
		require.Regexp(t, `^[0-9]{8}$`, code.Reveal())
		for i, c := range code.Reveal() {
			at[i][c-'0']++
		}
	}
	for i := range at {
		chi := 0.0
		for _, got := range at[i] {
			d := float64(got) - n/10
			chi += d * d / (n / 10)
		}
		require.Less(t, chi, 50.0, "position %d: nine degrees of freedom exceed 50 once in ten million runs", i)
	}
}

//
func TestMintCode_RejectsBytesThatWouldFavourLowDigits(t *testing.T) {
	t.Parallel()
	code, err := secret.MintCode(bytes.NewReader([]byte{255, 250, 249, 0, 10, 251, 1, 2, 3, 9, 8, 7}), 6)
	require.NoError(t, err)
	require.Equal(t, "900123", code.Reveal())
}

//
func TestMintCode_HoldsToItsBounds(t *testing.T) {
	t.Parallel()
	for _, n := range []int{-1, 0, 5, 11} {
		_, err := secret.MintCode(rand.Reader, n)
		require.Error(t, err)
	}
	for n := secret.MinCodeDigits; n <= secret.MaxCodeDigits; n++ {
		code, err := secret.MintCode(rand.Reader, n)
		require.NoError(t, err)
		require.Len(t, code.Reveal(), n)
	}
}

func TestCredential_ParsesToItsIDAndHash(t *testing.T) {
	t.Parallel()
	for range 200 {
		c, err := secret.NewCredential(rand.Reader, "dev")
		require.NoError(t, err)
		require.Regexp(t, `^hfk_dev_[0-9A-Za-z]{12}_[0-9A-Za-z]{43}_[0-9A-Za-z]{6}$`, c.Token.Reveal())

		id, hash, err := secret.ParseCredential(c.Token.Reveal())

		require.NoError(t, err)
		require.Equal(t, c.PublicID, id)
		require.Equal(t, c.Hash, hash)
	}
}

func TestCredential_ATypingErrorIsRefusedBeforeAnyLookUp(t *testing.T) {
	t.Parallel()
	c, err := secret.NewCredential(rand.Reader, "live")
	require.NoError(t, err)
	text := c.Token.Reveal()
	for i := range text {
		for _, other := range []byte{'0', 'a', '_', ' ', 0xff} {
			if text[i] == other {
				continue
			}
			_, _, err := secret.ParseCredential(text[:i] + string(other) + text[i+1:])
			require.ErrorIs(t, err, secret.ErrMalformed)
		}
	}
	for _, bad := range []string{"", "hfk", text + " ", " " + text, text[1:], text[:len(text)-1], strings.ToUpper(text), text + "_" + text} {
		_, _, err := secret.ParseCredential(bad)
		require.ErrorIs(t, err, secret.ErrMalformed)
	}
	for _, env := range []string{"", "Live", "a_b", "abcdefghijklmnopq"} {
		_, err := secret.NewCredential(rand.Reader, env)
		require.ErrorIs(t, err, secret.ErrMalformed)
	}
}

func FuzzParseCredential(f *testing.F) {
	c, err := secret.NewCredential(rand.Reader, "dev")
	require.NoError(f, err)
	f.Add(c.Token.Reveal())
	f.Add("hfk_dev_a_b_c")
	f.Add("____")
	f.Fuzz(func(t *testing.T, text string) {
		id, hash, err := secret.ParseCredential(text)
		if err != nil {
			require.ErrorIs(t, err, secret.ErrMalformed)
			require.Empty(t, id)
			return
		}
		require.Contains(t, text, id)
		require.Equal(t, secret.HashToken(secret.PurposeClient, secret.NewString(text)), hash)
	})
}

func FuzzCheckToken(f *testing.F) {
	token, err := secret.NewToken(rand.Reader, "hfg")
	require.NoError(f, err)
	f.Add(token.Reveal())
	f.Add("hfg_")
	f.Fuzz(func(t *testing.T, text string) {
		if secret.CheckToken("hfg", secret.NewString(text)) == nil {
			require.Len(t, text, 47)
		}
	})
}

//
func TestObjectionToken_WorksAcrossARotation(t *testing.T) {
	t.Parallel()
	old := newRing(t)
	token := old.ObjectionToken("ntc_1")
	stored := secret.HashToken(secret.PurposeObjection, token)
	require.Regexp(t, `^hfo_k1_[0-9A-Za-z]{43}$`, token.Reveal())
	require.Equal(t, token, old.ObjectionToken("ntc_1"), "the sender can make it again")
	require.NotEqual(t, token, old.ObjectionToken("ntc_2"))
	require.NoError(t, secret.CheckObjectionToken(token))

	next := rotated(t, old)

	require.NotEqual(t, token, next.ObjectionToken("ntc_1"))
	require.True(t, next.VerifyObjectionToken(token, "ntc_1"), "a link sent before still works")
	again, err := next.ObjectionTokenFor("ntc_1", stored[:])
	require.NoError(t, err)
	require.Equal(t, token, again, "a message sent again carries the link that its row expects")
	require.False(t, next.VerifyObjectionToken(token, "ntc_2"))

	last, err := next.Retire("k1")
	require.NoError(t, err)
	require.False(t, last.VerifyObjectionToken(token, "ntc_1"))
	_, err = last.ObjectionTokenFor("ntc_1", stored[:])
	require.ErrorIs(t, err, secret.ErrUnknownKey)
}

func TestClaimLinkToken_WorksAcrossARotationAndIsNoObjection(t *testing.T) {
	t.Parallel()
	old := newRing(t)
	token := old.ClaimLinkToken("ntc_1")
	stored := secret.HashToken(secret.PurposeClaimLink, token)
	require.Regexp(t, `^hfl_k1_[0-9A-Za-z]{43}$`, token.Reveal())
	require.NotEqual(t, token, old.ClaimLinkToken("ntc_2"))
	require.NoError(t, secret.CheckClaimLinkToken(token))
	require.Error(t, secret.CheckObjectionToken(token))
	require.Error(t, secret.CheckClaimLinkToken(old.ObjectionToken("ntc_1")))
	require.NotEqual(t, token.Reveal()[4:], old.ObjectionToken("ntc_1").Reveal()[4:], "another purpose, another key")
	require.NotEqual(t, old.ClaimToken("ntc_1").Reveal()[4:], token.Reveal()[7:])

	again, err := rotated(t, old).ClaimLinkTokenFor("ntc_1", stored[:])
	require.NoError(t, err)
	require.Equal(t, token, again, "a message sent again carries the link that its row expects")
	_, err = old.ClaimLinkTokenFor("ntc_2", stored[:])
	require.ErrorIs(t, err, secret.ErrUnknownKey)
}

func FuzzCheckClaimLinkToken(f *testing.F) {
	f.Add(fixedRing(f).ClaimLinkToken("ntc_1").Reveal())
	f.Add("hfl_k1_")
	f.Add("hfl__" + strings.Repeat("0", 43))
	f.Fuzz(func(t *testing.T, text string) {
		if secret.CheckClaimLinkToken(secret.NewString(text)) == nil {
			require.Equal(t, 2, strings.Count(text, "_"))
			require.True(t, strings.HasPrefix(text, "hfl_"))
		}
	})
}

func FuzzCheckObjectionToken(f *testing.F) {
	k := fixedRing(f)
	f.Add(k.ObjectionToken("ntc_1").Reveal())
	f.Add("hfo_k1_")
	f.Add("hfo__" + strings.Repeat("0", 43))
	f.Fuzz(func(t *testing.T, text string) {
		token := secret.NewString(text)
		ok := k.VerifyObjectionToken(token, "ntc_1")
		if secret.CheckObjectionToken(token) != nil {
			require.False(t, ok)
		}
	})
}
