package recovery

import (
	"time"

	"github.com/holdfast/holdfast/internal/factor"
	"github.com/holdfast/holdfast/internal/policy"
)

// EventKind names what can happen to a recovery.
type EventKind string

// The events. What later triggers them (agents, owners, timers) is not the table's concern.
const (
	Initiate           EventKind = "initiate"            // a claimant starts
	ChallengeRequested EventKind = "challenge_requested" // the claimant asks for a challenge
	ProofAccepted      EventKind = "proof_accepted"      // an answer was right
	ProofRejected      EventKind = "proof_rejected"      // an answer was wrong, late, used or to a decoy
	Escalate           EventKind = "escalate"            // evidence short, fraud flagged, or no notice could be delivered
	Approve            EventKind = "approve"             // two humans approved the same evidence
	Deny               EventKind = "deny"                // humans refused
	Appeal             EventKind = "appeal"              // the claimant appeals a denial
	Due                EventKind = "due"                 // a time has come: the hold's end, the pause's, the grant's, probation's, a deadline
	Object             EventKind = "object"              // the owner says "this was not me"
	ClaimGrant         EventKind = "claim_grant"         // the claimant takes the grant
	RedeemGrant        EventKind = "redeem_grant"        // the identity system redeems it
	Reclaim            EventKind = "reclaim"             // the owner takes the account back within probation
	Cancel             EventKind = "cancel"              // the claimant stops it
)

// EventKinds lists all events.
func EventKinds() []EventKind {
	return []EventKind{
		Initiate, ChallengeRequested, ProofAccepted, ProofRejected, Escalate, Approve, Deny, Appeal, Due,
		Object, ClaimGrant, RedeemGrant, Reclaim, Cancel,
	}
}

// Event is one thing that happened. Only the fields of its kind are read.
type Event struct {
	Kind   EventKind
	Reason string // an enumeration for the audit trail; never free text

	Method    factor.Method    // ChallengeRequested, ProofRejected
	Challenge string           // ChallengeRequested, ProofAccepted, ProofRejected: the challenge's id
	Evidence  *factor.Evidence // ProofAccepted
	MaxAAL    int              // ProofAccepted: the account's own assurance level, which tells a rebinding from a recovery
	Decision  *policy.Decision // Initiate, ProofAccepted, Due, ClaimGrant, Approve: the policy's word on the facts at this moment
	Objection *Objection       // Object, Reclaim
	GrantID   string           // ClaimGrant, RedeemGrant
	Approvers []string         // Approve: two distinct humans

	Approved   []factor.Evidence // Approve: what the two humans accepted as proof, beyond what the claimant showed
	Hold       time.Duration     // Approve: what the policy holds that tier for
	Least      policy.Tier       // Approve: the least tier of the hold; high when not set
	Proposal   string            // Approve, Deny: what they decided about
	AIInvolved bool              // Approve, Deny: an AI agent had a part in what led here
}
