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

const day = 24 * time.Hour

// applied is one line of the test: what is given, what happens when, and what follows.
type applied struct {
	given recovery.Recovery
	when  recovery.Event
	at    time.Duration // after T0

	want    recovery.State
	action  audit.Action
	notices []recovery.NoticeKind
	refused fault.Code // of the step
	illegal fault.Code // of Apply: nothing is written
}

type (
	r = recovery.Recovery
	e = recovery.Event
)

// given changes a built recovery.
func given(in r, change func(*r)) r {
	change(&in)
	return in
}

func kind(k recovery.EventKind) e { return e{Kind: k} }

func told(kinds ...recovery.NoticeKind) []recovery.NoticeKind { return kinds }

func proof(m factor.Method, source string, age, at time.Duration) e {
	return recoverytest.Accepted(m, source, age, recoverytest.T0().Add(at))
}

// higher is a policy that now sees tier high and holds for three days.
func higher(p *policy.Plan) { p.Tier, p.Hold = policy.High, 3*day }

// critical is one that sees tier critical, and wants two humans.
func critical(p *policy.Plan) { p.Tier, p.Hold, p.Approvals = policy.Critical, 7*day, 2 }

//nolint:gochecknoglobals // a table.
var verifyingCases = map[string]applied{
	"the first challenge": {
		given: recoverytest.Initiated(), when: kind(recovery.ChallengeRequested), want: recovery.Verifying, action: audit.ChallengeRequested,
	},
	"another challenge": {
		given: recoverytest.Verifying(), when: kind(recovery.ChallengeRequested), want: recovery.Verifying, action: audit.ChallengeRequested,
	},
	"a challenge while humans decide": {
		given: recoverytest.Assisted(), when: kind(recovery.ChallengeRequested), want: recovery.Assisted, action: audit.ChallengeRequested,
	},
	"a challenge to step up": {
		given: recoverytest.Contested(factor.E0), when: kind(recovery.ChallengeRequested), at: 2 * time.Hour,
		want: recovery.Contested, action: audit.ChallengeRequested,
	},
	"no challenge while the hold runs": {
		given: recoverytest.CoolingOff(), when: kind(recovery.ChallengeRequested), illegal: fault.CodeNotAllowedInState,
	},
	"who signs in as strongly as the account asks has lost nothing": {
		given: recoverytest.Verifying(),
		when: func() e {
			ev := proof(factor.TOTP, "fct_1", 40*day, 0)
			ev.Evidence.AAL = 2
			return ev
		}(),
		want: recovery.Rebind, action: audit.RecoveryRebind, notices: told(recovery.NoticeStarted),
	},
	"one proof of two": {
		given: recoverytest.Verifying(), when: proof(factor.Email, recoverytest.Mailbox, 20*day, 0),
		want: recovery.Verifying, action: audit.ProofAccepted,
	},
	"two proofs of one class": {
		given: recoverytest.Play(recoverytest.Verifying(), recoverytest.T0(), proof(factor.Email, recoverytest.Mailbox, 20*day, 0)),
		when:  proof(factor.SMS, recoverytest.Phone, 40*day, 0), want: recovery.Verifying, action: audit.ProofAccepted,
	},
	"the second proof starts the hold": {
		given: recoverytest.Play(recoverytest.Verifying(), recoverytest.T0(), proof(factor.Email, recoverytest.Mailbox, 20*day, 0)),
		when:  proof(factor.RecoveryCode, "svc_1", 20*day, 0),
		want:  recovery.CoolingOff, action: audit.CoolingOffEntered, notices: told(recovery.NoticeHeld),
	},
	"enough evidence where the policy wants humans as well": {
		given: recoverytest.Play(recoverytest.Verifying(), recoverytest.T0(), proof(factor.Email, recoverytest.Mailbox, 20*day, 0)),
		when: func() e {
			ev := proof(factor.RecoveryCode, "svc_1", 20*day, 0)
			ev.Decision = recoverytest.Decision(critical)
			return ev
		}(),
		want: recovery.Assisted, action: audit.RecoveryAssisted,
	},
	"a suspect proof carries nothing": {
		given: recoverytest.Play(recoverytest.Verifying(), recoverytest.T0(), proof(factor.Email, recoverytest.Mailbox, 20*day, 0)),
		when: func() e {
			ev := proof(factor.RecoveryCode, "svc_1", 20*day, 0)
			ev.Evidence.Suspect = true
			return ev
		}(),
		want: recovery.Verifying, action: audit.ProofAccepted,
	},
	"a wrong code is counted and refused": {
		given: recoverytest.Verifying(), when: kind(recovery.ProofRejected),
		want: recovery.Verifying, action: audit.ProofRejected, refused: fault.CodeProofRefused,
	},
	"a wrong code while humans decide": {
		given: recoverytest.Assisted(), when: kind(recovery.ProofRejected),
		want: recovery.Assisted, action: audit.ProofRejected, refused: fault.CodeProofRefused,
	},
	"a proof while humans decide goes to them": {
		given: recoverytest.Assisted(), when: proof(factor.Email, recoverytest.Mailbox, 20*day, 0), want: recovery.Assisted, action: audit.ProofAccepted,
	},
	"no proof before a challenge":       {given: recoverytest.Initiated(), when: proof(factor.Email, "x", day, 0), illegal: fault.CodeNotAllowedInState},
	"no grant while nothing was proven": {given: recoverytest.Verifying(), when: recoverytest.Claim(), illegal: fault.CodeNotReady},
	"a decoy passes by no proof": {
		given: recoverytest.Play(recoverytest.Decoy(), recoverytest.T0(), proof(factor.Email, "x", 20*day, 0)),
		when:  proof(factor.RecoveryCode, "svc_1", 20*day, 0), want: recovery.Verifying, action: audit.ProofAccepted,
	},
	"nobody answers for a day":    {given: recoverytest.Verifying(), when: kind(recovery.Due), at: day, want: recovery.Expired, action: audit.RecoveryExpired},
	"nobody asks for a challenge": {given: recoverytest.Initiated(), when: kind(recovery.Due), at: day, want: recovery.Expired, action: audit.RecoveryExpired},
	"a proof one second late": {
		given: recoverytest.Verifying(), when: proof(factor.Email, recoverytest.Mailbox, 20*day, day), at: day,
		want: recovery.Expired, action: audit.RecoveryExpired, refused: fault.CodeNotAllowedInState,
	},
	"nothing is due yet": {given: recoverytest.Verifying(), when: kind(recovery.Due), at: day - 1, illegal: fault.CodeNotAllowedInState},
}

//nolint:gochecknoglobals // a table.
var holdCases = map[string]applied{
	"the hold ends": {
		given: recoverytest.CoolingOff(), when: recoverytest.Timed(), at: day,
		want: recovery.Ready, action: audit.RecoveryReady, notices: told(recovery.NoticeReady),
	},
	"half-time": {
		given: recoverytest.CoolingOff(), when: recoverytest.Timed(), at: 12 * time.Hour,
		want: recovery.CoolingOff, action: audit.CoolingOffReminded, notices: told(recovery.NoticeReminder),
	},
	"a moment early": {
		given: after(recoverytest.CoolingOff(), 12*time.Hour, recoverytest.Timed()), when: recoverytest.Timed(), at: day - 1, illegal: fault.CodeNotAllowedInState,
	},
	"without a decision": {given: recoverytest.CoolingOff(), when: kind(recovery.Due), at: day, illegal: fault.CodeNotAllowedInState},
	"the risk rose": {
		given: recoverytest.CoolingOff(), when: recoverytest.Timed(higher), at: day, want: recovery.CoolingOff, action: audit.CoolingOffExtended,
	},
	"the policy now demands what was not shown": {
		given: recoverytest.CoolingOff(), when: recoverytest.Timed(func(p *policy.Plan) { p.Assisted, p.Approvals = true, 2 }), at: day,
		want: recovery.CoolingOff, action: audit.CoolingOffExtended,
	},
	"and waiting longer will not bring it": { // I4: a stranger's guesses must not hold the owner for ever
		given: recoverytest.Play(recoverytest.CoolingOff(), recoverytest.T0().Add(day), recoverytest.Timed(critical)),
		when:  recoverytest.Timed(critical), at: 7 * day, want: recovery.Assisted, action: audit.RecoveryAssisted,
	},
	"every notice failed": { // S9, R-102
		given: given(recoverytest.CoolingOff(), func(x *r) { x.NoticesOK = nil }), when: recoverytest.Timed(), at: day,
		want: recovery.Assisted, action: audit.RecoveryUndeliverable,
	},
	"only the mailbox that was used took the notice": {
		given: given(recoverytest.CoolingOff(), func(x *r) { x.NoticesOK = recoverytest.Told(recoverytest.Mailbox) }), when: recoverytest.Timed(), at: day,
		want: recovery.Assisted, action: audit.RecoveryUndeliverable,
	},
	"a notice is still on its way": {
		given: given(recoverytest.CoolingOff(), func(x *r) { x.NoticesOK, x.NoticesOpen = nil, 1 }), when: recoverytest.Timed(), at: day,
		illegal: fault.CodeNotAllowedInState,
	},
	"a notice is on its way for a day": {
		given: given(recoverytest.CoolingOff(), func(x *r) { x.NoticesOK, x.NoticesOpen = nil, 1 }), when: recoverytest.Timed(), at: 2 * day,
		want: recovery.Assisted, action: audit.RecoveryUndeliverable,
	},
	"a named deviation takes any address": {
		given: given(recoverytest.CoolingOff(), func(x *r) { x.NoticesOK, x.Plan.IndependentNotice = recoverytest.Told(recoverytest.Mailbox), false }),
		when:  recoverytest.Timed(func(p *policy.Plan) { p.IndependentNotice = false }), at: day,
		want: recovery.Ready, action: audit.RecoveryReady, notices: told(recovery.NoticeReady),
	},
	"ready, and the notice came back": {
		given: given(recoverytest.Ready(), func(x *r) { x.NoticesOK = recoverytest.Told(recoverytest.Mailbox) }), when: recoverytest.Timed(), at: day,
		want: recovery.Assisted, action: audit.RecoveryUndeliverable,
	},
	"granted, and the notice came back": {
		given: given(recoverytest.Granted(), func(x *r) { x.NoticesOK = nil }), when: kind(recovery.Due), at: day,
		want: recovery.Assisted, action: audit.RecoveryUndeliverable,
	},
	"thirty days in all":           {given: recoverytest.CoolingOff(), when: recoverytest.Timed(), at: 30 * day, want: recovery.Expired, action: audit.RecoveryExpired},
	"no grant while the hold runs": {given: recoverytest.CoolingOff(), when: recoverytest.Claim(), at: time.Hour, illegal: fault.CodeNotReady},
	"the window closes":            {given: recoverytest.Ready(), when: recoverytest.Timed(), at: 3 * day, want: recovery.Expired, action: audit.RecoveryExpired},
	"the grant":                    {given: recoverytest.Ready(), when: recoverytest.Claim(), at: day, want: recovery.Granted, action: audit.GrantIssued},
	"no grant when the risk rose: held again": {
		given: recoverytest.Ready(), when: e{Kind: recovery.ClaimGrant, GrantID: "gnt_1", Decision: recoverytest.Decision(higher)}, at: day,
		want: recovery.CoolingOff, action: audit.CoolingOffExtended, refused: fault.CodeNotReady,
	},
	"no grant without a decision":    {given: recoverytest.Ready(), when: e{Kind: recovery.ClaimGrant, GrantID: "gnt_1"}, at: day, illegal: fault.CodeNotReady},
	"no second grant beside one":     {given: recoverytest.Granted(), when: recoverytest.Claim(), at: day, illegal: fault.CodeNotReady},
	"the grant lapses":               {given: recoverytest.Granted(), when: recoverytest.Timed(), at: day + 10*time.Minute, want: recovery.Ready, action: audit.RecoveryReady},
	"the grant and the window lapse": {given: recoverytest.Granted(), when: recoverytest.Timed(), at: 4 * day, want: recovery.Expired, action: audit.RecoveryExpired},
	"the grant is redeemed": {
		given: recoverytest.Granted(), when: e{Kind: recovery.RedeemGrant, GrantID: "gnt_1"}, at: day,
		want: recovery.Completed, action: audit.RecoveryCompleted, notices: told(recovery.NoticeCompleted),
	},
	"another grant is not":   {given: recoverytest.Granted(), when: e{Kind: recovery.RedeemGrant, GrantID: "gnt_2"}, at: day, illegal: fault.CodeNotAllowedInState},
	"a lapsed grant is not":  {given: recoverytest.Granted(), when: e{Kind: recovery.RedeemGrant, GrantID: "gnt_1"}, at: day + 10*time.Minute, illegal: fault.CodeNotAllowedInState},
	"probation ends":         {given: recoverytest.Completed(), when: kind(recovery.Due), at: 8 * day, want: recovery.Closed, action: audit.RecoveryProbationEnded},
	"probation has not":      {given: recoverytest.Completed(), when: kind(recovery.Due), at: 8*day - 1, illegal: fault.CodeNotAllowedInState},
	"a closed one is closed": {given: recoverytest.In(recovery.Closed), when: recoverytest.Claim(), at: 9 * day, illegal: fault.CodeNotAllowedInState},
}

//nolint:gochecknoglobals // a table.
var humanCases = map[string]applied{
	"to humans from verifying":   {given: recoverytest.Verifying(), when: kind(recovery.Escalate), want: recovery.Assisted, action: audit.RecoveryAssisted},
	"to humans from the hold":    {given: recoverytest.CoolingOff(), when: kind(recovery.Escalate), want: recovery.Assisted, action: audit.RecoveryAssisted},
	"to humans from a contest":   {given: recoverytest.Contested(factor.E0), when: kind(recovery.Escalate), at: day, want: recovery.Assisted, action: audit.RecoveryAssisted},
	"to humans from ready":       {given: recoverytest.Ready(), when: kind(recovery.Escalate), at: day, want: recovery.Assisted, action: audit.RecoveryAssisted},
	"to humans with a grant out": {given: recoverytest.Granted(), when: kind(recovery.Escalate), at: day, want: recovery.Assisted, action: audit.RecoveryAssisted},
	"two humans approve": {
		given: recoverytest.Assisted(), when: recoverytest.Approval(), want: recovery.CoolingOff, action: audit.RecoveryApproved,
		notices: told(recovery.NoticeHeld),
	},
	"an agent flags what has just begun": {
		given: recoverytest.Initiated(), when: e{Kind: recovery.Escalate, Reason: "fraud_flag"}, want: recovery.Assisted, action: audit.RecoveryAssisted,
	},
	"one human twice":        {given: recoverytest.Assisted(), when: e{Kind: recovery.Approve, Approvers: []string{"agt_1", "agt_1"}}, illegal: fault.CodeNotAllowedInState},
	"one human and nobody":   {given: recoverytest.Assisted(), when: e{Kind: recovery.Approve, Approvers: []string{"agt_1", ""}}, illegal: fault.CodeNotAllowedInState},
	"one human":              {given: recoverytest.Assisted(), when: e{Kind: recovery.Approve, Approvers: []string{"agt_1"}}, illegal: fault.CodeNotAllowedInState},
	"nobody may approve now": {given: recoverytest.CoolingOff(), when: recoverytest.Approval(), illegal: fault.CodeNotAllowedInState},
	"humans refuse": {
		given: recoverytest.Assisted(), when: kind(recovery.Deny), want: recovery.Denied, action: audit.RecoveryDenied, notices: told(recovery.NoticeDenied),
	},
	"an appeal":                 {given: recoverytest.Denied(), when: kind(recovery.Appeal), at: day, want: recovery.Assisted, action: audit.RecoveryAppealed},
	"an appeal after a month":   {given: recoverytest.Denied(), when: kind(recovery.Appeal), at: 30 * day, illegal: fault.CodeNotAllowedInState},
	"humans do not get to it":   {given: recoverytest.Assisted(), when: kind(recovery.Due), at: 30 * day, want: recovery.Expired, action: audit.RecoveryExpired},
	"stopped before it began":   {given: recoverytest.Initiated(), when: kind(recovery.Cancel), want: recovery.Cancelled, action: audit.RecoveryCancelled},
	"stopped while proving":     {given: recoverytest.Verifying(), when: kind(recovery.Cancel), want: recovery.Cancelled, action: audit.RecoveryCancelled},
	"stopped before humans":     {given: recoverytest.Assisted(), when: kind(recovery.Cancel), want: recovery.Cancelled, action: audit.RecoveryCancelled, notices: told(recovery.NoticeCancelled)},
	"stopped in the hold":       {given: recoverytest.CoolingOff(), when: kind(recovery.Cancel), want: recovery.Cancelled, action: audit.RecoveryCancelled, notices: told(recovery.NoticeCancelled)},
	"stopped in a contest":      {given: recoverytest.Contested(factor.E0), when: kind(recovery.Cancel), at: day, want: recovery.Cancelled, action: audit.RecoveryCancelled, notices: told(recovery.NoticeCancelled)},
	"stopped when ready":        {given: recoverytest.Ready(), when: kind(recovery.Cancel), at: day, want: recovery.Cancelled, action: audit.RecoveryCancelled, notices: told(recovery.NoticeCancelled)},
	"stopped with a grant out":  {given: recoverytest.Granted(), when: kind(recovery.Cancel), at: day, want: recovery.Cancelled, action: audit.RecoveryCancelled, notices: told(recovery.NoticeCancelled)},
	"not after its completion":  {given: recoverytest.Completed(), when: kind(recovery.Cancel), at: day, illegal: fault.CodeNotAllowedInState},
	"a decoy is for no humans":  {given: given(recoverytest.Assisted(), func(x *r) { x.Account = "" }), when: recoverytest.Approval(), illegal: fault.CodeNotAllowedInState},
	"theirs is the IdP's alone": {given: given(recoverytest.Assisted(), func(x *r) { x.Plan.DeferToIDP = true }), when: recoverytest.Approval(), illegal: fault.CodeNotAllowedInState},
}

// TestRecovery_Apply plays every line of the table at least once, and what is refused beside it.
func TestRecovery_Apply(t *testing.T) {
	t.Parallel()
	hit := map[int]bool{}
	for _, cases := range []map[string]applied{verifyingCases, holdCases, humanCases, objectionCases} {
		for name, tc := range cases {
			now := recoverytest.T0().Add(tc.at)
			if n, ok := recovery.LineOf(tc.given, tc.when, now); ok {
				hit[n] = true
			}
			t.Run(name, func(t *testing.T) {
				t.Parallel()
				step, err := tc.given.Apply(tc.when, now)
				if tc.illegal != "" {
					require.Equal(t, tc.illegal, fault.CodeOf(err))
					require.False(t, step.Valid())
					return
				}
				require.NoError(t, err)
				require.True(t, step.Valid())
				require.Equal(t, tc.want, step.To)
				require.Equal(t, tc.want, step.Next.State)
				require.Equal(t, tc.action, step.Action)
				require.Equal(t, tc.notices, step.Notices)
				require.Equal(t, tc.refused, fault.CodeOf(step.Refusal()))
				require.Equal(t, tc.given.Version+1, step.Next.Version)
				require.Equal(t, now, step.Next.ChangedAt)
			})
		}
	}
	for n, line := range recovery.Lines() {
		require.True(t, hit[n], "no case plays line %d: %s, %s [%s] to %s", n, line.From, line.On, line.If, line.To)
	}
}
