package secret

import (
	"fmt"
	"io"
)

// The bounds of a one-time code's length. Six digits is the floor of SP 800-63B-4 section 4.2.1.2; the service's default is 8.
const (
	MinCodeDigits = 6
	MaxCodeDigits = 10
)

// MintCode draws a one-time code of that many decimal digits. Every code is equally likely, those that begin with zeros
// included.
func MintCode(r io.Reader, length int) (String, error) {
	if length < MinCodeDigits || length > MaxCodeDigits {
		return String{}, fmt.Errorf("secret: a code has %d to %d digits", MinCodeDigits, MaxCodeDigits)
	}
	return RandomText(r, digits, length)
}

// CodeHash is what is stored of a one-time code: a keyed hash, 32 bytes, since a code's few digits could be searched at once
// . It is bound to the recovery and the challenge it was minted for: the same digits are worth nothing elsewhere.
//
// No key id needs to be stored with it. VerifyCode tries the few keys that are held, and codes live for minutes.
func (k *Keyring) CodeHash(recoveryID, challengeID string, code String) []byte {
	return k.MAC(PurposeCode, recoveryID, challengeID, code.Reveal())
}

// VerifyCode reports whether code is the one that hash was made of, for that recovery and challenge, in constant time.
// An empty hash matches nothing.
func (k *Keyring) VerifyCode(hash []byte, recoveryID, challengeID string, code String) bool {
	return k.VerifyMAC(hash, PurposeCode, recoveryID, challengeID, code.Reveal())
}
