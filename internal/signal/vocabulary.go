package signal

import "slices"

// Type names what happened, as a webhook's `type` has it: the internal event of requirements.md, section 5.
type Type string

// The types.
const (
	CoolingOffEntered Type = "recovery.cooling_off.entered"
	Contested         Type = "recovery.contested"
	Vetoed            Type = "recovery.vetoed"
	Completed         Type = "recovery.completed"
	ProbationStarted  Type = "recovery.probation.started"
	ProbationEnded    Type = "recovery.probation.ended"
	Reversed          Type = "recovery.reversed"
	MustChange        Type = "credential.must_change"
	FactorBound       Type = "factor.bound"
	FactorRevoked     Type = "factor.revoked"
	SavedCodeIssued   Type = "saved_code.issued"
	SavedCodeUsed     Type = "saved_code.used"
	AddressAdded      Type = "recovery_address.added"
	AddressRemoved    Type = "recovery_address.removed"
	AddressChanged    Type = "recovery_address.changed"
	AccountUnfrozen   Type = "account.unfrozen"
	AccountErased     Type = "account.erased"
	Verification      Type = "stream.verification"
)

// Types lists what an endpoint can ask for. A verification comes when it is asked for, whatever the endpoint listens to.
func Types() []Type {
	return []Type{
		CoolingOffEntered, Contested, Vetoed, Completed, ProbationStarted, ProbationEnded, Reversed, MustChange, FactorBound, FactorRevoked,
		SavedCodeIssued, SavedCodeUsed, AddressAdded, AddressRemoved, AddressChanged, AccountUnfrozen, AccountErased,
	}
}

// EventURI names the event of a Security Event Token.
type EventURI string

// The events that are sent. RISC's sessions-revoked is deprecated and not among them: CAEP's session-revoked is.
// RISC's identifier-changed is not among them either: only the provider of the identifier should send it, and it would have
// to carry the old address (ADR 0031).
const (
	RecoveryActivated    EventURI = risc + "recovery-activated"
	CredentialCompromise EventURI = risc + "credential-compromise"
	CredentialRequired   EventURI = risc + "account-credential-change-required"
	RecoveryInfoChanged  EventURI = risc + "recovery-information-changed"
	AccountDisabled      EventURI = risc + "account-disabled"
	AccountEnabled       EventURI = risc + "account-enabled"
	AccountPurged        EventURI = risc + "account-purged"
	SessionRevoked       EventURI = caep + "session-revoked"
	CredentialChange     EventURI = caep + "credential-change"
	AssuranceChange      EventURI = caep + "assurance-level-change"
	RiskChange           EventURI = caep + "risk-level-change"
	StreamVerification   EventURI = "https://schemas.openid.net/secevent/ssf/event-type/verification"

	risc = "https://schemas.openid.net/secevent/risc/event-type/"
	caep = "https://schemas.openid.net/secevent/caep/event-type/"
)

// URIs lists the events that may be sent.
func URIs() []EventURI {
	return []EventURI{
		RecoveryActivated, CredentialCompromise, CredentialRequired, RecoveryInfoChanged, AccountDisabled, AccountEnabled, AccountPurged,
		SessionRevoked, CredentialChange, AssuranceChange, RiskChange, StreamVerification,
	}
}

// The values of credential_type. A type of their own for saved codes is agreed with each receiver.
func credentialTypes() []string {
	return []string{
		"password", "pin", "x509", "fido2-platform", "fido2-roaming", "fido-u2f", "verifiable-credential", "phone-voice", "phone-sms", "app",
	}
}

// changeTypes are the values of change_type, entities those of initiating_entity, levels those of a risk.
func changeTypes() []string { return []string{"create", "revoke", "update", "delete"} }
func entities() []string    { return []string{"admin", "user", "policy", "system"} }
func levels() []string      { return []string{"LOW", "MEDIUM", "HIGH"} }

// known reports whether an endpoint can listen to the type.
func (t Type) known() bool { return slices.Contains(Types(), t) }
