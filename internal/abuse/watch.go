package abuse

import (
	"context"
	"errors"
	"io"
	"slices"
	"time"

	"github.com/holdfast/holdfast/internal/audit"
	"github.com/holdfast/holdfast/internal/fault"
	"github.com/holdfast/holdfast/internal/secret"
)

const (
	// Settle is how old an event is when it is counted. A transaction that takes longer to commit is not seen by the
	// detectors; the audit trail has it.
	Settle = 15 * time.Second
	// keepBeyond is for how long what was counted is kept beyond the longest window.
	keepBeyond = time.Hour
	// mostFolds bounds how much of a backlog one round takes.
	mostFolds = 200
	// mostAlerts bounds the new alerts of one detector and round: an attack is one story, not thousands.
	mostAlerts = 20
)

// Watch looks for abuse, on one node at a time.
type Watch struct {
	Journal   Journal
	Detectors []Detector
	Rand      io.Reader
}

// Round is what one look brought.
type Round struct {
	Ran    bool          // this node looked; false when another one did
	Lag    time.Duration // how old the newest event is that was counted
	Behind bool          // there is more to count; look again at once
	Raised []Alert
	Failed []string // detectors that could not be asked
}

// Look counts what is new, asks every detector, and raises, refreshes and resolves alerts. A detector that fails keeps no
// other from being asked, and its alerts stay as they are. What it writes is safe to repeat.
func (w Watch) Look(ctx context.Context) (Round, error) {
	var r Round
	var err error
	r.Ran, err = w.Journal.Alone(ctx, func(ctx context.Context, now time.Time) error {
		upTo, more, err := w.fold(ctx, now)
		if err != nil {
			return err
		}
		r.Lag, r.Behind = now.Sub(upTo), more
		return w.judge(ctx, now, upTo, &r)
	})
	return r, fault.Wrap(err, "look for abuse")
}

func (w Watch) fold(ctx context.Context, now time.Time) (upTo time.Time, more bool, err error) {
	keep := longest(w.Detectors) + keepBeyond
	for range mostFolds {
		if upTo, more, err = w.Journal.Fold(ctx, now, Settle, keep); err != nil || !more {
			return upTo, more, err
		}
	}
	return upTo, more, nil
}

// judge asks the detectors and settles the alerts.
func (w Watch) judge(ctx context.Context, now, upTo time.Time, r *Round) error {
	live, err := w.Journal.Live(ctx)
	if err != nil {
		return err
	}
	var failed error
	for _, d := range w.Detectors {
		found, err := w.ask(ctx, d, now, upTo)
		if err != nil {
			r.Failed = append(r.Failed, d.Name)
			failed = errors.Join(failed, fault.Wrap(err, d.Name))
			continue
		}
		mine := slices.DeleteFunc(slices.Clone(live), func(a Alert) bool { return a.Detector != d.Name })
		if err := w.settle(ctx, d, mine, found, now, r); err != nil {
			return err
		}
	}
	for _, a := range live { // of detectors that this version does not have
		if _, known := named(w.Detectors, a.Detector); !known {
			if err := w.save(ctx, a, a, audit.AlertResolved, now, func(a *Alert) { a.State, a.ResolvedAt = Resolved, now }); err != nil {
				return err
			}
		}
	}
	return failed
}

func (w Watch) ask(ctx context.Context, d Detector, now, upTo time.Time) ([]Finding, error) {
	if d.Probe != "" {
		return w.Journal.Probe(ctx, d, now)
	}
	sums, err := w.Journal.Sums(ctx, d.Query, d.Window, upTo)
	if err != nil {
		return nil, err
	}
	var out []Finding
	for _, s := range sums {
		if limit, ok := d.Query.finds(s); ok {
			out = append(out, d.finding(s, limit))
		}
	}
	return out, nil
}

// settle brings the detector's live alerts and what it found together.
func (w Watch) settle(ctx context.Context, d Detector, live []Alert, found []Finding, now time.Time, r *Round) error {
	isOf := func(a Alert) func(Finding) bool {
		return func(f Finding) bool { return f.Tenant == a.Tenant && f.Key == a.Key }
	}
	for _, a := range live {
		var next Alert
		var action audit.Action
		if i := slices.IndexFunc(found, isOf(a)); i >= 0 {
			next, action = a.Seen(d, found[i], now)
		} else if next, action = a.Unseen(d, now); action == "" {
			continue
		}
		if err := w.save(ctx, a, next, action, now, nil); err != nil {
			return err
		}
	}
	room := mostAlerts
	for _, f := range found {
		known := slices.ContainsFunc(live, func(a Alert) bool { return isOf(a)(f) })
		if known || room == 0 {
			continue
		}
		room--
		a, action := raise(secret.NewID("alr", now, w.Rand), d, f, now)
		if err := w.save(ctx, Alert{}, a, action, now, nil); err != nil {
			return err
		}
		r.Raised = append(r.Raised, a)
	}
	return nil
}

// save writes one alert. Somebody who acknowledged it in this moment goes first: the next look finds it again.
func (w Watch) save(ctx context.Context, was, next Alert, action audit.Action, now time.Time, change func(*Alert)) error {
	if change != nil {
		change(&next)
	}
	next.Version = was.Version
	var event *audit.Event
	if action != "" {
		e := next.event(audit.Actor{Kind: audit.ActorSystem, ID: "detectors"}, action, "", now)
		event = &e
	}
	err := w.Journal.Save(ctx, next, event)
	if fault.CodeOf(err) == fault.CodeConflict {
		return nil
	}
	return err
}
