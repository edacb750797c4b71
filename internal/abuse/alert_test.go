package abuse_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/holdfast/holdfast/internal/abuse"
	"github.com/holdfast/holdfast/internal/audit"
	"github.com/holdfast/holdfast/internal/factor"
)

func t0() time.Time { return time.Date(2026, 3, 1, 9, 0, 0, 0, time.UTC) }

func warning() (abuse.Alert, abuse.Detector) {
	d := abuse.Detector{Name: "CodeGuessing", Severity: abuse.Warning, Quiet: time.Hour, EscalateAfter: 2 * time.Hour}
	return abuse.Alert{
		Tenant: "acme", ID: "alr_1", Detector: d.Name, Severity: abuse.Warning, State: abuse.Open, Count: 12, Peak: 12, Threshold: 10, FirstSeen: t0(), LastSeen: t0(), Version: 1,
	}, d
}

func TestAlert_LivesThroughSeeingAndQuiet(t *testing.T) {
	t.Parallel()
	a, d := warning()
	found := abuse.Finding{Tenant: "acme", Count: 11, Limit: 10}

	next, action := a.Seen(d, found, t0().Add(time.Minute))
	require.Empty(t, action, "more of the same is no event")
	require.EqualValues(t, 11, next.Count)
	require.EqualValues(t, 12, next.Peak)
	require.Equal(t, t0().Add(time.Minute), next.LastSeen)

	_, action = next.Unseen(d, next.LastSeen.Add(time.Hour-1))
	require.Empty(t, action)
	over, action := next.Unseen(d, next.LastSeen.Add(time.Hour))
	require.Equal(t, audit.AlertResolved, action)
	require.Equal(t, abuse.Resolved, over.State)
	_, action = over.Unseen(d, next.LastSeen.Add(3*time.Hour))
	require.Empty(t, action, "it is resolved once")
	_, _, ok := over.Acknowledge(audit.Actor{ID: "robin"}, "too late", t0())
	require.False(t, ok)
}

func TestAlert_EscalatesWhenIgnoredOrGrown(t *testing.T) {
	t.Parallel()
	a, d := warning()
	robin := audit.Actor{Kind: audit.ActorOperator, ID: "robin"}

	next, action := a.Seen(d, abuse.Finding{Count: 11, Limit: 10}, t0().Add(2*time.Hour-1))
	require.Empty(t, action)
	next, action = next.Seen(d, abuse.Finding{Count: 11, Limit: 10}, t0().Add(2*time.Hour))
	require.Equal(t, audit.AlertEscalated, action)
	require.Equal(t, abuse.Critical, next.Severity)
	_, action = next.Seen(d, abuse.Finding{Count: 99, Limit: 10}, t0().Add(3*time.Hour))
	require.Empty(t, action, "there is nothing above critical")

	looked, action, ok := a.Acknowledge(robin, "looking", t0().Add(time.Minute))
	require.True(t, ok)
	require.Equal(t, audit.AlertAcknowledged, action)
	same, action := looked.Seen(d, abuse.Finding{Count: 49, Limit: 10}, t0().Add(5*time.Hour))
	require.Empty(t, action, "somebody looks")
	require.Equal(t, abuse.Acknowledged, same.State)
	grown, action := same.Seen(d, abuse.Finding{Count: 50, Limit: 10}, t0().Add(5*time.Hour))
	require.Equal(t, audit.AlertEscalated, action)
	require.Equal(t, abuse.Open, grown.State, "who acknowledged the smaller thing has not seen this one")
}

// Every detector says what it means, how honest traffic looks, and has a runbook with its four parts.
func TestDetectors_AreWholeAndHaveARunbook(t *testing.T) {
	t.Parallel()
	seen := map[string]bool{}
	for _, d := range abuse.Detectors() {
		t.Run(d.Name, func(t *testing.T) {
			t.Parallel()
			require.Regexp(t, `^[A-Z][A-Za-z]{2,63}$`, d.Name)
			require.Contains(t, []abuse.Severity{abuse.Warning, abuse.Critical}, d.Severity)
			require.NotEmpty(t, d.Means)
			require.NotEmpty(t, d.Honest)
			require.Positive(t, d.Window)
			require.GreaterOrEqual(t, d.Quiet, 10*time.Minute)
			if d.Probe == "" {
				require.Positive(t, d.Query.Total)
				require.Subset(t, abuse.Measures(), d.Query.Count)
				require.Subset(t, append(abuse.Measures(), d.Query.Against...), d.Query.Against)
				require.Equal(t, len(d.Query.Against) > 0, d.Query.AtMost > 0)
			} else {
				require.Contains(t, abuse.Probes(), d.Probe)
				require.Positive(t, d.Limit)
				require.Equal(t, abuse.Query{}, d.Query)
			}
			text, err := os.ReadFile(filepath.Join("..", "..", "deploy", "runbooks", d.Name+".md"))
			require.NoError(t, err)
			for _, part := range []string{"# " + d.Name + ":", "**Meaning.**", "**First look.**", "**What to do.**", "**How to undo.**"} {
				require.Contains(t, string(text), part)
			}
		})
		require.False(t, seen[d.Name], "%s is there twice", d.Name)
		seen[d.Name] = true
	}
}

// There is no control that lowers anything: each kind is enumerated here with what it raises, and no other can be set.
func TestControls_OnlyRaise(t *testing.T) {
	t.Parallel()
	type raise struct {
		values []string
		check  func(t *testing.T, r abuse.Raised)
	}
	var methods []string
	for _, m := range factor.Methods() {
		methods = append(methods, string(m))
	}
	kinds := map[abuse.ControlKind]raise{
		abuse.MinTier:     {[]string{"moderate", "high", "critical"}, func(t *testing.T, r abuse.Raised) { t.Helper(); require.NotZero(t, r.MinTier) }},
		abuse.StopMethod:  {methods, func(t *testing.T, r abuse.Raised) { t.Helper(); require.Len(t, r.Methods, 1) }},
		abuse.StopCountry: {[]string{"GB", "DE"}, func(t *testing.T, r abuse.Raised) { t.Helper(); require.Len(t, r.Countries, 1) }},
		abuse.PauseStarts: {[]string{""}, func(t *testing.T, r abuse.Raised) { t.Helper(); require.True(t, r.Paused) }},
	}
	require.Len(t, kinds, len(abuse.ControlKinds()), "a new kind has to say here what it raises")
	for kind, want := range kinds {
		for _, value := range want.values {
			store := &memory{}
			_, err := set(t, store, kind, value)
			require.NoError(t, err, "%s %s", kind, value)
			board := abuse.NewBoard(store)
			_, err = board.Refresh(t.Context())
			require.NoError(t, err)
			want.check(t, board.Current("acme"))
			require.NotEqual(t, abuse.Raised{}, board.Current("acme"))
		}
	}
	for _, bad := range [][2]string{
		{"max_tier", "low"},
		{"allow_method", "sms"},
		{"allow_country", "GB"},
		{"resume_starts", ""},
		{"", ""},
		{"min_tier", "low"},
		{"min_tier", ""},
		{"stop_method", "everything"},
		{"stop_country", "gb"},
		{"pause_starts", "false"},
		{"stop_notices", ""},
		{"stop_objections", ""},
	} {
		_, err := set(t, &memory{}, abuse.ControlKind(bad[0]), bad[1])
		require.Error(t, err, "%v", bad)
	}
}

// Of several controls the strictest wins, the fleet's with the tenant's, and lifting one never takes another away.
func TestBoard_JoinsControlsToTheStrictest(t *testing.T) {
	t.Parallel()
	store := &memory{inForce: []abuse.Control{
		{Tenant: abuse.Fleet, Kind: abuse.MinTier, Value: "moderate"},
		{Tenant: "acme", Kind: abuse.MinTier, Value: "critical"},
		{Tenant: "acme", Kind: abuse.MinTier, Value: "high"},
		{Tenant: abuse.Fleet, Kind: abuse.StopCountry, Value: "GB"},
	}}
	board := abuse.NewBoard(store)
	counts, err := board.Refresh(t.Context())
	require.NoError(t, err)
	require.Equal(t, map[abuse.ControlKind]int{abuse.MinTier: 3, abuse.StopCountry: 1}, counts)
	require.Equal(t, "critical", board.Current("acme").MinTier.String())
	require.Equal(t, "moderate", board.Current("other").MinTier.String())
	require.True(t, board.Current("other").StopsCountry("GB"))
	require.True(t, board.Current("other").StopsCountry(""), "a country that nobody knows could be the stopped one")
	require.False(t, board.Current("other").StopsCountry("DE"))

	store.fail = true
	_, err = board.Refresh(t.Context())
	require.Error(t, err)
	require.Equal(t, "critical", board.Current("acme").MinTier.String(), "what was known stays while nobody can be asked")
	require.True(t, strings.HasPrefix(abuse.Fleet, "_"), "no tenant's id begins so")
}
