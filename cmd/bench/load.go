package main

import (
	"context"
	"errors"
	"slices"
	"sync"
	"time"
)

// sample is what a closed loop measured.
type sample struct {
	times []time.Duration // sorted; of what ended in the measured span
	span  time.Duration
	total int // with the warm-up
}

func (s sample) perSecond() float64 { return float64(len(s.times)) / s.span.Seconds() }

const warmUp = time.Second

// drive runs do in a closed loop with a number of clients: a warm-up first, then for the span. What runs when the span ends
// is finished and not counted. The first error ends everything.
func drive(ctx context.Context, clients int, span time.Duration, do func(context.Context) error) (sample, error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	from := time.Now().Add(warmUp)
	until := from.Add(span)
	per := make([]sample, clients)
	errs := make([]error, clients)
	var wg sync.WaitGroup
	for i := range clients {
		wg.Go(func() {
			if per[i], errs[i] = loop(ctx, from, until, do); errs[i] != nil {
				cancel()
			}
		})
	}
	wg.Wait()
	out := sample{span: span}
	for _, s := range per {
		out.times = append(out.times, s.times...)
		out.total += s.total
	}
	slices.Sort(out.times)
	return out, firstCause(errs)
}

// firstCause prefers what went wrong to what was cancelled because of it.
func firstCause(errs []error) error {
	for _, err := range errs {
		if err != nil && !errors.Is(err, context.Canceled) {
			return err
		}
	}
	return errors.Join(errs...)
}

func loop(ctx context.Context, from, until time.Time, do func(context.Context) error) (sample, error) {
	var s sample
	for {
		begun := time.Now()
		if !begun.Before(until) {
			return s, nil
		}
		if err := do(ctx); err != nil {
			return s, err
		}
		ended := time.Now()
		s.total++
		if ended.After(from) && !ended.After(until) {
			s.times = append(s.times, ended.Sub(begun))
		}
	}
}

// timed gives how long do takes.
func timed(do func() error) (time.Duration, error) {
	begun := time.Now()
	err := do()
	return time.Since(begun), err
}

// pause waits, unless ctx ends.
func pause(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-t.C:
		return nil
	}
}
