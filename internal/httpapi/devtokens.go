package httpapi

import (
	"net/http"
	"slices"
	"time"

	"github.com/labstack/echo/v4"

	"github.com/holdfast/holdfast/internal/credential"
	"github.com/holdfast/holdfast/internal/fault"
)

// DevPerson is whom a development token is for.
type DevPerson struct {
	Subject  string
	Email    string
	Roles    []credential.Role
	Tenants  []string
	SignedIn time.Duration // how long ago
	ACR      string        // "none" for none
	AMR      []string
}

// tokenRequest is the body of POST /dev/tokens.
type tokenRequest struct {
	Role     credential.Role   `json:"role"`
	Roles    []credential.Role `json:"roles"`
	Subject  string            `json:"subject"`
	Email    string            `json:"email"`
	Tenants  []string          `json:"tenants"`
	SignedIn span              `json:"signed_in_ago"`
	ACR      string            `json:"acr"`
	AMR      []string          `json:"amr"`
}

type tokenBody struct {
	Token     string    `json:"token"`
	Type      string    `json:"token_type"`
	Person    string    `json:"person"`
	ExpiresAt time.Time `json:"expires_at"`
}

// devToken handles POST /dev/tokens: it signs a person in as the development issuer would.
func (h *handler) devToken(c echo.Context) error {
	var body tokenRequest
	if err := decode(c, &body); err != nil {
		return err
	}
	roles := body.Roles
	if body.Role != "" {
		roles = append(roles, body.Role)
	}
	for _, r := range roles {
		if !slices.Contains(credential.Roles(), r) {
			return fault.Of(fault.CodeInvalidRequest).At("/role", "must be agent, approver, auditor, operator or security")
		}
	}
	if len(roles) == 0 || body.Subject == "" {
		return fault.Of(fault.CodeInvalidRequest).At("/role", "and /subject are required")
	}
	token, person, expires, err := h.Dev.Token(c.Request().Context(), DevPerson{
		Subject: body.Subject, Email: body.Email, Roles: roles, Tenants: body.Tenants, SignedIn: time.Duration(body.SignedIn), ACR: body.ACR, AMR: body.AMR,
	})
	if err != nil {
		return err
	}
	return respond(c, http.StatusOK, tokenBody{Token: token, Type: "Bearer", Person: person, ExpiresAt: expires.UTC()})
}
