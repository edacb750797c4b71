package secret

import "strings"

// Crockford is the base32 alphabet of ids, references and saved codes: no I, L, O or U, so that what is read aloud or copied by
// hand survives it.
const Crockford = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"

// maxTyped bounds what a person may have typed before it is looked at.
const maxTyped = 128

// FoldCrockford brings typed text to the alphabet: case, dashes and spaces do not matter, O reads as 0, I and L as 1. Anything
// else, U included, is ErrMalformed.
func FoldCrockford(typed string) (string, error) {
	if len(typed) > maxTyped {
		return "", ErrMalformed
	}
	out := make([]byte, 0, len(typed))
	for _, c := range []byte(typed) {
		if 'a' <= c && c <= 'z' {
			c -= 'a' - 'A'
		}
		switch c {
		case '-', ' ':
			continue
		case 'O':
			c = '0'
		case 'I', 'L':
			c = '1'
		}
		if strings.IndexByte(Crockford, c) < 0 {
			return "", ErrMalformed
		}
		out = append(out, c)
	}
	return string(out), nil
}
