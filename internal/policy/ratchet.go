package policy

import (
	"cmp"
	"maps"
	"slices"
	"time"

	"github.com/holdfast/holdfast/internal/factor"
)

// Ratchet joins two plans of one recovery into the stricter of both in every respect: what satisfies the result satisfies each
// of them, no time is shorter (ReadyFor no longer), no duty is lost. In effect it is idempotent, commutative and
// associative; the version stays that of p, the plan pinned at the start.
//
// Alternatives are a disjunction of conjunctions. Their conjunction is taken exactly, by joining each pair, and brought to a
// normal form, so that ratcheting again and again does not grow it.
func (p Plan) Ratchet(next Plan) Plan {
	out := p
	out.Tier = max(p.Tier, next.Tier)
	out.Alternatives = both(p.Alternatives, next.Alternatives)
	out.Methods = intersect(p.Methods, next.Methods)
	out.Ageing = oldest(p.Ageing, next.Ageing)
	out.Hold = max(p.Hold, next.Hold)
	out.Probation = max(p.Probation, next.Probation)
	out.ReadyFor = min(p.ReadyFor, next.ReadyFor)
	out.Approvals = max(p.Approvals, next.Approvals)
	out.DeferToIDP = p.DeferToIDP || next.DeferToIDP
	out.IndependentNotice = p.IndependentNotice || next.IndependentNotice
	out.Assisted = p.Assisted || next.Assisted
	out.Deviations = united(p.Deviations, next.Deviations)
	return out
}

// both is the conjunction of two disjunctions, in normal form.
func both(a, b []Alternative) []Alternative {
	out := make([]Alternative, 0, len(a)*len(b))
	for _, x := range a {
		for _, y := range b {
			if len(x.Needs) == 0 || len(y.Needs) == 0 {
				continue // malformed: satisfied by nothing, and so is the join
			}
			out = append(out, Alternative{Needs: slices.Concat(x.Needs, y.Needs)})
		}
	}
	return normal(out)
}

// normal drops what is implied: within an alternative the needs that a stricter one covers, and the alternatives that ask for
// more than another one does. The order is fixed, so that equal plans look equal.
func normal(alternatives []Alternative) []Alternative {
	tidy := make([]Alternative, 0, len(alternatives))
	for _, a := range alternatives {
		tidy = append(tidy, Alternative{Needs: minimal(a.Needs, func(x, y Need) bool { return y.implies(x) }, compareNeeds)})
	}
	return minimal(tidy, func(x, y Alternative) bool { return x.implies(y) }, compareAlternatives)
}

// minimal sorts the items and keeps those that no other one makes redundant; of equals the first stays.
func minimal[T any](items []T, redundant func(x, y T) bool, compare func(x, y T) int) []T {
	items = slices.Clone(items)
	slices.SortStableFunc(items, compare)
	out := make([]T, 0, len(items))
	for i, x := range items {
		needless := false
		for j, y := range items {
			if i != j && redundant(x, y) && (j < i || !redundant(y, x)) {
				needless = true
				break
			}
		}
		if !needless {
			out = append(out, x)
		}
	}
	return out
}

// implies tells whether whatever meets n also meets m.
func (n Need) implies(m Need) bool {
	return n.Class == m.Class && n.MinAge >= m.MinAge &&
		!slices.ContainsFunc(n.Methods, func(x factor.Method) bool { return !slices.Contains(m.Methods, x) })
}

// implies tells whether whatever meets a also meets b.
func (a Alternative) implies(b Alternative) bool {
	for _, need := range b.Needs {
		if !slices.ContainsFunc(a.Needs, func(have Need) bool { return have.implies(need) }) {
			return false
		}
	}
	return len(b.Needs) > 0
}

func compareNeeds(x, y Need) int {
	return cmp.Or(
		cmp.Compare(rank(x.Class), rank(y.Class)),
		slices.Compare(x.Methods, y.Methods),
		cmp.Compare(x.MinAge, y.MinAge),
	)
}

func compareAlternatives(x, y Alternative) int {
	return cmp.Or(cmp.Compare(len(x.Needs), len(y.Needs)), slices.CompareFunc(x.Needs, y.Needs, compareNeeds))
}

// rank orders classes as requirements.md, section 4.1 lists them.
func rank(c factor.Class) int {
	order := []factor.Class{factor.Saved, factor.Issued, factor.Trusted, factor.Authenticator, factor.Proofing}
	if i := slices.Index(order, c); i >= 0 {
		return i
	}
	return len(order)
}

// oldest takes the longer age for each method.
func oldest(a, b map[factor.Method]time.Duration) map[factor.Method]time.Duration {
	if a == nil && b == nil {
		return nil
	}
	out := make(map[factor.Method]time.Duration, len(a)+len(b))
	maps.Copy(out, a)
	for m, age := range b {
		out[m] = max(out[m], age)
	}
	return out
}

// united joins deviations by requirement and reason.
func united(a, b []Deviation) []Deviation {
	var out []Deviation
	for _, d := range slices.Concat(a, b) {
		i := slices.IndexFunc(out, func(x Deviation) bool { return x.Requirement == d.Requirement && x.Reason == d.Reason })
		if i < 0 {
			out = append(out, d)
			continue
		}
		out[i].Applied = out[i].Applied || d.Applied
	}
	slices.SortFunc(out, func(x, y Deviation) int {
		return cmp.Or(cmp.Compare(x.Requirement, y.Requirement), cmp.Compare(x.Reason, y.Reason))
	})
	return out
}
