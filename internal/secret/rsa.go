package secret

import (
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/big"
	"slices"

	"github.com/golang-jwt/jwt/v5"
)

// tokenBits is the size of a new key for tokens; smaller ones than leastBits are refused.
const (
	tokenBits = 2048
	leastBits = 2048
)

// rsaSigner signs tokens with RS256, which receivers of Security Event Tokens demand, and publishes its keys.
type rsaSigner struct {
	hidden
	primary string
	private *rsa.PrivateKey
	public  []rsaJWK
}

// rsaJWK is one public key as RFC 7517 and RFC 7518 write it.
type rsaJWK struct {
	Type      string `json:"kty"`
	Use       string `json:"use"`
	Algorithm string `json:"alg"`
	ID        string `json:"kid"`
	N         string `json:"n"`
	E         string `json:"e"`
}

func newRSASigner(section keySection) (*rsaSigner, error) {
	s := &rsaSigner{primary: section.Primary}
	ids, values := map[string]bool{}, map[string]bool{}
	for i, e := range section.Keys {
		if !isName(e.ID) || ids[e.ID] || values[e.Secret] {
			return nil, fmt.Errorf("key %d: id and secret must be unique, the id 1 to %d characters of a to z and 0 to 9", i+1, maxName)
		}
		private, err := parseRSA(e.Secret)
		if err != nil {
			return nil, fmt.Errorf("key %d: %w", i+1, err)
		}
		ids[e.ID], values[e.Secret] = true, true
		s.public = append(s.public, rsaJWK{
			Type: "RSA", Use: "sig", Algorithm: jwt.SigningMethodRS256.Alg(), ID: e.ID,
			N: base64.RawURLEncoding.EncodeToString(private.N.Bytes()),
			E: base64.RawURLEncoding.EncodeToString(big.NewInt(int64(private.E)).Bytes()),
		})
		if e.ID == section.Primary {
			s.private = private
		}
	}
	if s.private == nil {
		return nil, errors.New("the primary is none of the keys")
	}
	return s, nil
}

// parseRSA reads a key and repeats nothing of it.
func parseRSA(text string) (*rsa.PrivateKey, error) {
	der, err := base64.StdEncoding.Strict().DecodeString(text)
	if err != nil {
		return nil, errors.New("the secret must be an RSA key in PKCS #8 and standard base64")
	}
	parsed, err := x509.ParsePKCS8PrivateKey(der)
	if err != nil {
		return nil, errors.New("the secret must be an RSA key in PKCS #8 and standard base64")
	}
	private, ok := parsed.(*rsa.PrivateKey)
	if !ok || private.N.BitLen() < leastBits {
		return nil, fmt.Errorf("the secret must be an RSA key of %d bits or more", leastBits)
	}
	return private, nil
}

// SignsRS256 reports whether the keyring can sign tokens.
func (k *Keyring) SignsRS256() bool { return k.tokens != nil }

// SignRS256 makes a JWT of claims, any value that encodes as a JSON object, under the primary token key, with RS256 and
// typ in the header. It answers ErrUnknownKey where the keyring has no token key. The same claims give the same text.
func (k *Keyring) SignRS256(typ string, claims any) (string, error) {
	if k.tokens == nil {
		return "", ErrUnknownKey
	}
	t := jwt.NewWithClaims(jwt.SigningMethodRS256, statement{body: claims})
	t.Header["typ"] = typ
	t.Header["kid"] = k.tokens.primary
	signed, err := t.SignedString(k.tokens.private)
	if err != nil {
		return "", fmt.Errorf("secret: sign: %w", err)
	}
	return signed, nil
}

// JWKS is the JSON Web Key Set of all signing keys, of statements and of tokens, old ones included, for
// /.well-known/jwks.json.
func (k *Keyring) JWKS() []byte {
	set := struct {
		Keys []json.RawMessage `json:"keys"`
	}{Keys: []json.RawMessage{}}
	if k.signer != nil {
		_ = json.Unmarshal(k.signer.JWKS(), &set) // made by us
	}
	if k.tokens != nil {
		for _, key := range k.tokens.public {
			text, err := json.Marshal(key)
			if err != nil {
				panic("secret: a public key cannot be written") // texts only
			}
			set.Keys = append(set.Keys, text)
		}
	}
	out, err := json.Marshal(set)
	if err != nil {
		panic("secret: a key set cannot be written") // as above
	}
	return out
}

// RotateTokens adds a new token key and makes it the primary; the old ones stay published for those who verify.
func (k *Keyring) RotateTokens(r io.Reader) (*Keyring, error) {
	next, id, err := k.StageTokens(r)
	if err != nil {
		return nil, err
	}
	return next.PromoteTokens(id)
}

// StageTokens adds a new token key without signing with it, so that receivers learn it before the first token comes. Where there is
// none yet, it is the primary.
func (k *Keyring) StageTokens(r io.Reader) (*Keyring, string, error) {
	f := k.file
	section := keySection{}
	if f.Tokens != nil {
		section = *f.Tokens
	}
	e, err := newRSAEntry(r, section.Keys)
	if err != nil {
		return nil, "", err
	}
	if section.Primary == "" {
		section.Primary = e.ID
	}
	f.Tokens = &keySection{Primary: section.Primary, Keys: append(slices.Clone(section.Keys), e)}
	next, err := newKeyring(f)
	return next, e.ID, err
}

// PromoteTokens makes the token key of that id the primary.
func (k *Keyring) PromoteTokens(id string) (*Keyring, error) {
	if k.file.Tokens == nil {
		return nil, ErrUnknownKey
	}
	f := k.file
	f.Tokens = &keySection{Primary: id, Keys: f.Tokens.Keys}
	return newKeyring(f)
}

// RetireTokens drops a token key. Tokens that it signed can no longer be verified, so wait until none is under way. The
// primary cannot be retired.
func (k *Keyring) RetireTokens(id string) (*Keyring, error) {
	if k.file.Tokens == nil || id == k.file.Tokens.Primary {
		return nil, errors.New("keyring: the primary key cannot be retired")
	}
	f := k.file
	keys := slices.DeleteFunc(slices.Clone(f.Tokens.Keys), func(e keyEntry) bool { return e.ID == id })
	if len(keys) == len(f.Tokens.Keys) {
		return nil, ErrUnknownKey
	}
	f.Tokens = &keySection{Primary: f.Tokens.Primary, Keys: keys}
	return newKeyring(f)
}

func newRSAEntry(r io.Reader, taken []keyEntry) (keyEntry, error) {
	if r == nil {
		r = rand.Reader
	}
	private, err := rsa.GenerateKey(r, tokenBits)
	if err != nil {
		return keyEntry{}, fmt.Errorf("keyring: make token key: %w", err)
	}
	der, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		return keyEntry{}, fmt.Errorf("keyring: make token key: %w", err)
	}
	return keyEntry{ID: freeID("t", taken), Secret: base64.StdEncoding.EncodeToString(der)}, nil
}
