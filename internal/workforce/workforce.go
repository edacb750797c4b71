package workforce

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/holdfast/holdfast/internal/clock"
	"github.com/holdfast/holdfast/internal/credential"
	"github.com/holdfast/holdfast/internal/fault"
)

// Clock tells the service's time (ADR 0005).
type Clock interface {
	Now(ctx context.Context) (time.Time, error)
}

// Deps is what signing in needs beside its configuration.
type Deps struct {
	Clock Clock
	Wall  clock.Clock  // the process's own: it measures how old keys are, and decides no token's time
	HTTP  *http.Client // one with a time limit when nil
}

// People is the scheme of people's tokens. It is safe for concurrent use.
type People struct {
	clock   Clock
	issuers map[string]*trusted
}

var _ credential.Scheme = (*People)(nil)

// New makes the scheme. It speaks to nobody: an issuer is asked when its first token comes.
func New(c Config, d Deps) (*People, error) {
	if d.Clock == nil || d.Wall == nil {
		return nil, errors.New("workforce: incomplete dependencies")
	}
	return &People{clock: d.Clock, issuers: trust(c.People, d)}, nil
}

func trust(issuers []Issuer, d Deps) map[string]*trusted {
	client := d.HTTP
	if client == nil {
		client = newClient()
	}
	out := map[string]*trusted{}
	for _, i := range issuers {
		out[i.Issuer] = &trusted{
			Issuer: i, algs: algorithms(i.Algorithms),
			keys: &keys{issuer: i.Issuer, uri: i.JWKS, stale: i.KeysFor, client: client, clock: d.Wall},
		}
	}
	return out
}

// Claims implements credential.Scheme: tokens that name one of the issuers are ours to judge.
func (p *People) Claims(bearer string) bool {
	issuer, ok := credential.PeekIssuer(bearer)
	return ok && p.issuers[issuer] != nil
}

// Authenticate implements credential.Scheme.
func (p *People) Authenticate(ctx context.Context, bearer string) (credential.Principal, error) {
	name, _ := credential.PeekIssuer(bearer)
	issuer := p.issuers[name]
	if issuer == nil {
		return credential.Principal{}, fault.Of(fault.CodeUnauthenticated)
	}
	now, err := p.clock.Now(ctx)
	if err != nil {
		return credential.Principal{}, fault.Of(fault.CodeUnavailable).Because(err)
	}
	c, err := issuer.verify(ctx, bearer, now)
	if err != nil {
		return credential.Principal{}, faultOf(err)
	}
	who, err := issuer.person(c, now)
	return who, faultOf(err)
}

// person turns checked claims into a principal.
func (t *trusted) person(c claims, now time.Time) (credential.Principal, error) {
	if c.machine() {
		return credential.Principal{}, refuse("it was given to a machine, which needs a client's credential")
	}
	person, err := t.personOf(c)
	if err != nil {
		return credential.Principal{}, err
	}
	roles, tenants := t.rolesOf(c), t.tenantsOf(c)
	who := credential.Principal{
		Kind: credential.Workforce, Scopes: credential.ScopesOf(roles), ExpiresAt: c.ExpiresAt.time(),
		Staff: &credential.Staff{
			Issuer: t.Issuer.Issuer, Subject: c.subject, Person: credential.PersonID(person), Roles: roles, Tenants: tenants,
			ACR: c.ACR, AMR: c.AMR, At: now,
		},
	}
	if len(tenants) == 1 {
		who.Tenant = tenants[0]
	}
	if c.AuthTime != nil {
		who.Staff.AuthenticatedAt = c.AuthTime.time()
	}
	return who, nil
}

// faultOf tells a refused token from an issuer that cannot be asked.
func faultOf(err error) error {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, errIssuerDown):
		return fault.Of(fault.CodeUnavailable).Because(err)
	default:
		return fault.Of(fault.CodeUnauthenticated).Because(fmt.Errorf("workforce: %w", err))
	}
}
