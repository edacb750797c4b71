package fault

import "sort"

// Code is the stable name of a failure: the `code` member of every problem document and the label in metrics.
// Codes are append-only (ADR 0009).
type Code string

// The codes.
const (
	CodeInternal            Code = "internal"
	CodeInvalidRequest      Code = "invalid_request"
	CodeInvalidJSON         Code = "invalid_json"
	CodeIdempotencyKey      Code = "idempotency_key_invalid"
	CodeIdempotencyMissing  Code = "idempotency_key_missing"
	CodeIdempotencyReused   Code = "idempotency_key_reused"
	CodeIdempotencyInFlight Code = "idempotency_in_flight"
	CodeUnauthenticated     Code = "unauthenticated"
	CodeForbidden           Code = "forbidden"
	CodeNotFound            Code = "not_found"
	CodeMethodNotAllowed    Code = "method_not_allowed"
	CodeTooLarge            Code = "body_too_large"
	CodeUnsupportedMedia    Code = "unsupported_media_type"
	CodeConflict            Code = "conflict"
	CodeNotAllowedInState   Code = "not_allowed_in_state"
	CodeRecoveryOpen        Code = "recovery_open"
	CodeProofRefused        Code = "proof_refused"
	CodeNotReady            Code = "not_ready"
	CodeGrantRefused        Code = "grant_refused"
	CodeGrantUsed           Code = "grant_used"
	CodeObjectionRefused    Code = "objection_refused"
	CodeResendTooSoon       Code = "resend_too_soon"
	CodeThrottled           Code = "throttled"
	CodeUnavailable         Code = "unavailable"
	CodeOverloaded          Code = "overloaded"
	CodeFactorRefused       Code = "factor_refused"
	CodeIdentifierTaken     Code = "identifier_taken"
	CodePolicyInvalid       Code = "policy_invalid"
	CodeMethodUnavailable   Code = "method_unavailable"
	CodeTimeout             Code = "timeout"
	CodeStepUp              Code = "insufficient_user_authentication"
	CodeInteractiveUse      Code = "interactive_use"
	CodeRecoveriesPaused    Code = "recoveries_paused"
	CodeNotSealed           Code = "not_sealed"
	CodeEvidenceShort       Code = "evidence_short"
	CodeProposalOpen        Code = "proposal_open"
	CodeProposalVoid        Code = "proposal_void"
	CodeConflictOfInterest  Code = "conflict_of_interest"
	CodeArtefactUsed        Code = "artefact_used"
	CodeClaimRefused        Code = "claim_refused"
	CodeEventRetired        Code = "event_retired"
)

// Definition is what a code means to a caller.
type Definition struct {
	Kind   Kind
	Title  string // stable, for the problem document's title
	Public string // the default detail
}

//nolint:gochecknoglobals // the registry of codes is a constant table.
var registry = map[Code]Definition{
	CodeInternal:            {Internal, "Internal error", "Something went wrong on our side. Nothing was changed."},
	CodeInvalidRequest:      {Invalid, "Invalid request", "The request does not meet the contract."},
	CodeInvalidJSON:         {Invalid, "Invalid JSON", "The body is not one well-formed JSON value in UTF-8."},
	CodeIdempotencyKey:      {Invalid, "Invalid Idempotency-Key", "Idempotency-Key must be one quoted string of 1 to 255 visible ASCII characters."},
	CodeIdempotencyMissing:  {Invalid, "Idempotency-Key missing", "This request needs an Idempotency-Key header, a quoted string."},
	CodeIdempotencyReused:   {Refused, "Idempotency-Key reused", "This Idempotency-Key was used with another request."},
	CodeIdempotencyInFlight: {Conflict, "Request in flight", "A request with this Idempotency-Key is still being worked on. Retry it shortly."},
	CodeUnauthenticated:     {Unauthenticated, "Not authenticated", "The credential is missing, malformed, expired or unknown."},
	CodeForbidden:           {Forbidden, "Not allowed", "This credential does not allow that."},
	CodeNotFound:            {NotFound, "Not found", "There is no such resource."},
	CodeMethodNotAllowed:    {MethodNotAllowed, "Method not allowed", "This resource does not support that method."},
	CodeTooLarge:            {TooLarge, "Body too large", "The body is over the size limit."},
	CodeUnsupportedMedia:    {UnsupportedMedia, "Unsupported media type", "The body's media type or character set is not supported."},
	CodeConflict:            {Conflict, "Conflict", "The resource was changed at the same time. Read it and try again."},
	CodeNotAllowedInState:   {Conflict, "Not allowed in this state", "The recovery is not in a state that allows this."},
	CodeRecoveryOpen:        {Conflict, "Recovery open", "A recovery or a probation of this account is open; this change has to wait."},
	CodeProofRefused:        {Refused, "Proof refused", "The proof was not accepted."},
	CodeNotReady:            {Conflict, "Not ready", "The recovery is not ready for a grant."},
	CodeGrantRefused:        {Refused, "Grant refused", "The grant was not accepted."},
	CodeGrantUsed:           {Conflict, "Grant already used", "The grant was redeemed before."},
	CodeObjectionRefused:    {Refused, "Objection refused", "This link is not, or no longer, valid."},
	CodeResendTooSoon:       {Throttled, "Too soon", "Please wait before asking for another one."},
	CodeThrottled:           {Throttled, "Too many requests", "Too many requests. Please try again later."},
	CodeUnavailable:         {Unavailable, "Unavailable", "The service cannot answer right now. Nothing was changed."},
	CodeOverloaded:          {Unavailable, "Overloaded", "The service is too busy right now. Please try again later."},
	CodeFactorRefused:       {Refused, "Factor refused", "The factor could not be enrolled or confirmed."},
	CodeIdentifierTaken:     {Conflict, "Identifier taken", "An identifier belongs to another account of this tenant."},
	CodePolicyInvalid:       {Invalid, "Policy invalid", "The policy document does not load."},
	CodeMethodUnavailable:   {Refused, "Method unavailable", "This method is not offered."},
	CodeStepUp:              {Unauthenticated, "Insufficient user authentication", "This needs a recent and strong sign-in. Sign in again and repeat the request."},
	CodeInteractiveUse:      {Forbidden, "Interactive use", "This credential belongs to a machine and must not be used from a browser."},
	CodeRecoveriesPaused:    {Unavailable, "Recoveries paused", "New recoveries are paused for now. Please try again later."},
	CodeNotSealed:           {Conflict, "Not sealed yet", "The event is not sealed into the audit log yet. Ask again in a few seconds."},
	CodeEvidenceShort:       {Refused, "Evidence short", "What the case holds does not carry this proposal. The case says what is missing."},
	CodeProposalOpen:        {Conflict, "Proposal open", "Another proposal of this case waits for its decisions."},
	CodeProposalVoid:        {Conflict, "Proposal void", "The proposal no longer stands: something that it was bound to has changed, or its time is over. Read the case again."},
	CodeConflictOfInterest:  {Forbidden, "Conflict of interest", "You have a part in this case, or in this account, and cannot act on it in this way."},
	CodeArtefactUsed:        {Conflict, "Artefact used", "This artefact was attached before. One check proves one claim."},
	CodeClaimRefused:        {Refused, "Claim refused", "This link is not, or no longer, valid."},
	CodeEventRetired:        {Gone, "Event retired", "The event was kept for as long as the policy of the log says, and is gone. Its leaf stays in the log: proofs that were given for it still verify."},
	CodeTimeout:             {Unavailable, "Timed out", "The request took too long. Its outcome is safe to ask for again with the same Idempotency-Key."},
}

// Define gives the definition of a registered code.
func Define(code Code) (Definition, bool) {
	d, ok := registry[code]
	return d, ok
}

// Codes lists every registered code in alphabetical order, for the contract and its tests.
func Codes() []Code {
	out := make([]Code, 0, len(registry))
	for c := range registry {
		out = append(out, c)
	}
	sort.Slice(out, func(i, j int) bool { return out[i] < out[j] })
	return out
}
