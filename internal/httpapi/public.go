package httpapi

import (
	"net/http"
	"strconv"
	"time"

	"github.com/labstack/echo/v4"

	"github.com/holdfast/holdfast/internal/fault"
)

// jwks handles GET /.well-known/jwks.json. Verifiers may cache it for as long as a new key is announced before it signs.
func (h *handler) jwks(c echo.Context) error {
	c.Response().Header().Set("Cache-Control", "public, max-age=300")
	return c.Blob(http.StatusOK, mediaJSON, h.JWKS())
}

// openAPI handles GET /openapi.yaml.
func (h *handler) openAPI(c echo.Context) error {
	c.Response().Header().Set("Cache-Control", "no-cache")
	return c.Blob(http.StatusOK, "application/yaml", h.Contract)
}

// reference handles GET /docs.
func (h *handler) reference(c echo.Context) error {
	h.Pages.Reference(c.Response(), c.Request())
	return nil
}

// objectionPage handles GET /objection. It changes nothing, however often it is opened and by whom.
func (h *handler) objectionPage(c echo.Context) error {
	h.Pages.Objection(c.Response(), c.Request())
	return nil
}

// objectionScript handles GET /objection.js.
func (h *handler) objectionScript(c echo.Context) error {
	h.Pages.ObjectionScript(c.Response(), c.Request())
	return nil
}

// stylesheet handles GET /pages.css.
func (h *handler) stylesheet(c echo.Context) error {
	h.Pages.Stylesheet(c.Response(), c.Request())
	return nil
}

// problemPage handles GET /problems/{code}, where the type of every problem document leads.
func (h *handler) problemPage(c echo.Context) error {
	code := fault.Code(callOf(c).params["code"])
	d, known := fault.Define(code)
	if !known {
		return fault.Of(fault.CodeNotFound)
	}
	h.Pages.Problem(c.Response(), c.Request(), h.problems+string(code), d.Title, d.Public, statusOf(code, d.Kind))
	return nil
}

// inbox handles GET /dev/inbox.
func (h *handler) inbox(c echo.Context) error {
	h.Dev.Inbox.ServeHTTP(c.Response(), c.Request())
	return nil
}

// devClaimPage handles GET /dev/claim: where a development installation's claim links lead. It changes nothing.
func (h *handler) devClaimPage(c echo.Context) error {
	h.Dev.Claim.ServeHTTP(c.Response(), c.Request())
	return nil
}

// devClaimScript handles GET /dev/claim.js.
func (h *handler) devClaimScript(c echo.Context) error {
	h.Dev.ClaimScript.ServeHTTP(c.Response(), c.Request())
	return nil
}

// clockRequest is the body of POST /dev/clock: a Go duration such as "72h", or a number of seconds.
type clockRequest struct {
	Advance span `json:"advance"`
}

// span is a duration that is written as a text or as seconds.
type span time.Duration

// UnmarshalJSON implements json.Unmarshaler.
func (s *span) UnmarshalJSON(text []byte) error {
	if d, err := strconv.Unquote(string(text)); err == nil {
		parsed, err := time.ParseDuration(d)
		*s = span(parsed)
		return err //nolint:wrapcheck // decode hides it.
	}
	seconds, err := strconv.ParseUint(string(text), 10, 32)
	*s = span(time.Duration(seconds) * time.Second) //nolint:gosec // 32 bits of seconds fit.
	return err                                      //nolint:wrapcheck // decode hides it.
}

// longestAdvance keeps a slip of the finger from moving the clock past what timestamps hold.
const longestAdvance = 366 * 24 * time.Hour

// advanceClock handles POST /dev/clock.
func (h *handler) advanceClock(c echo.Context) error {
	var body clockRequest
	if err := decode(c, &body); err != nil {
		return err
	}
	by := time.Duration(body.Advance)
	if by <= 0 || by > longestAdvance {
		return fault.Of(fault.CodeInvalidRequest).At("/advance", "must be more than nothing and at most 366 days")
	}
	now, err := h.Dev.Advance(c.Request().Context(), by)
	if err != nil {
		return err
	}
	return respond(c, http.StatusOK, map[string]time.Time{"now": now.UTC()})
}
