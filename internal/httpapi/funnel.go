package httpapi

import (
	"net/http"
	"strconv"
	"time"

	"github.com/labstack/echo/v4"
)

type (
	funnelBody struct {
		Rows []funnelRowBody `json:"rows"`
	}
	funnelRowBody struct {
		Day       string   `json:"day"`
		Tier      string   `json:"tier"`
		Method    string   `json:"method"`
		Started   int64    `json:"started"`
		Proven    int64    `json:"proven"`
		Held      int64    `json:"held"`
		Objected  int64    `json:"objected"`
		Completed int64    `json:"completed"`
		Abandoned int64    `json:"abandoned"`
		Proof     spanBody `json:"seconds_to_proof"`
		Whole     spanBody `json:"seconds_to_completion"`
	}
	spanBody struct {
		P50 int64 `json:"p50"`
		P95 int64 `json:"p95"`
	}
)

func spanOf(half, most time.Duration) spanBody {
	return spanBody{P50: int64(half.Seconds()), P95: int64(most.Seconds())}
}

// readFunnel handles GET /v1/funnel.
func (h *handler) readFunnel(c echo.Context) error {
	in := callOf(c)
	days, _ := strconv.Atoi(in.query["days"]) // the contract has checked it; none reads as 0, which is a week
	rows, err := h.Funnel.Rows(c.Request().Context(), in.who.Tenant, days)
	if err != nil {
		return err
	}
	out := funnelBody{Rows: make([]funnelRowBody, len(rows))}
	for i, r := range rows {
		out.Rows[i] = funnelRowBody{
			Day: r.Day.UTC().Format(time.DateOnly), Tier: r.Tier, Method: r.Method, Started: r.Started, Proven: r.Proven, Held: r.Held,
			Objected: r.Objected, Completed: r.Completed, Abandoned: r.Abandoned,
			Proof: spanOf(r.ProvenHalf, r.ProvenMost), Whole: spanOf(r.CompletedHalf, r.CompletedMost),
		}
	}
	return respond(c, http.StatusOK, out)
}
