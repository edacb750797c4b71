package idempotency

import (
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"reflect"

	"github.com/holdfast/holdfast/internal/fault"
	"github.com/holdfast/holdfast/internal/secret"
)

// Key is one request's identity.
type Key struct {
	// ID finds the record: a hash of the caller and the Idempotency-Key, so that no caller ever meets another's.
	//
	// It has no key of ours in it, on purpose: it is the unique index that lets one of two requests win, and an id that changed
	// with the primary key would let both win while the keys rotate. Who reads the table can at best confirm a guessed
	// Idempotency-Key, which opens nothing without the keyring.
	ID [sha256.Size]byte
	// Fingerprint is a keyed hash of the route and the body. It has a key, for a body may hold a code of eight digits, and
	// without one the table would give it away.
	Fingerprint [sha256.Size]byte

	keys  *secret.Keyring
	raw   secret.String
	route string
	body  string
}

// Record is what is stored of an answered request.
type Record struct {
	Key         [sha256.Size]byte
	Fingerprint [sha256.Size]byte
	Outcome     []byte // sealed; empty while the request is being worked on
}

// New names a request. caller is the authenticated caller in full, the tenant included (and the recovery, where a claimant acts),
// never a value that the request chooses freely. route is the method and the path with its parameters filled in. body is the
// request's body as it came: two bodies that differ in a blank are two requests.
func New(keys *secret.Keyring, caller, route string, raw secret.String, body []byte) Key {
	k := Key{keys: keys, raw: raw, route: route, body: string(body)}
	k.ID = sha256.Sum256(secret.Bind("holdfast/v1/idempotency-key", caller, raw.Reveal()))
	copy(k.Fingerprint[:], keys.MAC(secret.PurposeIdempotency, k.subject()...))
	return k
}

// subject is what the fingerprint is of. The id is in it, so that equal bodies under different keys look different.
func (k Key) subject() []string { return []string{"fingerprint", string(k.ID[:]), k.route, k.body} }

// Record is the row to store with an outcome that Seal made, or with none, to claim the key.
func (k Key) Record(outcome []byte) Record {
	return Record{Key: k.ID, Fingerprint: k.Fingerprint, Outcome: outcome}
}

// Check judges the record found under the key's ID: nil if it answers this very request; fault.CodeIdempotencyReused if it is
// of another request; fault.CodeIdempotencyInFlight, to be retried shortly, if that one is not answered yet. A record made
// before a rotation of the keyring is still recognised.
func (k Key) Check(r Record) error {
	if r.Key != k.ID {
		return errors.New("idempotency: the record is of another key") // the caller's look-up is wrong
	}
	if !k.keys.VerifyMAC(r.Fingerprint[:], secret.PurposeIdempotency, k.subject()...) {
		return fault.Of(fault.CodeIdempotencyReused)
	}
	if len(r.Outcome) == 0 {
		return fault.Of(fault.CodeIdempotencyInFlight)
	}
	return nil
}

// Seal encodes an outcome as JSON and encrypts it for this key alone.
//
// An outcome that carries a token holds it as a plain string, put there with Reveal. secret.String encodes as "[redacted]", so a
// type that has one anywhere would lose it in silence: Seal refuses such a type.
func (k Key) Seal(outcome any) ([]byte, error) {
	if holdsSecret(reflect.TypeOf(outcome), map[reflect.Type]bool{}) {
		return nil, fmt.Errorf("idempotency: %T holds a secret.String, which would be lost: reveal it into a plain string", outcome)
	}
	plain, err := json.Marshal(outcome)
	if err != nil {
		return nil, fmt.Errorf("idempotency: encode the outcome: %w", err)
	}
	sealed, err := k.keys.SealBound(secret.PurposeIdempotency, k.raw, plain, k.aad())
	if err != nil {
		return nil, fmt.Errorf("idempotency: %w", err)
	}
	return sealed, nil
}

// Open decodes an outcome that Seal made under this key into a pointer. It fails for a record of any other key, and for one
// whose root key was retired since; both are internal errors.
func (k Key) Open(sealed []byte, outcome any) error {
	plain, err := k.keys.OpenBound(secret.PurposeIdempotency, k.raw, sealed, k.aad())
	if err != nil {
		return fmt.Errorf("idempotency: open the outcome: %w", err)
	}
	if err := json.Unmarshal(plain, outcome); err != nil {
		return fmt.Errorf("idempotency: decode the outcome: %w", err)
	}
	return nil
}

// aad ties an outcome to its row.
func (k Key) aad() []byte { return secret.Bind("holdfast/v1/idempotency-outcome", string(k.ID[:])) }

// holdsSecret reports whether a value of type t can hold a secret.String that JSON would redact. It cannot see into interfaces.
func holdsSecret(t reflect.Type, seen map[reflect.Type]bool) bool {
	if t == nil || seen[t] {
		return false
	}
	seen[t] = true
	switch kind := t.Kind(); {
	case t == reflect.TypeFor[secret.String]():
		return true
	case kind == reflect.Struct:
		for i := range t.NumField() {
			if holdsSecret(t.Field(i).Type, seen) {
				return true
			}
		}
		return false
	case kind == reflect.Pointer, kind == reflect.Slice, kind == reflect.Array:
		return holdsSecret(t.Elem(), seen)
	case kind == reflect.Map:
		return holdsSecret(t.Key(), seen) || holdsSecret(t.Elem(), seen)
	default:
		return false
	}
}
