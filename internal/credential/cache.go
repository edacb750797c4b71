package credential

import (
	"slices"
	"sync"
	"time"

	"github.com/holdfast/holdfast/internal/secret"
)

const (
	// cacheFor is how long a good answer saves the round trip, and by how much a revocation may be late.
	cacheFor = 2 * time.Second
	// maxRemembered bounds the cache and the list of used credentials.
	maxRemembered = 4096
)

// cache remembers good answers for a short time.
type cache struct {
	mu      sync.Mutex
	entries map[string]cached
}

type cached struct {
	Presented
	until time.Time
}

func newCache() *cache { return &cache{entries: make(map[string]cached)} }

// get finds a remembered answer to exactly this credential. Another secret under the same public id is none: it goes the
// long way, and is refused there.
func (c *cache) get(publicID string, hash []byte, now time.Time) (Principal, bool) {
	c.mu.Lock()
	e, ok := c.entries[publicID]
	c.mu.Unlock()
	if !ok || !now.Before(e.until) || !secret.Equal(hash, e.Hash) {
		return Principal{}, false
	}
	p := e.Principal
	p.Scopes = slices.Clone(p.Scopes) // nobody changes what others are allowed
	return p, true
}

func (c *cache) put(publicID string, p Presented, now time.Time, lifetime time.Duration) {
	p.Scopes = slices.Clone(p.Scopes)
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.entries) >= maxRemembered {
		c.tidy(now)
	}
	c.entries[publicID] = cached{Presented: p, until: now.Add(lifetime)}
}

// tidy drops what is over, or everything: a cache that is full of live entries starts anew, which costs each a round trip.
func (c *cache) tidy(now time.Time) {
	for id, e := range c.entries {
		if !now.Before(e.until) {
			delete(c.entries, id)
		}
	}
	if len(c.entries) >= maxRemembered {
		clear(c.entries)
	}
}

func (c *cache) drop(publicIDs []string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, id := range publicIDs {
		delete(c.entries, id)
	}
}

// dropKind forgets every answer about a kind of caller.
func (c *cache) dropKind(k Kind) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for id, e := range c.entries {
		if e.Kind == k {
			delete(c.entries, id)
		}
	}
}

// touched is the credentials that were used and not yet written down. When it is full, further ones wait for their next use.
type touched struct {
	mu  sync.Mutex
	ids map[string]bool
}

func newTouched() *touched { return &touched{ids: make(map[string]bool)} }

func (t *touched) add(publicID string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if len(t.ids) < maxRemembered {
		t.ids[publicID] = true
	}
}

func (t *touched) take() []string {
	t.mu.Lock()
	defer t.mu.Unlock()
	out := make([]string, 0, len(t.ids))
	for id := range t.ids {
		out = append(out, id)
	}
	clear(t.ids)
	slices.Sort(out) // rows are updated in one order by all nodes
	return out
}

// lately remembers what was reported, so that a flood of the same is reported once in a while.
type lately struct {
	mu sync.Mutex
	at map[string]time.Time
}

func newLately() *lately { return &lately{at: make(map[string]time.Time)} }

// first reports whether this has not been reported within reportEvery, and remembers that it now is. What does not fit is
// reported again.
func (l *lately) first(what string, now time.Time) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if at, ok := l.at[what]; ok && now.Sub(at) < reportEvery {
		return false
	}
	if len(l.at) >= maxRemembered {
		clear(l.at)
	}
	l.at[what] = now
	return true
}

// failed forgets a report that was not written after all: the next of the same is reported.
func (l *lately) failed(what string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	delete(l.at, what)
}
