package recovery

import (
	"time"

	"github.com/holdfast/holdfast/internal/fault"
	"github.com/holdfast/holdfast/internal/idempotency"
)

// sealed is an answer as it is stored for a retry: the outcome, or the code of the refusal that was committed.
type sealed[T any] struct {
	Value   T             `json:"value"`
	Refusal fault.Code    `json:"refusal,omitempty"`
	Wait    time.Duration `json:"wait,omitempty"`
}

// err is the refusal as it was given.
func (s sealed[T]) err() error {
	if s.Refusal == "" {
		return nil
	}
	return fault.Of(s.Refusal).After(s.Wait)
}

// refuse keeps a refusal.
func (s *sealed[T]) refuse(err error) {
	if err == nil {
		return
	}
	f := fault.From(err)
	s.Refusal, s.Wait = f.Code, f.RetryAfter
}

// remember seals the answer for the Idempotency-Key; nil without one.
func remember[T any](key idempotency.Key, out sealed[T]) (*idempotency.Record, error) {
	if key.IsZero() {
		return nil, nil //nolint:nilnil // without a key there is nothing to remember.
	}
	outcome, err := key.Seal(out)
	if err != nil {
		return nil, fault.Wrap(err, "seal answer")
	}
	rec := key.Record(outcome)
	return &rec, nil
}
