package notify

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"time"

	"github.com/holdfast/holdfast/internal/factor"
	"github.com/holdfast/holdfast/internal/secret"
)

// Message is one text on its way to one address.
//
// Subject, Text, HTML and Links are as secret as To and Code: they hold the code or the link to object. A Message therefore
// shows only its outline in fmt, slog and JSON.
type Message struct {
	// ID names the message and its exact text: it becomes the Message-ID of a mail, by which mailboxes drop repeats. A
	// retry of the same text keeps it; a new code needs a new one, or the mailbox may show the old code only.
	// It is made of letters, digits, '.', '_' and '-', at most 120 of them.
	ID      string
	Channel factor.Method // Email, SMS or Voice
	To      secret.String // a bare mail address, or a number in E.164
	Locale  string        // BCP 47, the language of the text
	Kind    Kind
	Tenant  string
	Subject string // mail only
	Text    string
	HTML    string // mail only
	At      time.Time

	Code  secret.String // for the development inbox alone
	Links []string      // for the development inbox alone
}

// Receipt is a provider's word that it took a message over. It does not say that anybody has read it.
type Receipt struct {
	Provider    string // who it was: smtp, twilio; lower-case letters. Empty where nothing more will be heard of the message.
	ProviderRef string // the provider's own name for the message; no personal data
}

// Sender hands one message to one provider.
//
// Send returns nil when the provider has accepted the message. Otherwise the error is *Rejected (do not try again),
// *Deferred (try again later) or *Unknown (it may have been sent; trying again may send it twice). No error holds a secret
// or personal data. Send is bounded by ctx and by the sender's own time limit, whichever ends first, and is safe for
// concurrent use. It never retries by itself: the outbox does.
type Sender interface {
	Send(ctx context.Context, m Message) (Receipt, error)
}

// outline is all of a message that may be seen.
type outline struct {
	ID      string        `json:"id"`
	Channel factor.Method `json:"channel"`
	Kind    Kind          `json:"kind"`
	Tenant  string        `json:"tenant"`
}

func (m Message) outline() outline {
	return outline{ID: m.ID, Channel: m.Channel, Kind: m.Kind, Tenant: m.Tenant}
}

// String shows the outline.
func (m Message) String() string {
	return fmt.Sprintf("message %s (%s by %s for %s) [redacted]", m.ID, m.Kind, m.Channel, m.Tenant)
}

// GoString shows the outline.
func (m Message) GoString() string { return m.String() }

// Format shows the outline for every verb.
func (m Message) Format(f fmt.State, _ rune) { _, _ = f.Write([]byte(m.String())) }

// LogValue shows the outline.
func (m Message) LogValue() slog.Value {
	return slog.GroupValue(
		slog.String("id", m.ID),
		slog.String("channel", string(m.Channel)),
		slog.String("kind", string(m.Kind)),
		slog.String("tenant", m.Tenant),
	)
}

// MarshalJSON shows the outline, so that a message can neither be logged nor be stored by accident.
func (m Message) MarshalJSON() ([]byte, error) { return json.Marshal(m.outline()) }
