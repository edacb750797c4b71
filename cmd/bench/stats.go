package main

import (
	"cmp"
	"math"
	"slices"
	"time"
)

// percentile gives the p-th percentile (0 to 100) by nearest rank: a value that was measured. It is 0 for no values. times
// must be sorted.
func percentile(times []time.Duration, p float64) time.Duration {
	if len(times) == 0 {
		return 0
	}
	rank := int(math.Ceil(p / 100 * float64(len(times))))
	return times[min(max(rank, 1), len(times))-1]
}

// auc is the chance that a value of b is greater than one of a, ties counting half: the area under the ROC curve of whoever
// tells b from a by time alone, which is Mann and Whitney's U over the number of pairs. 0.5 tells nothing. Without values
// on both sides it is 0.5.
func auc(a, b []time.Duration) float64 {
	if len(a) == 0 || len(b) == 0 {
		return 0.5
	}
	type value struct {
		t   time.Duration
		ofB bool
	}
	all := make([]value, 0, len(a)+len(b))
	for _, t := range a {
		all = append(all, value{t, false})
	}
	for _, t := range b {
		all = append(all, value{t, true})
	}
	slices.SortFunc(all, func(x, y value) int { return cmp.Compare(x.t, y.t) })
	var wins, below float64
	for i := 0; i < len(all); {
		var as, bs float64
		j := i
		for ; j < len(all) && all[j].t == all[i].t; j++ {
			if all[j].ofB {
				bs++
			} else {
				as++
			}
		}
		wins += bs * (below + as/2)
		below += as
		i = j
	}
	return wins / (float64(len(a)) * float64(len(b)))
}

// aucError is the standard error of auc when the two sides are alike.
func aucError(n, m int) float64 {
	if n == 0 || m == 0 {
		return 0
	}
	return math.Sqrt(float64(n+m+1) / (12 * float64(n) * float64(m)))
}

// millis writes a duration as milliseconds.
func millis(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }
