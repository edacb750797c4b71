package secret

import (
	"crypto/hkdf"
	"crypto/hmac"
	"crypto/sha256"
	"fmt"
)

// Purpose labels what a derived key or a token's hash is for. Two purposes never share a key, so that a value made for one
// cannot be replayed as another.
//
// The texts are part of what is stored: a changed label orphans every row made under it. Goldens in the tests hold them.
type Purpose string

// The purposes of derived keys.
const (
	PurposeIdentifier  Purpose = "identifier"  // look-up hashes of what claimants type
	PurposeCode        Purpose = "code"        // one-time codes
	PurposePepper      Purpose = "pepper"      // saved codes, before argon2id
	PurposeKEK         Purpose = "kek"         // wraps the accounts' data keys
	PurposeObjection   Purpose = "objection"   // objection links; also the hash of their tokens
	PurposeIdempotency Purpose = "idempotency" // fingerprints and stored outcomes
	PurposeNetwork     Purpose = "network"     // source prefixes
	PurposeDevice      Purpose = "device"      // device identifiers
	PurposeDestination Purpose = "destination" // per-destination limits
	PurposeDecoy       Purpose = "decoy"       // pseudonyms of identifiers that name no account
	PurposeReply       Purpose = "reply"       // numbers that may answer a notice, whatever the tenant
	PurposeSignal      Purpose = "signal"      // webhook keys, and names of erased accounts until they were told of
	PurposeCheckpoint  Purpose = "checkpoint"  // seeds of the Ed25519 keys that sign the audit log's checkpoints
	PurposeClaim       Purpose = "claim"       // claimant tokens of recoveries that support started
	PurposeClaimLink   Purpose = "claim_link"  // claim links; also the hash of their tokens
)

// The purposes of token hashes alone.
const (
	PurposeClaimant Purpose = "claimant"
	PurposeGrant    Purpose = "grant"
	PurposeClient   Purpose = "client"
)

// derived lists the purposes whose keys are worked out once, when the keyring is built.
func derived() []Purpose {
	return []Purpose{
		PurposeIdentifier, PurposeCode, PurposePepper, PurposeKEK, PurposeObjection, PurposeIdempotency,
		PurposeNetwork, PurposeDevice, PurposeDestination, PurposeDecoy, PurposeReply, PurposeSignal, PurposeCheckpoint, PurposeClaim,
		PurposeClaimLink,
	}
}

// derive is HKDF-SHA256 (RFC 5869) without a salt: the input is a uniform 256-bit key already.
func derive(key []byte, purpose Purpose) ([]byte, error) {
	out, err := hkdf.Key(sha256.New, key, nil, "holdfast/v1/"+string(purpose), sha256.Size)
	if err != nil {
		return nil, fmt.Errorf("secret: derive %s: %w", purpose, err)
	}
	return out, nil
}

// mac is HMAC-SHA256 over the parts, each bound to its length.
func mac(key []byte, parts ...string) []byte {
	h := hmac.New(sha256.New, key)
	h.Write(Bind(parts...))
	return h.Sum(nil)
}
