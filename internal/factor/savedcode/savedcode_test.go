package savedcode_test

import (
	"bytes"
	"crypto/rand"
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/holdfast/holdfast/internal/factor/savedcode"
	"github.com/holdfast/holdfast/internal/secret"
)

//
func TestMint_DrawsDistinctCodesOf130Bits(t *testing.T) {
	t.Parallel()
	seen := map[string]bool{}
	for range 50 {
		codes, err := savedcode.Mint(rand.Reader, 10)
		require.NoError(t, err)
		require.Len(t, codes, 10)
		for _, c := range codes {
			require.Regexp(t, `^([0-9A-HJKMNP-TV-Z]{4}-){2}([0-9A-HJKMNP-TV-Z]{5}-){4}[0-9A-HJKMNP-TV-Z]{6}$`, c.Plain.Reveal())
			require.Len(t, c.Body.Reveal(), 26)
			require.Len(t, c.Prefix, 8)
			require.False(t, seen[c.Body.Reveal()])
			seen[c.Body.Reveal()] = true
			require.NotContains(t, fmt.Sprintf("%v %+v %#v", c, c, c), c.Body.Reveal())
		}
	}
	for _, n := range []int{-1, 0, savedcode.MaxCodes + 1} {
		_, err := savedcode.Mint(rand.Reader, n)
		require.Error(t, err)
	}
	_, err := savedcode.Mint(bytes.NewReader(make([]byte, 40)), 2)
	require.Error(t, err)
}

func TestParse_ReadsACodeAsPeopleTypeIt(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		codes, err := savedcode.Mint(rand.Reader, 1)
		require.NoError(t, err)
		c := codes[0]
		var typed strings.Builder
		for _, r := range c.Plain.Reveal() {
			s := string(r)
			switch {
			case s == "0":
				s = rapid.SampledFrom([]string{"0", "O", "o"}).Draw(t, "zero")
			case s == "1":
				s = rapid.SampledFrom([]string{"1", "I", "l", "L", "i"}).Draw(t, "one")
			case s == "-":
				s = rapid.SampledFrom([]string{"-", " ", "", " - "}).Draw(t, "gap")
			case rapid.Bool().Draw(t, "lower"):
				s = strings.ToLower(s)
			}
			typed.WriteString(s)
		}

		prefix, body, err := savedcode.Parse(secret.NewString(typed.String()))

		require.NoError(t, err)
		require.Equal(t, c.Prefix, prefix)
		require.Equal(t, c.Body, body)
	})
}

func TestParse_RefusesEverythingElse(t *testing.T) {
	t.Parallel()
	good := strings.Repeat("7", 34)
	for _, bad := range []string{
		"", "-", good[1:], good + "7", good[1:] + "U", good[1:] + "_", good + "\n", good[1:] + "é", good[:33] + "\x00", "HF-7K2M-9QXD", strings.Repeat(" ", 200) + good,
	} {
		prefix, body, err := savedcode.Parse(secret.NewString(bad))
		require.ErrorIs(t, err, secret.ErrMalformed)
		require.Empty(t, prefix)
		require.True(t, body.IsZero())
	}
}

func FuzzParse(f *testing.F) {
	f.Add("ABCD-EFGH-JKMNP-QRSTV-WXYZ0-12345-6789AB")
	f.Add("oil")
	f.Add(strings.Repeat("-", 129))
	f.Fuzz(func(t *testing.T, typed string) {
		prefix, body, err := savedcode.Parse(secret.NewString(typed))
		if err != nil {
			require.ErrorIs(t, err, secret.ErrMalformed)
			return
		}
		p, b, err := savedcode.Parse(secret.NewString(prefix + body.Reveal()))
		require.NoError(t, err)
		require.Equal(t, prefix, p)
		require.Equal(t, body, b)
	})
}
