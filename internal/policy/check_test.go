package policy

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/holdfast/holdfast/internal/factor"
)

// both presets prove themselves.
func TestCheck_PassesThePresets(t *testing.T) {
	t.Parallel()
	for _, name := range Presets() {
		report := Check(preset(t, name))
		require.Empty(t, report.Failures)
		require.True(t, report.OK())
		require.Greater(t, report.Compared, 10_000)
		text := report.Text()
		require.Contains(t, text, "OK: over")
		require.Contains(t, text, "consumer         AAL1")
	}
}

func statusOf(r Report, section string) Status {
	for _, c := range r.Clauses {
		if c.Section == section {
			return c.Status
		}
	}
	return ""
}

// each preset says where it stands on accounts with one address.
func TestCheck_SaysWhatIsDeviatedFrom(t *testing.T) {
	t.Parallel()
	nist, balanced := Check(preset(t, PresetNIST)), Check(preset(t, PresetBalanced))
	for _, section := range []string{"4.2.1", "4.2.1.1", "4.2.1.2", "4.2.2.1", "4.2.2.2", "4.2.2.3", "4.2.3", "4.6"} {
		require.Equal(t, StatusMet, statusOf(nist, section), section)
	}
	require.Equal(t, StatusNotOffered, statusOf(nist, "4.2.1.3"))
	require.Equal(t, StatusDeviated, statusOf(balanced, "4.6"))
	require.Contains(t, nist.Text(), "goes to people: 2 approvals")
	require.Contains(t, nist.Text(), "Deviations: none")
	require.Contains(t, balanced.Text(), "recovers after a hold of 24h, probation 7d, under the deviation from R-096")
	require.Contains(t, balanced.Text(), "Most single-factor accounts have one e-mail address only.")
}

// Documents that the loader would refuse, put behind its back, so that the proof is seen to fail.
func TestCheck_FindsWhatTheLoaderWouldRefuse(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		edit    func(*Policy)
		message string
	}{
		"a strict tier with a shorter hold": {
			func(p *Policy) {
				p.doc.Tiers[Critical] = terms{Hold: duration(day), Probation: duration(14 * day), Approvals: 2}
			},
			"tier critical asks for less time",
		},
		"a strict tier with fewer approvals": {
			func(p *Policy) { x := p.doc.Tiers[Low]; x.Approvals = 3; p.doc.Tiers[Low] = x },
			"tier moderate asks for less time or fewer approvals",
		},
		"one class at AAL2": {
			func(p *Policy) { p.doc.Evidence[assuranceTwo] = []alternative{{{Class: factor.Issued}}} },
			"an AAL2 account passes with [email] (R-003)",
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			report := Check(edited(t, PresetNIST, tc.edit))
			require.False(t, report.OK())
			require.Contains(t, report.Text(), "FAIL: ")
			require.Contains(t, report.Text(), tc.message)
		})
	}
}

func TestCheck_FindsAnEasierStricterTier(t *testing.T) {
	t.Parallel()
	require.Equal(t, -1, firstEasier([]bool{true, true, false}, []bool{true, false, false}))
	require.Equal(t, 2, firstEasier([]bool{true, true, false}, []bool{true, false, true}))
}

// A deviation that the document names is a deviation in the report, no failure.
func TestCheck_ReportsANamedDeviationAsOne(t *testing.T) {
	t.Parallel()
	source := string(replaced(t, PresetNIST, "aal2: [[S, I],", "aal2: [[S],"))
	p, err := FromYAML([]byte(strings.ReplaceAll(source, "deviations: []", "deviations: [{requirement: R-003, reason: a saved code is enough here}]")))
	require.NoError(t, err)
	report := Check(p)
	require.True(t, report.OK(), report.Failures)
	require.Equal(t, StatusDeviated, statusOf(report, "4.2.2.2"))
	require.Contains(t, report.Text(), "a saved code is enough here")
}
