package policy

import (
	"encoding/json"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/holdfast/holdfast/internal/factor"
)

// I2: whatever is joined, nothing becomes easier, shorter or fewer.
func TestRatchet_IsNeverEasierThanEitherPlan(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		p, q := anyPlan().Draw(t, "p"), anyPlan().Draw(t, "q")
		joined := p.Ratchet(q)
		evidence := rapid.SliceOfN(anyEvidence(), 0, 6).Draw(t, "evidence")
		if joined.Satisfied(evidence, provenAt()) {
			require.True(t, p.Satisfied(evidence, provenAt()))
			require.True(t, q.Satisfied(evidence, provenAt()))
		}
		for _, one := range []Plan{p, q} {
			require.GreaterOrEqual(t, joined.Tier, one.Tier)
			require.GreaterOrEqual(t, joined.Hold, one.Hold)
			require.GreaterOrEqual(t, joined.Probation, one.Probation)
			require.GreaterOrEqual(t, joined.Approvals, one.Approvals)
			require.LessOrEqual(t, joined.ReadyFor, one.ReadyFor)
			require.Subset(t, one.Methods, joined.Methods)
			require.True(t, joined.Assisted || !one.Assisted)
			require.True(t, joined.DeferToIDP || !one.DeferToIDP)
			require.True(t, joined.IndependentNotice || !one.IndependentNotice)
			require.True(t, joined.Deviates(reqNotice) || !one.Deviates(reqNotice))
		}
	})
}

// The conjunction is exact: where both plans let the same methods and ages count, what satisfies both satisfies the join.
func TestRatchet_IsNoStricterThanBothPlansTogether(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		p, q := anyPlan().Draw(t, "p"), anyPlan().Draw(t, "q")
		q.Methods, q.Ageing = p.Methods, p.Ageing
		evidence := rapid.SliceOfN(anyEvidence(), 0, 6).Draw(t, "evidence")
		together := p.Satisfied(evidence, provenAt()) && q.Satisfied(evidence, provenAt())
		require.Equal(t, together, p.Ratchet(q).Satisfied(evidence, provenAt()))
	})
}

func TestRatchet_IsIdempotentCommutativeAndAssociative(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		p, q, r := anyPlan().Draw(t, "p"), anyPlan().Draw(t, "q"), anyPlan().Draw(t, "r")
		require.Equal(t, asJSON(t, p), asJSON(t, p.Ratchet(p)))
		require.Equal(t, asJSON(t, p.Ratchet(q)), asJSON(t, p.Ratchet(q).Ratchet(q)))
		require.Equal(t, asJSON(t, p.Ratchet(q)), asJSON(t, q.Ratchet(p)))
		require.Equal(t, asJSON(t, p.Ratchet(q).Ratchet(r)), asJSON(t, p.Ratchet(q.Ratchet(r))))
	})
}

func asJSON(t require.TestingT, v any) string {
	b, err := json.Marshal(v)
	require.NoError(t, err)
	return string(b)
}

func TestRatchet_KeepsThePinnedVersion(t *testing.T) {
	t.Parallel()
	p, q := Plan{PolicyVersion: "one"}, Plan{PolicyVersion: "two"}
	require.Equal(t, "one", p.Ratchet(q).PolicyVersion)
}

func TestSatisfied_NeverTurnsFalseWithMoreEvidence(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		p := anyPlan().Draw(t, "p")
		evidence := rapid.SliceOfN(anyEvidence(), 0, 6).Draw(t, "evidence")
		if p.Satisfied(evidence, provenAt()) {
			require.True(t, p.Satisfied(append(evidence, anyEvidence().Draw(t, "another")), provenAt()))
			require.True(t, p.Satisfied(rapid.Permutation(evidence).Draw(t, "permuted"), provenAt()))
		}
		require.False(t, Plan{}.Satisfied(evidence, provenAt()))
		require.False(t, Plan{Alternatives: []Alternative{{}}}.Satisfied(evidence, provenAt()))
	})
}

func TestRemaining_IsNilExactlyWhenThePlanIsSatisfied(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		p := anyPlan().Draw(t, "p")
		evidence := rapid.SliceOfN(anyEvidence(), 0, 4).Draw(t, "evidence")
		remaining := p.Remaining(evidence, provenAt())
		require.Equal(t, p.Satisfied(evidence, provenAt()), remaining == nil)
		for _, a := range remaining { // whoever does what it says has done it
			more := append([]factor.Evidence{}, evidence...)
			for _, n := range a.Needs {
				require.NotEmpty(t, n.Methods)
				require.Subset(t, p.Methods, n.Methods)
				more = append(more, proof(rapid.SampledFrom(n.Methods).Draw(t, "choice"), 500*day))
			}
			require.True(t, p.Satisfied(more, provenAt()))
		}
	})
}

func TestRemaining_SaysWhatIsLeftAfterAFirstProof(t *testing.T) {
	t.Parallel()
	f := claim("business", 2, factor.Email, factor.TOTP, factor.RecoveryCode)
	plan := preset(t, PresetBalanced).Decide(f).Plan
	f = f.proving(factor.Email)
	require.Equal(t, []Alternative{
		{Needs: []Need{{Class: factor.Saved, Methods: []factor.Method{factor.RecoveryCode}}}},
		{Needs: []Need{{Class: factor.Authenticator, Methods: []factor.Method{factor.TOTP, factor.Passkey}}}},
	}, plan.Remaining(f.Evidence, f.Now))
	require.Empty(t, plan.Restrict([]factor.Method{factor.SMS}).Remaining(nil, f.Now))
	require.NotNil(t, plan.Restrict([]factor.Method{factor.SMS}).Remaining(nil, f.Now))
}

func TestSatisfied_CountsOnlyWhatIsSound(t *testing.T) {
	t.Parallel()
	plan := preset(t, PresetBalanced).Decide(claim("consumer", 1)).Plan
	sound := proof(factor.Email, old)
	require.True(t, plan.Satisfied([]factor.Evidence{sound}, provenAt()))
	for name, spoil := range map[string]func(*factor.Evidence){
		"suspect":                   func(e *factor.Evidence) { e.Suspect = true },
		"of another class":          func(e *factor.Evidence) { e.Class = factor.Saved },
		"of no class":               func(e *factor.Evidence) { e.Class = "" },
		"of an unknown method":      func(e *factor.Evidence) { e.Method = "kba" },
		"by a method not allowed":   func(e *factor.Evidence) { *e = proof(factor.Contact, old) },
		"too young when proven":     func(e *factor.Evidence) { e.Since = e.At.Add(-7*day + 1) },
		"without a known beginning": func(e *factor.Evidence) { e.Since = time.Time{} },
		"accepted after now":        func(e *factor.Evidence) { e.At = e.At.Add(1) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			e := sound
			spoil(&e)
			require.False(t, plan.Satisfied([]factor.Evidence{e}, provenAt()))
		})
	}
}
