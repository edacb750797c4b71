package main

import (
	"context"
	"slices"
	"time"

	"github.com/holdfast/holdfast/internal/audit"
	"github.com/holdfast/holdfast/internal/signal"
)

// turn is how many of each are timed before the endpoint comes or goes.
const turn = 20

// signals compares starts and whole recoveries of a tenant without an endpoint with those of one that has one, which nobody
// answers. The two take turns, so that whatever else the machine does meets both.
func (l *lab) signals(ctx context.Context) error {
	l.say("starts and whole recoveries, without an endpoint and with one")
	caller := signal.Caller{Tenant: tenant, By: audit.Actor{Kind: audit.ActorOperator, ID: "bench"}}
	var starts, wholes [2][]time.Duration
	until := time.Now().Add(2 * l.span())
	for round := 0; time.Now().Before(until) || round%2 == 1; round++ {
		with := round % 2
		id := ""
		if with == 1 {
			made, err := l.main.app.Endpoints.Create(ctx, caller, signal.Registration{Kind: signal.Webhook, URL: "https://127.0.0.1.invalid/"})
			if err != nil {
				return err
			}
			id = made.Endpoint.ID
		}
		for range turn {
			took, err := timed(func() error { _, err := l.main.start(ctx, email(asked(l.big))); return err })
			if err != nil {
				return err
			}
			starts[with] = append(starts[with], took)
		}
		for range turn / 4 {
			took, err := timed(func() error { return l.recoverByOne(ctx) })
			if err != nil {
				return err
			}
			wholes[with] = append(wholes[with], took)
		}
		if id != "" {
			if err := l.main.app.Endpoints.Delete(ctx, caller, id); err != nil {
				return err
			}
		}
	}
	p50 := func(times []time.Duration) float64 {
		slices.Sort(times)
		return millis(percentile(times, 50))
	}
	l.result.Signals = &signalResult{
		Starts: len(starts[1]), Wholes: len(wholes[1]), StartWithout: p50(starts[0]), StartWith: p50(starts[1]),
		WholeWithout: p50(wholes[0]), WholeWith: p50(wholes[1]),
	}
	return nil
}
