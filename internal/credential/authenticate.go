package credential

import (
	"context"
	"strings"

	"github.com/holdfast/holdfast/internal/fault"
	"github.com/holdfast/holdfast/internal/secret"
)

// maxBearer bounds what is looked at, in bytes. It has room for a signed assertion.
const maxBearer = 8 << 10

// Authenticate gives the principal of a live credential. Malformed, unknown, wrong, expired, revoked and of a disabled client
// are all fault.CodeUnauthenticated, and nothing tells them apart. A store that does not answer is fault.CodeUnavailable.
//
// A good answer is remembered for cacheFor: a credential that was revoked, or whose client was disabled, on another node may
// pass on this one for that much longer. Its expiry is exact. A refusal is never remembered.
func (s *Clients) Authenticate(ctx context.Context, bearer string) (Principal, error) {
	if len(bearer) > maxBearer {
		return Principal{}, fault.Of(fault.CodeUnauthenticated)
	}
	for _, sc := range s.schemes {
		if !sc.Claims(bearer) {
			continue
		}
		p, err := sc.Authenticate(ctx, bearer)
		if err == nil && strings.HasSuffix(p.Credential, WorkloadSuffix) {
			s.touched.add(p.Credential)
		}
		return p, err
	}
	return Principal{}, fault.Of(fault.CodeUnauthenticated)
}

// apiKeys is the scheme of prefixed, checksummed credentials.
type apiKeys struct{ *Clients }

// Claims implements Scheme.
func (a apiKeys) Claims(bearer string) bool {
	return strings.HasPrefix(bearer, secret.PrefixCredential+"_")
}

// Authenticate implements Scheme. It looks nothing up for a text that NewCredential cannot have made.
func (a apiKeys) Authenticate(ctx context.Context, bearer string) (Principal, error) {
	publicID, hash, err := secret.ParseCredential(bearer)
	if err != nil {
		return Principal{}, fault.Of(fault.CodeUnauthenticated)
	}
	asked := a.Clock.Now()
	if p, ok := a.cache.get(publicID, hash[:], asked); ok {
		a.touched.add(publicID)
		return p, nil
	}
	found, err := a.Store.Find(ctx, publicID)
	if fault.CodeOf(err) == fault.CodeNotFound {
		return Principal{}, fault.Of(fault.CodeUnauthenticated)
	}
	if err != nil {
		return Principal{}, fault.Wrap(err, "authenticate client")
	}
	same := secret.Equal(hash[:], found.Hash)
	if !same || found.Revoked || found.Disabled || !found.Now.Before(found.ExpiresAt) {
		return Principal{}, fault.Of(fault.CodeUnauthenticated)
	}
	// The lifetime in the cache is counted from before the question, and in the database's time until the expiry.
	a.cache.put(publicID, found, asked, min(cacheFor, found.ExpiresAt.Sub(found.Now)))
	a.touched.add(publicID)
	return found.Principal, nil
}

// Flush writes down which credentials were used since the last time, each at most once a minute over all nodes. It is to be
// called every few seconds and once before the process ends. What it fails to write is kept for the next time.
func (s *Clients) Flush(ctx context.Context) error {
	ids := s.touched.take()
	if len(ids) == 0 {
		return nil
	}
	if err := s.Store.Touch(ctx, ids); err != nil {
		for _, id := range ids {
			s.touched.add(id)
		}
		return fault.Wrap(err, "record use of credentials")
	}
	return nil
}
