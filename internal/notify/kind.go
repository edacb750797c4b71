package notify

import "slices"

// Kind says what a message is about. The name is stored and shown in the development inbox; it never changes its meaning.
type Kind string

// The kinds that carry a code.
const (
	RecoveryCode   Kind = "recovery_code"   // the one-time code of a challenge
	ConfirmChannel Kind = "confirm_channel" // the code that confirms an address
)

// ClaimLink invites whoever reads it to go on with a recovery that support started: it carries a claim link, and nothing else does.
const ClaimLink Kind = "claim_link"

// The notices.
const (
	RecoveryStarted     Kind = "recovery_started"      // somebody began a recovery
	HoldEntered         Kind = "hold_entered"          // the evidence suffices and the hold runs
	HoldReminder        Kind = "hold_reminder"         // the hold will end soon
	HoldEnded           Kind = "hold_ended"            // the claimant may now finish
	RecoveryCompleted   Kind = "recovery_completed"    // the identity system has let the claimant in
	ObjectionReceived   Kind = "objection_received"    // somebody objected; the recovery is paused
	RecoveryCancelled   Kind = "recovery_cancelled"    // the claimant stopped it
	RecoveryDenied      Kind = "recovery_denied"       // humans refused it
	RecoveryVetoed      Kind = "recovery_vetoed"       // the owner stopped it with evidence
	RecoveryReversed    Kind = "recovery_reversed"     // the owner took the account back
	CodesIssued         Kind = "codes_issued"          // saved codes were issued
	CodeReplaced        Kind = "code_replaced"         // a saved code was used up and replaced
	FactorAdded         Kind = "factor_added"
	FactorRemoved       Kind = "factor_removed"
	ChannelAdded        Kind = "channel_added"
	ChannelRemoved      Kind = "channel_removed"       // the removed address is told as well
	ErasureQueued       Kind = "erasure_queued"        // an erasure waits for the end of a recovery
	MethodDisabled      Kind = "method_disabled"       // too many wrong answers by one method
	UseYourOrganisation Kind = "use_your_organisation" // a federated account is not recovered here
)

// Kinds lists every kind.
func Kinds() []Kind {
	return []Kind{
		RecoveryCode, ConfirmChannel, ClaimLink,
		RecoveryStarted, HoldEntered, HoldReminder, HoldEnded, RecoveryCompleted, ObjectionReceived,
		RecoveryCancelled, RecoveryDenied, RecoveryVetoed, RecoveryReversed,
		CodesIssued, CodeReplaced, FactorAdded, FactorRemoved, ChannelAdded, ChannelRemoved, ErasureQueued,
		MethodDisabled, UseYourOrganisation,
	}
}

// CarriesCode reports whether the message brings a one-time code. All others never hold one.
func (k Kind) CarriesCode() bool { return k == RecoveryCode || k == ConfirmChannel }

// MayLink reports whether the message may hold the link to object: only notices of a recovery that can still be
// stopped or taken back.
func (k Kind) MayLink() bool {
	return slices.Contains([]Kind{
		RecoveryStarted, HoldEntered, HoldReminder, HoldEnded, RecoveryCompleted, ObjectionReceived,
	}, k)
}

// NeedsHold reports whether the message says until when the hold lasts, so that Data.NotBefore must be set.
func (k Kind) NeedsHold() bool { return k == HoldEntered || k == HoldReminder }

// Valid reports whether the kind is one of Kinds.
func (k Kind) Valid() bool { return slices.Contains(Kinds(), k) }
