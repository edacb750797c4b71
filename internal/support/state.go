package support

import "fmt"

// State is where a case stands. The zero State is not valid.
type State string

// The states, in the order of a case's life. PostgreSQL knows the same ones.
const (
	Opened          State = "opened"           // nobody has done anything yet
	EvidencePending State = "evidence_pending" // being worked on; nothing is proposed
	Flagged         State = "flagged"          // fraud is suspected; it goes on only through a decision
	Proposed        State = "proposed"         // two humans are to decide
	Decided         State = "decided"          // they have
	Closed          State = "closed"           // the recovery ended by itself
	Expired         State = "expired"          // nobody worked on it for a day
)

// States lists all states.
func States() []State {
	return []State{Opened, EvidencePending, Flagged, Proposed, Decided, Closed, Expired}
}

// Open reports whether the case can still be worked on.
func (s State) Open() bool {
	switch s {
	case Opened, EvidencePending, Flagged, Proposed:
		return true
	case Decided, Closed, Expired:
		return false
	default:
		return false
	}
}

// ParseState reads a state's name.
func ParseState(s string) (State, error) {
	for _, known := range States() {
		if string(known) == s {
			return known, nil
		}
	}
	return "", fmt.Errorf("unknown state of a case")
}

// Via says how a case came to be.
type Via string

// The ways.
const (
	ByReference Via = "reference" // the claimant read it out
	ByAccount   Via = "account"   // an agent started the recovery; its claim link went to addresses on file
	ByAppeal    Via = "appeal"    // the claimant appealed a denial
)

// Outcome is what is proposed, and what came of a case.
type Outcome string

// The outcomes.
const (
	Approve Outcome = "approve" // let the recovery into its hold
	Deny    Outcome = "deny"    // end it; the claimant may appeal
)

// FlagReason is why an agent suspects fraud: an enumeration, because no state changes by free text.
type FlagReason string

// The reasons.
const (
	FlagImpersonation FlagReason = "impersonation" // not the person they say they are
	FlagCoercion      FlagReason = "coercion"      // somebody speaks through them
	FlagPressure      FlagReason = "pressure"      // the agent is pressed or lured
	FlagForged        FlagReason = "forged_artefact"
	FlagInjection     FlagReason = "prompt_injection" // a text tries to steer its reader
	FlagOther         FlagReason = "other"
)

// FlagReasons lists them.
func FlagReasons() []FlagReason {
	return []FlagReason{FlagImpersonation, FlagCoercion, FlagPressure, FlagForged, FlagInjection, FlagOther}
}

// ProposalStatus is what became of a proposal.
type ProposalStatus string

// The statuses. Only an open one can be decided about, and nothing leads back to open.
const (
	ProposalOpen     ProposalStatus = "open"
	ProposalVoid     ProposalStatus = "void"     // something that it was bound to has changed
	ProposalLapsed   ProposalStatus = "lapsed"   // nobody decided in time
	ProposalRejected ProposalStatus = "rejected" // one human said no
	ProposalExecuted ProposalStatus = "executed" // two humans said yes, and the recovery was changed
)
