package recovery_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/holdfast/holdfast/internal/factor"
	"github.com/holdfast/holdfast/internal/recovery"
	"github.com/holdfast/holdfast/internal/recovery/recoverytest"
)

// What is said to stop a recovery is what stops it.
func TestObstacles_SayWhatStopsIt(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		given recovery.Recovery
		at    time.Duration
		gone  bool
		want  []recovery.Obstacle
	}{
		"nothing proven":            {given: recoverytest.Verifying(), want: []recovery.Obstacle{recovery.ObstacleUnproven}},
		"a decoy":                   {given: given(recoverytest.Verifying(), func(x *r) { x.Account = "" }), want: []recovery.Obstacle{recovery.ObstacleUnknownAccount}},
		"the hold":                  {given: recoverytest.CoolingOff(), at: time.Hour, want: []recovery.Obstacle{recovery.ObstacleHold}},
		"every notice failed":       {given: given(recoverytest.CoolingOff(), func(x *r) { x.NoticesOK = nil }), at: time.Hour, want: []recovery.Obstacle{recovery.ObstacleUnreached, recovery.ObstacleHold}},
		"a notice on its way":       {given: given(recoverytest.CoolingOff(), func(x *r) { x.NoticesOK, x.NoticesOpen = nil, 1 }), at: 2 * day, want: []recovery.Obstacle{recovery.ObstacleOnTheWay}},
		"only the evidence took it": {given: given(recoverytest.CoolingOff(), func(x *r) { x.NoticesOK = recoverytest.Told(recoverytest.Mailbox) }), at: day, want: []recovery.Obstacle{recovery.ObstacleDependent}},
		"an objection":              {given: recoverytest.Contested(factor.E0), at: day, want: []recovery.Obstacle{recovery.ObstacleObjection}},
		"people":                    {given: recoverytest.Assisted(), at: day, want: []recovery.Obstacle{recovery.ObstaclePeople}},
		"its organisation":          {given: given(recoverytest.CoolingOff(), func(x *r) { x.Plan.DeferToIDP = true }), at: time.Hour, want: []recovery.Obstacle{recovery.ObstacleOrganisation, recovery.ObstacleHold}},
		"an erased account":         {given: recoverytest.CoolingOff(), at: time.Hour, gone: true, want: []recovery.Obstacle{recovery.ObstacleErased, recovery.ObstacleHold}},
		"the claimant's absence":    {given: recoverytest.Ready(), at: day, want: []recovery.Obstacle{recovery.ObstacleClaimant}},
		"the identity system's":     {given: recoverytest.Granted(), at: day, want: []recovery.Obstacle{recovery.ObstacleRedemption}},
		"ready, the notice failed":  {given: given(recoverytest.Ready(), func(x *r) { x.NoticesOK = nil }), at: day, want: []recovery.Obstacle{recovery.ObstacleUnreached}},
		"it is over":                {given: recoverytest.Completed(), at: day, want: []recovery.Obstacle{recovery.ObstacleOver}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			require.Equal(t, tc.want, tc.given.Obstacles(tc.gone, recoverytest.T0().Add(tc.at)))
		})
	}
}

// Where the gate lets a claimant through, nothing is said to stop it, and the other way round.
func TestObstacles_AgreeWithTheGate(t *testing.T) {
	t.Parallel()
	now := recoverytest.T0().Add(recoverytest.Hold)
	for name, spoil := range map[string]func(x *r){
		"sound": func(*r) {},
		"an objection stands": func(x *r) {
			x.Objections = []recovery.Objection{{ID: "obj_1", Channel: "app", Strength: factor.E0, Open: true}}
		},
		"nobody took it":       func(x *r) { x.NoticesOK = nil },
		"the evidence is gone": func(x *r) { x.Evidence = x.Evidence[:1] },
		"its organisation":     func(x *r) { x.Plan.DeferToIDP = true },
		"humans are needed":    func(x *r) { x.Plan.Approvals = 2 },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			x := given(recoverytest.Ready(), spoil)
			step, err := x.Apply(recoverytest.Claim(), now)
			opens := err == nil && step.To == recovery.Granted
			require.Equal(t, opens, len(x.Obstacles(false, now)) == 1 && x.Obstacles(false, now)[0] == recovery.ObstacleClaimant)
		})
	}
}

func TestSpeaksForOwner_IsTheGatesOwnWord(t *testing.T) {
	t.Parallel()
	x := recoverytest.CoolingOff()
	old := recoverytest.T0().Add(-90 * day)
	require.True(t, x.SpeaksForOwner(recovery.Channel{ID: recoverytest.Phone, Since: old}))
	require.False(t, x.SpeaksForOwner(recovery.Channel{ID: recoverytest.Mailbox, Since: old}), "used as evidence")
	require.False(t, x.SpeaksForOwner(recovery.Channel{ID: recoverytest.Phone, Since: old, Suspect: true}))
	require.False(t, x.SpeaksForOwner(recovery.Channel{ID: recoverytest.Phone, Since: x.HeldAt.Add(-6 * day)}))
	x.Plan.IndependentNotice = false
	require.True(t, x.SpeaksForOwner(recovery.Channel{ID: recoverytest.Mailbox, Since: old}), "the plan names its deviation")
}
