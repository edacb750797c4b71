package recovery

import (
	"slices"
	"time"

	"github.com/holdfast/holdfast/internal/factor"
	"github.com/holdfast/holdfast/internal/fault"
	"github.com/holdfast/holdfast/internal/policy"
)

// effect is a named consequence of a line of the table; the name stands in the diagram.
type effect struct {
	name string
	fill func(s *Step, r Recovery, ev Event, now time.Time)
}

//nolint:gochecknoglobals // the effects are constants of the table.
var (
	ask = effect{"send a challenge", func(s *Step, _ Recovery, ev Event, _ time.Time) {
		s.detail("method", string(ev.Method))
		s.detail("challenge", ev.Challenge)
	}}
	addProof = effect{"keep the evidence", func(s *Step, _ Recovery, ev Event, _ time.Time) { s.proof(ev) }}

	// refuseProof counts and refuses: the refusal is returned after the count is committed (ADR 0003).
	refuseProof = effect{"count the failure", func(s *Step, _ Recovery, ev Event, _ time.Time) {
		s.detail("method", string(ev.Method))
		s.detail("challenge", ev.Challenge)
		s.refusal = fault.Of(fault.CodeProofRefused)
	}}

	handToBinding = effect{"hand over to binding, tell the owner", func(s *Step, _ Recovery, ev Event, _ time.Time) {
		s.proof(ev)
		s.notify(NoticeStarted)
	}}

	startHold = effect{"start the hold, tell the owner everywhere", func(s *Step, _ Recovery, ev Event, now time.Time) {
		s.proof(ev)
		s.hold(now, s.Next.Plan.Hold)
	}}
	startAssistedHold = effect{"start a hold of tier high or above, tell the owner everywhere", func(s *Step, _ Recovery, ev Event, now time.Time) {
		s.Next = ratcheted(s.Next, ev) // what the policy has come to demand meanwhile counts
		s.Next.Approved = []string{ev.Approvers[0], ev.Approvers[1]}
		s.resolveObjections() // they judged them; one that comes later is heard as any other
		s.Next.Tier = max(s.Next.Tier, policy.High, ev.Least)
		s.approved(ev)
		s.hold(now, max(s.Next.Plan.Hold, policy.FloorHold(s.Next.Tier), ev.Hold))
	}}
	extendHold = effect{"extend the hold", func(s *Step, r Recovery, ev Event, _ time.Time) {
		s.Next = ratcheted(s.Next, ev)
		s.Next.NotBefore = later(r.NotBefore, r.HeldAt.Add(s.Next.Plan.Hold))
		s.detail("tier", s.Next.Tier.String())
	}}
	holdAgain = effect{"hold again, longer", func(s *Step, r Recovery, ev Event, _ time.Time) {
		s.Next = ratcheted(s.Next, ev)
		s.Next.NotBefore = later(r.NotBefore, r.HeldAt.Add(s.Next.Plan.Hold))
		s.Next.ReadyUntil = time.Time{}
		s.Next.ExpiresAt = r.CreatedAt.Add(LiveFor)
		s.detail("tier", s.Next.Tier.String())
		s.refusal = fault.Of(fault.CodeNotReady)
	}}
	remind = effect{"remind the owner everywhere", func(s *Step, _ Recovery, _ Event, now time.Time) {
		s.Next.RemindedAt = now
		s.detail("not_before", s.Next.NotBefore)
		s.notify(NoticeReminder)
	}}
	release = effect{"open the window", func(s *Step, r Recovery, _ Event, now time.Time) {
		s.Next.ReadyUntil = earlier(now.Add(r.Plan.ReadyFor), r.CreatedAt.Add(LiveFor))
		s.Next.ExpiresAt = s.Next.ReadyUntil
		if r.NotBefore.After(r.HeldAt) {
			s.notify(NoticeReady)
		}
	}}

	askHumans = effect{"ask two humans", func(s *Step, r Recovery, ev Event, now time.Time) {
		s.proof(ev)
		s.toHumans(r, now)
	}}
	askHumansUnheard = effect{"void the grant, ask two humans: the owner was not reached", func(s *Step, r Recovery, _ Event, now time.Time) {
		s.Reason = "undeliverable"
		s.toHumans(r, now)
	}}
	askHumansAtCritical = effect{"ask two humans, tier critical", func(s *Step, r Recovery, ev Event, now time.Time) {
		s.proof(ev)
		s.objection(ev, now)
		s.Next.Tier = policy.Critical
		s.toHumans(r, now)
	}}
	deny = effect{"tell the owner", func(s *Step, _ Recovery, ev Event, _ time.Time) {
		s.decided(ev)
		s.notify(NoticeDenied)
	}}
	reopen = effect{"ask two humans again", func(s *Step, r Recovery, _ Event, now time.Time) { s.toHumans(r, now) }}

	pause = effect{"stop the clock, void the grant, tell both sides", func(s *Step, _ Recovery, ev Event, now time.Time) {
		s.objection(ev, now)
		s.Next.ContestedAt = now
		s.Next.ReadyUntil = time.Time{}
		s.Next.ExpiresAt = s.Next.CreatedAt.Add(LiveFor)
		s.voidGrant()
		s.notify(NoticeObjected)
	}}
	noteObjection = effect{"record the objection", func(s *Step, _ Recovery, ev Event, now time.Time) {
		s.objection(ev, now)
		s.notify(NoticeObjected)
	}}
	heardAlready    = effect{"nothing new", func(*Step, Recovery, Event, time.Time) {}}
	refuseObjection = effect{"refuse a further pause", func(s *Step, _ Recovery, _ Event, _ time.Time) {
		s.refusal = fault.Of(fault.CodeObjectionRefused)
	}}
	veto = effect{"void the grant, suspect what the claim rested on, tell the owner", func(s *Step, r Recovery, ev Event, now time.Time) {
		s.objection(ev, now)
		s.detail("held", !r.HeldAt.IsZero())
		s.detail("methods", methodsOf(r.Evidence))
		s.voidGrant()
		s.suspect(now.Add(SuspectAfterVeto))
		s.notify(NoticeVetoed)
	}}

	// resumeHold gives the claimant back what was left of the hold, 24 hours at least, and closes the objections: their
	// channels have had their one pause.
	resumeHold = effect{"resume what is left of the hold, at least 24 h", func(s *Step, r Recovery, ev Event, now time.Time) {
		s.proof(ev)
		s.resolveObjections()
		s.Next.PausedTotal = r.pausedBy(now)
		s.Next.NotBefore = later(r.resumedNotBefore(now), r.HeldAt.Add(s.Next.Plan.Hold)) // a proof may have raised the tier
		s.Next.ReadyUntil = time.Time{}
		s.Next.ExpiresAt = r.CreatedAt.Add(LiveFor)
	}}

	issueGrant = effect{"issue a grant", func(s *Step, _ Recovery, ev Event, now time.Time) {
		s.Next.GrantID, s.Next.GrantExpires = ev.GrantID, now.Add(GrantFor)
		s.Next.ExpiresAt = later(s.Next.ExpiresAt, s.Next.GrantExpires)
		s.detail("grant", ev.GrantID)
	}}
	takeGrantBack = effect{"void the grant", func(s *Step, r Recovery, _ Event, _ time.Time) {
		s.voidGrant()
		s.Next.ExpiresAt = r.ReadyUntil
	}}
	complete = effect{"redeem the grant, start probation, tell the owner everywhere", func(s *Step, r Recovery, ev Event, now time.Time) {
		s.Next.GrantRedeemed = true
		s.Next.CompletedAt = now
		s.Next.ProbationUntil = now.Add(r.Plan.Probation)
		s.detail("grant", ev.GrantID)
		s.detail("actions", actions(r))
		s.detail("aal", assurance(r.Evidence))
		s.detail("approved", len(r.Approved) > 0)
		s.detail("probation_until", s.Next.ProbationUntil)
		s.notify(NoticeCompleted)
	}}

	// reverse takes from the claimant what the recovery gave: the code that took the used one's place, and all trust in what the
	// claim rested on. Sessions and credentials are the identity system's to end; the account's status tells it which.
	reverse = effect{"give the account back to the owner, suspect what the claim rested on, revoke its new code", func(s *Step, r Recovery, ev Event, now time.Time) {
		s.objection(ev, now)
		s.detail("actions", actions(r))
		s.suspect(now.Add(SuspectAfterReversal))
		s.RevokeCodesSince = r.CompletedAt
		s.notify(NoticeReversed)
	}}
	noteReversal = effect{"record the request for a reversal", func(s *Step, _ Recovery, ev Event, now time.Time) {
		s.objection(ev, now)
		s.notify(NoticeObjected)
	}}

	end = effect{"end it", func(s *Step, _ Recovery, _ Event, _ time.Time) {
		if s.From == Granted {
			s.voidGrant()
		}
	}}
	endAndTell = effect{"end it, void the grant, tell the owner", func(s *Step, _ Recovery, _ Event, _ time.Time) {
		s.voidGrant()
		s.notify(NoticeCancelled)
	}}
)

// methodsOf lists the methods of evidence, each once.
func methodsOf(evidence []factor.Evidence) []string {
	out := make([]string, 0, len(evidence))
	for _, e := range evidence {
		if !slices.Contains(out, string(e.Method)) {
			out = append(out, string(e.Method))
		}
	}
	return out
}

// proof takes the event's evidence and decision into the next recovery.
func (s *Step) proof(ev Event) {
	s.Next = withProof(s.Next, ev)
	if ev.Evidence == nil {
		return
	}
	s.NewEvidence = ev.Evidence
	s.detail("method", string(ev.Evidence.Method))
	s.detail("class", string(ev.Evidence.Class))
	s.detail("source", ev.Evidence.Source)
	s.detail("challenge", ev.Challenge)
	s.detail("tier", s.Next.Tier.String())
}

// approved takes what two humans accepted as proof into the next recovery: from then on it counts against an objection as
// any evidence does (requirements.md, section 4.1, class P).
// What was accepted in an earlier round, before the recovery came back to people, stays the evidence that it is.
func (s *Step) approved(ev Event) {
	s.decided(ev)
	s.NewApproved = slices.DeleteFunc(slices.Clone(ev.Approved), func(e factor.Evidence) bool { return s.Next.usedAsEvidence(e.Reach()) })
	s.Next.Evidence = append(slices.Clone(s.Next.Evidence), s.NewApproved...)
	s.detail("tier", s.Next.Tier.String())
}

// decided says in the trail what people decided about, and whether an AI agent had a part in it.
func (s *Step) decided(ev Event) {
	s.detail("proposal", ev.Proposal)
	if ev.AIInvolved {
		s.detail("ai_involved", true)
	}
	if len(ev.Approvers) > 0 {
		s.detail("approvers", ev.Approvers)
	}
}

// hold starts the cooling-off period. not_before never moves earlier (I2), and the deadline is now the whole life.
func (s *Step) hold(now time.Time, d time.Duration) {
	s.Next.HeldAt = now
	s.Next.NotBefore = later(s.Next.NotBefore, now.Add(d))
	s.Next.ExpiresAt = s.Next.CreatedAt.Add(LiveFor)
	s.detail("not_before", s.Next.NotBefore)
	s.notify(NoticeHeld)
}

// toHumans hands the recovery to support; what was approved before no longer counts.
func (s *Step) toHumans(r Recovery, now time.Time) {
	s.voidGrant()
	s.Next.Approved = nil
	s.Next.PausedTotal = r.pausedBy(now)
	s.Next.ReadyUntil = time.Time{}
	s.Next.ExpiresAt = s.Next.CreatedAt.Add(LiveFor)
}

// objection records the event's objection, where it carries one.
func (s *Step) objection(ev Event, now time.Time) {
	if ev.Objection == nil {
		return
	}
	o := *ev.Objection
	o.At, o.Open = now, true
	s.Next.Objections = append(append([]Objection(nil), s.Next.Objections...), o)
	s.NewObjection = &o
	s.detail("objection", o.ID)
	s.detail("channel", o.Channel)
	s.detail("strength", o.Strength.String())
}

// suspect marks the sources of the claim's evidence until the time given: a cool-down on those means, never on the account
// (requirements.md, section 4.2; I5).
func (s *Step) suspect(until time.Time) {
	for _, e := range s.Next.Evidence {
		if e.Method != factor.RecoveryCode && !slices.Contains(s.Suspect, e.Source) { // a used code is used up
			s.Suspect = append(s.Suspect, e.Source)
		}
	}
	s.SuspectUntil = until
	if len(s.Suspect) > 0 {
		s.detail("suspect", s.Suspect)
	}
}

// resolveObjections closes what stands.
func (s *Step) resolveObjections() {
	open := make([]Objection, len(s.Next.Objections))
	for i, o := range s.Next.Objections {
		o.Open = false
		open[i] = o
	}
	s.Next.Objections = open
	s.ResolveObjections = true
}

// voidGrant takes an outstanding grant back.
func (s *Step) voidGrant() {
	if s.Next.GrantID == "" || s.Next.GrantRedeemed {
		return
	}
	s.VoidGrant = s.Next.GrantID
	s.Next.GrantID, s.Next.GrantExpires = "", time.Time{}
}
