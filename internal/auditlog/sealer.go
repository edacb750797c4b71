package auditlog

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"

	"github.com/holdfast/holdfast/internal/audit"
	"github.com/holdfast/holdfast/internal/fault"
)

// BatchSize bounds one transaction of sealing: half a second's work at ten thousand events a second.
const BatchSize = 8192

// Key signs checkpoints.
type Key interface {
	audit.SigningKey
	ID() string
}

// SealerConfig is what a Sealer is made of.
type SealerConfig struct {
	Store   SealStore
	Origin  string
	Keys    []Key // the primary first; all of them sign
	Anchors []Anchor
	Outside Outsiders
	Metrics Metrics
}

// Sealer seals, signs, anchors and publishes. Every node may run one: the store lets one seal at a time, and each keeps an eye
// on what is published.
type Sealer struct {
	SealerConfig

	keys string // the ids of the keys, as the store tells them apart

	mu       sync.Mutex
	edge     *audit.Edge          // of the tree as this process last appended to it
	seen     audit.Checkpoint     // the newest checkpoint that this process has seen published
	verified audit.Head           // of what anchors hold, the largest that the database's tree was found to begin with
	outside  map[string]*outsider // by name: how it goes with what is told outside
	halted   error                // what one of them said that ends it
}

// NewSealer makes a Sealer.
func NewSealer(cfg SealerConfig) (*Sealer, error) {
	if cfg.Store == nil || cfg.Metrics == nil || len(cfg.Keys) == 0 {
		return nil, errors.New("auditlog: incomplete configuration")
	}
	if !audit.ValidOrigin(cfg.Origin) {
		return nil, errors.New("auditlog: the origin must be 1 to 200 visible ASCII characters without +")
	}
	if err := cfg.Outside.valid(); err != nil {
		return nil, err
	}
	ids := make([]string, 0, len(cfg.Keys))
	for _, k := range cfg.Keys {
		ids = append(ids, k.ID())
	}
	return &Sealer{SealerConfig: cfg, keys: strings.Join(ids, " "), outside: cfg.Outside.begin()}, nil
}

// VerifierKeys gives the keys to check checkpoints with, the primary's first.
func (s *Sealer) VerifierKeys() ([]string, error) {
	out := make([]string, 0, len(s.Keys))
	for _, k := range s.Keys {
		text, err := audit.VerifierKey(s.Origin, k.Public())
		if err != nil {
			return nil, err
		}
		out = append(out, text)
	}
	return out, nil
}

// Round does one round: is the log still the one that was published? Then seal a batch, and sign and publish the head. It says
// whether more events wait. A log that went back or forked is ErrWentBack or ErrForked, every time, and nothing is written.
func (s *Sealer) Round(ctx context.Context) (more bool, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	more, err = s.round(ctx)
	if reason := stopReason(err); reason != "" || err == nil {
		s.Metrics.SealingStopped(reason)
	}
	return more, err
}

// stopReason names an error that stops sealing until somebody acts.
func stopReason(err error) string {
	switch {
	case errors.Is(err, ErrWentBack):
		return "went_back"
	case errors.Is(err, ErrForked):
		return "forked"
	case errors.Is(err, ErrBroken):
		return "broken"
	case errors.Is(err, errAnchor):
		return "anchor"
	case errors.Is(err, errUnheard):
		return "unheard"
	default:
		return ""
	}
}

func (s *Sealer) round(ctx context.Context) (bool, error) {
	newest, err := s.Store.Newest(ctx, s.Origin, s.keys)
	if err != nil {
		return false, err
	}
	if err := s.guard(ctx, newest.Head); err != nil {
		return false, err
	}
	if wait, err := s.unheard(); wait {
		return false, err
	}
	n, err := s.seal(ctx)
	if err != nil {
		s.edge = nil // whether it was committed is read again
		return false, err
	}
	if n > 0 {
		if newest, err = s.Store.Newest(ctx, s.Origin, s.keys); err != nil {
			return false, err
		}
	}
	if err := s.publish(ctx, newest); err != nil {
		return false, err
	}
	return n == BatchSize, nil
}

// seal appends one batch and says how many events it had.
func (s *Sealer) seal(ctx context.Context) (int, error) {
	n := 0
	_, err := s.Store.Seal(ctx, s.Origin, func(tx Sealing) error {
		n = 0
		at, err := tx.Position(ctx)
		if err != nil {
			return err
		}
		entries, err := tx.Unsealed(ctx, BatchSize)
		if err != nil || len(entries) == 0 {
			return err
		}
		edge, err := s.edgeOf(ctx, tx, at.Head)
		if err != nil {
			return err
		}
		batch, err := appendTo(edge, entries)
		if err != nil {
			return err
		}
		batch.At = at.Now
		if err := tx.Append(ctx, batch); err != nil {
			return err
		}
		n, s.edge = len(entries), edge
		return nil
	})
	if err != nil {
		return 0, err
	}
	if n > 0 {
		s.Metrics.Sealed(n, s.edge.Size())
	}
	return n, nil
}

// edgeOf gives an edge of the tree of that head: this process' own while nobody else has appended. An edge that does not give
// the head's root is ErrBroken.
func (s *Sealer) edgeOf(ctx context.Context, tx Sealing, head audit.Head) (*audit.Edge, error) {
	if s.edge != nil && s.edge.Size() == head.Size && s.edge.Root() == head.Root {
		return s.edge.Clone(), nil
	}
	edge, err := tx.Edge(ctx, head.Size)
	if err != nil {
		return nil, err
	}
	if head.Size > 0 && edge.Root() != head.Root {
		return nil, ErrBroken
	}
	return edge, nil
}

// appendTo encodes entries and appends their leaves.
func appendTo(edge *audit.Edge, entries []audit.Entry) (Batch, error) {
	b := Batch{Leaves: make([]SealedLeaf, 0, len(entries))}
	for _, e := range entries {
		leaf, err := audit.LeafOf(e)
		if err != nil {
			return Batch{}, fmt.Errorf("seal event %s: %w", e.Event.ID, err)
		}
		text, err := leaf.Encode()
		if err != nil {
			return Batch{}, fmt.Errorf("seal event %s: %w", e.Event.ID, err)
		}
		b.Leaves = append(b.Leaves, SealedLeaf{Tenant: e.Event.Tenant, Event: e.Event.ID, Leaf: text})
		b.Tiles = append(b.Tiles, edge.Append(audit.LeafHash(text))...)
	}
	b.Head = audit.Head{Size: edge.Size(), Root: edge.Root()}
	return b, nil
}

// publish signs the newest head, tells the anchors, and publishes it.
func (s *Sealer) publish(ctx context.Context, newest Published) error {
	if newest.Head.Size == 0 {
		return nil
	}
	c := audit.Checkpoint{Origin: s.Origin, Head: newest.Head}
	if c != s.seen {
		if err := s.stands(ctx, newest); err != nil {
			return err
		}
	}
	note := newest.Note
	if note == nil {
		var err error
		if note, err = s.sign(c); err != nil {
			return err
		}
	}
	if c != s.seen { // another node's checkpoint is anchored here as well, so that each node knows the newest
		for _, a := range s.Anchors {
			if err := a.Before(ctx, note, c); err != nil {
				return fmt.Errorf("%w: %s: %w", errAnchor, a.Name(), err)
			}
		}
	}
	if newest.Note == nil {
		if err := s.Store.Publish(ctx, s.Origin, c.Size, s.keys, note); err != nil {
			return err
		}
	}
	s.seen = c
	return nil
}

// stands checks a head that is new to this process before it is signed or told to an anchor. The database's word for it is not enough:
// who could write a head, or the text of a checkpoint, would have the log's own keys vouch for a tree that its leaves do not give.
func (s *Sealer) stands(ctx context.Context, p Published) error {
	if s.seen.Size == p.Head.Size {
		return fmt.Errorf("%w (another root of %d leaves)", ErrForked, p.Head.Size)
	}
	if s.edge == nil || s.edge.Size() != p.Head.Size || s.edge.Root() != p.Head.Root {
		root, err := audit.NewProver(s.tiles(), p.Head.Size).Root(ctx)
		if err != nil && !errors.Is(err, audit.ErrNoTile) {
			return err
		}
		if err != nil || root != p.Head.Root {
			return fmt.Errorf("%w (at %d leaves)", ErrBroken, p.Head.Size)
		}
	}
	if p.Note == nil {
		return nil
	}
	keys, err := s.VerifierKeys()
	if err != nil {
		return err
	}
	if c, err := audit.OpenCheckpoint(p.Note, keys); err != nil || c.Head != p.Head || c.Origin != s.Origin {
		return errors.Join(fmt.Errorf("%w (the checkpoint of %d leaves is another's)", ErrBroken, p.Head.Size), err)
	}
	return nil
}

// sign signs a checkpoint under all keys.
func (s *Sealer) sign(c audit.Checkpoint) ([]byte, error) {
	keys := make([]audit.SigningKey, 0, len(s.Keys))
	for _, k := range s.Keys {
		keys = append(keys, k)
	}
	return audit.SignCheckpoint(c, keys...)
}

// Lag measures how far sealing is behind, whoever seals.
func (s *Sealer) Lag(ctx context.Context) (Lag, error) {
	lag, err := s.Store.Lag(ctx, s.Origin)
	if err != nil {
		return Lag{}, err
	}
	s.Metrics.SealingLag(lag.Waiting)
	return lag, s.measureOutside(ctx)
}

// Drain seals until nothing waits. It is for commands and tests; the service does a Round again and again.
func (s *Sealer) Drain(ctx context.Context) error {
	for {
		more, err := s.Round(ctx)
		if err != nil {
			return err
		}
		if !more {
			return fault.Wrap(ctx.Err(), "seal")
		}
	}
}
