package recovery

import (
	"context"
	"net/netip"
	"time"

	"github.com/holdfast/holdfast/internal/audit"
	"github.com/holdfast/holdfast/internal/factor"
	"github.com/holdfast/holdfast/internal/idempotency"
	"github.com/holdfast/holdfast/internal/outbox"
	"github.com/holdfast/holdfast/internal/policy"
	"github.com/holdfast/holdfast/internal/secret"
)

// Store keeps recoveries. Every method runs fn in one transaction that commits when fn returns nil, and gives
// fault.CodeUnavailable when the database does not answer, CodeConflict when somebody else changed the recovery first
// (safe to retry), and fn's own error unchanged. Nothing of a failed transaction stays.
//
// A transaction that meets an Idempotency-Key whose first request committed meanwhile is run again by the store and then
// finds its Replay; fn must therefore have no effects of its own.
type Store interface {
	// Starting loads what a start needs and runs fn.
	Starting(ctx context.Context, q StartQuery, fn func(tx Tx, in StartFacts) error) error
	// Changing locks a recovery and the counters it names, loads all of it, and runs fn. A recovery that does not exist, or
	// that the query does not match, is fault.CodeNotFound.
	Changing(ctx context.Context, q Query, fn func(tx Tx, in Loaded) error) error
	// Reading loads a recovery without a lock.
	Reading(ctx context.Context, q Query) (Loaded, error)
	// SavedCode finds the hash of an unused saved code of the recovery's account by its public prefix, and what tells whether
	// the costly check of it is owed to this caller. A recovery that does not exist is the zero SavedLookup.
	SavedCode(ctx context.Context, tenant, recovery, challenge, prefix string) (SavedLookup, error)
	// ObjectionTarget finds what an objection link is about, or fault.CodeObjectionRefused.
	ObjectionTarget(ctx context.Context, tokenHash []byte) (ObjectionTarget, error)
	// ClaimTarget finds what a claim link of the tenant is about, or fault.CodeClaimRefused.
	ClaimTarget(ctx context.Context, tenant string, tokenHash []byte) (ClaimTarget, error)
	// OpenRecoveries lists the recoveries of an account that an objection could concern, or the one of that id: those in their
	// hold or beyond first, then the newest, at most 50. What nobody has proven anything in is not among them, so that
	// starting many shields none.
	OpenRecoveries(ctx context.Context, tenant, id string, refHashes [][]byte) ([]string, error)
	// Due lists recoveries whose time to be looked at has come, at most atMost of them.
	Due(ctx context.Context, atMost int) ([]DueRecovery, error)
}

// Tx is the one write door.
type Tx interface {
	// Apply queues the change: states by guarded update, their audit events, children, messages and jobs, and the stored
	// answer. It refuses a change whose steps were not made by this package.
	Apply(ctx context.Context, c Change) error
	// Postpone moves the time at which Due is judged next, without a transition.
	Postpone(ctx context.Context, r Recovery, at time.Time) error
}

// StartQuery names what a start has to know.
type StartQuery struct {
	Tenant           string
	IdentifierHashes [][]byte
	DecoySubject     string
	Key              idempotency.Key
}

// StartFacts is what is known when a recovery starts. Account is nil for an unknown identifier.
type StartFacts struct {
	Now     time.Time
	Replay  *idempotency.Record // the answer given before to the same Idempotency-Key
	Account *Account
	History History
}

// Query names a recovery: by id, or by the grant that it issued.
type Query struct {
	Tenant       string
	ID           string
	GrantHash    []byte
	Counters     []string // counter kinds to load, and to lock when changing
	OpenCounters []string // those of them that may not be there yet: made sure of first, for what is not there cannot be locked
	SavedPrefix  string   // the saved code to load
	Seat         bool     // whether to load the claimant's seat
	Key          idempotency.Key
}

// Loaded is a recovery and everything around it at one moment.
type Loaded struct {
	Now          time.Time
	Replay       *idempotency.Record
	Recovery     Recovery
	ClaimantHash []byte
	Signals      StartSignals
	Account      *Account
	History      History
	Challenges   []Challenge
	Counters     map[string]Counter
	Grants       []GrantRecord
	Saved        *SavedCode
	Case         CaseState // of support's case around the recovery; empty when there is none
	Seat         *Seat     // where the query asks for it; nil where the claimant started the recovery
}

// Account is what a decision needs to know of an account. Addresses are not among it.
type Account struct {
	ID         string
	Population string
	AAL, IAL   int
	Locale     string
	DataKey    []byte // wrapped
	RefSealed  []byte
	Channels   []Channel
	TOTP       []TOTPFactor
	SavedLeft  int
	SavedSince time.Time
	Disabled   []string // methods that were disabled after too many failures

	ErasureAskedAt time.Time // an erasure waits for the end of recoveries and probation; zero for none
}

// Channel is an address on file, without the address.
type Channel struct {
	ID        string
	Kind      factor.Method
	Address   string // the channel that stands for the address where several reach the same; empty for this one
	Since     time.Time
	RemovedAt time.Time
	Suspect   bool

	SIMKnownAt   time.Time // when a carrier last said whether the number moved to another SIM; zero for never
	SIMSwappedAt time.Time // when it did, as far as is known
}

// TOTPFactor is a confirmed TOTP factor with its sealed seed.
type TOTPFactor struct {
	ID       string
	Sealed   []byte
	Since    time.Time
	Suspect  bool
	LastStep int64
}

// SavedLookup is what is known before a saved code is checked.
type SavedLookup struct {
	PHC          string // empty when there is no such code
	ClaimantHash []byte
	Method       factor.Method // of the challenge
	Resting      bool          // saved codes of this subject rest after failures
}

// SavedCode is a saved code found by its prefix.
type SavedCode struct {
	ID       string
	PHC      string
	IssuedAt time.Time
	Unused   bool
}

// History is what happened to a subject before.
type History struct {
	Recoveries int  // within 30 days
	Failures   int  // refused proofs within 24 hours
	Objected   bool // an earlier recovery within 30 days was objected to
}

// StartSignals is what was measured when the recovery started, kept for later decisions.
type StartSignals struct {
	KnownDevice policy.State `json:"known_device"`
	Network     policy.State `json:"network_change"`
	Source      policy.State `json:"source_velocity"`
	Identifier  policy.State `json:"identifier_velocity"`
}

// GrantRecord is a grant as stored.
type GrantRecord struct {
	ID        string
	Hash      []byte
	ExpiresAt time.Time
	Voided    bool
	Redeemed  bool
}

// DueRecovery names a recovery to look at.
type DueRecovery struct{ Tenant, ID string }

// ObjectionTarget is what an objection link is about, and the tenant's name and support contact, which the notice named.
type ObjectionTarget struct{ Tenant, Recovery, Channel, TenantName, Support string }

// Change is all that one operation writes. Steps come in order, each with its own version and audit event.
type Change struct {
	Tenant        string
	Subject       string    // what counters hang on
	At            time.Time // the moment of the operation, on the one clock
	Opening       *Opening  // for a start: what the row is made of beside the step
	Steps         []Step
	By            audit.Actor
	Origin        string
	RequestID     string
	Assessment    *Assessment
	Challenge     *Challenge
	Counters      map[string]Counter
	OpenCounts    []string // counters to make sure of, so that a later answer finds a row to lock
	TOTP          *TOTPUse
	SavedUse      string        // the saved code that was used
	NewSaved      *NewSavedCode // the one that takes its place
	Recovery      string        // whose seat is taken
	TakeSeat      *SeatTaken
	Grant         *NewGrant // issued
	Redeemed      string    // the grant that was redeemed
	RedeemedBy    string    // the client that did
	Notices       []outbox.Notice
	ForgetErasure bool     // the erasure that waits may have been a thief's wish: who holds the account now can ask again
	Suspect       []string // beyond those of the step: what came to the account so lately that the thief may have brought it
	Jobs          []outbox.Job
	Events        []audit.Event // beyond those of the steps
	Remember      *idempotency.Record
}

// Opening is what a new recovery's row holds that nobody needs later in the aggregate.
type Opening struct {
	ClaimantHash []byte
	Signals      StartSignals
	SeatUntil    time.Time // until when a claim link hands the claimant's seat over; zero where the claimant is there
}

// Assessment is a decision with the facts it was made on.
type Assessment struct {
	Facts    policy.Facts
	Decision policy.Decision
}

// TOTPUse advances a TOTP factor to the step that was just used.
type TOTPUse struct {
	Factor string
	Step   int64
}

// NewSavedCode is a saved code to store.
type NewSavedCode struct{ ID, Prefix, PHC string }

// NewGrant is a grant to store, by hash.
type NewGrant struct {
	ID        string
	Hash      []byte
	ExpiresAt time.Time
}

// Limits is the edge's second wall (design.md, section 7): judged before any account is looked up, alike for known and
// unknown. Each gives fault.CodeThrottled, or CodeUnavailable when its store is down: it fails closed.
type Limits interface {
	// AllowStart judges a start by its source, its identifier, the device that a server-side client stated (nil for none)
	// and the tenant's own budget, all of which must pass. It tells how busy the source and the identifier are.
	AllowStart(ctx context.Context, tenant string, source netip.Addr, identifier []byte, device []byte) (Velocity, error)
}

// Velocity is how busy a source and an identifier are, as the limits' buckets show it: present from half of what an hour
// admits. What was not measured is unknown.
type Velocity struct {
	Source, Identifier policy.State
}

// Identifiers turns what a claimant typed into what is looked up.
type Identifiers interface {
	// Canonical gives the exact look-up form and the coarser form that limits are counted on, or CodeInvalidRequest.
	Canonical(typ IdentifierType, value secret.String) (exact, coarse string, err error)
}

// SavedCodes checks and mints saved codes. It bounds how many argon2 evaluations run at once.
type SavedCodes interface {
	// Parse splits a typed code, or reports that it cannot be one.
	Parse(typed secret.String) (prefix string, body secret.String, err error)
	// Verify checks the body against a stored hash; an empty hash costs the same and is refused.
	Verify(ctx context.Context, phc string, body secret.String) (bool, error)
	// Mint makes one code and its hash.
	Mint(ctx context.Context) (prefix, phc string, plain secret.String, err error)
}

// TOTP checks a one-time password against a seed and gives the time step that matched, which is above lastStep.
type TOTP interface {
	Verify(key []byte, code secret.String, now time.Time, lastStep int64) (step int64, ok bool)
}

// Vault opens what is sealed under an account's own key, at the moment it is needed.
type Vault interface {
	// AccountRef opens the tenant's own name of the account.
	AccountRef(tenant string, a Account) (string, error)
	// Seed opens a TOTP factor's seed.
	Seed(tenant string, a Account, t TOTPFactor) ([]byte, error)
	// RefHashes gives the hashes that an account_ref is looked up by, under every key of the ring.
	RefHashes(tenant, ref string) [][]byte
}

// Policies gives the policy in force for a tenant.
type Policies interface {
	Current(tenant string) *policy.Policy
}
