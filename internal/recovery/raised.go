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

	Paused bool // no new recoveries
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

// raised adds what operators demand to the facts of a decision.
func (s *Service) raised(tenant string, f policy.Facts) policy.Facts {
	f.Raised = s.Controls.Current(tenant).Raised
	return f
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
