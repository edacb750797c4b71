// Package credential is about non-human callers: API clients with an owner, scopes and an expiry, and the credentials
// that they present.
//
// A credential is prefixed and checksummed, so that a leaked one is recognised and a mistyped one never costs a look-up.
// Only its hash is kept.
package credential

import "time"

// Scope is one thing that a client may do.
type Scope string

// The scopes.
const (
	AccountsWrite   Scope = "accounts:write"
	AccountsRead    Scope = "accounts:read"
	RecoveriesStart Scope = "recoveries:start"
	GrantsRedeem    Scope = "grants:redeem"
	ObjectionsWrite Scope = "objections:write"
)

// Scopes lists all scopes.
func Scopes() []Scope {
	return []Scope{AccountsWrite, AccountsRead, RecoveriesStart, GrantsRedeem, ObjectionsWrite}
}

// Kind is what kind of client it is.
type Kind string

// The kinds.
const (
	Service     Kind = "service"     // runs on a server and keeps its secret
	Publishable Kind = "publishable" // lies in an app or a page; may only start and continue recoveries
)

// Principal is an authenticated client.
type Principal struct {
	Tenant     string
	Client     string // cli_…
	Credential string // the credential's public id
	Kind       Kind
	Scopes     []Scope
	ExpiresAt  time.Time
}

// Allows reports whether the principal has the scope.
func (p Principal) Allows(s Scope) bool {
	for _, have := range p.Scopes {
		if have == s {
			return true
		}
	}
	return false
}
