package secret

import (
	"fmt"
	"io"
	"math/big"
	"strings"
)

const (
	digits = "0123456789"
	// base62 is in the order of math/big, so that derived and random tokens share one alphabet. It has no dash or underscore:
	// a double click selects the whole token, and mail programs do not cut a link before its last character.
	base62 = "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"

	// tokenLength is the number of base62 characters that hold 256 bits: 43 x log2(62) = 256.03.
	tokenLength = 43
)

// RandomText draws n characters of the alphabet, each with the same probability. Bytes of r past the largest multiple of the
// alphabet's size are thrown away, since a plain remainder would favour the first characters.
//
// The alphabet is 2 to 256 single-byte characters. r is crypto/rand.Reader outside tests.
func RandomText(r io.Reader, alphabet string, n int) (String, error) {
	size := len(alphabet)
	if size < 2 || size > 256 || n < 1 {
		return String{}, fmt.Errorf("secret: cannot draw %d of %d characters", n, size)
	}
	limit := 256 - 256%size
	out := make([]byte, 0, n)
	buf := make([]byte, n)
	for len(out) < n {
		if _, err := io.ReadFull(r, buf); err != nil {
			return String{}, fmt.Errorf("secret: random source: %w", err)
		}
		for _, b := range buf {
			if int(b) < limit && len(out) < n {
				out = append(out, alphabet[int(b)%size])
			}
		}
	}
	return NewString(string(out)), nil
}

// encode62 writes b as one base62 number of exactly width digits. The caller knows that it fits.
func encode62(b []byte, width int) string {
	s := new(big.Int).SetBytes(b).Text(62)
	return strings.Repeat("0", width-len(s)) + s
}

// isText reports whether s is exactly n characters of the alphabet.
func isText(s, alphabet string, n int) bool {
	if len(s) != n {
		return false
	}
	for i := range len(s) {
		if strings.IndexByte(alphabet, s[i]) < 0 {
			return false
		}
	}
	return true
}
