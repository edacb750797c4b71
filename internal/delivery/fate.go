// Package delivery is what is heard of a message after a provider took it: whether it arrived, and whether the person it
// went to answered NO.
//
// A provider's yes is not the last word. What was accepted and then failed is accepted no more, and no recovery may
// rest on it; what was delivered stays so. A fate only moves forward: what a provider says later against it is written down
// and changes nothing (ADR 0020). Nothing here knows a provider: an adapter checks who speaks and puts it into these words.
package delivery

import (
	"context"
	"errors"

	"github.com/holdfast/holdfast/internal/fault"
)

// Fate is what became of a message that a provider took.
type Fate string

// The fates. The first is where every message begins, the others are final.
const (
	Accepted  Fate = "accepted"
	Delivered Fate = "delivered"
	Failed    Fate = "failed"
)

// Reason says why a message failed in the end: an enumeration, fit for logs and audit events.
type Reason string

// The reasons.
const (
	Undelivered Reason = "undelivered" // no more is known
	Unreachable Reason = "unreachable" // the device was off or out of reach for too long
	BadAddress  Reason = "bad_address" // the address does not exist, or cannot take such messages
	Blocked     Reason = "blocked"     // the recipient or the network blocks it
	Filtered    Reason = "filtered"    // a carrier took it for unwanted mail
	Bounced     Reason = "bounced"     // the mail system gave it back
	Withdrawn   Reason = "withdrawn"   // the provider did not send it after all: expired, cancelled, out of funds
)

// Report is a provider's word about a message that it took.
type Report struct {
	Provider  string // twilio, smtp, …: as in the receipt of the sending
	Reference string // the provider's own name for the message
	Fate      Fate   // Accepted for everything on the way, which changes nothing
	Reason    Reason // with Failed
	Code      int    // the provider's own number; 0 for none
}

// Verdict is what a report did.
type Verdict string

// The verdicts. They are labels of a metric.
const (
	Settled      Verdict = "settled"      // the message's fate is now this
	Repeated     Verdict = "repeated"     // said before
	Contradicted Verdict = "contradicted" // its fate was another, and stays: written down
	Waiting      Verdict = "waiting"      // no such message, or not yet: kept, in case the answer to its sending is still on its way
	OnTheWay     Verdict = "on_the_way"   // no news
)

// Hears says what a report of another fate does to this one.
func (f Fate) Hears(said Fate) Verdict {
	switch {
	case said == Accepted:
		return OnTheWay
	case f == said:
		return Repeated
	case f == Accepted:
		return Settled
	default:
		return Contradicted
	}
}

// Heard is a report's verdict, and what kind of message it was about; both empty where that is not known.
type Heard struct {
	Verdict Verdict
	Channel string
	Kind    string
}

// Store keeps fates and replies.
type Store interface {
	// Report writes a final report down and does what it demands, in one transaction: an acceptance that is taken back wakes
	// its recovery. It is idempotent.
	Report(ctx context.Context, r Report) (Heard, error)
	// TakeReply keeps an answer of NO and has it heard soon. It reports whether it is new: each is taken once, by the
	// provider's name for it.
	TakeReply(ctx context.Context, r KeptReply) (bool, error)
	// Reply gives a kept reply that was not heard yet, and the recoveries that were told to its number, at most 50: those in
	// their hold or beyond first. Of one that was heard, or never kept, there are none.
	Reply(ctx context.Context, provider, reference string) ([]Told, error)
	// ReplyHeard marks a reply as heard and forgets whose it was.
	ReplyHeard(ctx context.Context, provider, reference string) error
}

// Metrics counts what was heard.
type Metrics interface {
	Delivery(channel, kind, fate, verdict string)
	Reply(outcome string)
}

// errNotAFate is a programming error of the adapter.
var errNotAFate = errors.New("delivery: a report without a provider, a reference or a fate")

// Report takes a provider's word in. The adapter has checked who speaks. What is on the way is only counted.
//
// Faults: CodeUnavailable when it could not be written down; the provider may say it again.
func (s *Service) Report(ctx context.Context, r Report) error {
	if r.Provider == "" || r.Reference == "" || (r.Fate != Accepted && r.Fate != Delivered && r.Fate != Failed) {
		return errNotAFate
	}
	heard := Heard{Verdict: OnTheWay}
	if r.Fate == Failed && r.Reason == "" {
		r.Reason = Undelivered
	}
	if r.Fate != Accepted {
		var err error
		if heard, err = s.Store.Report(ctx, r); err != nil {
			return fault.Wrap(err, "take a delivery report")
		}
	}
	s.Metrics.Delivery(heard.Channel, heard.Kind, string(r.Fate), string(heard.Verdict))
	return nil
}
