package policy

import (
	"encoding/json"
	"math"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/holdfast/holdfast/internal/factor"
)

// sequence plays a recovery: a decision at the start and at each proof, ratcheted.
func sequence(p *Policy, f Facts, proofs ...factor.Method) (Decision, Plan) {
	d := p.Decide(f.proving())
	plan := d.Plan
	for i := range proofs {
		d = p.Decide(f.proving(proofs[:i+1]...))
		plan = plan.Ratchet(d.Plan)
	}
	return d, plan
}

// R-089, and section 3 of the requirements: what each kind of claim costs under the default preset.
func TestBalanced_HoldsByRiskAndEvidence(t *testing.T) {
	t.Parallel()
	young := func(f Facts, m factor.Method, age time.Duration) Facts {
		f.Factors = append(slices.Clone(f.Factors), held(m, age))
		f.Factors[len(f.Factors)-1].ID += "_young"
		return f
	}
	because := func(f Facts, reason string) Facts {
		f.Reason = reason
		return f
	}
	consumer := claim("consumer", 1, factor.Email, factor.SMS)
	business := claim("business", 2, factor.Email, factor.SMS, factor.TOTP, factor.RecoveryCode)
	present, absent := Reading{State: Present}, Reading{State: Absent}
	for name, tc := range map[string]struct {
		facts  Facts
		proofs []factor.Method
		tier   Tier
		hold   time.Duration
	}{
		"a known device":                  {consumer, []factor.Method{factor.Email}, Low, 0},
		"a device nobody spoke of":        {consumer.without(KnownDevice), []factor.Method{factor.Email}, Moderate, day},
		"another device":                  {consumer.with(KnownDevice, absent), []factor.Method{factor.Email}, Moderate, day},
		"another device, another network": {consumer.with(KnownDevice, absent).with(NetworkChange, present), []factor.Method{factor.Email}, High, 3 * day},
		"an unknown network alone":        {consumer.without(NetworkChange), []factor.Method{factor.Email}, Low, 0},
		"a channel of last week":          {young(consumer, factor.Email, 8*day), []factor.Method{factor.Email}, High, 3 * day},
		"a saved code of yesterday":       {young(consumer, factor.RecoveryCode, day), []factor.Method{factor.Email}, Moderate, day},
		"an earlier recovery":             {consumer.with(EarlierRecoveries, Reading{Present, 1}), []factor.Method{factor.Email}, Moderate, day},
		"a count of zero":                 {consumer.with(EarlierRecoveries, Reading{Present, 0}), []factor.Method{factor.Email}, Low, 0},
		"a few typing errors":             {consumer.with(RecentFailures, Reading{Present, 3}), []factor.Method{factor.Email}, Low, 0},
		"guessing":                        {consumer.with(RecentFailures, Reading{Present, 40}), []factor.Method{factor.Email}, Low, 0},
		// strangers can guess as much as they like; that alone must not keep the owner out.
		"endless guessing":             {consumer.with(RecentFailures, Reading{Present, math.Inf(1)}), []factor.Method{factor.Email}, Low, 0},
		"a count that is none":         {consumer.with(RecentFailures, Reading{Present, math.NaN()}), []factor.Method{factor.Email}, Moderate, day},
		"an owner who objected before": {consumer.with(PriorObjection, present), []factor.Method{factor.Email}, High, 3 * day},
		"a busy source":                {consumer.with(SourceVelocity, present), []factor.Method{factor.Email}, Moderate, day},
		"a code by text, SIM known":    {consumer, []factor.Method{factor.SMS}, Low, 0},
		"a code by text, SIM unknown":  {consumer.without(SIMSwap), []factor.Method{factor.SMS}, Moderate, day},
		"a code by mail, SIM unknown":  {consumer.without(SIMSwap), []factor.Method{factor.Email}, Low, 0},
		"a swapped SIM":                {consumer.with(SIMSwap, present), []factor.Method{factor.Email}, Critical, 7 * day},
		"a suspected takeover":         {because(consumer, ReasonSuspectedTakeover), []factor.Method{factor.Email}, High, 3 * day},
		"a reason nobody knows":        {because(consumer, "bored"), []factor.Method{factor.Email}, High, 3 * day},
		"MFA with an authenticator":    {business, []factor.Method{factor.Email, factor.TOTP}, Moderate, day},
		"MFA with an aged saved code":  {business, []factor.Method{factor.Email, factor.RecoveryCode}, Low, 0},
		"MFA with a passkey":           {business, []factor.Method{factor.Email, factor.Passkey}, Low, 0},
		"MFA without a known device":   {business.without(KnownDevice), []factor.Method{factor.Email, factor.RecoveryCode}, Moderate, day},
		"a delegate":                   {claim("delegate", 1, factor.Email, factor.SMS), []factor.Method{factor.Email}, Moderate, day},
		"a privileged account":         {claim("privileged", 2, factor.Email, factor.SMS, factor.Passkey), []factor.Method{factor.Email, factor.Passkey}, Critical, 7 * day},
		"a population nobody knows":    {claim("martian", 1, factor.Email, factor.SMS), []factor.Method{factor.Email}, Critical, 7 * day},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d, plan := sequence(preset(t, PresetBalanced), tc.facts, tc.proofs...)
			require.Equal(t, tc.tier, d.Tier, d.Reasons)
			require.Equal(t, tc.tier, plan.Tier)
			require.Equal(t, tc.hold, plan.Hold)
			require.True(t, plan.Satisfied(tc.facts.proving(tc.proofs...).Evidence, tc.facts.Now))
			require.True(t, plan.IndependentNotice)
			require.False(t, plan.Assisted)
			require.Equal(t, tc.tier == Critical, plan.Approvals == 2)
			require.GreaterOrEqual(t, plan.Probation, 7*day)
			require.Equal(t, 2*day, plan.ReadyFor)
		})
	}
}

// over all pairs, an account with MFA passes by two classes of which one is no authenticator, or by proofing.
func TestDecide_MFAAccountsNeedTwoClasses(t *testing.T) {
	t.Parallel()
	for _, name := range Presets() {
		for _, aal := range []int{2, 3} {
			for _, one := range factor.Methods() {
				for _, two := range factor.Methods() {
					f := claim("everything", aal, factor.Email).proving(one, two)
					f.IAL = 1
					c1, _ := one.Class()
					c2, _ := two.Class()
					proofing := c1 == factor.Proofing || c2 == factor.Proofing
					want := proofing || c1 != c2 // one pair of classes always has a recovery code: A is one class
					require.Equal(t, want, everything(t, name).Decide(f).Plan.Satisfied(f.Evidence, f.Now), "%s AAL%d %s %s", name, aal, one, two)
				}
			}
		}
	}
}

// everything is a preset with a population that allows all methods.
func everything(t require.TestingT, name string) *Policy {
	return edited(t, name, func(p *Policy) {
		p.doc.Populations["everything"] = population{Methods: factor.Methods()}
	})
}

// a bound authenticator makes an MFA account, registered as one or not, disabled or not.
func TestDecide_ABoundAuthenticatorMakesAnMFAAccount(t *testing.T) {
	t.Parallel()
	for _, m := range []factor.Method{factor.TOTP, factor.Passkey} {
		f := claim("consumer", 1, factor.Email, factor.SMS, m).proving(factor.Email)
		f.Factors[2].Disabled, f.Factors[2].Suspect = true, true
		require.False(t, preset(t, PresetBalanced).Decide(f).Plan.Satisfied(f.Evidence, f.Now))
	}
	f := claim("consumer", 0, factor.Email, factor.SMS).proving(factor.Email)
	require.False(t, preset(t, PresetBalanced).Decide(f).Plan.Satisfied(f.Evidence, f.Now), "unregistered assurance is not the lowest")
}

// proofing is for those who were proofed.
func TestDecide_NeverOffersProofingToTheUnproofed(t *testing.T) {
	t.Parallel()
	for aal := 1; aal <= 3; aal++ {
		f := claim("everything", aal, factor.Email).proving(factor.Reproofing)
		plan := everything(t, PresetBalanced).Decide(f).Plan
		require.False(t, plan.Satisfied(f.Evidence, f.Now))
		require.NotContains(t, asJSON(t, plan.Alternatives), factor.Reproofing)
	}
}

// at AAL3 with IAL3 people compare biometrics.
func TestDecide_TheHighestAccountsGoToPeople(t *testing.T) {
	t.Parallel()
	f := claim("everything", 3, factor.Email, factor.SMS)
	f.IAL = 3
	codes, proofed := f.proving(factor.Email, factor.RecoveryCode), f.proving(factor.Reproofing)
	p := everything(t, PresetBalanced)
	require.False(t, p.Decide(codes).Plan.Satisfied(codes.Evidence, f.Now))
	require.True(t, p.Decide(proofed).Plan.Satisfied(proofed.Evidence, f.Now))
	require.True(t, p.Decide(proofed).Plan.Assisted)

	f.IAL = 1
	codes = f.proving(factor.Email, factor.RecoveryCode)
	require.False(t, p.Decide(codes).Plan.Assisted)
	require.True(t, p.Decide(codes).Plan.Deviates(reqPostal))
	require.True(t, everything(t, PresetNIST).Decide(codes).Plan.Assisted, "no postal notice")
}

// R-096, S10: an account whose only address was used as evidence.
func TestDecide_ASingleAddressIsNoIndependentNotice(t *testing.T) {
	t.Parallel()
	f := claim("consumer", 1, factor.Email)

	d, plan := sequence(preset(t, PresetBalanced), f, factor.Email)
	require.Equal(t, Low, d.Tier)
	require.Equal(t, day, plan.Hold, "never below 24 h")
	require.False(t, plan.IndependentNotice)
	require.False(t, plan.Assisted)
	require.True(t, plan.Deviates(reqNotice))

	d, plan = sequence(preset(t, PresetNIST), f, factor.Email)
	require.GreaterOrEqual(t, d.Tier, High)
	require.True(t, plan.Assisted)
	require.Equal(t, 2, plan.Approvals)
	require.False(t, plan.Deviates(reqNotice))

	mfa := claim("consumer", 2, factor.Email, factor.RecoveryCode)
	_, plan = sequence(preset(t, PresetBalanced), mfa, factor.Email, factor.RecoveryCode)
	require.True(t, plan.Assisted, "the deviation is for single-factor accounts")
}

// what a thief could have added or taken is no independent address.
func TestDecide_AYoungOrSuspectAddressIsNotIndependent(t *testing.T) {
	t.Parallel()
	for name, spoil := range map[string]func(*Factor){
		"suspect":                      func(x *Factor) { x.Suspect = true },
		"young":                        func(x *Factor) { x.Since = provenAt().Add(-day) },
		"undated":                      func(x *Factor) { x.Since = time.Time{} },
		"used":                         func(x *Factor) { x.ID = string(factor.Email) },
		"the same, by another channel": func(x *Factor) { x.Address = string(factor.Email) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := claim("consumer", 1, factor.Email, factor.SMS).proving(factor.Email)
			spoil(&f.Factors[1])
			require.True(t, preset(t, PresetNIST).Decide(f).Plan.Assisted)
			require.True(t, preset(t, PresetBalanced).Decide(f).Plan.Deviates(reqNotice))
		})
	}
}

// I8, R-074: before the first proof nothing of the account's addresses shows in what happens.
func TestDecide_SendsNobodyToPeopleBeforeAProof(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		f := anyFacts().Draw(t, "facts")
		f.Evidence = nil
		plan := preset(t, PresetNIST).Decide(f).Plan
		require.False(t, plan.Assisted)
		require.False(t, plan.IndependentNotice)
	})
}

// whatever signal is missing or unknown, the tier is not lower than with the favourable reading, nor the score.
func TestDecide_AMissingSignalNeverLowers(t *testing.T) {
	t.Parallel()
	for _, name := range Presets() {
		p := preset(t, name)
		for _, s := range Signals() {
			for _, m := range []factor.Method{factor.Email, factor.SMS} {
				f := claim("consumer", 1, factor.Email, factor.SMS).proving(m)
				known := p.Decide(f)
				for _, blind := range []Facts{f.without(s), f.with(s, Reading{State: Unknown}), f.with(s, Reading{State: "?"})} {
					d := p.Decide(blind)
					require.GreaterOrEqual(t, d.Tier, known.Tier, s)
					require.GreaterOrEqual(t, d.Score, known.Score, s)
				}
			}
		}
	}
}

// R-091, T4: no reading of any signal gives less than the most favourable one, whatever else is so.
func TestDecide_NoSignalLowersATier(t *testing.T) {
	t.Parallel()
	p := preset(t, PresetBalanced)
	rapid.Check(t, func(t *rapid.T) {
		f := anyFacts().Draw(t, "facts")
		s := rapid.SampledFrom(Signals()).Draw(t, "signal")
		favourable := Reading{State: Absent}
		if s == KnownDevice {
			favourable.State = Present
		}
		require.GreaterOrEqual(t, p.Decide(f).Tier, p.Decide(f.with(s, favourable)).Tier)
	})
}

// a decision can be replayed from the facts kept with it.
func TestDecide_ReplaysFromItsFacts(t *testing.T) {
	t.Parallel()
	p := ruled(t)
	rapid.Check(t, func(t *rapid.T) {
		f := anyFacts().Draw(t, "facts")
		b, err := json.Marshal(f)
		require.NoError(t, err)
		var kept Facts
		require.NoError(t, json.Unmarshal(b, &kept))
		require.Equal(t, asJSON(t, p.Decide(f)), asJSON(t, p.Decide(kept)))

		var stored Plan
		plan := p.Decide(f).Plan
		require.NoError(t, json.Unmarshal([]byte(asJSON(t, plan)), &stored))
		require.Equal(t, asJSON(t, plan), asJSON(t, stored.Ratchet(plan)))
	})
}

// Decide is total: any facts give a valid tier, a plan above the floor, and the names of what decided.
func TestDecide_IsTotal(t *testing.T) {
	t.Parallel()
	p := preset(t, PresetBalanced)
	rapid.Check(t, func(t *rapid.T) {
		f := anyFacts().Draw(t, "facts")
		d := p.Decide(f)
		require.True(t, d.Tier.Valid())
		require.Equal(t, d.Tier, d.Plan.Tier)
		require.Equal(t, p.Version(), d.PolicyVersion)
		require.Len(t, d.DocumentHash, 64)
		least := map[Tier]time.Duration{Low: 0, Moderate: floorModerateHold, High: floorHighHold, Critical: floorCriticalHold}
		require.GreaterOrEqual(t, d.Plan.Hold, least[d.Tier])
		require.GreaterOrEqual(t, d.Plan.Probation, floorProbation)
		if d.Plan.Assisted {
			require.GreaterOrEqual(t, d.Tier, High)
			require.GreaterOrEqual(t, d.Plan.Approvals, 2)
		}
		if _, known := p.doc.Populations[f.Population]; !known {
			require.Equal(t, ruleUnknownPopulation, d.Reasons[0].Rule)
			require.GreaterOrEqual(t, d.Tier, High)
		}
		if d.Plan.DeferToIDP {
			require.False(t, d.Plan.Satisfied(f.Evidence, f.Now), "no grant ever")
		}
		_, err := json.Marshal(d)
		require.NoError(t, err)
	})
}

// T43: the order of the proofs does not matter, and no choice of proofs undercuts the strongest one.
func TestDecide_ChoosingWeakerProofsIsNeverEasier(t *testing.T) {
	t.Parallel()
	p := preset(t, PresetBalanced)
	account := claim("business", 2, factor.Email, factor.SMS, factor.TOTP, factor.Passkey, factor.RecoveryCode).without(SIMSwap)
	pairs := [][]factor.Method{
		{factor.Email, factor.Passkey},
		{factor.Email, factor.RecoveryCode},
		{factor.Email, factor.TOTP},
		{factor.SMS, factor.RecoveryCode},
		{factor.SMS, factor.TOTP},
		{factor.RecoveryCode, factor.TOTP},
	}
	_, strongest := sequence(p, account, factor.RecoveryCode, factor.Passkey)
	for _, pair := range pairs {
		_, forth := sequence(p, account, pair[0], pair[1])
		_, back := sequence(p, account, pair[1], pair[0])
		require.Equal(t, asJSON(t, forth), asJSON(t, back), pair)
		require.GreaterOrEqual(t, forth.Hold, strongest.Hold, pair)
		require.Equal(t, strongest.Alternatives, forth.Alternatives, pair)
		if slices.Contains(pair, factor.TOTP) || slices.Contains(pair, factor.SMS) {
			require.Greater(t, forth.Hold, strongest.Hold, "weak proofs cost a hold")
		}
	}
}

// Section 4.1, rule b: a suspect source shows nothing, and an account that has nothing else goes to people.
func TestDecide_SuspectEvidenceSatisfiesNothing(t *testing.T) {
	t.Parallel()
	f := claim("consumer", 1, factor.Email).proving(factor.Email)
	f.Factors[0].Suspect, f.Evidence[0].Suspect = true, true
	d := preset(t, PresetBalanced).Decide(f)
	require.False(t, d.Plan.Satisfied(f.Evidence, f.Now))
	require.True(t, d.Plan.Assisted)
	require.Equal(t, ruleUnreachable, d.Reasons[0].Rule)
}

// what came lately does not count, and a hold does not make it count.
func TestDecide_YoungFactorsDoNotCount(t *testing.T) {
	t.Parallel()
	p := preset(t, PresetBalanced)
	for m, least := range map[factor.Method]time.Duration{factor.Email: 7 * day, factor.SMS: 30 * day} {
		f := claim("consumer", 1, m, factor.RecoveryCode)
		plan := p.Decide(f).Plan
		require.False(t, plan.Satisfied([]factor.Evidence{proof(m, least-1)}, f.Now))
		require.False(t, plan.Satisfied([]factor.Evidence{proof(m, least-1)}, f.Now.Add(400*day)))
		require.True(t, plan.Satisfied([]factor.Evidence{proof(m, least)}, f.Now))
	}
}

// some things no weight can undercut, not even in a document that deviates from all weights.
func TestDecide_InsistsWhateverTheWeights(t *testing.T) {
	t.Parallel()
	p := edited(t, PresetBalanced, func(p *Policy) { p.doc.Signals = map[Signal]weights{} })
	f := claim("consumer", 1, factor.Email, factor.SMS).proving(factor.SMS)
	require.Equal(t, Low, p.Decide(f).Tier)
	require.Equal(t, Moderate, p.Decide(f.without(SIMSwap)).Tier)
	require.Equal(t, Critical, p.Decide(f.with(SIMSwap, Reading{State: Present})).Tier)
	require.Equal(t, Moderate, p.Decide(f.without(KnownDevice)).Tier, "no hold only on a known device")
	f.Reason = ReasonSuspectedTakeover
	require.Equal(t, High, p.Decide(f).Tier)
}
