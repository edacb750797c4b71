package account

import (
	"context"
	"slices"

	"github.com/holdfast/holdfast/internal/factor"
	"github.com/holdfast/holdfast/internal/fault"
	"github.com/holdfast/holdfast/internal/secret"
)

// The warnings of a Status.
const (
	WarnOnlyRestricted = "only_restricted_channels" // nothing but text messages and calls
	WarnSingleAddress  = "single_address"           // no second address to tell the owner at
	WarnNoSavedCodes   = "no_saved_codes"
	WarnNotTexted      = "number_not_texted"        // a number on file whose line or country gets no text messages
)

// What an identity system is to revoke in a Reversal.
const (
	RevokeSessions    = "sessions"
	RevokeCredentials = "credentials"    // passwords, authenticators, keys
	RevokeCodes       = "recovery_codes" // kept elsewhere; those kept here are revoked already
)

// What an identity system should hold back in a Status's Restrict.
const (
	RestrictAddresses = "addresses" // changing identifiers and addresses
	RestrictFactors   = "factors"   // changing authenticators
	RestrictCodes     = "recovery_codes"
	RestrictErasure   = "erasure"
	RestrictExport    = "export"
	RestrictHighValue = "high_value" // payments, payout details, whatever cannot be taken back; in probation and after a reversal
)

// Status tells an identity system how well an account could be recovered and what is under way. An account that is not
// there is fault.CodeNotFound.
func (s *Service) Status(ctx context.Context, c Caller, ref string) (Status, error) {
	in, err := s.Store.Reading(ctx, s.query(c, ref))
	if err != nil {
		return Status{}, fault.Wrap(err, "status")
	}
	if in.Account == nil {
		return Status{}, fault.Of(fault.CodeNotFound)
	}
	out := Status{
		AccountRef: ref, Means: []string{}, Warnings: []string{}, OpenRecoveries: []OpenRecovery{}, Restrict: []string{}, Reversals: []Reversal{},
		ErasureAskedAt: in.Account.ErasureAskedAt,
	}
	means := in.means()
	for _, m := range means {
		out.Means = append(out.Means, string(m))
	}
	out.RecoveryReady = classes(means) >= 2
	out.Warnings = append(out.Warnings, in.warnings(means)...)
	untexted, err := s.untexted(c.Tenant, in)
	if err != nil {
		return Status{}, fault.Wrap(err, "status")
	}
	if untexted {
		out.Warnings = append(out.Warnings, WarnNotTexted)
	}
	for _, r := range in.Recoveries {
		switch {
		case r.State == stateReversed:
			out.Reversals = append(out.Reversals, Reversal{RecoveryID: r.ID, ReversedAt: r.ClosedAt, Since: r.CompletedAt, Revoke: revocations()})
		case !in.running(r):
		case r.State == stateCompleted:
			if r.ProbationUntil.After(out.ProbationUntil) {
				out.ProbationUntil = r.ProbationUntil
			}
			out.ReversalRequested = out.ReversalRequested || r.Disputed
		case r.State != stateDenied:
			out.OpenRecoveries = append(out.OpenRecoveries, OpenRecovery{ID: r.ID, State: r.State, StartedAt: r.CreatedAt, NotBefore: r.NotBefore})
		}
	}
	if in.frozen() {
		out.Restrict = append(out.Restrict, RestrictAddresses, RestrictFactors, RestrictCodes, RestrictErasure, RestrictExport)
	}
	if !out.ProbationUntil.IsZero() || slices.ContainsFunc(out.Reversals, func(r Reversal) bool { return in.Now.Sub(r.ReversedAt) < factor.AgedFactor }) {
		out.Restrict = append(out.Restrict, RestrictHighValue)
	}
	return out, nil
}

// untexted reports whether a number for text messages is on file to which none goes. It is a warning and no refusal at
// registration: the list of countries may grow, and a notice elsewhere still counts.
func (s *Service) untexted(tenant string, in Loaded) (bool, error) {
	if s.Texts == nil {
		return false, nil
	}
	for _, c := range in.Account.active() {
		if factor.Method(c.Kind) != factor.SMS {
			continue
		}
		key, err := s.Keys.OpenDataKey(in.Account.DataKey, tenant, in.Account.ID)
		if err != nil {
			return false, fault.Wrap(err, "open data key")
		}
		number, err := key.Open(c.Sealed, ChannelAAD(tenant, in.Account.ID, c.ID))
		if err != nil {
			return false, fault.Wrap(err, "open channel")
		}
		if !s.Texts.MayText(in.Texts, secret.NewString(string(number))) {
			return true, nil
		}
	}
	return false, nil
}

// revocations is what an identity system ends after a reversal: all that began since the recovery was completed is the
// thief's.
func revocations() []string { return []string{RevokeSessions, RevokeCredentials, RevokeCodes} }

// means lists the methods that the account has something for, in the order of the API, leaving out what is suspect or was
// disabled. Repeated proofing is none of them: nobody offers it yet, and to an account that was never proofed it must not be
//
func (in Loaded) means() []factor.Method {
	has := map[factor.Method]bool{factor.RecoveryCode: in.Account.SavedLeft > 0}
	for _, c := range in.Account.active() {
		if c.SuspectAt.IsZero() {
			has[factor.Method(c.Kind)] = true
		}
	}
	for _, f := range in.Account.Factors {
		if !f.ConfirmedAt.IsZero() && !f.Suspect {
			has[factor.Method(f.Kind)] = true
		}
	}
	out := []factor.Method{}
	for _, m := range factor.Methods() {
		if has[m] && !slices.Contains(in.Disabled, string(m)) {
			out = append(out, m)
		}
	}
	return out
}

// classes counts the different ways of proof: an e-mail code and a text message are one.
func classes(means []factor.Method) int {
	seen := map[factor.Class]bool{}
	for _, m := range means {
		if c, ok := m.Class(); ok {
			seen[c] = true
		}
	}
	return len(seen)
}

func (in Loaded) warnings(means []factor.Method) []string {
	var out []string
	restricted := func(m factor.Method) bool { return m == factor.SMS || m == factor.Voice }
	if len(means) > 0 && !slices.ContainsFunc(means, func(m factor.Method) bool { return !restricted(m) }) {
		out = append(out, WarnOnlyRestricted)
	}
	addresses := map[string]bool{}
	for _, c := range in.Account.active() {
		addresses[string(c.Hash)] = true // text messages and calls to one number are one address
	}
	if len(addresses) < 2 {
		out = append(out, WarnSingleAddress)
	}
	if in.Account.SavedLeft == 0 {
		out = append(out, WarnNoSavedCodes)
	}
	return out
}
