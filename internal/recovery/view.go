package recovery

import (
	"slices"
	"time"

	"github.com/holdfast/holdfast/internal/factor"
	"github.com/holdfast/holdfast/internal/policy"
)

// viewOf is the view of a loaded recovery that has become r, with the state of support's case around it.
func (s *Service) viewOf(in Loaded, r Recovery) View {
	v := s.view(r, in.Account, in.Now)
	v.Case = in.Case
	return v
}

// view is what the claimant may see at this moment. Before the first accepted proof it depends on nothing but the
// tenant, the clock and what the claimant did (I8): the account is not looked at.
func (s *Service) view(r Recovery, a *Account, now time.Time) View {
	v := View{
		ID: r.ID, Reference: r.Reference, State: r.State, ExpiresAt: r.ExpiresAt,
		Methods: s.offered(r.Tenant), Satisfied: []Satisfied{}, Remaining: []AnyOf{},
	}
	if !r.Proven() || a == nil {
		if r.State == Initiated || r.State == Verifying {
			v.Remaining = []AnyOf{{AnyOf: v.Methods}}
		}
		return v
	}
	v.Methods = a.methods(r.Plan, s.offered(r.Tenant))
	for _, e := range r.Evidence {
		v.Satisfied = append(v.Satisfied, Satisfied{Method: e.Method, At: e.At})
	}
	if r.State == Verifying || r.State == Assisted || r.State == Contested {
		v.Remaining = remaining(r.Plan.Remaining(r.Evidence, now), v.Methods)
	}
	v.NotBefore, v.ReadyUntil = r.NotBefore, r.ReadyUntil
	if r.State == Contested {
		v.Contest = &Contest{PausedUntil: r.pauseEnds(), StepUp: stepUp(r, v.Methods)}
		v.NotBefore = r.resumedNotBefore(v.Contest.PausedUntil)
	}
	return v
}

// stepUp lists the methods of classes that were not shown yet. It does not depend on the objection: the claimant must not
// learn how strong it is.
func stepUp(r Recovery, have []factor.Method) []factor.Method {
	shown := factor.Classes(r.Evidence)
	out := []factor.Method{}
	for _, m := range have {
		if class, ok := m.Class(); ok && !slices.Contains(shown, class) {
			out = append(out, m)
		}
	}
	return out
}

// remaining turns alternatives into a list of proofs still to be given: the shortest way, each proof by any method that
// gets further on one of the shortest ways and that the account has.
func remaining(alternatives []policy.Alternative, have []factor.Method) []AnyOf {
	var usable [][][]factor.Method
	for _, a := range alternatives {
		if needs := narrowed(a, have); needs != nil {
			usable = append(usable, needs)
		}
	}
	out := []AnyOf{}
	if len(usable) == 0 {
		return out
	}
	shortest := len(slices.MinFunc(usable, func(a, b [][]factor.Method) int { return len(a) - len(b) }))
	for i := range shortest {
		var any []factor.Method
		for _, m := range factor.Methods() {
			if slices.ContainsFunc(usable, func(needs [][]factor.Method) bool { return len(needs) == shortest && slices.Contains(needs[i], m) }) {
				any = append(any, m)
			}
		}
		out = append(out, AnyOf{AnyOf: any})
	}
	return out
}

// narrowed is an alternative's needs by methods that the account has; nil when one of them cannot be met.
func narrowed(a policy.Alternative, have []factor.Method) [][]factor.Method {
	out := make([][]factor.Method, 0, len(a.Needs))
	for _, n := range a.Needs {
		var left []factor.Method
		for _, m := range n.Methods {
			if slices.Contains(have, m) {
				left = append(left, m)
			}
		}
		if len(left) == 0 {
			return nil
		}
		out = append(out, left)
	}
	return out
}
