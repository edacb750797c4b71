package credential

import (
	"context"
	"crypto/sha256"
	"time"

	"github.com/holdfast/holdfast/internal/audit"
	"github.com/holdfast/holdfast/internal/idempotency"
)

// Store keeps clients and their credentials. A database that does not answer is fault.CodeUnavailable.
type Store interface {
	// Find gives the credential of that public id with its client's standing and the database's time, in one query. None is
	// fault.CodeNotFound.
	Find(ctx context.Context, publicID string) (Presented, error)
	// Touch records that the credentials were used, each at most once a minute. An id that ends in WorkloadSuffix means its client's
	// use by a cluster's tokens.
	Touch(ctx context.Context, publicIDs []string) error
	// Creating reads the database's time in one transaction and runs fn, which commits when it returns nil. A tenant that does
	// not exist is fault.CodeNotFound.
	Creating(ctx context.Context, tenant string, fn func(tx Tx, now time.Time) error) error
	// Changing locks and loads a client and runs fn in one transaction, which commits when it returns nil. A client that the
	// tenant does not have is fault.CodeNotFound.
	Changing(ctx context.Context, tenant, client string, fn func(tx Tx, now time.Time, c Client) error) error
	// Switching locks a switch of a tenant, or of all tenants when it is empty, and runs fn in one transaction, which commits when it
	// returns nil. The clients that the switch could concern are locked as well and come by tenant and id: those that are in use, and of
	// AISwitch AI agents only.
	Switching(ctx context.Context, tenant, subject string, fn func(tx Tx, now time.Time, last Switch, all []Client) error) error
	// Switched gives a switch as it is. One that was never touched is on, with version 0.
	Switched(ctx context.Context, tenant, subject string) (Switch, error)
	// List gives all clients of a tenant by id, and the database's time.
	List(ctx context.Context, tenant string) ([]Client, time.Time, error)
	// Report appends an event that no change goes with.
	Report(ctx context.Context, e func(now time.Time) audit.Event) error
}

// Tx is the one write door.
type Tx interface {
	// Apply queues a change. It refuses one without an audit event.
	Apply(ctx context.Context, c Change) error
	// Answered gives the answer that was kept for the Idempotency-Key, nil when there is none. While the first request with the
	// key is being worked on, it is fault.CodeIdempotencyInFlight.
	Answered(ctx context.Context, key idempotency.Key) (*idempotency.Record, error)
	// Switched gives a switch as it is, and keeps it so until the transaction ends.
	Switched(ctx context.Context, tenant, subject string) (Switch, error)
	// Remember keeps an answer for a retry.
	Remember(ctx context.Context, r idempotency.Record, now time.Time) error
}

// Change is all that one operation writes.
type Change struct {
	Tenant  string
	Client  string
	At      time.Time
	Create  *Client // without credentials
	Add     *NewCredential
	Revoke  []string // public ids
	Disable bool
	AddKeys []NewKey
	EndKey  string  // the kid of a key to revoke
	Switch  *Switch // its next version
	Event   audit.Event
}

// AISwitch is the Switch.Subject that stops AI agents. Every other subject is a PersonID, and stops who is to be made for them.
const AISwitch = "ai"

// Switch is a state that clients are under, whenever they were made. It is on until somebody switches it off.
type Switch struct {
	Tenant  string // empty for all of them
	Subject string
	Version int64
	Off     bool
	At      time.Time
	By      string // who switched, as the trail calls them
	Reason  string // in their words
}

// NewCredential is a credential to store, by hash.
type NewCredential struct {
	PublicID  string
	Hash      [sha256.Size]byte
	ExpiresAt time.Time
}

// Presented is what is on file about a credential that somebody presents.
type Presented struct {
	Principal
	Hash     []byte
	Now      time.Time
	Revoked  bool
	Disabled bool // its client is
}

// Client is a non-human caller.
type Client struct {
	Tenant      string
	ID          string
	Name        string
	Kind        Kind
	Owner       string // the human who answers for it
	Scopes      []Scope
	CreatedAt   time.Time
	DisabledAt  time.Time // zero while it is in use
	Credentials []Info
	Keys        []Key // by which it signs assertions
	// WorkloadUsedAt is when it was last used by its cluster's tokens; zero until it was; up to a minute late.
	WorkloadUsedAt time.Time
}

// Info is a credential without its secret.
type Info struct {
	PublicID   string
	CreatedAt  time.Time
	ExpiresAt  time.Time
	RevokedAt  time.Time // zero unless it was revoked
	LastUsedAt time.Time // zero until it was used; up to a minute late
}

// Live reports whether the credential could be presented at that time.
func (i Info) Live(now time.Time) bool { return i.RevokedAt.IsZero() && now.Before(i.ExpiresAt) }
