// Package devissuer is a small OpenID provider for development and tests: it serves discovery and keys over HTTP, as any
// provider does, and signs access tokens for whoever is asked for. It signs nobody in, and exists in no other mode.
package devissuer

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"sync"
	"time"

	"github.com/go-jose/go-jose/v4"

	"github.com/holdfast/holdfast/internal/credential"
	"github.com/holdfast/holdfast/internal/workforce"
)

const (
	// Audience is whom the tokens are for.
	Audience = "holdfast"
	// Party is the client that the tokens are given to.
	Party = "agent-console"

	rolesClaim   = "holdfast_roles"
	tenantsClaim = "holdfast_tenants"
	lifetime     = time.Hour
)

// Issuer is a running provider. It is safe for concurrent use.
type Issuer struct {
	url    string
	server *http.Server
	done   chan struct{}

	mu   sync.Mutex
	keys []jose.JSONWebKey // private; the last one signs
	asks int
}

// Start listens on an address of this machine, 127.0.0.1:0 for any free port, and serves.
func Start(ctx context.Context, address string) (*Issuer, error) {
	l, err := (&net.ListenConfig{}).Listen(ctx, "tcp", address)
	if err != nil {
		return nil, fmt.Errorf("development issuer: %w", err)
	}
	i := &Issuer{url: "http://" + l.Addr().String(), done: make(chan struct{})}
	if err := i.Rotate(); err != nil {
		return nil, errors.Join(err, l.Close())
	}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /.well-known/openid-configuration", i.discovery)
	mux.HandleFunc("GET /jwks", i.jwks)
	i.server = &http.Server{Handler: mux, ReadHeaderTimeout: 5 * time.Second}
	go func() {
		defer close(i.done)
		_ = i.server.Serve(l) // ends with Close
	}()
	return i, nil
}

// Close stops it; then nobody can ask it for keys. It may be called again.
func (i *Issuer) Close() error {
	err := i.server.Close()
	<-i.done
	return err
}

// URL is the issuer's name in tokens, and where it is asked.
func (i *Issuer) URL() string { return i.url }

// Asked tells how often its keys were asked for.
func (i *Issuer) Asked() int {
	i.mu.Lock()
	defer i.mu.Unlock()
	return i.asks
}

// Rotate makes a new key that signs from now on. Keys before the last one are no longer published.
func (i *Issuer) Rotate() error {
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return fmt.Errorf("development issuer: %w", err)
	}
	i.mu.Lock()
	defer i.mu.Unlock()
	if len(i.keys) > 1 {
		i.keys = i.keys[1:]
	}
	i.keys = append(i.keys, jose.JSONWebKey{Key: private, KeyID: rand.Text(), Algorithm: string(jose.ES256), Use: "sig"})
	return nil
}

func (i *Issuer) discovery(w http.ResponseWriter, _ *http.Request) {
	answer(w, map[string]any{
		"issuer": i.url, "jwks_uri": i.url + "/jwks", "authorization_endpoint": i.url + "/authorize", "token_endpoint": i.url + "/token",
		"response_types_supported": []string{"code"}, "subject_types_supported": []string{"public"},
		"id_token_signing_alg_values_supported": []string{string(jose.ES256)},
	})
}

func (i *Issuer) jwks(w http.ResponseWriter, _ *http.Request) {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.asks++
	var set jose.JSONWebKeySet
	for _, k := range i.keys {
		set.Keys = append(set.Keys, k.Public())
	}
	answer(w, set)
}

func answer(w http.ResponseWriter, body any) {
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(body) // who is gone hears nothing
}

// Config is the document that makes the service believe this issuer.
func (i *Issuer) Config() workforce.Config {
	roles := map[string][]credential.Role{}
	for _, r := range credential.Roles() {
		roles[string(r)] = []credential.Role{r}
	}
	return workforce.Config{People: []workforce.Issuer{{
		Issuer: i.url, Audience: []string{Audience}, Parties: []string{Party}, Algorithms: []string{string(jose.ES256)},
		RolesClaim: rolesClaim, Roles: roles, TenantsClaim: tenantsClaim,
	}}}
}

// Person is who a token is for.
type Person struct {
	Subject  string // required
	Email    string // SUBJECT@staff.example.com when empty
	Roles    []credential.Role
	Tenants  []string
	SignedIn time.Duration // how long ago
	ACR      string        // phr when empty; "none" for none
	AMR      []string
}

// Address is what identifies the person in the company.
func (p Person) Address() string {
	if p.Email == "" {
		return p.Subject + "@staff.example.com"
	}
	return p.Email
}

// Mint signs an access token for a person, as from a sign-in at this time.
func (i *Issuer) Mint(now time.Time, p Person) (string, time.Time, error) {
	return i.Sign("at+jwt", i.Claims(now, p))
}

// Claims are what Mint signs.
func (i *Issuer) Claims(now time.Time, p Person) map[string]any {
	if p.ACR == "" {
		p.ACR = "phr"
	}
	c := map[string]any{
		"iss": i.url, "sub": p.Subject, "aud": Audience, "azp": Party, "jti": rand.Text(), "iat": now.Unix(), "exp": now.Add(lifetime).Unix(),
		"auth_time": now.Add(-p.SignedIn).Unix(), "email": p.Address(), "email_verified": true, rolesClaim: p.Roles, tenantsClaim: p.Tenants, "acr": p.ACR,
	}
	if p.ACR == "none" {
		delete(c, "acr")
	}
	if len(p.AMR) > 0 {
		c["amr"] = p.AMR
	}
	return c
}

// Sign signs any claims with the present key, under a typ.
func (i *Issuer) Sign(typ string, claims map[string]any) (string, time.Time, error) {
	i.mu.Lock()
	key := i.keys[len(i.keys)-1]
	i.mu.Unlock()
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: jose.ES256, Key: key}, (&jose.SignerOptions{}).WithType(jose.ContentType(typ)))
	if err != nil {
		return "", time.Time{}, fmt.Errorf("development issuer: %w", err)
	}
	payload, err := json.Marshal(claims)
	if err != nil {
		return "", time.Time{}, fmt.Errorf("development issuer: %w", err)
	}
	signed, err := signer.Sign(payload)
	if err != nil {
		return "", time.Time{}, fmt.Errorf("development issuer: %w", err)
	}
	token, err := signed.CompactSerialize()
	if err != nil {
		return "", time.Time{}, fmt.Errorf("development issuer: %w", err)
	}
	exp, _ := claims["exp"].(int64)
	return token, time.Unix(exp, 0).UTC(), nil
}
