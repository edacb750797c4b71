package telemetry

import (
	"context"
	"log/slog"
	"sync"
	"time"

	"github.com/holdfast/holdfast/internal/fault"
)

// mostAttrs bounds one line.
const mostAttrs = 64

type eventKey struct{}

// Event is the one wide line of a request or a job: what is learned on the way is added to it, and it is written once, at
// the end. It may be used by several goroutines. The nil Event takes everything and writes nothing.
type Event struct {
	logger *slog.Logger
	name   string
	start  time.Time

	mu      sync.Mutex
	attrs   []slog.Attr
	code    fault.Code
	cause   error
	flushed bool
}

// Begin starts an event of the name, which is constant, and puts it into the context. The caller flushes it.
func Begin(ctx context.Context, logger *slog.Logger, name string) (context.Context, *Event) {
	e := &Event{logger: logger, name: name, start: time.Now()}
	return context.WithValue(ctx, eventKey{}, e), e
}

// EventFrom gives the context's event. It may be nil, which can be used like any other.
func EventFrom(ctx context.Context) *Event {
	e, _ := ctx.Value(eventKey{}).(*Event)
	return e
}

// Set adds one fact. Setting a key again replaces it; past 64 keys new ones are dropped. The value is an identifier, an
// enumeration or a number: never a secret, never personal data.
func (e *Event) Set(key string, value any) {
	if e == nil {
		return
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	for i := range e.attrs {
		if e.attrs[i].Key == key {
			e.attrs[i].Value = slog.AnyValue(value)
			return
		}
	}
	if len(e.attrs) < mostAttrs {
		e.attrs = append(e.attrs, slog.Any(key, value))
	}
}

// Fail notes how it ended and why. The first failure counts: what follows is its consequence.
func (e *Event) Fail(code fault.Code, cause error) {
	if e == nil {
		return
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.code == "" {
		e.code, e.cause = code, cause
	}
}

// Code is the code of the failure, "" without one.
func (e *Event) Code() fault.Code {
	if e == nil {
		return ""
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.code
}

// Flush writes the line, once: an error for what is our fault, a warning for a part of ours that does not answer, and
// information for everything else, refusals included. The context only lends its request id.
func (e *Event) Flush(ctx context.Context) {
	if e == nil {
		return
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.flushed {
		return
	}
	e.flushed = true
	attrs := append([]slog.Attr{slog.Float64("duration_ms", milliseconds(time.Since(e.start)))}, e.attrs...)
	if e.code != "" {
		attrs = append(attrs, slog.String("code", string(e.code)))
	}
	if e.cause != nil {
		attrs = append(attrs, slog.Any("error", e.cause))
	}
	e.logger.LogAttrs(ctx, levelOf(e.code), e.name, attrs...) //nolint:sloglint // the name is the constant given to Begin.
}

// levelOf says how loud a failure is.
func levelOf(code fault.Code) slog.Level {
	if code == "" {
		return slog.LevelInfo
	}
	d, ok := fault.Define(code)
	switch {
	case !ok || d.Kind == fault.Internal:
		return slog.LevelError
	case d.Kind == fault.Unavailable:
		return slog.LevelWarn
	default:
		return slog.LevelInfo
	}
}

func milliseconds(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }
