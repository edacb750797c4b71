package audit

import (
	"cmp"
	"fmt"
	"slices"
	"time"
)

// A run is leaves in a row whose events are gone, of ids of one month. It is judged when all retirements are known: an event that retires
// stands later in the log than what it retires.
type run struct {
	first, last  int64
	least, most  string    // ids
	newest       time.Time // of the leaves
	leaves       int64
	lines        []Problem // of its first ones, as problems, should nothing justify them
	unreported   int64
	justified    bool
	retirement   string
	notYetSealed bool
}

// Bounds on what is kept of events that are gone. What goes beyond is named at once: nothing is believed for want of memory.
const (
	mostRuns    = 1 << 16
	mostRunGap  = 64 // events of another month that were written at the turn of this one may stand between
	mostRetired = 1 << 14
	// retiredSlack is by how much a leaf that was sealed after a retirement may be older than it.
	retiredSlack = 24 * time.Hour
)

// gone is what is known of leaves without events, and of what retired them.
type gone struct {
	runs        []*run
	open        map[string]*run // by month of ids: the one that may go on
	retirements []Retirement
	latest      time.Time // the time of the latest of these
}

// leave takes up a leaf whose event is gone.
func (v *verifier) leave(p Problem, leaf Leaf) {
	month := idMonth(leaf.ID)
	r := v.gone.open[month]
	if r == nil || p.Index < r.last || p.Index-r.last > mostRunGap {
		if len(v.gone.runs) >= mostRuns {
			v.problem(p)
			return
		}
		r = &run{first: p.Index, least: leaf.ID}
		if v.gone.open == nil {
			v.gone.open = map[string]*run{}
		}
		v.gone.open[month] = r
		v.gone.runs = append(v.gone.runs, r)
	}
	r.last, r.leaves = p.Index, r.leaves+1
	r.least, r.most = min(r.least, leaf.ID), max(r.most, leaf.ID)
	if leaf.At.After(r.newest) {
		r.newest = leaf.At
	}
	if len(r.lines) < v.cfg.MostProblems {
		r.lines = append(r.lines, p)
	} else {
		r.unreported++
	}
}

// retirement looks whether a line is an event that retires, with nothing wrong about it.
func (v *verifier) retirement(j judged, number int64) {
	if e := j.line.Event; e != nil && e.Action == AuditRetired && len(j.problems) == 0 {
		v.retire(e.Event, j.line.Index, number)
	}
}

// retire takes up an event that says that a month was retired, proven by its leaf or beside the log.
func (v *verifier) retire(e Event, index, line int64) {
	r, err := RetirementOf(e)
	r.Index = index
	switch {
	case err != nil:
		v.problem(Problem{Line: line, Index: index, Event: e.ID, What: "is no retirement that the policy allows: it " + err.Error()})
	case r.Log != v.Checkpoint.Origin: // of an earlier log of the installation, which this one does not continue
	case !v.cfg.Now.IsZero() && r.At.Sub(v.cfg.Now) > retiredSlack:
		v.problem(Problem{Line: line, Index: index, Event: e.ID, What: "is no retirement that the policy allows: its time has not come"})
	case len(v.gone.retirements) < mostRetired:
		v.gone.retirements = append(v.gone.retirements, r)
		if r.At.After(v.gone.latest) {
			v.gone.latest = r.At
		}
	default:
		v.problem(Problem{Line: line, Index: index, Event: e.ID, What: "retires, as too many before it"})
	}
}

// overtaken notes the leaves that are older than retirements before them: whoever dates a retirement ahead has to go on with the true time.
func (v *verifier) overtaken(index int64, at time.Time) {
	if v.gone.latest.Sub(at) <= retiredSlack { // as it is but for such leaves and those before the first retirement, when there is none
		return
	}
	v.gone.latest = time.Time{}
	for i := len(v.gone.retirements) - 1; i >= 0; i-- {
		r := v.gone.retirements[i]
		if r.Index >= 0 && r.Index < index && r.At.Sub(at) > retiredSlack {
			v.gone.retirements = slices.Delete(v.gone.retirements, i, i+1)
			v.problem(Problem{Index: r.Index, Event: r.Event, What: fmt.Sprintf("is no retirement that the policy allows: it is dated ahead of leaf %d, which was sealed after it", index)})
		} else if r.At.After(v.gone.latest) {
			v.gone.latest = r.At
		}
	}
}

// settle judges the leaves without events: each must be of a month that a sealed event retired, no younger than the policy allows, and the
// retirement must have been of as many events as are gone.
func (v *verifier) settle() {
	went := map[string]int64{} // by month
	for _, x := range v.gone.runs {
		for _, r := range v.gone.retirements {
			if !r.covers(x) {
				continue
			}
			if r.Index < 0 {
				x.notYetSealed, x.retirement = true, r.Event
				continue
			}
			x.justified, x.retirement = true, r.Event
			went[r.Month] += x.leaves
			break
		}
	}
	counted := map[string]bool{}
	for _, r := range v.gone.retirements {
		if r.Index >= 0 && v.Whole && !counted[r.Month] && went[r.Month] != r.Events {
			v.problem(Problem{Index: r.Index, Event: r.Event, What: fmt.Sprintf("retired %d events of month %s, and %d are gone", r.Events, Visible(r.Month), went[r.Month])})
		}
		counted[r.Month] = true
	}
	// The smallest first: what was done to a few events must not be lost behind what is named of many.
	slices.SortStableFunc(v.gone.runs, func(a, b *run) int { return cmp.Compare(a.leaves, b.leaves) })
	for _, x := range v.gone.runs {
		if x.justified {
			v.Retired += x.leaves
			continue
		}
		if x.notYetSealed {
			v.problem(Problem{Index: x.first, What: fmt.Sprintf("and up to leaf %d %d events are gone that %s says were retired by policy, which is not sealed yet: export again in a moment", x.last, x.leaves, Visible(x.retirement))})
			continue
		}
		for _, p := range x.lines {
			v.problem(p)
		}
		v.More += x.unreported
	}
}

// covers reports whether a retirement justifies that the events of a run are gone.
func (r Retirement) covers(x *run) bool {
	return r.Events > 0 && r.First <= x.first && x.last <= r.Last && (r.Index < 0 || r.Index > x.last) && r.Holds(x.least) && r.Holds(x.most) &&
		!x.newest.AddDate(0, LeastMonths, 0).After(r.At)
}
