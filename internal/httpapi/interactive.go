package httpapi

import (
	"net/http"
	"strings"

	"github.com/labstack/echo/v4"

	"github.com/holdfast/holdfast/internal/credential"
	"github.com/holdfast/holdfast/internal/fault"
)

// interactive names what gives a browser away, or nothing. A machine has no reason to send any of it.
func interactive(header http.Header) []string {
	var signs []string
	for _, name := range []string{"Cookie", "Origin", "Sec-Fetch-Dest", "Sec-Fetch-Mode", "Sec-Fetch-Site", "Sec-Fetch-User"} {
		if len(header.Values(name)) > 0 {
			signs = append(signs, strings.ToLower(name))
		}
	}
	if strings.HasPrefix(header.Get("User-Agent"), "Mozilla/") {
		signs = append(signs, "user-agent")
	}
	return signs
}

// refuseInteractive refuses a machine's credential that comes from a browser, and has it written down. A publishable one lies
// in pages and is at home there.
func (h *handler) refuseInteractive(c echo.Context, who credential.Principal, in *call) error {
	if who.Human() || who.Kind == credential.Publishable {
		return nil
	}
	signs := interactive(c.Request().Header)
	if len(signs) == 0 {
		return nil
	}
	ctx := c.Request().Context()
	if err := h.Limits.AllowRefusedCredential(ctx, in.source); err != nil {
		return err
	}
	if err := h.Registry.ReportInteractiveUse(ctx, who, in.requestID, signs); err != nil {
		return err
	}
	return fault.Of(fault.CodeInteractiveUse)
}
