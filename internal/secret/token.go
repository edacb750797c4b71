package secret

import (
	"crypto/sha256"
	"crypto/subtle"
	"io"
	"strings"
)

// The prefixes of the tokens. They let a secret scanner, and a tired reader, see what was found.
const (
	PrefixClaimant   = "hfc" // continues a recovery
	PrefixGrant      = "hfg" // is redeemed by the identity system
	PrefixObjection  = "hfo" // stands in a notice's link
	PrefixClaimLink  = "hfl" // stands in a claim link, and hands over a claimant's seat once
	PrefixCredential = "hfk" // a client's credential
)

// NewToken mints prefix_x, where x holds 256 random bits (R-114, requirements.md section 3).
func NewToken(r io.Reader, prefix string) (String, error) {
	x, err := RandomText(r, base62, tokenLength)
	if err != nil {
		return String{}, err
	}
	return NewString(prefix + "_" + x.Reveal()), nil
}

// CheckToken reports ErrMalformed for a text that NewToken cannot have made, so that it is refused before any look-up.
func CheckToken(prefix string, token String) error {
	x, ok := strings.CutPrefix(token.Reveal(), prefix+"_")
	if !ok || !isText(x, base62, tokenLength) {
		return ErrMalformed
	}
	return nil
}

// HashToken gives what is stored of a token, and looked up by. The purpose separates the kinds: a grant's hash never matches
// a claimant token's.
//
// It is SHA-256 without a key, on purpose. A token carries 256 random bits, so nobody who reads the table can search for it,
// with a key or without; and without one the hash survives every key rotation, which a look-up by equality needs. It is not for
// codes and identifiers, which can be guessed: those have CodeHash and IdentifierHash.
func HashToken(purpose Purpose, token String) [sha256.Size]byte {
	return sha256.Sum256(Bind("holdfast/v1/token", string(purpose), token.Reveal()))
}

// Equal compares two hashes or secrets in constant time. Their lengths are not secret.
func Equal(a, b []byte) bool { return subtle.ConstantTimeCompare(a, b) == 1 }
