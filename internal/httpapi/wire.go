package httpapi

import (
	"encoding/json"
	"strings"
	"time"
	"unicode"

	"github.com/holdfast/holdfast/internal/account"
	"github.com/holdfast/holdfast/internal/factor"
	"github.com/holdfast/holdfast/internal/recovery"
	"github.com/holdfast/holdfast/internal/secret"
)

// plainSecret is a secret on its way out to the one caller who is to have it.
type plainSecret secret.String

// MarshalJSON reveals the text.
func (s plainSecret) MarshalJSON() ([]byte, error) { return json.Marshal(secret.String(s).Reveal()) }

// IsZero reports whether there is nothing to show.
func (s plainSecret) IsZero() bool { return secret.String(s).IsZero() }

// The bodies of answers, as the contract writes them. Times are UTC, and left out when zero.
type (
	recoveryBody struct {
		ID            string           `json:"id"`
		Reference     string           `json:"reference"`
		ClaimantToken plainSecret      `json:"claimant_token,omitzero"`
		State         recovery.State   `json:"state"`
		Methods       []factor.Method  `json:"methods"`
		Requirements  requirementsBody `json:"requirements"`
		NotBefore     time.Time        `json:"not_before,omitzero"`
		ReadyUntil    time.Time        `json:"ready_until,omitzero"`
		ExpiresAt     time.Time        `json:"expires_at"`
		Contest       *contestBody     `json:"contest,omitempty"`

		Case recovery.CaseState `json:"case,omitempty"`
	}
	contestBody struct {
		PausedUntil time.Time       `json:"paused_until"`
		StepUp      []factor.Method `json:"step_up"`
	}
	requirementsBody struct {
		Satisfied []satisfiedBody  `json:"satisfied"`
		Remaining []recovery.AnyOf `json:"remaining"`
	}
	satisfiedBody struct {
		Method factor.Method `json:"method"`
		At     time.Time     `json:"at"`
	}
	challengeBody struct {
		ID          string        `json:"id"`
		Method      factor.Method `json:"method"`
		ExpiresAt   time.Time     `json:"expires_at"`
		ResendAfter time.Time     `json:"resend_after"`
	}
	grantBody struct {
		Grant     plainSecret `json:"grant"`
		ExpiresAt time.Time   `json:"expires_at"`
	}
	redemptionBody struct {
		AccountRef      string          `json:"account_ref"`
		RecoveryID      string          `json:"recovery_id"`
		Actions         []string        `json:"actions"`
		Evidence        []satisfiedBody `json:"evidence"`
		AAL             int             `json:"aal"`
		ProbationUntil  time.Time       `json:"probation_until"`
		ReplacementCode plainSecret     `json:"replacement_recovery_code,omitzero"`
		Statement       string          `json:"statement"`
	}
	objectionBody struct {
		Outcome     recovery.ObjectionOutcome `json:"outcome"`
		State       recovery.State            `json:"state,omitempty"`
		PausedUntil time.Time                 `json:"paused_until,omitzero"`
		Proof       recovery.ShownProof       `json:"proof,omitempty"`
		RetryAt     time.Time                 `json:"retry_at,omitzero"`
		Next        recovery.ObjectionNext    `json:"next"`
		Support     *supportBody              `json:"support,omitempty"`
	}
	supportBody struct {
		Name    string `json:"name"`
		Contact string `json:"contact,omitempty"`
	}
	objectionsBody struct {
		Objections []objectionBody `json:"objections"`
	}
	identifierBody struct {
		Type  string      `json:"type"`
		Value plainSecret `json:"value"`
	}
	channelBody struct {
		ID         string      `json:"id"`
		Type       string      `json:"type"`
		Address    plainSecret `json:"address"`
		VerifiedAt time.Time   `json:"verified_at"`
	}
	assuranceBody struct {
		AAL int `json:"aal"`
		IAL int `json:"ial"`
	}
	accountBody struct {
		ID          string           `json:"id"`
		AccountRef  string           `json:"account_ref"`
		Population  string           `json:"population"`
		Identifiers []identifierBody `json:"identifiers"`
		Channels    []channelBody    `json:"channels"`
		Assurance   assuranceBody    `json:"assurance"`
		Locale      string           `json:"locale,omitempty"`
		Factors     []factorBody     `json:"factors"`
		CodesLeft   int              `json:"recovery_codes_left"`
		CreatedAt   time.Time        `json:"created_at"`
		ChangedAt   time.Time        `json:"changed_at"`
	}
	factorBody struct {
		ID          string    `json:"id"`
		Type        string    `json:"type"`
		EnrolledAt  time.Time `json:"enrolled_at"`
		ConfirmedAt time.Time `json:"confirmed_at,omitzero"`
	}
	enrolmentBody struct {
		ID     string      `json:"id"`
		Type   string      `json:"type"`
		Secret plainSecret `json:"secret"`
		URL    plainSecret `json:"otpauth_url"`
	}
	codesBody struct {
		Codes []plainSecret `json:"recovery_codes"`
	}
	statusBody struct {
		AccountRef     string             `json:"account_ref"`
		RecoveryReady  bool               `json:"recovery_ready"`
		Means          []string           `json:"means"`
		Warnings       []string           `json:"warnings"`
		OpenRecoveries []openRecoveryBody `json:"open_recoveries"`
		ProbationUntil time.Time          `json:"probation_until,omitzero"`
		Restrict       []string           `json:"restrict"`

		ReversalRequested bool           `json:"reversal_requested"`
		Reversals         []reversalBody `json:"reversals"`
		ErasureQueuedAt   time.Time      `json:"erasure_queued_at,omitzero"`
	}
	reversalBody struct {
		RecoveryID string    `json:"recovery_id"`
		ReversedAt time.Time `json:"reversed_at"`
		Since      time.Time `json:"since"`
		Revoke     []string  `json:"revoke"`
	}
	erasureBody struct {
		Erasure string `json:"erasure"`
	}
	openRecoveryBody struct {
		ID        string    `json:"id"`
		State     string    `json:"state"`
		StartedAt time.Time `json:"started_at"`
		NotBefore time.Time `json:"not_before,omitzero"`
	}
)

func presentRecovery(v recovery.View) recoveryBody {
	out := recoveryBody{
		ID: v.ID, Reference: v.Reference, State: v.State, Methods: list(v.Methods),
		Requirements: presentRequirements(v.Satisfied, v.Remaining), Case: v.Case,
		NotBefore: v.NotBefore.UTC(), ReadyUntil: v.ReadyUntil.UTC(), ExpiresAt: v.ExpiresAt.UTC(),
	}
	if c := v.Contest; c != nil {
		out.Contest = &contestBody{PausedUntil: c.PausedUntil.UTC(), StepUp: list(c.StepUp)}
	}
	return out
}

func presentRequirements(satisfied []recovery.Satisfied, open []recovery.AnyOf) requirementsBody {
	remaining := make([]recovery.AnyOf, len(open))
	for i, r := range open {
		remaining[i] = recovery.AnyOf{AnyOf: list(r.AnyOf)}
	}
	return requirementsBody{Satisfied: presentSatisfied(satisfied), Remaining: remaining}
}

func presentSatisfied(proofs []recovery.Satisfied) []satisfiedBody {
	out := make([]satisfiedBody, len(proofs))
	for i, p := range proofs {
		out[i] = satisfiedBody{Method: p.Method, At: p.At.UTC()}
	}
	return out
}

func presentRedemption(r recovery.Redemption) redemptionBody {
	return redemptionBody{
		AccountRef: r.AccountRef, RecoveryID: r.RecoveryID, Actions: list(r.Actions), Evidence: presentSatisfied(r.Evidence),
		AAL: r.AAL, ProbationUntil: r.ProbationUntil.UTC(), ReplacementCode: plainSecret(r.ReplacementCode), Statement: r.Statement,
	}
}

func presentObjection(v recovery.ObjectionView) objectionBody {
	out := objectionBody{
		Outcome: v.Outcome, State: v.State, PausedUntil: v.PausedUntil.UTC(), Proof: v.Proof, RetryAt: v.RetryAt.UTC(), Next: v.Next,
	}
	if v.Tenant != "" {
		out.Support = &supportBody{Name: line(v.Tenant, 100), Contact: line(v.Support, 120)}
	}
	return out
}

func presentAccount(v account.View) accountBody {
	out := accountBody{
		ID: v.ID, AccountRef: v.Ref, Population: v.Population, Identifiers: make([]identifierBody, len(v.Identifiers)),
		Channels: make([]channelBody, len(v.Channels)), Assurance: assuranceBody{AAL: v.AAL, IAL: v.IAL}, Locale: v.Locale,
		Factors: make([]factorBody, len(v.Factors)), CodesLeft: v.SavedLeft,
		CreatedAt: v.CreatedAt.UTC(), ChangedAt: v.ChangedAt.UTC(),
	}
	for i, id := range v.Identifiers {
		out.Identifiers[i] = identifierBody{Type: id.Type, Value: plainSecret(id.Value)}
	}
	for i, ch := range v.Channels {
		out.Channels[i] = channelBody{ID: ch.ID, Type: ch.Kind, Address: plainSecret(ch.Address), VerifiedAt: ch.VerifiedAt.UTC()}
	}
	for i, f := range v.Factors {
		out.Factors[i] = presentFactor(f)
	}
	return out
}

func presentFactor(f account.FactorView) factorBody {
	return factorBody{ID: f.ID, Type: f.Kind, EnrolledAt: f.EnrolledAt.UTC(), ConfirmedAt: f.ConfirmedAt.UTC()}
}

func presentStatus(s account.Status) statusBody {
	out := statusBody{
		AccountRef: s.AccountRef, RecoveryReady: s.RecoveryReady, Means: list(s.Means), Warnings: list(s.Warnings),
		OpenRecoveries: make([]openRecoveryBody, len(s.OpenRecoveries)), ProbationUntil: s.ProbationUntil.UTC(), Restrict: list(s.Restrict),
		ReversalRequested: s.ReversalRequested, Reversals: make([]reversalBody, len(s.Reversals)), ErasureQueuedAt: s.ErasureAskedAt.UTC(),
	}
	for i, r := range s.Reversals {
		out.Reversals[i] = reversalBody{RecoveryID: r.RecoveryID, ReversedAt: r.ReversedAt.UTC(), Since: r.Since.UTC(), Revoke: list(r.Revoke)}
	}
	for i, r := range s.OpenRecoveries {
		out.OpenRecoveries[i] = openRecoveryBody{ID: r.ID, State: r.State, StartedAt: r.StartedAt.UTC(), NotBefore: r.NotBefore.UTC()}
	}
	return out
}

// line is a text on one line, without invisible characters, and cut to the contract's length.
func line(text string, limit int) string {
	visible := strings.Map(func(r rune) rune {
		if unicode.IsSpace(r) || unicode.IsPrint(r) {
			return r
		}
		return -1
	}, text)
	runes := []rune(strings.Join(strings.Fields(visible), " "))
	return strings.TrimSpace(string(runes[:min(len(runes), limit)]))
}

// list is items, never null in JSON.
func list[T any](items []T) []T {
	if items == nil {
		return []T{}
	}
	return items
}
