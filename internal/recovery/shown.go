package recovery

import (
	"time"

	"github.com/holdfast/holdfast/internal/factor"
	"github.com/holdfast/holdfast/internal/fault"
)

// shown is what became of the proof beside an objection. Nil stands for none.
type shown struct {
	result   ShownProof
	evidence *factor.Evidence // of an accepted one
	retryAt  time.Time        // when the method is to be had again, while it rests
}

// refused reports whether there was a proof and it counts for nothing.
func (s *shown) refused() bool { return s != nil && s.evidence == nil }

// fault is the refusal to give where the objection without the proof does nothing.
func (s *shown) fault(now time.Time) *fault.Fault {
	if s.result == ShownResting {
		return fault.Of(fault.CodeThrottled).After(s.retryAt.Sub(now))
	}
	return fault.Of(fault.CodeProofRefused)
}

// hears reports whether an objection could still do something. For a recovery that is over no proof is judged: it would be
// used up, or tell its guesser something, for nothing.
func (r Recovery) hears(now time.Time) bool {
	if r.State == Completed {
		return now.Before(r.ProbationUntil)
	}
	return r.State.Open() && now.Before(r.ExpiresAt)
}

// shownAgainst is what the objections that stand have shown.
func (r Recovery) shownAgainst() []factor.Evidence {
	var out []factor.Evidence
	for _, o := range r.Objections {
		if o.Open {
			out = append(out, o.Evidence...)
		}
	}
	return out
}

// objectionView says what the objection did, and what is left to do. It depends on the recovery's state and on what the
// objector did, never on what the claimant has shown.
func objectionView(step Step, beside *shown) ObjectionView {
	v := ObjectionView{State: step.To, Outcome: ObjectionRecorded, Next: NextProof}
	switch step.To {
	case Vetoed:
		v.Outcome, v.Next = ObjectionVetoed, NextNothing
	case Reversed:
		v.Outcome, v.Next = ObjectionReversed, NextNothing
	case Contested:
		v.PausedUntil = step.Next.pauseEnds()
		if step.From != Contested {
			v.Outcome = ObjectionPaused
		}
	case Assisted:
		if step.From != Assisted {
			v.Outcome, v.Next = ObjectionToHumans, NextSupport
		}
	case Initiated, Verifying, CoolingOff, Ready, Granted, Completed, Closed, Rebind, Cancelled, Expired, Denied:
	default:
	}
	if beside != nil {
		v.Proof, v.RetryAt = beside.result, beside.retryAt
	}
	return v
}
