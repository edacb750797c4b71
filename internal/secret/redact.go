package secret

import (
	"fmt"
	"log/slog"
)

const redacted = "[redacted]"

// String is text that must never be printed: a code, a token, a password, an address. It redacts itself in fmt, slog and
// JSON; Reveal is the one way to the text, so that every use can be found by its name.
type String struct{ text string }

// NewString hides text.
func NewString(text string) String { return String{text: text} }

// Reveal gives the hidden text.
func (s String) Reveal() string { return s.text }

// IsZero reports whether there is nothing hidden.
func (s String) IsZero() bool { return s.text == "" }

// String implements fmt.Stringer and shows nothing.
func (String) String() string { return redacted }

// GoString implements fmt.GoStringer and shows nothing.
func (String) GoString() string { return redacted }

// Format implements fmt.Formatter, so that no verb shows the text.
func (String) Format(f fmt.State, _ rune) { _, _ = f.Write([]byte(redacted)) }

// LogValue implements slog.LogValuer and shows nothing.
func (String) LogValue() slog.Value { return slog.StringValue(redacted) }

// MarshalJSON shows nothing: a secret that is to leave in a response is revealed by name.
func (String) MarshalJSON() ([]byte, error) { return []byte(`"` + redacted + `"`), nil }

// UnmarshalText takes the text in, for request bodies and settings.
func (s *String) UnmarshalText(b []byte) error {
	s.text = string(b)
	return nil
}
