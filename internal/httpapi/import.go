package httpapi

import (
	"errors"
	"io"
	"net/http"
	"time"

	"github.com/labstack/echo/v4"

	"github.com/holdfast/holdfast/internal/account"
	"github.com/holdfast/holdfast/internal/clock"
	"github.com/holdfast/holdfast/internal/fault"
	"github.com/holdfast/holdfast/internal/telemetry"
)

// importAccounts handles POST /v1/accounts/import. The body is streamed: no more of it is in memory than the use case holds,
// and the request may last as long as it keeps moving.
func (h *handler) importAccounts(c echo.Context) error {
	r, in := c.Request(), callOf(c)
	if r.ContentLength > h.ImportBodyLimit {
		return fault.Of(fault.CodeTooLarge)
	}
	body := &movingReader{
		body: http.MaxBytesReader(c.Response(), r.Body, h.ImportBodyLimit), conn: http.NewResponseController(c.Response().Writer),
		clock: h.Clock, timeout: h.ReadTimeout,
	}
	report, err := h.Accounts.Import(r.Context(), account.ImportCommand{Caller: in.owner(), Body: body})
	event := telemetry.EventFrom(r.Context())
	event.Set("lines", report.Lines)
	event.Set("refused_lines", report.Refused)
	if err != nil {
		return err
	}
	report.Errors = list(report.Errors)
	body.extend()
	return respond(c, http.StatusOK, report)
}

// movingReader reads a long body and moves the connection's deadlines on with every piece, so that a slow sender is dropped and
// a long one is not.
type movingReader struct {
	body    io.Reader
	conn    *http.ResponseController
	clock   clock.Clock
	timeout time.Duration
}

// Read implements io.Reader. Its errors are faults, but for io.EOF.
func (m *movingReader) Read(p []byte) (int, error) {
	m.extend()
	n, err := m.body.Read(p)
	if err != nil && !errors.Is(err, io.EOF) {
		return n, bodyFault(err)
	}
	return n, err //nolint:wrapcheck // io.EOF has to stay itself.
}

// extend sets both deadlines. A connection that has none, in a test, needs none moved.
func (m *movingReader) extend() {
	until := m.clock.Now().Add(m.timeout)
	_ = m.conn.SetReadDeadline(until)
	_ = m.conn.SetWriteDeadline(until.Add(m.timeout))
}
