package main

import (
	"context"
	"math"
	"slices"
	"time"
)

// clients are the degrees of concurrency of every flow.
func clients() []int { return []int{1, 8, mostClients} }

// starts measures starting a recovery of known accounts, each beside its floor.
func (l *lab) starts(ctx context.Context) error {
	start := func(ctx context.Context) error {
		_, err := l.main.start(ctx, email(asked(l.big)))
		return err
	}
	l.say("starts: a first look at what one writes")
	probe, _, err := l.main.cell(ctx, "start", 8, time.Second, start)
	if err != nil {
		return err
	}
	f, err := l.newFloor(ctx, int(math.Round(probe.Inserted)))
	if err != nil {
		return err
	}
	if f == nil {
		l.result.note("pgbench was not found beside PostgreSQL or in PATH: there is no floor to compare with.")
	} else {
		defer f.close()
	}
	for _, n := range clients() {
		l.sayf("starts and floor, %d clients", n)
		r, _, err := l.main.cell(ctx, "start", n, l.span(), start)
		if err != nil {
			return err
		}
		var floors []row
		if f != nil {
			if err := f.calibrate(ctx, r.WAL); err != nil {
				return err
			}
			if floors, err = f.both(ctx, n, l.span()); err != nil {
				return err
			}
			r.OfFloor, r.OfStepwise = ratio(r.PerSecond, floors[0].PerSecond), ratio(r.PerSecond, floors[1].PerSecond)
		}
		l.result.add(r)
		l.result.add(floors...)
	}
	return nil
}

// both runs the floor both ways, the pipelined one first.
func (f *floor) both(ctx context.Context, clients int, span time.Duration) ([]row, error) {
	pipelined, err := f.cell(ctx, true, clients, span)
	if err != nil {
		return nil, err
	}
	stepwise, err := f.cell(ctx, false, clients, span/2)
	return []row{pipelined, stepwise}, err
}

// scale compares the time of a start in a database of few accounts with that in the large one. One client asks the two in
// turns, so that whatever else the machine does meets both.
func (l *lab) scale(ctx context.Context) (err error) {
	l.sayf("starts with %d accounts beside starts with %d", fewAccounts, l.big)
	if l.small, err = l.newDatabase(ctx, "small"); err != nil {
		return err
	}
	err = l.age(ctx, l.small, func(ctx context.Context, d *database, verified time.Time) error {
		_, err := l.importAccounts(ctx, d, 0, fewAccounts, verified)
		return err
	})
	if err != nil {
		return err
	}
	if err := l.settle(ctx, l.small); err != nil {
		return err
	}
	small, err := l.newService(ctx, l.small)
	if err != nil {
		return err
	}
	defer func() {
		if stopped := small.stop(); err == nil {
			err = stopped
		}
	}()
	var few, many []time.Duration
	from := time.Now().Add(warmUp)
	until := from.Add(2 * l.span())
	for time.Now().Before(until) {
		a, err := timed(func() error { _, err := small.start(ctx, email(asked(fewAccounts))); return err })
		if err != nil {
			return err
		}
		b, err := timed(func() error { _, err := l.main.start(ctx, email(asked(l.big))); return err })
		if err != nil {
			return err
		}
		if time.Now().After(from) {
			few, many = append(few, a), append(many, b)
		}
	}
	slices.Sort(few)
	slices.Sort(many)
	l.result.Scale = &scaleResult{
		Few: fewAccounts, Many: l.big, Starts: len(few),
		FewP50: millis(percentile(few, 50)), FewP99: millis(percentile(few, 99)),
		ManyP50: millis(percentile(many, 50)), ManyP99: millis(percentile(many, 99)),
	}
	return nil
}
