package auditlog

import (
	"context"
	"errors"
	"fmt"

	"github.com/holdfast/holdfast/internal/audit"
)

// errAnchor says that an anchor that must hear of a checkpoint before it is published could not.
var errAnchor = errors.New("audit anchor failed: no checkpoint is published that it has not taken")

// guard compares the database's log with what was published: what this process has seen, and what the anchors hold.
func (s *Sealer) guard(ctx context.Context, head audit.Head) error {
	if s.halted != nil {
		return s.halted
	}
	known := []audit.Checkpoint{s.seen}
	for _, a := range s.Anchors {
		last, err := a.Last(ctx)
		if err != nil {
			return fmt.Errorf("%w: %s: %w", errAnchor, a.Name(), err)
		}
		known = append(known, last)
	}
	for _, c := range known {
		if err := s.continues(ctx, head, c); err != nil {
			return err
		}
	}
	return nil
}

// continues checks that the database's log begins with a checkpoint. What is of another log, begun anew since, is none of it.
func (s *Sealer) continues(ctx context.Context, head audit.Head, c audit.Checkpoint) error {
	if c.Size == 0 || c.Origin != s.Origin {
		return nil
	}
	if c.Size > head.Size {
		return fmt.Errorf("%w (published: %d leaves, here: %d)", ErrWentBack, c.Size, head.Size)
	}
	if c.Head == s.verified || c.Head == head {
		return nil
	}
	if c.Size < s.verified.Size { // an older one of a tree that was found whole: still looked at, for it may be of another tree
		return s.matches(ctx, c)
	}
	if err := s.matches(ctx, c); err != nil {
		return err
	}
	s.verified = c.Head
	return nil
}

// matches compares a checkpoint with the root that the database's tiles give for its size.
func (s *Sealer) matches(ctx context.Context, c audit.Checkpoint) error {
	root, err := audit.NewProver(s.tiles(), c.Size).Root(ctx)
	if err != nil {
		return err
	}
	if root != c.Root {
		return fmt.Errorf("%w (at %d leaves)", ErrForked, c.Size)
	}
	return nil
}

// tiles are the store's tiles of this log.
func (s *Sealer) tiles() audit.TileSource { return tileSource{s.Store, s.Origin} }

type tileSource struct {
	store interface {
		Tiles(ctx context.Context, origin string, names []audit.TileName) ([][]audit.Hash, error)
	}
	origin string
}

// Tiles implements audit.TileSource.
func (t tileSource) Tiles(ctx context.Context, names []audit.TileName) ([][]audit.Hash, error) {
	return t.store.Tiles(ctx, t.origin, names)
}
