package recovery

import (
	"slices"
	"time"

	"github.com/holdfast/holdfast/internal/factor"
	"github.com/holdfast/holdfast/internal/policy"
)

// unknownPopulation is what an unknown identifier is judged as: the most common one. Nobody sees the result.
const unknownPopulation = "consumer"

// savedSource stands for the saved codes where they are looked at as one factor.
const savedSource = "saved"

// facts gathers what a decision rests on.
func facts(now time.Time, reason Reason, a *Account, h History, sig StartSignals, evidence []factor.Evidence) policy.Facts {
	f := policy.Facts{
		Now: now, Population: unknownPopulation, AAL: 1, Reason: string(reason), Evidence: evidence,
		Signals: map[policy.Signal]policy.Reading{
			policy.KnownDevice:            {State: sig.KnownDevice},
			policy.NetworkChange:          {State: sig.Network},
			policy.EarlierRecoveries:      {State: policy.Present, Value: float64(h.Recoveries)},
			policy.RecentFailures:         {State: policy.Present, Value: float64(h.Failures)},
			policy.PriorObjection:         {State: present(h.Objected)},
			policy.ChannelChangedRecently: {State: policy.Absent},
			policy.SourceVelocity:         {State: sig.Source},
			policy.IdentifierVelocity:     {State: sig.Identifier},
			policy.SIMSwap:                {State: policy.Unknown}, // and unknown is a risk
			policy.SIMRecent:              {State: policy.Unknown},
		},
	}
	if a == nil {
		return f
	}
	f.Population, f.AAL, f.IAL = a.Population, a.AAL, a.IAL
	f.Factors = a.factors()
	swapped, lately := a.sim(now, evidence)
	f.Signals[policy.SIMSwap], f.Signals[policy.SIMRecent] = policy.Reading{State: swapped}, policy.Reading{State: lately}
	if slices.ContainsFunc(a.Channels, func(c Channel) bool { return !c.RemovedAt.IsZero() && now.Sub(c.RemovedAt) < factor.AgedStrong }) {
		f.Signals[policy.ChannelChangedRecently] = policy.Reading{State: policy.Present}
	}
	return f
}

// simKnownFor is how old a carrier's word may be when a code is typed in.
const simKnownFor = 24 * time.Hour

// sim reads what carriers said of the account's numbers: whether one moved to another SIM within 7 days, and whether one did
// 7 to 30 days ago. Where numbers were used as evidence, only those count, as of that moment: a carrier's word does
// not age while a hold is sat out. One number of which nothing is known makes all unknown, unless another is known to have moved.
func (a *Account) sim(now time.Time, evidence []factor.Evidence) (swapped, lately policy.State) {
	used := map[string]time.Time{}
	for _, e := range evidence {
		if e.Method == factor.SMS || e.Method == factor.Voice {
			used[e.Source] = e.At
		}
	}
	swapped, lately = policy.Absent, policy.Absent
	numbers := 0
	for _, c := range a.Channels {
		at, proof := used[c.ID]
		if (c.Kind != factor.SMS && c.Kind != factor.Voice) || (len(used) > 0 && !proof) || (!proof && !c.RemovedAt.IsZero()) {
			continue
		}
		if !proof {
			at = now
		}
		numbers++
		switch age := at.Sub(c.SIMSwappedAt); {
		case !c.SIMSwappedAt.IsZero() && age < factor.AgedFactor:
			swapped = policy.Present
		case !c.SIMSwappedAt.IsZero() && age < factor.AgedStrong:
			lately = policy.Present
		}
		if unknown := c.SIMKnownAt.IsZero() || at.Sub(c.SIMKnownAt) > simKnownFor; unknown && swapped != policy.Present {
			swapped = policy.Unknown
		}
	}
	if numbers == 0 {
		return policy.Unknown, policy.Unknown
	}
	return swapped, lately
}

func present(b bool) policy.State {
	if b {
		return policy.Present
	}
	return policy.Absent
}

// factors lists the account's means as the policy sees them.
func (a *Account) factors() []policy.Factor {
	var out []policy.Factor
	for _, c := range a.Channels {
		if c.RemovedAt.IsZero() {
			out = append(out, policy.Factor{ID: c.ID, Address: c.Address, Method: c.Kind, Since: c.Since, Suspect: c.Suspect, Disabled: a.disabled(c.Kind)})
		}
	}
	for _, t := range a.TOTP {
		out = append(out, policy.Factor{ID: t.ID, Method: factor.TOTP, Since: t.Since, Suspect: t.Suspect, Disabled: a.disabled(factor.TOTP)})
	}
	if a.SavedLeft > 0 {
		out = append(out, policy.Factor{ID: savedSource, Method: factor.RecoveryCode, Since: a.SavedSince, Disabled: a.disabled(factor.RecoveryCode)})
	}
	return out
}

// authenticators lists the kinds of authenticators that the account has, each once: what a loss of them could concern.
func (a *Account) authenticators() []string {
	out := []string{}
	for _, f := range a.factors() {
		if class, ok := f.Method.Class(); ok && class == factor.Authenticator && !slices.Contains(out, string(f.Method)) {
			out = append(out, string(f.Method))
		}
	}
	return out
}

func (a *Account) disabled(m factor.Method) bool { return slices.Contains(a.Disabled, string(m)) }

// maxAAL is the account's own level: at least 2 where a second factor is bound.
func (a *Account) maxAAL() int {
	if len(a.TOTP) > 0 {
		return max(a.AAL, 2)
	}
	return a.AAL
}

// channel finds one of the account's channels, a removed one too.
func (a *Account) channel(id string) (Channel, bool) {
	for _, c := range a.Channels {
		if c.ID == id {
			return c, true
		}
	}
	return Channel{}, false
}

// channelFor picks the account's channel that a challenge of the method goes to: the longest on file, neither suspect nor
// removed. The claimant never names it.
func (a *Account) channelFor(m factor.Method) (Channel, bool) {
	for _, c := range a.Channels {
		if c.Kind == m && c.RemovedAt.IsZero() && !c.Suspect {
			return c, true
		}
	}
	return Channel{}, false
}

// methods lists what the account could be asked for, in the order of the API.
func (a *Account) methods(plan policy.Plan, offered []factor.Method) []factor.Method {
	out := []factor.Method{}
	have := a.factors()
	for _, m := range offered {
		if slices.Contains(plan.Methods, m) && slices.ContainsFunc(have, func(f policy.Factor) bool { return f.Method == m && !f.Suspect && !f.Disabled }) {
			out = append(out, m)
		}
	}
	return out
}
