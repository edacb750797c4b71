// Package totp enrols and checks time-based one-time codes (RFC 6238): 6 digits, 30 seconds, SHA-1, as every authenticator app
// has them.
//
// The library computes the codes. What it does not do is here: one step back and none ahead, no step twice, no
// short secret, no blanks around a code.
package totp

import (
	"encoding/base32"
	"fmt"
	"io"
	"net/url"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/pquerna/otp"
	"github.com/pquerna/otp/hotp"

	"github.com/holdfast/holdfast/internal/fault"
	"github.com/holdfast/holdfast/internal/secret"
)

const (
	// SecretSize is the size of a new secret in bytes: the 160 bits that RFC 4226 recommends.
	SecretSize = 20
	// MinSecretSize is the least that is accepted: the 128 bits that RFC 4226 R6 demands.
	MinSecretSize = 16
	// Period is the length of one step.
	Period = 30 * time.Second

	codeLength = 6
	maxLabel   = 128
)

// Generate draws a new secret of SecretSize raw bytes, to be sealed under the account's data key, and the otpauth URL that the
// app scans. The URL holds the secret too. A label that is empty, longer than 128 bytes, or holds a colon or a control
// character, which would let it pass for another issuer's, is fault.CodeInvalidRequest.
func Generate(r io.Reader, issuer, account string) (key, link secret.String, err error) {
	if !isLabel(issuer) || !isLabel(account) {
		return key, link, fault.Of(fault.CodeInvalidRequest).Detail("The label of the authenticator app is not usable.")
	}
	raw := make([]byte, SecretSize)
	if _, err := io.ReadFull(r, raw); err != nil {
		return key, link, fmt.Errorf("totp: random source: %w", err)
	}
	key = secret.NewString(string(raw))
	return key, provisioningURL(key, issuer, account), nil
}

// provisioningURL writes the otpauth URL of the app vendors' key URI format. The library's own writer leaves & and = as they
// are, so that an issuer "A & B" would cut the URL and one "A&secret=X" would put in another secret.
func provisioningURL(key secret.String, issuer, account string) secret.String {
	q := url.Values{
		"secret": {Text(key).Reveal()}, "issuer": {issuer},
		"algorithm": {"SHA1"}, "digits": {strconv.Itoa(codeLength)}, "period": {strconv.Itoa(int(Period / time.Second))},
	}
	u := url.URL{
		Scheme: "otpauth", Host: "totp",
		Path:     "/" + issuer + ":" + account,
		RawQuery: strings.ReplaceAll(q.Encode(), "+", "%20"), // apps show a plus as a plus
	}
	return secret.NewString(u.String())
}

// Text is the secret as a person types it into an app that cannot scan: base32 without padding.
func Text(key secret.String) secret.String {
	return secret.NewString(encoding().EncodeToString([]byte(key.Reveal())))
}

// Verify checks a code against the current and the previous step and says which one it is of. It refuses a step that is not
// after lastStep, the last one accepted for this secret (0 for none), so a code counts once. The caller stores the
// step in the verdict's transaction with UPDATE … WHERE last_step < step; now is the database's.
//
// Both steps are always computed and compared in constant time. To spend the same time for an account without this factor,
// verify against any other key with a lastStep of math.MaxInt64: that accepts nothing.
func Verify(key []byte, code secret.String, now time.Time, lastStep int64) (step int64, ok bool) {
	current := Step(now)
	if len(key) < MinSecretSize || current < 1 || !isCode(code.Reveal()) {
		return 0, false
	}
	text := encoding().EncodeToString(key)
	for _, s := range []int64{current - 1, current} {
		if matches(text, code.Reveal(), s) && s > lastStep {
			step, ok = s, true // the later one wins, should both match
		}
	}
	return step, ok
}

// Step is the number of whole periods since 1970: RFC 6238's T. It is negative before.
func Step(now time.Time) int64 {
	unix, period := now.Unix(), int64(Period/time.Second)
	if unix < 0 {
		return -1
	}
	return unix / period
}

func matches(text, code string, step int64) bool {
	ok, err := hotp.ValidateCustom(code, uint64(step), text, hotp.ValidateOpts{ //nolint:gosec // the step is not negative.
		Digits: otp.DigitsSix, Algorithm: otp.AlgorithmSHA1,
	})
	return ok && err == nil
}

// isCode is stricter than the library, which trims blanks.
func isCode(s string) bool {
	if len(s) != codeLength {
		return false
	}
	for _, c := range []byte(s) {
		if c < '0' || c > '9' {
			return false
		}
	}
	return true
}

func isLabel(s string) bool {
	return s != "" && len(s) <= maxLabel && utf8.ValidString(s) && strings.TrimSpace(s) == s &&
		!strings.ContainsFunc(s, func(r rune) bool { return r == ':' || unicode.IsControl(r) })
}

func encoding() *base32.Encoding { return base32.StdEncoding.WithPadding(base32.NoPadding) }
