package signal

import (
	"context"
	"time"

	"github.com/holdfast/holdfast/internal/audit"
	"github.com/holdfast/holdfast/internal/idempotency"
	"github.com/holdfast/holdfast/internal/secret"
)

// Store keeps endpoints and deliveries. Everything is of one tenant: what another tenant has does not exist. A
// database that does not answer is fault.CodeUnavailable.
type Store interface {
	// Changing loads and locks the tenant's endpoints, or the one that the query names, and runs fn in one transaction, which
	// commits when fn returns nil. A tenant or an endpoint that is not there is fault.CodeNotFound. fn may run more than once.
	Changing(ctx context.Context, q Query, fn func(tx Tx, in Loaded) error) error
	// Endpoints gives all endpoints of a tenant but the deleted ones, the oldest first.
	Endpoints(ctx context.Context, tenant string) ([]Endpoint, error)
	// Deliveries gives an endpoint's deliveries, newest first.
	Deliveries(ctx context.Context, q DeliveryQuery) ([]Delivery, error)
	// Rewriting gives every endpoint's sealed keys to fn and writes what it gives back, one by one; nil leaves them.
	Rewriting(ctx context.Context, fn func(tenant, endpoint string, sealed []byte) ([]byte, error)) error
}

// Tx is the one write door of endpoints.
type Tx interface {
	// Apply queues a change. It refuses one without an audit event.
	Apply(ctx context.Context, c Change) error
}

// Query names what is to change.
type Query struct {
	Tenant   string
	Endpoint string // empty for a new one
	Delivery string // a delivery that must be the endpoint's; may be empty
	Key      idempotency.Key
}

// Loaded is what bears on a change at one moment.
type Loaded struct {
	Now      time.Time
	Replay   *idempotency.Record
	Endpoint Endpoint // zero for a new one
	Count    int      // of the tenant's endpoints
	Delivery Delivery // zero unless the query names one
}

// Change is all that one operation writes.
type Change struct {
	Tenant    string
	Endpoint  string
	At        time.Time
	Create    *Endpoint
	Keys      *NewKeys
	State     State // empty for no change; Deleted wipes the keys and ends what waits
	Verify    *Verify
	Redeliver *Redelivery
	Event     audit.Event
	Remember  *idempotency.Record
}

// NewKeys replaces an endpoint's keys.
type NewKeys struct {
	Sealed        []byte
	Public        []string
	PreviousUntil time.Time
}

// Verify is a delivery that only asks whether somebody listens.
type Verify struct {
	ID    string
	Event EventURI // empty for a webhook
	Data  map[string]any
}

// Redelivery is deliveries to send again, with their attempts counted anew: one, or those of a period.
type Redelivery struct {
	Delivery string
	From, To time.Time // From included, To not
	All      bool      // the delivered ones of the period too, not only what was given up on
}

// DeliveryQuery says which deliveries to list.
type DeliveryQuery struct {
	Tenant, Endpoint string
	Status           Status // empty for all
	Before           string // the last delivery of the page before
	Limit            int
}

// Status is where a delivery stands.
type Status string

// The statuses.
const (
	StatusPending   Status = "pending"
	StatusDelivered Status = "delivered"
	StatusDead      Status = "dead" // given up on; it can be sent again
)

// Delivery is one line of the delivery log. It holds no body.
type Delivery struct {
	ID       string
	Endpoint string
	Type     Type
	Event    EventURI // empty for a webhook
	Cause    string   // what all signals of one cause share
	Recovery string
	At       time.Time // of what it tells of
	Status   Status
	Attempts int // since it was last asked for
	NextAt   time.Time
	EndedAt  time.Time
	Tries    []Try // the last ones, oldest first
}

// Try is one attempt.
type Try struct {
	At      time.Time `json:"at"`
	Outcome string    `json:"outcome"`
	Status  int       `json:"status,omitempty"`
	TookMS  int64     `json:"took_ms"`
}

// Outbox is what sending reads and writes.
type Outbox interface {
	// Claim takes a delivery for one attempt, counted before it is made, and loads what it needs. Nobody else gets it until
	// the attempt is recorded or leaseFor is over. It gives nil where nothing is to be sent: delivered, not due, taken, waiting
	// for what came before it, or the endpoint is not active.
	Claim(ctx context.Context, tenant, delivery string) (*Work, error)
	// Return gives a claimed delivery back without an attempt, to be looked at again after the wait.
	Return(ctx context.Context, w Work, wait time.Duration) error
	// Record writes what became of an attempt. One that was claimed by somebody else meanwhile is left alone.
	Record(ctx context.Context, w Work, r Result) error
	// Wake has jobs made for what is due, at most atMost and of each endpoint a few, and says how many there were.
	Wake(ctx context.Context, atMost int) (int, error)
	// Overdue writes down, once each, the session-revoked tokens that nobody has acknowledged for that long.
	Overdue(ctx context.Context, after time.Duration) (int, error)
	// Backlog measures what waits.
	Backlog(ctx context.Context) (Backlog, error)
	// Tidy deletes what ended longer ago than that, at most atMost, and says how many there were.
	Tidy(ctx context.Context, after time.Duration, atMost int) (int, error)
}

// Work is a claimed delivery.
type Work struct {
	Delivery
	Tenant   string
	Claim    int64 // which of the delivery's claims this is
	Endpoint Endpoint
	Now      time.Time
	Claims   map[string]any // the event's, or a webhook's data
	Agreed   bool
	Account  Account // zero where it is about none
}

// Account is what opens the account's name. Erased is its name, sealed by itself, of an account that is erased.
type Account struct {
	ID         string
	DataKey    []byte
	RefSealed  []byte
	LastSealed []byte
}

// Result is what became of an attempt.
type Result struct {
	Verdict Verdict
	Try     Try
	NextAt  time.Time // Retry
}

// Backlog is what waits.
type Backlog struct {
	Pending        int
	Dead           int
	Unacknowledged int           // session-revoked tokens that are overdue
	Oldest         time.Duration // how long the oldest pending one has been due
}

// Request is one attempt, as the adapter sends it.
type Request struct {
	URL     string
	Headers map[string]string
	Body    []byte
}

// Pusher makes one attempt. It follows no redirect, connects to no internal address, whatever the name resolves to,
// and takes no longer than the attempt may. What comes back is an answer, or why there is none.
type Pusher interface {
	Push(ctx context.Context, r Request) Answer
}

// Vault opens an account's name at the moment it is needed.
type Vault interface {
	// Ref gives the tenant's name for the account.
	Ref(tenant string, a Account) (string, error)
}

// Signer signs tokens (RS256, R-159).
type Signer interface {
	SignRS256(typ string, claims any) (string, error)
}

// Metrics counts deliveries.
type Metrics interface {
	Signal(kind, typ, outcome string)
}

var _ Signer = (*secret.Keyring)(nil)
