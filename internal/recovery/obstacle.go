package recovery

import "time"

// Obstacle is what keeps a recovery from going on at this moment, for operators: a constant that says it in one word.
type Obstacle string

// The obstacles.
const (
	ObstacleUnknownAccount Obstacle = "unknown_account"        // it names no account: it will never get on
	ObstacleErased         Obstacle = "account_erased"         // its account is gone: every gate stays shut
	ObstacleUnproven       Obstacle = "nothing_proven"         // no proof was accepted yet
	ObstacleEvidence       Obstacle = "evidence_short"         // what was shown does not suffice
	ObstacleOrganisation   Obstacle = "organisation"           // the account signs in through its organisation: no grant ever
	ObstaclePeople         Obstacle = "people_decide"          // two people have to approve it
	ObstacleHold           Obstacle = "hold_runs"              // the hold is not over
	ObstacleObjection      Obstacle = "objection_stands"       // an objection stands
	ObstacleOnTheWay       Obstacle = "notice_on_the_way"      // no notice was accepted yet, and some are still tried
	ObstacleUnreached      Obstacle = "owner_not_reached"      // every notice of the hold failed
	ObstacleDependent      Obstacle = "no_independent_address" // one was accepted, and by no address that speaks for the owner
	ObstacleClaimant       Obstacle = "claimant_absent"        // nothing: the claimant may take the grant
	ObstacleRedemption     Obstacle = "grant_not_redeemed"     // nothing: the identity system may redeem the grant
	ObstacleOver           Obstacle = "over"                   // it ended
)

// Obstacles lists what keeps the recovery from going on at the time now, what weighs most first. Each is judged by the guards
// of the table, so that it cannot say what they do not.
func (r Recovery) Obstacles(accountGone bool, now time.Time) []Obstacle {
	if !r.State.Open() {
		return []Obstacle{ObstacleOver}
	}
	if r.Decoy() {
		return []Obstacle{ObstacleUnknownAccount}
	}
	var out []Obstacle
	add := func(o Obstacle, when bool) {
		if when {
			out = append(out, o)
		}
	}
	add(ObstacleErased, accountGone)
	add(ObstaclePeople, r.State == Assisted)
	add(ObstacleObjection, r.openObjection())
	add(ObstacleOrganisation, r.Plan.DeferToIDP)
	if r.State == Initiated || r.State == Verifying {
		add(ObstacleUnproven, !r.Proven())
	}
	add(ObstacleEvidence, r.Proven() && !r.sufficient(now))
	if !r.HeldAt.IsZero() && !r.noticeAccepted() {
		add(ObstacleDependent, len(r.NoticesOK) > 0)
		add(ObstacleOnTheWay, r.NoticesOpen > 0)
		add(ObstacleUnreached, len(r.NoticesOK) == 0 && r.NoticesOpen == 0)
	}
	add(ObstacleHold, r.State == CoolingOff && !holdOver(r, now))
	if len(out) == 0 {
		add(ObstacleClaimant, r.State == Ready)
		add(ObstacleRedemption, r.State == Granted)
	}
	return out
}

// SpeaksForOwner reports whether a notice to the channel counts for the gate: it was not used for the claim, is not suspect
// and was not when the hold began, and was on file for a week by then; or the plan names its deviation, and any address does.
func (r Recovery) SpeaksForOwner(c Channel) bool {
	told := Told{Channel: c.ID, Address: c.Address, Since: c.Since, Suspect: c.Suspect}
	for _, t := range r.NoticesOK {
		told.Suspect = told.Suspect || (t.Channel == c.ID && t.Suspect)
	}
	return !r.Plan.IndependentNotice || r.independent(told)
}
