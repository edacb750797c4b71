package recovery_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/holdfast/holdfast/internal/factor"
	"github.com/holdfast/holdfast/internal/fault"
	"github.com/holdfast/holdfast/internal/policy"
	"github.com/holdfast/holdfast/internal/recovery"
	"github.com/holdfast/holdfast/internal/recovery/recoverytest"
)

// variants gives events of a kind, from the empty one to one with everything in it.
func variants(k recovery.EventKind) []e {
	strong := recoverytest.Accepted(factor.TOTP, "fct_1", 40*day, recoverytest.T0())
	return []e{
		{Kind: k},
		{Kind: k, Decision: recoverytest.Decision(critical)},
		{Kind: k, Objection: &recovery.Objection{ID: "o", Channel: "app", Strength: factor.E3}, GrantID: "gnt_1"},
		{
			Kind: k, Method: factor.TOTP, Challenge: "chl_totp", Evidence: strong.Evidence, MaxAAL: 2, Decision: recoverytest.Decision(),
			Objection: &recovery.Objection{ID: "o", Channel: recoverytest.Phone, Strength: factor.E0}, GrantID: "gnt_1",
			Approvers: []string{"agt_1", "agt_2"},
		},
	}
}

// TestMachine_IsTotal: every state hears every event and answers with a step of the table or a refusal, whatever the event
// holds and whenever it comes; nothing leads out of a terminal state.
func TestMachine_IsTotal(t *testing.T) {
	t.Parallel()
	edges := map[recovery.Edge]bool{}
	for _, edge := range recovery.Edges() {
		edges[edge] = true
	}
	for _, s := range recovery.States() {
		for _, k := range recovery.EventKinds() {
			for _, ev := range variants(k) {
				for _, at := range []time.Duration{0, time.Hour, 2 * day, 8 * day, 31 * day} {
					step, err := recoverytest.In(s).Apply(ev, recoverytest.T0().Add(at))
					if err != nil {
						require.Contains(t, []fault.Code{fault.CodeNotAllowedInState, fault.CodeNotReady}, fault.CodeOf(err))
						require.False(t, step.Valid())
						continue
					}
					require.False(t, s.Terminal(), "%s leads out of %s", k, s)
					require.True(t, step.Valid())
					require.True(t, edges[recovery.Edge{From: s, To: step.To}])
					require.NotEmpty(t, step.Action)
					require.Equal(t, s, step.From)
				}
			}
		}
	}
}

// An unknown state stops: it is not continued as if it were the first one.
func TestMachine_StopsInAnUnknownState(t *testing.T) {
	t.Parallel()
	for _, s := range []recovery.State{"", "rready"} {
		x := given(recoverytest.Ready(), func(x *r) { x.State = s })
		for _, k := range recovery.EventKinds() {
			for _, ev := range variants(k) {
				_, err := x.Apply(ev, recoverytest.T0().Add(day))
				require.Equal(t, fault.CodeNotAllowedInState, fault.CodeOf(err))
			}
		}
		_, err := recovery.ParseState(string(s))
		require.Error(t, err)
	}
	_, err := recoverytest.Ready().Apply(kind("unknown"), recoverytest.T0())
	require.Equal(t, fault.CodeNotAllowedInState, fault.CodeOf(err))
}

// Apply is pure: the recovery that it is asked about stays as it was.
func TestApply_ChangesNothingOfWhatItIsGiven(t *testing.T) {
	t.Parallel()
	for _, s := range recovery.States() {
		for _, k := range recovery.EventKinds() {
			for _, ev := range variants(k) {
				x, same := recoverytest.In(s), recoverytest.In(s)
				_, _ = x.Apply(ev, recoverytest.T0().Add(day))
				require.Equal(t, same, x)
			}
		}
	}
}

// Time alone ends everything that is under way: no open state waits for ever, and each says when it is to be looked at.
func TestMachine_TimeLeadsOutOfEveryOpenState(t *testing.T) {
	t.Parallel()
	for _, s := range recovery.States() {
		x := recoverytest.In(s)
		if s.Terminal() || s == recovery.Denied { // what was denied waits for an appeal, within its life, or for nothing
			require.True(t, x.WakeAt.IsZero())
			continue
		}
		for steps := 0; !x.State.Terminal(); steps++ {
			require.Less(t, steps, 20, "%s goes round in circles", s)
			require.False(t, x.WakeAt.IsZero(), "%s is forgotten", x.State)
			step, err := x.Apply(recoverytest.Timed(), x.WakeAt)
			if err != nil && x.State == recovery.CoolingOff { // asked again a little later
				x.WakeAt = x.WakeAt.Add(time.Hour)
				continue
			}
			require.NoError(t, err, "woken for nothing in %s", x.State)
			x = step.Next
		}
	}
}

// Each line of the table says what the audit trail is to say, and leads to a state that exists.
func TestMachine_LinesAreWhole(t *testing.T) {
	t.Parallel()
	for _, l := range recovery.Lines() {
		require.NotEmpty(t, l.Action, "%+v", l)
		require.NotEmpty(t, l.Do, "%+v", l)
		for _, s := range []recovery.State{l.From, l.To} {
			_, err := recovery.ParseState(string(s))
			require.NoError(t, err)
		}
		require.False(t, l.From.Terminal(), "%+v", l)
		require.Contains(t, recovery.EventKinds(), l.On)
	}
}

// I1: nothing but a redeemed grant completes, nothing but a taken one grants, and there is one way into each.
func TestMachine_HasOneDoor(t *testing.T) {
	t.Parallel()
	for _, l := range recovery.Lines() {
		if l.To == l.From {
			continue
		}
		switch l.To { //nolint:exhaustive // the other states let nobody in.
		case recovery.Completed:
			require.Equal(t, recovery.Granted, l.From)
			require.Equal(t, recovery.RedeemGrant, l.On)
		case recovery.Granted:
			require.Equal(t, recovery.Ready, l.From)
			require.Equal(t, recovery.ClaimGrant, l.On)
		case recovery.Ready:
			require.Contains(t, []recovery.State{recovery.CoolingOff, recovery.Granted}, l.From, "never straight from humans")
		}
	}
}

// A past deadline is judged before anything else, whatever the policy would say of it.
func TestApply_ReadsEveryEventPastTheDeadlineAsItsEnd(t *testing.T) {
	t.Parallel()
	for _, s := range recovery.States() {
		if !s.Open() {
			continue
		}
		x := recoverytest.In(s)
		for _, k := range recovery.EventKinds() {
			for _, ev := range variants(k) {
				step, err := x.Apply(ev, x.ExpiresAt)
				require.NoError(t, err)
				require.Equal(t, recovery.Expired, step.To)
				require.Equal(t, recovery.Due, step.Event)
				require.Equal(t, k != recovery.Due, step.Refusal() != nil, "%s in %s", k, s)
				require.Empty(t, step.Notices)
				require.Nil(t, step.NewEvidence)
			}
		}
	}
}

// The two kinds of stricter: what is ratcheted into a plan never comes out again (R-090, design.md, section 1).
func TestApply_NeverLoosensAPlan(t *testing.T) {
	t.Parallel()
	lax := recoverytest.Decision(func(p *policy.Plan) {
		p.Tier, p.Hold, p.IndependentNotice, p.Probation = policy.Low, 0, false, 0
		p.Alternatives = []policy.Alternative{{Needs: []policy.Need{{Class: factor.Issued, Methods: []factor.Method{factor.Email}}}}}
	})
	ev := proof(factor.Email, recoverytest.Mailbox, 20*day, 0)
	ev.Decision = lax
	step, err := recoverytest.Verifying().Apply(ev, recoverytest.T0())
	require.NoError(t, err)
	require.Equal(t, recovery.Verifying, step.To, "one proof is still one of two")
	require.Equal(t, policy.Moderate, step.Next.Tier)
	require.Equal(t, recoverytest.Hold, step.Next.Plan.Hold)
	require.True(t, step.Next.Plan.IndependentNotice)
}
