package httpapi

import (
	"context"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/labstack/echo/v4"

	"github.com/holdfast/holdfast/internal/fault"
	"github.com/holdfast/holdfast/internal/limit"
)

// rank says who goes first when a node has more to do than it can (design.md, section 7).
type rank uint8

const (
	newcomers rank = iota // starts and imports: shed first
	underway              // answers, challenges, grants, reads, support: shed when the node is full
	owners                // objections: never shed, never made to wait
)

// rankOf ranks a route. Pages are the owners': the one with the button is among them; so is what a provider hands over, an
// owner's NO above all. Alerts and controls are what helps when a node is full.
func rankOf(rt route) rank {
	if strings.HasPrefix(rt.path, "/v1/alerts") || strings.HasPrefix(rt.path, "/v1/controls") {
		return owners
	}
	switch rt.class {
	case ClassObjection, ClassPage, ClassProvider:
		return owners
	case ClassStart, ClassAccount:
		return newcomers
	case ClassChallenge, ClassVerify, ClassRead, ClassGrant, ClassCaseOpen, ClassCaseRead, ClassCaseWork, ClassAudit:
		return underway
	default:
		return underway
	}
}

// Overload is how much a node takes on at once.
type Overload struct {
	Slots int           // requests that work at the same time; objections are not counted against it
	Queue int           // requests of each rank that wait for a slot
	Wait  time.Duration // the longest wait; then the request is shed
}

// Limits tells of it.
func (o Overload) Limits() []limit.Limit {
	return []limit.Limit{
		{
			Wall: limit.Capacity, Name: "newcomers", Per: "node", Bound: "half of HOLDFAST_SLOTS at once, a sixth while they crowd, and only while the others leave room; then 503",
			WhenDown: "in the node itself", Reason: "under overload new recoveries and writes of accounts are shed first",
		},
		{
			Wall: limit.Capacity, Name: "underway", Per: "node", Bound: "HOLDFAST_SLOTS at once, before any newcomer; then 503",
			WhenDown: "in the node itself", Reason: "whoever has begun can end: challenges, answers, reads, grants",
		},
		{
			Wall: limit.Capacity, Name: "owners", Per: "node", Bound: "all", WhenDown: "in the node itself",
			Reason: "an owner's objection is never shed and never waits; notices are jobs and know none of this",
		},
	}
}

// gate lets requests in by rank. A newcomer takes a slot only while fewer than half are taken, whoever has them; a request that is
// under way takes any; an owner takes none. A slot that is given back goes to the highest rank that waits, and within it to
// whoever has waited longest.
type gate struct {
	Overload

	mu      sync.Mutex
	taken   int
	waiting [owners][]chan struct{} // in order; closed when its request may go on
}

func newGate(o Overload) *gate { return &gate{Overload: o} }

// errOverloaded is what a shed request is told: to come back in a few seconds.
func errOverloaded(r rank) error {
	after := 2 * time.Second
	if r == newcomers {
		after = 5 * time.Second
	}
	return fault.Of(fault.CodeOverloaded).After(after)
}

// enter waits for a slot and gives what returns it. It sheds at once when as many wait already as may.
func (g *gate) enter(ctx context.Context, r rank) (leave func(), err error) {
	if r == owners {
		return func() {}, nil
	}
	g.mu.Lock()
	if g.room(r) {
		g.taken++
		g.mu.Unlock()
		return g.leave, nil
	}
	if len(g.waiting[r]) >= g.Queue {
		g.mu.Unlock()
		return nil, errOverloaded(r)
	}
	turn := make(chan struct{})
	g.waiting[r] = append(g.waiting[r], turn)
	g.mu.Unlock()

	ctx, cancel := context.WithTimeout(ctx, g.Wait)
	defer cancel()
	select {
	case <-turn:
		return g.leave, nil
	case <-ctx.Done():
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	select {
	case <-turn: // it came in the same moment
		return g.leave, nil
	default:
		g.waiting[r] = slices.DeleteFunc(g.waiting[r], func(x chan struct{}) bool { return x == turn })
		return nil, errOverloaded(r)
	}
}

// room reports whether a request of a rank may begin now: nobody of a higher rank or before it waits, and there is a slot for it.
func (g *gate) room(r rank) bool {
	for above := r; above < owners; above++ {
		if len(g.waiting[above]) > 0 {
			return false
		}
	}
	return g.taken < g.share(r)
}

// share is how many slots may be taken when a request of a rank begins. While newcomers crowd, which is when their queue is half
// full, they have a third of what they have otherwise: more of them at once would only slow down everybody else.
func (g *gate) share(r rank) int {
	if r != newcomers {
		return g.Slots
	}
	if waiting := len(g.waiting[newcomers]); waiting > 0 && 2*waiting >= g.Queue {
		return max(g.Slots/6, 1)
	}
	return max(g.Slots/2, 1)
}

// leave returns a slot and lets those in for whom there is room now.
func (g *gate) leave() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.taken--
	for r := underway; ; r-- {
		for len(g.waiting[r]) > 0 && g.taken < g.share(r) {
			g.taken++
			close(g.waiting[r][0])
			g.waiting[r] = g.waiting[r][1:]
		}
		if r == newcomers || len(g.waiting[r]) > 0 {
			return
		}
	}
}

// admitted wraps a route's handler: it runs in a slot of its rank, or is shed before anything of the request is looked at.
func (h *handler) admitted(rt route, next echo.HandlerFunc) echo.HandlerFunc {
	r := rankOf(rt)
	if rt.body == bodyNDJSON {
		return next // an import takes minutes, and bounds its work by itself
	}
	return func(c echo.Context) error {
		leave, err := h.gate.enter(c.Request().Context(), r)
		if err != nil {
			h.Metrics.Shed(string(rt.class))
			return err
		}
		defer leave()
		return next(c)
	}
}
