package secret

import (
	"crypto/hmac"
	"encoding/hex"
)

// MAC is a keyed hash of the parts under the primary key: 32 bytes. It suits what is short-lived (networks, devices, limits),
// since it changes when the keys rotate.
func (k *Keyring) MAC(purpose Purpose, parts ...string) []byte {
	return k.primary.mac(purpose, parts...)
}

// MACs is MAC under every key, the primary first, for values that must be found again across a rotation.
func (k *Keyring) MACs(purpose Purpose, parts ...string) [][]byte {
	keys := k.newestFirst()
	out := make([][]byte, 0, len(keys))
	for _, key := range keys {
		out = append(out, key.mac(purpose, parts...))
	}
	return out
}

// VerifyMAC reports whether sum is the MAC of the parts under any key. It takes the same time whether and whichever it is.
func (k *Keyring) VerifyMAC(sum []byte, purpose Purpose, parts ...string) bool {
	ok := false
	for _, want := range k.MACs(purpose, parts...) {
		same := hmac.Equal(sum, want)
		ok = ok || same
	}
	return ok
}

// IdentifierHash is what is stored of an identifier: 32 bytes. canonical is the identifier after canonicalisation.
func (k *Keyring) IdentifierHash(tenant, typ, canonical string) []byte {
	return k.MAC(PurposeIdentifier, tenant, typ, canonical)
}

// IdentifierHashes is IdentifierHash under every key, the primary first: a look-up asks for any of them, so that rows
// written before a rotation are found.
func (k *Keyring) IdentifierHashes(tenant, typ, canonical string) [][]byte {
	return k.MACs(PurposeIdentifier, tenant, typ, canonical)
}

// DecoySubject is the pseudonym under which an identifier that names no account is counted and limited, so that it meets the
// same walls as one that does. It has the form of a UUID (RFC 9562, version 8) and tells nothing of the identifier.
//
// It comes from the oldest key that the ring holds, not from the primary: a rotation must not hand an unknown identifier fresh
// counters where a known one keeps its own, or the rotation would tell them apart. It changes when that oldest key is retired.
func (k *Keyring) DecoySubject(tenant, typ, canonical string) string {
	b := k.keys[0].mac(PurposeDecoy, tenant, typ, canonical)[:16]
	b[6] = b[6]&0x0f | 0x80 // version 8: the bits are ours
	b[8] = b[8]&0x3f | 0x80
	h := hex.EncodeToString(b)
	return h[:8] + "-" + h[8:12] + "-" + h[12:16] + "-" + h[16:20] + "-" + h[20:]
}

// Pepper is the keyed hash that a saved code goes through before argon2id, and the id of the key to store beside the result,
// so that a copy of the table alone is not enough to search for codes.
func (k *Keyring) Pepper(body String) (keyID string, sum []byte) {
	return k.primary.id, k.primary.mac(PurposePepper, body.Reveal())
}

// PepperUnder is Pepper under the key that a stored hash names, or ErrUnknownKey.
func (k *Keyring) PepperUnder(keyID string, body String) ([]byte, error) {
	key, err := k.find(keyID)
	if err != nil {
		return nil, err
	}
	return key.mac(PurposePepper, body.Reveal()), nil
}

func (k *rootKey) mac(purpose Purpose, parts ...string) []byte {
	return mac(k.key(purpose), parts...)
}
