package workforce

import (
	"context"
	"crypto/rsa"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"sync"
	"time"

	"github.com/coreos/go-oidc/v3/oidc"
	"github.com/go-jose/go-jose/v4"

	"github.com/holdfast/holdfast/internal/clock"
)

const (
	// freshFor is how long keys are used without asking for new ones.
	freshFor = 10 * time.Minute
	// askAgain bounds how often an issuer is asked, whatever keys tokens name and whatever it answers.
	askAgain = 10 * time.Second

	answerWithin = 5 * time.Second
	longestSet   = 256 << 10
	mostKeys     = 64
	leastRSA     = 2048
)

// errIssuerDown is why the people of an issuer cannot be told from others.
var errIssuerDown = errors.New("the issuer's keys cannot be had")

// keys are an issuer's public keys. go-oidc's own set asks the issuer for every key it does not know and keeps keys for ever;
// this one asks seldom, and lets go of them. It is safe for concurrent use.
type keys struct {
	issuer string
	uri    string // discovered when empty
	stale  time.Duration
	client *http.Client
	clock  clock.Clock // the process's own: it measures ages and decides no token's time

	asking sync.Mutex // held by whoever asks the issuer
	mu     sync.Mutex // guards what follows
	known  []jose.JSONWebKey
	since  time.Time // of the last good answer
	asked  time.Time // of the last question
	failed error     // of the last question
}

// find gives the keys that may have signed a token with this key id; usually one. None is an empty list: the token is not of
// this issuer. errIssuerDown is what it says.
func (k *keys) find(ctx context.Context, id, alg string) ([]jose.JSONWebKey, error) {
	if found, age := k.lookUp(id, alg); len(found) > 0 && age < freshFor {
		return found, nil
	}
	k.refresh(ctx, id, alg)
	found, age := k.lookUp(id, alg)
	if age < k.stale {
		return found, nil
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	return nil, fmt.Errorf("%w: %s: %w", errIssuerDown, k.issuer, k.failed)
}

// lookUp gives the matching keys and how old the whole set is.
func (k *keys) lookUp(id, alg string) ([]jose.JSONWebKey, time.Duration) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.since.IsZero() {
		return nil, 1<<63 - 1
	}
	var out []jose.JSONWebKey
	for _, key := range k.known {
		if (id == key.KeyID || id == "" && len(k.known) == 1) && (key.Algorithm == "" || key.Algorithm == alg) {
			out = append(out, key)
		}
	}
	return out, k.clock.Now().Sub(k.since)
}

// refresh asks the issuer, unless that was done just now. Of many who want it at once one asks and the others wait for it.
func (k *keys) refresh(ctx context.Context, id, alg string) {
	k.asking.Lock()
	defer k.asking.Unlock()
	if found, age := k.lookUp(id, alg); len(found) > 0 && age < freshFor {
		return // another one has asked meanwhile
	}
	k.mu.Lock()
	soon := !k.asked.IsZero() && k.clock.Now().Sub(k.asked) < askAgain
	k.mu.Unlock()
	if soon {
		return
	}
	// One caller who goes away does not spoil the answer for the others.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), answerWithin)
	defer cancel()
	set, err := k.fetch(ctx)
	k.mu.Lock()
	defer k.mu.Unlock()
	k.asked, k.failed = k.clock.Now(), err
	if err == nil {
		k.known, k.since = set, k.asked
	}
}

func (k *keys) fetch(ctx context.Context) ([]jose.JSONWebKey, error) {
	uri := k.uri
	if uri == "" {
		// Discovery has to name the very issuer that we asked.
		p, err := oidc.NewProvider(oidc.ClientContext(ctx, k.client), k.issuer)
		if err != nil {
			return nil, fmt.Errorf("discover: %w", err)
		}
		var said struct {
			JWKS string `json:"jwks_uri"`
		}
		if err := p.Claims(&said); err != nil || said.JWKS == "" {
			return nil, errors.New("discover: there is no jwks_uri")
		}
		uri = said.JWKS
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, uri, http.NoBody)
	if err != nil {
		return nil, fmt.Errorf("fetch keys: %w", err)
	}
	res, err := k.client.Do(req)
	if err != nil {
		return nil, fmt.Errorf("fetch keys: %w", err)
	}
	defer func() { _ = res.Body.Close() }() // it was only read
	if res.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("fetch keys: status %d", res.StatusCode)
	}
	text, err := io.ReadAll(io.LimitReader(res.Body, longestSet+1))
	if err != nil || len(text) > longestSet {
		return nil, errors.New("fetch keys: the answer is too long or incomplete")
	}
	return ParseKeys(text)
}

// ParseKeys reads a JWK set and keeps the public keys that may verify signatures. Keys of unknown types are left out, as the
// standard wants it; a set without any good key is an error.
func ParseKeys(text []byte) ([]jose.JSONWebKey, error) {
	var set struct {
		Keys []json.RawMessage `json:"keys"`
	}
	if err := json.Unmarshal(text, &set); err != nil {
		return nil, errors.New("read keys: no JWK set")
	}
	if len(set.Keys) > mostKeys {
		return nil, fmt.Errorf("read keys: more than %d", mostKeys)
	}
	var out []jose.JSONWebKey
	for _, raw := range set.Keys {
		var key jose.JSONWebKey
		if err := key.UnmarshalJSON(raw); err != nil || !usable(key) {
			continue
		}
		out = append(out, key)
	}
	if len(out) == 0 {
		return nil, errors.New("read keys: the set has no public key that signs")
	}
	return out, nil
}

// usable reports whether a key may verify signatures. A symmetric key never may: it would be a published secret.
func usable(key jose.JSONWebKey) bool {
	if !key.Valid() || !key.IsPublic() || (key.Use != "" && key.Use != "sig") {
		return false
	}
	if r, ok := key.Key.(*rsa.PublicKey); ok {
		return r.N.BitLen() >= leastRSA
	}
	return true
}

// newClient makes the client that speaks to issuers: it follows no redirect and has a time limit.
func newClient() *http.Client {
	return &http.Client{
		Timeout: answerWithin,
		CheckRedirect: func(*http.Request, []*http.Request) error {
			return http.ErrUseLastResponse
		},
	}
}
