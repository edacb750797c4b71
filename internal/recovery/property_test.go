package recovery_test

import (
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/holdfast/holdfast/internal/factor"
	"github.com/holdfast/holdfast/internal/fault"
	"github.com/holdfast/holdfast/internal/policy"
	"github.com/holdfast/holdfast/internal/recovery"
	"github.com/holdfast/holdfast/internal/recovery/recoverytest"
)

// life is a random life of a recovery, and what the test wrote down of it by itself: nothing that it judges by is taken from
// the fields that Apply keeps for the same purpose.
type life struct {
	policy  *policy.Policy
	account policy.Facts
	now     time.Time
	r       recovery.Recovery

	evidence  []factor.Evidence
	objecting map[string]factor.Strength // what stands, by channel
	pauses    map[string]int             // how often each channel stopped the clock with less than E2
	accepted  []string                   // channels that took a notice of the hold
	approved  bool
	held      time.Time // the last entry to the hold
	latest    time.Time // the latest not_before that was ever said
	grants    map[string]time.Time
	redeemed  int
	versions  int64
}

// age draws how long a factor is on file: around every age that a rule knows.
func age(t *rapid.T, label string) time.Duration {
	return rapid.SampledFrom([]time.Duration{time.Hour, 6 * day, 8 * day, 26 * day, 31 * day, 400 * day}).Draw(t, label)
}

// newLife begins at a random account under one of the presets.
func newLife(t *rapid.T) *life {
	p, err := policy.Preset(rapid.SampledFrom(policy.Presets()).Draw(t, "preset"))
	require.NoError(t, err)
	now := recoverytest.T0()
	l := &life{policy: p, now: now, objecting: map[string]factor.Strength{}, pauses: map[string]int{}, grants: map[string]time.Time{}}
	l.account = policy.Facts{
		Population: rapid.SampledFrom([]string{"consumer", "consumer", "business", "privileged", "federated", "unheard of"}).Draw(t, "population"),
		AAL:        rapid.IntRange(1, 3).Draw(t, "aal"), IAL: rapid.SampledFrom([]int{0, 0, 3}).Draw(t, "ial"),
		Reason: rapid.SampledFrom([]string{"lost_password", "lost_all", "suspected_takeover"}).Draw(t, "reason"),
	}
	for source, m := range map[string]factor.Method{recoverytest.Mailbox: factor.Email, recoverytest.Phone: factor.SMS, "fct_1": factor.TOTP, "svc_1": factor.RecoveryCode} {
		if rapid.IntRange(0, 3).Draw(t, "has "+source) > 0 {
			l.account.Factors = append(l.account.Factors, policy.Factor{
				ID: source, Method: m, Since: now.Add(-age(t, source)), Suspect: rapid.IntRange(0, 9).Draw(t, "suspect "+source) == 0,
			})
		}
	}
	slices.SortFunc(l.account.Factors, func(a, b policy.Factor) int { return int(a.Since.Sub(b.Since)) })
	d := l.decide(t, nil)
	l.r = recovery.Open(recovery.Recovery{
		ID: "rcv_1", Tenant: "demo", Account: "acc_1", Subject: "acc_1", Plan: d.Plan, Tier: d.Tier,
	}, now).Next
	if rapid.IntRange(0, 9).Draw(t, "decoy") == 0 {
		l.r.Account = ""
	}
	l.versions = 1
	return l
}

// decide asks the policy about now, with signals that change as they like.
func (l *life) decide(t *rapid.T, proof *factor.Evidence) *policy.Decision {
	f := l.account
	f.Now = l.now
	f.Evidence = slices.Clone(l.evidence)
	if proof != nil {
		f.Evidence = append(f.Evidence, *proof)
	}
	calm := rapid.IntRange(0, 3).Draw(t, "calm") > 0
	f.Signals = map[policy.Signal]policy.Reading{}
	for _, s := range policy.Signals() {
		state := policy.Absent
		if s == policy.KnownDevice {
			state = policy.Present
		}
		if !calm {
			state = rapid.SampledFrom([]policy.State{policy.Present, policy.Absent, policy.Unknown}).Draw(t, string(s))
		}
		f.Signals[s] = policy.Reading{State: state, Value: 2}
	}
	d := l.policy.Decide(f)
	return &d
}

// next draws what happens: six times of ten what a claimant would do, else anything.
func (l *life) next(t *rapid.T) recovery.Event {
	sensible := map[recovery.State]recovery.EventKind{
		recovery.Initiated: recovery.ChallengeRequested, recovery.Verifying: recovery.ProofAccepted, recovery.Assisted: recovery.Approve,
		recovery.CoolingOff: recovery.Due, recovery.Contested: recovery.Due, recovery.Ready: recovery.ClaimGrant,
		recovery.Granted: recovery.RedeemGrant, recovery.Completed: recovery.Object, recovery.Denied: recovery.Appeal,
	}
	k := rapid.SampledFrom(recovery.EventKinds()).Draw(t, "any event")
	usual, ok := sensible[l.r.State]
	if ok && rapid.IntRange(0, 9).Draw(t, "usual") < 7 {
		k = usual
	}
	steps := []time.Duration{0, time.Second, time.Minute, 11 * time.Minute}
	if k == recovery.Due {
		steps = []time.Duration{time.Hour, 13 * time.Hour, day, 2 * day, 4 * day}
	}
	if rapid.IntRange(0, 19).Draw(t, "odd clock") == 0 {
		steps = []time.Duration{-time.Second, -time.Hour, 8 * day, 20 * day}
	}
	l.now = l.now.Add(rapid.SampledFrom(steps).Draw(t, "passes"))
	ev := recovery.Event{Kind: k, MaxAAL: 2}
	switch k { //nolint:exhaustive // the others carry nothing.
	case recovery.ProofAccepted:
		ev.Evidence = l.proof(t)
		ev.Decision = l.decide(t, ev.Evidence)
	case recovery.Due, recovery.ClaimGrant:
		ev.Decision = l.decide(t, nil)
		ev.GrantID = rapid.StringMatching(`gnt_[a-z]{4}`).Draw(t, "grant")
	case recovery.RedeemGrant:
		ev.GrantID = l.r.GrantID
		if rapid.IntRange(0, 4).Draw(t, "another grant") == 0 {
			ev.GrantID = "gnt_of_another"
		}
	case recovery.Object, recovery.Reclaim:
		ev.Objection = &recovery.Objection{
			ID: "obj", Channel: rapid.SampledFrom([]string{recoverytest.Mailbox, recoverytest.Phone, "app"}).Draw(t, "channel"),
			Strength: factor.Strength(rapid.IntRange(int(factor.E0), int(factor.E3)).Draw(t, "strength")),
		}
	case recovery.Approve:
		ev.Approvers = rapid.SliceOfN(rapid.SampledFrom([]string{"agt_1", "agt_2", "agt_3"}), 0, 3).Draw(t, "approvers")
	default:
	}
	return ev
}

// proof is by a factor of the account, as the service would make it.
func (l *life) proof(t *rapid.T) *factor.Evidence {
	if len(l.account.Factors) == 0 {
		return nil
	}
	f := rapid.SampledFrom(l.account.Factors).Draw(t, "factor")
	class, _ := f.Method.Class()
	return &factor.Evidence{Method: f.Method, Class: class, Source: f.ID, Since: f.Since, At: l.now, Suspect: f.Suspect}
}

// live lets the life go on for a while and judges every step.
func (l *life) live(t *rapid.T) {
	for range rapid.IntRange(5, 40).Draw(t, "events") {
		l.r.NoticesOK, l.r.NoticesOpen = l.told(), rapid.IntRange(0, 1).Draw(t, "notices on their way")
		ev := l.next(t)
		before := l.r
		step, err := before.Apply(ev, l.now)
		if err != nil {
			require.Contains(t, []fault.Code{fault.CodeNotAllowedInState, fault.CodeNotReady}, fault.CodeOf(err))
			continue
		}
		l.judge(t, before, step, ev)
		l.keep(t, step)
		l.r = step.Next
	}
}

// told is what the store would say of the channels that took the notice.
func (l *life) told() []recovery.Told {
	var out []recovery.Told
	for _, f := range l.account.Factors {
		if slices.Contains(l.accepted, f.ID) {
			out = append(out, recovery.Told{Channel: f.ID, Since: f.Since, Suspect: f.Suspect})
		}
	}
	return out
}

// judge checks the invariants of requirements.md, section 4.3, on one step.
func (l *life) judge(t *rapid.T, before recovery.Recovery, step recovery.Step, ev recovery.Event) {
	next := step.Next
	require.False(t, before.State.Terminal())
	require.Equal(t, l.versions+1, next.Version, "I10: one version, one step, one event")
	require.NotEmpty(t, step.Action)
	l.versions = next.Version

	require.False(t, next.NotBefore.Before(l.latest), "I2: not_before moved earlier")
	require.GreaterOrEqual(t, next.Tier, before.Tier, "a tier fell")
	require.LessOrEqual(t, next.PausedTotal, recovery.PauseTotal, "I4")
	require.Equal(t, next.State == recovery.Contested, !next.ContestedAt.IsZero())
	require.False(t, next.ExpiresAt.After(next.CreatedAt.Add(recovery.LiveFor+recovery.GrantFor)), "a life has an end")
	require.Equal(t, next.State.Terminal(), !next.ClosedAt.IsZero())

	objects := step.Event == recovery.Object || step.Event == recovery.Reclaim
	switch next.State { //nolint:exhaustive // these have invariants of their own.
	case recovery.Vetoed, recovery.Reversed:
		require.True(t, objects && ev.Objection.Strength >= factor.E2, "I3: a bearer link ended it")
	case recovery.Contested:
		if before.State != recovery.Contested && ev.Objection.Strength < factor.E2 {
			l.pauses[ev.Objection.Channel]++
			require.LessOrEqual(t, l.pauses[ev.Objection.Channel], 1, "I4: a second pause from one channel")
		}
	case recovery.Ready:
		if before.State == recovery.CoolingOff {
			l.judgeGate(t, next)
		}
	case recovery.Granted:
		if step.Event == recovery.ClaimGrant {
			l.judgeGate(t, next)
		}
	case recovery.Completed:
		if before.State == recovery.Granted {
			l.judgeGate(t, next)
			issued, ok := l.grants[ev.GrantID]
			require.True(t, ok, "I1: a grant that was never issued, or was taken back")
			require.Less(t, l.now.Sub(issued), recovery.GrantFor)
			l.redeemed++
			require.Equal(t, 1, l.redeemed)
		}
	default:
	}
}

// judgeGate is I1, from the test's own notes.
func (l *life) judgeGate(t *rapid.T, r recovery.Recovery) {
	require.False(t, r.Decoy(), "I1: a decoy was let through")
	require.False(t, r.Plan.DeferToIDP)
	require.True(t, l.approved || (r.Plan.Satisfied(l.evidence, l.now) && !r.Plan.Assisted && r.Plan.Approvals == 0), "I1: insufficient evidence")
	require.False(t, l.now.Before(l.latest), "I1: before its time")
	require.GreaterOrEqual(t, l.now.Sub(l.held), r.Plan.Hold, "I2: less than the tier's hold since entry")
	if l.approved {
		require.GreaterOrEqual(t, l.now.Sub(l.held), policy.FloorHold(r.Tier), "I2: less than the floor of what humans approve")
	}
	require.Empty(t, l.objecting, "I1: an objection stands")
	independent := slices.ContainsFunc(l.account.Factors, func(f policy.Factor) bool {
		return slices.Contains(l.accepted, f.ID) && !f.Suspect && l.held.Sub(f.Since) >= 7*day &&
			!slices.ContainsFunc(l.evidence, func(e factor.Evidence) bool { return e.Source == f.ID })
	})
	if !independent {
		require.NotEmpty(t, l.accepted, "I1: nobody was told")
		require.False(t, r.Plan.IndependentNotice)
		require.True(t, r.Plan.Deviates("R-096") || l.approved, "I1: no independent notice, and no deviation is named")
	}
}

// keep writes down what happened.
func (l *life) keep(t *rapid.T, step recovery.Step) {
	if e := step.NewEvidence; e != nil {
		l.evidence = append(l.evidence, *e)
	}
	if step.ResolveObjections {
		clear(l.objecting)
	}
	if o := step.NewObjection; o != nil {
		l.objecting[o.Channel] = max(l.objecting[o.Channel], o.Strength)
	}
	delete(l.grants, step.VoidGrant)
	if step.To == recovery.Granted && step.Event == recovery.ClaimGrant {
		l.grants[step.Next.GrantID] = l.now
	}
	if step.Next.NotBefore.After(l.latest) {
		l.latest = step.Next.NotBefore
	}
	switch {
	case step.To == recovery.Assisted:
		l.approved = false
	case step.Event == recovery.Approve:
		l.approved = true
	}
	if slices.Contains(step.Notices, recovery.NoticeHeld) {
		l.held = l.now
		for _, c := range []string{recoverytest.Mailbox, recoverytest.Phone} {
			has := slices.ContainsFunc(l.account.Factors, func(f policy.Factor) bool { return f.ID == c })
			if has && rapid.IntRange(0, 3).Draw(t, "notice to "+c) > 0 && !slices.Contains(l.accepted, c) {
				l.accepted = append(slices.Clone(l.accepted), c)
			}
		}
	}
}

// I1, I2, I3, I4, I10: random lives under the presets that ship, with random clocks, evidence, objections and deliveries.
func TestRecovery_KeepsItsInvariantsWhateverHappens(t *testing.T) {
	t.Parallel()
	reached := map[recovery.State]int{}
	rapid.Check(t, func(t *rapid.T) {
		l := newLife(t)
		l.live(t)
		reached[l.r.State]++
	})
	t.Log(reached)
}
