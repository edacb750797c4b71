package recovery

import (
	"time"

	"github.com/holdfast/holdfast/internal/factor"
)

// guard is a named condition of the table; the name stands in the diagram.
type guard struct {
	name  string
	holds func(r Recovery, ev Event, now time.Time) bool
}

//nolint:gochecknoglobals // the guards are constants of the table.
var (
	always = guard{"", func(Recovery, Event, time.Time) bool { return true }}

	// signsInAtMaxAAL: the claimant can still authenticate as strongly as the account demands, so nothing is lost.
	signsInAtMaxAAL = guard{"authenticates at the account's max AAL", func(_ Recovery, ev Event, _ time.Time) bool {
		return ev.Evidence != nil && !ev.Evidence.Suspect && ev.Evidence.AAL > 0 && ev.MaxAAL > 0 && ev.Evidence.AAL >= ev.MaxAAL
	}}

	sufficientUnattended = guard{"evidence suffices", func(r Recovery, ev Event, now time.Time) bool {
		n := withProof(r, ev)
		return !n.Decoy() && !n.Plan.DeferToIDP && n.sufficient(now)
	}}

	// sufficientForHumans: the evidence is there, and the policy wants two humans as well.
	sufficientForHumans = guard{"evidence suffices, humans needed", func(r Recovery, ev Event, now time.Time) bool {
		n := withProof(r, ev)
		return !n.Decoy() && !n.Plan.DeferToIDP && n.Plan.Satisfied(n.Evidence, now)
	}}

	claimantStronger = guard{"claimant stronger", func(r Recovery, ev Event, now time.Time) bool {
		return withProof(r, ev).claim(now) > r.objector()
	}}

	// tie: both sides hold as much as can be held, or the same strong evidence; only humans can tell them apart.
	tie = guard{"tie", func(r Recovery, ev Event, now time.Time) bool {
		return r.objector() >= factor.E2 && withProof(r, ev).claim(now) == r.objector()
	}}
	objectionTie = guard{"tie", func(r Recovery, ev Event, now time.Time) bool {
		return ev.Objection != nil && ev.Objection.Strength >= factor.E2 && ev.Objection.Strength == r.claim(now)
	}}

	twoHumans = guard{"two humans approved", func(r Recovery, ev Event, _ time.Time) bool {
		return !r.Plan.DeferToIDP && !r.Decoy() && len(ev.Approvers) >= 2 && ev.Approvers[0] != ev.Approvers[1]
	}}

	// inLife: an appeal has to come while the recovery's whole life has not passed.
	inLife = guard{"within 30 days", func(r Recovery, _ Event, now time.Time) bool {
		return now.Before(r.CreatedAt.Add(LiveFor))
	}}

	pastDeadline = guard{"past the deadline", func(r Recovery, _ Event, now time.Time) bool { return !now.Before(r.ExpiresAt) }}

	holdOverRiskHigher = guard{"hold over, risk rose", func(r Recovery, ev Event, now time.Time) bool {
		return holdOver(r, now) && ev.Decision != nil && stricter(r, ev)
	}}
	releasable = guard{"hold over, notice accepted, no objection, risk not higher", func(r Recovery, ev Event, now time.Time) bool {
		return holdOver(r, now) && gate(r, ev, now)
	}}
	undeliverable = guard{"hold over, no notice accepted", func(r Recovery, _ Event, now time.Time) bool {
		return holdOver(r, now) && !r.noticeAccepted() &&
			(r.NoticesOpen == 0 || !now.Before(later(r.NotBefore, r.HeldAt).Add(EscalateAfter)))
	}}

	pauseOver = guard{"objector silent for 72 h", func(r Recovery, _ Event, now time.Time) bool {
		return !now.Before(r.ContestedAt.Add(r.pauseLeft()))
	}}
	pauseSpent = guard{"this channel's pause, or all pauses, spent", func(r Recovery, ev Event, _ time.Time) bool {
		return ev.Objection == nil || r.objectedFrom(ev.Objection.Channel) || r.PausedTotal >= PauseTotal
	}}

	// strongerInEvidence: evidence kills, unless the claim is as strong as claims get.
	strongerInEvidence = guard{"objection E2 or more, claim below E3", func(r Recovery, ev Event, now time.Time) bool {
		return ev.Objection != nil && ev.Objection.Strength >= factor.E2 && r.claim(now) < factor.E3 &&
			(r.State != Contested || ev.Objection.Strength > r.claim(now))
	}}

	inProbation = guard{"within probation", func(r Recovery, _ Event, now time.Time) bool { return now.Before(r.ProbationUntil) }}
	reclaims    = guard{"within probation, stronger than the claim", func(r Recovery, ev Event, now time.Time) bool {
		return now.Before(r.ProbationUntil) && ev.Objection != nil && ev.Objection.Strength >= factor.E2 &&
			ev.Objection.Strength > r.claim(r.CompletedAt)
	}}

	// finalGate re-verifies everything at the moment of execution, though Ready was reached by the same gate.
	finalGate = guard{"gate holds", func(r Recovery, ev Event, now time.Time) bool {
		return ev.GrantID != "" && !now.Before(r.NotBefore) && gate(r, ev, now)
	}}
	redeemable = guard{"this grant, in time, gate holds", func(r Recovery, ev Event, now time.Time) bool {
		return ev.GrantID != "" && ev.GrantID == r.GrantID && now.Before(r.GrantExpires) && !now.Before(r.NotBefore) &&
			!r.openObjection() && r.noticeAccepted() && r.sufficient(now)
	}}

	grantLapsedInTime = guard{"grant lapsed, still in the window", func(r Recovery, _ Event, now time.Time) bool {
		return !now.Before(r.GrantExpires) && now.Before(r.ReadyUntil)
	}}
	grantLapsed   = guard{"grant and window lapsed", func(r Recovery, _ Event, now time.Time) bool { return !now.Before(r.GrantExpires) }}
	probationOver = guard{"probation over", func(r Recovery, _ Event, now time.Time) bool { return !now.Before(r.ProbationUntil) }}
)

// gate is what must be true of any recovery that is let through (I1): the evidence suffices, no objection stands, an
// independent address accepted the notice, and the risk as judged now is not above what the plan was made for.
// Without a fresh decision it stays shut.
func gate(r Recovery, ev Event, now time.Time) bool {
	return ev.Decision != nil && !stricter(r, ev) && !r.Decoy() && !r.Plan.DeferToIDP && !r.openObjection() && r.noticeAccepted() &&
		r.sufficient(now)
}

// stricter reports whether the policy now sees a higher tier than the recovery has sat out its hold for.
func stricter(r Recovery, ev Event) bool {
	return ev.Decision.Tier > r.Tier
}

func holdOver(r Recovery, now time.Time) bool { return !now.Before(r.NotBefore) }

// pauseLeft is how long the current pause may last: 72 hours, and never more than what is left of the total (I4).
func (r Recovery) pauseLeft() time.Duration { return min(PauseFor, PauseTotal-r.PausedTotal) }

// withProof is the recovery as it would be with the event's evidence and the ratcheted plan.
func withProof(r Recovery, ev Event) Recovery {
	r = ratcheted(r, ev)
	if ev.Evidence != nil {
		r.Evidence = append(append([]factor.Evidence(nil), r.Evidence...), *ev.Evidence)
	}
	return r
}

// ratcheted is the recovery with the plan made as strict as the event's decision wants it, never laxer.
func ratcheted(r Recovery, ev Event) Recovery {
	if ev.Decision != nil {
		r.Plan = r.Plan.Ratchet(ev.Decision.Plan)
		r.Tier = max(r.Tier, ev.Decision.Tier)
	}
	return r
}

func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}
