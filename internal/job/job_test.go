package job

import (
	"context"
	"errors"
	"log/slog"
	"testing"
	"time"

	"github.com/riverqueue/river"
	"github.com/riverqueue/river/rivertype"
	"github.com/stretchr/testify/require"

	"github.com/holdfast/holdfast/internal/clock"
	"github.com/holdfast/holdfast/internal/dispatch"
)

func TestBackoff_DoublesAndStops(t *testing.T) {
	t.Parallel()
	require.Equal(t, time.Second, backoff(1, time.Minute))
	require.Equal(t, 8*time.Second, backoff(4, time.Minute))
	require.Equal(t, time.Minute, backoff(60, time.Minute), "no overflow however often it was tried")
	require.Equal(t, time.Second, backoff(0, time.Minute))
}

// R-100, TW: a provider that says when to come back is heeded, and that costs none of the attempts.
func TestOutcome_TakesANapWhenTheProviderAsksForOne(t *testing.T) {
	t.Parallel()
	cause := errors.New("throttled")
	var nap *river.JobSnoozeError
	require.ErrorAs(t, outcome(&dispatch.Retry{After: 7 * time.Second, Cause: cause}), &nap)
	require.Equal(t, 7*time.Second, nap.Duration)
	require.ErrorAs(t, outcome(&dispatch.Retry{After: 30 * 24 * time.Hour, Cause: cause}), &nap)
	require.Equal(t, longestSleep, nap.Duration, "nobody makes us wait for weeks")
	require.ErrorIs(t, outcome(&dispatch.Retry{Cause: cause}), cause)
	require.NoError(t, outcome(nil))
}

func TestLoop_WorksOnWhileThereIsMoreAndRestsAfterAFailure(t *testing.T) {
	t.Parallel()
	rounds := 0
	l := Loop{Name: "test", Every: time.Hour, Log: slog.New(slog.DiscardHandler), Work: func(context.Context) (bool, error) {
		rounds++
		return rounds < 3, nil
	}}
	l.rounds(t.Context())
	require.Equal(t, 3, rounds)
	l.Work = func(context.Context) (bool, error) { rounds++; return true, errors.New("down") }
	l.rounds(t.Context())
	require.Equal(t, 4, rounds)
	l.Work = func(context.Context) (bool, error) { rounds++; return true, nil }
	l.rounds(t.Context())
	require.Equal(t, 4+maxRounds, rounds, "one loop does not starve its node")
}

func TestLoop_EndsWithItsContext(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	l := Loop{Name: "test", Every: time.Hour, Log: slog.New(slog.DiscardHandler), Work: func(context.Context) (bool, error) {
		cancel()
		return true, nil
	}}
	l.Run(ctx)
}

func TestWorkers_RetryLaterEachTime(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 3, 1, 9, 0, 0, 0, time.UTC)
	at := clock.Fixed(now)
	notice := &river.Job[noticeArgs]{JobRow: &rivertype.JobRow{Attempt: 3}}
	require.Equal(t, now.Add(4*time.Second), (&noticeWorker{worker: worker{clock: at}}).NextRetry(notice))
	challenge := &river.Job[challengeArgs]{JobRow: &rivertype.JobRow{Attempt: 30}}
	require.Equal(t, now.Add(time.Minute), (&challengeWorker{worker: worker{clock: at}}).NextRetry(challenge), "a code is worth sending for minutes")
}
