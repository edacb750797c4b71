package httpapi

import (
	"io"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/labstack/echo/v4"

	"github.com/holdfast/holdfast/internal/audit"
	"github.com/holdfast/holdfast/internal/auditlog"
	"github.com/holdfast/holdfast/internal/clock"
	"github.com/holdfast/holdfast/internal/fault"
	"github.com/holdfast/holdfast/internal/telemetry"
)

// The bodies of the audit log's answers, as the contract writes them. auditEventBody is also the event of an export.
type (
	auditEventBody struct {
		audit.Event
		LogIndex *int64 `json:"log_index,omitempty"`
	}
	auditEventsBody struct {
		Events []auditEventBody `json:"events"`
		Next   string           `json:"next_cursor,omitempty"`
		// RetiredBefore is nil while no month was retired, and on all pages but the last.
		RetiredBefore *time.Time `json:"retired_before,omitempty"`
	}
	auditProofBody struct {
		Index        int64          `json:"index"`
		Event        auditEventBody `json:"event"`
		Leaf         string         `json:"leaf"`
		Salt         []byte         `json:"salt"`
		PersonalSalt []byte         `json:"personal_salt,omitempty"`
		Proof        []audit.Hash   `json:"proof"`
		Checkpoint   string         `json:"checkpoint"`
	}
	auditConsistencyBody struct {
		From  int64        `json:"from"`
		To    int64        `json:"to"`
		Proof []audit.Hash `json:"proof"`
	}
	auditKeysBody struct {
		Origin string   `json:"origin"`
		Keys   []string `json:"keys"`
	}
)

func presentEvent(r auditlog.Record) auditEventBody {
	out := auditEventBody{Event: r.Event}
	if r.Personal != nil {
		out.Origin, out.RequestID = r.Personal.Origin, r.Personal.RequestID
	}
	if r.Sealed() {
		out.LogIndex = &r.Index
	}
	return out
}

// reader is who reads the log, as it is written down.
func (in *call) reader() auditlog.Reader {
	return auditlog.Reader{
		Tenant: in.who.Tenant, By: in.who.Actor(), RequestID: in.requestID,
	}
}

// listAuditEvents handles GET /v1/audit/events.
func (h *handler) listAuditEvents(c echo.Context) error {
	in := callOf(c)
	f, err := filterOf(in.query)
	if err != nil {
		return err
	}
	page, err := h.Audit.Events(c.Request().Context(), in.reader(), f)
	if err != nil {
		return err
	}
	out := auditEventsBody{Events: make([]auditEventBody, len(page.Records)), Next: page.Next}
	if !page.RetiredBefore.IsZero() {
		out.RetiredBefore = &page.RetiredBefore
	}
	for i, r := range page.Records {
		out.Events[i] = presentEvent(r)
	}
	return respond(c, http.StatusOK, out)
}

// filterOf reads the query of a list or an export.
func filterOf(query map[string]string) (auditlog.Filter, error) {
	f := auditlog.Filter{
		AccountRef: query["account_ref"], Account: query["account_id"], Recovery: query["recovery_id"], Subject: query["subject"],
		Actor: query["actor_id"], Action: audit.Action(query["action"]), Cursor: query["cursor"],
	}
	if id := query["case_id"]; id != "" {
		if f.Subject != "" && f.Subject != id {
			return auditlog.Filter{}, fault.Of(fault.CodeInvalidRequest).At("query subject", "contradicts case_id")
		}
		f.Subject = id
	}
	f.Cosignatures, _ = strconv.Atoi(query["cosignatures"]) // the contract has checked it
	if text := query["limit"]; text != "" {
		f.Limit, _ = strconv.Atoi(text) // the contract has checked it
	}
	for name, at := range map[string]*time.Time{"since": &f.From, "until": &f.To} {
		if query[name] == "" {
			continue
		}
		t, err := time.Parse(time.RFC3339Nano, query[name])
		if err != nil {
			return auditlog.Filter{}, fault.Of(fault.CodeInvalidRequest).At("query "+name, "does not have the right form")
		}
		*at = t
	}
	return f, nil
}

// getAuditEvent handles GET /v1/audit/events/{event_id}.
func (h *handler) getAuditEvent(c echo.Context) error {
	in := callOf(c)
	r, err := h.Audit.Event(c.Request().Context(), in.reader(), in.params["event_id"])
	if err != nil {
		return err
	}
	return respond(c, http.StatusOK, presentEvent(r))
}

// proveAuditEvent handles GET /v1/audit/events/{event_id}/proof.
func (h *handler) proveAuditEvent(c echo.Context) error {
	in := callOf(c)
	p, err := h.Audit.Proof(c.Request().Context(), in.reader(), in.params["event_id"])
	if err != nil {
		return err
	}
	return respond(c, http.StatusOK, presentProof(p))
}

func presentProof(p auditlog.Proof) auditProofBody {
	out := auditProofBody{
		Index: p.Index, Event: presentEvent(p.Record), Leaf: string(p.Leaf), Salt: p.Salt, Proof: list(p.Hashes), Checkpoint: string(p.Checkpoint),
	}
	if p.Personal != nil {
		out.PersonalSalt = p.Personal.Salt
	}
	return out
}

// auditCheckpoint handles GET /v1/audit/checkpoint.
func (h *handler) auditCheckpoint(c echo.Context) error {
	least, _ := strconv.Atoi(callOf(c).query["cosignatures"]) // the contract has checked it
	note, err := h.Audit.Checkpoint(c.Request().Context(), least)
	if err != nil {
		return err
	}
	return c.Blob(http.StatusOK, "text/plain; charset=utf-8", note)
}

// auditConsistency handles GET /v1/audit/consistency.
func (h *handler) auditConsistency(c echo.Context) error {
	in := callOf(c)
	if in.query["from"] == "" {
		return fault.Of(fault.CodeInvalidRequest).At("query from", "is required")
	}
	from, _ := strconv.ParseInt(in.query["from"], 10, 64) // the contract has checked them
	to, _ := strconv.ParseInt(in.query["to"], 10, 64)
	sizes, hashes, err := h.Audit.Consistency(c.Request().Context(), from, to)
	if err != nil {
		return err
	}
	return respond(c, http.StatusOK, auditConsistencyBody{From: sizes[0], To: sizes[1], Proof: list(hashes)})
}

// auditKeys handles GET /v1/audit/keys.
func (h *handler) auditKeys(c echo.Context) error {
	origin, keys := h.Audit.VerifierKeys()
	return respond(c, http.StatusOK, auditKeysBody{Origin: origin, Keys: keys})
}

// auditTile handles GET /v1/audit/tile/{level}/{part1}…: the path of C2SP tlog-tiles, which has up to four parts after the level.
func (h *handler) auditTile(c echo.Context) error {
	in := callOf(c)
	parts := []string{in.params["level"]}
	for _, name := range []string{"part1", "part2", "part3", "part4"} {
		if part := in.params[name]; part != "" {
			parts = append(parts, part)
		}
	}
	tile, err := h.Audit.Tile(c.Request().Context(), strings.Join(parts, "/"))
	if err != nil {
		return err
	}
	return c.Blob(http.StatusOK, echo.MIMEOctetStream, tile)
}

// exportAudit handles GET /v1/audit/export. The answer is streamed, and may last as long as the caller keeps taking it. One that
// fails in the middle is cut short: its last line is missing, and the connection is dropped.
func (h *handler) exportAudit(c echo.Context) error {
	in := callOf(c)
	f, err := filterOf(in.query)
	if err != nil {
		return err
	}
	format := auditlog.NDJSON
	if in.query["format"] == string(auditlog.OCSF) {
		format = auditlog.OCSF
	}
	ctx := c.Request().Context()
	export, err := h.Audit.Export(ctx, in.reader(), f, format)
	if err != nil {
		return err
	}
	c.Response().Header().Set(echo.HeaderContentType, mediaNDJSON)
	c.Response().WriteHeader(http.StatusOK)
	out := movingWriter{w: c.Response(), conn: http.NewResponseController(c.Response().Writer), clock: h.Clock, timeout: h.ReadTimeout}
	if err := export.Write(ctx, out); err != nil {
		telemetry.EventFrom(ctx).Fail(fault.CodeOf(err), err)
		panic(http.ErrAbortHandler)
	}
	return nil
}

// movingWriter writes a long answer and moves the connection's deadline on with every piece.
type movingWriter struct {
	w       io.Writer
	conn    *http.ResponseController
	clock   clock.Clock
	timeout time.Duration
}

// Write implements io.Writer.
func (m movingWriter) Write(p []byte) (int, error) {
	_ = m.conn.SetWriteDeadline(m.clock.Now().Add(m.timeout)) // one that has none, in a test, needs none moved
	return m.w.Write(p)
}
