package audit_test

import (
	"encoding/json"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/holdfast/holdfast/internal/audit"
)

func retired(at time.Time, change map[string]any) audit.Event {
	e := audit.Event{ID: "evt_r", Tenant: "_fleet", At: at, Action: audit.AuditRetired, Outcome: audit.Success, Details: map[string]any{
		"log": "recovery.example.com/audit", "month": "202411", "from": "2024-11-01", "until": "2024-12-01", "archive": "none",
		"events": json.Number("3"), "first_leaf": json.Number("7"), "last_leaf": json.Number("12"),
	}}
	for name, v := range change {
		if e.Details[name] = v; v == nil {
			delete(e.Details, name)
		}
	}
	return e
}

// a retirement is believed only where the policy allows it, to the microsecond.
func TestRetirementOf_IsWhatThePolicyAllows(t *testing.T) {
	t.Parallel()
	due := time.Date(2026, 12, 1, 0, 0, 0, 0, time.UTC)
	for name, tc := range map[string]struct {
		at     time.Time
		change map[string]any
		want   string // "" is good
	}{
		"in time":         {due, nil, ""},
		"a moment early":  {due.Add(-time.Microsecond), nil, "24 months are kept"},
		"before months":   {due, map[string]any{"month": "before", "from": nil}, ""},
		"without events":  {due, map[string]any{"events": json.Number("0"), "first_leaf": nil, "last_leaf": nil}, ""},
		"no beginning":    {due, map[string]any{"from": nil}, "from when"},
		"two months":      {due, map[string]any{"from": "2024-10-01"}, "does not retire a month"},
		"half a month":    {due, map[string]any{"until": "2024-11-15"}, "until when"},
		"no end":          {due, map[string]any{"until": nil}, "until when"},
		"no count":        {due, map[string]any{"events": nil}, "what it retires"},
		"a negative one":  {due, map[string]any{"events": json.Number("-3")}, "what it retires"},
		"no first leaf":   {due, map[string]any{"first_leaf": nil}, "what it retires"},
		"too few leaves":  {due, map[string]any{"last_leaf": json.Number("8")}, "what it retires"},
		"half a leaf":     {due, map[string]any{"last_leaf": json.Number("12.5")}, "what it retires"},
		"words as number": {due, map[string]any{"last_leaf": "12"}, "what it retires"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r, err := audit.RetirementOf(retired(tc.at, tc.change))
			if tc.want != "" {
				require.ErrorContains(t, err, tc.want)
				return
			}
			require.NoError(t, err)
			require.Equal(t, "recovery.example.com/audit", r.Log)
		})
	}
	failed := retired(due, nil)
	failed.Outcome = audit.Failure
	_, err := audit.RetirementOf(failed)
	require.Error(t, err)
}

// The range of a month is that of its ids.
func TestRetirement_HoldsTheIDsOfItsMonth(t *testing.T) {
	t.Parallel()
	r, err := audit.RetirementOf(retired(time.Date(2027, 1, 1, 0, 0, 0, 0, time.UTC), nil))
	require.NoError(t, err)
	for id, want := range map[string]bool{
		"evt_01jbjgb400e000000000000000": true,  // 2024-11-01T00:00:00.000Z
		"evt_01jbjgb3zze000000000000000": false, // a millisecond before
		"evt_01jdzr8p00e000000000000000": false, // 2024-12-01T00:00:00.000Z
		"evt_01jdzr8nzze000000000000000": true,
		"evt_":                           false,
		"":                               false,
		"evt_zz":                         false,
	} {
		require.Equal(t, want, r.Holds(id), id)
	}
}

// Whatever an event says, it is read without a panic, and what is believed is within the policy.
func FuzzRetirementOf(f *testing.F) {
	f.Add("2024-11-01", "2024-12-01", "202411", "3", "7", "12", int64(1796083200))
	f.Add("", "2024-12-01", "before", "0", "", "", int64(1796083200))
	f.Add("2024-11-01", "9999-12-01", "x", "9223372036854775807", "-1", "1e9", int64(-1))
	f.Fuzz(func(t *testing.T, from, until, month, events, first, last string, at int64) {
		r, err := audit.RetirementOf(retired(time.Unix(at, 0).UTC(), map[string]any{
			"from": from, "until": until, "month": month, "events": json.Number(events), "first_leaf": json.Number(first), "last_leaf": json.Number(last),
		}))
		if err != nil {
			return
		}
		require.False(t, r.Until.AddDate(0, audit.LeastMonths, 0).After(r.At))
		require.True(t, r.Events == 0 || (r.First >= 0 && r.Last >= r.First && r.Events > 0))
		require.True(t, r.From.IsZero() || r.From.Before(r.Until))
	})
}
