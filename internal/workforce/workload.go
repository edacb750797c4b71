package workforce

import (
	"context"
	"errors"
	"regexp"
	"strings"
	"time"

	"github.com/holdfast/holdfast/internal/credential"
	"github.com/holdfast/holdfast/internal/fault"
)

// longestWorkload is how long a workload's token may live, from iat to exp.
const longestWorkload = time.Hour

// Workloads is one issuer of a cluster (Kubernetes, SPIFFE) and which of its subjects are which clients.
type Workloads struct {
	Issuer      string             `yaml:"issuer"`             // as it stands in tokens; https
	JWKS        string             `yaml:"jwks_uri,omitempty"` // its keys; discovered when absent
	Audience    []string           `yaml:"audience"`           // one of these has to be in aud
	Algorithms  []string           `yaml:"algorithms"`         // of signatures; asymmetric ones only
	MaxLifetime time.Duration      `yaml:"max_lifetime"`       // of a token, from iat to exp; 1h when absent, and at most
	KeysFor     time.Duration      `yaml:"keys_for"`           // how long known keys are used while the issuer does not answer; 1h when absent
	Subjects    map[string]Machine `yaml:"subjects"`           // a token's exact sub, and whom it stands for
}

// Machine is a registered client.
type Machine struct {
	Tenant string `yaml:"tenant"`
	Client string `yaml:"client"`
}

func (w *Workloads) fill() {
	i := w.asIssuer()
	fillIssuer(&i, false)
	w.Algorithms, w.KeysFor = i.Algorithms, i.KeysFor
	if w.MaxLifetime == 0 {
		w.MaxLifetime = longestWorkload
	}
}

// asIssuer is the issuer as tokens are checked against. Clusters set no type, or JWT.
func (w *Workloads) asIssuer() Issuer {
	return Issuer{
		Issuer: w.Issuer, JWKS: w.JWKS, Audience: w.Audience, Algorithms: w.Algorithms, TokenTypes: []string{"", "JWT"},
		MaxLifetime: w.MaxLifetime, KeysFor: w.KeysFor,
	}
}

func (w *Workloads) check(insecure bool) []error {
	errs := w.asIssuer().check(insecure)
	if w.MaxLifetime > longestWorkload {
		errs = append(errs, errors.New("max_lifetime must be 1h at most"))
	}
	if len(w.Subjects) == 0 {
		errs = append(errs, errors.New("subjects are required: without them no workload is anybody"))
	}
	tenant, client := regexp.MustCompile(`^[a-z0-9][a-z0-9_-]{0,62}$`), regexp.MustCompile(`^cli_[0-9a-z]{1,60}$`)
	for subject, m := range w.Subjects {
		if subject == "" || strings.Contains(subject, "*") || !tenant.MatchString(m.Tenant) || !client.MatchString(m.Client) {
			errs = append(errs, errors.New("subjects: each is an exact sub with its tenant and its client (cli_…)"))
		}
	}
	return errs
}

// ClientStore tells the standing of clients. One that the tenant does not have is fault.CodeNotFound.
type ClientStore interface {
	Standing(ctx context.Context, tenant, client string) (credential.Presented, error)
}

// Machines is the scheme of workloads' tokens: each stands for one registered client. It is safe for concurrent use.
type Machines struct {
	store   ClientStore
	clock   Clock
	issuers map[string]*trusted
	who     map[string]map[string]Machine
}

var _ credential.Scheme = (*Machines)(nil)

// NewMachines makes the scheme. It speaks to nobody: an issuer is asked when its first token comes.
func NewMachines(c Config, d Deps, store ClientStore) (*Machines, error) {
	if d.Wall == nil || d.Clock == nil || store == nil {
		return nil, errors.New("workforce: incomplete dependencies")
	}
	m := &Machines{store: store, clock: d.Clock, who: map[string]map[string]Machine{}}
	var issuers []Issuer
	for _, w := range c.Workloads {
		issuers = append(issuers, w.asIssuer())
		m.who[w.Issuer] = w.Subjects
	}
	m.issuers = trust(issuers, d)
	return m, nil
}

// Claims implements credential.Scheme.
func (m *Machines) Claims(bearer string) bool {
	issuer, ok := credential.PeekIssuer(bearer)
	return ok && m.issuers[issuer] != nil
}

// Authenticate implements credential.Scheme. A token may be used until it ends; the end of its client counts with the next request.
func (m *Machines) Authenticate(ctx context.Context, bearer string) (credential.Principal, error) {
	name, _ := credential.PeekIssuer(bearer)
	issuer := m.issuers[name]
	if issuer == nil {
		return credential.Principal{}, fault.Of(fault.CodeUnauthenticated)
	}
	now, err := m.clock.Now(ctx)
	if err != nil {
		return credential.Principal{}, fault.Of(fault.CodeUnavailable).Because(err)
	}
	c, err := issuer.verify(ctx, bearer, now)
	if err != nil {
		return credential.Principal{}, faultOf(err)
	}
	machine, ok := m.who[name][c.subject]
	if !ok {
		return credential.Principal{}, faultOf(refuse("sub is no registered workload"))
	}
	found, err := m.store.Standing(ctx, machine.Tenant, machine.Client)
	switch {
	case fault.CodeOf(err) == fault.CodeNotFound:
		return credential.Principal{}, faultOf(refuse("its client does not exist"))
	case err != nil:
		return credential.Principal{}, fault.Wrap(err, "authenticate workload")
	case found.Disabled || found.Kind == credential.Publishable:
		return credential.Principal{}, faultOf(refuse("its client has ended, or lies in an app"))
	}
	found.Principal.ExpiresAt = c.ExpiresAt.time()
	return found.Principal, nil
}
