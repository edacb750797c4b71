package signal

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

//
func TestJudge_TakesNothingElseForAnAcknowledgement(t *testing.T) {
	t.Parallel()
	for status := 100; status < 600; status++ {
		hook, _ := Judge(Webhook, Answer{Status: status})
		set, _ := Judge(SET, Answer{Status: status})
		require.Equal(t, status/100 == 2, hook == Delivered, status)
		require.Equal(t, status == 202, set == Delivered, status)
		require.Equal(t, status == 410, hook == Gone, status)
		require.Equal(t, status == 410, set == Gone, status)
	}
	for _, f := range []Failure{FailedAddress, FailedResolve, FailedConnect, FailedTLS, FailedTimeout, FailedAnswer} {
		v, outcome := Judge(SET, Answer{Failure: f, Status: 202})
		require.Equal(t, Retry, v)
		require.Equal(t, string(f), outcome)
	}
	v, _ := Judge(SET, Answer{Status: 202, Body: []byte(" ")})
	require.Equal(t, Retry, v, "an acknowledgement has no body")
	for err, want := range map[string]Verdict{
		"invalid_request": Refused, "invalid_key": Retry, "invalid_issuer": Refused, "invalid_audience": Refused,
		"authentication_failed": Retry, "access_denied": Retry, "": Retry, "something": Retry,
	} {
		v, outcome := Judge(SET, Answer{Status: 400, Body: []byte(`{"err":"` + err + `"}`)})
		require.Equal(t, want, v, err)
		require.LessOrEqual(t, len(outcome), 40, "a receiver's text never gets into the log")
	}
	v, outcome := Judge(Webhook, Answer{Status: 400, Body: []byte(`{"err":"invalid_request"}`)})
	require.Equal(t, Retry, v, "that code is of tokens")
	require.Equal(t, "client_error", outcome)
}

// ten attempts over about three days, later and never earlier for the jitter, and what is asked for within a day.
func TestSchedule_IsThatOfStandardWebhooks(t *testing.T) {
	t.Parallel()
	require.Equal(t, 10, Attempts())
	var total time.Duration
	for n := 1; n < Attempts(); n++ {
		least, ok := next(n, 0, 0)
		require.True(t, ok)
		most, _ := next(n, 0, 1)
		require.Equal(t, delays()[n], least)
		require.InDelta(t, 1.2, float64(most)/float64(least), 0.001)
		total += least
	}
	require.Equal(t, 75*time.Hour+35*time.Minute+5*time.Second, total)
	_, ok := next(Attempts(), 0, 0)
	require.False(t, ok)
	asked, _ := next(1, 2*time.Hour, 0)
	require.Equal(t, 2*time.Hour, asked)
	asked, _ = next(9, time.Second, 0)
	require.Equal(t, 24*time.Hour, asked)
	asked, _ = next(1, 1000*time.Hour, 0)
	require.Equal(t, 24*time.Hour, asked, "nobody makes us wait for weeks")
}
