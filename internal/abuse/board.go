package abuse

import (
	"context"
	"slices"
	"sync/atomic"

	"github.com/holdfast/holdfast/internal/factor"
	"github.com/holdfast/holdfast/internal/fault"
	"github.com/holdfast/holdfast/internal/policy"
)

// Raised is what the controls in force ask for at one tenant. The zero value asks for nothing.
type Raised struct {
	MinTier   policy.Tier // 0 for none
	Methods   []factor.Method
	Countries []string
	Paused    bool
}

// StopsCountry reports whether no code may go to a country. One that is not known is stopped with any.
func (r Raised) StopsCountry(country string) bool {
	return slices.Contains(r.Countries, country) || (country == "" && len(r.Countries) > 0)
}

// Board is what this node knows of the controls in force: read often, refreshed every few seconds. While the store does not
// answer it keeps what it knew, past any expiry: the bar is not lowered because nobody can be asked. It is safe for
// concurrent use.
type Board struct {
	store ControlStore
	known atomic.Pointer[map[string]Raised]
}

// NewBoard makes a Board that knows of nothing; Refresh fills it.
func NewBoard(store ControlStore) *Board {
	b := &Board{store: store}
	b.known.Store(&map[string]Raised{})
	return b
}

// Refresh reads the controls in force, and gives how many of each kind there are.
func (b *Board) Refresh(ctx context.Context) (map[ControlKind]int, error) {
	controls, err := b.store.InForce(ctx)
	if err != nil {
		return nil, fault.Wrap(err, "refresh controls")
	}
	known, counts := map[string]Raised{}, map[ControlKind]int{}
	for _, c := range controls {
		counts[c.Kind]++
		known[c.Tenant] = known[c.Tenant].with(c)
	}
	b.known.Store(&known)
	return counts, nil
}

// Current gives what is raised at a tenant: its own controls and the fleet's together.
func (b *Board) Current(tenant string) Raised {
	known := *b.known.Load()
	return known[Fleet].and(known[tenant])
}

// with adds a control. Of several the strictest wins.
func (r Raised) with(c Control) Raised {
	switch c.Kind {
	case MinTier:
		if tier, err := policy.ParseTier(c.Value); err == nil {
			r.MinTier = max(r.MinTier, tier)
		}
	case StopMethod:
		r.Methods = append(slices.Clone(r.Methods), factor.Method(c.Value))
	case StopCountry:
		r.Countries = append(slices.Clone(r.Countries), c.Value)
	case PauseStarts:
		r.Paused = true
	}
	return r
}

func (r Raised) and(o Raised) Raised {
	return Raised{
		MinTier: max(r.MinTier, o.MinTier), Methods: slices.Concat(r.Methods, o.Methods),
		Countries: slices.Concat(r.Countries, o.Countries), Paused: r.Paused || o.Paused,
	}
}
