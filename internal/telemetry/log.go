// Package telemetry tells operators what the service does: one wide log line per request, metrics whose labels cannot
// grow without bound, and the admin port's health, readiness and metrics pages.
//
// Telemetry may fail open: a line that cannot be written changes nothing about a recovery. What must not be lost is an
// audit event and is written elsewhere, in the transaction of the change. Nothing here takes a secret or personal
// data; what redacts itself stays redacted, and control characters never reach a terminal.
package telemetry

import (
	"context"
	"io"
	"log/slog"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

// longest is how many bytes of one text a log line keeps: a hostile header must not fill the disk.
const longest = 2048

// NewLogger makes the service's logger: JSON lines, or text for people. Texts are cleaned of control and direction
// characters and cut at 2 KiB. Lines logged with a context that carries a request id have it as request_id.
func NewLogger(w io.Writer, level slog.Leveler, asText bool) *slog.Logger {
	opts := &slog.HandlerOptions{Level: level, ReplaceAttr: cleanAttr}
	if asText {
		return slog.New(contextHandler{slog.NewTextHandler(w, opts)})
	}
	return slog.New(contextHandler{slog.NewJSONHandler(w, opts)})
}

// contextHandler adds the request id.
type contextHandler struct{ slog.Handler }

// Handle implements slog.Handler.
func (h contextHandler) Handle(ctx context.Context, r slog.Record) error {
	if id := RequestIDFrom(ctx); id != "" {
		r.AddAttrs(slog.String("request_id", id))
	}
	return h.Handler.Handle(ctx, r)
}

// WithAttrs implements slog.Handler.
func (h contextHandler) WithAttrs(attrs []slog.Attr) slog.Handler {
	return contextHandler{h.Handler.WithAttrs(attrs)}
}

// WithGroup implements slog.Handler.
func (h contextHandler) WithGroup(name string) slog.Handler {
	return contextHandler{h.Handler.WithGroup(name)}
}

// cleanAttr cleans texts and errors; other values hold no text of strangers.
func cleanAttr(_ []string, a slog.Attr) slog.Attr {
	switch a.Value.Kind() { //nolint:exhaustive // numbers, times and groups have nothing to clean.
	case slog.KindString:
		a.Value = slog.StringValue(Clean(a.Value.String()))
	case slog.KindAny:
		if err, ok := a.Value.Any().(error); ok {
			a.Value = slog.StringValue(Clean(err.Error()))
		}
	default:
	}
	return a
}

// Clean makes text safe for a log line and a terminal: control characters, line and paragraph separators, characters that
// change the direction of writing, other invisible format characters and bytes that are no UTF-8 are written as escapes,
// and the text is cut at 2 KiB.
func Clean(text string) string {
	if !dirty(text) {
		return text
	}
	var b strings.Builder
	for i := 0; i < len(text); {
		if b.Len() >= longest {
			b.WriteString("…[cut]")
			break
		}
		r, size := utf8.DecodeRuneInString(text[i:])
		switch {
		case r == utf8.RuneError && size == 1:
			b.WriteString(`\x` + strconv.FormatUint(uint64(text[i])|0x100, 16)[1:])
		case hidden(r):
			b.WriteString(`\u{` + strconv.FormatInt(int64(r), 16) + `}`)
		default:
			b.WriteRune(r)
		}
		i += size
	}
	return b.String()
}

// dirty reports whether Clean has anything to do; mostly it has not.
func dirty(text string) bool {
	return len(text) > longest || !utf8.ValidString(text) || strings.ContainsFunc(text, hidden)
}

// hidden reports whether a character is not simply shown.
func hidden(r rune) bool {
	return unicode.IsControl(r) || unicode.In(r, unicode.Cf, unicode.Zl, unicode.Zp)
}
