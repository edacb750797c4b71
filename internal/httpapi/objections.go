package httpapi

import (
	"net/http"

	"github.com/labstack/echo/v4"

	"github.com/holdfast/holdfast/internal/factor"
	"github.com/holdfast/holdfast/internal/recovery"
	"github.com/holdfast/holdfast/internal/secret"
)

type evidenceRequest struct {
	Method factor.Method `json:"method"`
	Code   secret.String `json:"code"`
}

// objectByLink handles POST /v1/objections. Whoever holds the token of a notice's link may call it.
func (h *handler) objectByLink(c echo.Context) error {
	var body struct {
		Token    secret.String   `json:"token"`
		Evidence evidenceRequest `json:"evidence"`
	}
	if err := decode(c, &body); err != nil {
		return err
	}
	in := callOf(c)
	view, err := h.Recoveries.Object(c.Request().Context(), recovery.ObjectCommand{
		Addr: in.source, RequestID: in.requestID, Token: body.Token, Method: body.Evidence.Method, Code: body.Evidence.Code, Key: in.key,
	})
	if err != nil {
		return err
	}
	return respond(c, http.StatusAccepted, presentObjection(view))
}

// objectFromApp handles POST /v1/accounts/{account_ref}/objections.
func (h *handler) objectFromApp(c echo.Context) error {
	var body struct {
		RecoveryID string          `json:"recovery_id"`
		Evidence   evidenceRequest `json:"evidence"`
	}
	if err := decode(c, &body); err != nil {
		return err
	}
	in := callOf(c)
	views, err := h.Recoveries.ObjectFromApp(c.Request().Context(), recovery.AppObjectCommand{
		Caller: in.caller(), AccountRef: in.params["account_ref"], Recovery: body.RecoveryID,
		Method: body.Evidence.Method, Code: body.Evidence.Code, Key: in.key,
	})
	if err != nil {
		return err
	}
	out := objectionsBody{Objections: make([]objectionBody, len(views))}
	for i, view := range views {
		out.Objections[i] = presentObjection(view)
	}
	return respond(c, http.StatusAccepted, out)
}
