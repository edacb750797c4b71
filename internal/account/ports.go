package account

import (
	"context"
	"time"

	"github.com/holdfast/holdfast/internal/audit"
	"github.com/holdfast/holdfast/internal/idempotency"
	"github.com/holdfast/holdfast/internal/outbox"
	"github.com/holdfast/holdfast/internal/secret"
	"github.com/holdfast/holdfast/internal/textrule"
)

// Store keeps accounts. Everything is of one tenant: what another tenant has does not exist. A database that does
// not answer is fault.CodeUnavailable, and nothing of a failed transaction stays.
type Store interface {
	// Changing locks the account and its open recoveries, loads them and runs fn in one transaction, which commits when fn
	// returns nil. The locks hold for an account that does not exist yet, so that two registrations of one reference or one
	// identifier come one after the other. fn may run more than once and must have no effects of its own.
	Changing(ctx context.Context, q Query, fn func(tx Tx, in Loaded) error) error
	// Reading loads without a lock.
	Reading(ctx context.Context, q Query) (Loaded, error)
	// Existing finds the accounts that any of the reference hashes names, without what is sealed, and reads the clock.
	Existing(ctx context.Context, tenant string, refHashes [][]byte) (now time.Time, found []Stored, err error)
	// Insert adds new accounts in one transaction with their audit event. Those whose reference or one of whose identifiers is
	// on file by then are left out and their indexes returned; if that leaves none, nothing is written.
	Insert(ctx context.Context, tenant string, fresh []Fresh, event func(inserted int) audit.Event) (left []int, err error)
	// ErasuresDue lists up to limit accounts that wait to be erased and that no recovery keeps any more, oldest wish first.
	ErasuresDue(ctx context.Context, limit int) ([]DueErasure, error)
	// Rewriting locks up to limit accounts after the cursor in the order of tenants and ids, runs fn on them, and
	// writes what it gives, in one transaction. The next cursor is zero when there was none left.
	Rewriting(ctx context.Context, after Cursor, limit int, fn func([]Located) ([]Rewrite, error)) (next Cursor, err error)
}

// Tx is the one write door.
type Tx interface {
	// Apply queues a change. It refuses one without an audit event.
	Apply(ctx context.Context, c Change) error
}

// SavedCodes mints saved codes. It bounds how many argon2 evaluations run at once.
type SavedCodes interface {
	// Mint makes one code and its hash.
	Mint(ctx context.Context) (prefix, phc string, plain secret.String, err error)
}

// TOTP makes and checks one-time passwords.
type TOTP interface {
	// Generate draws a raw seed of at least 160 bits and the URL for the authenticator app. A label that an app
	// could mistake is fault.CodeInvalidRequest.
	Generate(issuer, label string) (seed, link secret.String, err error)
	// Text is the seed as a person types it into an app.
	Text(seed secret.String) secret.String
	// Verify gives the time step that the code is of, which is above lastStep.
	Verify(seed []byte, code secret.String, now time.Time, lastStep int64) (step int64, ok bool)
}

// Texts tells whether text messages go to a number at all, by its line and country.
type Texts interface {
	MayText(of textrule.Tenant, number secret.String) bool
}

// Query names an account by its reference.
type Query struct {
	Tenant           string
	RefHashes        [][]byte
	IdentifierHashes [][]byte // identifiers that the account is to have, under every key
	Factor           string   // whose failed confirmations to count; may be empty
	Key              idempotency.Key
}

// Loaded is an account and what bears on changing it, at one moment.
type Loaded struct {
	Now        time.Time
	Replay     *idempotency.Record
	TenantName string
	Texts      textrule.Tenant // what the tenant's texts may reach
	Account    *Stored         // nil when there is none, or none any more
	Taken      bool            // another account has one of the query's identifiers
	Recoveries []Recovery
	Disabled   []string // methods out of use after too many failures
	Failures   int      // of confirming the query's factor
	Held       bool     // by a legal hold, on it or on its tenant: it is not erased
}

// Stored is an account at rest: hashed and sealed.
type Stored struct {
	ID string
	Profile
	CreatedAt   time.Time
	ChangedAt   time.Time
	RefHash     []byte
	RefSealed   []byte
	DataKey     []byte // wrapped
	Identifiers []StoredIdentifier
	Channels    []StoredChannel // the removed ones too
	Factors     []StoredFactor  // the unconfirmed ones too, the removed ones not
	SavedLeft   int

	ErasureAskedAt time.Time // it waits for the end of recoveries and probation; zero for none
}

// Profile is what of an account is no personal data.
type Profile struct {
	Population string
	AAL, IAL   int
	Locale     string
}

// StoredIdentifier is an identifier at rest.
type StoredIdentifier struct {
	Hash   []byte
	Type   string
	Sealed []byte // as it was given
}

// StoredChannel is an address at rest.
type StoredChannel struct {
	ID        string
	Kind      string
	Hash      []byte
	Sealed    []byte // in canonical form: what goes on the wire
	Since     time.Time
	RemovedAt time.Time
	SuspectAt time.Time // zero unless it is suspect now
}

// StoredFactor is an enrolled authenticator at rest.
type StoredFactor struct {
	ID          string
	Kind        string
	Sealed      []byte
	EnrolledAt  time.Time
	ConfirmedAt time.Time
	Suspect     bool
}

// Recovery is a recovery of the account that is not closed, or that was reversed within thirty days.
type Recovery struct {
	ID             string
	State          string
	Proven         bool // a proof was accepted
	Disputed       bool // an objection stands
	CreatedAt      time.Time
	NotBefore      time.Time
	ExpiresAt      time.Time
	CompletedAt    time.Time
	ProbationUntil time.Time
	ClosedAt       time.Time
}

// Change is all that one operation writes. The zero Change is none.
type Change struct {
	Tenant          string
	Account         string
	At              time.Time
	Create          *Stored
	Profile         *Profile // the account's new profile
	AddIdentifiers  []StoredIdentifier
	DropIdentifiers [][]byte // by hash
	AddChannels     []StoredChannel
	RemoveChannels  []string // they stay for as long as they may hear of a recovery
	AddFactor       *StoredFactor
	Confirm         *Confirmation
	RemoveFactor    string
	DropFactors     []string // unconfirmed ones that leave no trace
	Failed          *Failed
	ReplaceCodes    []StoredCode // all earlier codes are revoked
	AskErasure      bool         // remembers that it is to be erased once nothing is open any more
	AskedBy         string       // the client that asked, with AskErasure
	Erase           bool         // destroys the data key and all personal rows
	Farewell        []byte       // with Erase: the name, sealed by itself, kept only where somebody is yet to be told
	Notices         []outbox.Notice
	Events          []audit.Event
	Remember        *idempotency.Record
}

// Confirmation makes a factor count. The step of the code that confirmed it is used up.
type Confirmation struct {
	Factor string
	Step   int64
}

// Failed counts a wrong first code.
type Failed struct {
	Factor string
	Count  int
}

// StoredCode is a saved code to store.
type StoredCode struct{ ID, Prefix, PHC string }

// Fresh is a new account with the hashes of its reference and identifiers under every key.
type Fresh struct {
	Stored
	RefHashes        [][]byte
	IdentifierHashes [][]byte
}

// DueErasure is an account whose erasure waited for the end of a recovery.
type DueErasure struct {
	Tenant  string
	RefHash []byte
	By      string // the client that asked
}

// Cursor is a place in the walk over all accounts. The zero Cursor is before the first and after the last.
type Cursor struct{ Tenant, Account string }

// Located is an account of a walk over all tenants.
type Located struct {
	Tenant string
	Stored
}

// Rewrite is what an account looks like under the primary key. Unchanged parts are nil.
type Rewrite struct {
	Tenant, Account string
	DataKey         []byte
	RefHash         []byte
	Identifiers     []Rehash
	Channels        []ChannelRehash
}

// Rehash moves an identifier from one hash to another.
type Rehash struct{ From, To []byte }

// ChannelRehash gives a channel another hash.
type ChannelRehash struct {
	Channel string
	To      []byte
}
