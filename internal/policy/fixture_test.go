package policy

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/holdfast/holdfast/internal/factor"
)

const old = 200 * day

// preset loads a preset.
func preset(t require.TestingT, name string) *Policy {
	p, err := Preset(name)
	require.NoError(t, err)
	return p
}

// held is a factor on file, named by its method.
func held(m factor.Method, age time.Duration) Factor {
	return Factor{ID: string(m), Method: m, Since: provenAt().Add(-age), PhishingResistant: m == factor.Passkey}
}

// claim is a quiet claim to an account whose factors are all old.
func claim(population string, aal int, factors ...factor.Method) Facts {
	f := quiet(population, aal)
	for _, m := range factors {
		f.Factors = append(f.Factors, held(m, old))
	}
	return f
}

// proving adds evidence of old factors.
func (f Facts) proving(methods ...factor.Method) Facts {
	f.Evidence = nil
	for _, m := range methods {
		f.Evidence = append(f.Evidence, proof(m, old))
	}
	return f
}

// with gives the facts with one reading changed.
func (f Facts) with(s Signal, r Reading) Facts {
	signals := map[Signal]Reading{}
	for k, v := range f.Signals {
		signals[k] = v
	}
	signals[s] = r
	f.Signals = signals
	return f
}

// without gives the facts with one reading missing.
func (f Facts) without(s Signal) Facts {
	f = f.with(s, Reading{})
	delete(f.Signals, s)
	return f
}

// anyEvidence draws evidence of any method, well formed or nearly so.
func anyEvidence() *rapid.Generator[factor.Evidence] {
	return rapid.Custom(func(t *rapid.T) factor.Evidence {
		e := proof(rapid.SampledFrom(factor.Methods()).Draw(t, "method"), days(t))
		e.Suspect = rapid.IntRange(0, 4).Draw(t, "suspect") == 0
		e.PhishingResistant = rapid.Bool().Draw(t, "resistant")
		return e
	})
}

func days(t *rapid.T) time.Duration {
	return time.Duration(rapid.SampledFrom([]int{0, 6, 7, 29, 30, 400}).Draw(t, "days")) * day
}

// anyFacts draws facts, sensible or not.
func anyFacts() *rapid.Generator[Facts] {
	return rapid.Custom(func(t *rapid.T) Facts {
		f := Facts{
			Now:        provenAt(),
			Population: rapid.SampledFrom([]string{"consumer", "business", "privileged", "pseudonymous", "federated", "martian", ""}).Draw(t, "population"),
			AAL:        rapid.IntRange(-1, 4).Draw(t, "aal"),
			IAL:        rapid.IntRange(-1, 4).Draw(t, "ial"),
			Reason:     rapid.SampledFrom([]string{ReasonLostPassword, ReasonLostMFA, ReasonLostAll, ReasonSuspectedTakeover, "bored"}).Draw(t, "reason"),
			Signals:    map[Signal]Reading{},
			Evidence:   rapid.SliceOfN(anyEvidence(), 0, 4).Draw(t, "evidence"),
		}
		for range rapid.IntRange(0, 5).Draw(t, "factors") {
			x := held(rapid.SampledFrom(factor.Methods()).Draw(t, "factor"), days(t))
			x.Suspect = rapid.IntRange(0, 4).Draw(t, "suspect") == 0
			x.Disabled = rapid.IntRange(0, 4).Draw(t, "disabled") == 0
			f.Factors = append(f.Factors, x)
		}
		for _, s := range Signals() {
			state := rapid.SampledFrom([]State{Present, Absent, Unknown, ""}).Draw(t, string(s))
			if state != "" {
				f.Signals[s] = Reading{State: state, Value: float64(rapid.IntRange(-1, 20).Draw(t, "value"))}
			}
		}
		return f
	})
}

// anyPlan draws a plan that a document could make.
func anyPlan() *rapid.Generator[Plan] {
	return rapid.Custom(func(t *rapid.T) Plan {
		p := Plan{
			PolicyVersion:     "drawn",
			Tier:              rapid.SampledFrom(Tiers()).Draw(t, "tier"),
			Methods:           intersect(factor.Methods(), rapid.SliceOfNDistinct(rapid.SampledFrom(factor.Methods()), 3, 9, rapid.ID).Draw(t, "methods")),
			Ageing:            map[factor.Method]time.Duration{factor.Email: days(t), factor.TOTP: days(t)},
			Hold:              days(t),
			Probation:         days(t),
			ReadyFor:          days(t),
			Approvals:         rapid.IntRange(0, 3).Draw(t, "approvals"),
			DeferToIDP:        rapid.Bool().Draw(t, "defer"),
			IndependentNotice: rapid.Bool().Draw(t, "notice"),
			Assisted:          rapid.Bool().Draw(t, "assisted"),
		}
		if rapid.Bool().Draw(t, "deviates") {
			p.Deviations = []Deviation{{Requirement: reqNotice, Reason: "for a test", Applied: rapid.Bool().Draw(t, "applied")}}
		}
		for range rapid.IntRange(0, 4).Draw(t, "alternatives") {
			var a Alternative
			for _, class := range rapid.SliceOfNDistinct(rapid.SampledFrom([]factor.Class{"S", "I", "K", "A", "P"}), 1, 3, rapid.ID).Draw(t, "classes") {
				a.Needs = append(a.Needs, anyNeed(t, class))
			}
			p.Alternatives = append(p.Alternatives, a)
		}
		p.Alternatives = normal(p.Alternatives)
		return p
	})
}

func anyNeed(t *rapid.T, class factor.Class) Need {
	all := need{Class: class}.allowed(factor.Methods())
	some := rapid.SliceOfNDistinct(rapid.SampledFrom(all), 1, len(all), rapid.ID).Draw(t, "methods")
	return Need{Class: class, Methods: intersect(all, some), MinAge: days(t)}
}

func TestTier_HasAnInvalidZeroAndReadsItsOwnNames(t *testing.T) {
	t.Parallel()
	for _, tier := range Tiers() {
		text, err := tier.MarshalText()
		require.NoError(t, err)
		var back Tier
		require.NoError(t, back.UnmarshalText(text))
		require.Equal(t, tier, back)
	}
	_, err := Tier(0).MarshalText()
	require.Error(t, err)
	require.Error(t, new(Tier).UnmarshalText([]byte("LOW")))
	require.Less(t, Low, Moderate)
	require.Less(t, High, Critical)
}
