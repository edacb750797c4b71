package httpapi

import (
	"net/http"
	"time"

	"github.com/labstack/echo/v4"

	"github.com/holdfast/holdfast/internal/account"
	"github.com/holdfast/holdfast/internal/secret"
)

// owner is the client behind the request, as the account's use cases take it.
func (in *call) owner() account.Caller {
	return account.Caller{Tenant: in.who.Tenant, Client: in.who.Client, RequestID: in.requestID}
}

type registrationRequest struct {
	Population  string `json:"population"`
	Identifiers []struct {
		Type  string        `json:"type"`
		Value secret.String `json:"value"`
	} `json:"identifiers"`
	Channels []struct {
		Type       string        `json:"type"`
		Address    secret.String `json:"address"`
		VerifiedAt time.Time     `json:"verified_at"`
	} `json:"channels"`
	Assurance struct {
		AAL int `json:"aal"`
		IAL int `json:"ial"`
	} `json:"assurance"`
	Locale string `json:"locale"`
}

func (r registrationRequest) registration(ref string) account.Registration {
	out := account.Registration{
		Ref: ref, Population: r.Population, AAL: r.Assurance.AAL, IAL: r.Assurance.IAL, Locale: r.Locale,
		Identifiers: make([]account.Identifier, len(r.Identifiers)), Channels: make([]account.Channel, len(r.Channels)),
	}
	for i, id := range r.Identifiers {
		out.Identifiers[i] = account.Identifier{Type: id.Type, Value: id.Value}
	}
	for i, ch := range r.Channels {
		out.Channels[i] = account.Channel{Kind: ch.Type, Address: ch.Address, VerifiedAt: ch.VerifiedAt.UTC()}
	}
	return out
}

// putAccount handles PUT /v1/accounts/{account_ref}.
func (h *handler) putAccount(c echo.Context) error {
	var body registrationRequest
	if err := decode(c, &body); err != nil {
		return err
	}
	in := callOf(c)
	view, created, err := h.Accounts.Put(c.Request().Context(), account.PutCommand{
		Caller: in.owner(), Registration: body.registration(in.params["account_ref"]),
	})
	if err != nil {
		return err
	}
	status := http.StatusOK
	if created {
		status = http.StatusCreated
	}
	return respond(c, status, presentAccount(view))
}

// getAccount handles GET /v1/accounts/{account_ref}.
func (h *handler) getAccount(c echo.Context) error {
	in := callOf(c)
	view, err := h.Accounts.Get(c.Request().Context(), in.owner(), in.params["account_ref"])
	if err != nil {
		return err
	}
	return respond(c, http.StatusOK, presentAccount(view))
}

// eraseAccount handles DELETE /v1/accounts/{account_ref}. An erasure that has to wait is accepted, and not done yet.
func (h *handler) eraseAccount(c echo.Context) error {
	in := callOf(c)
	waiting, err := h.Accounts.Erase(c.Request().Context(), in.owner(), in.params["account_ref"])
	if err != nil {
		return err
	}
	if waiting {
		return respond(c, http.StatusAccepted, erasureBody{Erasure: "queued"})
	}
	return c.NoContent(http.StatusNoContent)
}

// getStatus handles GET /v1/accounts/{account_ref}/status.
func (h *handler) getStatus(c echo.Context) error {
	in := callOf(c)
	status, err := h.Accounts.Status(c.Request().Context(), in.owner(), in.params["account_ref"])
	if err != nil {
		return err
	}
	return respond(c, http.StatusOK, presentStatus(status))
}

// enrolFactor handles POST /v1/accounts/{account_ref}/factors.
func (h *handler) enrolFactor(c echo.Context) error {
	var body struct {
		Type  string `json:"type"`
		Label string `json:"label"`
	}
	if err := decode(c, &body); err != nil {
		return err
	}
	in := callOf(c)
	enrolment, err := h.Accounts.Enrol(c.Request().Context(), account.EnrolCommand{
		Caller: in.owner(), Ref: in.params["account_ref"], Kind: body.Type, Label: body.Label, Key: in.key,
	})
	if err != nil {
		return err
	}
	return respond(c, http.StatusCreated, enrolmentBody{
		ID: enrolment.ID, Type: enrolment.Kind, Secret: plainSecret(enrolment.Secret), URL: plainSecret(enrolment.URL),
	})
}

// confirmFactor handles POST /v1/accounts/{account_ref}/factors/{factor_id}/confirm.
func (h *handler) confirmFactor(c echo.Context) error {
	var body struct {
		Code secret.String `json:"code"`
	}
	if err := decode(c, &body); err != nil {
		return err
	}
	in := callOf(c)
	view, err := h.Accounts.Confirm(c.Request().Context(), account.ConfirmCommand{
		Caller: in.owner(), Ref: in.params["account_ref"], Factor: in.params["factor_id"], Code: body.Code, Key: in.key,
	})
	if err != nil {
		return err
	}
	return respond(c, http.StatusOK, presentFactor(view))
}

// removeFactor handles DELETE /v1/accounts/{account_ref}/factors/{factor_id}.
func (h *handler) removeFactor(c echo.Context) error {
	in := callOf(c)
	err := h.Accounts.RemoveFactor(c.Request().Context(), account.RemoveFactorCommand{
		Caller: in.owner(), Ref: in.params["account_ref"], Factor: in.params["factor_id"],
	})
	if err != nil {
		return err
	}
	return c.NoContent(http.StatusNoContent)
}

// issueCodes handles POST /v1/accounts/{account_ref}/recovery-codes.
func (h *handler) issueCodes(c echo.Context) error {
	in := callOf(c)
	codes, err := h.Accounts.IssueCodes(c.Request().Context(), account.IssueCodesCommand{
		Caller: in.owner(), Ref: in.params["account_ref"], Key: in.key,
	})
	if err != nil {
		return err
	}
	out := codesBody{Codes: make([]plainSecret, len(codes))}
	for i, code := range codes {
		out.Codes[i] = plainSecret(code)
	}
	return respond(c, http.StatusCreated, out)
}
