package httpapi

import (
	"net/http"
	"strconv"
	"time"

	"github.com/labstack/echo/v4"

	"github.com/holdfast/holdfast/internal/audit"
	"github.com/holdfast/holdfast/internal/auditlog"
)

type (
	caseTrailBody struct {
		CaseID    string              `json:"case_id"`
		Events    []auditEventBody    `json:"events"`
		Next      string              `json:"next_cursor,omitempty"`
		Decisions []trailDecisionBody `json:"decisions"`
	}
	trailDecisionBody struct {
		EventID      string    `json:"event_id"`
		ProposalID   string    `json:"proposal_id"`
		Outcome      string    `json:"outcome"`
		ProposedBy   string    `json:"proposed_by"`
		ProposedByAI bool      `json:"proposed_by_ai"`
		Person       string    `json:"person"`
		Approved     bool      `json:"approved"`
		Hasty        bool      `json:"hasty"`
		DecidedAt    time.Time `json:"decided_at"`
		DrawnAt      time.Time `json:"drawn_at,omitzero"`
		FirstLookAt  time.Time `json:"first_look_at,omitzero"`
		FromDraw     *int64    `json:"seconds_from_draw,omitempty"`
		FromLook     *int64    `json:"seconds_from_first_look,omitempty"`
		Reason       string    `json:"reason,omitempty"`
	}
	deskBody struct {
		People []workerBody `json:"people"`
		Next   string       `json:"next_cursor,omitempty"`
	}
	workerBody struct {
		Actor     audit.Actor `json:"actor"`
		Cases     int         `json:"cases"`
		Looks     int         `json:"looks"`
		Refused   int         `json:"refused"`
		Proposed  int         `json:"proposed"`
		Flagged   int         `json:"flagged"`
		Drawn     int         `json:"drawn"`
		Approved  int         `json:"approved"`
		Rejected  int         `json:"rejected"`
		Hasty     int         `json:"hasty"`
		FromDraw  int64       `json:"median_seconds_from_draw"`
		FromLook  int64       `json:"median_seconds_from_look"`
		Proposers []pairBody  `json:"proposers"`
		Deciders  []pairBody  `json:"deciders"`
	}
	pairBody struct {
		Person    string `json:"person"`
		Proposals int    `json:"proposals"`
	}
)

// auditCase handles GET /v1/audit/cases/{case_id}.
func (h *handler) auditCase(c echo.Context) error {
	in := callOf(c)
	limit, _ := strconv.Atoi(in.query["limit"]) // the contract has checked it
	trail, err := h.Audit.Case(c.Request().Context(), in.reader(), in.params["case_id"], in.query["cursor"], limit)
	if err != nil {
		return err
	}
	out := caseTrailBody{
		CaseID: in.params["case_id"], Events: make([]auditEventBody, len(trail.Records)), Next: trail.Next, Decisions: make([]trailDecisionBody, len(trail.Decisions)),
	}
	for i, r := range trail.Records {
		out.Events[i] = presentEvent(r)
	}
	for i, d := range trail.Decisions {
		out.Decisions[i] = trailDecisionBody{
			EventID: d.Event, ProposalID: d.Proposal, Outcome: d.Outcome, ProposedBy: d.ProposedBy, ProposedByAI: d.ProposedByAI, Person: d.Person,
			Approved: d.Consent, Hasty: d.Hasty, DecidedAt: d.At.UTC(), DrawnAt: d.DrawnAt.UTC(), FirstLookAt: d.FirstLookAt.UTC(),
			FromDraw: since(d.DrawnAt, d.At), FromLook: since(d.FirstLookAt, d.At), Reason: d.Reason,
		}
	}
	return respond(c, http.StatusOK, out)
}

// since is the whole seconds between two times; nil where the first one is not known.
func since(from, to time.Time) *int64 {
	if from.IsZero() {
		return nil
	}
	s := int64(to.Sub(from) / time.Second)
	return &s
}

// auditDesk handles GET /v1/audit/people.
func (h *handler) auditDesk(c echo.Context) error {
	in := callOf(c)
	f, err := filterOf(in.query)
	if err != nil {
		return err
	}
	desk, err := h.Audit.Desk(c.Request().Context(), in.reader(), auditlog.DeskFilter{From: f.From, To: f.To, Cursor: f.Cursor, Limit: f.Limit})
	if err != nil {
		return err
	}
	out := deskBody{People: make([]workerBody, len(desk.Workers)), Next: desk.Next}
	for i, w := range desk.Workers {
		out.People[i] = workerBody{
			Actor: w.Actor, Cases: w.Cases, Looks: w.Looks, Refused: w.Refused, Proposed: w.Proposed, Flagged: w.Flagged, Drawn: w.Drawn,
			Approved: w.Approved, Rejected: w.Rejected, Hasty: w.Hasty, FromDraw: int64(w.DrawToDecide / time.Second), FromLook: int64(w.LookToDecide / time.Second),
			Proposers: presentPairs(w.Proposers), Deciders: presentPairs(w.FellowDecider),
		}
	}
	return respond(c, http.StatusOK, out)
}

func presentPairs(pairs []auditlog.Pair) []pairBody {
	out := make([]pairBody, len(pairs))
	for i, p := range pairs {
		out[i] = pairBody{Person: p.Person, Proposals: p.Proposals}
	}
	return out
}
