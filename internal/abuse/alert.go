package abuse

import (
	"time"

	"github.com/holdfast/holdfast/internal/audit"
)

// Fleet stands in place of a tenant's id for what concerns the whole installation. No tenant can be called so.
const Fleet = "_fleet"

// Severity is how soon somebody should look.
type Severity string

// The severities.
const (
	Warning  Severity = "warning"  // in working hours
	Critical Severity = "critical" // now
)

// State is where an alert stands. The zero State is not valid.
type State string

// The states.
const (
	Open         State = "open"
	Acknowledged State = "acknowledged" // somebody said that they look at it, and why that is enough for now
	Resolved     State = "resolved"     // it has been quiet; a later finding is a new alert
)

// States lists the states.
func States() []State { return []State{Open, Acknowledged, Resolved} }

// Finding is what a detector found at one moment.
type Finding struct {
	Tenant string // or Fleet
	Key    string // what it is about, within tenant and detector: findings of one key are one alert
	Labels map[string]string
	Count  int64 // what was measured
	Limit  int64 // from where on it is a finding
}

// Alert is a finding over time. It is a value; its methods give the next one and the audit event's action, "" when nothing
// worth an event happened.
type Alert struct {
	Tenant          string
	ID              string // alr_…
	Detector        string
	Key             string
	Severity        Severity
	State           State
	Labels          map[string]string
	Count           int64 // when it was last seen
	Peak            int64
	Threshold       int64
	FirstSeen       time.Time
	LastSeen        time.Time
	EscalatedAt     time.Time
	AcknowledgedAt  time.Time
	AcknowledgedBy  string
	Acknowledgement string
	ResolvedAt      time.Time
	Version         int64 // 0 until it is stored
}

// growth is by how much a finding has to be over its limit to be critical whatever its detector says.
const growth = 5

// raise begins an alert.
func raise(id string, d Detector, f Finding, now time.Time) (Alert, audit.Action) {
	a := Alert{
		Tenant: f.Tenant, ID: id, Detector: d.Name, Key: f.Key, Severity: d.Severity, State: Open, Labels: f.Labels,
		Count: f.Count, Peak: f.Count, Threshold: f.Limit, FirstSeen: now, LastSeen: now,
	}
	if d.grown(f) {
		a.Severity, a.EscalatedAt = Critical, now
	}
	return a, audit.AlertRaised
}

// Seen takes one more finding of the same key in. A warning becomes critical when nobody has looked for the detector's time,
// or when it has grown fivefold; what grew opens again, whoever acknowledged the smaller thing.
func (a Alert) Seen(d Detector, f Finding, now time.Time) (Alert, audit.Action) {
	a.Count, a.Peak, a.Threshold, a.LastSeen = f.Count, max(a.Peak, f.Count), f.Limit, now
	if a.Severity == Critical {
		return a, ""
	}
	ignored := a.State == Open && d.EscalateAfter > 0 && now.Sub(a.FirstSeen) >= d.EscalateAfter
	if !ignored && !d.grown(f) {
		return a, ""
	}
	a.Severity, a.EscalatedAt, a.State = Critical, now, Open
	return a, audit.AlertEscalated
}

// Unseen resolves the alert once its detector has found nothing for its quiet time.
func (a Alert) Unseen(d Detector, now time.Time) (Alert, audit.Action) {
	if a.State == Resolved || now.Sub(a.LastSeen) < d.Quiet {
		return a, ""
	}
	a.State, a.ResolvedAt = Resolved, now
	return a, audit.AlertResolved
}

// Acknowledge records that somebody looks at it. Again by somebody else replaces the first; a resolved alert is past that,
// and false is returned.
func (a Alert) Acknowledge(by audit.Actor, reason string, now time.Time) (Alert, audit.Action, bool) {
	if a.State == Resolved {
		return a, "", false
	}
	a.State, a.AcknowledgedAt, a.AcknowledgedBy, a.Acknowledgement = Acknowledged, now, by.ID, reason
	return a, audit.AlertAcknowledged, true
}

// event tells of a change of the alert.
func (a Alert) event(by audit.Actor, action audit.Action, requestID string, now time.Time) audit.Event {
	return audit.Event{
		Tenant: a.Tenant, At: now, Actor: by, Action: action, Subject: a.ID, Outcome: audit.Success, RequestID: requestID,
		Reason:  a.Detector,
		Details: map[string]any{"severity": string(a.Severity), "state": string(a.State), "count": a.Count, "threshold": a.Threshold},
	}
}
