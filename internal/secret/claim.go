package secret

import (
	"crypto/sha256"
	"encoding/binary"
	"io"
)

// ClaimToken is the claimant token of a recovery that support started: hfc_ and 256 bits, derived from the recovery's id and
// stored nowhere. It is made when a claim link hands it over, so that no plain token rests anywhere until then and no agent ever
// holds one.
func (k *Keyring) ClaimToken(recoveryID string) String { return k.primary.claim(recoveryID) }

// ClaimTokenFor gives the token of a recovery whose stored hash is known, under whichever key it was made. It answers
// ErrUnknownKey where that key is no longer held, and for a recovery that a claimant started by themselves.
func (k *Keyring) ClaimTokenFor(recoveryID string, stored []byte) (String, error) {
	for _, key := range k.newestFirst() {
		token := key.claim(recoveryID)
		if h := HashToken(PurposeClaimant, token); Equal(h[:], stored) {
			return token, nil
		}
	}
	return String{}, ErrUnknownKey
}

func (k *rootKey) claim(recoveryID string) String {
	token, err := NewToken(&expander{seed: k.mac(PurposeClaim, recoveryID)}, PrefixClaimant)
	if err != nil {
		panic("secret: an endless reader has ended") // the expander never fails
	}
	return token
}

// expander stretches a key into bytes without end: SHA-256 over the key and a counter.
type expander struct {
	seed  []byte
	count uint64
	left  []byte
}

var _ io.Reader = (*expander)(nil)

// Read implements io.Reader and never fails.
func (e *expander) Read(p []byte) (int, error) {
	n := 0
	for n < len(p) {
		if len(e.left) == 0 {
			sum := sha256.Sum256(binary.BigEndian.AppendUint64(append([]byte(nil), e.seed...), e.count))
			e.left = sum[:]
			e.count++
		}
		c := copy(p[n:], e.left)
		e.left = e.left[c:]
		n += c
	}
	return n, nil
}
