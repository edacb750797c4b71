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

	// claimantStronger: the proof has to count for something, since most claims outweigh a bare link from the first. One by an
	// authenticator enrolled yesterday is no step up.
	claimantStronger = guard{"claimant stronger, by a proof that counts", func(r Recovery, ev Event, _ time.Time) bool {
		return ev.Evidence != nil && strength([]factor.Evidence{*ev.Evidence}) > factor.E0 && withProof(r, ev).claim() > r.objector()
	}}

	// tie: both sides hold as much as can be held, or the same strong evidence; only humans can tell them apart.
	tie = guard{"tie", func(r Recovery, ev Event, _ time.Time) bool {
		return r.objector() >= factor.E2 && withProof(r, ev).claim() == r.objector()
	}}
	objectionTie = guard{"tie", func(r Recovery, ev Event, _ time.Time) bool {
		return ev.Objection != nil && ev.Objection.Strength >= factor.E2 && ev.Objection.Strength == r.claim()
	}}

	twoHumans = guard{"two humans approved", func(r Recovery, ev Event, _ time.Time) bool {
		return !r.Plan.DeferToIDP && !r.Decoy() && len(ev.Approvers) >= 2 && ev.Approvers[0] != ev.Approvers[1] &&
			ev.Approvers[0] != "" && ev.Approvers[1] != ""
	}}

	// inLife: an appeal has to come while the recovery's whole life has not passed.
	inLife = guard{"within 30 days", func(r Recovery, _ Event, now time.Time) bool {
		return now.Before(r.CreatedAt.Add(LiveFor))
	}}

	pastDeadline = guard{"past the deadline", func(r Recovery, _ Event, now time.Time) bool { return !now.Before(r.ExpiresAt) }}

	holdOverRiskHigher = guard{"hold over, risk rose", func(r Recovery, ev Event, now time.Time) bool {
		return holdOver(r, now) && ev.Decision != nil && stricter(r, ev, now)
	}}
	// riskRose: between the hold's end and the grant the policy came to demand more. The claimant waits again; a grant refused
	// until the window closes would let anybody who raises the risk keep the owner out.
	riskRose = guard{"risk rose", func(r Recovery, ev Event, now time.Time) bool {
		return ev.Decision != nil && stricter(r, ev, now)
	}}
	releasable = guard{"hold over, notice accepted, no objection, risk not higher", func(r Recovery, ev Event, now time.Time) bool {
		return holdOver(r, now) && gate(r, ev, now)
	}}
	undeliverable = guard{"hold over, no notice accepted", func(r Recovery, _ Event, now time.Time) bool {
		return holdOver(r, now) && !r.noticeAccepted() &&
			(r.NoticesOpen == 0 || !now.Before(later(r.NotBefore, r.HeldAt).Add(EscalateAfter)))
	}}

	// acceptanceLost: the hold was over because a notice had been accepted, and since then its provider said that it failed. Who
	// waits for the claimant to come must not let them in on an owner who never heard.
	acceptanceLost = guard{"no notice accepted any more", func(r Recovery, _ Event, _ time.Time) bool { return !r.noticeAccepted() }}

	// insufficient: while it was held the policy became stricter than what was shown. Waiting longer would not change that.
	insufficient = guard{"hold over, evidence no longer suffices", func(r Recovery, _ Event, now time.Time) bool {
		return holdOver(r, now) && (r.Plan.DeferToIDP || !r.sufficient(now))
	}}

	// reminderDue: half of the hold is over, or twelve hours are left, and the owner was not reminded since.
	reminderDue = guard{"half-time, or 12 h before the end", func(r Recovery, _ Event, now time.Time) bool {
		next := r.nextReminder()
		return !holdOver(r, now) && !next.IsZero() && !now.Before(next)
	}}

	pauseOver = guard{"objector silent for 72 h", func(r Recovery, _ Event, now time.Time) bool {
		return !now.Before(r.pauseEnds())
	}}
	// pauseOverTie: an objection with as much evidence as the claim does not lapse by silence (4.2: "equal strength").
	pauseOverTie = guard{"objector silent for 72 h, tie", func(r Recovery, ev Event, now time.Time) bool {
		return pauseOver.holds(r, ev, now) && r.objector() >= factor.E2 && r.objector() >= r.claim()
	}}
	// heard: the same channel says the same again. It is written down and not told to everybody once more.
	heard = guard{"this channel's objection stands", func(r Recovery, ev Event, _ time.Time) bool {
		return ev.Objection != nil && r.heard(*ev.Objection)
	}}
	// provenButSpent: who may not pause again, but comes with evidence, is adjudicated and not turned away (I4, R-106).
	provenButSpent = guard{"objection E2 or more, pauses spent", func(r Recovery, ev Event, now time.Time) bool {
		return ev.Objection != nil && ev.Objection.Strength >= factor.E2 && pauseSpent.holds(r, ev, now)
	}}
	pauseSpent = guard{"this channel's pause, or all pauses, spent", func(r Recovery, ev Event, _ time.Time) bool {
		return ev.Objection == nil || r.objectedFrom(ev.Objection.reach()) || r.PausedTotal >= PauseTotal
	}}

	// strongerInEvidence: evidence kills, unless the claim is as strong as claims get.
	strongerInEvidence = guard{"objection E2 or more, claim below E3", func(r Recovery, ev Event, _ time.Time) bool {
		return ev.Objection != nil && ev.Objection.Strength >= factor.E2 && r.claim() < factor.E3 &&
			(r.State != Contested || ev.Objection.Strength > r.claim())
	}}

	// provenStronger: before a first proof a claim could be a decoy's, which is never vetoed (I8).
	provenStronger = guard{"proven, objection E2 or more, claim below E3", func(r Recovery, ev Event, now time.Time) bool {
		return r.Proven() && strongerInEvidence.holds(r, ev, now)
	}}

	inProbation      = guard{"within probation", func(r Recovery, _ Event, now time.Time) bool { return now.Before(r.ProbationUntil) }}
	heardInProbation = guard{"within probation, this channel's objection stands", func(r Recovery, ev Event, now time.Time) bool {
		return now.Before(r.ProbationUntil) && ev.Objection != nil && r.heard(*ev.Objection)
	}}
	reclaims = guard{"within probation, stronger than the claim", func(r Recovery, ev Event, now time.Time) bool {
		return now.Before(r.ProbationUntil) && ev.Objection != nil && ev.Objection.Strength >= factor.E2 &&
			ev.Objection.Strength > r.claim()
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
	return ev.Decision != nil && !stricter(r, ev, now) && !r.Decoy() && !r.Plan.DeferToIDP && !r.openObjection() && r.noticeAccepted() &&
		r.sufficient(now)
}

// stricter reports whether the policy now sees a higher tier than the recovery has sat out its hold for, or demands what was
// not shown.
func stricter(r Recovery, ev Event, now time.Time) bool {
	n := ratcheted(r, ev)
	return n.Tier > r.Tier || (n.Plan.DeferToIDP && !r.Plan.DeferToIDP) || (r.sufficient(now) && !n.sufficient(now))
}

// nextReminder is when the owner is to be reminded next of a hold that runs; zero for not any more. A node that slept past
// both moments reminds once. A hold that a pause made longer has a new half-time.
func (r Recovery) nextReminder() time.Time {
	var next time.Time
	last := later(r.HeldAt, r.RemindedAt)
	for _, at := range []time.Time{r.HeldAt.Add(r.NotBefore.Sub(r.HeldAt) / 2), r.NotBefore.Add(-RemindBefore)} {
		if at.After(last) && (next.IsZero() || at.Before(next)) {
			next = at
		}
	}
	return next
}

func holdOver(r Recovery, now time.Time) bool { return !now.Before(r.NotBefore) }

// pauseLeft is how long the current pause may last: 72 hours, and never more than what is left of the total (I4).
func (r Recovery) pauseLeft() time.Duration { return min(PauseFor, PauseTotal-r.PausedTotal) }

// pauseEnds is when the current pause ends if nobody says more.
func (r Recovery) pauseEnds() time.Time { return r.ContestedAt.Add(r.pauseLeft()) }

// resumedNotBefore is when the hold ends if the current pause ends at the time given: what was left of it, 24 hours at least.
func (r Recovery) resumedNotBefore(at time.Time) time.Time {
	return later(r.NotBefore, at.Add(max(r.NotBefore.Sub(r.ContestedAt), ResumeAtLeast)))
}

// pausedBy is the total of all pauses if the current one, if there is one, ends now.
func (r Recovery) pausedBy(now time.Time) time.Duration {
	if r.State != Contested {
		return r.PausedTotal
	}
	return r.PausedTotal + min(max(now.Sub(r.ContestedAt), 0), r.pauseLeft())
}

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
