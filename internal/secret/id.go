package secret

import (
	"encoding/binary"
	"io"
	"strings"
	"time"
)

const (
	crockfordLower = "0123456789abcdefghjkmnpqrstvwxyz"
	idLength       = 26 // 130 bits of base32 for 128
)

// NewID makes prefix_x, where x is a UUID of version 7 (RFC 9562) as 26 characters of lower-case Crockford base32: the text
// sorts by now, to a quarter of a microsecond, then by 62 random bits. It names a thing and is no secret: whatever it guards must
// ask for a token too.
//
// A failing r is a programmer's error, crypto/rand does not fail, and an id of less chance could collide: NewID panics.
func NewID(prefix string, now time.Time, r io.Reader) string {
	var b [16]byte
	if _, err := io.ReadFull(r, b[8:]); err != nil {
		panic("secret: random source failed")
	}
	ms := now.UnixMilli()
	sub := now.Sub(time.UnixMilli(ms)) * 4096 / time.Millisecond         // RFC 9562 section 6.2, method 3
	binary.BigEndian.PutUint64(b[:8], uint64(ms)<<16|0x7000|uint64(sub)) //nolint:gosec // neither is negative after 1970.
	b[8] = b[8]&0x3f | 0x80
	return prefix + "_" + encodeID(b)
}

// ParseID reports ErrMalformed unless s is an id of that prefix exactly as NewID writes it: one thing has one name.
func ParseID(prefix, s string) error {
	x, ok := strings.CutPrefix(s, prefix+"_")
	if !ok || !isText(x, crockfordLower, idLength) || x[0] > '7' {
		return ErrMalformed
	}
	b := decodeID(x)
	if b[6]>>4 != 7 || b[8]>>6 != 2 {
		return ErrMalformed
	}
	return nil
}

// encodeID writes 128 bits as 26 digits, the first of which holds the three highest bits.
func encodeID(b [16]byte) string {
	hi, lo := binary.BigEndian.Uint64(b[:8]), binary.BigEndian.Uint64(b[8:])
	var out [idLength]byte
	for i := idLength - 1; i >= 0; i-- {
		out[i] = crockfordLower[lo&31]
		lo = lo>>5 | hi<<59
		hi >>= 5
	}
	return string(out[:])
}

// decodeID reads what encodeID wrote. The caller has checked the alphabet and the first digit.
func decodeID(s string) [16]byte {
	var hi, lo uint64
	for i := range len(s) {
		hi = hi<<5 | lo>>59
		lo = lo<<5 | uint64(strings.IndexByte(crockfordLower, s[i])) //nolint:gosec // the index is 0 to 31.
	}
	var b [16]byte
	binary.BigEndian.PutUint64(b[:8], hi)
	binary.BigEndian.PutUint64(b[8:], lo)
	return b
}

// TimeOf gives the time at which an id of that prefix was made, to the millisecond; ErrMalformed for anything else.
func TimeOf(prefix, s string) (time.Time, error) {
	if err := ParseID(prefix, s); err != nil {
		return time.Time{}, err
	}
	b := decodeID(s[len(prefix)+1:])
	return time.UnixMilli(int64(binary.BigEndian.Uint64(b[:8]) >> 16)).UTC(), nil //nolint:gosec // 48 bits.
}
