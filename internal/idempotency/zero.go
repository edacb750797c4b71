package idempotency

import (
	"crypto/sha256"

	"github.com/holdfast/holdfast/internal/secret"
)

// IsZero reports whether the request came without a key, where that is allowed: there is nothing to remember then.
func (k Key) IsZero() bool { return k.keys == nil }

// Part is the key of one part of a request that has several effects of their own, each with its own stored answer. The name
// tells the parts apart.
func (k Key) Part(name string) Key {
	if k.IsZero() {
		return k
	}
	k.ID = sha256.Sum256(secret.Bind("holdfast/v1/idempotency-part", string(k.ID[:]), name))
	copy(k.Fingerprint[:], k.keys.MAC(secret.PurposeIdempotency, k.subject()...))
	return k
}
