package idempotency

import (
	"github.com/holdfast/holdfast/internal/fault"
	"github.com/holdfast/holdfast/internal/secret"
)

// Header is the request header that carries the key.
const Header = "Idempotency-Key"

// MaxLength bounds the key's text, in characters.
const MaxLength = 255

// Parse reads the values of the request's Idempotency-Key headers. There must be exactly one, an RFC 8941 string: in double
// quotes, of printable ASCII, with \" and \\ for those two characters, 1 to MaxLength characters, without parameters (R-148).
//
// No header is fault.CodeIdempotencyMissing; anything else that is not that is fault.CodeIdempotencyKey. Neither repeats the value.
func Parse(values []string) (secret.String, error) {
	switch len(values) {
	case 0:
		return secret.String{}, fault.Of(fault.CodeIdempotencyMissing).At("header "+Header, "is required")
	case 1:
		text, ok := unquote(values[0])
		if !ok || text == "" || len(text) > MaxLength {
			return secret.String{}, fault.Of(fault.CodeIdempotencyKey).At("header "+Header, "must be a quoted string of 1 to 255 characters")
		}
		return secret.NewString(text), nil
	default:
		return secret.String{}, fault.Of(fault.CodeIdempotencyKey).At("header "+Header, "must be sent once")
	}
}

// unquote is the algorithm of RFC 8941 section 4.2.5, and demands the end of the text after it.
func unquote(s string) (string, bool) {
	if len(s) < 2 || len(s) > 2*MaxLength+2 || s[0] != '"' {
		return "", false
	}
	out := make([]byte, 0, len(s))
	for i := 1; i < len(s); i++ {
		switch c := s[i]; {
		case c == '"':
			return string(out), i == len(s)-1
		case c == '\\':
			i++
			if i == len(s) || (s[i] != '"' && s[i] != '\\') {
				return "", false
			}
			out = append(out, s[i])
		case c < 0x20 || c > 0x7e:
			return "", false
		default:
			out = append(out, c)
		}
	}
	return "", false // the closing quote is missing
}
