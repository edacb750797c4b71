package factor_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/holdfast/holdfast/internal/factor"
)

// at is the moment at which all evidence of these tests is judged.
func at() time.Time { return time.Date(2026, 3, 1, 9, 0, 0, 0, time.UTC) }

const day = 24 * time.Hour

// proof is evidence by a method whose source is of some age.
func proof(m factor.Method, age time.Duration) factor.Evidence {
	class, _ := m.Class()
	return factor.Evidence{Method: m, Class: class, Source: string(m), Since: at().Add(-age), At: at()}
}

func suspect(e factor.Evidence) factor.Evidence {
	e.Suspect = true
	return e
}

func resistant(e factor.Evidence) factor.Evidence {
	e.PhishingResistant = true
	return e
}

// and requirements.md, section 4.1.
func TestStrengthOf_AddsUpAsTheRequirementsSay(t *testing.T) {
	t.Parallel()
	undated := proof(factor.TOTP, 0)
	undated.Since = time.Time{}
	undatedEmail := proof(factor.Email, 0)
	undatedEmail.Since = time.Time{}
	for name, tc := range map[string]struct {
		items []factor.Evidence
		want  factor.Strength
	}{
		"nothing":                         {nil, factor.None},
		"a code by mail":                  {[]factor.Evidence{proof(factor.Email, 400*day)}, factor.E1},
		"mail and text count once":        {[]factor.Evidence{proof(factor.Email, 400*day), proof(factor.SMS, 400*day)}, factor.E1},
		"mail, text and call count once":  {[]factor.Evidence{proof(factor.Email, 400*day), proof(factor.SMS, 400*day), proof(factor.Voice, 400*day)}, factor.E1},
		"a saved code alone":              {[]factor.Evidence{proof(factor.RecoveryCode, 400*day)}, factor.E1},
		"mail and a saved code, one aged": {[]factor.Evidence{proof(factor.Email, 0), proof(factor.RecoveryCode, 30*day)}, factor.E3},
		"mail and a saved code, both new": {[]factor.Evidence{proof(factor.Email, 30*day-1), proof(factor.RecoveryCode, 0)}, factor.E1},
		"an aged authenticator":           {[]factor.Evidence{proof(factor.TOTP, 7*day)}, factor.E2},
		"an aged passkey":                 {[]factor.Evidence{resistant(proof(factor.Passkey, 7*day))}, factor.E2Plus},
		"an authenticator of yesterday":   {[]factor.Evidence{proof(factor.TOTP, 7*day-1)}, factor.E0},
		"a passkey of yesterday":          {[]factor.Evidence{resistant(proof(factor.Passkey, day))}, factor.E0},
		"a young authenticator is no second class": {
			[]factor.Evidence{proof(factor.Email, 400*day), proof(factor.TOTP, day)}, factor.E1,
		},
		"two authenticators count once": {[]factor.Evidence{proof(factor.TOTP, 400*day), resistant(proof(factor.Passkey, 400*day))}, factor.E2Plus},
		"mail and an authenticator":     {[]factor.Evidence{proof(factor.Email, 30*day), proof(factor.TOTP, 7*day)}, factor.E3},
		"proofing":                      {[]factor.Evidence{proof(factor.Reproofing, 0)}, factor.E3},
		"a suspect phone":               {[]factor.Evidence{suspect(proof(factor.SMS, 400*day))}, factor.E0},
		"a suspect source is no second class": {
			[]factor.Evidence{suspect(proof(factor.SMS, 400*day)), proof(factor.RecoveryCode, 400*day)}, factor.E1,
		},
		"an authenticator without a date":   {[]factor.Evidence{undated}, factor.E0},
		"no date does not make it aged":     {[]factor.Evidence{undatedEmail, proof(factor.RecoveryCode, day)}, factor.E1},
		"a class that nobody knows is none": {[]factor.Evidence{{Method: "kba", Class: "Q", Since: at().Add(-400 * day)}}, factor.None},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			require.Equal(t, tc.want, factor.StrengthOf(tc.items, at()))
		})
	}
}

// evidence draws any evidence, well formed or not quite.
func evidence() *rapid.Generator[factor.Evidence] {
	return rapid.Custom(func(t *rapid.T) factor.Evidence {
		e := proof(rapid.SampledFrom(factor.Methods()).Draw(t, "method"), time.Duration(rapid.IntRange(-1, 60).Draw(t, "days"))*day)
		e.Source = rapid.SampledFrom([]string{"a", "b", "c", "d"}).Draw(t, "source")
		e.PhishingResistant = rapid.Bool().Draw(t, "resistant")
		e.Suspect = rapid.Bool().Draw(t, "suspect")
		if rapid.IntRange(0, 9).Draw(t, "undated") == 0 {
			e.Since = time.Time{}
		}
		return e
	})
}

func TestStrengthOf_DoesNotDependOnTheOrder(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		items := rapid.SliceOfN(evidence(), 0, 6).Draw(t, "items")
		other := rapid.Permutation(items).Draw(t, "permuted")
		require.Equal(t, factor.StrengthOf(items, at()), factor.StrengthOf(other, at()))
	})
}

func TestStrengthOf_NeverFallsWithMoreEvidence(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		items := rapid.SliceOfN(evidence(), 0, 6).Draw(t, "items")
		more := append(append([]factor.Evidence{}, items...), evidence().Draw(t, "another"))
		require.GreaterOrEqual(t, factor.StrengthOf(more, at()), factor.StrengthOf(items, at()))
	})
}

// rule a of section 4.1.
func TestStrengthOf_OneClassIsWorthItsBestItem(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		class := rapid.SampledFrom([]factor.Class{factor.Saved, factor.Issued, factor.Trusted, factor.Authenticator, factor.Proofing}).Draw(t, "class")
		items := rapid.SliceOfN(evidence().Filter(func(e factor.Evidence) bool { return e.Class == class }), 1, 6).Draw(t, "items")
		best := factor.None
		for _, e := range items {
			best = max(best, factor.StrengthOf([]factor.Evidence{e}, at()))
		}
		require.Equal(t, best, factor.StrengthOf(items, at()))
	})
}

// Rule b of section 4.1.
func TestStrengthOf_SuspectSourcesAreWorthALink(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		items := rapid.SliceOfN(rapid.Map(evidence(), suspect), 1, 6).Draw(t, "items")
		require.Equal(t, factor.E0, factor.StrengthOf(items, at()))
		require.Empty(t, factor.Classes(items))
	})
}

// codes sent to addresses alone never reach what two methods do.
func TestStrengthOf_IssuedCodesAloneStayAtE1(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		issued := evidence().Filter(func(e factor.Evidence) bool { return e.Class == factor.Issued })
		items := rapid.SliceOfN(issued, 0, 6).Draw(t, "items")
		require.LessOrEqual(t, factor.StrengthOf(items, at()), factor.E1)
		require.LessOrEqual(t, len(factor.Classes(items)), 1)
	})
}

// Rule c of section 4.1: a number that is texted and called, and a mailbox that was removed and added again, are one address.
func TestIndependent_ComparesAddressesAndNotChannels(t *testing.T) {
	t.Parallel()
	first := factor.Evidence{Method: factor.SMS, Class: factor.Issued, Source: "chn_1"}
	again := factor.Evidence{Method: factor.Voice, Class: factor.Issued, Source: "chn_2", Address: "chn_1"}
	third := factor.Evidence{Method: factor.Voice, Class: factor.Issued, Source: "chn_3", Address: "chn_1"}
	require.Empty(t, factor.Independent([]factor.Evidence{again}, []factor.Evidence{first}))
	require.Empty(t, factor.Independent([]factor.Evidence{first}, []factor.Evidence{again}))
	require.Empty(t, factor.Independent([]factor.Evidence{third}, []factor.Evidence{again}))
	require.Len(t, factor.Independent([]factor.Evidence{third}, []factor.Evidence{{Source: "chn_4"}}), 1)
}

// Rule c of section 4.1.
func TestIndependent_KeepsNoSourceOfTheOtherSide(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		items := rapid.SliceOfN(evidence(), 0, 6).Draw(t, "items")
		other := rapid.SliceOfN(evidence(), 0, 6).Draw(t, "other")
		kept := factor.Independent(items, other)
		require.LessOrEqual(t, factor.StrengthOf(kept, at()), factor.StrengthOf(items, at()))
		for _, e := range kept {
			require.Contains(t, items, e)
			for _, o := range other {
				require.NotEqual(t, o.Source, e.Source)
			}
		}
		require.Empty(t, factor.Independent(items, items))
		require.Len(t, factor.Independent(items, nil), len(items))
	})
}

// what is not listed does not exist.
func TestParseMethod_KnowsTheListedMethodsOnly(t *testing.T) {
	t.Parallel()
	for _, m := range factor.Methods() {
		got, err := factor.ParseMethod(string(m))
		require.NoError(t, err)
		require.Equal(t, m, got)
	}
	for _, s := range []string{"", "kba", "security_question", "voice_biometric", "push", "EMAIL", "email "} {
		_, err := factor.ParseMethod(s)
		require.Error(t, err, s)
	}
}

func TestClasses_ListsEachKnownClassOnce(t *testing.T) {
	t.Parallel()
	items := []factor.Evidence{
		proof(factor.Email, day), proof(factor.SMS, day), proof(factor.TOTP, day), suspect(proof(factor.RecoveryCode, day)),
		{Method: "kba", Class: "Q"},
		{},
	}
	require.Equal(t, []factor.Class{factor.Issued, factor.Authenticator}, factor.Classes(items))
}

func TestStrength_HasANameForEveryValue(t *testing.T) {
	t.Parallel()
	names := map[string]bool{}
	for s := factor.None; s <= factor.E3; s++ {
		names[s.String()] = true
	}
	require.Len(t, names, 6)
	require.Equal(t, "Strength(9)", factor.Strength(9).String())
}
