package abuse_test

import (
	"context"
	"crypto/rand"
	"testing"
	"time"

	"github.com/holdfast/holdfast/internal/abuse"
	"github.com/holdfast/holdfast/internal/audit"
	"github.com/holdfast/holdfast/internal/fault"
	"github.com/holdfast/holdfast/internal/idempotency"
)

// memory is a ControlStore that takes what it is given; the real one is tested with the whole service.
type memory struct {
	inForce []abuse.Control
	fail    bool
}

func set(t *testing.T, store *memory, kind abuse.ControlKind, value string) (abuse.Control, error) {
	t.Helper()
	s := &abuse.Controls{Store: store, Rand: rand.Reader}
	return s.Set(t.Context(), abuse.SetCommand{Tenant: "acme", Kind: kind, Value: value, Reason: "a test", For: time.Hour, By: audit.Actor{Kind: audit.ActorClient, ID: "cli_1"}})
}

func (m *memory) Setting(_ context.Context, _ string, _ idempotency.Key, fn func(abuse.ControlTx, abuse.LoadedControl) error) error {
	return fn(m, abuse.LoadedControl{Now: t0(), InForce: len(m.inForce)})
}

func (m *memory) Lifting(context.Context, string, string, idempotency.Key, func(abuse.ControlTx, abuse.LoadedControl) error) error {
	return fault.Of(fault.CodeNotFound)
}

func (m *memory) InForce(context.Context) ([]abuse.Control, error) {
	if m.fail {
		return nil, fault.Of(fault.CodeUnavailable)
	}
	return m.inForce, nil
}

func (m *memory) Controls(context.Context, string, bool) (time.Time, []abuse.Control, error) {
	return t0(), m.inForce, nil
}

func (m *memory) Set(_ context.Context, c abuse.Control, _ audit.Event, _ *idempotency.Record) error {
	m.inForce = append(m.inForce, c)
	return nil
}

func (m *memory) Lift(context.Context, abuse.Control, audit.Event, *idempotency.Record) error {
	return nil
}
