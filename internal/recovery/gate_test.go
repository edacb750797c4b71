package recovery_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/holdfast/holdfast/internal/factor"
	"github.com/holdfast/holdfast/internal/policy"
	"github.com/holdfast/holdfast/internal/recovery"
	"github.com/holdfast/holdfast/internal/recovery/recoverytest"
)

// the gate is judged at every one of its three doors, on what is true at that moment, whatever led there.
func TestGate_IsJudgedAtEveryDoor(t *testing.T) {
	t.Parallel()
	doors := map[string]struct {
		at recovery.Recovery
		by recovery.Event
	}{
		"release": {recoverytest.CoolingOff(), recoverytest.Timed()},
		"grant":   {recoverytest.Ready(), recoverytest.Claim()},
		"redeem":  {recoverytest.Granted(), recovery.Event{Kind: recovery.RedeemGrant, GrantID: "gnt_1"}},
	}
	for name, door := range doors {
		for why, spoil := range map[string]func(x *recovery.Recovery){
			"an objection stands": func(x *recovery.Recovery) {
				x.Objections = []recovery.Objection{{ID: "obj_1", Channel: "app", Strength: factor.E0, Open: true}}
			},
			"nobody took the notice":       func(x *recovery.Recovery) { x.NoticesOK, x.NoticesOpen = nil, 1 },
			"only the evidence's own took": func(x *recovery.Recovery) { x.NoticesOK, x.NoticesOpen = recoverytest.Told(recoverytest.Mailbox), 1 },
			"only a new address took": func(x *recovery.Recovery) {
				x.NoticesOK, x.NoticesOpen = []recovery.Told{{Channel: recoverytest.Phone, Since: recoverytest.T0().Add(-6 * day)}}, 1
			},
			"only the evidence's own took, by another channel": func(x *recovery.Recovery) { // one number, texted and called
				x.NoticesOK, x.NoticesOpen = recoverytest.Told("chn_voice"), 1
				x.NoticesOK[0].Address = recoverytest.Mailbox
			},
			"only a suspect address took": func(x *recovery.Recovery) {
				x.NoticesOK, x.NoticesOpen = recoverytest.Told(recoverytest.Phone), 1
				x.NoticesOK[0].Suspect = true
			},
			"the evidence is gone":         func(x *recovery.Recovery) { x.Evidence = nil },
			"half of the evidence is gone": func(x *recovery.Recovery) { x.Evidence = x.Evidence[:1] },
			"the evidence became suspect": func(x *recovery.Recovery) {
				x.Evidence = append([]factor.Evidence(nil), x.Evidence...)
				x.Evidence[0].Suspect = true
			},
			"the plan wants humans": func(x *recovery.Recovery) { x.Plan.Approvals = 2 },
			"the hold is not over": func(x *recovery.Recovery) {
				x.NotBefore = x.NotBefore.Add(time.Second)
				x.RemindedAt = x.HeldAt.Add(recoverytest.Hold)
			},
			"no policy was ever satisfied": func(x *recovery.Recovery) { x.Plan = policy.Plan{IndependentNotice: true, ReadyFor: time.Hour} },
		} {
			t.Run(name+", "+why, func(t *testing.T) {
				t.Parallel()
				now := recoverytest.T0().Add(recoverytest.Hold)
				_, err := door.at.Apply(door.by, now)
				require.NoError(t, err, "the door opens for a sound one")

				step, err := given(door.at, spoil).Apply(door.by, now)
				if err == nil {
					require.Equal(t, recovery.Assisted, step.To, "at most humans get it")
				}
			})
		}
	}
}

// I2: a second entry to the hold never ends before the first one would have.
func TestHold_NeverEndsEarlierThanItWasSaid(t *testing.T) {
	t.Parallel()
	said := recoverytest.T0().Add(20 * day)
	x := given(recoverytest.CoolingOff(), func(x *r) { x.NotBefore = said })
	x = after(x, time.Hour, kind(recovery.Escalate), recoverytest.Approval())
	require.Equal(t, said, x.NotBefore)
}

// I2: a proof in a contest may raise the tier. The hold that follows is that tier's, from entry.
func TestHold_GrowsWithATierThatRoseInAContest(t *testing.T) {
	t.Parallel()
	ev := proof(factor.SMS, recoverytest.Phone, 40*day, 2*time.Hour)
	ev.Decision = recoverytest.Decision(higher)
	x := after(recoverytest.Contested(factor.E0), 2*time.Hour, ev)
	require.Equal(t, recovery.CoolingOff, x.State)
	require.Equal(t, policy.High, x.Tier)
	require.Equal(t, recoverytest.T0().Add(3*day), x.NotBefore)
}

// an extension is counted from the entry, and happens once for each rise.
func TestHold_IsExtendedFromItsEntry(t *testing.T) {
	t.Parallel()
	x := after(recoverytest.CoolingOff(), day+time.Hour, recoverytest.Timed(higher))
	require.Equal(t, recoverytest.T0().Add(3*day), x.NotBefore)
	require.Equal(t, recoverytest.T0().Add(36*time.Hour), x.WakeAt, "with a half-time of its own")
	x = after(x, 3*day, recoverytest.Timed(higher))
	require.Equal(t, recovery.Ready, x.State)
}

// what two humans approved is what they saw; when it goes to them again, they decide again.
func TestApproval_IsVoidedByAnotherTurnToHumans(t *testing.T) {
	t.Parallel()
	x := after(recoverytest.Assisted(), 0, recoverytest.Approval())
	require.Len(t, x.Approved, 2)
	x = after(x, time.Hour, kind(recovery.Escalate))
	require.Empty(t, x.Approved)
}

// S1 to the end: the thief of a mailbox pauses the owner's claim, and delays it by no more than that.
func TestScenario_AMailboxThiefDelaysAndDoesNotStop(t *testing.T) {
	t.Parallel()
	x := recoverytest.Contested(factor.E0)
	x = after(x, 10*time.Hour, proof(factor.SMS, recoverytest.Phone, 40*day, 10*time.Hour))
	require.Equal(t, recovery.CoolingOff, x.State)
	x.NoticesOK = recoverytest.Told("chn_other")
	step, err := x.Apply(link(), recoverytest.T0().Add(11*time.Hour)) // S3
	require.NoError(t, err)
	require.Error(t, step.Refusal())
	x = after(step.Next, 10*time.Hour+day, recoverytest.Timed(), recoverytest.Claim(), recovery.Event{Kind: recovery.RedeemGrant, GrantID: "gnt_1"})
	require.Equal(t, recovery.Completed, x.State)
}

// A proof that counts for nothing is no step up: whoever enrolled an authenticator yesterday does not end the owner's pause by it.
func TestContest_IsNotEndedByAProofThatCountsForNothing(t *testing.T) { // R-052, I4
	t.Parallel()
	x := recoverytest.Contested(factor.E0)
	young := proof(factor.TOTP, "fct_1", day, 10*time.Hour)
	suspect := proof(factor.SMS, recoverytest.Phone, 40*day, 10*time.Hour)
	suspect.Evidence.Suspect = true
	for _, ev := range []recovery.Event{young, suspect} {
		require.Equal(t, recovery.Contested, after(x, 10*time.Hour, ev).State)
	}
	require.Equal(t, recovery.CoolingOff, after(x, 10*time.Hour, young, proof(factor.SMS, recoverytest.Phone, 40*day, 10*time.Hour)).State)
}

// one reminder at half-time and one twelve hours before the end, each once, whatever the hold's length; a node that slept
// past both reminds once; a hold that a pause made longer has reminders of its own.
func TestHold_RemindsTheOwner(t *testing.T) {
	t.Parallel()
	t0 := recoverytest.T0()
	for name, tc := range map[string]struct{ hold, first, second time.Duration }{
		"three days":  {hold: 3 * day, first: 36 * time.Hour, second: 60 * time.Hour},
		"one day":     {hold: day, first: 12 * time.Hour},
		"twelve hour": {hold: 12 * time.Hour, first: 6 * time.Hour},
		"none":        {},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			x := given(recoverytest.CoolingOff(), func(x *r) { x.NotBefore = t0.Add(tc.hold) })
			for _, at := range []time.Duration{tc.first, tc.second} {
				if at == 0 {
					continue
				}
				_, err := x.Apply(recoverytest.Timed(), t0.Add(at-1))
				require.Error(t, err, "not yet")
				x = after(x, at, recoverytest.Timed())
				require.Equal(t, recovery.CoolingOff, x.State)
				_, err = x.Apply(recoverytest.Timed(), t0.Add(at))
				require.Error(t, err, "not twice")
			}
			require.Equal(t, recovery.Ready, after(x, tc.hold, recoverytest.Timed()).State)
		})
	}
	slept := given(recoverytest.CoolingOff(), func(x *r) { x.NotBefore = t0.Add(3 * day) })
	slept = after(slept, 61*time.Hour, recoverytest.Timed())
	require.Equal(t, slept.NotBefore, slept.WakeAt, "both moments are past: one reminder")

	paused := after(after(recoverytest.CoolingOff(), 12*time.Hour, recoverytest.Timed()), 13*time.Hour, link())
	resumed := after(paused, 13*time.Hour+recovery.PauseFor, kind(recovery.Due))
	require.Equal(t, resumed.ChangedAt, resumed.WakeAt, "that it goes on is told at once")
	resumed = after(resumed, 13*time.Hour+recovery.PauseFor, recoverytest.Timed())
	require.Equal(t, resumed.NotBefore.Add(-12*time.Hour), resumed.WakeAt, "and the new end twelve hours before")
}
