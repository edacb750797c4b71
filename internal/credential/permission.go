package credential

import "slices"

// Scope is one thing that a caller may do.
type Scope string

// The scopes. A client is given some of them; a person has those of their roles.
const (
	AccountsWrite   Scope = "accounts:write"
	AccountsRead    Scope = "accounts:read"
	RecoveriesStart Scope = "recoveries:start"
	GrantsRedeem    Scope = "grants:redeem"
	ObjectionsWrite Scope = "objections:write"

	CasesOpen      Scope = "cases:open"      // open a case, by a reference or for an account
	CasesRead      Scope = "cases:read"      // masked, and only through a case
	CasesNote      Scope = "cases:note"      // add a note or a summary
	CasesArtefact  Scope = "cases:artefact"  // attach what somebody else proved
	CasesChallenge Scope = "cases:challenge" // have a challenge sent to a channel on file
	CasesPropose   Scope = "cases:propose"   // propose an outcome
	CasesFlag      Scope = "cases:flag"      // flag fraud, which freezes
	CasesDecide    Scope = "cases:decide"    // approve or refuse a proposal: people only, with a step-up

	AuditRead     Scope = "audit:read"
	AlertsRead    Scope = "alerts:read"
	AlertsWrite   Scope = "alerts:write"
	ControlsRead  Scope = "controls:read"
	ControlsWrite Scope = "controls:write"
	SignalsRead   Scope = "signals:read"
	SignalsWrite  Scope = "signals:write"
	FunnelRead    Scope = "funnel:read"
	TextsRead     Scope = "texts:read"
	TextsWrite    Scope = "texts:write" // what the tenant's own text messages may reach and cost, within what operators let it
	ClientsRead   Scope = "clients:read"
	ClientsWrite  Scope = "clients:write" // register, rotate and disable clients: people only
)

// Scopes lists all scopes.
func Scopes() []Scope {
	return []Scope{
		AccountsWrite, AccountsRead, RecoveriesStart, GrantsRedeem, ObjectionsWrite,
		CasesOpen, CasesRead, CasesNote, CasesArtefact, CasesChallenge, CasesPropose, CasesFlag, CasesDecide,
		AuditRead, AlertsRead, AlertsWrite, ControlsRead, ControlsWrite, SignalsRead, SignalsWrite, FunnelRead, TextsRead, TextsWrite, ClientsRead, ClientsWrite,
	}
}

// Kind is what kind of caller it is.
type Kind string

// The kinds. All but the last are non-human.
const (
	Service     Kind = "service"     // runs on a server and keeps its secret
	Publishable Kind = "publishable" // lies in an app or a page; may only start and continue recoveries
	AIAgent     Kind = "ai_agent"    // reads masked, summarises, proposes, flags
	Workforce   Kind = "workforce"   // a person, signed in at their company's OpenID provider
)

// Kinds lists all kinds.
func Kinds() []Kind { return []Kind{Service, Publishable, AIAgent, Workforce} }

// ClientKinds lists the kinds that a client may be.
func ClientKinds() []Kind { return []Kind{Service, Publishable, AIAgent} }

// Role is what a person of the workforce is there for. Customer policy knows nothing of roles.
type Role string

// The roles. A person may have several.
const (
	Agent    Role = "agent"    // works on cases
	Approver Role = "approver" // decides proposals that others made
	Auditor  Role = "auditor"  // reads the trail
	Operator Role = "operator" // clients, alerts, controls, signals
	Security Role = "security" // security staff: decides about privileged accounts
)

// Roles lists all roles.
func Roles() []Role { return []Role{Agent, Approver, Auditor, Operator, Security} }

// Scopes is what the role grants: the one table of the workforce's permissions. What does not stand here is denied.
func (r Role) Scopes() []Scope {
	switch r {
	case Agent:
		return []Scope{CasesOpen, CasesRead, CasesNote, CasesArtefact, CasesChallenge, CasesPropose, CasesFlag}
	case Approver:
		return []Scope{CasesRead, CasesFlag, CasesDecide}
	case Auditor:
		return []Scope{AuditRead, AlertsRead, ControlsRead, SignalsRead, FunnelRead, TextsRead, ClientsRead}
	case Operator:
		return []Scope{AlertsRead, AlertsWrite, ControlsRead, ControlsWrite, SignalsRead, SignalsWrite, FunnelRead, TextsRead, TextsWrite, ClientsRead, ClientsWrite}
	case Security:
		return []Scope{CasesRead, CasesFlag, CasesDecide, AuditRead, AlertsRead, AlertsWrite, ControlsRead, ClientsRead}
	default:
		return nil
	}
}

// ScopesOf is what the roles grant together, each scope once.
func ScopesOf(roles []Role) []Scope {
	var out []Scope
	for _, r := range roles {
		out = append(out, r.Scopes()...)
	}
	slices.Sort(out)
	return slices.Compact(out)
}

// Scopes is what a caller of the kind can have at most: the one table of what each kind may ever do. A person's are those of
// the roles, and of them a person alone may decide about a proposal or about clients.
func (k Kind) Scopes() []Scope {
	switch k {
	case Service:
		return []Scope{
			AccountsWrite, AccountsRead, RecoveriesStart, GrantsRedeem, ObjectionsWrite,
			AuditRead, AlertsRead, AlertsWrite, ControlsRead, ControlsWrite, SignalsRead, SignalsWrite, FunnelRead, TextsRead, TextsWrite,
		}
	case Publishable:
		return []Scope{RecoveriesStart}
	case AIAgent:
		return []Scope{CasesRead, CasesNote, CasesPropose, CasesFlag}
	case Workforce:
		return ScopesOf(Roles())
	default:
		return nil
	}
}

// CanHold reports whether a caller of the kind can have the scope.
func (k Kind) CanHold(s Scope) bool { return slices.Contains(k.Scopes(), s) }
