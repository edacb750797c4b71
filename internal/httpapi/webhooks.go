package httpapi

import (
	"context"
	"net/http"
	"time"

	"github.com/labstack/echo/v4"

	"github.com/holdfast/holdfast/internal/secret"
	"github.com/holdfast/holdfast/internal/signal"
)

// Webhooks are the use cases of a tenant's endpoints. What belongs to another tenant is fault.CodeNotFound. Every
// method that changes something may be repeated with the same Idempotency-Key.
type Webhooks interface {
	Create(ctx context.Context, c signal.Caller, r signal.Registration) (signal.Created, error)
	List(ctx context.Context, tenant string) ([]signal.Endpoint, error)
	Get(ctx context.Context, tenant, id string) (signal.Endpoint, error)
	Delete(ctx context.Context, c signal.Caller, id string) error
	Pause(ctx context.Context, c signal.Caller, id string) (signal.Endpoint, error)
	Resume(ctx context.Context, c signal.Caller, id string) (signal.Endpoint, error)
	Rotate(ctx context.Context, c signal.Caller, id string) (signal.Created, error)
	// Verify gives the id of the delivery that it makes.
	Verify(ctx context.Context, c signal.Caller, id string) (string, error)
	Redeliver(ctx context.Context, c signal.Caller, id string, r signal.Redelivery) error
	Deliveries(ctx context.Context, q signal.DeliveryQuery) ([]signal.Delivery, error)
}

// signaller is the caller behind the request, as the use cases of signals take it.
func (in *call) signaller() signal.Caller {
	return signal.Caller{Tenant: in.who.Tenant, By: in.who.Actor(), RequestID: in.requestID, Key: in.key}
}

// createWebhook handles POST /v1/webhooks.
func (h *handler) createWebhook(c echo.Context) error {
	var body struct {
		Kind          signal.Kind   `json:"kind"`
		URL           string        `json:"url"`
		Description   string        `json:"description"`
		Events        []signal.Type `json:"events"`
		Audience      string        `json:"audience"`
		SubjectIssuer string        `json:"subject_issuer"`
		SavedCodeType string        `json:"saved_code_type"`
		Authorization secret.String `json:"authorization"`
	}
	if err := decode(c, &body); err != nil {
		return err
	}
	made, err := h.Webhooks.Create(c.Request().Context(), callOf(c).signaller(), signal.Registration{
		Kind: body.Kind, URL: body.URL, Description: body.Description, Events: body.Events, Audience: body.Audience,
		SubjectIssuer: body.SubjectIssuer, SavedCodeType: body.SavedCodeType, Authorization: body.Authorization,
	})
	if err != nil {
		return err
	}
	return respond(c, http.StatusCreated, presentWebhook(made.Endpoint, made.Secret))
}

// listWebhooks handles GET /v1/webhooks.
func (h *handler) listWebhooks(c echo.Context) error {
	all, err := h.Webhooks.List(c.Request().Context(), callOf(c).who.Tenant)
	if err != nil {
		return err
	}
	out := webhooksBody{Webhooks: make([]webhookBody, len(all))}
	for i, e := range all {
		out.Webhooks[i] = presentWebhook(e, secret.String{})
	}
	return respond(c, http.StatusOK, out)
}

// getWebhook handles GET /v1/webhooks/{webhook_id}.
func (h *handler) getWebhook(c echo.Context) error {
	in := callOf(c)
	e, err := h.Webhooks.Get(c.Request().Context(), in.who.Tenant, in.params["webhook_id"])
	return respondWebhook(c, e, secret.String{}, err)
}

// deleteWebhook handles DELETE /v1/webhooks/{webhook_id}.
func (h *handler) deleteWebhook(c echo.Context) error {
	in := callOf(c)
	if err := h.Webhooks.Delete(c.Request().Context(), in.signaller(), in.params["webhook_id"]); err != nil {
		return err
	}
	return c.NoContent(http.StatusNoContent)
}

// pauseWebhook handles POST /v1/webhooks/{webhook_id}/pause.
func (h *handler) pauseWebhook(c echo.Context) error {
	in := callOf(c)
	e, err := h.Webhooks.Pause(c.Request().Context(), in.signaller(), in.params["webhook_id"])
	return respondWebhook(c, e, secret.String{}, err)
}

// resumeWebhook handles POST /v1/webhooks/{webhook_id}/resume.
func (h *handler) resumeWebhook(c echo.Context) error {
	in := callOf(c)
	e, err := h.Webhooks.Resume(c.Request().Context(), in.signaller(), in.params["webhook_id"])
	return respondWebhook(c, e, secret.String{}, err)
}

// rotateWebhook handles POST /v1/webhooks/{webhook_id}/rotate.
func (h *handler) rotateWebhook(c echo.Context) error {
	in := callOf(c)
	made, err := h.Webhooks.Rotate(c.Request().Context(), in.signaller(), in.params["webhook_id"])
	return respondWebhook(c, made.Endpoint, made.Secret, err)
}

// verifyWebhook handles POST /v1/webhooks/{webhook_id}/verify.
func (h *handler) verifyWebhook(c echo.Context) error {
	in := callOf(c)
	id, err := h.Webhooks.Verify(c.Request().Context(), in.signaller(), in.params["webhook_id"])
	if err != nil {
		return err
	}
	return respond(c, http.StatusAccepted, map[string]string{"delivery_id": id})
}

// redeliverPeriod handles POST /v1/webhooks/{webhook_id}/redeliver.
func (h *handler) redeliverPeriod(c echo.Context) error {
	var body struct {
		From time.Time `json:"from"`
		To   time.Time `json:"to"`
		All  bool      `json:"all"`
	}
	if err := decode(c, &body); err != nil {
		return err
	}
	return h.redeliver(c, signal.Redelivery{From: body.From.UTC(), To: body.To.UTC(), All: body.All})
}

// redeliverOne handles POST /v1/webhooks/{webhook_id}/deliveries/{delivery_id}/redeliver.
func (h *handler) redeliverOne(c echo.Context) error {
	return h.redeliver(c, signal.Redelivery{Delivery: callOf(c).params["delivery_id"]})
}

func (h *handler) redeliver(c echo.Context, r signal.Redelivery) error {
	in := callOf(c)
	if err := h.Webhooks.Redeliver(c.Request().Context(), in.signaller(), in.params["webhook_id"], r); err != nil {
		return err
	}
	return c.NoContent(http.StatusNoContent)
}

// listDeliveries handles GET /v1/webhooks/{webhook_id}/deliveries, and the pages after the first one.
func (h *handler) listDeliveries(c echo.Context) error {
	in := callOf(c)
	all, err := h.Webhooks.Deliveries(c.Request().Context(), signal.DeliveryQuery{
		Tenant: in.who.Tenant, Endpoint: in.params["webhook_id"], Before: in.params["delivery_id"],
	})
	if err != nil {
		return err
	}
	out := deliveriesBody{Deliveries: make([]deliveryBody, len(all))}
	for i, d := range all {
		out.Deliveries[i] = presentDelivery(d)
	}
	return respond(c, http.StatusOK, out)
}

// The bodies of answers, as the contract writes them.
type (
	webhookBody struct {
		ID            string        `json:"id"`
		Kind          signal.Kind   `json:"kind"`
		URL           string        `json:"url"`
		Description   string        `json:"description,omitempty"`
		Events        []signal.Type `json:"events"`
		Audience      string        `json:"audience,omitempty"`
		SubjectIssuer string        `json:"subject_issuer,omitempty"`
		SavedCodeType string        `json:"saved_code_type,omitempty"`
		State         signal.State  `json:"state"`
		Secret        plainSecret   `json:"secret,omitzero"`
		PublicKeys    []string      `json:"public_keys"`
		PreviousUntil time.Time     `json:"previous_key_until,omitzero"`
		CreatedAt     time.Time     `json:"created_at"`
		ChangedAt     time.Time     `json:"changed_at"`
	}
	webhooksBody struct {
		Webhooks []webhookBody `json:"webhooks"`
	}
	deliveryBody struct {
		ID         string          `json:"id"`
		Type       signal.Type     `json:"type"`
		Event      signal.EventURI `json:"event,omitempty"`
		Cause      string          `json:"txn"`
		RecoveryID string          `json:"recovery_id,omitempty"`
		At         time.Time       `json:"occurred_at"`
		Status     signal.Status   `json:"status"`
		Attempts   int             `json:"attempts"`
		NextAt     time.Time       `json:"next_attempt_at,omitzero"`
		EndedAt    time.Time       `json:"ended_at,omitzero"`
		Tries      []signal.Try    `json:"tries"`
	}
	deliveriesBody struct {
		Deliveries []deliveryBody `json:"deliveries"`
	}
)

func respondWebhook(c echo.Context, e signal.Endpoint, s secret.String, err error) error {
	if err != nil {
		return err
	}
	return respond(c, http.StatusOK, presentWebhook(e, s))
}

func presentWebhook(e signal.Endpoint, s secret.String) webhookBody {
	return webhookBody{
		ID: e.ID, Kind: e.Kind, URL: e.URL, Description: e.Description, Events: list(e.Events), Audience: e.Audience, SubjectIssuer: e.SubjectIssuer,
		SavedCodeType: e.SavedCodeType, State: e.State, Secret: plainSecret(s), PublicKeys: list(e.PublicKeys), PreviousUntil: e.PreviousUntil.UTC(),
		CreatedAt: e.CreatedAt.UTC(), ChangedAt: e.ChangedAt.UTC(),
	}
}

func presentDelivery(d signal.Delivery) deliveryBody {
	out := deliveryBody{
		ID: d.ID, Type: d.Type, Event: d.Event, Cause: d.Cause, RecoveryID: d.Recovery, At: d.At.UTC(), Status: d.Status, Attempts: d.Attempts,
		EndedAt: d.EndedAt.UTC(), Tries: list(d.Tries),
	}
	if d.Status == signal.StatusPending {
		out.NextAt = d.NextAt.UTC()
	}
	return out
}
