package recoverytest

import (
	"fmt"
	"slices"
	"time"

	"github.com/holdfast/holdfast/internal/factor"
	"github.com/holdfast/holdfast/internal/policy"
	"github.com/holdfast/holdfast/internal/recovery"
)

// The pace of the built recoveries.
const (
	Hold      = 24 * time.Hour
	Probation = 7 * 24 * time.Hour
	ReadyFor  = 48 * time.Hour
	day       = 24 * time.Hour
)

// The channels of the built account: codes go to Mailbox, notices to both.
const (
	Mailbox = "chn_mailbox"
	Phone   = "chn_phone"
)

// T0 is when built recoveries begin.
func T0() time.Time { return time.Date(2026, 3, 1, 9, 0, 0, 0, time.UTC) }

// Plan demands a code sent to an address and a saved code, a day's hold, and a notice to an address outside the evidence.
func Plan() policy.Plan {
	need := func(c factor.Class, m ...factor.Method) policy.Need { return policy.Need{Class: c, Methods: m} }
	return policy.Plan{
		PolicyVersion: "test-1", Tier: policy.Moderate,
		Alternatives: []policy.Alternative{
			{Needs: []policy.Need{need(factor.Saved, factor.RecoveryCode), need(factor.Issued, factor.Email, factor.SMS)}},
			{Needs: []policy.Need{need(factor.Issued, factor.Email, factor.SMS), need(factor.Authenticator, factor.TOTP)}},
		},
		Methods: []factor.Method{factor.Email, factor.SMS, factor.TOTP, factor.RecoveryCode},
		Hold:    Hold, Probation: Probation, ReadyFor: ReadyFor, IndependentNotice: true,
	}
}

// Decision is the policy's word for a plan, at the plan's tier.
func Decision(change ...func(*policy.Plan)) *policy.Decision {
	p := Plan()
	for _, c := range change {
		c(&p)
	}
	return &policy.Decision{Tier: p.Tier, Plan: p, PolicyVersion: p.PolicyVersion}
}

// Proof is an accepted proof by a factor that was age on file at the time at.
func Proof(m factor.Method, source string, age time.Duration, at time.Time) *factor.Evidence {
	class, _ := m.Class()
	return &factor.Evidence{Method: m, Class: class, Source: source, Since: at.Add(-age), At: at}
}

// Accepted is the event of a proof that was right.
func Accepted(m factor.Method, source string, age time.Duration, at time.Time) recovery.Event {
	return recovery.Event{
		Kind: recovery.ProofAccepted, Method: m, Challenge: "chl_" + string(m), Evidence: Proof(m, source, age, at), MaxAAL: 2, Decision: Decision(),
	}
}

// Objected is the event of an objection of that strength from a channel.
func Objected(channel string, s factor.Strength) recovery.Event {
	return recovery.Event{Kind: recovery.Object, Objection: &recovery.Objection{ID: "obj_" + channel, Channel: channel, Strength: s}}
}

// Timed is the event of a time that has come, with the policy's word as it was.
func Timed(change ...func(*policy.Plan)) recovery.Event {
	return recovery.Event{Kind: recovery.Due, Decision: Decision(change...)}
}

// Claim is the event of a grant that is taken.
func Claim() recovery.Event {
	return recovery.Event{Kind: recovery.ClaimGrant, GrantID: "gnt_1", Decision: Decision()}
}

// Approval is the event of two humans who approved.
func Approval() recovery.Event {
	return recovery.Event{Kind: recovery.Approve, Approvers: []string{"agt_1", "agt_2"}}
}

// Play applies events one after the other, all at one time. It panics at one that the machine refuses.
func Play(r recovery.Recovery, at time.Time, events ...recovery.Event) recovery.Recovery {
	for _, ev := range events {
		step, err := r.Apply(ev, at)
		if err != nil {
			panic(fmt.Sprintf("recoverytest: %s in %s: %v", ev.Kind, r.State, err))
		}
		r = step.Next
	}
	return r
}

// Initiated is a recovery that has just begun.
func Initiated() recovery.Recovery {
	return recovery.Open(recovery.Recovery{
		ID: "rcv_1", Tenant: "demo", Reference: "HF-7K2M-9QXD", Account: "acc_1", Subject: "acc_1", Client: "cli_1",
		Reason: recovery.LostPassword, Plan: Plan(), Tier: policy.Moderate,
	}, T0()).Next
}

// Decoy is a recovery of an account that does not exist, at its first challenge.
func Decoy() recovery.Recovery {
	r := Initiated()
	r.Account, r.Subject = "", "decoy"
	return Play(r, T0(), recovery.Event{Kind: recovery.ChallengeRequested, Method: factor.Email, Challenge: "chl_email"})
}

// Verifying is a recovery at its first challenge.
func Verifying() recovery.Recovery {
	return Play(Initiated(), T0(), recovery.Event{Kind: recovery.ChallengeRequested, Method: factor.Email, Challenge: "chl_email"})
}

// CoolingOff is held since T0: the mailbox and a saved code were shown, 40 and 20 days old. The phone took the notice.
func CoolingOff() recovery.Recovery {
	r := Play(Verifying(), T0(), Accepted(factor.Email, Mailbox, 20*day, T0()), Accepted(factor.RecoveryCode, "svc_1", 20*day, T0()))
	r.NoticesOK = Told(Mailbox, Phone)
	return r
}

// Strong is CoolingOff with a claim of strength E3.
func Strong() recovery.Recovery {
	r := CoolingOff()
	r.Evidence = slices.Clone(r.Evidence)
	r.Evidence[0].Since = T0().Add(-40 * day)
	return r
}

// Ready is CoolingOff at its end.
func Ready() recovery.Recovery { return Play(CoolingOff(), T0().Add(Hold), Timed()) }

// Granted is Ready with a grant out.
func Granted() recovery.Recovery { return Play(Ready(), T0().Add(Hold), Claim()) }

// Completed is Granted with its grant redeemed.
func Completed() recovery.Recovery {
	return Play(Granted(), T0().Add(Hold), recovery.Event{Kind: recovery.RedeemGrant, GrantID: "gnt_1"})
}

// Contested is CoolingOff that the mailbox's link stopped after an hour.
func Contested(s factor.Strength) recovery.Recovery {
	return Play(CoolingOff(), T0().Add(time.Hour), Objected(Mailbox, s))
}

// Assisted is Verifying that was handed to humans.
func Assisted() recovery.Recovery {
	return Play(Verifying(), T0(), recovery.Event{Kind: recovery.Escalate})
}

// Denied is Assisted that the humans refused.
func Denied() recovery.Recovery { return Play(Assisted(), T0(), recovery.Event{Kind: recovery.Deny}) }

// Told lists channels that took the notice, all of them on file for a month.
func Told(channels ...string) []recovery.Told {
	var out []recovery.Told
	for _, c := range channels {
		out = append(out, recovery.Told{Channel: c, Since: T0().Add(-30 * day)})
	}
	return out
}

// In is a recovery in any state, for what must hold of a state whatever led to it.
func In(s recovery.State) recovery.Recovery {
	switch s {
	case recovery.Initiated:
		return Initiated()
	case recovery.Verifying:
		return Verifying()
	case recovery.Assisted:
		return Assisted()
	case recovery.CoolingOff:
		return CoolingOff()
	case recovery.Contested:
		return Contested(factor.E0)
	case recovery.Ready:
		return Ready()
	case recovery.Granted:
		return Granted()
	case recovery.Completed:
		return Completed()
	case recovery.Denied:
		return Denied()
	case recovery.Closed:
		return Play(Completed(), T0().Add(Hold+Probation), Timed())
	case recovery.Vetoed:
		return Play(CoolingOff(), T0(), Objected("app", factor.E2))
	case recovery.Cancelled:
		return Play(CoolingOff(), T0(), recovery.Event{Kind: recovery.Cancel})
	case recovery.Expired:
		return Play(Verifying(), T0().Add(recovery.VerifyFor), Timed())
	case recovery.Reversed:
		return Play(Completed(), T0().Add(Hold), Objected("app", factor.E2))
	case recovery.Rebind:
		ev := Accepted(factor.TOTP, "fct_1", 40*day, T0())
		ev.Evidence.AAL = 2
		return Play(Verifying(), T0(), ev)
	default:
		panic("recoverytest: unknown state " + string(s))
	}
}
