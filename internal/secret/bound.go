package secret

import (
	"crypto/hkdf"
	"crypto/sha256"
	"fmt"

	"github.com/tink-crypto/tink-go/v2/aead/aesgcm"
	"github.com/tink-crypto/tink-go/v2/insecuresecretdataaccess"
	"github.com/tink-crypto/tink-go/v2/secretdata"
	"github.com/tink-crypto/tink-go/v2/tink"
)

// SealBound encrypts plaintext under a key made of the purpose's key and of bind together: neither the keyring nor bind alone
// opens it. The primary's id stands in front, so that it opens after a rotation. bind may be weak; the keyring's part is not.
func (k *Keyring) SealBound(purpose Purpose, bind String, plaintext, aad []byte) ([]byte, error) {
	a, err := k.primary.bound(purpose, bind)
	if err != nil {
		return nil, err
	}
	sealed, err := a.Encrypt(plaintext, aad)
	if err != nil {
		return nil, fmt.Errorf("secret: seal: %w", err)
	}
	return append(k.primary.header(), sealed...), nil
}

// OpenBound decrypts what SealBound made for the same purpose, bind and aad. It answers ErrUnknownKey for a key that is no
// longer held and ErrNotOpened for everything else.
func (k *Keyring) OpenBound(purpose Purpose, bind String, blob, aad []byte) ([]byte, error) {
	root, sealed, err := k.splitHeader(blob)
	if err != nil {
		return nil, err
	}
	a, err := root.bound(purpose, bind)
	if err != nil {
		return nil, err
	}
	plaintext, err := a.Decrypt(sealed, aad)
	if err != nil {
		return nil, ErrNotOpened
	}
	return plaintext, nil
}

// UnderPrimary reports whether a sealed blob names the primary key.
func (k *Keyring) UnderPrimary(blob []byte) bool {
	root, _, err := k.splitHeader(blob)
	return err == nil && root == k.primary
}

// bound derives the cipher: HKDF-SHA256 with bind as the input and the purpose's key as the salt, so that the extraction is
// an HMAC of bind under a secret key.
func (k *rootKey) bound(purpose Purpose, bind String) (tink.AEAD, error) {
	b, err := hkdf.Key(sha256.New, []byte(bind.Reveal()), k.key(purpose), "holdfast/v1/bound/"+string(purpose), keyBytes)
	if err != nil {
		return nil, fmt.Errorf("secret: derive: %w", err)
	}
	params, err := aesgcm.NewParameters(aesgcm.ParametersOpts{
		KeySizeInBytes: keyBytes, IVSizeInBytes: 12, TagSizeInBytes: 16, Variant: aesgcm.VariantNoPrefix,
	})
	if err != nil {
		return nil, fmt.Errorf("secret: cipher: %w", err)
	}
	key, err := aesgcm.NewKey(secretdata.NewBytesFromData(b, insecuresecretdataaccess.Token{}), 0, params)
	if err != nil {
		return nil, fmt.Errorf("secret: cipher: %w", err)
	}
	return aesgcm.NewAEAD(key)
}
