// Package recovery is the centre of Holdfast: the claim to an account, its states, and the one table of what may follow
// what (machine.go).
//
// The principles, in this order. A recovery changes only by Apply, which is pure, and by one store call that writes the
// state, its audit event, its messages and its children together. A refusal is a transition too: it is counted and
// committed, and then refused. What is due is decided by comparing times of the database's clock when it is asked for.
// A claim to an account that does not exist looks like one to an account that does, up to the first accepted proof.
// Nothing here does I/O: what it needs it declares in ports.go.
package recovery

import (
	"cmp"
	"time"

	"github.com/holdfast/holdfast/internal/factor"
	"github.com/holdfast/holdfast/internal/policy"
)

// Reason is why the claimant needs a recovery.
type Reason string

// The reasons.
const (
	LostPassword      Reason = "lost_password"
	LostMFA           Reason = "lost_mfa"
	LostAll           Reason = "lost_all"
	SuspectedTakeover Reason = "suspected_takeover"
)

// The periods of requirements.md, section 3, that are no policy's choice.
const (
	VerifyFor      = 24 * time.Hour      // to reach the hold
	LiveFor        = 30 * 24 * time.Hour // the whole of it, however often it is paused
	GrantFor       = 10 * time.Minute
	PauseFor       = 72 * time.Hour     // one objection by link stops the clock for this long, once per channel (I4)
	PauseTotal     = 7 * 24 * time.Hour // and all of them together for this long
	ResumeAtLeast  = 24 * time.Hour     // what is left of the hold after a pause, at least
	AskAgainAfter  = time.Minute        // a due hold that its guard refuses is looked at again
	EscalateAfter  = 24 * time.Hour     // a due hold without a delivered notice goes to humans
	InitiationOnce = 24 * time.Hour     // one initiation notice per address in this time (coalescing)
	RemindBefore   = 12 * time.Hour     // the last reminder before the hold's end; another one comes at half-time

	// What a claim rested on is suspect for a while after the owner stopped it. The time is bounded: whoever vetoes an owner
	// must not take the owner's own means away for ever (I4, I5). Verifying an address anew ends it.
	SuspectAfterVeto     = 7 * 24 * time.Hour
	SuspectAfterReversal = 30 * 24 * time.Hour
)

// Objection is the owner's "this was not me".
type Objection struct {
	ID       string
	Channel  string            // the channel whose link was used; the app's own when it came through the app
	Address  string            // what the channel reaches, where others reach the same; empty for the channel itself
	Strength factor.Strength   // weighed when it was made
	Evidence []factor.Evidence // what the objector showed beyond the link
	At       time.Time
	Open     bool
}

// Told is a channel that accepted the notice of the hold.
type Told struct {
	Channel string
	Address string    // what the channel reaches, where others reach the same; empty for the channel itself
	Since   time.Time // since when it is on file
	Suspect bool      // it is, or was when the hold began: that a suspicion ended since does not undo who heard of the hold
}

// Recovery is one claim to an account: the aggregate. It is a value; Apply gives the next one.
type Recovery struct {
	ID        string
	Tenant    string
	Reference string // what the claimant may read out: HF-7K2M-9QXD
	Account   string // empty for a decoy
	Subject   string // the account's id, or the pseudonym of an unknown identifier; counters hang on it
	Client    string // the client that started it
	Reason    Reason
	Network   string // truncated network of the end user

	State   State
	Version int64

	Plan     policy.Plan
	Tier     policy.Tier
	Evidence []factor.Evidence
	Approved []string // the two humans who approved an assisted recovery; any change voids it

	Objections    []Objection
	PausedTotal   time.Duration
	ContestedAt   time.Time
	NoticesOK     []Told // channels that accepted the notice of the hold
	NoticesOpen   int    // notices of the hold still being delivered
	GrantID       string // the outstanding or redeemed grant
	GrantExpires  time.Time
	GrantRedeemed bool

	CreatedAt      time.Time
	ChangedAt      time.Time
	HeldAt         time.Time // entry to the hold
	RemindedAt     time.Time // the last reminder of the hold
	NotBefore      time.Time
	ReadyUntil     time.Time
	ExpiresAt      time.Time
	CompletedAt    time.Time
	ProbationUntil time.Time
	ClosedAt       time.Time
	WakeAt         time.Time // when Due is to be judged next; zero for never (ADR 0011)
}

// Decoy reports whether the claim is to an account that does not exist. Nothing that a caller sees may depend on it.
func (r Recovery) Decoy() bool { return r.Account == "" }

// Proven reports whether a first proof was accepted: from then on the account's own methods may be shown.
func (r Recovery) Proven() bool { return len(r.Evidence) > 0 }

// openObjection reports whether an objection stands.
func (r Recovery) openObjection() bool {
	for _, o := range r.Objections {
		if o.Open {
			return true
		}
	}
	return false
}

// objector is the strength of the strongest objection that stands.
func (r Recovery) objector() factor.Strength {
	best := factor.None
	for _, o := range r.Objections {
		if o.Open && o.Strength > best {
			best = o.Strength
		}
	}
	return best
}

// reach is what an objection came from: an address, however many channels lead to it.
func (o Objection) reach() string { return cmp.Or(o.Address, o.Channel) }

// objectedFrom reports whether the address has used up its one pause.
func (r Recovery) objectedFrom(address string) bool {
	for _, o := range r.Objections {
		if o.reach() == address {
			return true
		}
	}
	return false
}

// heard reports whether the address's objection stands already and the new one is no stronger.
func (r Recovery) heard(again Objection) bool {
	for _, o := range r.Objections {
		if o.Open && o.reach() == again.reach() && o.Strength >= again.Strength {
			return true
		}
	}
	return false
}

// claim is the strength of what the claimant has shown. The age that counts is that at the proof: a hold must not turn the
// number that a thief added last month into one that outweighs the owner's objection.
func (r Recovery) claim() factor.Strength { return strength(r.Evidence) }

// strength adds up evidence that was shown at several moments, each item as old as it was at its own.
func strength(evidence []factor.Evidence) factor.Strength {
	var latest time.Time
	for _, e := range evidence {
		latest = later(latest, e.At)
	}
	proven := make([]factor.Evidence, 0, len(evidence))
	for _, e := range evidence {
		if !e.Since.IsZero() {
			e.Since = e.Since.Add(latest.Sub(e.At)) // as old at latest as it was at its own proof
		}
		proven = append(proven, e)
	}
	return factor.StrengthOf(proven, latest)
}

// sufficient reports whether what was shown carries the recovery: by the plan alone, or by the plan and two humans, or,
// where the evidence is short, by two humans who approved exactly this evidence.
func (r Recovery) sufficient(now time.Time) bool {
	if len(r.Approved) >= 2 {
		return true
	}
	return !r.Plan.Assisted && r.Plan.Approvals == 0 && r.Plan.Satisfied(r.Evidence, now)
}

// usedAsEvidence reports whether what was reached (an address, a factor) was used for this claim.
func (r Recovery) usedAsEvidence(reach string) bool {
	for _, e := range r.Evidence {
		if e.Reach() == reach {
			return true
		}
	}
	return false
}

// noticeAccepted is the guard of: an address outside the evidence accepted the notice, or the policy
// named the requirement it deviates from, and then any address at all did.
func (r Recovery) noticeAccepted() bool {
	for _, told := range r.NoticesOK {
		if !r.Plan.IndependentNotice || r.independent(told) {
			return true
		}
	}
	return false
}

// independent reports whether the channel can speak for the owner: its address was not used for the claim, nobody suspects it, and it
// was on file for a week when the hold began. One that came lately could be the thief's own (package policy judges alike).
func (r Recovery) independent(c Told) bool {
	return !r.usedAsEvidence(cmp.Or(c.Address, c.Channel)) && !c.Suspect && !c.Since.IsZero() && r.HeldAt.Sub(c.Since) >= factor.AgedFactor
}
