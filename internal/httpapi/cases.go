package httpapi

import (
	"context"
	"net/http"
	"time"

	"github.com/labstack/echo/v4"

	"github.com/holdfast/holdfast/internal/factor"
	"github.com/holdfast/holdfast/internal/fault"
	"github.com/holdfast/holdfast/internal/recovery"
	"github.com/holdfast/holdfast/internal/secret"
	"github.com/holdfast/holdfast/internal/support"
)

// Cases are the use cases of support. What belongs to another tenant is fault.CodeNotFound.
type Cases interface {
	Open(ctx context.Context, cmd support.OpenCommand) (support.Done, error)
	List(ctx context.Context, who support.Caller) (support.List, error)
	Read(ctx context.Context, cmd support.ReadCommand) (support.View, error)
	Note(ctx context.Context, cmd support.NoteCommand) (support.Done, error)
	Attach(ctx context.Context, cmd support.ArtefactCommand) (support.Done, error)
	Challenge(ctx context.Context, cmd support.ChallengeCommand) (support.Done, error)
	Propose(ctx context.Context, cmd support.ProposeCommand) (support.Done, error)
	Flag(ctx context.Context, cmd support.FlagCommand) (support.Done, error)
	Assign(ctx context.Context, cmd support.AssignCommand) (support.Assigned, error)
	Decide(ctx context.Context, cmd support.DecideCommand) (support.Done, error)
	Appeal(ctx context.Context, cmd support.AppealCommand) (recovery.View, error)
}

// desk is who works on a case.
func (in *call) desk() support.Caller { return support.Caller{Who: *in.who, RequestID: in.requestID} }

// openCase handles POST /v1/cases.
func (h *handler) openCase(c echo.Context) error {
	var body struct {
		Reference  string          `json:"reference"`
		AccountRef string          `json:"account_ref"`
		Reason     recovery.Reason `json:"reason"`
	}
	if err := decode(c, &body); err != nil {
		return err
	}
	in := callOf(c)
	done, err := h.Cases.Open(c.Request().Context(), support.OpenCommand{
		Caller: in.desk(), Reference: body.Reference, AccountRef: body.AccountRef, Reason: body.Reason, Key: in.key,
	})
	if err != nil {
		return err
	}
	c.Response().Header().Set("Location", "/v1/cases/"+done.Case)
	return respond(c, http.StatusCreated, presentDone(done))
}

// listCases handles GET /v1/cases.
func (h *handler) listCases(c echo.Context) error {
	list, err := h.Cases.List(c.Request().Context(), callOf(c).desk())
	if err != nil {
		return err
	}
	return respond(c, http.StatusOK, presentCases(list))
}

// getCase handles GET /v1/cases/{case_id}.
func (h *handler) getCase(c echo.Context) error {
	in := callOf(c)
	view, err := h.Cases.Read(c.Request().Context(), support.ReadCommand{Caller: in.desk(), Case: in.params["case_id"]})
	if err != nil {
		return err
	}
	out, err := presentCase(view)
	if err != nil {
		return err
	}
	return respond(c, http.StatusOK, out)
}

// addCaseNote handles POST /v1/cases/{case_id}/notes.
func (h *handler) addCaseNote(c echo.Context) error {
	var body struct {
		Text secret.String `json:"text"`
	}
	if err := decode(c, &body); err != nil {
		return err
	}
	in := callOf(c)
	return doneWith(c, http.StatusCreated)(h.Cases.Note(c.Request().Context(), support.NoteCommand{
		Caller: in.desk(), Case: in.params["case_id"], Text: body.Text, Key: in.key,
	}))
}

// attachCaseArtefact handles POST /v1/cases/{case_id}/artefacts.
func (h *handler) attachCaseArtefact(c echo.Context) error {
	var body struct {
		Kind        support.ArtefactKind `json:"kind"`
		Provider    string               `json:"provider"`
		Reference   string               `json:"reference"`
		Hash        string               `json:"hash"`
		PerformedAt time.Time            `json:"performed_at"`
	}
	if err := decode(c, &body); err != nil {
		return err
	}
	hash, err := support.ParseHash(body.Hash)
	if err != nil {
		return err
	}
	in := callOf(c)
	return doneWith(c, http.StatusCreated)(h.Cases.Attach(c.Request().Context(), support.ArtefactCommand{
		Caller: in.desk(), Case: in.params["case_id"], Key: in.key, Artefact: support.Artefact{
			Kind: body.Kind, Provider: body.Provider, Reference: body.Reference, Hash: hash, PerformedAt: body.PerformedAt,
		},
	}))
}

// challengeInCase handles POST /v1/cases/{case_id}/challenges.
func (h *handler) challengeInCase(c echo.Context) error {
	var body struct {
		Method factor.Method `json:"method"`
	}
	if err := decode(c, &body); err != nil {
		return err
	}
	in := callOf(c)
	return doneWith(c, http.StatusCreated)(h.Cases.Challenge(c.Request().Context(), support.ChallengeCommand{
		Caller: in.desk(), Case: in.params["case_id"], Method: body.Method, Key: in.key,
	}))
}

// proposeInCase handles POST /v1/cases/{case_id}/proposals.
func (h *handler) proposeInCase(c echo.Context) error {
	var body struct {
		Outcome support.Outcome `json:"outcome"`
	}
	if err := decode(c, &body); err != nil {
		return err
	}
	in := callOf(c)
	return doneWith(c, http.StatusCreated)(h.Cases.Propose(c.Request().Context(), support.ProposeCommand{
		Caller: in.desk(), Case: in.params["case_id"], Outcome: body.Outcome, Key: in.key,
	}))
}

// flagCase handles POST /v1/cases/{case_id}/flag.
func (h *handler) flagCase(c echo.Context) error {
	var body struct {
		Reason support.FlagReason `json:"reason"`
	}
	if err := decode(c, &body); err != nil {
		return err
	}
	in := callOf(c)
	return doneWith(c, http.StatusOK)(h.Cases.Flag(c.Request().Context(), support.FlagCommand{
		Caller: in.desk(), Case: in.params["case_id"], Reason: body.Reason, Key: in.key,
	}))
}

// assignCase handles POST /v1/cases/assignments.
func (h *handler) assignCase(c echo.Context) error {
	in := callOf(c)
	given, err := h.Cases.Assign(c.Request().Context(), support.AssignCommand{Caller: in.desk(), Key: in.key})
	if err != nil {
		return err
	}
	return respond(c, http.StatusOK, assignmentBody{CaseID: given.Case, ProposalID: given.Proposal, ExpiresAt: given.ExpiresAt.UTC()})
}

// decideInCase handles POST /v1/cases/{case_id}/proposals/{proposal_id}/decisions.
func (h *handler) decideInCase(c echo.Context) error {
	var body struct {
		Decision string        `json:"decision"`
		Hash     string        `json:"evidence_hash"`
		Reason   secret.String `json:"reason"`
	}
	if err := decode(c, &body); err != nil {
		return err
	}
	if body.Decision != "approve" && body.Decision != "reject" {
		return fault.Of(fault.CodeInvalidRequest).At("/decision", "is not one of the listed values")
	}
	hash, err := support.ParseHash(body.Hash)
	if err != nil {
		return err
	}
	in := callOf(c)
	return doneWith(c, http.StatusOK)(h.Cases.Decide(c.Request().Context(), support.DecideCommand{
		Caller: in.desk(), Case: in.params["case_id"], Proposal: in.params["proposal_id"], Consent: body.Decision == "approve",
		Hash: hash, Reason: body.Reason, Key: in.key,
	}))
}

// appealRecovery handles POST /v1/recoveries/{recovery_id}/appeal.
func (h *handler) appealRecovery(c echo.Context) error {
	in := callOf(c)
	view, err := h.Cases.Appeal(c.Request().Context(), support.AppealCommand{Caller: in.caller(), Ref: in.ref(), Key: in.key})
	if err != nil {
		return err
	}
	return respond(c, http.StatusOK, presentRecovery(view))
}

// doneWith answers with where the case stands now, or with the fault.
func doneWith(c echo.Context, status int) func(support.Done, error) error {
	return func(done support.Done, err error) error {
		if err != nil {
			return err
		}
		return respond(c, status, presentDone(done))
	}
}
