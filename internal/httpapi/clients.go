package httpapi

import (
	"encoding/json"
	"net/http"
	"time"

	"github.com/labstack/echo/v4"

	"github.com/holdfast/holdfast/internal/audit"
	"github.com/holdfast/holdfast/internal/credential"
)

type (
	clientBody struct {
		ID          string             `json:"id"`
		Name        string             `json:"name"`
		Kind        credential.Kind    `json:"kind"`
		Owner       string             `json:"owner"`
		Person      string             `json:"owner_person"`
		Scopes      []credential.Scope `json:"scopes"`
		CreatedAt   time.Time          `json:"created_at"`
		LastUsedAt  time.Time          `json:"last_used_at,omitzero"`
		WorkloadAt  time.Time          `json:"workload_last_used_at,omitzero"`
		DisabledAt  time.Time          `json:"disabled_at,omitzero"`
		Dormant     bool               `json:"dormant"`
		Credentials []credentialBody   `json:"credentials"`
		Keys        []keyBody          `json:"keys"`
	}
	credentialBody struct {
		ID         string    `json:"id"`
		CreatedAt  time.Time `json:"created_at"`
		ExpiresAt  time.Time `json:"expires_at"`
		RevokedAt  time.Time `json:"revoked_at,omitzero"`
		LastUsedAt time.Time `json:"last_used_at,omitzero"`
	}
	clientsBody struct {
		Clients []clientBody `json:"clients"`
		AI      aiBody       `json:"ai_agents"`
	}
	issuedBody struct {
		Client     clientBody     `json:"client"`
		Credential credentialBody `json:"credential,omitzero"`
		Token      plainSecret    `json:"token,omitzero"`
	}
)

func presentClient(c credential.Client, now time.Time) clientBody {
	out := clientBody{
		ID: c.ID, Name: c.Name, Kind: c.Kind, Owner: c.Owner, Person: credential.PersonID(c.Owner), Scopes: c.Scopes, CreatedAt: c.CreatedAt.UTC(),
		LastUsedAt: c.LastUsed().UTC(), DisabledAt: c.DisabledAt.UTC(), Dormant: c.Dormant(now), Credentials: make([]credentialBody, len(c.Credentials)),
		Keys: presentKeys(c.Keys), WorkloadAt: c.WorkloadUsedAt.UTC(),
	}
	for i, k := range c.Credentials {
		out.Credentials[i] = presentCredential(k)
	}
	return out
}

func presentCredential(k credential.Info) credentialBody {
	return credentialBody{
		ID: k.PublicID, CreatedAt: k.CreatedAt.UTC(), ExpiresAt: k.ExpiresAt.UTC(), RevokedAt: k.RevokedAt.UTC(), LastUsedAt: k.LastUsedAt.UTC(),
	}
}

// presentIssued shows a new credential's secret: the one place where a person of the workforce is shown one, and it is not a
// customer's.
func presentIssued(i credential.Issued) issuedBody {
	out := issuedBody{Client: presentClient(i.Client, i.Client.CreatedAt), Token: plainSecret(i.Token)}
	if i.Credential.PublicID != "" {
		out.Credential = presentCredential(i.Credential)
	}
	return out
}

// operator is who administers clients, in the trail.
func (in *call) operator() audit.Actor {
	return audit.Actor{Kind: audit.ActorOperator, ID: in.who.Name()}
}

// listClients handles GET /v1/clients: the inventory.
func (h *handler) listClients(c echo.Context) error {
	all, now, err := h.Registry.Inventory(c.Request().Context(), callOf(c).who.Tenant)
	if err != nil {
		return err
	}
	out := clientsBody{Clients: make([]clientBody, len(all))}
	if out.AI, err = h.aiState(c); err != nil {
		return err
	}
	for i, one := range all {
		out.Clients[i] = presentClient(one, now)
	}
	return respond(c, http.StatusOK, out)
}

type clientRequest struct {
	Name   string             `json:"name"`
	Kind   credential.Kind    `json:"kind"`
	Owner  string             `json:"owner"`
	Scopes []credential.Scope `json:"scopes"`
	APIKey *bool              `json:"api_key"`
	Keys   []json.RawMessage  `json:"keys"`
	Days   int                `json:"expires_in_days"`
}

// createClient handles POST /v1/clients.
func (h *handler) createClient(c echo.Context) error {
	var body clientRequest
	if err := decode(c, &body); err != nil {
		return err
	}
	keys, err := h.publicKeys(body.Keys)
	if err != nil {
		return err
	}
	in := callOf(c)
	made, err := h.Registry.CreateClient(c.Request().Context(), credential.CreateCommand{
		Tenant: in.who.Tenant, Name: body.Name, Kind: body.Kind, Owner: body.Owner, Scopes: body.Scopes, Lifetime: days(body.Days),
		Keyless: body.APIKey != nil && !*body.APIKey, Keys: keys, By: in.operator(), RequestID: in.requestID, Key: in.key,
	})
	if err != nil {
		return err
	}
	return respond(c, http.StatusCreated, presentIssued(made))
}

func days(n int) time.Duration { return time.Duration(n) * 24 * time.Hour }

// rotateClient handles POST /v1/clients/{client_id}/rotate.
func (h *handler) rotateClient(c echo.Context) error {
	var body struct {
		Days int `json:"expires_in_days"`
	}
	if err := decode(c, &body); err != nil {
		return err
	}
	in := callOf(c)
	made, err := h.Registry.Rotate(c.Request().Context(), credential.RotateCommand{
		Tenant: in.who.Tenant, Client: in.params["client_id"], Lifetime: days(body.Days), By: in.operator(), RequestID: in.requestID, Key: in.key,
	})
	if err != nil {
		return err
	}
	return respond(c, http.StatusCreated, presentIssued(made))
}

// disableClient handles POST /v1/clients/{client_id}/disable: the client, or one credential of it.
func (h *handler) disableClient(c echo.Context) error {
	var body struct {
		Credential string `json:"credential"`
	}
	if err := decode(c, &body); err != nil {
		return err
	}
	in := callOf(c)
	err := h.Registry.Revoke(c.Request().Context(), credential.RevokeCommand{
		Tenant: in.who.Tenant, Client: in.params["client_id"], Credential: body.Credential, By: in.operator(), RequestID: in.requestID,
	})
	if err != nil {
		return err
	}
	return c.NoContent(http.StatusNoContent)
}
