package secret

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
)

// GenerateKeyring makes a keyring of one root key and one signing key. A token key, which takes a while to make, is added by
// StageTokens.
func GenerateKeyring(r io.Reader) (*Keyring, error) {
	root, err := newEntry(r, "k", nil)
	if err != nil {
		return nil, err
	}
	seed, err := newEntry(r, "s", nil)
	if err != nil {
		return nil, err
	}
	return newKeyring(keyringFile{
		keySection: keySection{Primary: root.ID, Keys: []keyEntry{root}},
		Signing:    &keySection{Primary: seed.ID, Keys: []keyEntry{seed}},
	})
}

// Reveal gives the keyring as the JSON text that ParseKeyring reads. It is all of the service's secrets: it goes to the
// operator's key store and nowhere else.
func (k *Keyring) Reveal() ([]byte, error) {
	out, err := json.MarshalIndent(k.file, "", "  ")
	if err != nil {
		return nil, fmt.Errorf("keyring: %w", err)
	}
	return append(out, '\n'), nil
}

// Rotate adds a new key and makes it the primary; all old keys stay. It suits a single node. With several, Stage it, give the
// result to every node, and then Promote it.
func (k *Keyring) Rotate(r io.Reader) (*Keyring, error) {
	next, id, err := k.Stage(r)
	if err != nil {
		return nil, err
	}
	return next.Promote(id)
}

// Stage adds a new key without making it the primary, and names it.
func (k *Keyring) Stage(r io.Reader) (*Keyring, string, error) {
	e, err := newEntry(r, "k", k.file.Keys)
	if err != nil {
		return nil, "", err
	}
	f := k.file
	f.Keys = append(slices.Clone(f.Keys), e)
	next, err := newKeyring(f)
	return next, e.ID, err
}

// Promote makes the key of that id the primary.
func (k *Keyring) Promote(id string) (*Keyring, error) {
	f := k.file
	f.Primary = id
	return newKeyring(f)
}

// Retire drops a key. What was made under it can no longer be checked or opened, so first rewrap the data keys and let the
// identifiers' hashes be written anew. The primary cannot be retired.
func (k *Keyring) Retire(id string) (*Keyring, error) {
	if id == k.primary.id {
		return nil, errors.New("keyring: the primary key cannot be retired")
	}
	f := k.file
	f.Keys = slices.DeleteFunc(slices.Clone(f.Keys), func(e keyEntry) bool { return e.ID == id })
	if len(f.Keys) == len(k.file.Keys) {
		return nil, ErrUnknownKey
	}
	return newKeyring(f)
}

// RotateSigning adds a new signing key and makes it the primary; the old ones stay published for those who verify.
func (k *Keyring) RotateSigning(r io.Reader) (*Keyring, error) {
	f := k.file
	section := keySection{}
	if f.Signing != nil {
		section = *f.Signing
	}
	e, err := newEntry(r, "s", section.Keys)
	if err != nil {
		return nil, err
	}
	f.Signing = &keySection{Primary: e.ID, Keys: append(slices.Clone(section.Keys), e)}
	return newKeyring(f)
}

// newEntry draws a key and gives it the first free id of the form letter and number.
func newEntry(r io.Reader, letter string, taken []keyEntry) (keyEntry, error) {
	b := make([]byte, keyBytes)
	if _, err := io.ReadFull(r, b); err != nil {
		return keyEntry{}, fmt.Errorf("keyring: random source: %w", err)
	}
	return keyEntry{ID: freeID(letter, taken), Secret: base64.StdEncoding.EncodeToString(b)}, nil
}

func freeID(letter string, taken []keyEntry) string {
	n := len(taken) + 1
	id := func() string { return fmt.Sprintf("%s%d", letter, n) }
	for slices.ContainsFunc(taken, func(e keyEntry) bool { return e.ID == id() }) {
		n++
	}
	return id()
}
