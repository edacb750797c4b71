package httpapi

import (
	"context"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/holdfast/holdfast/internal/fault"
)

const ages = time.Hour

// waits starts a request that has to wait, and gives how it ended and its leave once it is known to be in the queue.
func waits(t *testing.T, g *gate, ctx context.Context, r rank) (ended chan error, leave *atomic.Pointer[func()]) { //nolint:revive // t first.
	t.Helper()
	ended, leave = make(chan error, 1), &atomic.Pointer[func()]{}
	g.mu.Lock()
	before := len(g.waiting[r])
	g.mu.Unlock()
	go func() {
		done, err := g.enter(ctx, r)
		leave.Store(&done)
		ended <- err
	}()
	require.Eventually(t, func() bool {
		g.mu.Lock()
		defer g.mu.Unlock()
		return len(g.waiting[r]) == before+1
	}, time.Minute, time.Millisecond)
	return ended, leave
}

func enters(t *testing.T, g *gate, r rank) func() {
	t.Helper()
	leave, err := g.enter(t.Context(), r)
	require.NoError(t, err)
	return leave
}

func isShed(t *testing.T, g *gate, r rank) {
	t.Helper()
	_, err := g.enter(t.Context(), r)
	require.Equal(t, fault.CodeOverloaded, fault.CodeOf(err))
}

// Starts are shed first, then answers and grants, objections never.
func TestGate_ShedsNewcomersFirstAndOwnersNever(t *testing.T) {
	t.Parallel()
	g := newGate(Overload{Slots: 4, Queue: 0, Wait: ages})
	enters(t, g, newcomers)
	enters(t, g, newcomers)
	isShed(t, g, newcomers) // half of the slots, and no more
	third := enters(t, g, underway)
	enters(t, g, underway)
	isShed(t, g, underway)
	isShed(t, g, newcomers)
	for range 100 {
		enters(t, g, owners)()
	}
	third()
	isShed(t, g, newcomers) // three slots are still taken
	enters(t, g, underway)
}

// Newcomers that crowd have fewer slots, so that they slow nobody else down, and get theirs back when the crowd is gone.
func TestGate_NewcomersThatCrowdHaveFewerSlots(t *testing.T) {
	t.Parallel()
	g := newGate(Overload{Slots: 12, Queue: 4, Wait: ages})
	var inside []func()
	for range 6 {
		inside = append(inside, enters(t, g, newcomers))
	}
	first, _ := waits(t, g, t.Context(), newcomers)
	second, _ := waits(t, g, t.Context(), newcomers)
	for _, leave := range inside[:4] {
		leave()
	}
	require.Empty(t, first, "two slots are taken, a sixth, and half of the queue waits")
	require.Empty(t, second)
	enters(t, g, underway)() // who has begun is not concerned
	inside[4]()
	require.NoError(t, <-first)
	require.NoError(t, <-second, "one alone is no crowd")
}

// A flood of answers leaves no room for starts at all; a flood of starts leaves room for answers.
func TestGate_AnswersTakeWhatStartsWouldHave(t *testing.T) {
	t.Parallel()
	g := newGate(Overload{Slots: 4, Queue: 0, Wait: ages})
	enters(t, g, underway)
	enters(t, g, underway)
	isShed(t, g, newcomers)
}

// Who waits goes on in order, the higher rank first.
func TestGate_LetsTheHigherRankInFirstAndThenWhoeverWaitedLongest(t *testing.T) {
	t.Parallel()
	g := newGate(Overload{Slots: 2, Queue: 2, Wait: ages})
	start := enters(t, g, newcomers)
	answer := enters(t, g, underway)
	first, leaveFirst := waits(t, g, t.Context(), newcomers)
	second, _ := waits(t, g, t.Context(), newcomers)
	isShed(t, g, newcomers)
	late, leaveLate := waits(t, g, t.Context(), underway)

	start()
	require.NoError(t, <-late)
	require.Empty(t, first)
	answer()
	require.Empty(t, first, "one slot is taken: a newcomer gets in only while fewer than half are")
	(*leaveLate.Load())()
	require.NoError(t, <-first)
	require.Empty(t, second)
	(*leaveFirst.Load())()
	require.NoError(t, <-second)
}

// Whoever waits too long, or goes, is shed and leaves no gap behind.
func TestGate_ShedsWhoeverWaitsTooLong(t *testing.T) {
	t.Parallel()
	g := newGate(Overload{Slots: 1, Queue: 10, Wait: time.Nanosecond})
	leave := enters(t, g, underway)
	isShed(t, g, underway)
	require.Empty(t, g.waiting[underway])

	g.Wait = ages
	ctx, cancel := context.WithCancel(t.Context())
	gone, _ := waits(t, g, ctx, underway)
	stays, leaveStays := waits(t, g, t.Context(), underway)
	cancel()
	require.Equal(t, fault.CodeOverloaded, fault.CodeOf(<-gone))
	leave()
	require.NoError(t, <-stays)
	(*leaveStays.Load())()
	require.Zero(t, g.taken)
}

// However many come and go at once, no slot is lost and never more than there are is taken.
func TestGate_LosesNoSlot(t *testing.T) {
	t.Parallel()
	g := newGate(Overload{Slots: 4, Queue: 8, Wait: time.Microsecond})
	var in, most, through atomic.Int64
	var wg sync.WaitGroup
	for i := range 64 {
		wg.Go(func() {
			for range 200 {
				leave, err := g.enter(t.Context(), rank(i%2)) //nolint:gosec // 0 or 1.
				if err != nil {
					continue
				}
				for n := in.Add(1); n > most.Load(); {
					most.Store(n)
				}
				through.Add(1)
				in.Add(-1)
				leave()
			}
		})
	}
	wg.Wait()
	require.Zero(t, g.taken)
	require.Empty(t, g.waiting[newcomers])
	require.Empty(t, g.waiting[underway])
	require.LessOrEqual(t, most.Load(), int64(4))
	require.Positive(t, through.Load())
	enters(t, g, newcomers)()
}

// Every route has the rank that the walls promise: nothing that an owner needs is ever shed.
func TestRanks_OfEveryRoute(t *testing.T) {
	t.Parallel()
	for _, rt := range routes() {
		switch rt.class { //nolint:exhaustive // the rest is named below.
		case ClassObjection, ClassPage, ClassProvider:
			require.Equal(t, owners, rankOf(rt), "%s %s", rt.method, rt.path)
		case ClassStart:
			require.Equal(t, newcomers, rankOf(rt), "%s %s", rt.method, rt.path)
		case ClassChallenge, ClassVerify, ClassGrant:
			require.Equal(t, underway, rankOf(rt), "%s %s", rt.method, rt.path)
		default:
		}
	}
	for path, want := range map[string]rank{
		"/v1/objections": owners, "/objection": owners, "/v1/accounts/{account_ref}/objections": owners, "/v1/controls": owners,
		"/v1/grants/redeem": underway, "/v1/recoveries/{recovery_id}/grant": underway, "/v1/recoveries/{recovery_id}/cancel": underway,
	} {
		found := false
		for _, rt := range routes() {
			if rt.path == path {
				found = true
				require.Equal(t, want, rankOf(rt), path)
			}
		}
		require.True(t, found, path)
	}
}
