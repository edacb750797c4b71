package main

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func of(values ...int) []time.Duration {
	out := make([]time.Duration, len(values))
	for i, v := range values {
		out[i] = time.Duration(v)
	}
	return out
}

func TestAPercentileIsAMeasuredValueByNearestRank(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		times []time.Duration
		p     float64
		want  time.Duration
	}{
		"nothing measured":       {nil, 50, 0},
		"one value":              {of(7), 99, 7},
		"the lowest":             {of(1, 2, 3), 0, 1},
		"the highest":            {of(1, 2, 3), 100, 3},
		"the middle of an odd":   {of(1, 2, 3), 50, 2},
		"the lower of an even":   {of(1, 2, 3, 4), 50, 2},
		"the 99th of a few":      {of(1, 2, 3, 4), 99, 4},
		"no value in between":    {of(10, 20), 50, 10},
		"just past half of them": {of(10, 20), 51, 20},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			require.Equal(t, c.want, percentile(c.times, c.p))
		})
	}
}

func TestTheAUCIsTheChanceThatTheSecondIsSlower(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		a, b []time.Duration
		want float64
	}{
		"nothing on one side":     {of(1), nil, 0.5},
		"all alike":               {of(5, 5, 5), of(5, 5), 0.5},
		"the same values":         {of(1, 2, 3), of(3, 2, 1), 0.5},
		"always slower":           {of(1, 2), of(3, 4, 5), 1},
		"always faster":           {of(3, 4, 5), of(1, 2), 0},
		"one of two pairs":        {of(2), of(1, 3), 0.5},
		"a tie counts half":       {of(2), of(2, 3), 0.75},
		"unsorted, three of four": {of(4, 1), of(5, 3), 0.75},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			require.InDelta(t, c.want, auc(c.a, c.b), 1e-12)
		})
	}
}

func TestTheErrorOfTheAUCShrinksWithTheMeasurements(t *testing.T) {
	t.Parallel()
	require.Zero(t, aucError(0, 5))
	require.InDelta(t, 0.0129, aucError(1000, 1000), 0.0001)
	require.Less(t, aucError(4000, 4000), aucError(1000, 1000))
}
