package throttle_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/holdfast/holdfast/internal/throttle"
)

func windows(t *testing.T, rules throttle.Rules, name throttle.Name) []throttle.Window {
	t.Helper()
	for _, rule := range rules {
		if rule.Name == name {
			return rule.Windows
		}
	}
	t.Fatalf("no rule %s", name)
	return nil
}

//
func TestDefaultRules_AreTheOnesOfTheRequirements(t *testing.T) {
	t.Parallel()
	rules := throttle.DefaultRules()
	require.NoError(t, rules.Validate())
	hour, day := time.Hour, 24*time.Hour
	require.Equal(t, []throttle.Window{{Limit: 10, Period: hour}, {Limit: 30, Period: day}}, windows(t, rules, throttle.StartSource))
	require.Equal(t, []throttle.Window{{Limit: 30, Period: hour}, {Limit: 60, Period: day}}, windows(t, rules, throttle.StartIdentifier))
	require.Equal(t, throttle.Window{Limit: 30, Period: hour}, windows(t, rules, throttle.VerifySource)[0])
	for _, rule := range rules {
		require.NotEmpty(t, rule.Reason, rule.Name)
	}
}

func TestRules_ScaleForDevelopment(t *testing.T) {
	t.Parallel()
	rules := throttle.DefaultRules()
	scaled := rules.Scaled(100)
	require.NoError(t, scaled.Validate())
	require.EqualValues(t, 1000, windows(t, scaled, throttle.StartSource)[0].Limit)
	require.EqualValues(t, 10, windows(t, rules, throttle.StartSource)[0].Limit, "the original is as it was")
	require.Equal(t, rules, rules.Scaled(0))
	require.Equal(t, rules, rules.Scaled(-7))
}

func TestRules_TakeOtherLimitsFromTheSettings(t *testing.T) {
	t.Parallel()
	rules, err := throttle.DefaultRules().With(map[throttle.Name]string{throttle.StartSource: "5-H, 9-D"})
	require.NoError(t, err)
	require.Equal(t, []throttle.Window{{Limit: 5, Period: time.Hour}, {Limit: 9, Period: 24 * time.Hour}},
		windows(t, rules, throttle.StartSource))

	for name, override := range map[string]map[throttle.Name]string{
		"an unknown rule":           {"no_such_rule": "5-H"},
		"no limit":                  {throttle.StartSource: "0-H"},
		"a negative limit":          {throttle.StartSource: "-1-H"},
		"a huge limit":              {throttle.StartSource: "99999999999-H"},
		"an unknown period":         {throttle.StartSource: "5-Y"},
		"nothing":                   {throttle.StartSource: ""},
		"two windows of one period": {throttle.VerifySource: "5-H,6-H"},
		"too many windows":          {throttle.VerifySource: "1-S,2-M,3-H,4-D,5-S"},
		"a source as loose as the identifier, with which one source could lock an owner out (R-070)": {throttle.StartSource: "30-H,60-D"},
		"a source without the identifier's day":                                                      {throttle.StartSource: "10-H"},
	} {
		_, err := throttle.DefaultRules().With(override)
		require.Error(t, err, name)
	}
}

func FuzzParseWindows(f *testing.F) {
	for _, seed := range []string{"10-H", "10-H,30-D", "", "-", "1-S,", "9223372036854775807-D", "１-H", "1-h ,2-m"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		windows, err := throttle.ParseWindows(text)
		if err != nil {
			return
		}
		require.NotEmpty(t, windows)
		for _, w := range windows {
			require.Positive(t, w.Limit)
			require.Positive(t, w.Period)
		}
	})
}
