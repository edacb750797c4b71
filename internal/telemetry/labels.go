package telemetry

import (
	"slices"
	"sync"

	"github.com/holdfast/holdfast/internal/fault"
)

const (
	other      = "other"
	none       = "none"
	mostValues = 128 // per label; far over what the service has, far under what hurts
	longestTag = 128
)

// bounds remembers which values a label has had and admits no more than mostValues of them, so that no caller, and no
// mistake of ours, can grow the metrics without end.
type bounds struct {
	mu   sync.RWMutex
	seen map[string][]string
}

func newBounds() *bounds { return &bounds{seen: map[string][]string{}} }

// keep gives the value if the label may have it, else "other"; "" reads "none".
func (b *bounds) keep(label, value string) string {
	if value == "" {
		return none
	}
	if len(value) > longestTag || dirty(value) {
		return other
	}
	b.mu.RLock()
	known := slices.Contains(b.seen[label], value)
	b.mu.RUnlock()
	if known {
		return value
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if slices.Contains(b.seen[label], value) {
		return value
	}
	if len(b.seen[label]) >= mostValues {
		return other
	}
	b.seen[label] = append(b.seen[label], value)
	return value
}

// boundedMethod keeps the methods that HTTP defines: the method is the caller's to choose.
func boundedMethod(method string) string {
	switch method {
	case "GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "CONNECT", "TRACE":
		return method
	default:
		return other
	}
}

// boundedCode keeps the registered codes.
func boundedCode(code fault.Code) string {
	if code == "" {
		return none
	}
	if _, ok := fault.Define(code); !ok {
		return other
	}
	return string(code)
}
