package secret

import (
	"crypto/ed25519"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"time"

	"github.com/golang-jwt/jwt/v5"
)

// Verifier checks statements as an identity system would: from nothing but the published key set.
type Verifier struct {
	keys map[string]ed25519.PublicKey
}

// Expect is what a statement must say to be accepted. Every member is needed.
type Expect struct {
	Type     string // the header's typ
	Issuer   string
	Audience string
	Now      time.Time
}

// NewVerifier reads a JSON Web Key Set. Keys that are not Ed25519 signing keys are passed over, as RFC 7517 section 5 asks.
func NewVerifier(jwks []byte) (*Verifier, error) {
	var set jwkSet
	if err := json.Unmarshal(jwks, &set); err != nil {
		return nil, fmt.Errorf("secret: key set: %w", err)
	}
	v := &Verifier{keys: make(map[string]ed25519.PublicKey)}
	for _, k := range set.Keys {
		x, err := base64.RawURLEncoding.DecodeString(k.X)
		if k.Type == "OKP" && k.Curve == "Ed25519" && err == nil && len(x) == ed25519.PublicKeySize {
			v.keys[k.ID] = x
		}
	}
	return v, nil
}

// Verify checks the signature, the type, the issuer, the audience and that the statement has not expired, and decodes its
// claims into claims. It accepts EdDSA and nothing else, whatever the token's header asks for.
func (v *Verifier) Verify(token string, want Expect, claims any) error {
	parser := jwt.NewParser(
		jwt.WithValidMethods([]string{jwt.SigningMethodEdDSA.Alg()}),
		jwt.WithExpirationRequired(),
		jwt.WithIssuedAt(),
		jwt.WithIssuer(want.Issuer),
		jwt.WithAudience(want.Audience),
		jwt.WithTimeFunc(func() time.Time { return want.Now }),
	)
	parsed, err := parser.ParseWithClaims(token, jwt.MapClaims{}, func(t *jwt.Token) (any, error) {
		if t.Header["typ"] != want.Type {
			return nil, ErrMalformed
		}
		id, _ := t.Header["kid"].(string)
		key, ok := v.keys[id]
		if !ok {
			return nil, ErrUnknownKey
		}
		return key, nil
	})
	if err != nil {
		return fmt.Errorf("secret: verify statement: %w", err)
	}
	b, err := json.Marshal(parsed.Claims)
	if err != nil {
		return fmt.Errorf("secret: verify statement: %w", err)
	}
	if err := json.Unmarshal(b, claims); err != nil {
		return fmt.Errorf("secret: decode statement: %w", err)
	}
	return nil
}
