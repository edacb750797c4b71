package abuse

import (
	"context"
	"time"

	"github.com/holdfast/holdfast/internal/audit"
	"github.com/holdfast/holdfast/internal/idempotency"
)

// Journal is what detectors look at. A database that does not answer is fault.CodeUnavailable.
type Journal interface {
	// Alone runs fn while no other node does the same, and reports whether it ran. It holds a lock of the database, which a node
	// that dies gives back. now is the database's time.
	Alone(ctx context.Context, fn func(ctx context.Context, now time.Time) error) (bool, error)
	// Fold counts what the journal has beyond the watermark, up to settle before now, and moves the watermark, in one
	// transaction: each event counts once. One call folds a bounded stretch of time; more says that there is more. What is
	// older than keep is forgotten.
	Fold(ctx context.Context, now time.Time, settle, keep time.Duration) (upTo time.Time, more bool, err error)
	// Sums gives what was counted in the window before upTo, of the keys that reach the query's Total, largest first and at
	// most 100. It reads a bounded number of rows: in a flood the newest, which is enough to know it for one.
	Sums(ctx context.Context, q Query, window time.Duration, upTo time.Time) ([]Sum, error)
	// Probe answers a probe with at most 100 findings.
	Probe(ctx context.Context, d Detector, now time.Time) ([]Finding, error)
	// Live gives the alerts that are not resolved, at most 1,000.
	Live(ctx context.Context) ([]Alert, error)
	// Save writes an alert whose Version is the one that was read, 0 for a new one, with its audit event, if it has one. An
	// alert that somebody else changed meanwhile is fault.CodeConflict.
	Save(ctx context.Context, a Alert, event *audit.Event) error
	// Tally counts the live alerts by detector and severity, and says how old the watermark is; 0 before anything was folded.
	Tally(ctx context.Context) (levels []Level, lag time.Duration, err error)
	// Fresh gives live alerts, and those resolved since, for telling others; at most 1,000.
	Fresh(ctx context.Context, since time.Duration) (now time.Time, alerts []Alert, err error)
}

// Level is how many alerts of a detector are live.
type Level struct {
	Detector string
	Severity Severity
	State    State
	Alerts   int64
}

// Alerts is where alerts are read and acknowledged. What belongs to another tenant is fault.CodeNotFound.
type Alerts interface {
	List(ctx context.Context, f Filter) (alerts []Alert, next string, err error)
	Get(ctx context.Context, tenant, id string) (Alert, error)
	// Changing locks an alert and runs fn in one transaction, which commits when it returns nil. replay is the answer given before
	// to the same Idempotency-Key.
	Changing(ctx context.Context, tenant, id string, key idempotency.Key, fn func(tx AlertTx, in LoadedAlert) error) error
}

// LoadedAlert is an alert under its lock.
type LoadedAlert struct {
	Now    time.Time
	Replay *idempotency.Record
	Alert  Alert
}

// AlertTx is the one write door of an alert.
type AlertTx interface {
	// Apply writes the alert, its event and the answer to remember.
	Apply(ctx context.Context, a Alert, event audit.Event, remember *idempotency.Record) error
}

// Filter says which alerts to list. Empty fields do not restrict.
type Filter struct {
	Tenant   string // required; AllTenants for an operator who may see all
	State    State
	Severity Severity
	Detector string
	Cursor   string // the cursor of the page before
	Limit    int    // 1 to MaxAlerts
}

// AllTenants in a Filter lists every tenant's alerts and the fleet's.
const AllTenants = "*"

// MaxAlerts bounds one page.
const MaxAlerts = 200

// ControlStore keeps controls.
type ControlStore interface {
	// Setting runs fn in one transaction, which commits when it returns nil. A tenant that does not exist is fault.CodeNotFound.
	Setting(ctx context.Context, tenant string, key idempotency.Key, fn func(tx ControlTx, in LoadedControl) error) error
	// Lifting is Setting on a control that exists, which it locks; another tenant's is fault.CodeNotFound.
	Lifting(ctx context.Context, tenant, id string, key idempotency.Key, fn func(tx ControlTx, in LoadedControl) error) error
	// InForce gives every tenant's controls that are neither lifted nor expired.
	InForce(ctx context.Context) ([]Control, error)
	// Controls lists a tenant's controls in force, and, when all, its last 200 whatever became of them.
	Controls(ctx context.Context, tenant string, all bool) (now time.Time, controls []Control, err error)
}

// LoadedControl is what is known when a control is set or lifted. Control is the zero one when it is set.
type LoadedControl struct {
	Now     time.Time
	Replay  *idempotency.Record
	Control Control
	InForce int // of the tenant, at this moment
}

// ControlTx is the one write door of controls.
type ControlTx interface {
	// Set stores a new control with its event.
	Set(ctx context.Context, c Control, event audit.Event, remember *idempotency.Record) error
	// Lift ends a control with its event.
	Lift(ctx context.Context, c Control, event audit.Event, remember *idempotency.Record) error
}
