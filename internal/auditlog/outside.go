package auditlog

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/holdfast/holdfast/internal/audit"
)

// Outside is an anchor over a network. It hears of a checkpoint after it was published: sealing does not wait for it, but for once. A
// process seals nothing before the anchors have answered it a first time, because the database under it may be an older backup, and they
// are who would know.
type Outside interface {
	// Name tells which one it is, for logs, metrics and the store.
	Name() string
	// Tell hands a published checkpoint over, and gives the signature lines that the anchor added; "" for none. It may be called again
	// with the same one. A *Conflict says that the anchor holds what this checkpoint does not reach, ErrForked that it has shown that it
	// holds another log of this name. Every other error means that it did not take it, and will be told again.
	Tell(ctx context.Context, t Telling) (lines string, err error)
}

// Telling is a published checkpoint for an anchor outside.
type Telling struct {
	At         time.Time // of the one clock
	Checkpoint audit.Checkpoint
	Note       []byte // the signed checkpoint
	Known      int64  // the size that the database knows the anchor to have taken; 0 for none. It may have taken more
	// Prove gives the proof that the checkpoint continues a smaller size, of at least 1. It was checked: ErrBroken when it does not hold.
	Prove func(ctx context.Context, earlier int64) ([]audit.Hash, error)
}

// Conflict says that an anchor holds something that it takes not to be continued by the checkpoint that it was told.
type Conflict struct {
	Size int64 // of what it holds; 0 when it did not say
}

// Error implements error.
func (c *Conflict) Error() string {
	if c.Size == 0 {
		return "it holds something else of this log"
	}
	return fmt.Sprintf("it holds a checkpoint of %d leaves", c.Size)
}

// Later says that an anchor did not take a checkpoint, and asks to be left alone for a while.
type Later struct {
	Status int
	After  time.Duration
}

// Error implements error.
func (l *Later) Error() string {
	return fmt.Sprintf("it answers %d, and asks to be left alone for %s", l.Status, l.After)
}

// Outsiders are the anchors outside.
type Outsiders struct {
	Receivers []Outside // each of them must have answered before a process seals
	Witnesses []Outside // of them, Quorum must
	Quorum    int       // 1 to all; all when 0
}

// Taken is what anchors have taken, at a moment of the one clock.
type Taken struct {
	Now time.Time
	By  map[string]TakenBy
}

// TakenBy is what one anchor has taken.
type TakenBy struct {
	Size int64         // 0 for nothing
	Lag  time.Duration // since when there has been a checkpoint that it has not taken; 0 when there is none
}

// errUnheard says that an anchor has not answered this process yet.
var errUnheard = errors.New("audit log not compared: no event is sealed before the anchors outside have answered once")

// errOvertaken says that the log moved on while an anchor was told; it is told again.
var errOvertaken = errors.New("another node has told more")

const (
	tellings     = 3  // how often an anchor is told in one round: what it holds may have come from another node meanwhile
	mostPatience = 29 // rounds that are left out after many failures: five minutes at ten seconds a round

	// For how long an anchor that asks for it is left alone at most. While sealing waits for its first answer that is little.
	mostLater        = 5 * time.Minute
	mostLaterUnheard = time.Minute
)

// outsider is how it goes with one anchor.
type outsider struct {
	heard  bool      // it has answered this process, and did not object
	failed error     // why the last telling failed; nil when it did not
	times  int       // failures in a row
	wait   int       // rounds to leave out
	until  time.Time // it has asked to be left alone until then; zero when it has not
}

func (o Outsiders) all() []Outside {
	return append(o.Receivers[:len(o.Receivers):len(o.Receivers)], o.Witnesses...)
}

func (o Outsiders) names() []string {
	var out []string
	for _, a := range o.all() {
		out = append(out, a.Name())
	}
	return out
}

func (o Outsiders) valid() error {
	seen := map[string]bool{}
	for _, name := range o.names() {
		if seen[name] || name == "" {
			return fmt.Errorf("auditlog: two anchors are called %q", name)
		}
		seen[name] = true
	}
	if o.Quorum < 0 || o.Quorum > len(o.Witnesses) {
		return errors.New("auditlog: the quorum of witnesses is out of range")
	}
	return nil
}

func (o Outsiders) begin() map[string]*outsider {
	out := map[string]*outsider{}
	for _, name := range o.names() {
		out[name] = &outsider{}
	}
	return out
}

// unheard reports whether sealing waits for anchors outside to answer this process for the first time, and what they failed with. The
// caller holds the lock.
func (s *Sealer) unheard() (wait bool, err error) {
	silent := func(list []Outside) (names []string, failed []error) {
		for _, a := range list {
			if o := s.outside[a.Name()]; !o.heard {
				names = append(names, a.Name())
				if o.failed != nil {
					failed = append(failed, fmt.Errorf("%s: %w", a.Name(), o.failed))
				}
			}
		}
		return names, failed
	}
	names, failed := silent(s.Outside.Receivers)
	witnesses, refused := silent(s.Outside.Witnesses)
	quorum := s.Outside.Quorum
	if quorum == 0 {
		quorum = len(s.Outside.Witnesses)
	}
	if len(s.Outside.Witnesses)-len(witnesses) < quorum {
		names, failed = append(names, witnesses...), append(failed, refused...)
	}
	if len(names) == 0 {
		return false, nil
	}
	if len(failed) == 0 {
		return true, nil // nobody was asked yet: that takes a moment
	}
	return true, fmt.Errorf("%w: %s: %w", errUnheard, strings.Join(names, ", "), errors.Join(failed...))
}

// Anchor tells the newest published checkpoint to the anchors outside, all at the same time. It is apart from Round, because they are
// slow and may be down. One that fails keeps no other from it and is left alone for a few rounds, but not before it has answered
// once; one that asks for it is left alone for as long as it asks, within bounds. What one says that ends the log stops the sealing of this process.
func (s *Sealer) Anchor(ctx context.Context) error {
	all := s.Outside.all()
	if len(all) == 0 {
		return nil
	}
	if err := s.stopped(); err != nil {
		return err
	}
	taken, err := s.Store.Taken(ctx, s.Origin, s.Outside.names())
	if err != nil {
		return err
	}
	failed := make([]error, len(all))
	var wg sync.WaitGroup
	for i, a := range all {
		if !s.due(a.Name(), taken.Now) {
			continue
		}
		wg.Go(func() { failed[i] = s.tell(ctx, a, taken.Now, taken.By[a.Name()].Size) })
	}
	wg.Wait()
	return errors.Join(failed...)
}

// due reports whether an anchor is to be told in this round.
func (s *Sealer) due(anchor string, now time.Time) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	o := s.outside[anchor]
	if o.heard && o.wait > 0 {
		o.wait--
		return false
	}
	return !now.Before(o.until)
}

// tell tells one anchor, and judges what it answers.
func (s *Sealer) tell(ctx context.Context, a Outside, now time.Time, known int64) error {
	outcome, err := s.attempt(ctx, a, now, known)
	if outcome != "" {
		s.Metrics.Anchored(a.Name(), outcome)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	o := s.outside[a.Name()]
	if err == nil {
		*o = outsider{heard: true}
		return nil
	}
	err = fmt.Errorf("anchor %s: %w", a.Name(), err)
	o.failed = err
	o.wait = min(1<<min(o.times, 8)-1, mostPatience)
	o.times++
	o.until = time.Time{}
	if later := (*Later)(nil); errors.As(err, &later) {
		most := mostLater
		if !o.heard {
			most = mostLaterUnheard
		}
		o.until = now.Add(min(later.After, most))
	}
	if s.halted == nil && (errors.Is(err, ErrWentBack) || errors.Is(err, ErrForked) || errors.Is(err, ErrBroken)) {
		s.halted = err
	}
	return err
}

// attempt tells an anchor the newest checkpoint, again when what it holds may have come from another node meanwhile.
func (s *Sealer) attempt(ctx context.Context, a Outside, now time.Time, known int64) (outcome string, err error) {
	var conflict *Conflict
	for range tellings {
		t, err := s.telling(ctx, now, known)
		if err != nil {
			return "failed", err
		}
		if s.heardOf(a.Name()) && known == t.Checkpoint.Size {
			return "", nil // it, or another node's telling of it, has done this
		}
		lines, err := a.Tell(ctx, t)
		if err == nil {
			return "done", s.took(ctx, a.Name(), t.Checkpoint.Size, lines)
		}
		if errors.Is(err, ErrForked) {
			return "refused", err
		}
		if !errors.As(err, &conflict) {
			return "failed", err
		}
		head, err := s.Store.Newest(ctx, s.Origin, s.keys)
		if err != nil {
			return "failed", err
		}
		if conflict.Size > head.Head.Size {
			return "refused", fmt.Errorf("%w (%w; here are %d)", ErrWentBack, conflict, head.Head.Size)
		}
	}
	if conflict.Size > 0 {
		return "overtaken", fmt.Errorf("%w: %w", errOvertaken, conflict)
	}
	return "refused", fmt.Errorf("%w (%w)", ErrForked, conflict)
}

// telling is the newest published checkpoint, or a signed one of the empty tree before the first: every log continues that.
func (s *Sealer) telling(ctx context.Context, now time.Time, known int64) (Telling, error) {
	newest, err := s.Store.LastPublished(ctx, s.Origin)
	if err != nil {
		return Telling{}, err
	}
	if newest.Note == nil {
		newest.Head = audit.Head{Root: audit.EmptyRoot()}
		if newest.Note, err = s.sign(audit.Checkpoint{Origin: s.Origin, Head: newest.Head}); err != nil {
			return Telling{}, err
		}
	}
	return Telling{
		At: now, Note: newest.Note, Known: min(known, newest.Head.Size), Checkpoint: audit.Checkpoint{Origin: s.Origin, Head: newest.Head},
		Prove: func(ctx context.Context, earlier int64) ([]audit.Hash, error) {
			return s.prove(ctx, newest.Head, earlier)
		},
	}, nil
}

// prove proves that the database's tree of that head continues its own earlier one, and checks it: what an anchor refuses of it is then
// the anchor's root, and not a tile of ours.
func (s *Sealer) prove(ctx context.Context, head audit.Head, earlier int64) ([]audit.Hash, error) {
	hashes, err := audit.NewProver(s.tiles(), head.Size).Consistency(ctx, earlier)
	if err != nil {
		return nil, broken(err)
	}
	root, err := audit.NewProver(s.tiles(), earlier).Root(ctx)
	if err != nil {
		return nil, broken(err)
	}
	if err := audit.CheckConsistency(head, audit.Head{Size: earlier, Root: root}, hashes); err != nil {
		return nil, errors.Join(ErrBroken, err)
	}
	return hashes, nil
}

// broken names a tile that is not there.
func broken(err error) error {
	if errors.Is(err, audit.ErrNoTile) {
		return errors.Join(ErrBroken, err)
	}
	return err
}

// took keeps what an anchor took. Of the empty tree there is nothing to keep.
func (s *Sealer) took(ctx context.Context, anchor string, size int64, lines string) error {
	if size == 0 {
		return nil
	}
	return s.Store.Took(ctx, s.Origin, size, anchor, lines)
}

func (s *Sealer) heardOf(anchor string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.outside[anchor].heard
}

// stopped gives what ended the sealing of this process: an anchor has seen more of this log than the database has, or something else.
func (s *Sealer) stopped() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.halted
}

// measureOutside measures how far the anchors outside are behind, whoever tells them.
func (s *Sealer) measureOutside(ctx context.Context) error {
	names := s.Outside.names()
	if len(names) == 0 {
		return nil
	}
	taken, err := s.Store.Taken(ctx, s.Origin, names)
	if err != nil {
		return err
	}
	for _, name := range names {
		s.Metrics.AnchorLag(name, taken.By[name].Lag)
	}
	return nil
}
