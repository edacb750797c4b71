package abuse

import (
	"context"
	"io"
	"time"

	"github.com/holdfast/holdfast/internal/audit"
	"github.com/holdfast/holdfast/internal/fault"
	"github.com/holdfast/holdfast/internal/idempotency"
	"github.com/holdfast/holdfast/internal/secret"
)

// Controls is the use cases of controls. It is safe for concurrent use.
type Controls struct {
	Store ControlStore
	Rand  io.Reader
}

// SetCommand raises the bar.
type SetCommand struct {
	Tenant    string // or Fleet, for operators
	Kind      ControlKind
	Value     string
	Reason    string
	ExpiresAt time.Time     // or
	For       time.Duration // from now on, when ExpiresAt is zero
	By        audit.Actor
	RequestID string
	Key       idempotency.Key // zero at the command line
}

// Set raises the bar until a time that has to be given. Nothing that is in force is replaced: what asks for most wins.
//
// Faults: CodeInvalidRequest, CodeNotFound for the tenant, CodeConflict with too many in force, those of the Idempotency-Key.
func (s *Controls) Set(ctx context.Context, cmd SetCommand) (Control, error) {
	if err := checkValue(cmd.Kind, cmd.Value); err != nil {
		return Control{}, err
	}
	if err := checkReason(cmd.Reason); err != nil {
		return Control{}, err
	}
	var out Control
	err := s.Store.Setting(ctx, cmd.Tenant, cmd.Key, func(tx ControlTx, in LoadedControl) error {
		if in.Replay != nil {
			return replay(cmd.Key, in.Replay, &out)
		}
		if in.InForce >= mostInForce {
			return fault.Of(fault.CodeConflict).Detail("Too many controls are in force; lift one first.")
		}
		ends := cmd.ExpiresAt
		if ends.IsZero() {
			ends = in.Now.Add(cmd.For)
		}
		if ends.Before(in.Now.Add(ShortestControl)) || ends.After(in.Now.Add(LongestControl)) {
			return fault.Of(fault.CodeInvalidRequest).At("/expires_at", "must be a minute to seven days from now")
		}
		out = Control{
			Tenant: cmd.Tenant, ID: secret.NewID("ctl", in.Now, s.Rand), Kind: cmd.Kind, Value: cmd.Value, Reason: cmd.Reason, By: cmd.By,
			SetAt: in.Now, ExpiresAt: ends.UTC().Truncate(time.Microsecond),
		}
		answer, err := remember(cmd.Key, out)
		if err != nil {
			return err
		}
		return tx.Set(ctx, out, out.event(cmd.By, audit.ControlSet, cmd.RequestID, in.Now), answer)
	})
	return out, fault.Wrap(err, "set control")
}

// LiftCommand takes back a raise.
type LiftCommand struct {
	Tenant    string
	ID        string
	Reason    string
	By        audit.Actor
	RequestID string
	Key       idempotency.Key
}

// Lift ends a control before its time. A client lifts what clients of its tenant have set; what an operator set only an
// operator lifts.
//
// Faults: CodeInvalidRequest, CodeNotFound, CodeForbidden, CodeConflict for one that has ended, those of the Idempotency-Key.
func (s *Controls) Lift(ctx context.Context, cmd LiftCommand) (Control, error) {
	if err := checkReason(cmd.Reason); err != nil {
		return Control{}, err
	}
	var out Control
	err := s.Store.Lifting(ctx, cmd.Tenant, cmd.ID, cmd.Key, func(tx ControlTx, in LoadedControl) error {
		if in.Replay != nil {
			return replay(cmd.Key, in.Replay, &out)
		}
		out = in.Control
		switch {
		case cmd.By.Kind != audit.ActorOperator && out.By.Kind != cmd.By.Kind:
			return fault.Of(fault.CodeForbidden)
		case !out.InForce(in.Now):
			return fault.Of(fault.CodeConflict).Detail("This control has ended already.")
		}
		out.LiftedAt, out.LiftedBy, out.LiftReason = in.Now, cmd.By.ID, cmd.Reason
		answer, err := remember(cmd.Key, out)
		if err != nil {
			return err
		}
		return tx.Lift(ctx, out, out.event(cmd.By, audit.ControlLifted, cmd.RequestID, in.Now), answer)
	})
	return out, fault.Wrap(err, "lift control")
}

// List gives a tenant's controls in force, newest first; with all, also those that have ended. now is the database's time.
func (s *Controls) List(ctx context.Context, tenant string, all bool) (now time.Time, controls []Control, err error) {
	now, controls, err = s.Store.Controls(ctx, tenant, all)
	return now, controls, fault.Wrap(err, "list controls")
}

// replay gives the answer of the first request with this Idempotency-Key.
func replay[T any](key idempotency.Key, rec *idempotency.Record, out *T) error {
	if err := key.Check(*rec); err != nil {
		return err
	}
	return key.Open(rec.Outcome, out)
}

// remember seals an answer for a repetition; nil without a key.
func remember(key idempotency.Key, answer any) (*idempotency.Record, error) {
	if key.IsZero() {
		return nil, nil //nolint:nilnil // nothing is remembered without a key.
	}
	sealed, err := key.Seal(answer)
	if err != nil {
		return nil, fault.Wrap(err, "seal answer")
	}
	rec := key.Record(sealed)
	return &rec, nil
}
