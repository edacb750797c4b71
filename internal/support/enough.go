package support

import (
	"slices"
	"time"

	"github.com/holdfast/holdfast/internal/factor"
	"github.com/holdfast/holdfast/internal/policy"
	"github.com/holdfast/holdfast/internal/recovery"
)

// privileged is the population whose accounts open further doors.
const privileged = "privileged"

// Missing is something without which two humans cannot approve, in words of an enumeration.
type Missing string

// What can be missing.
const (
	MissingEvidence Missing = "evidence"      // two different kinds of proof, or a proofing
	MissingProofing Missing = "proofing"      // a proofing: the tier is critical, both sides are strong, or fraud was flagged
	MissingAccount  Missing = "account"       // there is none: nothing can be recovered
	MissingSignIn   Missing = "organisation"  // the account signs in at its organisation, which recovers it
	MissingRecovery Missing = "open_recovery" // the recovery is over, or is not with people
)

// missing is what an approval of the case would lack. An empty list lets a proposal through to two humans, and no further.
//
// A proofing carries it alone. Everything else takes what the policy's plan demands, or two different classes; an attestation,
// whoever gave it, never does alone.
func (s *Service) missing(in Loaded) []Missing {
	r, seen := in.Recovery.Recovery, s.Recoveries.Assess(in.Recovery)
	out := []Missing{}
	if !awaits(r.State) {
		return append(out, MissingRecovery)
	}
	if !in.proven() { // the tier, and where the account signs in, would tell that there is one
		if !in.Case.FlaggedAt.IsZero() {
			return append(out, MissingProofing)
		}
		return append(out, MissingEvidence)
	}
	if seen.Plan.DeferToIDP {
		return append(out, MissingSignIn)
	}
	classes := in.classes()
	proofed := slices.Contains(classes, factor.Proofing)
	switch {
	case proofed:
	case needsProofing(in, seen.Tier):
		out = append(out, MissingProofing)
	case len(classes) < 2 && !seen.Plan.Satisfied(r.Evidence, in.Now()):
		out = append(out, MissingEvidence)
	}
	if in.Recovery.Account == nil && len(out) == 0 { // said to nobody before something was proven (design.md, section 3)
		out = append(out, MissingAccount)
	}
	return out
}

// awaits tells the states in which people can still bring a recovery to a decision.
func awaits(s recovery.State) bool {
	return s == recovery.Initiated || s == recovery.Verifying || s == recovery.Assisted
}

// needsProofing: at tier critical, where claim and objection are both strong (S4), and where fraud was flagged.
func needsProofing(in Loaded, tier policy.Tier) bool {
	_, objection := in.Recovery.Recovery.Strengths()
	return tier >= policy.Critical || objection >= factor.E2 || !in.Case.FlaggedAt.IsZero()
}

// leastTier is the tier that an approval leads to at least: without a proofing, critical (requirements.md, section 3).
func leastTier(in Loaded) policy.Tier {
	if slices.Contains(in.classes(), factor.Proofing) {
		return policy.High
	}
	return policy.Critical
}

// classes lists the distinct classes of what was shown and attached.
func (in Loaded) classes() []factor.Class {
	all := slices.Clone(in.Recovery.Recovery.Evidence)
	return factor.Classes(append(all, in.attached(in.Now())...))
}

// attached is the artefacts as evidence.
func (in Loaded) attached(now time.Time) []factor.Evidence {
	out := make([]factor.Evidence, 0, len(in.Artefacts))
	for _, a := range in.Artefacts {
		if e, ok := a.evidence(now); ok {
			out = append(out, e)
		}
	}
	return out
}

// security reports whether only security staff decides: about privileged accounts, and about those of the company's own people
//
func (in Loaded) security() bool {
	a := in.Recovery.Account
	return a != nil && (a.Population == privileged || in.HolderIsStaff)
}

// proven reports whether anything was: by the claimant, or by an artefact. Before, the case shows of the account what a start
// would show to anybody: nothing.
func (in Loaded) proven() bool { return in.Recovery.Recovery.Proven() || len(in.Artefacts) > 0 }
