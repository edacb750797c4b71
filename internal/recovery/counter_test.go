package recovery

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/holdfast/holdfast/internal/factor"
)

func start() time.Time { return time.Date(2026, 3, 1, 9, 0, 0, 0, time.UTC) }

// guess lets the counter take as many failures as it will until the time until, as soon as it will.
func guess(c Counter, from, until time.Time) (Counter, []time.Time) {
	var at []time.Time
	for now := from; now.Before(until); {
		ok, wait := c.mayFail(now)
		if ok {
			c = c.fail(now)
			at = append(at, now)
			continue
		}
		if wait <= 0 {
			panic("a refusal without a wait")
		}
		now = now.Add(wait)
	}
	return c, at
}

// section 3: ten an hour, twenty-five a day, a hundred in a row; and no more, however they are spread.
func TestCounter_AllowsNoMoreThanItsLimits(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		var c Counter
		var at []time.Time
		now := start()
		for range rapid.IntRange(1, 200).Draw(t, "attempts") {
			now = now.Add(time.Duration(rapid.Int64Range(0, int64(3*time.Hour)).Draw(t, "passes")))
			if rapid.IntRange(0, 30).Draw(t, "succeeds") == 0 {
				c = c.succeed()
				continue
			}
			ok, wait := c.mayFail(now)
			if !ok {
				require.Positive(t, wait)
				continue
			}
			c = c.fail(now)
			at = append(at, now)
		}
		for i := range at {
			require.False(t, i >= failuresPerHour && at[i].Sub(at[i-failuresPerHour]) < time.Hour, "more than ten within an hour")
			require.False(t, i >= failuresPerDay && at[i].Sub(at[i-failuresPerDay]) < 24*time.Hour, "more than twenty-five within a day")
		}
		require.LessOrEqual(t, len(c.Recent), failuresPerDay, "the row stays small")
		require.LessOrEqual(t, c.Consecutive, failuresToDisable)
	})
}

// the wait grows with each failure in a row.
func TestCounter_WaitsLongerAfterEachFailure(t *testing.T) {
	t.Parallel()
	var c Counter
	now := start()
	for i, want := range []time.Duration{0, 0, 30 * time.Second, 2 * time.Minute, 10 * time.Minute, time.Hour, time.Hour} {
		ok, _ := c.mayFail(now)
		require.True(t, ok, i)
		c = c.fail(now)
		ok, wait := c.mayFail(now)
		require.Equal(t, want == 0, ok, i)
		if want > 0 {
			require.Equal(t, want, wait, i)
			_, wait = c.mayFail(now.Add(want - 1))
			require.Equal(t, time.Duration(1), wait)
		}
		now = now.Add(want)
	}
}

// the hundredth failure in a row disables the method, and nothing but a new binding brings it back.
func TestCounter_DisablesAfterAHundredFailures(t *testing.T) {
	t.Parallel()
	c, at := guess(Counter{}, start(), start().Add(60*24*time.Hour))
	require.Len(t, at, failuresToDisable)
	require.False(t, c.DisabledAt.IsZero())
	require.Equal(t, failuresToDisable, c.Consecutive)
	ok, _ := c.succeed().mayFail(start().Add(1000 * 24 * time.Hour))
	require.False(t, ok)
}

// success disregards what went before it. The limits of the hour and the day stay, or a thief could wait for the
// owner to wipe his guesses away.
func TestCounter_DisregardsEarlierFailuresOnSuccess(t *testing.T) {
	t.Parallel()
	c := Counter{}.fail(start()).fail(start()).fail(start())
	c = c.succeed()
	require.Zero(t, c.Consecutive)
	ok, _ := c.mayFail(start())
	require.True(t, ok, "no wait is left over")
	for i := range failuresPerHour - 3 {
		ok, _ := c.mayFail(start())
		require.True(t, ok, i)
		c = c.fail(start()).succeed()
	}
	ok, wait := c.mayFail(start().Add(time.Minute))
	require.False(t, ok)
	require.Equal(t, 59*time.Minute, wait)
}

// there is no window whose edge lets a double burst through.
func TestCounter_HasNoWindowEdge(t *testing.T) {
	t.Parallel()
	var c Counter
	end := start().Add(time.Hour)
	for i := range failuresPerHour {
		c = c.fail(end.Add(-time.Duration(failuresPerHour-i) * time.Second)).succeed()
	}
	ok, wait := c.mayFail(end.Add(time.Second))
	require.False(t, ok, "a new hour on the wall is no new hour")
	require.Greater(t, wait, 59*time.Minute)
}

// A clock that steps back does not forget.
func TestCounter_CountsAcrossAClockThatStepsBack(t *testing.T) {
	t.Parallel()
	var c Counter
	for range failuresPerHour {
		c = c.fail(start()).succeed()
	}
	ok, _ := c.mayFail(start().Add(-time.Minute))
	require.False(t, ok)
}

// methods have counters of their own, and sends are counted apart from failures.
func TestCounterKinds_AreOneForEachMethodAndPurpose(t *testing.T) {
	t.Parallel()
	seen := map[string]bool{}
	for _, m := range factor.Methods() {
		for _, kind := range []string{failureKind(m), sendKind(m)} {
			require.False(t, seen[kind], kind)
			seen[kind] = true
		}
	}
}

func TestCounter_AllowsFiveMessagesADay(t *testing.T) {
	t.Parallel()
	var c Counter
	for i := range sendsPerDestination {
		ok, _ := c.maySend(start().Add(time.Duration(i) * time.Hour))
		require.True(t, ok)
		c = c.send(start().Add(time.Duration(i) * time.Hour))
	}
	ok, wait := c.maySend(start().Add(5 * time.Hour))
	require.False(t, ok)
	require.Equal(t, 19*time.Hour, wait)
	ok, _ = c.maySend(start().Add(24 * time.Hour))
	require.True(t, ok)
}

// each wait is twice the one before, spread by up to a quarter, and bounded.
func TestChallenge_IsResentLessAndLessOften(t *testing.T) {
	t.Parallel()
	for _, jitter := range []float64{0, 0.5, 0.999} {
		t.Run(fmt.Sprint(jitter), func(t *testing.T) {
			t.Parallel()
			var ch Challenge
			for i, want := range []time.Duration{time.Minute, 2 * time.Minute, 4 * time.Minute, 8 * time.Minute, 16 * time.Minute, 32 * time.Minute, 32 * time.Minute} {
				ch = ch.again(start(), jitter)
				require.Equal(t, i+1, ch.Sends)
				spread := time.Duration(jitter * float64(want) / 4)
				require.Equal(t, start().Add(want+spread).Truncate(time.Second), ch.ResendAt)
			}
		})
	}
}

// asking again makes a new code and resets no count.
func TestChallenge_ForgetsTheOldCodeAndKeepsTheCount(t *testing.T) {
	t.Parallel()
	ch := Challenge{ID: "chl_1", Attempts: 4, CodeHash: []byte("old"), MintedAt: start(), AcceptedAt: start()}.again(start(), 0)
	require.Nil(t, ch.CodeHash)
	require.True(t, ch.MintedAt.IsZero())
	require.True(t, ch.AcceptedAt.IsZero())
	require.Equal(t, 4, ch.Attempts)
	require.True(t, ch.alive(start(), attemptsPerCode))
	ch.Attempts++
	require.False(t, ch.alive(start(), attemptsPerCode))
}

// a code lives ten minutes, to the moment.
func TestChallenge_LivesTenMinutes(t *testing.T) {
	t.Parallel()
	ch := Challenge{}.again(start(), 0)
	require.True(t, ch.alive(start().Add(10*time.Minute-1), attemptsPerCode))
	require.False(t, ch.alive(start().Add(10*time.Minute), attemptsPerCode))
}

// nothingRaised is Controls without any.
type nothingRaised struct{}

func (nothingRaised) Current(string) Raised { return Raised{} }

// R-074, I8: before the first proof the view is the same whatever the account is, and whether it is.
func TestView_BeforeAProofDependsOnNothingOfTheAccount(t *testing.T) {
	t.Parallel()
	s := NewService(Config{Controls: nothingRaised{}, Offered: []factor.Method{factor.Email, factor.SMS, factor.TOTP, factor.RecoveryCode}})
	accounts := []*Account{
		nil,
		{},
		{ID: "acc_1", AAL: 1, Channels: []Channel{{ID: "chn_1", Kind: factor.Email, Since: start()}}},
		{ID: "acc_2", AAL: 3, TOTP: []TOTPFactor{{ID: "fct_1"}}, SavedLeft: 10, Disabled: []string{"email"}},
	}
	for _, state := range []State{Initiated, Verifying, Expired, Cancelled} {
		base := Recovery{ID: "rcv_1", Reference: "HF-1", State: state, ExpiresAt: start().Add(VerifyFor), NotBefore: start(), ReadyUntil: start()}
		want := s.view(base, nil, start())
		for _, a := range accounts {
			r := base
			if a != nil {
				r.Account = a.ID
				r.Plan.Methods = []factor.Method{factor.TOTP}
				r.Tier = 4
			}
			require.Equal(t, want, s.view(r, a, start()))
		}
		require.Len(t, want.Methods, len(s.Offered))
		require.Empty(t, want.Satisfied)
		require.True(t, want.NotBefore.IsZero())
	}
}
