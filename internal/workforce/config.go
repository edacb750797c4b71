// Package workforce knows people by the access tokens of their company's OpenID providers (design.md, section 5): discovery,
// keys that rotate, and the claims that become a person, their roles and the tenants they serve. Nothing of a person is kept.
//
// It fails closed, by name. A token is refused unless everything about it is as configured. An issuer that does not answer
// leaves its known keys in use for a bounded time; after that its people are not let in, and the error names the issuer.
package workforce

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"net/url"
	"regexp"
	"slices"
	"time"

	"go.yaml.in/yaml/v3"

	"github.com/holdfast/holdfast/internal/credential"
)

// Config is the document that HOLDFAST_WORKFORCE_FILE names: whose tokens are believed, and what they mean. It holds no secret.
type Config struct {
	StepUp    StepUp      `yaml:"step_up"`
	People    []Issuer    `yaml:"issuers,omitempty"`
	Workloads []Workloads `yaml:"workloads,omitempty"`
}

// StepUp is what sensitive acts demand of a person's sign-in.
type StepUp struct {
	MaxAge time.Duration `yaml:"max_age"` // 15m when absent; 1m to 12h
	ACR    []string      `yaml:"acr"`     // classes of which one has to be met,
	AMR    []string      `yaml:"amr"`     // or methods; phishing-resistant ones when both are absent
}

// Issuer is one OpenID provider and what its tokens mean.
type Issuer struct {
	Issuer     string   `yaml:"issuer"`             // as it stands in tokens; https
	JWKS       string   `yaml:"jwks_uri,omitempty"` // its keys; discovered when absent
	Audience   []string `yaml:"audience"`           // one of these has to be in aud
	Parties    []string `yaml:"azp,omitempty"`      // the clients that a token may have been given to; any when absent
	Algorithms []string `yaml:"algorithms"`         // of signatures; asymmetric ones only
	TokenTypes []string `yaml:"token_types"`        // the header's typ; at+jwt when absent (RFC 9068)

	MaxLifetime time.Duration `yaml:"max_lifetime"` // of a token, from iat to exp; 12h when absent
	KeysFor     time.Duration `yaml:"keys_for"`     // how long known keys are used while the issuer does not answer; 1h when absent

	RolesClaim   string                       `yaml:"roles_claim,omitempty"`   // a claim, or a path such as realm_access.roles
	Roles        map[string][]credential.Role `yaml:"roles,omitempty"`         // what a value of the claim grants
	TenantsClaim string                       `yaml:"tenants_claim,omitempty"` // whom the person serves;
	Tenants      []string                     `yaml:"tenants,omitempty"`       // these at most, and exactly these without the claim
	PersonClaim  string                       `yaml:"person_claim,omitempty"`  // what identifies the human, whatever the account; email when absent, and then verified
	// NeedPerson refuses tokens without that claim. It is true when absent and there are several issuers: a person whose
	// accounts cannot be told to be theirs would count as two.
	NeedPerson *bool `yaml:"person_required"`
}

const (
	defaultMaxAge      = 15 * time.Minute
	defaultMaxLifetime = 12 * time.Hour
	defaultKeysFor     = time.Hour

	mostIssuers = 20
)

// Parse reads and checks the document; what is absent gets its default. A field that is not known is an error, for a
// misspelt restriction is one that is not there. insecure permits http on this machine, for development.
func Parse(text []byte, insecure bool) (Config, error) {
	var c Config
	d := yaml.NewDecoder(bytes.NewReader(text))
	d.KnownFields(true)
	if err := d.Decode(&c); err != nil {
		if errors.Is(err, io.EOF) {
			return c, errors.New("workforce: the document is empty")
		}
		return c, fmt.Errorf("workforce: %w", err)
	}
	if err := d.Decode(new(any)); !errors.Is(err, io.EOF) {
		return c, errors.New("workforce: there is more than one document")
	}
	return c.Complete(insecure)
}

// Complete gives everything absent its default and checks the whole.
func (c Config) Complete(insecure bool) (Config, error) {
	fill(&c)
	return c, c.check(insecure)
}

// Render writes the configuration in force.
func (c Config) Render() ([]byte, error) { return yaml.Marshal(c) }

// Rule is the step-up as callers are judged by.
func (s StepUp) Rule() credential.StepUp {
	return credential.StepUp{MaxAge: s.MaxAge, ACR: s.ACR, AMR: s.AMR}
}

func fill(c *Config) {
	if c.StepUp.MaxAge == 0 {
		c.StepUp.MaxAge = defaultMaxAge
	}
	if len(c.StepUp.ACR)+len(c.StepUp.AMR) == 0 {
		c.StepUp.ACR = []string{"phr", "phrh"}        // OpenID's phishing-resistant classes
		c.StepUp.AMR = []string{"hwk", "sc", "fido2"} // RFC 8176: a key in hardware, a smart card; and a name that providers use
	}
	several := len(c.People) > 1
	for i := range c.People {
		fillIssuer(&c.People[i], several)
		if c.People[i].PersonClaim == "" {
			c.People[i].PersonClaim = "email"
		}
	}
	fillWorkloads(c)
}

func fillWorkloads(c *Config) {
	for i := range c.Workloads {
		c.Workloads[i].fill()
	}
}

func fillIssuer(i *Issuer, several bool) {
	if len(i.Algorithms) == 0 {
		i.Algorithms = []string{"RS256", "PS256", "ES256", "ES384", "EdDSA"}
	}
	if len(i.TokenTypes) == 0 {
		i.TokenTypes = []string{"at+jwt"}
	}
	if i.MaxLifetime == 0 {
		i.MaxLifetime = defaultMaxLifetime
	}
	if i.KeysFor == 0 {
		i.KeysFor = defaultKeysFor
	}
	if i.NeedPerson == nil {
		i.NeedPerson = &several
	}
}

func (c Config) check(insecure bool) error {
	var errs []error
	bad := func(format string, args ...any) { errs = append(errs, fmt.Errorf("workforce: "+format, args...)) }
	if c.StepUp.MaxAge < time.Minute || c.StepUp.MaxAge > 12*time.Hour {
		bad("step_up.max_age must be from 1m to 12h")
	}
	for _, v := range slices.Concat(c.StepUp.ACR, c.StepUp.AMR) {
		if !regexp.MustCompile(`^[!#-\[\]-~]{1,100}$`).MatchString(v) {
			bad("step_up: a class or method must be 1 to 100 visible characters")
		}
	}
	all := c.People
	if n := len(all) + len(c.Workloads); n == 0 || n > mostIssuers {
		bad("there must be 1 to %d issuers", mostIssuers)
	}
	seen := map[string]bool{}
	for n, i := range all {
		if seen[i.Issuer] {
			bad("%s stands there twice: a token could mean two things", i.Issuer)
		}
		seen[i.Issuer] = true
		for _, err := range append(i.check(insecure), i.checkPeople()...) {
			bad("issuer %d (%s): %w", n+1, i.Issuer, err)
		}
	}
	taken := map[Machine]bool{}
	for n := range c.Workloads {
		w := &c.Workloads[n]
		for _, m := range w.Subjects {
			if taken[m] {
				bad("%s of %s is two workloads: each is a client of its own (R-134)", m.Client, m.Tenant)
			}
			taken[m] = true
		}
		if seen[w.Issuer] {
			bad("%s stands there twice: a token could mean two things", w.Issuer)
		}
		seen[w.Issuer] = true
		for _, err := range w.check(insecure) {
			bad("workloads %d (%s): %w", n+1, w.Issuer, err)
		}
	}
	return errors.Join(errs...)
}

// supported are the signatures that may be allowed: none of them is made with a secret that verifiers hold.
func supported() []string {
	return []string{"RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA"}
}

func (i Issuer) check(insecure bool) []error {
	var errs []error
	need := func(ok bool, text string) {
		if !ok {
			errs = append(errs, errors.New(text))
		}
	}
	need(validURL(i.Issuer, insecure), "issuer must be an https URL without user, query or fragment")
	need(i.JWKS == "" || validURL(i.JWKS, insecure), "jwks_uri must be an https URL without user or fragment")
	need(len(i.Audience) > 0 && !slices.Contains(i.Audience, ""), "audience is required: a token for somebody else is no token for us")
	for _, a := range i.Algorithms {
		need(slices.Contains(supported(), a), "algorithms: only asymmetric signatures may be allowed")
	}
	need(i.MaxLifetime >= time.Minute && i.MaxLifetime <= 7*24*time.Hour, "max_lifetime must be from 1m to 168h")
	need(i.KeysFor >= time.Minute && i.KeysFor <= 24*time.Hour, "keys_for must be from 1m to 24h")
	return errs
}

func (i Issuer) checkPeople() []error {
	var errs []error
	need := func(ok bool, text string) {
		if !ok {
			errs = append(errs, errors.New(text))
		}
	}
	need(i.RolesClaim != "" && len(i.Roles) > 0, "roles_claim and roles are required: without them nobody may do anything")
	for value, roles := range i.Roles {
		need(value != "" && len(roles) > 0, "roles: a value must grant something")
		for _, r := range roles {
			need(slices.Contains(credential.Roles(), r), "roles: must be of agent, approver, auditor, operator, security")
		}
	}
	need(!slices.Contains(i.TokenTypes, ""), "token_types must not hold an empty text")
	need(i.TenantsClaim != "" || len(i.Tenants) > 0, "tenants_claim or tenants is required")
	tenant := regexp.MustCompile(`^[a-z0-9][a-z0-9_-]{0,62}$`)
	for _, t := range i.Tenants {
		need(tenant.MatchString(t), "tenants: a tenant's id is lower-case letters, digits, - and _")
	}
	return errs
}

func validURL(text string, insecure bool) bool {
	u, err := url.Parse(text)
	if err != nil || u.Hostname() == "" || u.User != nil || u.RawQuery != "" || u.Fragment != "" {
		return false
	}
	ip := net.ParseIP(u.Hostname())
	local := u.Hostname() == "localhost" || ip != nil && ip.IsLoopback()
	return u.Scheme == "https" || u.Scheme == "http" && insecure && local
}
