// Package assertion lets clients call by what they sign themselves (RFC 7523, in the manner of private_key_jwt): a short-lived JWT
// per request, by a key whose public half is registered. No secret of a client is kept here or travels.
package assertion

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"strings"
	"time"

	"github.com/go-jose/go-jose/v4"

	"github.com/holdfast/holdfast/internal/credential"
	"github.com/holdfast/holdfast/internal/fault"
)

const (
	// Type is the header's typ, so that no token that was signed for something else passes (RFC 8725, 3.11).
	Type = "client-authentication+jwt"
	// MaxLifetime bounds an assertion, from iat to exp.
	MaxLifetime = 5 * time.Minute

	slack       = time.Minute // by how much a client's clock may be ahead
	longestJTI  = 128
	prefix      = "cli_"
	longestName = 100
)

// algorithms are what keys may verify; which of them one does, its form says.
func algorithms() []jose.SignatureAlgorithm {
	return []jose.SignatureAlgorithm{jose.EdDSA, jose.ES256, jose.RS256}
}

// Scheme is the signed assertions of clients. It is safe for concurrent use.
type Scheme struct {
	store    credential.KeyStore
	audience string
}

var _ credential.Scheme = (*Scheme)(nil)

// New makes the scheme. The audience is the service's public URL, as assertions name it in aud.
func New(store credential.KeyStore, audience string) *Scheme {
	return &Scheme{store: store, audience: audience}
}

// Claims implements credential.Scheme: a JWT that says it is from a client. Issuers of people are URLs.
func (s *Scheme) Claims(bearer string) bool {
	issuer, ok := credential.PeekIssuer(bearer)
	return ok && strings.HasPrefix(issuer, prefix)
}

// Authenticate implements credential.Scheme. Nothing is written before the signature and every claim are right, and nothing is
// remembered: each assertion is good for one request, and an end of its key or client counts at once.
func (s *Scheme) Authenticate(ctx context.Context, bearer string) (credential.Principal, error) {
	a, err := parse(bearer)
	if err != nil {
		return credential.Principal{}, refused(err)
	}
	found, err := s.store.FindKey(ctx, a.client, a.kid)
	if fault.CodeOf(err) == fault.CodeNotFound {
		return credential.Principal{}, refused(errors.New("kid names no key of the client"))
	}
	if err != nil {
		return credential.Principal{}, fault.Wrap(err, "authenticate assertion")
	}
	c, err := a.verify(found.Key)
	if err != nil {
		return credential.Principal{}, refused(err)
	}
	if err := c.check(a.client, s.audience, found.Now); err != nil {
		return credential.Principal{}, refused(err)
	}
	if found.Revoked || found.Disabled || !found.Now.Before(found.ExpiresAt) {
		return credential.Principal{}, refused(errors.New("its key or its client has ended"))
	}
	first, err := s.store.Spend(ctx, credential.SpentAssertion{
		Client: a.client, Key: a.kid, JTI: sha256.Sum256([]byte(c.ID)), ExpiresAt: c.ExpiresAt.time(),
	})
	if err != nil {
		return credential.Principal{}, fault.Wrap(err, "authenticate assertion")
	}
	if !first {
		return credential.Principal{}, refused(errors.New("it was presented before, or its key has just ended"))
	}
	return found.Principal, nil
}

// refused hides why from the caller; the reason goes to the log and names no claim's value.
func refused(why error) error {
	return fault.Of(fault.CodeUnauthenticated).Because(fmt.Errorf("assertion: %w", why))
}

// unverified is a JWT of the right form, of which only the form is known.
type unverified struct {
	signed *jose.JSONWebSignature
	client string
	kid    string
	alg    string
}

// parse reads an assertion's form.
func parse(bearer string) (unverified, error) {
	client, ok := credential.PeekIssuer(bearer)
	if !ok || !strings.HasPrefix(client, prefix) || len(client) > longestName {
		return unverified{}, errors.New("iss is no client")
	}
	signed, err := jose.ParseSignedCompact(bearer, algorithms())
	if err != nil {
		return unverified{}, errors.New("it is no JWT with an allowed signature")
	}
	h := signed.Signatures[0].Header
	typ, _ := h.ExtraHeaders[jose.HeaderType].(string)
	if strings.TrimPrefix(strings.ToLower(typ), "application/") != Type {
		return unverified{}, errors.New("typ is not " + Type)
	}
	if !validKid(h.KeyID) {
		return unverified{}, errors.New("kid is missing or malformed")
	}
	return unverified{signed: signed, client: client, kid: h.KeyID, alg: h.Algorithm}, nil
}

// verify checks the signature by the key on file, and by the one algorithm that is the key's.
func (a unverified) verify(key credential.PublicKey) (claims, error) {
	var c claims
	if a.alg != key.Algorithm {
		return c, errors.New("alg is not the key's")
	}
	var jwk jose.JSONWebKey
	if err := jwk.UnmarshalJSON([]byte(key.JWK)); err != nil {
		return c, errors.New("the key on file cannot be read")
	}
	payload, err := a.signed.Verify(jwk.Key)
	if err != nil {
		return c, errors.New("the signature is not right")
	}
	if err := json.Unmarshal(payload, &c); err != nil {
		return c, errors.New("a claim is malformed")
	}
	return c, nil
}

// instant is a NumericDate: seconds, possibly with a fraction.
type instant float64

func (i instant) valid() bool { return i >= 0 && i <= 1<<40 && !math.IsNaN(float64(i)) }

func (i instant) time() time.Time { return time.Unix(int64(i), 0).UTC() }

// oneText is a text, or a list of exactly one.
type oneText string

// UnmarshalJSON implements json.Unmarshaler.
func (o *oneText) UnmarshalJSON(text []byte) error {
	var list []string
	if err := json.Unmarshal(text, &list); err == nil {
		if len(list) != 1 {
			return errors.New("must be one")
		}
		*o = oneText(list[0])
		return nil
	}
	return json.Unmarshal(text, (*string)(o)) //nolint:wrapcheck // the caller hides it.
}

type claims struct {
	Issuer    string   `json:"iss"`
	Subject   string   `json:"sub"`
	Audience  oneText  `json:"aud"`
	ExpiresAt *instant `json:"exp"`
	IssuedAt  *instant `json:"iat"`
	NotBefore *instant `json:"nbf"`
	ID        string   `json:"jti"`
}

// check judges the claims at the database's time.
func (c claims) check(client, audience string, now time.Time) error {
	switch {
	case c.Issuer != client || c.Subject != client:
		return errors.New("iss and sub are not the client")
	case audience == "" || string(c.Audience) != audience:
		return errors.New("aud is not this service alone")
	case c.ID == "" || len(c.ID) > longestJTI:
		return errors.New("jti is missing or too long")
	case c.ExpiresAt == nil || !c.ExpiresAt.valid() || !now.Before(c.ExpiresAt.time()):
		return errors.New("exp is missing or over")
	case c.IssuedAt == nil || !c.IssuedAt.valid() || c.IssuedAt.time().After(now.Add(slack)):
		return errors.New("iat is missing or in the future")
	case c.NotBefore != nil && (!c.NotBefore.valid() || c.NotBefore.time().After(now.Add(slack))):
		return errors.New("nbf is not reached")
	case c.ExpiresAt.time().Sub(c.IssuedAt.time()) > MaxLifetime:
		return errors.New("it lives longer than five minutes")
	}
	return nil
}
