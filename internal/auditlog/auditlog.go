// Package auditlog seals audit events into the log, anchors what was sealed, and serves it with proofs. What an event, a leaf
// and a proof are is package audit's; how they are kept is the store's.
//
// Three rules. Nothing is signed that the database does not hold for ever: a head is committed first, signed after, published
// last. What was published is kept outside as well, and a database that does not continue it is refused by name: a
// restore that would fork the log stops the sealing and nothing else. Events are only read together with an event that says
// so.
package auditlog

import (
	"context"
	"errors"
	"time"

	"github.com/holdfast/holdfast/internal/audit"
)

// The ways in which the log can fail to go on. Each is told by name, and sealing stays stopped until an operator acts
// (deploy/runbooks/HoldfastAuditSealingStopped.md).
var (
	// ErrWentBack says that the database's log is shorter than what was published.
	ErrWentBack = errors.New("audit log went back: the database's log is shorter than a checkpoint that was published; an older backup was restored")
	// ErrForked says that the database's log does not begin with what was published.
	ErrForked = errors.New("audit log forked: the database's log is not a continuation of a checkpoint that was published")
	// ErrBroken says that the database's own hashes contradict each other.
	ErrBroken = errors.New("audit log broken: the database's tiles do not give the root of its head")
)

// Position is where a log stands.
type Position struct {
	Now  time.Time // of the one clock
	Head audit.Head
}

// Batch is what one round of sealing appends. The leaves' order is that of the log.
type Batch struct {
	At     time.Time
	Leaves []SealedLeaf
	Tiles  []audit.Tile
	Head   audit.Head // after the batch
}

// SealedLeaf is an event's place in the log.
type SealedLeaf struct {
	Tenant, Event string
	Leaf          []byte
}

// Sealing is one transaction of the one sealer.
type Sealing interface {
	// Position gives the head, which is the zero Head before the first batch.
	Position(ctx context.Context) (Position, error)
	// Edge gives the hashes on the right edge of the tree of that head.
	Edge(ctx context.Context, size int64) (*audit.Edge, error)
	// Unsealed gives committed events that are not in the log, in the order in which they are to enter it, at most that many.
	// No event can appear later that would have stood before one of them.
	Unsealed(ctx context.Context, atMost int) ([]audit.Entry, error)
	// Append adds leaves, tiles and the head.
	Append(ctx context.Context, b Batch) error
}

// Published is a head and its signed checkpoint.
type Published struct {
	Head audit.Head
	Note []byte // nil when the head is not signed yet by exactly the keys that were asked for
}

// SealStore keeps the log. Errors are faults.
type SealStore interface {
	// Seal runs fn in one transaction as the only sealer of the installation, and commits when it returns nil. It gives false, and
	// does not run fn, while another sealer works.
	Seal(ctx context.Context, origin string, fn func(Sealing) error) (bool, error)
	// Newest gives the newest head and its checkpoint signed by those keys; the zero value before the first batch.
	Newest(ctx context.Context, origin, keys string) (Published, error)
	// Publish keeps a signed checkpoint of a head that stands. A second time changes nothing.
	Publish(ctx context.Context, origin string, size int64, keys string, note []byte) error
	// LastPublished gives the newest head that is signed, by whichever keys; the zero value before the first.
	LastPublished(ctx context.Context, origin string) (Published, error)
	// Took keeps that an anchor outside took the checkpoint of that size, and the signature lines that it added, "" for none. A second
	// time changes nothing.
	Took(ctx context.Context, origin string, size int64, anchor, lines string) error
	// Taken tells what each of those anchors has taken, and for how long there has been something that it has not.
	Taken(ctx context.Context, origin string, anchors []string) (Taken, error)
	// Lag tells how long the oldest event that is not sealed has been waiting, and how many of a bounded number wait.
	Lag(ctx context.Context, origin string) (Lag, error)
	// Tiles gives tiles of the log of that origin.
	Tiles(ctx context.Context, origin string, names []audit.TileName) ([][]audit.Hash, error)
}

// Lag is how far sealing is behind.
type Lag struct {
	Size    int64
	Waiting time.Duration // of the oldest event; zero when none waits
}

// Anchor keeps checkpoints where the database's operator does not reach, before they are published. It is near and quick: sealing
// waits for it.
type Anchor interface {
	// Name tells which one it is, for logs: file.
	Name() string
	// Last gives the newest checkpoint that the anchor knows to have been published; the zero Checkpoint for none.
	Last(ctx context.Context) (audit.Checkpoint, error)
	// Before is called with every checkpoint before it is published. An error keeps it from being published.
	Before(ctx context.Context, note []byte, c audit.Checkpoint) error
}

// Metrics tells how sealing goes.
type Metrics interface {
	Sealed(events int, size int64)
	SealingLag(lag time.Duration)
	// SealingStopped tells why sealing refuses to go on: went_back, forked, broken, anchor, unheard; "" when it does not.
	SealingStopped(reason string)
	// Anchored counts one attempt to give a checkpoint to an anchor: done, failed, overtaken, refused.
	Anchored(anchor, outcome string)
	// AnchorLag tells for how long there has been a checkpoint that the anchor has not taken, whoever tells it.
	AnchorLag(anchor string, lag time.Duration)
}
