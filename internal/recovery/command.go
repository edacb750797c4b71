package recovery

import (
	"net/netip"
	"time"

	"github.com/holdfast/holdfast/internal/factor"
	"github.com/holdfast/holdfast/internal/idempotency"
	"github.com/holdfast/holdfast/internal/secret"
)

// Caller is the authenticated client behind a request, as the edge established it.
type Caller struct {
	Tenant      string
	Client      string     // cli_…
	Publishable bool       // a credential in an app or page: what it states about the end user is not believed
	Addr        netip.Addr // the connection's address, from a trusted hop
	RequestID   string
}

// EndUser is what a server-side client states about the person at the other end. A publishable client's statements are
// ignored.
type EndUser struct {
	Addr        netip.Addr // zero when not stated
	UserAgent   string
	DeviceID    string
	KnownDevice *bool // whether the app has seen this device with this account; nil when not stated
}

// IdentifierType is what kind of identifier a claimant typed.
type IdentifierType string

// The identifier types.
const (
	IdentifierEmail    IdentifierType = "email"
	IdentifierPhone    IdentifierType = "phone"
	IdentifierUsername IdentifierType = "username"
)

// StartCommand begins a recovery.
type StartCommand struct {
	Caller
	Type   IdentifierType
	Value  secret.String
	Reason Reason
	User   EndUser
	Key    idempotency.Key
}

// Started is the answer to a start: the same in form for known and unknown identifiers.
type Started struct {
	View
	ClaimantToken secret.String
}

// Ref names a recovery as a claimant does: by id and claimant token.
type Ref struct {
	ID       string
	Claimant secret.String
}

// View is what a claimant may see.
type View struct {
	ID         string          `json:"id"`
	Reference  string          `json:"reference"`
	State      State           `json:"state"`
	Methods    []factor.Method `json:"methods"`    // the tenant's before the first accepted proof, the account's after it
	Satisfied  []Satisfied     `json:"satisfied"`  // what was accepted
	Remaining  []AnyOf         `json:"remaining"`  // each entry is still to be proven, by any of its methods
	NotBefore  time.Time       `json:"not_before"` // while an objection stands, the earliest that it can become
	ReadyUntil time.Time       `json:"ready_until"`
	ExpiresAt  time.Time       `json:"expires_at"`
	Contest    *Contest        `json:"contest,omitempty"` // while an objection stands
	Case       CaseState       `json:"case,omitempty"`    // whether people help with it
}

// CaseState is what a claimant learns of support's case: whether there is one, and whether people are deciding. It does not
// depend on the account, nor on what an agent wrote or did.
type CaseState string

// The states of a case, as a claimant sees them.
const (
	CaseOpen     CaseState = "open"     // support looks after it
	CaseDeciding CaseState = "deciding" // two people are to decide
	CaseDecided  CaseState = "decided"  // they have
	CaseEnded    CaseState = "ended"    // without a decision
)

// Contest is what a claimant learns of an objection: that there is one, and what may be done. Not who made it, by which way
// or with what.
type Contest struct {
	PausedUntil time.Time       `json:"paused_until"` // when the recovery goes on if nobody says more
	StepUp      []factor.Method `json:"step_up"`      // the account's methods that would add to what was shown
}

// Satisfied is one accepted proof, without its source.
type Satisfied struct {
	Method factor.Method `json:"method"`
	At     time.Time     `json:"at"`
}

// AnyOf is one requirement: a proof by any of these methods.
type AnyOf struct {
	AnyOf []factor.Method `json:"any_of"`
}

// ChallengeCommand asks for a challenge by a method. Asking again by the same method is a resend: it makes a new code,
// overwrites the old one and resets no counter.
type ChallengeCommand struct {
	Caller
	Ref
	Method factor.Method
	Key    idempotency.Key
}

// ChallengeView is the answer to it. It never shows an address.
type ChallengeView struct {
	ID          string        `json:"id"`
	Method      factor.Method `json:"method"`
	ExpiresAt   time.Time     `json:"expires_at"`
	ResendAfter time.Time     `json:"resend_after"`
}

// AnswerCommand answers a challenge with a code.
type AnswerCommand struct {
	Caller
	Ref
	Challenge string
	Code      secret.String
	Key       idempotency.Key
}

// GetCommand reads a recovery.
type GetCommand struct {
	Caller
	Ref
}

// CancelCommand stops a recovery on the claimant's behalf.
type CancelCommand struct {
	Caller
	Ref
	Key idempotency.Key
}

// GrantCommand takes the grant of a ready recovery.
type GrantCommand struct {
	Caller
	Ref
	Key idempotency.Key
}

// GrantView carries the grant, once.
type GrantView struct {
	Grant     secret.String
	ExpiresAt time.Time
}

// RedeemCommand redeems a grant on the identity system's behalf.
type RedeemCommand struct {
	Caller
	Grant secret.String
	Key   idempotency.Key
}

// Redemption is what the identity system learns: who, what it may do, on what evidence, and until when to be careful.
type Redemption struct {
	AccountRef      string
	RecoveryID      string
	Actions         []string // reset_password, rebind_authenticator, revoke_sessions, replace_recovery_code
	Evidence        []Satisfied
	AAL             int
	ProbationUntil  time.Time
	ReplacementCode secret.String // the saved code that takes the used one's place; empty when none was used
	Statement       string        // a JWT signed by a key of the JWKS
}

// ObjectCommand is the owner's objection by the link of a notice, perhaps with a proof beside it.
type ObjectCommand struct {
	Addr      netip.Addr
	RequestID string
	Token     secret.String
	Method    factor.Method // "" for the link alone; totp or recovery_code
	Code      secret.String
	Key       idempotency.Key // may be zero: the page's button sends one, a plain caller need not
}

// AppObjectCommand is the signed-in owner's objection through the app: the identity system vouches for fresh
// authentication with one of the account's factors.
type AppObjectCommand struct {
	Caller
	AccountRef string
	Recovery   string        // one recovery; empty for all that are open
	Method     factor.Method // the proof Holdfast is to check: totp or recovery_code; empty for none
	Code       secret.String
	Key        idempotency.Key
}

// ObjectionOutcome says in plain words what the objection did.
type ObjectionOutcome string

// The outcomes of an objection.
const (
	ObjectionPaused   ObjectionOutcome = "paused"    // the clock is stopped
	ObjectionRecorded ObjectionOutcome = "recorded"  // noted beside one that stands, or for a reversal
	ObjectionToHumans ObjectionOutcome = "to_humans" // both sides have shown too much for a machine to tell them apart
	ObjectionVetoed   ObjectionOutcome = "vetoed"    // the recovery is over
	ObjectionReversed ObjectionOutcome = "reversed"  // the account is the owner's again
)

// ShownProof says what became of a proof beside an objection.
type ShownProof string

// The results of a proof.
const (
	ShownAccepted ShownProof = "accepted"
	ShownRefused  ShownProof = "refused" // and counted
	ShownResting  ShownProof = "resting" // not looked at: its method rests after too many refusals
)

// ObjectionNext says what the owner can still do.
type ObjectionNext string

// The ways to go on.
const (
	NextProof   ObjectionNext = "proof"   // a proof, or a further one of another kind, can do more
	NextSupport ObjectionNext = "support" // people decide; they can be told
	NextNothing ObjectionNext = "nothing" // it is over
)

// ObjectionView is the answer to an objection. It reveals nothing about the claimant.
type ObjectionView struct {
	Outcome     ObjectionOutcome `json:"outcome"`
	State       State            `json:"state"`
	PausedUntil time.Time        `json:"paused_until"`
	Proof       ShownProof       `json:"proof,omitempty"` // empty when none came along
	RetryAt     time.Time        `json:"retry_at"`        // when a resting method can be tried again
	Next        ObjectionNext    `json:"next"`

	// Who asks, as the notice itself said it. Not for the app, which is the tenant's own.
	Tenant  string `json:"-"`
	Support string `json:"-"`
}
