package idempotency

import (
	"fmt"
	"log/slog"
)

const redacted = "[redacted]"

// Format implements fmt.Formatter, so that no verb shows the request's body, which a Key remembers.
func (Key) Format(f fmt.State, _ rune) { _, _ = f.Write([]byte(redacted)) }

// LogValue implements slog.LogValuer and shows nothing.
func (Key) LogValue() slog.Value { return slog.StringValue(redacted) }
