package totp_test

import (
	"crypto/rand"
	"encoding/base32"
	"math"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/pquerna/otp"
	"github.com/pquerna/otp/hotp"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/holdfast/holdfast/internal/factor/totp"
	"github.com/holdfast/holdfast/internal/fault"
	"github.com/holdfast/holdfast/internal/secret"
)

const rfcKey = "12345678901234567890"

func codeOf(tb testing.TB, key string, step int64) secret.String {
	tb.Helper()
	text := base32.StdEncoding.EncodeToString([]byte(key))
	code, err := hotp.GenerateCodeCustom(text, uint64(step), hotp.ValidateOpts{Digits: otp.DigitsSix, Algorithm: otp.AlgorithmSHA1}) //nolint:gosec // after 1970.
	require.NoError(tb, err)
	return secret.NewString(code)
}

func verify(key, code string, unix, last int64) (int64, bool) {
	return totp.Verify([]byte(key), secret.NewString(code), time.Unix(unix, 0), last)
}

// The vectors of RFC 6238, appendix B, SHA-1, cut to six digits.
func TestVerify_AcceptsTheVectorsOfRFC6238(t *testing.T) {
	t.Parallel()
	for unix, code := range map[int64]string{
		59: "287082", 1111111109: "081804", 1111111111: "050471", 1234567890: "005924", 2000000000: "279037", 20000000000: "353130",
	} {
		step, ok := verify(rfcKey, code, unix, 0)
		require.True(t, ok, code)
		require.Equal(t, unix/30, step)
	}
}

//
func TestVerify_AcceptsOneStepBackAndNoneAhead(t *testing.T) {
	t.Parallel()
	const now = 1_767_225_600 // a step begins
	at := int64(now / 30)
	for back, want := range map[int64]bool{-2: false, -1: false, 0: true, 1: true, 2: false} {
		code := codeOf(t, rfcKey, at-back)
		for _, second := range []int64{0, 29} {
			step, ok := verify(rfcKey, code.Reveal(), now+second, 0)
			require.Equal(t, want, ok, "%d back", back)
			if want {
				require.Equal(t, at-back, step)
			}
		}
	}
}

//
func TestVerify_AcceptsNoStepTwice(t *testing.T) {
	t.Parallel()
	const now = 1_767_225_600
	current, previous := codeOf(t, rfcKey, now/30).Reveal(), codeOf(t, rfcKey, now/30-1).Reveal()

	step, ok := verify(rfcKey, current, now, 0)
	require.True(t, ok)
	_, ok = verify(rfcKey, current, now+10, step)
	require.False(t, ok, "the same code in the same step")
	_, ok = verify(rfcKey, current, now+30, step)
	require.False(t, ok, "the same code one step later")
	_, ok = verify(rfcKey, previous, now, step)
	require.False(t, ok, "an older code after a newer one")
	_, ok = verify(rfcKey, previous, now, now/30-2)
	require.True(t, ok)
	_, ok = verify(rfcKey, current, now, math.MaxInt64)
	require.False(t, ok, "the way of a decoy")
}

//
func TestVerify_RefusesShortSecrets(t *testing.T) {
	t.Parallel()
	const now = 1_767_225_600
	for _, key := range []string{"", "123456789012345"} {
		_, ok := verify(key, codeOf(t, key, now/30).Reveal(), now, 0)
		require.False(t, ok)
	}
	_, ok := verify("1234567890123456", codeOf(t, "1234567890123456", now/30).Reveal(), now, 0)
	require.True(t, ok)
}

func TestVerify_TakesSixDigitsAndNothingElse(t *testing.T) {
	t.Parallel()
	const now = 1111111109 // its code is 081804
	for _, bad := range []string{
		"", " 081804", "081804 ", "081804\n", "81804", "0081804", "08180a", "08 1804", "-81804", "+81804", "٠٨١٨٠٤", "\x00081804",
	} {
		_, ok := verify(rfcKey, bad, now, 0)
		require.False(t, ok, "%q", bad)
	}
}

func TestVerify_RefusesTimesBeforeTheFirstStep(t *testing.T) {
	t.Parallel()
	for _, unix := range []int64{-1, -31, 0, 29, math.MinInt64 / 2} {
		_, ok := verify(rfcKey, codeOf(t, rfcKey, 0).Reveal(), unix, -5)
		require.False(t, ok)
	}
}

func TestGenerate_MakesASecretThatItsOwnCodesOpen(t *testing.T) {
	t.Parallel()
	key, link, err := totp.Generate(rand.Reader, "Example & Co", "ada+1@example.com")
	require.NoError(t, err)
	require.Len(t, key.Reveal(), totp.SecretSize)

	u, err := url.Parse(link.Reveal())
	require.NoError(t, err)
	require.Equal(t, "otpauth", u.Scheme)
	require.Equal(t, "totp", u.Host)
	require.Equal(t, "/Example & Co:ada+1@example.com", u.Path)
	q := u.Query()
	require.Equal(t, "Example & Co", q.Get("issuer"))
	require.Equal(t, "30", q.Get("period"))
	require.Equal(t, "6", q.Get("digits"))
	require.Equal(t, "SHA1", q.Get("algorithm"))
	require.Equal(t, totp.Text(key).Reveal(), q.Get("secret"))

	const now = 1_767_225_600
	_, ok := totp.Verify([]byte(key.Reveal()), codeOf(t, key.Reveal(), now/30), time.Unix(now, 0), 0)
	require.True(t, ok)
	other, _, err := totp.Generate(rand.Reader, "Example", "ada")
	require.NoError(t, err)
	require.NotEqual(t, key, other)
}

func TestGenerate_NoLabelReachesIntoTheQuery(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		label := rapid.StringMatching(`[!-9;-~]{1,20}`)
		issuer, account := label.Draw(t, "issuer"), label.Draw(t, "account")
		key, link, err := totp.Generate(rand.Reader, issuer, account)
		require.NoError(t, err)

		got, err := otp.NewKeyFromURL(link.Reveal())

		require.NoError(t, err)
		require.Equal(t, issuer, got.Issuer())
		require.Equal(t, account, got.AccountName())
		require.Equal(t, totp.Text(key).Reveal(), got.Secret())
		require.Equal(t, uint64(30), got.Period())
	})
}

func TestGenerate_RefusesLabelsThatCouldPassForAnotherIssuer(t *testing.T) {
	t.Parallel()
	for _, bad := range []string{"", " ", "a:b", "a\nb", "a\x00", "\xff", strings.Repeat("x", 129), " x"} {
		_, _, err := totp.Generate(rand.Reader, bad, "ada")
		require.Equal(t, fault.CodeInvalidRequest, fault.CodeOf(err), "%q", bad)
		_, _, err = totp.Generate(rand.Reader, "Example", bad)
		require.Equal(t, fault.CodeInvalidRequest, fault.CodeOf(err), "%q", bad)
	}
	_, _, err := totp.Generate(strings.NewReader("short"), "Example", "ada")
	require.Equal(t, fault.CodeInternal, fault.CodeOf(err))
}

//
func TestVerify_StepsOnlyEverGrow(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		last, unix := int64(0), int64(1_767_225_600)
		for range rapid.IntRange(1, 20).Draw(t, "n") {
			unix += rapid.Int64Range(0, 90).Draw(t, "wait")
			code, err := hotp.GenerateCode(base32.StdEncoding.EncodeToString([]byte(rfcKey)), uint64(unix/30+rapid.Int64Range(-3, 3).Draw(t, "skew"))) //nolint:gosec // after 1970.
			require.NoError(t, err)
			if step, ok := verify(rfcKey, code, unix, last); ok {
				require.Greater(t, step, last)
				require.Contains(t, []int64{unix / 30, unix/30 - 1}, step)
				last = step
			}
		}
	})
}

func FuzzVerify(f *testing.F) {
	f.Add([]byte(rfcKey), "081804", int64(1111111109), int64(0))
	f.Add([]byte{}, "", int64(-1), int64(-1))
	f.Add([]byte(rfcKey), " 81804", int64(math.MaxInt64), int64(math.MinInt64))
	f.Fuzz(func(t *testing.T, key []byte, code string, unix, last int64) {
		step, ok := totp.Verify(key, secret.NewString(code), time.Unix(unix, 0), last)
		if ok {
			require.Len(t, code, 6)
			require.GreaterOrEqual(t, len(key), totp.MinSecretSize)
			require.Greater(t, step, last)
		}
	})
}
