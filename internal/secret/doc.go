// Package secret makes, hides, seals and compares what nobody may see: tokens, one-time codes, saved codes, keys and
// personal data at rest.
//
// Nothing in it logs, and no error of it repeats a secret.
//
// How a secret is stored follows from how it could be guessed:
//
//   - 256 random bits (claimant tokens, grants, credentials, objection links): HashToken, a plain hash that outlives every key.
//   - a few digits (one-time codes): CodeHash, keyed, bound to the recovery and the challenge.
//   - what people know of each other (identifiers): IdentifierHash, keyed, looked up under every key.
//   - what must be read again (addresses, seeds): sealed under the account's DataKey, which the Keyring wraps.
//   - what its owner keeps for years (saved codes): package savedcode, over this package's Pepper.
//
// Every key is derived from the Keyring's root keys by purpose. A rotation adds a root key; the old ones still check and open.
package secret
