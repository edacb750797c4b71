package secret

import (
	"crypto/ed25519"
	"encoding/base64"
	"encoding/json"
	"fmt"

	"github.com/golang-jwt/jwt/v5"
)

// Signer signs statements as compact JWTs with Ed25519 (RFC 8037, alg EdDSA) and publishes the keys to check them with.
type Signer struct {
	hidden
	primary string
	private ed25519.PrivateKey
	jwks    []byte
}

// jwk is one public key as RFC 7517 and RFC 8037 write it.
type jwk struct {
	Type      string `json:"kty"`
	Curve     string `json:"crv"`
	Use       string `json:"use"`
	Algorithm string `json:"alg"`
	ID        string `json:"kid"`
	X         string `json:"x"`
}

type jwkSet struct {
	Keys []jwk `json:"keys"`
}

func newSigner(section keySection, seeds [][]byte) (*Signer, error) {
	s := &Signer{primary: section.Primary}
	var set jwkSet
	for i, e := range section.Keys {
		private := ed25519.NewKeyFromSeed(seeds[i])
		public, ok := private.Public().(ed25519.PublicKey)
		if !ok {
			return nil, fmt.Errorf("secret: signing key %d has no public key", i+1)
		}
		if e.ID == section.Primary {
			s.private = private
		}
		set.Keys = append(set.Keys, jwk{
			Type: "OKP", Curve: "Ed25519", Use: "sig", Algorithm: jwt.SigningMethodEdDSA.Alg(),
			ID: e.ID, X: base64.RawURLEncoding.EncodeToString(public),
		})
	}
	var err error
	s.jwks, err = json.Marshal(set)
	if err != nil {
		return nil, fmt.Errorf("secret: publish keys: %w", err)
	}
	return s, nil
}

// Sign makes a JWT of claims, any value that encodes as a JSON object, under the primary signing key. typ goes into the
// header (RFC 8725 section 3.11), so that one kind of statement is never taken for another; it reads like
// "holdfast-grant+jwt". The caller sets every claim, iat and exp included: the signer has no clock.
func (s *Signer) Sign(typ string, claims any) (string, error) {
	t := jwt.NewWithClaims(jwt.SigningMethodEdDSA, statement{body: claims})
	t.Header["typ"] = typ
	t.Header["kid"] = s.primary
	signed, err := t.SignedString(s.private)
	if err != nil {
		return "", fmt.Errorf("secret: sign: %w", err)
	}
	return signed, nil
}

// JWKS is the JSON Web Key Set of all live keys, old ones included, for /.well-known/jwks.json. The caller must not change it.
func (s *Signer) JWKS() []byte { return s.jwks }

// statement lets any JSON object be the claims of a JWT in its own order of members. Its getters are for the library's
// interface alone: signing reads none of them, and Verifier has its own.
type statement struct{ body any }

// MarshalJSON is the object itself.
func (s statement) MarshalJSON() ([]byte, error) { return json.Marshal(s.body) }

func (statement) GetExpirationTime() (*jwt.NumericDate, error) { return nil, nil } //nolint:nilnil // the claim is absent.
func (statement) GetIssuedAt() (*jwt.NumericDate, error)       { return nil, nil } //nolint:nilnil // the claim is absent.
func (statement) GetNotBefore() (*jwt.NumericDate, error)      { return nil, nil } //nolint:nilnil // the claim is absent.
func (statement) GetIssuer() (string, error)                   { return "", nil }
func (statement) GetSubject() (string, error)                  { return "", nil }
func (statement) GetAudience() (jwt.ClaimStrings, error)       { return nil, nil }
