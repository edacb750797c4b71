package signal

import (
	"slices"
	"strconv"
	"time"

	"github.com/holdfast/holdfast/internal/audit"
)

// Signal is what one audit event means to others.
type Signal struct {
	Type Type
	// Data is what a webhook says beside the account; nil for what only the owner's side or a receiver by agreement hears of.
	Data map[string]any
	// Sets are the Security Event Tokens, one event each.
	Sets []Set
	// After holds it back until the endpoint has acknowledged what came of the same cause before it.
	After bool
}

// Set is the event of one Security Event Token, without its subject.
type Set struct {
	Event  EventURI
	Claims map[string]any
	// Agreed marks a credential that no value of credential_type names. It goes only to who agreed on a name for it.
	Agreed bool
}

// meanings is the mapping of requirements.md, section 5. What is not in it never leaves: starts, proofs, wrong answers,
// refusals, cases, and everything about a decoy.
//
//nolint:gochecknoglobals // the table is a constant.
var meanings = map[audit.Action]func(audit.Event) []Signal{
	audit.CoolingOffEntered:      holdEntered,
	audit.RecoveryApproved:       holdEntered,
	audit.RecoveryContested:      contested,
	audit.RecoveryVetoed:         vetoed,
	audit.RecoveryCompleted:      completed,
	audit.RecoveryProbationEnded: probationEnded,
	audit.RecoveryReversed:       reversed,
	audit.FactorBound:            factorBound,
	audit.FactorRevoked:          factorRevoked,
	audit.SavedCodesIssued:       savedCodes(SavedCodeIssued, "create"),
	audit.SavedCodeUsed:          savedCodes(SavedCodeUsed, "delete"),
	audit.AccountReplaced:        addresses,
	audit.AccountErased:          erased,
}

// Of gives what an audit event means to others, nothing for most. Details are read as the core writes them, before they
// are encoded. A failure tells nobody anything: a wrong first code of a new factor is recorded as factor.bound with that outcome.
func Of(e audit.Event) []Signal {
	mean, ok := meanings[e.Action]
	if !ok || e.Outcome != audit.Success {
		return nil
	}
	return mean(e)
}

// holdEntered is the first thing that anybody hears of a recovery. RISC allows no claims in it.
func holdEntered(e audit.Event) []Signal {
	return []Signal{{Type: CoolingOffEntered, Data: data(e), Sets: []Set{{Event: RecoveryActivated, Claims: map[string]any{}}}}}
}

func contested(e audit.Event) []Signal {
	return []Signal{{Type: Contested, Data: data(e), Sets: []Set{risk(e, "HIGH", "RECOVERY_CONTESTED")}}}
}

// vetoed tells of a recovery that was known outside. One that was stopped before its hold was never told of, and stays so.
// What a vetoed claim was proven with is in somebody else's hands.
func vetoed(e audit.Event) []Signal {
	if held, _ := e.Details["held"].(bool); !held {
		return nil
	}
	sets := []Set{risk(e, "HIGH", "RECOVERY_VETOED")}
	for _, credential := range credentialsOf(e.Details["methods"]) {
		sets = append(sets, Set{Event: CredentialCompromise, Claims: map[string]any{"credential_type": credential}})
	}
	return []Signal{{Type: Vetoed, Data: data(e), Sets: sets}}
}

// completed is one cause with several tokens: what changed, that sessions from before are over, that the level of
// assurance fell, and that probation began.
func completed(e audit.Event) []Signal {
	by := "user"
	if approved, _ := e.Details["approved"].(bool); approved {
		by = "admin"
	}
	actions, _ := e.Details["actions"].([]string)
	var sets []Set
	if slices.Contains(actions, "reset_password") {
		sets = append(sets, credentialSet("password", "update", by, "The password is replaced after an account recovery."))
	}
	if slices.Contains(actions, "rebind_authenticator") {
		for _, credential := range lostCredentials(e) {
			sets = append(sets, credentialSet(credential, "revoke", by, "The authenticator was reported lost in an account recovery."))
		}
	}
	sets = append(sets, sessions(by, "The account was recovered; sessions from before are over."))
	before, _ := e.Details["previous_aal"].(int)
	after, _ := e.Details["aal"].(int)
	if after > 0 && after < before {
		sets = append(sets, Set{Event: AssuranceChange, Claims: map[string]any{
			"namespace": "NIST-AAL", "current_level": aal(after), "previous_level": aal(before), "change_direction": "decrease", "initiating_entity": by,
		}})
	}
	d := data(e)
	d["actions"], d["aal"] = actions, after
	out := []Signal{{Type: Completed, Data: d, Sets: sets}}
	if until, ok := e.Details["probation_until"].(time.Time); ok && until.After(e.At) {
		p := data(e)
		p["probation_until"] = until.UTC().Format(time.RFC3339)
		began := risk(e, "MEDIUM", "RECOVERY_PROBATION")
		began.Claims["initiating_entity"] = by
		out = append(out, Signal{Type: ProbationStarted, Data: p, Sets: []Set{began}})
	}
	return out
}

func probationEnded(e audit.Event) []Signal {
	return []Signal{{Type: ProbationEnded, Data: data(e), Sets: []Set{risk(e, "LOW", "RECOVERY_PROBATION_ENDED")}}}
}

// reversed puts out who got in, and has the owner choose new credentials; it lets the owner back once the receiver has acknowledged
// that. It is the one moment at which an account is known to have been in somebody else's hands: a flag or an objection stops a claim,
// and is no reason to shut the owner out elsewhere (ADR 0031).
func reversed(e audit.Event) []Signal {
	by := entity(e.Actor.Kind)
	sets := []Set{
		{Event: AccountDisabled, Claims: map[string]any{"reason": "hijacking"}},
		sessions(by, "The account was taken over and is given back; all sessions are over."),
	}
	actions, _ := e.Details["actions"].([]string)
	for _, credential := range given(e, actions) {
		sets = append(sets, credentialSet(credential, "revoke", by, "Bound by who had taken the account over."))
	}
	return []Signal{
		{Type: Reversed, Data: data(e), Sets: sets},
		{Type: MustChange, Data: data(e), Sets: []Set{{Event: CredentialRequired, Claims: map[string]any{}}}},
		{Type: AccountUnfrozen, Data: data(e), Sets: []Set{{Event: AccountEnabled, Claims: map[string]any{}}}, After: true},
	}
}

func factorBound(e audit.Event) []Signal {
	return factorChange(e, FactorBound, "create", "A factor was confirmed.")
}

// factorRevoked says nothing of a factor that was never confirmed: nobody had heard of it.
func factorRevoked(e audit.Event) []Signal {
	if pending, _ := e.Details["pending"].(bool); pending {
		return nil
	}
	return factorChange(e, FactorRevoked, "revoke", "A factor was removed.")
}

func factorChange(e audit.Event, t Type, change, why string) []Signal {
	kind, _ := e.Details["kind"].(string)
	d := data(e)
	d["kind"] = kind
	if id, ok := e.Details["factor"].(string); ok {
		d["factor_id"] = id
	}
	out := Signal{Type: t, Data: d}
	if credential, ok := credentialOf(kind); ok {
		out.Sets = []Set{credentialSet(credential, change, entity(e.Actor.Kind), why)}
	}
	return []Signal{out}
}

// savedCodes is for receivers that agreed on a name for saved codes, and for nobody else.
func savedCodes(t Type, change string) func(audit.Event) []Signal {
	return func(e audit.Event) []Signal {
		s := credentialSet("", change, entity(e.Actor.Kind), "Saved recovery codes were issued or used.")
		delete(s.Claims, "credential_type")
		s.Agreed = true
		return []Signal{{Type: t, Sets: []Set{s}}}
	}
}

// addresses tells that the means of recovery changed, and never which address.
func addresses(e audit.Event) []Signal {
	added, _ := e.Details["channels_added"].(int)
	removed, _ := e.Details["channels_removed"].(int)
	t := AddressChanged
	switch {
	case added+removed == 0:
		return nil
	case removed == 0:
		t = AddressAdded
	case added == 0:
		t = AddressRemoved
	}
	return []Signal{{Type: t, Data: data(e), Sets: []Set{{Event: RecoveryInfoChanged, Claims: map[string]any{}}}}}
}

func erased(e audit.Event) []Signal {
	return []Signal{{Type: AccountErased, Data: data(e), Sets: []Set{{Event: AccountPurged, Claims: map[string]any{}}}}}
}

// data is what every webhook says: which recovery, where one is concerned. The account's name joins it when it is sent.
func data(e audit.Event) map[string]any {
	d := map[string]any{}
	if e.Recovery != "" {
		d["recovery_id"] = e.Recovery
	}
	return d
}

func risk(e audit.Event, level, reason string) Set {
	return Set{Event: RiskChange, Claims: map[string]any{
		"principal": "USER", "current_level": level, "risk_reason": reason, "initiating_entity": entity(e.Actor.Kind),
	}}
}

func sessions(by, why string) Set {
	return Set{Event: SessionRevoked, Claims: map[string]any{"initiating_entity": by, "reason_admin": map[string]any{"en": why}}}
}

func credentialSet(credential, change, by, why string) Set {
	return Set{Event: CredentialChange, Claims: map[string]any{
		"credential_type": credential, "change_type": change, "initiating_entity": by, "reason_admin": map[string]any{"en": why},
	}}
}

// entity is who set it in motion.
func entity(k audit.ActorKind) string {
	switch k {
	case audit.ActorAgent, audit.ActorAI, audit.ActorOperator:
		return "admin"
	case audit.ActorClaimant, audit.ActorOwner, audit.ActorClient:
		return "user"
	case audit.ActorSystem:
		return "system"
	default:
		return "system"
	}
}

// credentialOf is the credential_type of a factor's kind or a proof's method. A mailbox is none of them.
func credentialOf(kind string) (string, bool) {
	switch kind {
	case "totp":
		return "app", true // no value names the seed
	case "passkey":
		return "fido2-roaming", true
	case "sms":
		return "phone-sms", true
	case "voice":
		return "phone-voice", true
	default:
		return "", false
	}
}

func credentialsOf(kinds any) []string {
	list, _ := kinds.([]string)
	var out []string
	for _, k := range list {
		if c, ok := credentialOf(k); ok && !slices.Contains(out, c) {
			out = append(out, c)
		}
	}
	return out
}

// given are the credentials that a recovery with these actions was there to renew.
func given(e audit.Event, actions []string) []string {
	var out []string
	if slices.Contains(actions, "reset_password") {
		out = append(out, "password")
	}
	if slices.Contains(actions, "rebind_authenticator") {
		out = append(out, lostCredentials(e)...)
	}
	return out
}

// lostCredentials are the account's authenticators, or an app where Holdfast knows of none: the identity system has it.
func lostCredentials(e audit.Event) []string {
	if known := credentialsOf(e.Details["authenticators"]); len(known) > 0 {
		return known
	}
	return []string{"app"}
}

func aal(level int) string { return "nist-aal" + strconv.Itoa(level) }
