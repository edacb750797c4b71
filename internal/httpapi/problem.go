package httpapi

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/labstack/echo/v4"

	"github.com/holdfast/holdfast/internal/fault"
	"github.com/holdfast/holdfast/internal/telemetry"
)

const mediaProblem = "application/problem+json"

// problemDocument is an error as callers see it (RFC 9457, R-146).
type problemDocument struct {
	Type      string        `json:"type"`
	Title     string        `json:"title"`
	Status    int           `json:"status"`
	Detail    string        `json:"detail"`
	Code      fault.Code    `json:"code"`
	RequestID string        `json:"request_id"`
	Errors    []fault.Field `json:"errors,omitempty"`
}

// statusOf is the one table from faults to HTTP. The kind decides, but for codes that name a narrower case.
func statusOf(code fault.Code, kind fault.Kind) int {
	switch code { //nolint:exhaustive // the kind decides for the rest.
	case fault.CodeInvalidRequest, fault.CodePolicyInvalid:
		return http.StatusUnprocessableEntity // well formed, and against the contract
	default:
	}
	switch kind {
	case fault.Invalid:
		return http.StatusBadRequest
	case fault.Unauthenticated:
		return http.StatusUnauthorized
	case fault.Forbidden:
		return http.StatusForbidden
	case fault.NotFound:
		return http.StatusNotFound
	case fault.MethodNotAllowed:
		return http.StatusMethodNotAllowed
	case fault.Conflict:
		return http.StatusConflict
	case fault.Gone:
		return http.StatusGone
	case fault.TooLarge:
		return http.StatusRequestEntityTooLarge
	case fault.UnsupportedMedia:
		return http.StatusUnsupportedMediaType
	case fault.Refused:
		return http.StatusUnprocessableEntity
	case fault.Throttled:
		return http.StatusTooManyRequests
	case fault.Unavailable:
		return http.StatusServiceUnavailable
	case fault.Internal:
		return http.StatusInternalServerError
	default:
		return http.StatusInternalServerError
	}
}

// faultOf finds the fault in an error. The router's refusals and an exceeded deadline are faults too; any other foreign error
// is internal and shows nothing.
func faultOf(err error) *fault.Fault {
	var known *fault.Fault
	var routing *echo.HTTPError
	var tooLarge *http.MaxBytesError
	switch {
	case errors.As(err, &known):
		return known
	case errors.As(err, &routing) && routing.Code == http.StatusNotFound:
		return fault.Of(fault.CodeNotFound)
	case errors.As(err, &routing) && routing.Code == http.StatusMethodNotAllowed:
		return fault.Of(fault.CodeMethodNotAllowed)
	case errors.As(err, &tooLarge):
		return fault.Of(fault.CodeTooLarge)
	case errors.Is(err, context.DeadlineExceeded), errors.Is(err, context.Canceled):
		return fault.Of(fault.CodeTimeout).Because(err)
	default:
		return fault.From(err)
	}
}

// problem is the only place where a fault becomes HTTP. The event keeps the cause, the caller gets the promise.
func (h *handler) problem(err error, c echo.Context) {
	f := faultOf(err)
	ctx := c.Request().Context()
	telemetry.EventFrom(ctx).Fail(f.Code, err)
	if c.Response().Committed {
		return // half an answer is out; the connection's end tells the caller
	}
	title := ""
	if d, ok := fault.Define(f.Code); ok {
		title = d.Title
	}
	doc := problemDocument{
		Type: h.problems + string(f.Code), Title: title, Status: statusOf(f.Code, f.Kind), Detail: f.Public,
		Code: f.Code, RequestID: telemetry.RequestIDFrom(ctx), Errors: f.Fields,
	}
	h.problemHeaders(c, f)
	body, err := json.Marshal(doc)
	if err != nil {
		c.Response().WriteHeader(http.StatusInternalServerError)
		return
	}
	_ = c.Blob(doc.Status, mediaProblem, body) // a caller that is gone hears nothing
}

// problemHeaders adds what the status asks for.
func (h *handler) problemHeaders(c echo.Context, f *fault.Fault) {
	header := c.Response().Header()
	switch f.Kind { //nolint:exhaustive // the others need nothing.
	case fault.Unauthenticated:
		challenge := `Bearer realm="holdfast"`
		if len(c.Request().Header.Values("Authorization")) > 0 {
			challenge += `, error="invalid_token"`
		}
		if f.Code == fault.CodeStepUp {
			challenge = h.stepUpChallenge()
		}
		header.Set("WWW-Authenticate", challenge)
	case fault.Forbidden:
		header.Set("WWW-Authenticate", `Bearer realm="holdfast", error="insufficient_scope"`)
	case fault.MethodNotAllowed:
		header.Set("Allow", h.allow[c.Path()])
	default:
	}
	if f.RetryAfter > 0 {
		header.Set("Retry-After", strconv.FormatInt(int64((f.RetryAfter+time.Second-1)/time.Second), 10))
	}
}

// stepUpChallenge tells a person's client how to have them authenticate again (RFC 9470). The methods of authentication have
// no parameter of their own there; where no class is configured, max_age alone is said.
func (h *handler) stepUpChallenge() string {
	challenge := `Bearer realm="holdfast", error="insufficient_user_authentication", error_description="A more recent or a stronger sign-in is needed"`
	if len(h.StepUp.ACR) > 0 {
		challenge += `, acr_values="` + strings.Join(h.StepUp.ACR, " ") + `"`
	}
	return challenge + `, max_age="` + strconv.FormatInt(int64(h.StepUp.MaxAge/time.Second), 10) + `"`
}

// respond writes an answer. It is encoded in full before its status goes out.
func respond(c echo.Context, status int, view any) error {
	body, err := json.Marshal(view)
	if err != nil {
		return fault.Wrap(err, "encode the answer")
	}
	return c.Blob(status, mediaJSON, body)
}
