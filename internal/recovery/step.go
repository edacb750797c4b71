package recovery

import (
	"time"

	"github.com/holdfast/holdfast/internal/audit"
	"github.com/holdfast/holdfast/internal/factor"
	"github.com/holdfast/holdfast/internal/fault"
	"github.com/holdfast/holdfast/internal/policy"
)

// NoticeKind names a message to the owner about a recovery.
type NoticeKind string

// The notices. They go to every address on file, those removed within seven days included.
const (
	NoticeStarted   NoticeKind = "recovery_started" // coalesced: the only one with a cap
	NoticeHeld      NoticeKind = "hold_entered"
	NoticeReminder  NoticeKind = "hold_reminder"
	NoticeReady     NoticeKind = "hold_ended"
	NoticeObjected  NoticeKind = "objection_received"
	NoticeCompleted NoticeKind = "recovery_completed"
	NoticeCancelled NoticeKind = "recovery_cancelled"
	NoticeDenied    NoticeKind = "recovery_denied"
	NoticeVetoed    NoticeKind = "recovery_vetoed"
	NoticeReversed  NoticeKind = "recovery_reversed"

	NoticeClaimLink      NoticeKind = "claim_link"      // support started a recovery for the account; the links go to addresses of age alone
	NoticeMethodDisabled NoticeKind = "method_disabled" // too many wrong answers by one method
	NoticeCodeReplaced   NoticeKind = "code_replaced"   // a used saved code has a successor
)

// Step is what follows from one event: the next recovery and all that is to be written with it. Only Apply makes one;
// a store refuses the zero Step.
type Step struct { //nolint:recvcheck // Apply fills it through a pointer; for everyone else it is a value.
	From, To State
	Event    EventKind
	Action   audit.Action
	Reason   string
	At       time.Time
	Next     Recovery
	Decision *policy.Decision // the policy's word on the facts of this moment, where the event carried one
	Details  map[string]any   // for the audit event: identifiers, enumerations, numbers and times

	NewEvidence       *factor.Evidence
	NewApproved       []factor.Evidence // what two humans accepted as proof
	NewObjection      *Objection
	ResolveObjections bool
	VoidGrant         string
	Notices           []NoticeKind
	Suspect           []string  // channels and factors that are suspect from now on
	SuspectUntil      time.Time // until then
	RevokeCodesSince  time.Time // saved codes issued at this time or later no longer count; zero for none

	refusal *fault.Fault
	before  map[string]string // what of the row stood before, for the event to say what changed
}

func newStep(r Recovery, line rule, ev Event, now time.Time) Step {
	next := r
	next.State = line.To
	return Step{
		From: r.State, To: line.To, Event: ev.Kind, Action: line.Action, Reason: ev.Reason, At: now, Next: next, Decision: ev.Decision,
		Details: map[string]any{}, before: r.justified(),
	}
}

// Valid reports whether the step was made by Apply or Open.
func (s Step) Valid() bool { return s.Action != "" && s.Next.Version > 0 }

// Refusal is the fault to return after the step is committed, or nil.
func (s Step) Refusal() error {
	if s.refusal == nil {
		return nil
	}
	return s.refusal
}

// finish counts the version, stamps the times and says when to look again.
func (s *Step) finish(now time.Time) {
	s.Next.Version++
	s.Next.ChangedAt = now
	if !s.To.Open() && s.Next.ClosedAt.IsZero() && s.To != Completed && s.To != Denied {
		s.Next.ClosedAt = now
	}
	if s.To == Assisted {
		s.Next.ClosedAt = time.Time{}
	}
	if s.To != Contested { // whichever way a contest ends: by a step-up, a veto, a deadline or the claimant
		s.Next.ContestedAt = time.Time{}
	}
	s.Next.WakeAt = wakeAt(s.Next, now)
	s.Details[rowDetail] = changed(s.before, s.Next.justified())
}

// wakeAt is when Due is to be judged next.
func wakeAt(r Recovery, now time.Time) time.Time {
	switch r.State {
	case Initiated, Verifying, Assisted:
		return r.ExpiresAt
	case CoolingOff:
		if !r.NotBefore.After(now) {
			return now.Add(AskAgainAfter)
		}
		wake := earlier(r.NotBefore, r.ExpiresAt)
		if next := r.nextReminder(); !next.IsZero() {
			wake = earlier(wake, later(next, now))
		}
		return wake
	case Contested:
		return earlier(r.pauseEnds(), r.ExpiresAt)
	case Ready:
		return r.ExpiresAt
	case Granted:
		return r.GrantExpires
	case Completed:
		return r.ProbationUntil
	case Closed, Rebind, Vetoed, Cancelled, Expired, Denied, Reversed:
		return time.Time{}
	default:
		return time.Time{}
	}
}

func earlier(a, b time.Time) time.Time {
	if a.Before(b) {
		return a
	}
	return b
}

func (s *Step) detail(key string, value any) {
	if str, ok := value.(string); ok && str == "" {
		return
	}
	s.Details[key] = value
}

func (s *Step) notify(kind NoticeKind) { s.Notices = append(s.Notices, kind) }
