package main

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// limitsResult is what the edge's and the identities' limits cost a start.
type limitsResult struct {
	Rounds  int       `json:"rounds"`
	With    []float64 `json:"with_per_second"`
	Without []float64 `json:"without_per_second"`
	Ratio   float64   `json:"ratio"` // of the medians
}

// limits measures starts with and without limits by turns, on one database, so that whatever else the machine does meets both.
func (l *lab) limits(ctx context.Context) (err error) {
	free, err := l.newService(ctx, l.large, true)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, free.stop()) }()
	const rounds, clients = 5, 8
	r := &limitsResult{Rounds: rounds}
	for range rounds {
		for _, s := range []struct {
			on   *service
			into *[]float64
		}{{l.main, &r.With}, {free, &r.Without}} {
			l.sayf("starts with limits and without, %d clients", clients)
			got, err := drive(ctx, clients, l.span()/2, func(ctx context.Context) error {
				_, err := s.on.start(ctx, email(asked(l.big)))
				return err
			})
			if err != nil {
				return err
			}
			*s.into = append(*s.into, got.perSecond())
		}
	}
	r.Ratio = ratio(median(r.With), median(r.Without))
	l.result.Limits = r
	return nil
}

func median(xs []float64) float64 {
	sorted := slices.Sorted(slices.Values(xs))
	return sorted[len(sorted)/2]
}

// overloadResult is what objections endure while starts come three times as fast as a node can answer them.
type overloadResult struct {
	Sustained  float64 `json:"sustained_per_second"` // starts, in a closed loop
	Offered    float64 `json:"offered_per_second"`
	Started    int     `json:"started"`
	Shed       int     `json:"shed"`
	Failed     int     `json:"failed"` // starts that were neither
	Objections int     `json:"objections"`
	Lost       int     `json:"objections_lost"` // answered by anything but the contract's word
	IdleP99    float64 `json:"idle_p99_ms"`
	LoadedP99  float64 `json:"loaded_p99_ms"`
}

// overload offers starts at three times the sustained rate, in an open loop, with objections beside them.
func (l *lab) overload(ctx context.Context) error {
	l.say("the rate of starts that the node sustains")
	sustained, err := drive(ctx, 16, l.span()/2, func(ctx context.Context) error {
		_, err := l.main.start(ctx, email(asked(l.big)))
		return err
	})
	if err != nil {
		return err
	}
	r := &overloadResult{Sustained: sustained.perSecond(), Offered: 3 * sustained.perSecond()}
	l.say("objections while the node is idle")
	idle, _ := l.objections(ctx, l.span())
	l.say("objections while starts come three times as fast")
	flood, stop := context.WithCancel(ctx)
	defer stop()
	var wg sync.WaitGroup
	wg.Go(func() { l.flood(flood, ctx, r) })
	loaded, lost := l.objections(ctx, 2*l.span())
	stop()
	wg.Wait()
	r.Objections, r.Lost = len(loaded), lost
	r.IdleP99, r.LoadedP99 = millis(percentile(idle, 99)), millis(percentile(loaded, 99))
	l.result.Overload = r
	return nil
}

// flood starts recoveries at the offered rate, whatever becomes of them, until its context ends.
func (l *lab) flood(until, ctx context.Context, r *overloadResult) { //nolint:revive // two: the one that ends it, and the requests' own.
	var started, shed, failed atomic.Int64
	var wg sync.WaitGroup
	const tick = 5 * time.Millisecond
	every := time.NewTicker(tick)
	defer every.Stop()
	for owed := 0.0; until.Err() == nil; <-every.C {
		for owed += r.Offered * tick.Seconds(); owed >= 1; owed-- {
			wg.Go(func() {
				switch _, err := l.main.start(ctx, email(asked(l.big))); {
				case err == nil:
					started.Add(1)
				case statusOf(err) == http.StatusServiceUnavailable:
					shed.Add(1)
				default:
					failed.Add(1)
				}
			})
		}
	}
	wg.Wait()
	r.Started, r.Shed, r.Failed = int(started.Load()), int(shed.Load()), int(failed.Load())
}

// objections objects up to fifty times a second by a link that is none, which costs the service what a real one's look-up does,
// and gives how long each took, sorted, and how many were answered otherwise than by the refusal that is due.
func (l *lab) objections(ctx context.Context, span time.Duration) (times []time.Duration, lost int) {
	until := time.Now().Add(span)
	for time.Now().Before(until) {
		took, err := timed(func() error {
			return l.main.call(ctx, http.MethodPost, "/v1/objections", "", "", `{"token":"hfo_k1_0000000000000000000000000000000000000000000"}`, nil)
		})
		times = append(times, took)
		if statusOf(err) != http.StatusUnprocessableEntity {
			lost++
		}
		if pause(ctx, 20*time.Millisecond) != nil {
			break
		}
	}
	slices.Sort(times)
	return times, lost
}

func statusOf(err error) int {
	var s statusError
	if errors.As(err, &s) {
		return s.status
	}
	return 0
}
