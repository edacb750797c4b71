package secret

import "crypto/ed25519"

// CheckpointKey signs the checkpoints of the audit log. It shows nothing of itself.
type CheckpointKey struct {
	hidden
	id      string
	private ed25519.PrivateKey
}

// CheckpointKeys gives the keys that sign checkpoints, the primary's first, one for each key of the ring. They are derived, so
// that they rotate with the ring: while it holds two keys, both sign, and whoever knows either can check.
func (k *Keyring) CheckpointKeys() []CheckpointKey {
	keys := k.newestFirst()
	out := make([]CheckpointKey, 0, len(keys))
	for _, key := range keys {
		out = append(out, CheckpointKey{id: key.id, private: ed25519.NewKeyFromSeed(key.key(PurposeCheckpoint))})
	}
	return out
}

// ID names the key of the ring that it comes from.
func (c CheckpointKey) ID() string { return c.id }

// Public is what verifiers need.
func (c CheckpointKey) Public() ed25519.PublicKey {
	return c.private.Public().(ed25519.PublicKey) //nolint:forcetypeassert,errcheck // Ed25519's own.
}

// Sign signs the text of a checkpoint.
func (c CheckpointKey) Sign(message []byte) []byte { return ed25519.Sign(c.private, message) }
