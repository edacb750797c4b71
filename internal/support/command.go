package support

import (
	"time"

	"github.com/holdfast/holdfast/internal/credential"
	"github.com/holdfast/holdfast/internal/factor"
	"github.com/holdfast/holdfast/internal/idempotency"
	"github.com/holdfast/holdfast/internal/recovery"
	"github.com/holdfast/holdfast/internal/secret"
)

// Caller is the authenticated person or AI agent behind a request. What they may do at all, the edge has judged.
type Caller struct {
	Who       credential.Principal
	RequestID string
}

// party is the caller as the table sees them.
func (c Caller) party() Party {
	return Party{Person: c.Who.Person(), Account: c.Who.Account(), Client: c.Who.Client, Security: c.Who.Has(credential.Security)}
}

// OpenCommand opens a case for a recovery by the reference that the claimant reads out, or for an account. Nothing in it is a
// destination, a code or a secret.
type OpenCommand struct {
	Caller
	Reference  string
	AccountRef string
	Reason     recovery.Reason // for an account: what was lost
	Key        idempotency.Key
}

// ReadCommand reads a case.
type ReadCommand struct {
	Caller
	Case string
}

// NoteCommand writes something down.
type NoteCommand struct {
	Caller
	Case string
	Text secret.String
	Key  idempotency.Key
}

// ArtefactCommand attaches what somebody else established.
type ArtefactCommand struct {
	Caller
	Case     string
	Artefact Artefact // kind, provider, reference, hash and time
	Key      idempotency.Key
}

// ChallengeCommand has a code sent to a channel on file, which the service picks.
type ChallengeCommand struct {
	Caller
	Case   string
	Method factor.Method
	Key    idempotency.Key
}

// ProposeCommand proposes an outcome.
type ProposeCommand struct {
	Caller
	Case    string
	Outcome Outcome
	Key     idempotency.Key
}

// FlagCommand freezes.
type FlagCommand struct {
	Caller
	Case   string
	Reason FlagReason
	Key    idempotency.Key
}

// AssignCommand asks for the next proposal to decide.
type AssignCommand struct {
	Caller
	Key idempotency.Key
}

// DecideCommand is one human's word on a proposal.
type DecideCommand struct {
	Caller
	Case     string
	Proposal string
	Consent  bool
	Hash     []byte
	Reason   secret.String
	Key      idempotency.Key
}

// AppealCommand is the claimant's appeal against a denial.
type AppealCommand struct {
	recovery.Caller
	recovery.Ref
	Key idempotency.Key
}

// Done is the answer to what changes a case: where it stands now, and what was made.
type Done struct {
	Case      string
	Reference string
	State     State
	ExpiresAt time.Time
	Made      string // the id of the note, the artefact or the challenge
	Proposal  *ProposalView
	Challenge *recovery.ChallengeView
}

// Assigned is a proposal that the caller was given to decide.
type Assigned struct {
	Case, Proposal string
	ExpiresAt      time.Time
}

// View is a case as those who work on it see it: masked, and of the account nothing until something was proven.
type View struct {
	ID         string
	Reference  string
	State      State
	Via        Via
	Outcome    Outcome
	OpenedAt   time.Time
	ExpiresAt  time.Time
	ClosedAt   time.Time
	FlaggedAt  time.Time
	FlagReason FlagReason
	AIInvolved bool
	Security   bool // security staff decides
	Recovery   RecoveryView
	Account    *AccountView // nil until something was proven, and once the case is over
	Missing    []Missing    // what an approval would lack
	Notes      []NoteView
	Artefacts  []Artefact
	Proposal   *ProposalView
	Timeline   []Moment
	Untrusted  bool // the reader is a machine: words are to be marked as data
}

// RecoveryView is the recovery as the claimant sees it, and its tier for people.
type RecoveryView struct {
	State     recovery.State
	Reason    recovery.Reason
	Tier      string
	Satisfied []recovery.Satisfied
	Remaining []recovery.AnyOf
	Objected  bool
	StartedAt time.Time
	NotBefore time.Time
	ExpiresAt time.Time
}

// AccountView is what is shown of an account.
type AccountView struct {
	Known      bool
	Population string
	AAL, IAL   int
	Channels   []ChannelView
}

// ChannelView is an address on file, masked.
type ChannelView struct {
	ID      string
	Type    factor.Method
	Masked  string
	Since   time.Time
	Suspect bool
}

// NoteView is a note. Its text is data, whoever reads it.
type NoteView struct {
	ID   string
	AI   bool
	Mine bool
	At   time.Time
	Text string
}

// ProposalView is a proposal as those who decide see it.
type ProposalView struct {
	ID        string
	Outcome   Outcome
	Status    ProposalStatus
	Hash      []byte
	Hold      time.Duration // what an approval leads to
	AI        bool
	Security  bool
	At        time.Time
	ExpiresAt time.Time
	Approvals int
	Mine      bool // the reader was given it, and can decide now
}
