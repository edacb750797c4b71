// Package credential is about who calls: API clients with an owner, scopes and an expiry, and the people of
// the workforce with their roles. What each may do stands in one table (permission.go).
//
// An API credential is prefixed and checksummed, so that a leaked one is recognised and a mistyped one never costs a look-up.
// Only its hash is kept. People are known by the tokens of their company's OpenID provider; nothing of theirs is kept here.
package credential

import (
	"crypto/sha256"
	"encoding/base32"
	"slices"
	"strings"
	"time"

	"github.com/holdfast/holdfast/internal/audit"
	"github.com/holdfast/holdfast/internal/secret"
)

// Principal is an authenticated caller: a client, or a person of the workforce acting for one tenant.
type Principal struct {
	Tenant     string // empty for a person who serves several and has not chosen yet: see For
	Client     string // cli_…; empty for a person
	Credential string // the public id of what a client presented; empty for a person
	Kind       Kind
	Scopes     []Scope
	Owner      string // PersonID of the human who answers for a client; empty for a person
	ExpiresAt  time.Time
	Staff      *Staff // the person; nil for a client
}

// Staff is a person of the workforce, as their company's OpenID provider knows them. It holds no name and no address.
type Staff struct {
	Issuer  string
	Subject string
	Person  string // PersonID: one human has one, whatever the account
	Roles   []Role
	Tenants []string // whom they serve
	// How the person proved who they are, for step-up. The zero time and empty texts are what is not known.
	AuthenticatedAt time.Time
	ACR             string
	AMR             []string
	At              time.Time // the service's time at which the token was judged
}

// Allows reports whether the principal has the scope. A scope that its kind can never have counts for nothing, whatever is
// on file.
func (p Principal) Allows(s Scope) bool {
	return slices.Contains(p.Scopes, s) && p.Kind.CanHold(s)
}

// Human reports whether a person is calling.
func (p Principal) Human() bool { return p.Kind == Workforce && p.Staff != nil }

// Has reports whether the principal is a person with the role.
func (p Principal) Has(r Role) bool { return p.Human() && slices.Contains(p.Staff.Roles, r) }

// Person is the human whom the principal's acts are counted as: themselves, or for a client its owner. A client and its
// owner count as one.
func (p Principal) Person() string {
	if p.Human() {
		return p.Staff.Person
	}
	return p.Owner
}

// Account is the account that a person signed in with, named like a person: the text behind it is the issuer's and not theirs, so
// that it stays the same when they change their address. It is empty for a client.
func (p Principal) Account() string {
	if !p.Human() {
		return ""
	}
	return PersonID(p.Staff.Issuer + "|" + p.Staff.Subject)
}

// Name is what limits and logs call the principal: its client, or the person.
func (p Principal) Name() string {
	if p.Human() {
		return p.Staff.Person
	}
	return p.Client
}

// Actor is the principal in the audit trail. People who work on cases are agents there, other people operators.
func (p Principal) Actor() audit.Actor {
	switch {
	case p.Has(Agent), p.Has(Approver), p.Has(Security):
		return audit.Actor{Kind: audit.ActorAgent, ID: p.Name()}
	case p.Human():
		return audit.Actor{Kind: audit.ActorOperator, ID: p.Name()}
	case p.Kind == AIAgent:
		return audit.Actor{Kind: audit.ActorAI, ID: p.Name()}
	default:
		return audit.Actor{Kind: audit.ActorClient, ID: p.Name()}
	}
}

// For is the principal acting for a tenant, and whether it may. A client belongs to one tenant. A person serves one or
// several: with one, the empty name means it.
func (p Principal) For(tenant string) (Principal, bool) {
	if !p.Human() {
		return p, tenant == "" || tenant == p.Tenant
	}
	if tenant == "" && len(p.Staff.Tenants) == 1 {
		tenant = p.Staff.Tenants[0]
	}
	p.Tenant = tenant
	return p, tenant != "" && slices.Contains(p.Staff.Tenants, tenant)
}

// Fresh reports whether the person proved who they are lately and strongly enough. What is not known is not enough, and a
// time in the future by more than a minute is no time.
func (s StepUp) Fresh(p Principal) bool {
	if !p.Human() || s.MaxAge <= 0 {
		return false
	}
	age := p.Staff.At.Sub(p.Staff.AuthenticatedAt)
	if p.Staff.AuthenticatedAt.IsZero() || age > s.MaxAge || age < -time.Minute {
		return false
	}
	strong := p.Staff.ACR != "" && slices.Contains(s.ACR, p.Staff.ACR)
	return strong || slices.ContainsFunc(p.Staff.AMR, func(m string) bool { return slices.Contains(s.AMR, m) })
}

// StepUp is what a sensitive act demands of the person's authentication (RFC 9470, R-126). The zero one is met by nobody.
type StepUp struct {
	MaxAge time.Duration
	ACR    []string // one of these classes,
	AMR    []string // or one of these methods
}

// PersonID names a human without saying who it is: "stf_" and 26 characters. The text is what identifies them in the
// company, such as a verified address or an employee's number; case and surrounding blanks do not count.
//
// There is no key in it, on purpose: with a rotating one, a person would be two people across a rotation, and could approve
// what they proposed. Who reads the table can find out which colleague acted, and that is what the table is for (ADR 0015).
func PersonID(text string) string {
	sum := sha256.Sum256(secret.Bind("holdfast/v1/person", strings.ToLower(strings.TrimSpace(text))))
	return "stf_" + base32.NewEncoding("0123456789abcdefghjkmnpqrstvwxyz").WithPadding(base32.NoPadding).EncodeToString(sum[:])[:26]
}
