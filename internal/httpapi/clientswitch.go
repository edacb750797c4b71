package httpapi

import (
	"net/http"
	"time"

	"github.com/labstack/echo/v4"

	"github.com/holdfast/holdfast/internal/credential"
)

type (
	disabledBody struct {
		Disabled []string `json:"disabled"`
	}
	aiBody struct {
		Off         bool      `json:"off"`
		EveryTenant bool      `json:"every_tenant"`
		ChangedAt   time.Time `json:"changed_at,omitzero"`
		ChangedBy   string    `json:"changed_by,omitempty"`
		Reason      string    `json:"reason,omitempty"`
	}
	switchRequest struct {
		Owner  string `json:"owner"`
		Reason string `json:"reason"`
	}
)

// aiState shows the switch of AI agents.
func (h *handler) aiState(c echo.Context) (aiBody, error) {
	sw, err := h.Registry.AIState(c.Request().Context(), callOf(c).who.Tenant)
	return aiBody{Off: sw.Off, EveryTenant: sw.Off && sw.Tenant == "", ChangedAt: sw.At.UTC(), ChangedBy: sw.By, Reason: sw.Reason}, err
}

func switching(c echo.Context) (credential.DisableCommand, error) {
	var body switchRequest
	err := decode(c, &body)
	in := callOf(c)
	return credential.DisableCommand{
		Tenant: in.who.Tenant, Owner: body.Owner, Reason: body.Reason, By: in.operator(), RequestID: in.requestID, Key: in.key,
	}, err
}

// disableOwner handles POST /v1/clients/disable-owner.
func (h *handler) disableOwner(c echo.Context) error {
	return disableMany(c, h.Registry.DisableOwner)
}

// enableOwner handles POST /v1/clients/enable-owner.
func (h *handler) enableOwner(c echo.Context) error {
	cmd, err := switching(c)
	if err != nil {
		return err
	}
	if err := h.Registry.EnableOwner(c.Request().Context(), cmd); err != nil {
		return err
	}
	return c.NoContent(http.StatusNoContent)
}

// disableAI handles POST /v1/clients/disable-ai: the one switch.
func (h *handler) disableAI(c echo.Context) error {
	return disableMany(c, h.Registry.DisableAI)
}

// enableAI handles POST /v1/clients/enable-ai.
func (h *handler) enableAI(c echo.Context) error {
	cmd, err := switching(c)
	if err != nil {
		return err
	}
	if err := h.Registry.EnableAI(c.Request().Context(), cmd); err != nil {
		return err
	}
	out, err := h.aiState(c)
	if err != nil {
		return err
	}
	return respond(c, http.StatusOK, out)
}

func disableMany(c echo.Context, disable disabler) error {
	cmd, err := switching(c)
	if err != nil {
		return err
	}
	ids, err := disable(c.Request().Context(), cmd)
	if err != nil {
		return err
	}
	return respond(c, http.StatusOK, disabledBody{Disabled: list(ids)})
}
