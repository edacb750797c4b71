package httpapi

import (
	"errors"
	"fmt"
	"net/http"
	"runtime"
	"runtime/debug"

	"github.com/labstack/echo/v4"

	"github.com/holdfast/holdfast/internal/fault"
	"github.com/holdfast/holdfast/internal/telemetry"
)

const headerRequestID = "X-Request-Id"

// observe names the request, and writes its one line and its metrics when it is over. It is the outermost middleware and
// renders what the others refuse, so that the line knows how it ended.
func (h *handler) observe(next echo.HandlerFunc) echo.HandlerFunc {
	return func(c echo.Context) error {
		start := h.Clock.Now()
		done := h.Metrics.RequestStarted()
		defer done()
		r := c.Request()
		id := telemetry.RequestID(r.Header.Get(headerRequestID))
		ctx, event := telemetry.Begin(telemetry.WithRequestID(r.Context(), id), h.Logger, "http request")
		c.SetRequest(r.WithContext(ctx))
		c.Response().Header().Set(headerRequestID, id)

		defer func() {
			route := h.pattern(c)
			event.Set("route", route)
			event.Set("method", r.Method)
			event.Set("status", c.Response().Status)
			event.Set("bytes_out", c.Response().Size)
			event.Flush(ctx)
			h.Metrics.Request(route, r.Method, c.Response().Status, event.Code(), h.Clock.Now().Sub(start))
		}()
		if err := next(c); err != nil {
			h.problem(err, c)
		}
		return nil
	}
}

// pattern is the route's pattern in the table, and empty where none matched: a path of the caller's choice is no label.
func (h *handler) pattern(c echo.Context) string {
	if _, known := h.allow[c.Path()]; known {
		return c.Path()
	}
	return ""
}

// harden sets the headers that every answer carries, and refuses the methods that the table does not know. Pages
// replace the Content-Security-Policy by their own.
func (h *handler) harden(next echo.HandlerFunc) echo.HandlerFunc {
	return func(c echo.Context) error {
		header := c.Response().Header()
		header.Set("Cache-Control", "no-store")
		header.Set("Content-Security-Policy", "default-src 'none'; frame-ancestors 'none'")
		header.Set("Cross-Origin-Opener-Policy", "same-origin")
		header.Set("Cross-Origin-Resource-Policy", "same-origin")
		header.Set("Permissions-Policy", "accelerometer=(), camera=(), geolocation=(), microphone=(), payment=()")
		header.Set("Referrer-Policy", "no-referrer")
		header.Set("X-Content-Type-Options", "nosniff")
		header.Set("X-Frame-Options", "DENY")
		if h.https {
			header.Set("Strict-Transport-Security", "max-age=63072000")
		}
		switch c.Request().Method {
		case http.MethodGet, http.MethodHead, http.MethodPost, http.MethodPut, http.MethodDelete:
			return next(c)
		default: // echo would answer OPTIONS by itself
			if h.pattern(c) == "" {
				return fault.Of(fault.CodeNotFound)
			}
			return fault.Of(fault.CodeMethodNotAllowed)
		}
	}
}

// survive turns a panic into a fault. The value of the panic is not logged, unless it is the runtime's own: it could
// hold anything.
func (h *handler) survive(next echo.HandlerFunc) echo.HandlerFunc {
	return func(c echo.Context) (err error) {
		defer func() {
			value := recover()
			if value == nil {
				return
			}
			if e, ok := value.(error); ok && errors.Is(e, http.ErrAbortHandler) {
				panic(value) //nolint:forbidigo // net/http's own way to drop a connection.
			}
			what := fmt.Sprintf("panic of type %T", value)
			if e, ok := value.(runtime.Error); ok {
				what = e.Error()
			}
			telemetry.EventFrom(c.Request().Context()).Set("stack", string(debug.Stack()))
			err = fault.Of(fault.CodeInternal).Because(errors.New(what))
		}()
		return next(c)
	}
}
