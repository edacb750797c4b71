package secret

import (
	"crypto/sha256"
	"encoding/binary"
	"hash/crc32"
	"io"
	"strings"
)

const (
	publicLength   = 12
	checksumLength = 6
	maxName        = 16
)

// Credential is a client's new API credential: hfk_<environment>_<public id>_<secret>_<checksum>.
type Credential struct {
	PublicID string            // 12 characters, unique, may be shown and logged; what the row is found by
	Token    String            // the whole text, shown to its owner once
	Hash     [sha256.Size]byte // what is stored
}

// NewCredential mints a credential of 256 random bits. The environment (a to z and 0 to 9, at most 16) tells people and
// scanners where it belongs, such as "live" or "dev"; it carries no authority.
func NewCredential(r io.Reader, environment string) (Credential, error) {
	if !isName(environment) {
		return Credential{}, ErrMalformed
	}
	public, err := RandomText(r, base62, publicLength)
	if err != nil {
		return Credential{}, err
	}
	body, err := RandomText(r, base62, tokenLength)
	if err != nil {
		return Credential{}, err
	}
	text := strings.Join([]string{PrefixCredential, environment, public.Reveal(), body.Reveal()}, "_")
	token := NewString(text + "_" + checksum(text))
	return Credential{PublicID: public.Reveal(), Token: token, Hash: HashToken(PurposeClient, token)}, nil
}

// ParseCredential reads a presented credential. Anything that NewCredential cannot have made, a wrong checksum included, is
// ErrMalformed, so that noise never costs a look-up. The checksum is no authentication: the caller finds the row by
// publicID and compares hash with Equal.
func ParseCredential(text string) (publicID string, hash [sha256.Size]byte, err error) {
	parts := strings.Split(text, "_")
	if len(parts) != 5 || parts[0] != PrefixCredential ||
		!isName(parts[1]) ||
		!isText(parts[2], base62, publicLength) ||
		!isText(parts[3], base62, tokenLength) ||
		!isText(parts[4], base62, checksumLength) {
		return "", hash, ErrMalformed
	}
	if checksum(text[:len(text)-checksumLength-1]) != parts[4] {
		return "", hash, ErrMalformed
	}
	return parts[2], HashToken(PurposeClient, NewString(text)), nil
}

// checksum is CRC-32 in six base62 digits: enough to tell a typing error or a truncated paste from a revoked credential.
func checksum(text string) string {
	return encode62(binary.BigEndian.AppendUint32(nil, crc32.ChecksumIEEE([]byte(text))), checksumLength)
}

// isName reports whether s is 1 to 16 characters of a to z and 0 to 9: an environment, or a key's id.
func isName(s string) bool {
	if s == "" || len(s) > maxName {
		return false
	}
	for _, c := range []byte(s) {
		if (c < 'a' || c > 'z') && (c < '0' || c > '9') {
			return false
		}
	}
	return true
}
