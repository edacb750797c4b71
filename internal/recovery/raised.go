package recovery

import (
	"slices"
	"time"

	"github.com/holdfast/holdfast/internal/factor"
	"github.com/holdfast/holdfast/internal/fault"
	"github.com/holdfast/holdfast/internal/policy"
)

// Controls tells what operators have raised. It is asked often and answers at once, from what this node knows: a few seconds
// late at most, and never less than it knew when nobody could be asked (ADR 0019). Objections do not ask it.
type Controls interface {
	Current(tenant string) Raised
}

// Raised is what operators demand at a tenant at this moment.
type Raised struct {
	policy.Raised

	Paused  bool     // no new recoveries
	Guessed bool     // codes are being guessed over many accounts, at this tenant or at all
	Probing []string // truncated networks that ask for names which do not exist
}

// pausedFor is what a paused start is told to wait.
const pausedFor = 5 * time.Minute

// mayStart refuses while starts are paused: before anything is looked up, so alike for known and unknown.
func (s *Service) mayStart(tenant string) error {
	if s.Controls.Current(tenant).Paused {
		return fault.Of(fault.CodeRecoveriesPaused).After(pausedFor)
	}
	return nil
}

// raised adds what operators demand, and what is known of the moment, to the facts of a decision.
func (s *Service) raised(tenant, network string, f policy.Facts) policy.Facts {
	now := s.Controls.Current(tenant)
	f.Raised = now.Raised
	f.Signals[policy.FleetFailures] = policy.Reading{State: present(now.Guessed)}
	f.Signals[policy.DecoyRate] = policy.Reading{State: policy.Unknown}
	if network != "" {
		f.Signals[policy.DecoyRate] = policy.Reading{State: present(slices.Contains(now.Probing, network))}
	}
	return f
}

// assess gathers the facts of a loaded recovery with this evidence.
func (s *Service) assess(in Loaded, evidence []factor.Evidence) policy.Facts {
	r := in.Recovery
	f := s.raised(r.Tenant, r.Network, facts(in.Now, r.Reason, in.Account, in.History, in.Signals, evidence))
	f.Signals[policy.ImpossibleAnswer] = policy.Reading{State: present(slices.ContainsFunc(in.Challenges, Challenge.hasty))}
	return f
}

// attemptsOf is how often a code may be tried at a tenant now: less often while codes are guessed over many accounts.
func (s *Service) attemptsOf(tenant string) int {
	if s.Controls.Current(tenant).Guessed {
		return attemptsTightened
	}
	return attemptsPerCode
}

// offered are the methods on offer at a tenant now.
func (s *Service) offered(tenant string) []factor.Method {
	stopped := s.Controls.Current(tenant).Stopped
	if len(stopped) == 0 {
		return s.Offered
	}
	return slices.DeleteFunc(slices.Clone(s.Offered), func(m factor.Method) bool { return slices.Contains(stopped, m) })
}

// stopped reports whether a method gives no new proof now.
func (s *Service) stopped(tenant string, m factor.Method) bool {
	return slices.Contains(s.Controls.Current(tenant).Stopped, m)
}
