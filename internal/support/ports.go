package support

import (
	"context"
	"time"

	"github.com/holdfast/holdfast/internal/audit"
	"github.com/holdfast/holdfast/internal/factor"
	"github.com/holdfast/holdfast/internal/idempotency"
	"github.com/holdfast/holdfast/internal/policy"
	"github.com/holdfast/holdfast/internal/recovery"
	"github.com/holdfast/holdfast/internal/secret"
)

// Store keeps cases. Every method runs fn in one transaction that commits when fn returns nil. It gives fault.CodeUnavailable
// when the database does not answer, CodeConflict when somebody else changed the case or its recovery first (safe to retry),
// and fn's own error unchanged. As with recovery.Store, fn may be run again and must have no effects of its own.
type Store interface {
	// Opening locks the recovery of a reference, loads it with the case around it if there is an open one, and runs fn. A reference
	// that leads nowhere is fault.CodeNotFound.
	Opening(ctx context.Context, q OpenQuery, fn func(tx Tx, in Loaded) error) error
	// Starting loads what it takes to start a recovery for an account. For a name that no account has it does the same work, and
	// the account is nil.
	Starting(ctx context.Context, q StartQuery, fn func(tx Tx, in StartFacts) error) error
	// Changing locks a case's recovery, and with it the case, loads both, and runs fn. A case that the tenant does not have is
	// fault.CodeNotFound.
	Changing(ctx context.Context, q Query, fn func(tx Tx, in Loaded) error) error
	// Reading loads a case without a lock. What fn applies is the record of the reading.
	Reading(ctx context.Context, q Query, fn func(tx Tx, in Loaded) error) error
	// Listing lists the open cases that the person worked on, or has been given to decide, the latest first, at most 100.
	Listing(ctx context.Context, q ListQuery, fn func(tx Tx, in List) error) error
	// Assigning locks the tenant's queue of proposals, lists those that the person could be given, and runs fn.
	Assigning(ctx context.Context, q ListQuery, fn func(tx Tx, in Queue) error) error
	// Noting runs fn to write down something about no case in particular.
	Noting(ctx context.Context, fn func(tx Tx, now time.Time) error) error
	// Stale lists cases whose time has come: a proposal's, a day without work, the end of their recovery.
	Stale(ctx context.Context, atMost int) ([]Query, error)
}

// Tx is the one write door.
type Tx interface {
	// Apply queues a change. It refuses one without an audit event, and steps that this package did not make.
	Apply(ctx context.Context, c Change) error
	// StaffAmong reports whether one of these people was seen working for the tenant.
	StaffAmong(ctx context.Context, tenant string, persons []string) (bool, error)
}

// OpenQuery names a recovery by its reference, or by its id for an appeal.
type OpenQuery struct {
	Tenant    string
	Reference string
	Recovery  string
	Person    string
	Key       idempotency.Key
}

// StartQuery names an account.
type StartQuery struct {
	Tenant    string
	RefHashes [][]byte
	Decoy     string // what a recovery hangs on where no account has the name
	Key       idempotency.Key
}

// Query names a case.
type Query struct {
	Tenant   string
	Case     string
	Person   string   // whose assignments to load
	Counters []string // of the recovery's subject, to load and to lock
	Key      idempotency.Key
}

// ListQuery is whose cases.
type ListQuery struct {
	Tenant  string
	Person  string
	Account string // for Assigning: that they signed in with
}

// StartFacts is what is known when an agent starts a recovery for an account.
type StartFacts struct {
	Now     time.Time
	Replay  *idempotency.Record
	Page    bool              // the tenant has a page that claim links lead to
	Account *recovery.Account // nil where no account has the name
	History recovery.History
	Holder  []Sealed
}

// Loaded is a case and everything around it at one moment. The zero Case means that there is none.
type Loaded struct {
	Recovery      recovery.Loaded // Now, Replay, the recovery and its account
	Case          Case
	Artefacts     []Artefact // of the recovery, whichever case they were attached to
	Notes         []Note
	Assignment    *Assignment // of the person who asks, to the open proposal
	Assigned      int         // how many others hold the open proposal now, or have decided
	Holder        []Sealed    // what names the account's owner, sealed
	HolderPersons []string    // filled in by the service
	HolderIsStaff bool        // filled in by the service
	Timeline      []Moment
	Past          Past // of the recovery's cases; loaded by Opening alone
}

// Past is what a recovery's cases leave to the next one: nothing is forgotten because a case ended (ADR 0035).
type Past struct {
	People     []string // who worked on them, was barred from them, or decided in them: by person and by account
	FlaggedAt  time.Time
	FlagReason FlagReason
	AIInvolved bool
}

// Now is the moment of the operation, on the one clock.
func (in Loaded) Now() time.Time { return in.Recovery.Now }

// Sealed is one text of an account, sealed under its key.
type Sealed struct {
	Kind string // "ref", "identifier:<type>" or "channel"
	ID   string // the channel's id
	Text []byte
}

// Plain is an opened text.
type Plain struct {
	Kind, ID string
	Text     secret.String
}

// Note is what somebody wrote down. Its words are data: nothing reads them to decide anything.
type Note struct {
	ID     string
	By     Party
	At     time.Time
	Sealed []byte
}

// Moment is one entry of the timeline: an audit event without its details.
type Moment struct {
	At      time.Time
	Action  audit.Action
	Actor   audit.ActorKind
	Outcome audit.Outcome
	Reason  string
}

// Assignment is one human who was given a proposal to decide.
type Assignment struct {
	Proposal  string
	Person    string
	At        time.Time
	ExpiresAt time.Time
	ReadAt    time.Time // when they last read the case; zero until they did
}

// live reports whether the assignment still holds.
func (a *Assignment) live(now time.Time) bool { return a != nil && now.Before(a.ExpiresAt) }

// List is a person's cases.
type List struct {
	Now   time.Time
	Cases []Listed
}

// Listed is one case of a list.
type Listed struct {
	ID, Reference string
	State         State
	Recovery      recovery.State
	Flagged       bool
	Assigned      bool
	Proposal      string // the open one that the person was given
	CreatedAt     time.Time
	ExpiresAt     time.Time
}

// Queue is what waits for decisions.
type Queue struct {
	Now     time.Time
	Current *Waiting // what the person holds already
	Waiting []Waiting
}

// Waiting is a proposal that somebody could be given.
type Waiting struct {
	Case, Proposal string
	Recovery       string // the case's; not told of what the person holds already
	Security       bool
	ExpiresAt      time.Time
}

// Change is all that one operation writes. Steps come in order; the recovery's change, if there is one, goes first.
type Change struct {
	Tenant     string
	Case       string
	At         time.Time
	Recovery   *recovery.Change
	Steps      []Step
	NewKey     []byte // the wrapped key of a new case
	Note       *Note
	Artefact   *Artefact
	Assign     *Assignment
	ReadBy     string // the person whose assignment was read
	Staff      *Seen
	Events     []audit.Event
	RecoveryID string
	RequestID  string
	Remember   *idempotency.Record
}

// Seen is a person of the workforce who was here.
type Seen struct {
	Person string
	Roles  []string
}

// Limits bounds how often claim links go out.
type Limits interface {
	// AllowClaimLinks judges whether an agent may have links sent for an account, by the agent and by the account, before the
	// account is looked up: alike for known and unknown names. It gives fault.CodeThrottled, or CodeUnavailable when its store is
	// down.
	AllowClaimLinks(ctx context.Context, tenant, agent string, account []byte) error
}

// Recoveries is what support has done to recoveries: recovery.Service.
type Recoveries interface {
	Assess(in recovery.Loaded) recovery.Assessed
	HoldAt(in recovery.Loaded, t policy.Tier) time.Duration
	Escalation(in recovery.Loaded, act recovery.Act) (recovery.Change, error)
	Approved(in recovery.Loaded, act recovery.Act, a recovery.Approval) (recovery.Change, error)
	Refused(in recovery.Loaded, act recovery.Act, a recovery.Approval) (recovery.Change, error)
	Appealed(in recovery.Loaded, c recovery.Caller) (recovery.Change, error)
	Asked(in recovery.Loaded, act recovery.Act, m factor.Method) (recovery.Change, recovery.ChallengeView, error)
	Begin(b recovery.OnBehalf, act recovery.Act) (recovery.Begun, error)
	Due(in recovery.Loaded) recovery.Recovery
	Shown(in recovery.Loaded, r recovery.Recovery) recovery.View
}

// Vault opens what is sealed, at the moment it is needed.
type Vault interface {
	// Open opens texts of an account.
	Open(tenant string, a recovery.Account, texts []Sealed) ([]Plain, error)
	// RefHashes gives the hashes that an account_ref is looked up by.
	RefHashes(tenant, ref string) [][]byte
}
