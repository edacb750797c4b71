package account

import (
	"io"
	"time"

	"github.com/holdfast/holdfast/internal/idempotency"
	"github.com/holdfast/holdfast/internal/secret"
)

// Caller is the authenticated client behind a request.
type Caller struct {
	Tenant    string
	Client    string // cli_…
	Operator  bool   // at the command line
	RequestID string
}

// Identifier is what a claimant may type to name the account.
type Identifier struct {
	Type  string        // email, phone, username
	Value secret.String // as given; canonicalised for the look-up
}

// Channel is a verified address on file.
type Channel struct {
	ID         string // chn_…; given out, ignored on the way in
	Kind       string // email, sms, voice
	Address    secret.String
	VerifiedAt time.Time // zero is refused: an unverified address is never on file
}

// Registration is the whole of an account as its identity system knows it.
type Registration struct {
	Ref         string // the tenant's own account_ref
	Population  string
	Identifiers []Identifier
	Channels    []Channel
	AAL         int // 1 to 3
	IAL         int // 0 to 3
	Locale      string
}

// PutCommand registers or replaces an account.
type PutCommand struct {
	Caller
	Registration
}

// View is an account as its own identity system may read it back.
type View struct {
	Registration
	ID        string
	CreatedAt time.Time
	ChangedAt time.Time
	Factors   []FactorView
	SavedLeft int // saved codes left
}

// FactorView is an enrolled authenticator without its secret.
type FactorView struct {
	ID          string
	Kind        string
	EnrolledAt  time.Time
	ConfirmedAt time.Time
}

// ImportReport is what an import did. Bad lines are told by number and reason, never by content.
type ImportReport struct {
	Lines    int64     `json:"lines"`
	Imported int64     `json:"imported"`
	Replaced int64     `json:"replaced"`
	Refused  int64     `json:"refused"`
	Errors   []BadLine `json:"errors"` // the first MaxBadLines of them
}

// MaxBadLines bounds the list of an import's bad lines; the count goes on.
const MaxBadLines = 1000

// BadLine is one line that was refused.
type BadLine struct {
	Line   int64  `json:"line"`
	Code   string `json:"code"`
	Detail string `json:"detail"`
}

// ImportCommand streams newline-delimited JSON, one Registration a line.
type ImportCommand struct {
	Caller
	Body     io.Reader
	Progress func(ImportReport) // called now and then; may be nil
}

// EnrolCommand enrols a TOTP factor; it counts once it is confirmed.
type EnrolCommand struct {
	Caller
	Ref   string
	Kind  string // totp
	Label string // shown in the authenticator app
	Key   idempotency.Key
}

// Enrolment carries the seed, once.
type Enrolment struct {
	ID     string
	Kind   string
	Secret secret.String // base32
	URL    secret.String // otpauth://
}

// ConfirmCommand confirms a factor with its first code.
type ConfirmCommand struct {
	Caller
	Ref    string
	Factor string
	Code   secret.String
	Key    idempotency.Key
}

// RemoveFactorCommand removes a factor.
type RemoveFactorCommand struct {
	Caller
	Ref    string
	Factor string
}

// IssueCodesCommand replaces the account's saved codes by new ones, shown once.
type IssueCodesCommand struct {
	Caller
	Ref string
	Key idempotency.Key
}

// Status is what an identity system needs to know at sign-in time.
type Status struct {
	AccountRef     string
	RecoveryReady  bool     // at least two separate means of recovery
	Means          []string // the methods that could be used today
	Warnings       []string // e.g. only_restricted_channels
	OpenRecoveries []OpenRecovery
	ProbationUntil time.Time // zero when there is none
	Restrict       []string  // what to hold back during an open recovery or probation

	ReversalRequested bool       // within probation somebody said that it was not them, without the evidence that would settle it
	Reversals         []Reversal // of the last thirty days
	ErasureAskedAt    time.Time  // an erasure waits for the end of what is open; zero for none
}

// Reversal is a recovery that the owner took back: what began since is not the owner's.
type Reversal struct {
	RecoveryID string
	ReversedAt time.Time
	Since      time.Time // when the recovery was completed
	Revoke     []string  // what to end that began at Since or later
}

// OpenRecovery is a recovery that is under way.
type OpenRecovery struct {
	ID        string
	State     string
	StartedAt time.Time
	NotBefore time.Time
}
