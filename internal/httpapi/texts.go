package httpapi

import (
	"net/http"

	"github.com/labstack/echo/v4"

	"github.com/holdfast/holdfast/internal/fault"
)

const (
	// headerTwilio is where Twilio signs.
	headerTwilio = "X-Twilio-Signature"
	// noAnswer is TwiML that says nothing to whoever wrote. The same for a NO that was heard and for anything else: a stranger
	// learns nothing, two machines never talk to each other for ever, and nobody makes us send text messages. The owner hears
	// of an objection by its notice.
	noAnswer = `<?xml version="1.0" encoding="UTF-8"?><Response/>`
)

// hears reports whether a route of the provider of text messages exists in this installation.
func (h *handler) hears(rt route) bool {
	return h.Texts != nil && (h.Replies || rt.path != "/v1/providers/twilio/messages")
}

// twilioStatus handles POST /v1/providers/twilio/status.
func (h *handler) twilioStatus(c echo.Context) error {
	err := h.Texts.Status(c.Request().Context(), c.Request().Header.Values(headerTwilio), callOf(c).body)
	if err != nil {
		return h.notTheProvider(c, err)
	}
	return c.NoContent(http.StatusNoContent)
}

// twilioMessage handles POST /v1/providers/twilio/messages.
func (h *handler) twilioMessage(c echo.Context) error {
	err := h.Texts.Message(c.Request().Context(), c.Request().Header.Values(headerTwilio), callOf(c).body)
	if err != nil {
		return h.notTheProvider(c, err)
	}
	return c.Blob(http.StatusOK, "text/xml; charset=utf-8", []byte(noAnswer))
}

// notTheProvider counts what pretends to be a provider against its source, so that trying ends. What is the provider's is
// never counted.
func (h *handler) notTheProvider(c echo.Context, err error) error {
	if fault.CodeOf(err) != fault.CodeForbidden {
		return err
	}
	if _, limited := h.Limits.AllowRequest(c.Request().Context(), ClassProvider, callOf(c).source, nil); limited != nil {
		return limited
	}
	return err
}
