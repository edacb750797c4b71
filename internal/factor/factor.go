// Package factor says what counts as proof: the methods, the classes that NIST SP 800-63B-4 calls "different methods",
// the strength of evidence, and the algebra that adds it up (requirements.md, section 4.1).
//
// It is pure. The folders below it verify one kind of proof each.
package factor

import (
	"fmt"
	"time"
)

// Method is a way to prove something within a recovery, as the API names it.
type Method string

// The methods. An unknown method is refused, never skipped. There are no security questions and no voice biometrics, and
// there is no place where they could be added by configuration.
const (
	Email        Method = "email"
	SMS          Method = "sms"
	Voice        Method = "voice"
	TOTP         Method = "totp"
	RecoveryCode Method = "recovery_code"
	Passkey      Method = "passkey"
	Federated    Method = "federated"
	Contact      Method = "contact"
	Reproofing   Method = "reproofing"
)

// Methods lists every method in the order in which the API documents them.
func Methods() []Method {
	return []Method{Email, SMS, Voice, TOTP, RecoveryCode, Passkey, Federated, Contact, Reproofing}
}

// Class is what NIST counts as one method: two proofs of one class count once (63B-4 section 4.2.2.2, R-003).
type Class string

// The classes. An agent's case is not a class: it only carries artefacts of the others.
const (
	Saved         Class = "S" // a saved recovery code
	Issued        Class = "I" // a code issued to any address: email and SMS together are one class
	Trusted       Class = "K" // a recovery contact
	Authenticator Class = "A" // a bound authenticator: TOTP, passkey, federated sign-in
	Proofing      Class = "P" // repeated identity proofing
)

// known tells whether c is one of the five classes.
func (c Class) known() bool {
	switch c {
	case Saved, Issued, Trusted, Authenticator, Proofing:
		return true
	default:
		return false
	}
}

// Class gives the class of a method, and false for an unknown one.
func (m Method) Class() (Class, bool) {
	switch m {
	case RecoveryCode:
		return Saved, true
	case Email, SMS, Voice:
		return Issued, true
	case Contact:
		return Trusted, true
	case TOTP, Passkey, Federated:
		return Authenticator, true
	case Reproofing:
		return Proofing, true
	default:
		return "", false
	}
}

// ParseMethod reads a method's name, or says that it knows none such.
func ParseMethod(s string) (Method, error) {
	m := Method(s)
	if _, ok := m.Class(); !ok {
		return "", fmt.Errorf("unknown method")
	}
	return m, nil
}

// Evidence is one accepted proof.
type Evidence struct {
	Method            Method    `json:"method"`
	Class             Class     `json:"class"`
	Source            string    `json:"source"`                       // the id of the channel, factor or saved code that was proven
	Address           string    `json:"address,omitempty"`            // what the source reaches, where other channels reach the same; empty for the source itself
	Since             time.Time `json:"since"`                        // since when the source is on file
	At                time.Time `json:"at"`                           // when the proof was accepted
	PhishingResistant bool      `json:"phishing_resistant,omitempty"` // a passkey
	AAL               int       `json:"aal,omitempty"`                // what the proof alone would authenticate at; 0 for none
	Suspect           bool      `json:"suspect,omitempty"`            // the source was changed lately, swapped or reported stolen
}

// Reach names what was proven: the address where several channels are one, as a number that is texted and called, and a mailbox
// that was removed and added again; else the source.
func (e Evidence) Reach() string {
	if e.Address != "" {
		return e.Address
	}
	return e.Source
}

// Strength orders sets of evidence, as requirements.md, section 4.1 does.
type Strength uint8

// The strengths. The zero value means nothing was shown at all.
const (
	None   Strength = iota
	E0              // possession of a link or notice
	E1              // one code typed through its own channel
	E2              // fresh authentication with a bound authenticator aged 7 days or more
	E2Plus          // the same, phishing resistant
	E3              // two classes, one aged 30 days or more, or repeated proofing
)

// String names a strength as the requirements do.
func (s Strength) String() string {
	switch s {
	case None:
		return "none"
	case E0:
		return "E0"
	case E1:
		return "E1"
	case E2:
		return "E2"
	case E2Plus:
		return "E2+"
	case E3:
		return "E3"
	default:
		return fmt.Sprintf("Strength(%d)", uint8(s))
	}
}

// The ages and the freshness of section 4.1.
const (
	FreshFor   = 10 * time.Minute
	AgedFactor = 7 * 24 * time.Hour
	AgedStrong = 30 * 24 * time.Hour
)

// StrengthOf adds evidence up at the moment at (rules a and b of section 4.1): two items of one class count once, and an
// item whose source is suspect counts as E0. The order of the items does not matter, and adding an item never lowers the result.
//
// Freshness is judged when evidence is used as an objection, by the caller: within a recovery the items were accepted
// through its own challenges, and a hold of days must not age them away.
func StrengthOf(items []Evidence, at time.Time) Strength {
	best := None
	classes := map[Class]bool{}
	aged := false
	for _, e := range items {
		s := single(e, at)
		if s > best {
			best = s
		}
		if s >= E1 {
			classes[e.Class] = true
			aged = aged || e.age(at) >= AgedStrong
		}
	}
	if len(classes) >= 2 && aged {
		return E3
	}
	return best
}

// age is how long the source was on file at the moment at. A source without a known beginning has no age: a date that is
// missing must not read as a venerable one.
func (e Evidence) age(at time.Time) time.Duration {
	if e.Since.IsZero() {
		return 0
	}
	return at.Sub(e.Since)
}

// single is the strength of one item alone.
func single(e Evidence, at time.Time) Strength {
	if e.Suspect {
		return E0
	}
	switch e.Class {
	case Proofing:
		return E3
	case Authenticator:
		if e.age(at) < AgedFactor {
			return E0 // a factor enrolled yesterday proves only that somebody was in yesterday
		}
		if e.PhishingResistant {
			return E2Plus
		}
		return E2
	case Saved, Issued, Trusted:
		return E1
	default:
		return None
	}
}

// Independent keeps the items that reach nothing which the other side's items reach (rule c of section 4.1): an address used
// for a claim cannot be counted against the same claim, and the reverse.
func Independent(items, other []Evidence) []Evidence {
	used := make(map[string]bool, len(other))
	for _, e := range other {
		used[e.Reach()] = true
	}
	out := make([]Evidence, 0, len(items))
	for _, e := range items {
		if !used[e.Reach()] {
			out = append(out, e)
		}
	}
	return out
}

// Classes lists the distinct classes of the items, suspect sources and unknown classes left out. It does not judge ages: a
// young authenticator is listed, though StrengthOf does not count it.
func Classes(items []Evidence) []Class {
	var out []Class
	seen := map[Class]bool{}
	for _, e := range items {
		if !e.Suspect && e.Class.known() && !seen[e.Class] {
			seen[e.Class] = true
			out = append(out, e.Class)
		}
	}
	return out
}
