package credential

import (
	"context"
	"strconv"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/holdfast/holdfast/internal/audit"
	"github.com/holdfast/holdfast/internal/clock"
	"github.com/holdfast/holdfast/internal/fault"
)

func TestCache_IsBoundedAndDropsWhatIsOverFirst(t *testing.T) {
	t.Parallel()
	c := newCache()
	t0 := time.Date(2026, 3, 1, 9, 0, 0, 0, time.UTC)
	hash := []byte("hash")
	for i := range maxRemembered - 1 {
		c.put(strconv.Itoa(i), Presented{Hash: hash}, t0, time.Second)
	}
	c.put("young", Presented{Hash: hash}, t0.Add(time.Second), cacheFor)
	c.put("next", Presented{Hash: hash}, t0.Add(time.Second), cacheFor)
	require.Len(t, c.entries, 2)
	for i := range 3 * maxRemembered {
		c.put("x"+strconv.Itoa(i), Presented{Hash: hash}, t0.Add(time.Second), cacheFor)
		require.LessOrEqual(t, len(c.entries), maxRemembered)
	}
}

func TestCache_AnswersForExactlyOneSecretAndNeverLendsItsScopes(t *testing.T) {
	t.Parallel()
	c := newCache()
	t0 := time.Date(2026, 3, 1, 9, 0, 0, 0, time.UTC)
	c.put("id", Presented{Principal: Principal{Client: "cli_1", Scopes: []Scope{AccountsRead}}, Hash: []byte("right")}, t0, cacheFor)
	_, ok := c.get("id", []byte("wrong"), t0)
	require.False(t, ok)
	p, ok := c.get("id", []byte("right"), t0)
	require.True(t, ok)
	p.Scopes[0] = AccountsWrite
	p, ok = c.get("id", []byte("right"), t0.Add(cacheFor-1))
	require.True(t, ok)
	require.False(t, p.Allows(AccountsWrite))
	_, ok = c.get("id", []byte("right"), t0.Add(cacheFor))
	require.False(t, ok)
}

func TestTouched_IsBoundedAndGivesEachOnce(t *testing.T) {
	t.Parallel()
	u := newTouched()
	for i := range 2 * maxRemembered {
		u.add(strconv.Itoa(i))
	}
	require.Len(t, u.take(), maxRemembered)
	require.Empty(t, u.take())
}

// failingOnce is a store that cannot write the first report.
type failingOnce struct {
	Store
	asked int
}

func (s *failingOnce) Report(context.Context, func(time.Time) audit.Event) error {
	if s.asked++; s.asked == 1 {
		return fault.Of(fault.CodeUnavailable)
	}
	return nil
}

// a refusal that could not be written down is written by the next of the same, and only then not again.
func TestReport_ThatFailedIsNone(t *testing.T) {
	t.Parallel()
	store := &failingOnce{}
	s := &Clients{Config: Config{Store: store, Clock: clock.Fixed(time.Date(2026, 3, 1, 9, 0, 0, 0, time.UTC))}, reported: newLately()}
	p := Principal{Tenant: "acme", Client: "cli_1", Credential: "k"}
	try := func() error { return s.ReportRefused(t.Context(), p, "req", "GET /v1/clients", fault.CodeForbidden) }
	require.Equal(t, fault.CodeUnavailable, fault.CodeOf(try()))
	require.NoError(t, try())
	require.NoError(t, try())
	require.Equal(t, 2, store.asked)
}
