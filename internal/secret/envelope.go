package secret

import (
	"bytes"
	"fmt"

	"github.com/tink-crypto/tink-go/v2/aead"
	"github.com/tink-crypto/tink-go/v2/aead/xaesgcm"
	"github.com/tink-crypto/tink-go/v2/insecuresecretdataaccess"
	"github.com/tink-crypto/tink-go/v2/keyset"
	"github.com/tink-crypto/tink-go/v2/secretdata"
	"github.com/tink-crypto/tink-go/v2/tink"
)

// headerVersion opens every blob of this package: version, length of the key's id, the id, then what that key sealed.
const headerVersion = 1

// DataKey encrypts the personal data and seeds of one account. It exists in clear only in memory; destroying
// its wrapped form makes everything under it unreadable for ever, which is how an account is erased.
type DataKey struct {
	hidden
	aead tink.AEAD
}

// NewDataKey makes the key of one account, a tink AES-256-GCM keyset, and its wrapped form for the account's row. The wrapped
// form opens for that tenant and account alone. Its randomness is tink's own, crypto/rand.
func (k *Keyring) NewDataKey(tenant, account string) (*DataKey, []byte, error) {
	handle, err := keyset.NewHandle(aead.AES256GCMKeyTemplate())
	if err != nil {
		return nil, nil, fmt.Errorf("secret: new data key: %w", err)
	}
	wrapped, err := k.primary.wrap(handle, tenant, account)
	if err != nil {
		return nil, nil, err
	}
	key, err := newDataKey(handle)
	return key, wrapped, err
}

// OpenDataKey unwraps an account's key under whichever root key wrapped it. It answers ErrUnknownKey for a root key that is
// no longer held, and ErrNotOpened for a damaged blob or another account's.
func (k *Keyring) OpenDataKey(wrapped []byte, tenant, account string) (*DataKey, error) {
	handle, _, err := k.unwrap(wrapped, tenant, account)
	if err != nil {
		return nil, err
	}
	return newDataKey(handle)
}

// Rewrap wraps an account's key under the primary. Where it already is, it gives the same bytes and false. The data under the
// key need no rewriting.
func (k *Keyring) Rewrap(wrapped []byte, tenant, account string) (rewrapped []byte, changed bool, err error) {
	handle, root, err := k.unwrap(wrapped, tenant, account)
	if err != nil {
		return nil, false, err
	}
	if root == k.primary {
		return wrapped, false, nil
	}
	rewrapped, err = k.primary.wrap(handle, tenant, account)
	return rewrapped, err == nil, err
}

// Seal encrypts plaintext. It opens with the same aad only: name the column in it (and the row, where rows could be swapped),
// encoded with Bind if it has several parts.
func (d *DataKey) Seal(plaintext, aad []byte) ([]byte, error) {
	out, err := d.aead.Encrypt(plaintext, aad)
	if err != nil {
		return nil, fmt.Errorf("secret: seal: %w", err)
	}
	return out, nil
}

// Open decrypts what Seal made with the same aad, or answers ErrNotOpened.
func (d *DataKey) Open(ciphertext, aad []byte) ([]byte, error) {
	out, err := d.aead.Decrypt(ciphertext, aad)
	if err != nil {
		return nil, ErrNotOpened
	}
	return out, nil
}

func newDataKey(handle *keyset.Handle) (*DataKey, error) {
	a, err := aead.New(handle)
	if err != nil {
		return nil, fmt.Errorf("secret: data key: %w", err)
	}
	return &DataKey{aead: a}, nil
}

func (k *rootKey) wrap(handle *keyset.Handle, tenant, account string) ([]byte, error) {
	buf := bytes.NewBuffer(k.header())
	if err := handle.WriteWithAssociatedData(keyset.NewBinaryWriter(buf), k.kek, wrapAAD(tenant, account)); err != nil {
		return nil, fmt.Errorf("secret: wrap data key: %w", err)
	}
	return buf.Bytes(), nil
}

func (k *Keyring) unwrap(wrapped []byte, tenant, account string) (*keyset.Handle, *rootKey, error) {
	root, sealed, err := k.splitHeader(wrapped)
	if err != nil {
		return nil, nil, err
	}
	handle, err := keyset.ReadWithAssociatedData(keyset.NewBinaryReader(bytes.NewReader(sealed)), root.kek, wrapAAD(tenant, account))
	if err != nil {
		return nil, nil, ErrNotOpened
	}
	return handle, root, nil
}

func wrapAAD(tenant, account string) []byte { return Bind("holdfast/v1/data-key", tenant, account) }

func (k *rootKey) header() []byte {
	return append([]byte{headerVersion, byte(len(k.id))}, k.id...) //nolint:gosec // an id has at most 16 characters.
}

// splitHeader finds the root key that a blob names.
func (k *Keyring) splitHeader(blob []byte) (*rootKey, []byte, error) {
	if len(blob) < 2 || blob[0] != headerVersion || len(blob) < 2+int(blob[1]) {
		return nil, nil, ErrNotOpened
	}
	end := 2 + int(blob[1])
	root, err := k.find(string(blob[2:end]))
	return root, blob[end:], err
}

// newKEK makes the cipher that wraps data keys: XAES-256-GCM, whose 192-bit nonce sets no limit to how many accounts one root
// key can serve, where random nonces of plain AES-GCM would.
func newKEK(sub []byte) (tink.AEAD, error) {
	const fullSalt = 12 // as https://c2sp.org/XAES-256-GCM has it
	params, err := xaesgcm.NewParameters(xaesgcm.VariantNoPrefix, fullSalt)
	if err != nil {
		return nil, fmt.Errorf("secret: kek: %w", err)
	}
	key, err := xaesgcm.NewKey(secretdata.NewBytesFromData(sub, insecuresecretdataaccess.Token{}), 0, params)
	if err != nil {
		return nil, fmt.Errorf("secret: kek: %w", err)
	}
	manager := keyset.NewManager()
	id, err := manager.AddKey(key)
	if err != nil {
		return nil, fmt.Errorf("secret: kek: %w", err)
	}
	if err := manager.SetPrimary(id); err != nil {
		return nil, fmt.Errorf("secret: kek: %w", err)
	}
	handle, err := manager.Handle()
	if err != nil {
		return nil, fmt.Errorf("secret: kek: %w", err)
	}
	return aead.New(handle)
}
