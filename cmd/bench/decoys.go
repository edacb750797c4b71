package main

import (
	"context"
	"fmt"
	"slices"
	"time"
)

// decoys asks whether the time of an answer tells a known identifier from an unknown one. One client starts recoveries of
// both by turns, in an order that is drawn for each pair, and then asks for a code in each of them. While it does, the jobs of
// earlier requests run beside it, as they would for somebody who tries.
func (l *lab) decoys(ctx context.Context) error {
	l.sayf("timing: %d pairs of known and unknown identifiers", l.pairs)
	kinds := []string{"start", "challenge"}
	known, unknown := map[string][]time.Duration{}, map[string][]time.Duration{}
	for i := range l.pairs + l.pairs/10 {
		pair := []bool{true, false}
		if draw(2) == 0 {
			slices.Reverse(pair)
		}
		for _, isKnown := range pair {
			took, err := l.tryOne(ctx, isKnown)
			if err != nil {
				return err
			}
			if i < l.pairs/10 { // the warm-up
				continue
			}
			into := unknown
			if isKnown {
				into = known
			}
			for k, name := range kinds {
				into[name] = append(into[name], took[k])
			}
		}
	}
	for _, name := range kinds {
		r := decoyResult{
			Request: name, Pairs: len(known[name]), AUC: auc(unknown[name], known[name]), Error: aucError(len(unknown[name]), len(known[name])),
		}
		slices.Sort(known[name])
		slices.Sort(unknown[name])
		r.KnownP50, r.UnknownP50 = millis(percentile(known[name], 50)), millis(percentile(unknown[name], 50))
		l.result.Decoys = append(l.result.Decoys, r)
	}
	return l.main.quiet(ctx)
}

// tryOne starts a recovery and asks for a code in it, and gives how long each took.
func (l *lab) tryOne(ctx context.Context, known bool) ([2]time.Duration, error) {
	identifier := fmt.Sprintf("nobody%07d@example.com", l.next.strangers.Add(1))
	if known {
		identifier = email(l.big/2 + int(l.next.compared.Add(1)-1)%(l.big/2))
	}
	var took [2]time.Duration
	var c claim
	var err error
	if took[0], err = timed(func() (err error) { c, err = l.main.start(ctx, identifier); return err }); err != nil {
		return took, err
	}
	took[1], err = timed(func() error { _, err := l.main.challenge(ctx, c, "email"); return err })
	return took, err
}
