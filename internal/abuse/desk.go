package abuse

import (
	"context"

	"github.com/holdfast/holdfast/internal/audit"
	"github.com/holdfast/holdfast/internal/fault"
	"github.com/holdfast/holdfast/internal/idempotency"
)

// Desk is where people read and acknowledge alerts. It is safe for concurrent use.
type Desk struct{ Alerts Alerts }

// List gives alerts, newest first, and the cursor of the next page; it is empty after the last one.
//
// Faults: CodeInvalidRequest.
func (d *Desk) List(ctx context.Context, f Filter) ([]Alert, string, error) {
	if f.Limit == 0 {
		f.Limit = MaxAlerts
	}
	if f.Tenant == "" || f.Limit < 1 || f.Limit > MaxAlerts {
		return nil, "", fault.Of(fault.CodeInvalidRequest)
	}
	alerts, next, err := d.Alerts.List(ctx, f)
	return alerts, next, fault.Wrap(err, "list alerts")
}

// Get gives one alert, or CodeNotFound.
func (d *Desk) Get(ctx context.Context, tenant, id string) (Alert, error) {
	a, err := d.Alerts.Get(ctx, tenant, id)
	return a, fault.Wrap(err, "get alert")
}

// AcknowledgeCommand says that somebody looks at an alert.
type AcknowledgeCommand struct {
	Tenant    string // or Fleet, for operators
	ID        string
	Reason    string
	By        audit.Actor
	RequestID string
	Key       idempotency.Key // zero at the command line
}

// Acknowledge records who looks at an alert and why that is enough for now. It silences nothing for good: an alert that grows
// opens again.
//
// Faults: CodeInvalidRequest, CodeNotFound, CodeConflict for a resolved one, those of the Idempotency-Key.
func (d *Desk) Acknowledge(ctx context.Context, cmd AcknowledgeCommand) (Alert, error) {
	if err := checkReason(cmd.Reason); err != nil {
		return Alert{}, err
	}
	var out Alert
	err := d.Alerts.Changing(ctx, cmd.Tenant, cmd.ID, cmd.Key, func(tx AlertTx, in LoadedAlert) error {
		if in.Replay != nil {
			return replay(cmd.Key, in.Replay, &out)
		}
		next, action, ok := in.Alert.Acknowledge(cmd.By, cmd.Reason, in.Now)
		if !ok {
			return fault.Of(fault.CodeConflict).Detail("This alert is resolved.")
		}
		out = next
		answer, err := remember(cmd.Key, out)
		if err != nil {
			return err
		}
		return tx.Apply(ctx, next, next.event(cmd.By, action, cmd.RequestID, in.Now), answer)
	})
	return out, fault.Wrap(err, "acknowledge alert")
}
