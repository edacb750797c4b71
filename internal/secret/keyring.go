package secret

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"

	"github.com/tink-crypto/tink-go/v2/tink"
)

const keyBytes = 32

// Keyring holds the service's root keys, oldest first, and every key derived from them. It does not change; rotating gives a
// new one. It shows nothing of itself in fmt, slog and JSON: Reveal is the one way to its text.
//
// What it makes, it makes under the primary key; what it checks or opens may be of any key it holds. So with several nodes a
// new key is staged on all of them before it is promoted on any, else a node meets values that it cannot open.
type Keyring struct {
	hidden
	keys    []*rootKey
	primary *rootKey
	signer  *Signer    // nil without a signing section
	tokens  *rsaSigner // nil without a token section
	file    keyringFile
}

type rootKey struct {
	id  string
	sub map[Purpose][]byte
	kek tink.AEAD
}

// keyringFile is the keyring as the operator keeps it.
type keyringFile struct {
	keySection
	Signing *keySection `json:"signing,omitempty"`
	Tokens  *keySection `json:"tokens,omitempty"`
}

type keySection struct {
	Primary string     `json:"primary"`
	Keys    []keyEntry `json:"keys"`
}

type keyEntry struct {
	ID     string `json:"id"`
	Secret string `json:"secret"` // 32 bytes, standard base64; in the token section an RSA key in PKCS #8
}

// ParseKeyring reads
//
//	{"primary":"k2","keys":[{"id":"k1","secret":"<32 bytes, base64>"},…],"signing":{"primary":"s1","keys":[…]},"tokens":{…}}
//
// with the oldest key first. The signing section is optional; its secrets are Ed25519 seeds. So is the token section, whose secrets
// are RSA keys of 2048 bits or more: without it no Security Event Tokens are sent. Unknown members, repeated ids or
// secrets, and secrets of another size are refused, and no error repeats any of the text.
func ParseKeyring(text []byte) (*Keyring, error) {
	dec := json.NewDecoder(bytes.NewReader(text))
	dec.DisallowUnknownFields()
	var f keyringFile
	if err := dec.Decode(&f); err != nil {
		return nil, errors.New("keyring: not the expected JSON") // the decoder's own text may quote the file
	}
	if _, err := dec.Token(); !errors.Is(err, io.EOF) {
		return nil, errors.New("keyring: text after the JSON value")
	}
	return newKeyring(f)
}

func newKeyring(f keyringFile) (*Keyring, error) {
	roots, err := f.decode()
	if err != nil {
		return nil, fmt.Errorf("keyring: %w", err)
	}
	k := &Keyring{file: f}
	for i, e := range f.Keys {
		root, err := newRootKey(e.ID, roots[i])
		if err != nil {
			return nil, err
		}
		k.keys = append(k.keys, root)
		if e.ID == f.Primary {
			k.primary = root
		}
	}
	if f.Tokens != nil {
		if k.tokens, err = newRSASigner(*f.Tokens); err != nil {
			return nil, fmt.Errorf("keyring: tokens: %w", err)
		}
	}
	if f.Signing == nil {
		return k, nil
	}
	seeds, err := f.Signing.decode()
	if err != nil {
		return nil, fmt.Errorf("keyring: signing: %w", err)
	}
	k.signer, err = newSigner(*f.Signing, seeds)
	return k, err
}

// decode checks a section and gives the bytes of its keys in their order.
func (s keySection) decode() ([][]byte, error) {
	var out [][]byte
	ids, values := map[string]bool{}, map[string]bool{string(make([]byte, keyBytes)): true} // a key of zeros is none
	for i, e := range s.Keys {
		if !isName(e.ID) || ids[e.ID] {
			return nil, fmt.Errorf("key %d: the id must be unique, 1 to %d characters of a to z and 0 to 9", i+1, maxName)
		}
		b, err := base64.StdEncoding.Strict().DecodeString(e.Secret)
		if err != nil || len(b) != keyBytes || values[string(b)] {
			return nil, fmt.Errorf("key %d: the secret must be unique, %d random bytes in standard base64", i+1, keyBytes)
		}
		ids[e.ID], values[string(b)] = true, true
		out = append(out, b)
	}
	if !ids[s.Primary] {
		return nil, errors.New("the primary is none of the keys")
	}
	return out, nil
}

func newRootKey(id string, root []byte) (*rootKey, error) {
	k := &rootKey{id: id, sub: make(map[Purpose][]byte)}
	for _, p := range derived() {
		sub, err := derive(root, p)
		if err != nil {
			return nil, err
		}
		k.sub[p] = sub
	}
	var err error
	k.kek, err = newKEK(k.sub[PurposeKEK])
	return k, err
}

// key gives the derived key of a purpose. A purpose that has none is a programmer's error that would otherwise work under an
// empty key, so it stops here.
func (k *rootKey) key(purpose Purpose) []byte {
	sub, ok := k.sub[purpose]
	if !ok {
		panic("secret: no key is derived for " + string(purpose))
	}
	return sub
}

// PrimaryID names the key under which new values are made.
func (k *Keyring) PrimaryID() string { return k.primary.id }

// KeyIDs lists the ids of all keys, oldest first.
func (k *Keyring) KeyIDs() []string {
	out := make([]string, 0, len(k.keys))
	for _, key := range k.keys {
		out = append(out, key.id)
	}
	return out
}

// Signer gives the signing keys, or ErrUnknownKey where the keyring has none.
func (k *Keyring) Signer() (*Signer, error) {
	if k.signer == nil {
		return nil, ErrUnknownKey
	}
	return k.signer, nil
}

// find gives the key of that id.
func (k *Keyring) find(id string) (*rootKey, error) {
	for _, key := range k.keys {
		if key.id == id {
			return key, nil
		}
	}
	return nil, ErrUnknownKey
}

// newestFirst lists the primary and then all other keys, newest first.
func (k *Keyring) newestFirst() []*rootKey {
	out := make([]*rootKey, 0, len(k.keys))
	out = append(out, k.primary)
	for i := len(k.keys) - 1; i >= 0; i-- {
		if k.keys[i] != k.primary {
			out = append(out, k.keys[i])
		}
	}
	return out
}
