package policy

import (
	"slices"
	"time"

	"github.com/holdfast/holdfast/internal/factor"
)

// The reasons that a claimant may give at the start. Any other reason is judged as the worst of them.
const (
	ReasonLostPassword      = "lost_password"
	ReasonLostMFA           = "lost_mfa"
	ReasonLostAll           = "lost_all"
	ReasonSuspectedTakeover = "suspected_takeover"
)

// Facts is everything that a decision rests on. It is kept with the decision as JSON, and the same facts under the same
// document give the same decision. It holds ids and ages, no personal data.
type Facts struct {
	Now        time.Time          `json:"now"`                // the database's clock, read once
	Population string             `json:"population"`         // an unknown one is judged as the document's fallback
	AAL        int                `json:"aal"`                // the registered assurance, 1 to 3; anything else is judged as at least 2
	IAL        int                `json:"ial"`                // 0 for an account without identity proofing
	Reason     string             `json:"reason"`             // what the claimant says was lost
	Factors    []Factor           `json:"factors,omitempty"`  // all on file, channels included, disabled ones included
	Signals    map[Signal]Reading `json:"signals,omitempty"`  // what was measured; an absent key reads as unknown
	Evidence   []factor.Evidence  `json:"evidence,omitempty"` // what was accepted in this recovery so far
	Raised     Raised             `json:"raised,omitzero"`    // what operators demand beyond the document
}

// Factor is one enrolled means of proof as the policy sees it. Saved codes are one entry of method recovery_code.
type Factor struct {
	ID                string        `json:"id"`                // what Evidence.Source names
	Address           string        `json:"address,omitempty"` // what it reaches, where others reach the same; empty for itself
	Method            factor.Method `json:"method"`
	Since             time.Time     `json:"since"` // since when it is on file; the zero time reads as new
	PhishingResistant bool          `json:"phishing_resistant,omitempty"`
	Suspect           bool          `json:"suspect,omitempty"`  // changed lately, swapped or reported stolen: counts as nothing
	Disabled          bool          `json:"disabled,omitempty"` // too many failures: gives no proof, still marks the account as MFA
}

// Signal names one measurement.
type Signal string

// The signals that this version knows. Those marked as derived are computed by Decide from the other facts; a reading that the
// caller gives for channel_changed_recently is joined with what the ages say.
const (
	KnownDevice             Signal = "known_device"              // favourable when present: it then merely does not raise
	NetworkChange           Signal = "network_change"            // another network than this account's usual ones
	ChannelChangedRecently  Signal = "channel_changed_recently"  // a channel added, changed or removed within 30 days
	FactorNew               Signal = "factor_new"                // derived: a factor, no channel, enrolled within 7 days
	ReasonTakeoverSuspected Signal = "reason_suspected_takeover" // derived: the claimant says so
	EarlierRecoveries       Signal = "earlier_recoveries"        // Value: recoveries of this account within 30 days
	RecentFailures          Signal = "recent_failures"           // Value: refused proofs on this account within 24 hours
	PriorObjection          Signal = "prior_objection"           // the owner objected to an earlier recovery
	SourceVelocity          Signal = "source_velocity"           // the source is busy on many accounts
	SIMSwap                 Signal = "sim_swap"                  // a phone number moved to another SIM within 7 days
	SIMRecent               Signal = "sim_recent"                // a phone number moved to another SIM 7 to 30 days ago
	IdentifierVelocity      Signal = "identifier_velocity"       // many claims on this name; counts only where the device is not known
	DecoyRate               Signal = "decoy_rate"                // most of what the source asks for does not exist
	ImpossibleAnswer        Signal = "impossible_answer"         // a code was answered within a second of its sending
	FleetFailures           Signal = "fleet_failures"            // wrong codes over many accounts at this moment
)

// Signals lists every signal in the order in which reasons are given.
func Signals() []Signal {
	return []Signal{
		KnownDevice, NetworkChange, ChannelChangedRecently, FactorNew, ReasonTakeoverSuspected,
		EarlierRecoveries, RecentFailures, PriorObjection, SourceVelocity, SIMSwap,
		SIMRecent, IdentifierVelocity, DecoyRate, ImpossibleAnswer, FleetFailures,
	}
}

// laterWeights are the weights of signals that came after the first documents, where a document leaves them out. What a
// stranger can set off without the owner's device stays below what moves a tier (ADR 0014).
func laterWeights() map[Signal]weights {
	return map[Signal]weights{
		SIMRecent:          {Present: 60},
		IdentifierVelocity: {Present: 5},
		DecoyRate:          {Present: 20},
		ImpossibleAnswer:   {Present: 5},
		FleetFailures:      {},
	}
}

// counted tells the signals whose reading is a number of occurrences.
func (s Signal) counted() bool { return s == EarlierRecoveries || s == RecentFailures }

// State is what is known of a signal. Any other text, the empty one included, reads as unknown.
type State string

// The states.
const (
	Present State = "present"
	Absent  State = "absent"
	Unknown State = "unknown"
)

// Reading is one measured signal. Value matters for earlier_recoveries and recent_failures alone, where a known zero and
// Absent mean the same.
type Reading struct {
	State State   `json:"state"`
	Value float64 `json:"value,omitempty"`
}

// The ages that make something recent, and a channel old enough to carry an independent notice.
const (
	channelRecent  = 30 * 24 * time.Hour
	factorRecent   = factor.AgedFactor
	noticeTrusted  = factor.AgedFactor
	highestAAL     = 3
	assumedAAL     = 2
	multiFactorAAL = 2
)

// aal is the effective assurance: at least 2 where a TOTP or passkey is bound, whatever was registered. A disabled
// factor counts too; else guessing until it is disabled would be a way down.
func (f Facts) aal() int {
	level := f.AAL
	if level < 1 || level > highestAAL {
		level = max(assumedAAL, min(level, highestAAL))
	}
	for _, have := range f.Factors {
		if have.Method == factor.TOTP || have.Method == factor.Passkey {
			level = max(level, multiFactorAAL)
		}
	}
	return level
}

// readings gives every signal a reading: measured, derived, or unknown.
func (f Facts) readings() map[Signal]Reading {
	out := make(map[Signal]Reading, len(Signals()))
	for _, s := range Signals() {
		out[s] = sound(s, f.Signals[s])
	}
	out[FactorNew] = reading(slices.ContainsFunc(f.Factors, func(x Factor) bool {
		return !isChannel(x.Method) && ageOf(x.Since, f.Now) < factorRecent
	}))
	if slices.ContainsFunc(f.Factors, func(x Factor) bool {
		return isChannel(x.Method) && ageOf(x.Since, f.Now) < channelRecent
	}) {
		out[ChannelChangedRecently] = Reading{State: Present}
	}
	if out[KnownDevice].State == Present && out[IdentifierVelocity].State == Present {
		out[IdentifierVelocity] = Reading{State: Absent} // others' haste is nothing against somebody on a device of their own
	}
	out[ReasonTakeoverSuspected] = reading(f.Reason == ReasonSuspectedTakeover)
	return out
}

// sound turns whatever stands in a reading into one of the three states. A count that is no number is unknown.
func sound(s Signal, r Reading) Reading {
	switch {
	case r.State != Present && r.State != Absent:
		return Reading{State: Unknown}
	case !s.counted():
		return Reading{State: r.State}
	case !(r.Value >= 0): // negative, or not a number
		return Reading{State: Unknown}
	case r.Value == 0:
		return Reading{State: Absent}
	default:
		return Reading{State: Present, Value: r.Value}
	}
}

func reading(present bool) Reading {
	if present {
		return Reading{State: Present}
	}
	return Reading{State: Absent}
}

// provenBy tells whether any of the methods stands in the evidence.
func (f Facts) provenBy(methods ...factor.Method) bool {
	return slices.ContainsFunc(f.Evidence, func(e factor.Evidence) bool { return slices.Contains(methods, e.Method) })
}

// holds tells whether a factor of one of the methods is on file.
func (f Facts) holds(methods ...factor.Method) bool {
	return slices.ContainsFunc(f.Factors, func(x Factor) bool { return slices.Contains(methods, x.Method) })
}

// isChannel tells the methods that are notification channels as well.
func isChannel(m factor.Method) bool {
	return m == factor.Email || m == factor.SMS || m == factor.Voice
}

// ageOf is the age at an instant. What has no known beginning has no age: a missing date must not read as a venerable one.
func ageOf(since, at time.Time) time.Duration {
	if since.IsZero() {
		return 0
	}
	return at.Sub(since)
}
