package policy

import (
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/holdfast/holdfast/internal/factor"
	"github.com/holdfast/holdfast/internal/fault"
)

// replaced is a preset's text with one part, which must be there, written otherwise.
func replaced(t require.TestingT, name, was, is string) []byte {
	source, err := PresetSource(name)
	require.NoError(t, err)
	require.Contains(t, string(source), was)
	return []byte(strings.Replace(string(source), was, is, 1))
}

// edited is a preset changed behind the loader's back.
func edited(t require.TestingT, name string, edit func(*Policy)) *Policy {
	p := preset(t, name) // a fresh copy: nothing is shared
	edit(p)
	return p
}

func problemsOf(t require.TestingT, err error) []Problem {
	require.Equal(t, fault.CodePolicyInvalid, fault.CodeOf(err))
	var list *DocumentError
	require.ErrorAs(t, err, &list)
	require.NotEmpty(t, list.Problems)
	require.Len(t, fault.From(err).Fields, len(list.Problems))
	return list.Problems
}

// Each line of the floor refuses a document below it, names path, line and requirement, and lets it pass under its deviation.
func TestFromYAML_RefusesWhatIsBelowTheFloorUnlessNamed(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct{ was, is, requirement, path string }{
		"a moderate hold under 12 h":           {"moderate: {hold: 24h,", "moderate: {hold: 11h,", "R-089", "tiers.moderate.hold"},
		"a high hold under 48 h":               {"high:     {hold: 72h,", "high:     {hold: 47h,", "R-089", "tiers.high.hold"},
		"a critical hold under 72 h":           {"critical: {hold: 7d,", "critical: {hold: 72h,", "", ""}, // the bound itself holds
		"a critical hold just under":           {"critical: {hold: 7d,", "critical: {hold: 71h59m,", "", "!rising"},
		"a probation under 7 d":                {"low:      {hold: 0h, probation: 7d", "low:      {hold: 0h, probation: 6d", "R-118", "tiers.low.probation"},
		"one approval at critical":             {"approvals: 2", "approvals: 1", "R-122", "tiers.critical.approvals"},
		"a lax tier for privileged":            {"min_tier: critical", "min_tier: moderate", "R-133", "populations.privileged.min_tier"},
		"one class at AAL2":                    {"aal2: [[S, I],", "aal2: [[S],", "R-003", "evidence.aal2.0"},
		"authenticators at AAL2":               {"aal2: [[S, I],", "aal2: [[A],", "R-003", "evidence.aal2.0"},
		"one class at AAL3":                    {"aal3: [[S, I],", "aal3: [[I],", "R-004", "evidence.aal3.0"},
		"an authenticator at AAL1":             {"aal1: [[S],", "aal1: [[A],", "R-005", "evidence.aal1.0"},
		"text messages alone":                  {"[email, totp, recovery_code, passkey]\n    min_tier: moderate", "[sms, voice]\n    min_tier: moderate", "R-054", "populations.delegate.methods"},
		"a phone of yesterday":                 {"sms: 30d", "sms: 29d", "R-057", "populations.consumer"},
		"an authenticator of today":            {"totp: 7d", "totp: 0h", "R-052", "populations.consumer"},
		"contacts without analysis":            {"[email, totp, recovery_code, passkey]\n    min_tier: moderate", "[email, contact]\n    min_tier: moderate", "R-002", "populations.delegate.methods"},
		"an unknown device for free":           {"known_device:              {absent: 30, unknown: 30}", "known_device: {absent: 30, unknown: 19}", "R-091", "signals.known_device.unknown"},
		"an unknown history for free":          {"most: 60, unknown: 20}\n  recent", "most: 60}\n  recent", "R-091", "signals.earlier_recoveries.unknown"},
		"an unknown objection":                 {"prior_objection:           {present: 60, unknown: 20}", "prior_objection: {present: 60}", "R-091", "signals.prior_objection.unknown"},
		"an unknown SIM for free":              {"{present: 120, unknown: 20}", "{present: 120}", "R-056", "signals.sim_swap.unknown"},
		"a swapped SIM for less":               {"{present: 120, unknown: 20}", "{present: 100, unknown: 20}", "R-089", "signals.sim_swap.present"},
		"a new channel for less":               {"{present: 60, unknown: 5}", "{present: 50, unknown: 5}", "R-089", "signals.channel_changed_recently.present"},
		"another device for free":              {"{absent: 30, unknown: 30}", "{absent: 0, unknown: 30}", "R-089", "signals.known_device.absent"},
		"device and network for less":          {"network_change:            {present: 30,", "network_change:            {present: 20,", "R-089", "signals.network_change.present"},
		"an unknown network may weigh nothing": {"{present: 30, unknown: 4}", "{present: 30}", "", ""},
		"an unknown source may weigh nothing":  {"{present: 40, unknown: 4}", "{present: 40}", "", ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			source := replaced(t, PresetNIST, tc.was, tc.is)
			_, err := FromYAML(source)
			if tc.path == "!rising" {
				require.ErrorContains(t, err, "is laxer than")
				return
			}
			if tc.requirement == "" {
				require.NoError(t, err)
				return
			}
			problems := problemsOf(t, err)
			require.Equal(t, tc.requirement, problems[0].Requirement)
			require.Equal(t, tc.path, problems[0].Path)
			require.Positive(t, problems[0].Line)
			require.ErrorContains(t, err, fmt.Sprintf("line %d: %s: ", problems[0].Line, tc.path))

			named := strings.Replace(string(source), "deviations: []",
				"deviations: [{requirement: "+tc.requirement+", reason: accepted for a test}]", 1)
			p, err := FromYAML([]byte(named))
			require.NoError(t, err)
			want := Deviation{Requirement: tc.requirement, Reason: "accepted for a test", Applied: true}
			require.Contains(t, p.Decide(claim("consumer", 1, factor.Email)).Plan.Deviations, want, "every decision says so")
		})
	}
}

// A document that makes no sense is refused with the place and the cause.
func TestFromYAML_RefusesWhatMakesNoSense(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct{ was, is, message string }{
		"no version":                 {"version: nist-1", "", "a version is required"},
		"an unknown field":           {"version: nist-1", "version: nist-1\nversoin: x", "field versoin not found"},
		"a field twice":              {"version: nist-1", "version: nist-1\nversion: nist-2", "already"},
		"an unknown signal":          {"  factor_new:", "  factor_mew: {present: 1}\n  factor_new:", "there is no such signal"},
		"a missing signal":           {"  factor_new:                {present: 25}\n", "", "factor_new is missing"},
		"a negative weight":          {"{present: 25}", "{present: -25}", "nothing lowers a tier"},
		"counts without a limit":     {"{each: 20, most: 60,", "{each: 20,", "a counted signal has each"},
		"counts where none are":      {"{present: 25}", "{each: 25}", "counted signals only"},
		"thresholds out of order":    {"moderate: 20, high: 60", "moderate: 60, high: 20", "0 < moderate < high < critical"},
		"an unknown tier":            {"  critical: {hold: 7d,", "  extreme: {hold: 7d,", "unknown tier"},
		"a missing tier":             {"  critical: {hold: 7d, probation: 14d, approvals: 2}\n", "", "tier critical is missing"},
		"a hold that lasts for ever": {"critical: {hold: 7d,", "critical: {hold: 60d,", "must lie between"},
		"a negative hold":            {"low:      {hold: 0h,", "low:      {hold: -1h,", "must lie between"},
		"a laxer stricter tier":      {"high:     {hold: 72h,", "high:     {hold: 20h,", "tier high is laxer than tier moderate"},
		"no duration":                {"ready_for: 48h", "ready_for: soon", "a duration such as 24h or 7d"},
		"a long ready window":        {"ready_for: 48h", "ready_for: 30d", "must lie between 1h and 7d"},
		"an unknown method":          {"methods: [email, sms, voice,", "methods: [email, kba, voice,", "there is no such method"},
		"a method twice":             {"methods: [email, sms, voice,", "methods: [email, sms, sms,", "stands twice"},
		"an unknown class":           {"aal1: [[S],", "aal1: [[X],", "a class is one of S, I, K, A, P"},
		"one class twice":            {"aal2: [[S, I],", "aal2: [[I, I],", "two proofs of one class count once"},
		"a method of another class":  {"aal1: [[S],", "aal1: [[{class: S, methods: [email]}],", "methods must be of class S"},
		"an unknown field in a need": {"aal1: [[S],", "aal1: [[{class: S, minage: 3d}],", "a need has no field"},
		"an unknown level":           {"  aal1: [[S],", "  aal4: [[S],", "aal1, aal2 and aal3 are the levels"},
		"an empty alternative":       {"aal1: [[S],", "aal1: [[],", "1 to 3 needs"},
		"an unknown fallback":        {"fallback_population: privileged", "fallback_population: martian", "must name a population"},
		"a deferring fallback":       {"fallback_population: privileged", "fallback_population: federated", "does not defer"},
		"a deviation from anything":  {"deviations: []", "deviations: [{requirement: R-001, reason: because of reasons}]", "can be deviated from"},
		"a deviation without reason": {"deviations: []", "deviations: [{requirement: R-096}]", "printable text of 10"},
		"a reason with controls":     {"deviations: []", `deviations: [{requirement: R-096, reason: "because \x1b[2J of this"}]`, "printable text"},
		"a rule that is no boolean":  {"rules: []", "rules: [{name: a, when: aal + 1, raise_to: high, reason: for a test}]", "must yield true or false"},
		"a rule with a typing error": {"rules: []", "rules: [{name: a, when: 'signals.knwon_device == \"absent\"', raise_to: high, reason: for a test}]", "fails on ordinary facts"},
		"a rule about nothing":       {"rules: []", "rules: [{name: a, when: password != '', raise_to: high, reason: for a test}]", "does not compile"},
		"a rule that raises nowhere": {"rules: []", "rules: [{name: a, when: 'true', reason: for a test of it}]", "a tier is required"},
		"an alias":                   {"rules: []", "rules: &r []", "anchors and aliases are not allowed"},
		"two documents":              {"rules: []", "rules: []\n---\nversion: x", "one document is expected"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := FromYAML(replaced(t, PresetNIST, tc.was, tc.is))
			problemsOf(t, err)
			require.ErrorContains(t, err, tc.message)
		})
	}
	for name, text := range map[string]string{"nothing": "", "a comment": "# none", "a scalar": "42", "a list": "[]", "no YAML": "\t{", "a bomb": strings.Repeat("a: ", maxDocument)} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := FromYAML([]byte(text))
			problemsOf(t, err)
		})
	}
}

func TestFromYAML_ReadsMethodsAndAgesOfANeed(t *testing.T) {
	t.Parallel()
	p, err := FromYAML(replaced(t, PresetNIST, "aal1: [[S],", "aal1: [[{class: I, methods: [email], min_age: 90d}],"))
	require.NoError(t, err)
	require.Contains(t, asJSON(t, p.doc.Evidence[assuranceOne]), "email")
	// The laxer [I] stands beside it, which makes it needless.
	require.Len(t, p.Decide(claim("consumer", 1, factor.Email)).Plan.Alternatives, 1)
}

// Rules can only raise, whatever they say, and a rule that cannot be evaluated counts as met.
func TestRules_OnlyRaise(t *testing.T) {
	t.Parallel()
	plain, with := preset(t, PresetBalanced), ruled(t)
	rapid.Check(t, func(t *rapid.T) {
		f := anyFacts().Draw(t, "facts")
		before, after := plain.Decide(f), with.Decide(f)
		require.GreaterOrEqual(t, after.Tier, before.Tier)
		require.GreaterOrEqual(t, after.Plan.Hold, before.Plan.Hold)
		if after.Plan.Satisfied(f.Evidence, f.Now) {
			require.True(t, before.Plan.Satisfied(f.Evidence, f.Now))
		}
	})
}

// ruled is the default preset with rules of every temper.
func ruled(t require.TestingT) *Policy {
	p, err := FromYAML(replaced(t, PresetBalanced, "rules: []", `rules:
  - {name: first, when: 'aal >= 2 && counts.recent_failures > 3', raise_to: high, reason: Failures on an MFA account.}
  - {name: second, when: 'signals.source_velocity == "present" && "sms" in evidence', raise_to: critical, reason: A busy source with a phone.}
  - {name: low, when: 'true', raise_to: low, reason: Asks for no more than what is.}
  - {name: young, when: 'size(factors) > 0 && youngest_factor_hours < 48', raise_to: moderate, reason: A factor of two days.}
  - {name: broken, when: 'size(factors) > 3 && 1 / (ial - 2) > 0', raise_to: high, reason: Divides by zero at IAL2.}`))
	require.NoError(t, err)
	return p
}

func TestRules_FailClosed(t *testing.T) {
	t.Parallel()
	nest := "true"
	for _, v := range []string{"a", "b", "c", "d"} {
		nest = "factors.all(" + v + ", " + nest + ")"
	}
	p, err := FromYAML(replaced(t, PresetBalanced, "rules: []", `rules:
  - {name: broken, when: '1 / ial > 5', raise_to: high, reason: Divides by zero at IAL0.}
`))
	require.Error(t, err, "it fails on ordinary facts already")
	require.Nil(t, p)

	p, err = FromYAML(replaced(t, PresetBalanced, "rules: []", "rules: [{name: costly, when: '!("+nest+")', raise_to: critical, reason: Costs without end.}]"))
	require.NoError(t, err)
	f := claim("consumer", 1, factor.Email)
	require.Equal(t, Low, p.Decide(f).Tier)
	for range 40 {
		f.Factors = append(f.Factors, held(factor.Email, old))
	}
	d := p.Decide(f)
	require.Equal(t, Critical, d.Tier)
	require.Contains(t, asJSON(t, d.Reasons), "could not be evaluated")
}

func TestPreset_KnowsItsOwnNamesOnly(t *testing.T) {
	t.Parallel()
	_, err := Preset("../nist")
	require.Error(t, err)
	entries, err := os.ReadDir("presets")
	require.NoError(t, err)
	require.Len(t, entries, len(Presets()))
	for _, name := range Presets() {
		require.NotEmpty(t, preset(t, name).Version())
	}
}

func FuzzFromYAML(f *testing.F) {
	for _, name := range Presets() {
		source, err := PresetSource(name)
		require.NoError(f, err)
		f.Add(source)
	}
	f.Add([]byte("version: x\nevidence: {aal1: [[{class: I, methods: [email]}]]}"))
	f.Add([]byte("a: &a [*a]"))
	f.Add([]byte("rules: [{name: a, when: 'true', raise_to: high, reason: xxxxxxxxxx}]"))
	f.Fuzz(func(t *testing.T, source []byte) {
		p, err := FromYAML(source)
		if err != nil {
			problemsOf(t, err)
			return
		}
		d := p.Decide(claim("consumer", 1, factor.Email).proving(factor.Email))
		require.True(t, d.Tier.Valid())
	})
}
