package recovery

import (
	"time"

	"github.com/holdfast/holdfast/internal/audit"
	"github.com/holdfast/holdfast/internal/fault"
)

// rule is one line of the table: in From, on On, when If holds, the recovery goes to To, Do fills the step, and the
// audit trail says Action.
type rule struct {
	From   State
	On     EventKind
	If     guard
	To     State
	Do     effect
	Action audit.Action
}

// machine is the whole life of a recovery (requirements.md, section 4.2). Lines are judged from the top, and the first
// whose guard holds is taken. A pair of state and event without a line, or none of whose guards hold, is refused and
// nothing is written. `make generate` draws machine.mmd from it; the database knows its edges.
//
//nolint:gochecknoglobals // the table is a constant.
var machine = []rule{
	{Initiated, ChallengeRequested, always, Verifying, ask, audit.ChallengeRequested},
	{Verifying, ChallengeRequested, always, Verifying, ask, audit.ChallengeRequested},
	{Assisted, ChallengeRequested, always, Assisted, ask, audit.ChallengeRequested},
	{Contested, ChallengeRequested, always, Contested, ask, audit.ChallengeRequested},

	{Verifying, ProofAccepted, signsInAtMaxAAL, Rebind, handToBinding, audit.RecoveryRebind},
	{Verifying, ProofAccepted, sufficientUnattended, CoolingOff, startHold, audit.CoolingOffEntered},
	{Verifying, ProofAccepted, sufficientForHumans, Assisted, askHumans, audit.RecoveryAssisted},
	{Verifying, ProofAccepted, always, Verifying, addProof, audit.ProofAccepted},
	{Assisted, ProofAccepted, always, Assisted, addProof, audit.ProofAccepted},
	{Contested, ProofAccepted, tie, Assisted, askHumansAtCritical, audit.RecoveryAssisted},
	{Contested, ProofAccepted, claimantStronger, CoolingOff, resumeHold, audit.RecoveryResumed},
	{Contested, ProofAccepted, always, Contested, addProof, audit.ProofAccepted},

	{Verifying, ProofRejected, always, Verifying, refuseProof, audit.ProofRejected},
	{Assisted, ProofRejected, always, Assisted, refuseProof, audit.ProofRejected},
	{Contested, ProofRejected, always, Contested, refuseProof, audit.ProofRejected},

	{Initiated, Escalate, always, Assisted, askHumans, audit.RecoveryAssisted},
	{Verifying, Escalate, always, Assisted, askHumans, audit.RecoveryAssisted},
	{CoolingOff, Escalate, always, Assisted, askHumans, audit.RecoveryAssisted},
	{Contested, Escalate, always, Assisted, askHumans, audit.RecoveryAssisted},
	{Ready, Escalate, always, Assisted, askHumans, audit.RecoveryAssisted},
	{Granted, Escalate, always, Assisted, askHumans, audit.RecoveryAssisted},
	{Assisted, Approve, twoHumans, CoolingOff, startAssistedHold, audit.RecoveryApproved},
	{Assisted, Deny, always, Denied, deny, audit.RecoveryDenied},
	{Denied, Appeal, inLife, Assisted, reopen, audit.RecoveryAppealed},

	{Initiated, Due, pastDeadline, Expired, end, audit.RecoveryExpired},
	{Verifying, Due, pastDeadline, Expired, end, audit.RecoveryExpired},
	{Assisted, Due, pastDeadline, Expired, end, audit.RecoveryExpired},
	{CoolingOff, Due, pastDeadline, Expired, end, audit.RecoveryExpired},
	{CoolingOff, Due, holdOverRiskHigher, CoolingOff, extendHold, audit.CoolingOffExtended},
	{CoolingOff, Due, releasable, Ready, release, audit.RecoveryReady},
	{CoolingOff, Due, undeliverable, Assisted, askHumansUnheard, audit.RecoveryUndeliverable},
	{CoolingOff, Due, insufficient, Assisted, askHumans, audit.RecoveryAssisted},
	{CoolingOff, Due, reminderDue, CoolingOff, remind, audit.CoolingOffReminded},
	{Contested, Due, pastDeadline, Expired, end, audit.RecoveryExpired},
	{Contested, Due, pauseOverTie, Assisted, askHumansAtCritical, audit.RecoveryAssisted},
	{Contested, Due, pauseOver, CoolingOff, resumeHold, audit.RecoveryResumed},
	{Ready, Due, pastDeadline, Expired, end, audit.RecoveryExpired},
	{Ready, Due, acceptanceLost, Assisted, askHumansUnheard, audit.RecoveryUndeliverable},
	{Granted, Due, acceptanceLost, Assisted, askHumansUnheard, audit.RecoveryUndeliverable},
	{Granted, Due, grantLapsedInTime, Ready, takeGrantBack, audit.RecoveryReady},
	{Granted, Due, grantLapsed, Expired, end, audit.RecoveryExpired},
	{Completed, Due, probationOver, Closed, end, audit.RecoveryProbationEnded},

	{Verifying, Object, provenStronger, Vetoed, veto, audit.RecoveryVetoed},
	{Assisted, Object, strongerInEvidence, Vetoed, veto, audit.RecoveryVetoed},
	{Assisted, Object, heard, Assisted, heardAlready, audit.RecoveryObjected},
	{Assisted, Object, always, Assisted, noteObjection, audit.RecoveryObjected},
	{CoolingOff, Object, strongerInEvidence, Vetoed, veto, audit.RecoveryVetoed},
	{CoolingOff, Object, provenButSpent, Assisted, askHumansAtCritical, audit.RecoveryAssisted},
	{CoolingOff, Object, pauseSpent, CoolingOff, refuseObjection, audit.ObjectionRefused},
	{CoolingOff, Object, always, Contested, pause, audit.RecoveryContested},
	{Ready, Object, strongerInEvidence, Vetoed, veto, audit.RecoveryVetoed},
	{Ready, Object, provenButSpent, Assisted, askHumansAtCritical, audit.RecoveryAssisted},
	{Ready, Object, pauseSpent, Ready, refuseObjection, audit.ObjectionRefused},
	{Ready, Object, always, Contested, pause, audit.RecoveryContested},
	{Granted, Object, strongerInEvidence, Vetoed, veto, audit.RecoveryVetoed},
	{Granted, Object, provenButSpent, Assisted, askHumansAtCritical, audit.RecoveryAssisted},
	{Granted, Object, pauseSpent, Granted, refuseObjection, audit.ObjectionRefused},
	{Granted, Object, always, Contested, pause, audit.RecoveryContested},
	{Contested, Object, objectionTie, Assisted, askHumansAtCritical, audit.RecoveryAssisted},
	{Contested, Object, strongerInEvidence, Vetoed, veto, audit.RecoveryVetoed},
	{Contested, Object, heard, Contested, heardAlready, audit.RecoveryObjected},
	{Contested, Object, always, Contested, noteObjection, audit.RecoveryObjected},
	{Completed, Object, reclaims, Reversed, reverse, audit.RecoveryReversed},
	{Completed, Object, heardInProbation, Completed, heardAlready, audit.ReversalRequested},
	{Completed, Object, inProbation, Completed, noteReversal, audit.ReversalRequested},
	{Completed, Reclaim, reclaims, Reversed, reverse, audit.RecoveryReversed},
	{Completed, Reclaim, heardInProbation, Completed, heardAlready, audit.ReversalRequested},
	{Completed, Reclaim, inProbation, Completed, noteReversal, audit.ReversalRequested},

	{Ready, ClaimGrant, finalGate, Granted, issueGrant, audit.GrantIssued},
	{Ready, ClaimGrant, riskRose, CoolingOff, holdAgain, audit.CoolingOffExtended},
	{Granted, RedeemGrant, redeemable, Completed, complete, audit.RecoveryCompleted},

	{Initiated, Cancel, always, Cancelled, end, audit.RecoveryCancelled},
	{Verifying, Cancel, always, Cancelled, end, audit.RecoveryCancelled},
	{Assisted, Cancel, always, Cancelled, endAndTell, audit.RecoveryCancelled},
	{CoolingOff, Cancel, always, Cancelled, endAndTell, audit.RecoveryCancelled},
	{Contested, Cancel, always, Cancelled, endAndTell, audit.RecoveryCancelled},
	{Ready, Cancel, always, Cancelled, endAndTell, audit.RecoveryCancelled},
	{Granted, Cancel, always, Cancelled, endAndTell, audit.RecoveryCancelled},
}

// Edge is one way from a state to another (or the same) that the table allows.
type Edge struct{ From, To State }

// Edges lists the table's distinct edges in the table's order, for the database's own check and for the diagram.
func Edges() []Edge {
	var out []Edge
	seen := map[Edge]bool{}
	for _, r := range machine {
		if e := (Edge{r.From, r.To}); !seen[e] {
			seen[e] = true
			out = append(out, e)
		}
	}
	return out
}

// Apply judges one event against the recovery at the time now and gives the step that would follow. It does not change
// the recovery and does no I/O. Past its deadline an open recovery reads every event as Due: the step then leads to
// Expired, and its Refusal says that the event came too late. An event that the table does not allow yields
// fault.CodeNotAllowedInState, or CodeNotReady for a grant that may not be taken yet, and nothing is to be written.
func (r Recovery) Apply(ev Event, now time.Time) (Step, error) {
	late := r.State.Open() && !now.Before(r.ExpiresAt) && ev.Kind != Due
	if late {
		ev = Event{Kind: Due, Reason: "deadline"}
	}
	for _, line := range machine {
		if line.From != r.State || line.On != ev.Kind || !line.If.holds(r, ev, now) {
			continue
		}
		step := newStep(r, line, ev, now)
		line.Do.fill(&step, r, ev, now)
		step.finish(now)
		if late {
			step.refusal = fault.Of(fault.CodeNotAllowedInState)
		}
		return step, nil
	}
	if ev.Kind == ClaimGrant && r.State.Open() {
		return Step{}, fault.Of(fault.CodeNotReady)
	}
	return Step{}, fault.Of(fault.CodeNotAllowedInState)
}
