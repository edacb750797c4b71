package recovery

import (
	"context"

	"github.com/holdfast/holdfast/internal/audit"
	"github.com/holdfast/holdfast/internal/fault"
)

// maxDue bounds how many steps time alone may bring at once: a pause ends, then a hold, then a window.
const maxDue = 4

// due gives the steps that time has brought: none, one, or a few in a row. It asks the policy again where a hold is over,
// because risk is judged at the moment of letting through.
func (s *Service) due(in Loaded) []Step {
	var steps []Step
	r := in.Recovery
	for range maxDue {
		step, err := r.Apply(s.dueEvent(r, in), in.Now)
		if err != nil {
			break
		}
		steps = append(steps, step)
		r = step.Next
	}
	return steps
}

// dueEvent carries a fresh decision for a recovery whose hold may be over. Of an account that is gone nothing can be judged:
// without a decision every gate stays shut.
func (s *Service) dueEvent(r Recovery, in Loaded) Event {
	ev := Event{Kind: Due, Reason: "time"}
	if (r.State == CoolingOff || r.State == Ready) && in.Account != nil {
		d := s.Policies.Current(r.Tenant).Decide(s.assess(in, r.Evidence))
		ev.Decision = &d
	}
	return ev
}

// Wake judges Due for one recovery and writes what follows. It is idempotent: a recovery for which nothing is due is only
// looked at later. Called by the poller when wake_at has come, and by the sender when a notice was accepted.
func (s *Service) Wake(ctx context.Context, d DueRecovery) error {
	err := s.Store.Changing(ctx, Query{Tenant: d.Tenant, ID: d.ID}, func(tx Tx, in Loaded) error {
		steps := s.due(in)
		if len(steps) == 0 {
			if in.Recovery.WakeAt.IsZero() || in.Recovery.WakeAt.After(in.Now) {
				return nil
			}
			return tx.Postpone(ctx, in.Recovery, wakeAt(in.Recovery, in.Now))
		}
		return tx.Apply(ctx, s.timed(steps, in))
	})
	return fault.Wrap(err, "wake")
}

// timed makes a change of steps that time brought.
func (s *Service) timed(steps []Step, in Loaded) Change {
	change := in.change(audit.Actor{Kind: audit.ActorSystem, ID: "timer"}, "", "", steps...)
	for _, step := range steps {
		change.Notices = append(change.Notices, s.notices(step, in.Account, in.Now)...)
		if step.Decision != nil { // each decision keeps its facts, so that it can be replayed
			r := step.Next
			f := facts(in.Now, r.Reason, in.Account, in.History, in.Signals, r.Evidence)
			f.Raised = step.Decision.Raised
			change.Assessment = &Assessment{Facts: f, Decision: *step.Decision}
		}
	}
	return change
}

// WakeAll wakes what is due, at most atMost of them, and says how many there were. One that fails does not keep the others
// from being woken; the first failure is returned.
func (s *Service) WakeAll(ctx context.Context, atMost int) (int, error) {
	due, err := s.Store.Due(ctx, atMost)
	if err != nil {
		return 0, fault.Wrap(err, "find due recoveries")
	}
	var first error
	for _, d := range due {
		if err := s.Wake(ctx, d); err != nil && first == nil && fault.CodeOf(err) != fault.CodeConflict {
			first = err
		}
	}
	return len(due), first
}
