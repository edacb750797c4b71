package signal

import (
	"crypto/ed25519"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"

	"github.com/holdfast/holdfast/internal/secret"
)

// The prefixes by which Standard Webhooks tells keys apart.
const (
	prefixSecret = "whsec_"
	prefixPublic = "whpk_"
	keySize      = 32 // bytes; 24 to 64 are allowed
)

// Key is what one endpoint's webhooks are signed with: the receiver checks either signature.
type Key struct {
	Secret []byte `json:"secret"` // HMAC-SHA256, v1
	Seed   []byte `json:"seed"`   // ed25519, v1a
}

// keys is what is sealed of an endpoint: its keys, and what its receiver asks to be shown.
type keys struct {
	Current       Key       `json:"current"`
	Previous      *Key      `json:"previous,omitempty"`
	PreviousUntil time.Time `json:"previous_until,omitzero"`
	Authorization string    `json:"authorization,omitempty"`
}

func newKey(r io.Reader) (Key, error) {
	b := make([]byte, 2*keySize)
	if _, err := io.ReadFull(r, b); err != nil {
		return Key{}, fmt.Errorf("webhook key: random source: %w", err)
	}
	return Key{Secret: b[:keySize:keySize], Seed: b[keySize:]}, nil
}

// shown is the shared secret as its receiver keeps it.
func (k Key) shown() secret.String {
	return secret.NewString(prefixSecret + base64.StdEncoding.EncodeToString(k.Secret))
}

// Public is the public key that v1a signatures are checked with.
func (k Key) Public() string {
	private := ed25519.NewKeyFromSeed(k.Seed)
	return prefixPublic + base64.StdEncoding.EncodeToString(private[ed25519.SeedSize:])
}

// Sign gives the value of webhook-signature over id.timestamp.body: for each key an ed25519 and an HMAC signature, the
// newest key's first, separated by blanks.
func Sign(ks []Key, id string, at time.Time, body []byte) (string, error) {
	if id == "" || strings.ContainsAny(id, ". ") || len(ks) == 0 {
		return "", errors.New("sign webhook: an id without dots and a key are needed")
	}
	content := append([]byte(id+"."+strconv.FormatInt(at.Unix(), 10)+"."), body...)
	signatures := make([]string, 0, 2*len(ks))
	for _, k := range ks {
		mac := hmac.New(sha256.New, k.Secret)
		mac.Write(content)
		signatures = append(signatures,
			"v1a,"+base64.StdEncoding.EncodeToString(ed25519.Sign(ed25519.NewKeyFromSeed(k.Seed), content)),
			"v1,"+base64.StdEncoding.EncodeToString(mac.Sum(nil)))
	}
	return strings.Join(signatures, " "), nil
}

// live lists the keys to sign with now: during a rotation both.
func (k keys) live(now time.Time) []Key {
	out := []Key{k.Current}
	if k.Previous != nil && now.Before(k.PreviousUntil) {
		out = append(out, *k.Previous)
	}
	return out
}

// seal hides an endpoint's keys under the keyring. They open for that endpoint alone.
func (k keys) seal(ring *secret.Keyring, tenant, endpoint string) ([]byte, error) {
	text, err := json.Marshal(k)
	if err != nil {
		return nil, fmt.Errorf("encode webhook keys: %w", err)
	}
	return ring.SealBound(secret.PurposeSignal, secret.NewString(endpoint), text, keysAAD(tenant, endpoint))
}

func openKeys(ring *secret.Keyring, tenant, endpoint string, sealed []byte) (keys, error) {
	var k keys
	text, err := ring.OpenBound(secret.PurposeSignal, secret.NewString(endpoint), sealed, keysAAD(tenant, endpoint))
	if err != nil {
		return k, fmt.Errorf("open webhook keys: %w", err)
	}
	if err := json.Unmarshal(text, &k); err != nil || len(k.Current.Secret) != keySize || len(k.Current.Seed) != keySize {
		return k, errors.New("open webhook keys: not the expected form")
	}
	return k, nil
}

func keysAAD(tenant, endpoint string) []byte {
	return secret.Bind("holdfast/v1/webhook-keys", tenant, endpoint)
}
