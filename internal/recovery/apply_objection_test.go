package recovery_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/holdfast/holdfast/internal/audit"
	"github.com/holdfast/holdfast/internal/factor"
	"github.com/holdfast/holdfast/internal/fault"
	"github.com/holdfast/holdfast/internal/policy"
	"github.com/holdfast/holdfast/internal/recovery"
	"github.com/holdfast/holdfast/internal/recovery/recoverytest"
)

func link() e                     { return recoverytest.Objected(recoverytest.Mailbox, factor.E0) }
func fromApp(s factor.Strength) e { return recoverytest.Objected("app", s) }
func reclaim(s factor.Strength) e { ev := fromApp(s); ev.Kind = recovery.Reclaim; return ev }
func vetoed(in r, at time.Duration) applied {
	return applied{given: in, when: fromApp(factor.E2), at: at, want: recovery.Vetoed, action: audit.RecoveryVetoed, notices: told(recovery.NoticeVetoed)}
}

func paused(in r, at time.Duration) applied {
	return applied{given: in, when: link(), at: at, want: recovery.Contested, action: audit.RecoveryContested, notices: told(recovery.NoticeObjected)}
}

// spent is a recovery whose mailbox has had its pause.
func spent(in r) r {
	return given(in, func(x *r) {
		x.Objections = []recovery.Objection{{ID: "obj_0", Channel: recoverytest.Mailbox, Strength: factor.E0}}
		x.PausedTotal = recovery.PauseFor
	})
}

// strong is a recovery with a claim of strength E3.
func strong(in r) r {
	return given(in, func(x *r) { x.Evidence = recoverytest.Strong().Evidence })
}

// after is a recovery with the event behind it.
func after(in r, at time.Duration, events ...e) r {
	return recoverytest.Play(in, recoverytest.T0().Add(at), events...)
}

//nolint:gochecknoglobals // a table.
var objectionCases = map[string]applied{
	// I8: no decoy is ever objected to, so nothing is before its first proofs suffice.
	"nobody objects to what has just begun": {given: recoverytest.Initiated(), when: vetoed(recoverytest.Initiated(), 0).when, illegal: fault.CodeNotAllowedInState},
	"nobody objects to who is proving":      {given: recoverytest.Verifying(), when: vetoed(recoverytest.Verifying(), 0).when, illegal: fault.CodeNotAllowedInState},
	"evidence stops who has proven some":    vetoed(given(recoverytest.Verifying(), func(x *r) { x.Evidence = recoverytest.CoolingOff().Evidence[:1] }), 0),
	"evidence stops what humans look at":    vetoed(recoverytest.Assisted(), 0),
	"evidence stops the hold":               vetoed(recoverytest.CoolingOff(), time.Hour), // S2
	"evidence stops what is ready":          vetoed(recoverytest.Ready(), day),
	"evidence stops a grant that is out":    vetoed(recoverytest.Granted(), day),
	"evidence stops a contest":              vetoed(recoverytest.Contested(factor.E0), day),
	"a link pauses the hold":                paused(recoverytest.CoolingOff(), time.Hour), // S1, I3
	"a link pauses what is ready":           paused(recoverytest.Ready(), day),
	"a link voids a grant that is out":      paused(recoverytest.Granted(), day),
	"a link is nothing before the notice":   {given: recoverytest.Verifying(), when: link(), illegal: fault.CodeNotAllowedInState},

	"a second pause from one channel": { // S3
		given: spent(recoverytest.CoolingOff()), when: link(), at: time.Hour,
		want: recovery.CoolingOff, action: audit.ObjectionRefused, refused: fault.CodeObjectionRefused,
	},
	"a second pause of what is ready": {
		given: spent(recoverytest.Ready()), when: link(), at: day, want: recovery.Ready, action: audit.ObjectionRefused, refused: fault.CodeObjectionRefused,
	},
	"a second pause of a grant": {
		given: spent(recoverytest.Granted()), when: link(), at: day, want: recovery.Granted, action: audit.ObjectionRefused, refused: fault.CodeObjectionRefused,
	},
	"another channel when all pauses are spent": { // I4
		given: given(recoverytest.CoolingOff(), func(x *r) { x.PausedTotal = recovery.PauseTotal }), when: link(), at: time.Hour,
		want: recovery.CoolingOff, action: audit.ObjectionRefused, refused: fault.CodeObjectionRefused,
	},
	"evidence against the strongest claim pauses it": {
		given: recoverytest.Strong(), when: fromApp(factor.E2), at: time.Hour,
		want: recovery.Contested, action: audit.RecoveryContested, notices: told(recovery.NoticeObjected),
	},
	"evidence when the pauses are spent is adjudicated": { // I4, R-106
		given: spent(recoverytest.Strong()), when: recoverytest.Objected(recoverytest.Mailbox, factor.E2), at: time.Hour,
		want: recovery.Assisted, action: audit.RecoveryAssisted,
	},
	"the same of what is ready": {
		given: spent(strong(recoverytest.Ready())), when: recoverytest.Objected(recoverytest.Mailbox, factor.E2), at: day,
		want: recovery.Assisted, action: audit.RecoveryAssisted,
	},
	"the same of a grant": {
		given: spent(strong(recoverytest.Granted())), when: recoverytest.Objected(recoverytest.Mailbox, factor.E2), at: day,
		want: recovery.Assisted, action: audit.RecoveryAssisted,
	},

	"the objector is silent": {
		given: recoverytest.Contested(factor.E0), when: kind(recovery.Due), at: 73 * time.Hour, want: recovery.CoolingOff, action: audit.RecoveryResumed,
	},
	"the objector is silent for less": {
		given: recoverytest.Contested(factor.E0), when: kind(recovery.Due), at: 73*time.Hour - 1, illegal: fault.CodeNotAllowedInState,
	},
	"an equally strong objection does not lapse by silence": { // S4
		given: after(recoverytest.Strong(), time.Hour, fromApp(factor.E3)), when: kind(recovery.Due), at: 73 * time.Hour,
		want: recovery.Assisted, action: audit.RecoveryAssisted,
	},
	"a contest at its last day": {
		given: recoverytest.Contested(factor.E0), when: kind(recovery.Due), at: 30 * day, want: recovery.Expired, action: audit.RecoveryExpired,
	},
	"the claimant steps up": { // S1
		given: recoverytest.Contested(factor.E0), when: proof(factor.SMS, recoverytest.Phone, 40*day, 2*time.Hour), at: 2 * time.Hour,
		want: recovery.CoolingOff, action: audit.RecoveryResumed,
	},
	"the claimant steps up to what the objector has": {
		given: after(recoverytest.Strong(), time.Hour, fromApp(factor.E3)), when: proof(factor.TOTP, "fct_1", 40*day, 2*time.Hour), at: 2 * time.Hour,
		want: recovery.Assisted, action: audit.RecoveryAssisted,
	},
	"the claimant shows less than the objector": {
		given: given(recoverytest.Contested(factor.E0), func(x *r) {
			x.Objections = []recovery.Objection{{ID: "obj_1", Channel: "app", Strength: factor.E2Plus, Open: true}}
		}),
		when: proof(factor.TOTP, "fct_1", 20*day, 2*time.Hour), at: 2 * time.Hour, want: recovery.Contested, action: audit.ProofAccepted,
	},
	"the claimant errs": {
		given: recoverytest.Contested(factor.E0), when: kind(recovery.ProofRejected), at: 2 * time.Hour,
		want: recovery.Contested, action: audit.ProofRejected, refused: fault.CodeProofRefused,
	},
	"both hold as much": { // S4
		given: after(recoverytest.Strong(), time.Hour, fromApp(factor.E0)), when: recoverytest.Objected(recoverytest.Phone, factor.E3), at: 2 * time.Hour,
		want: recovery.Assisted, action: audit.RecoveryAssisted,
	},
	"a second channel joins": {
		given: recoverytest.Contested(factor.E0), when: recoverytest.Objected(recoverytest.Phone, factor.E0), at: 2 * time.Hour,
		want: recovery.Contested, action: audit.RecoveryObjected, notices: told(recovery.NoticeObjected),
	},
	"the same link again tells nobody again": {
		given: recoverytest.Contested(factor.E0), when: link(), at: 2 * time.Hour, want: recovery.Contested, action: audit.RecoveryObjected,
	},
	"a link while humans decide is noted": {
		given: recoverytest.Assisted(), when: link(), want: recovery.Assisted, action: audit.RecoveryObjected, notices: told(recovery.NoticeObjected),
	},
	"and again tells nobody again": {
		given: after(recoverytest.Assisted(), 0, link()), when: link(), want: recovery.Assisted, action: audit.RecoveryObjected,
	},

	"evidence takes the account back": {
		given: recoverytest.Completed(), when: fromApp(factor.E2), at: 2 * day,
		want: recovery.Reversed, action: audit.RecoveryReversed, notices: told(recovery.NoticeReversed),
	},
	"a link asks for it": { // I3, I6
		given: recoverytest.Completed(), when: link(), at: 2 * day,
		want: recovery.Completed, action: audit.ReversalRequested, notices: told(recovery.NoticeObjected),
	},
	"and again tells nobody more": {
		given: after(recoverytest.Completed(), 2*day, link()), when: link(), at: 2 * day, want: recovery.Completed, action: audit.ReversalRequested,
	},
	"no more evidence than the claim's does not": {
		given: strong(recoverytest.Completed()), when: fromApp(factor.E3), at: 2 * day,
		want: recovery.Completed, action: audit.ReversalRequested, notices: told(recovery.NoticeObjected),
	},
	"a reclaim with evidence": {
		given: recoverytest.Completed(), when: reclaim(factor.E2), at: 2 * day,
		want: recovery.Reversed, action: audit.RecoveryReversed, notices: told(recovery.NoticeReversed),
	},
	"a reclaim without": {
		given: recoverytest.Completed(), when: reclaim(factor.E1), at: 2 * day,
		want: recovery.Completed, action: audit.ReversalRequested, notices: told(recovery.NoticeObjected),
	},
	"a reclaim without, again": {
		given: after(recoverytest.Completed(), 2*day, reclaim(factor.E1)), when: reclaim(factor.E1), at: 2 * day,
		want: recovery.Completed, action: audit.ReversalRequested,
	},
	"after probation": {given: recoverytest.Completed(), when: fromApp(factor.E2), at: 8 * day, illegal: fault.CodeNotAllowedInState},
}

// R-106, I4: what a pause costs, to the minute.
func TestPause_CostsItsTimeAndAtLeastADay(t *testing.T) {
	t.Parallel()
	t0 := recoverytest.T0()
	contested := recoverytest.Contested(factor.E0) // an hour in, 23 hours left
	require.Equal(t, t0.Add(73*time.Hour), contested.WakeAt)

	resumed := after(contested, 73*time.Hour, kind(recovery.Due))
	require.Equal(t, t0.Add(73*time.Hour+day), resumed.NotBefore, "23 hours were left, a day is the least")
	require.Equal(t, recovery.PauseFor, resumed.PausedTotal)
	require.True(t, resumed.ContestedAt.IsZero())
	for _, o := range resumed.Objections {
		require.False(t, o.Open)
	}

	late := after(contested, 80*time.Hour, kind(recovery.Due))
	require.Equal(t, recovery.PauseFor, late.PausedTotal, "a late timer makes no pause longer")

	long := recoverytest.Play(given(recoverytest.CoolingOff(), func(x *r) { x.NotBefore = t0.Add(7 * day) }), t0.Add(day), link())
	long = after(long, day+time.Hour, proof(factor.SMS, recoverytest.Phone, 40*day, day+time.Hour))
	require.Equal(t, t0.Add(7*day+time.Hour), long.NotBefore, "the hour of the pause is added")
	require.Equal(t, time.Hour, long.PausedTotal)
}

// I4: a contest that ends before humans counts as well.
func TestPause_CountsWhenItEndsBeforeHumans(t *testing.T) {
	t.Parallel()
	assisted := after(recoverytest.Contested(factor.E0), 25*time.Hour, kind(recovery.Escalate))
	require.Equal(t, day, assisted.PausedTotal)
}

// What humans have judged does not stand in the way of what they decided.
func TestApproval_SettlesTheObjectionsThatStood(t *testing.T) {
	t.Parallel()
	x := after(recoverytest.Contested(factor.E0), 2*time.Hour, kind(recovery.Escalate), recoverytest.Approval())
	require.Equal(t, recovery.CoolingOff, x.State)
	require.Equal(t, policy.High, x.Tier)
	require.GreaterOrEqual(t, x.NotBefore.Sub(recoverytest.T0().Add(2*time.Hour)), policy.FloorHold(policy.High))
	step, err := x.Apply(recoverytest.Timed(), x.NotBefore)
	require.NoError(t, err)
	require.Equal(t, recovery.Ready, step.To)

	again, err := x.Apply(recoverytest.Objected(recoverytest.Phone, factor.E0), x.NotBefore)
	require.NoError(t, err)
	require.Equal(t, recovery.Contested, again.To, "a new objection is heard as any other")
}

// only what was old at the proof is old. A hold turns no new factor into a trusted one.
func TestClaim_GrowsNoStrongerByWaiting(t *testing.T) {
	t.Parallel()
	x := given(recoverytest.CoolingOff(), func(x *r) {
		x.Evidence = append([]factor.Evidence(nil), x.Evidence...)
		for i := range x.Evidence {
			x.Evidence[i].Since = recoverytest.T0().Add(-29 * day)
		}
		x.NotBefore = recoverytest.T0().Add(7 * day)
	})
	step, err := x.Apply(fromApp(factor.E2), recoverytest.T0().Add(6*day))
	require.NoError(t, err)
	require.Equal(t, recovery.Vetoed, step.To)
}

// no window reaches beyond the life of a recovery.
func TestReady_EndsWithTheRecoverysLife(t *testing.T) {
	t.Parallel()
	x := after(recoverytest.Assisted(), 27*day, recoverytest.Approval())
	x.NoticesOK = recoverytest.Told(recoverytest.Phone)
	x = after(x, 29*day+time.Hour, recoverytest.Timed())
	require.Equal(t, recovery.Ready, x.State)
	require.Equal(t, recoverytest.T0().Add(recovery.LiveFor), x.ReadyUntil)
	require.Equal(t, x.ReadyUntil, x.ExpiresAt)
	x = after(x, 30*day-time.Minute, recoverytest.Claim())
	require.Equal(t, x.GrantExpires, x.ExpiresAt, "a grant lives its ten minutes")
}
