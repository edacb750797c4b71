package workforce

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/coreos/go-oidc/v3/oidc"
	"github.com/go-jose/go-jose/v4"
)

// slack is by how much an issuer's clock may be off.
const slack = time.Minute

const longestSubject = 255

// errToken is why a token is not accepted. Its texts name claims and never their values: they go to the log.
var errToken = errors.New("token refused")

func refuse(format string, args ...any) error {
	return fmt.Errorf("%w: "+format, append([]any{errToken}, args...)...)
}

// trusted is an issuer whose tokens are believed.
type trusted struct {
	Issuer
	keys *keys
	algs []jose.SignatureAlgorithm
}

// claims are what a token says once everything about it was checked.
type claims struct {
	standard
	all map[string]any
}

type standard struct {
	ID        string `json:"jti"`
	IssuedAt  *unix  `json:"iat"`
	NotBefore *unix  `json:"nbf"`
	ExpiresAt *unix  `json:"exp"`
	AuthTime  *unix  `json:"auth_time"`
	Party     string `json:"azp"`
	ClientID  string `json:"client_id"`
	ACR       string `json:"acr"`
	AMR       many   `json:"amr"`
	Nonce     string `json:"nonce"`
	ATHash    string `json:"at_hash"`
	CHash     string `json:"c_hash"`

	subject string
}

// verify checks a token by everything that is configured. What is refused is errToken, an issuer without keys
// errIssuerDown.
func (t *trusted) verify(ctx context.Context, raw string, now time.Time) (claims, error) {
	parsed, err := jose.ParseSignedCompact(raw, t.algs)
	if err != nil {
		return claims{}, refuse("it is no JWT with an allowed signature")
	}
	header := parsed.Signatures[0].Header
	if !t.hasType(header) {
		return claims{}, refuse("typ is not one of %v", t.TokenTypes)
	}
	found, err := t.keys.find(ctx, header.KeyID, header.Algorithm)
	if err != nil {
		return claims{}, err
	}
	if len(found) == 0 {
		return claims{}, refuse("kid names no key of the issuer")
	}
	verifier := oidc.NewVerifier(t.Issuer.Issuer, chosen(found), &oidc.Config{
		SkipClientIDCheck: true, // the audience is ours to check: there may be several
		SkipExpiryCheck:   true, // and so are the times: the library is laxer
		SupportedSigningAlgs: func() []string {
			return t.Algorithms
		}(),
	})
	token, err := verifier.Verify(ctx, raw)
	if err != nil {
		return claims{}, refuse("the signature or the issuer is not right")
	}
	var c claims
	if err := token.Claims(&c.standard); err != nil {
		return claims{}, refuse("a standard claim is malformed")
	}
	if err := token.Claims(&c.all); err != nil {
		return claims{}, refuse("the claims are malformed")
	}
	c.subject = token.Subject
	if err := t.checkParties(token, c); err != nil {
		return claims{}, err
	}
	return c, t.checkTimes(c, now)
}

func (t *trusted) hasType(h jose.Header) bool {
	typ, _ := h.ExtraHeaders[jose.HeaderType].(string)
	typ = strings.TrimPrefix(strings.ToLower(typ), "application/")
	return slices.ContainsFunc(t.TokenTypes, func(want string) bool { return strings.EqualFold(want, typ) })
}

func (t *trusted) checkParties(token *oidc.IDToken, c claims) error {
	switch {
	case token.Subject == "" || len(token.Subject) > longestSubject:
		return refuse("sub is missing or too long")
	case !slices.ContainsFunc(token.Audience, func(a string) bool { return slices.Contains(t.Audience, a) }):
		return refuse("aud does not name this service")
	case len(token.Audience) > 1 && c.Party == "" && c.ClientID == "":
		return refuse("aud names several, and azp does not say who it was given to")
	case c.Nonce != "" || c.ATHash != "" || c.CHash != "":
		return refuse("it is an ID token, which is for the client that signed the person in")
	}
	if len(t.Parties) == 0 {
		return nil
	}
	party := c.Party
	if party == "" {
		party = c.ClientID
	}
	if !slices.Contains(t.Parties, party) || (c.ClientID != "" && c.Party != "" && c.ClientID != c.Party) {
		return refuse("azp is not one of the allowed clients")
	}
	return nil
}

func (t *trusted) checkTimes(c claims, now time.Time) error {
	switch {
	case c.ExpiresAt == nil || !now.Before(c.ExpiresAt.time()):
		return refuse("exp is missing or over")
	case c.IssuedAt == nil || c.IssuedAt.time().After(now.Add(slack)):
		return refuse("iat is missing or in the future")
	case c.NotBefore != nil && c.NotBefore.time().After(now.Add(slack)):
		return refuse("nbf is not reached")
	case c.ExpiresAt.time().Sub(c.IssuedAt.time()) > t.MaxLifetime:
		return refuse("it lives longer than %s", t.MaxLifetime)
	}
	return nil
}

// chosen verifies with the keys that were found, and asks nobody.
type chosen []jose.JSONWebKey

// VerifySignature implements oidc.KeySet.
func (s chosen) VerifySignature(_ context.Context, raw string) ([]byte, error) {
	// The allow-list has been asked, twice: here any asymmetric signature parses.
	parsed, err := jose.ParseSignedCompact(raw, algorithms(supported()))
	if err != nil {
		return nil, errors.New("no JWT")
	}
	for i := range s {
		if payload, err := parsed.Verify(&s[i]); err == nil {
			return payload, nil
		}
	}
	return nil, errors.New("no key fits")
}

func algorithms(names []string) []jose.SignatureAlgorithm {
	out := make([]jose.SignatureAlgorithm, len(names))
	for i, n := range names {
		out[i] = jose.SignatureAlgorithm(n)
	}
	return out
}
