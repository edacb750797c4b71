package secret

import "encoding/binary"

// Bind encodes parts so that no two different lists give the same bytes: each part follows its own length. It is what goes
// into hashes and associated data, where plain concatenation would let ("ab","c") stand for ("a","bc").
func Bind(parts ...string) []byte {
	n := 0
	for _, p := range parts {
		n += 4 + len(p)
	}
	out := make([]byte, 0, n)
	for _, p := range parts {
		out = binary.BigEndian.AppendUint32(out, uint32(len(p))) //nolint:gosec // no part comes near 4 GiB.
		out = append(out, p...)
	}
	return out
}
