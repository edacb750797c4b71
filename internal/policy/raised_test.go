package policy_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/holdfast/holdfast/internal/factor"
	"github.com/holdfast/holdfast/internal/policy"
)

// Whatever operators demand, a decision is never laxer for it: in no preset, for no account and no evidence.
func TestRaised_NeverMakesADecisionLaxer(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 3, 1, 9, 0, 0, 0, time.UTC)
	old := now.Add(-90 * 24 * time.Hour)
	factors := []policy.Factor{
		{ID: "chn_1", Method: factor.Email, Since: old},
		{ID: "chn_2", Method: factor.SMS, Since: old},
		{ID: "fct_1", Method: factor.TOTP, Since: old},
		{ID: "saved", Method: factor.RecoveryCode, Since: old},
	}
	proof := func(f policy.Factor) factor.Evidence {
		class, _ := f.Method.Class()
		return factor.Evidence{Method: f.Method, Class: class, Source: f.ID, Since: f.Since, At: now}
	}
	evidence := [][]factor.Evidence{nil}
	for i, f := range factors {
		evidence = append(evidence, []factor.Evidence{proof(f)})
		for _, g := range factors[i+1:] {
			evidence = append(evidence, []factor.Evidence{proof(f), proof(g)})
		}
	}
	for _, name := range []string{policy.PresetBalanced, policy.PresetNIST} {
		p, err := policy.Preset(name)
		require.NoError(t, err)
		for _, shown := range evidence {
			f := policy.Facts{
				Now: now, Population: "consumer", AAL: 1, Reason: policy.ReasonLostPassword, Factors: factors, Evidence: shown,
				Signals: map[policy.Signal]policy.Reading{policy.KnownDevice: {State: policy.Present}},
			}
			before := p.Decide(f)
			for _, tier := range append([]policy.Tier{0}, policy.Tiers()...) {
				for _, stopped := range [][]factor.Method{nil, {factor.SMS}, {factor.Email, factor.TOTP}, factor.Methods()} {
					f.Raised = policy.Raised{MinTier: tier, Stopped: stopped}
					after := p.Decide(f)
					require.GreaterOrEqual(t, after.Tier, max(before.Tier, tier), "%s %v %+v", name, shown, f.Raised)
					require.GreaterOrEqual(t, after.Plan.Hold, before.Plan.Hold)
					require.GreaterOrEqual(t, after.Plan.Approvals, before.Plan.Approvals)
					require.Subset(t, before.Plan.Methods, after.Plan.Methods)
					require.True(t, !after.Plan.Satisfied(shown, now) || before.Plan.Satisfied(shown, now), "%s %v %+v", name, shown, f.Raised)
					require.Equal(t, f.Raised, after.Raised, "a decision says what was demanded")
					for _, m := range stopped {
						proven := false
						for _, e := range shown {
							proven = proven || e.Method == m
						}
						require.True(t, proven || !contains(after.Plan.Methods, m), "%s gives no new proof", m)
					}
				}
			}
		}
	}
}

func contains(list []factor.Method, m factor.Method) bool {
	for _, x := range list {
		if x == m {
			return true
		}
	}
	return false
}
