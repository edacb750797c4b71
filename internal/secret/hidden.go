package secret

import (
	"fmt"
	"log/slog"
)

// hidden is embedded in every value that holds key material, so that no verb, log line or JSON encoder shows its fields.
type hidden struct{}

// String implements fmt.Stringer and shows nothing.
func (hidden) String() string { return redacted }

// GoString implements fmt.GoStringer and shows nothing.
func (hidden) GoString() string { return redacted }

// Format implements fmt.Formatter, so that no verb shows a field.
func (hidden) Format(f fmt.State, _ rune) { _, _ = f.Write([]byte(redacted)) }

// LogValue implements slog.LogValuer and shows nothing.
func (hidden) LogValue() slog.Value { return slog.StringValue(redacted) }

// MarshalJSON shows nothing.
func (hidden) MarshalJSON() ([]byte, error) { return []byte(`"` + redacted + `"`), nil }
