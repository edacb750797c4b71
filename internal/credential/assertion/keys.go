package assertion

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"regexp"
	"slices"

	"github.com/go-jose/go-jose/v4"

	"github.com/holdfast/holdfast/internal/credential"
)

const (
	longestFile = 64 << 10
	mostKeys    = 8
	leastRSA    = 2048
	mostRSA     = 4096 // a longer one makes every look costly
)

func validKid(kid string) bool {
	return regexp.MustCompile(`^[A-Za-z0-9._~-]{1,100}$`).MatchString(kid)
}

// ParseKeys reads public keys: a JWK set, one JWK, or PEM. Ed25519, P-256 and RSA of 2048 to 4096 bits are keys, and everything
// else in the file is an error, a private key above all. A key without a name is called by its thumbprint (RFC 7638).
func ParseKeys(text []byte) ([]credential.PublicKey, error) {
	if len(text) > longestFile {
		return nil, errors.New("keys: the file is too long")
	}
	read := readJWKs
	if bytes.HasPrefix(bytes.TrimSpace(text), []byte("-----BEGIN")) {
		read = readPEM
	}
	keys, err := read(text)
	if err != nil {
		return nil, err
	}
	if len(keys) == 0 || len(keys) > mostKeys {
		return nil, fmt.Errorf("keys: there must be 1 to %d", mostKeys)
	}
	out := make([]credential.PublicKey, 0, len(keys))
	for _, k := range keys {
		one, err := publicKey(k)
		if err != nil {
			return nil, err
		}
		if slices.ContainsFunc(out, func(o credential.PublicKey) bool { return o.ID == one.ID }) {
			return nil, errors.New("keys: two have one kid")
		}
		out = append(out, one)
	}
	return out, nil
}

func readPEM(text []byte) ([]jose.JSONWebKey, error) {
	var out []jose.JSONWebKey
	for {
		block, rest := pem.Decode(text)
		if block == nil {
			if len(bytes.TrimSpace(rest)) > 0 {
				return nil, errors.New("keys: there is something that is no PEM")
			}
			return out, nil
		}
		if block.Type != "PUBLIC KEY" {
			return nil, errors.New("keys: only PUBLIC KEY blocks are read; a private key stays with its client")
		}
		key, err := x509.ParsePKIXPublicKey(block.Bytes)
		if err != nil {
			return nil, errors.New("keys: a public key cannot be read")
		}
		out, text = append(out, jose.JSONWebKey{Key: key}), rest
	}
}

func readJWKs(text []byte) ([]jose.JSONWebKey, error) {
	var set struct {
		Keys []json.RawMessage `json:"keys"`
	}
	if err := json.Unmarshal(text, &set); err != nil {
		return nil, errors.New("keys: neither JSON nor PEM")
	}
	if set.Keys == nil {
		set.Keys = []json.RawMessage{text}
	}
	out := make([]jose.JSONWebKey, len(set.Keys))
	for i, raw := range set.Keys {
		if err := out[i].UnmarshalJSON(raw); err != nil {
			return nil, errors.New("keys: a JWK cannot be read")
		}
	}
	return out, nil
}

func publicKey(k jose.JSONWebKey) (credential.PublicKey, error) {
	var none credential.PublicKey
	if !k.Valid() || !k.IsPublic() {
		return none, errors.New("keys: one is not a public key; a private key stays with its client")
	}
	alg, err := algorithmOf(k.Key)
	if err != nil {
		return none, err
	}
	if (k.Algorithm != "" && k.Algorithm != string(alg)) || (k.Use != "" && k.Use != "sig") {
		return none, errors.New("keys: alg or use is not for " + string(alg) + " signatures")
	}
	id := k.KeyID
	if id == "" {
		sum, err := k.Thumbprint(crypto.SHA256)
		if err != nil {
			return none, errors.New("keys: a key has no thumbprint")
		}
		id = base64.RawURLEncoding.EncodeToString(sum)
	}
	if !validKid(id) {
		return none, errors.New("keys: a kid must be 1 to 100 of A-Z, a-z, 0-9 and ._~-")
	}
	// What is kept is the key alone: certificates and other members of the file are not.
	jwk, err := jose.JSONWebKey{Key: k.Key, KeyID: id, Algorithm: string(alg), Use: "sig"}.MarshalJSON()
	if err != nil {
		return none, errors.New("keys: a key cannot be written")
	}
	return credential.PublicKey{ID: id, Algorithm: string(alg), JWK: string(jwk)}, nil
}

// algorithmOf is the one algorithm that a key may verify.
func algorithmOf(key any) (jose.SignatureAlgorithm, error) {
	switch k := key.(type) {
	case ed25519.PublicKey:
		return jose.EdDSA, nil
	case *ecdsa.PublicKey:
		if k.Curve == elliptic.P256() {
			return jose.ES256, nil
		}
	case *rsa.PublicKey:
		if n := k.N.BitLen(); n >= leastRSA && n <= mostRSA && k.E > 2 {
			return jose.RS256, nil
		}
	}
	return "", errors.New("keys: only Ed25519, P-256 and RSA of 2048 to 4096 bits are read")
}
