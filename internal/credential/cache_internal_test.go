package credential

import (
	"strconv"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
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
