// Package audit defines what is written down about everything that happens: who, what, on which subject, why, under
// which policy, with what outcome and from where.
//
// Events are written in the transaction of the change that they tell of, never hold personal data in clear or a
// secret, and are never changed or deleted: the database refuses both. Who appends them is the storage adapter;
// this package is values only.
package audit

import "time"

// ActorKind is what kind of principal acted.
type ActorKind string

// The actors. A claimant and an owner are known by what they hold, not by name.
const (
	ActorClient   ActorKind = "client"   // a non-human caller: an API credential
	ActorClaimant ActorKind = "claimant" // who makes the claim, through a client
	ActorOwner    ActorKind = "owner"    // who objects
	ActorAgent    ActorKind = "agent"    // a support agent
	ActorAI       ActorKind = "ai"       // an AI agent
	ActorOperator ActorKind = "operator" // an operator, at the command line or through the API
	ActorSystem   ActorKind = "system"   // a timer or a job
)

// Actor is who acted.
type Actor struct {
	Kind ActorKind `json:"kind"`
	ID   string    `json:"id,omitempty"` // cli_…, an agent's subject; empty for claimants and owners
}

// Outcome says how it ended.
type Outcome string

// The outcomes.
const (
	Success Outcome = "success"
	Failure Outcome = "failure" // a refusal that was recorded: a wrong code
)

// Action names what was done, as <noun>.<verb>: the internal event vocabulary of requirements.md, section 5.
type Action string

// The actions of recoveries. Each transition of the table has exactly one, so that replaying events rebuilds states.
const (
	RecoveryInitiated      Action = "recovery.initiated"
	ChallengeRequested     Action = "recovery.challenge.requested"
	ProofAccepted          Action = "recovery.proof.accepted"
	ProofRejected          Action = "recovery.proof.rejected"
	MethodDisabled         Action = "recovery.method.disabled"
	RecoveryRebind         Action = "recovery.rebind"
	RecoveryAssisted       Action = "recovery.assisted"
	RecoveryUndeliverable  Action = "recovery.undeliverable" // to humans, because no notice reached the owner
	RecoveryApproved       Action = "recovery.approved"
	RecoveryDenied         Action = "recovery.denied"
	RecoveryAppealed       Action = "recovery.appealed"
	CoolingOffEntered      Action = "recovery.cooling_off.entered"
	CoolingOffExtended     Action = "recovery.cooling_off.extended"
	CoolingOffReminded     Action = "recovery.cooling_off.reminded"
	RecoveryReady          Action = "recovery.ready"
	RecoveryObjected       Action = "recovery.objected"
	RecoveryContested      Action = "recovery.contested"
	RecoveryResumed        Action = "recovery.resumed"
	RecoveryVetoed         Action = "recovery.vetoed"
	GrantIssued            Action = "recovery.grant.issued"
	GrantRefused           Action = "recovery.grant.refused"
	GrantReplayed          Action = "recovery.grant.replayed"
	RecoveryClaimed        Action = "recovery.claimed"       // a claim link handed the claimant's seat over
	RecoveryClaimRefused   Action = "recovery.claim.refused" // too late, or of a recovery that is over
	RecoveryClaimReplayed  Action = "recovery.claim.replayed"
	RecoveryCompleted      Action = "recovery.completed"
	RecoveryReversed       Action = "recovery.reversed"
	ReversalRequested      Action = "recovery.reversal.requested"
	RecoveryProbationEnded Action = "recovery.probation.ended"
	RecoveryCancelled      Action = "recovery.cancelled"
	RecoveryExpired        Action = "recovery.expired"
	ObjectionRefused       Action = "recovery.objection.refused"
	ChallengeSent          Action = "recovery.challenge.sent"
	ChallengeSendFailed    Action = "recovery.challenge.send_failed"
	TextsPaused            Action = "abuse.texts_paused" // codes by text to a country or prefix are not typed in
	NoticeAccepted         Action = "notice.accepted"
	NoticeFailed           Action = "notice.failed"
	NoticeDelivered        Action = "notice.delivered"   // the provider says that it arrived
	NoticeUndelivered      Action = "notice.undelivered" // it was accepted and failed after that: the acceptance is taken back
	ChallengeDelivered     Action = "recovery.challenge.delivered"
	ChallengeUndelivered   Action = "recovery.challenge.undelivered"
	DeliveryContradicted   Action = "delivery.contradicted" // a provider says now what it said otherwise before: it changes nothing
	AccountRegistered      Action = "account.registered"
	AccountReplaced        Action = "account.replaced"
	AccountErased          Action = "account.erased"
	ErasureQueued          Action = "account.erasure.queued"
	ErasureCancelled       Action = "account.erasure.cancelled"
	FactorEnrolled         Action = "factor.enrolled"
	FactorBound            Action = "factor.bound"
	FactorRevoked          Action = "factor.revoked"
	SavedCodesIssued       Action = "saved_code.issued"
	SavedCodeUsed          Action = "saved_code.used"
	ClientCreated          Action = "nhi.created"
	ClientRotated          Action = "nhi.rotated"
	ClientRevoked          Action = "nhi.disabled"
	ClientInteractiveUse   Action = "nhi.interactive_use"
	ClientKeyAdded         Action = "nhi.key_added"
	ClientKeyRemoved       Action = "nhi.key_removed"
	ClientsSwitchedOff     Action = "nhi.switched_off" // every AI agent, or whoever is made for a person
	ClientsSwitchedOn      Action = "nhi.switched_on"
	PolicyActivated        Action = "policy.activated"
	AuthorisationFailed    Action = "authorisation.failed"
	AccountsImported       Action = "account.imported"
	AuditRead              Action = "audit.read"         // events were looked at: one event for a request
	AuditExported          Action = "audit.exported"     // events were taken away
	RecoveryForgotten      Action = "recovery.forgotten" // its working data were deleted, because their time was over
	AuditCarried           Action = "audit.carried"      // rows that no event told of before, or whose events are retired, as they stand
	HoldSet                Action = "retention.hold.set" // nothing of an account, or of a tenant, is deleted any more
	HoldLifted             Action = "retention.hold.lifted"
	AuditRetired           Action = "audit.retired" // a month of events was taken out of the log by policy; tenant "_fleet"

	// Support. Each change of a case has one, with the case's version in its details.
	CaseOpened           Action = "case.opened"
	CaseNoted            Action = "case.noted"
	CaseArtefactAttached Action = "case.artefact.attached"
	CaseChallenged       Action = "case.challenge.requested"
	CaseProposed         Action = "case.proposed"
	CaseApproved         Action = "case.approved" // one human's decision for a proposal
	CaseRejected         Action = "case.rejected" // one human's decision against it
	CaseExecuted         Action = "case.executed" // the second approval: the recovery was changed
	CaseProposalVoided   Action = "case.proposal.voided"
	CaseProposalLapsed   Action = "case.proposal.lapsed"
	CaseFlagged          Action = "case.flagged"
	CaseClosed           Action = "case.closed"
	CaseExpired          Action = "case.expired"
	CaseAssigned         Action = "case.assigned"
	CaseActRefused       Action = "case.refused"         // somebody tried what they must not
	CaseRead             Action = "agent.account.read"   // every look at a case
	CaseLookupRefused    Action = "agent.lookup.refused" // a reference or an account that leads to no case
	CaseListed           Action = "agent.cases.listed"
	ClaimPageSet         Action = "tenant.claim_page.set" // where a tenant's claim links lead
)

// What is told to other systems, and who manages that (requirements.md, section 5 and L).
const (
	WebhookCreated       Action = "webhook.created"
	WebhookPaused        Action = "webhook.paused"
	WebhookResumed       Action = "webhook.resumed"
	WebhookDisabled      Action = "webhook.disabled" // its receiver answered 410
	WebhookDeleted       Action = "webhook.deleted"
	WebhookRotated       Action = "webhook.rotated"
	WebhookVerified      Action = "webhook.verified"
	SignalRedelivered    Action = "signal.redelivered"
	SignalDead           Action = "signal.dead"           // given up on
	SignalUnacknowledged Action = "signal.unacknowledged" // a session-revoked token that nobody has acknowledged in time
)

// The actions of alerts and controls. Their events belong to the tenant, or to "_fleet" for what concerns all.
const (
	AlertRaised       Action = "alert.raised"
	AlertEscalated    Action = "alert.escalated"
	AlertAcknowledged Action = "alert.acknowledged"
	AlertResolved     Action = "alert.resolved"
	ControlSet        Action = "control.set"
	ControlLifted     Action = "control.lifted"
	TextRulesSet      Action = "text_rules.set"     // by the tenant, within what operators let it
	TextsGranted      Action = "text_rules.granted" // by an operator
)

// Event is one entry. Details holds identifiers, enumerations and numbers only.
type Event struct {
	ID            string         `json:"id"`
	Tenant        string         `json:"tenant"`
	At            time.Time      `json:"at"`
	Actor         Actor          `json:"actor"`
	Action        Action         `json:"action"`
	Subject       string         `json:"subject"`            // the id of what it is about: rcv_, acc_, cli_, …
	Account       string         `json:"account,omitempty"`  // the account concerned; the database fills it in as it writes
	Recovery      string         `json:"recovery,omitempty"` // set when a recovery is concerned
	Version       int64          `json:"version,omitempty"`  // the recovery's version after the change; 0 when the event is no transition
	From          string         `json:"from,omitempty"`     // states, for transitions
	To            string         `json:"to,omitempty"`
	Reason        string         `json:"reason,omitempty"` // an enumeration, never free text
	PolicyVersion string         `json:"policy_version,omitempty"`
	Outcome       Outcome        `json:"outcome"`
	Origin        string         `json:"origin,omitempty"` // the truncated network prefix of the end user
	RequestID     string         `json:"request_id,omitempty"`
	Details       map[string]any `json:"details,omitempty"`
}
