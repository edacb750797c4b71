package httpapi

import (
	"maps"
	"net/http"
	"slices"
	"strconv"
	"time"

	"github.com/labstack/echo/v4"

	"github.com/holdfast/holdfast/internal/abuse"
)

type (
	alertBody struct {
		ID              string         `json:"id"`
		Detector        string         `json:"detector"`
		Severity        abuse.Severity `json:"severity"`
		State           abuse.State    `json:"state"`
		Labels          []labelBody    `json:"labels"`
		Count           int64          `json:"count"`
		Peak            int64          `json:"peak"`
		Threshold       int64          `json:"threshold"`
		FirstSeen       time.Time      `json:"first_seen"`
		LastSeen        time.Time      `json:"last_seen"`
		EscalatedAt     time.Time      `json:"escalated_at,omitzero"`
		AcknowledgedAt  time.Time      `json:"acknowledged_at,omitzero"`
		AcknowledgedBy  string         `json:"acknowledged_by,omitempty"`
		Acknowledgement string         `json:"acknowledgement,omitempty"`
		ResolvedAt      time.Time      `json:"resolved_at,omitzero"`
	}
	labelBody struct {
		Name  string `json:"name"`
		Value string `json:"value"`
	}
	alertsBody struct {
		Alerts []alertBody `json:"alerts"`
		Next   string      `json:"next_cursor,omitempty"`
	}
	controlBody struct {
		ID         string            `json:"id"`
		Kind       abuse.ControlKind `json:"kind"`
		Value      string            `json:"value,omitempty"`
		Reason     string            `json:"reason"`
		SetBy      string            `json:"set_by"`
		SetAt      time.Time         `json:"set_at"`
		ExpiresAt  time.Time         `json:"expires_at"`
		LiftedAt   time.Time         `json:"lifted_at,omitzero"`
		LiftedBy   string            `json:"lifted_by,omitempty"`
		LiftReason string            `json:"lift_reason,omitempty"`
	}
	controlsBody struct {
		Controls []controlBody `json:"controls"`
	}
)

func presentAlert(a abuse.Alert) alertBody {
	labels := []labelBody{}
	for _, name := range slices.Sorted(maps.Keys(a.Labels)) {
		labels = append(labels, labelBody{Name: name, Value: a.Labels[name]})
	}
	return alertBody{
		ID: a.ID, Detector: a.Detector, Severity: a.Severity, State: a.State, Labels: labels, Count: a.Count, Peak: a.Peak, Threshold: a.Threshold,
		FirstSeen: a.FirstSeen.UTC(), LastSeen: a.LastSeen.UTC(), EscalatedAt: a.EscalatedAt.UTC(), AcknowledgedAt: a.AcknowledgedAt.UTC(),
		AcknowledgedBy: a.AcknowledgedBy, Acknowledgement: a.Acknowledgement, ResolvedAt: a.ResolvedAt.UTC(),
	}
}

func presentControl(c abuse.Control) controlBody {
	return controlBody{
		ID: c.ID, Kind: c.Kind, Value: c.Value, Reason: c.Reason, SetBy: c.By.ID, SetAt: c.SetAt.UTC(), ExpiresAt: c.ExpiresAt.UTC(),
		LiftedAt: c.LiftedAt.UTC(), LiftedBy: c.LiftedBy, LiftReason: c.LiftReason,
	}
}

// listAlerts handles GET /v1/alerts.
func (h *handler) listAlerts(c echo.Context) error {
	in := callOf(c)
	f := abuse.Filter{
		Tenant: in.who.Tenant, State: abuse.State(in.query["state"]), Severity: abuse.Severity(in.query["severity"]),
		Detector: in.query["detector"], Cursor: in.query["cursor"],
	}
	f.Limit, _ = strconv.Atoi(in.query["limit"]) // the contract has checked it; none reads as 0, which is the most
	alerts, next, err := h.Alerts.List(c.Request().Context(), f)
	if err != nil {
		return err
	}
	out := alertsBody{Alerts: make([]alertBody, len(alerts)), Next: next}
	for i, a := range alerts {
		out.Alerts[i] = presentAlert(a)
	}
	return respond(c, http.StatusOK, out)
}

// getAlert handles GET /v1/alerts/{alert_id}.
func (h *handler) getAlert(c echo.Context) error {
	in := callOf(c)
	a, err := h.Alerts.Get(c.Request().Context(), in.who.Tenant, in.params["alert_id"])
	if err != nil {
		return err
	}
	return respond(c, http.StatusOK, presentAlert(a))
}

type reasonRequest struct {
	Reason string `json:"reason"`
}

// acknowledgeAlert handles POST /v1/alerts/{alert_id}/acknowledge.
func (h *handler) acknowledgeAlert(c echo.Context) error {
	var body reasonRequest
	if err := decode(c, &body); err != nil {
		return err
	}
	in := callOf(c)
	a, err := h.Alerts.Acknowledge(c.Request().Context(), abuse.AcknowledgeCommand{
		Tenant: in.who.Tenant, ID: in.params["alert_id"], Reason: body.Reason, By: in.who.Actor(), RequestID: in.requestID, Key: in.key,
	})
	if err != nil {
		return err
	}
	return respond(c, http.StatusOK, presentAlert(a))
}

// listControls handles GET /v1/controls.
func (h *handler) listControls(c echo.Context) error {
	in := callOf(c)
	_, controls, err := h.Controls.List(c.Request().Context(), in.who.Tenant, in.query["ended"] == "true")
	if err != nil {
		return err
	}
	out := controlsBody{Controls: make([]controlBody, len(controls))}
	for i, x := range controls {
		out.Controls[i] = presentControl(x)
	}
	return respond(c, http.StatusOK, out)
}

// setControl handles POST /v1/controls.
func (h *handler) setControl(c echo.Context) error {
	var body struct {
		Kind      abuse.ControlKind `json:"kind"`
		Value     string            `json:"value"`
		Reason    string            `json:"reason"`
		ExpiresAt time.Time         `json:"expires_at"`
	}
	if err := decode(c, &body); err != nil {
		return err
	}
	in := callOf(c)
	made, err := h.Controls.Set(c.Request().Context(), abuse.SetCommand{
		Tenant: in.who.Tenant, Kind: body.Kind, Value: body.Value, Reason: body.Reason, ExpiresAt: body.ExpiresAt.UTC(),
		By: in.who.Actor(), RequestID: in.requestID, Key: in.key,
	})
	if err != nil {
		return err
	}
	return respond(c, http.StatusCreated, presentControl(made))
}

// liftControl handles POST /v1/controls/{control_id}/lift.
func (h *handler) liftControl(c echo.Context) error {
	var body reasonRequest
	if err := decode(c, &body); err != nil {
		return err
	}
	in := callOf(c)
	lifted, err := h.Controls.Lift(c.Request().Context(), abuse.LiftCommand{
		Tenant: in.who.Tenant, ID: in.params["control_id"], Reason: body.Reason, By: in.who.Actor(), RequestID: in.requestID, Key: in.key,
	})
	if err != nil {
		return err
	}
	return respond(c, http.StatusOK, presentControl(lifted))
}
