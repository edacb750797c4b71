package httpapi

import (
	"encoding/json"
	"net/http"
	"strings"
	"time"

	"github.com/labstack/echo/v4"

	"github.com/holdfast/holdfast/internal/credential"
	"github.com/holdfast/holdfast/internal/fault"
)

type (
	keyBody struct {
		ID         string    `json:"id"`
		Algorithm  string    `json:"algorithm"`
		CreatedAt  time.Time `json:"created_at"`
		ExpiresAt  time.Time `json:"expires_at"`
		RevokedAt  time.Time `json:"revoked_at,omitzero"`
		LastUsedAt time.Time `json:"last_used_at,omitzero"`
	}
	keysBody struct {
		Keys []keyBody `json:"keys"`
	}
)

func presentKeys(keys []credential.Key) []keyBody {
	out := make([]keyBody, len(keys))
	for i, k := range keys {
		out[i] = keyBody{
			ID: k.ID, Algorithm: k.Algorithm, CreatedAt: k.CreatedAt.UTC(), ExpiresAt: k.ExpiresAt.UTC(), RevokedAt: k.RevokedAt.UTC(), LastUsedAt: k.LastUsedAt.UTC(),
		}
	}
	return out
}

// publicKeys reads a request's JWKs. What is wrong with one is said, and nothing of it repeated.
func (h *handler) publicKeys(jwks []json.RawMessage) ([]credential.PublicKey, error) {
	if len(jwks) == 0 {
		return nil, nil
	}
	set, err := json.Marshal(map[string]any{"keys": jwks})
	if err != nil {
		return nil, fault.Of(fault.CodeInvalidRequest).At("/keys", "cannot be read")
	}
	keys, err := h.ReadKeys(set)
	if err != nil {
		return nil, fault.Of(fault.CodeInvalidRequest).At("/keys", strings.TrimPrefix(err.Error(), "keys: "))
	}
	return keys, nil
}

// addClientKeys handles POST /v1/clients/{client_id}/keys.
func (h *handler) addClientKeys(c echo.Context) error {
	var body struct {
		Keys []json.RawMessage `json:"keys"`
		Days int               `json:"expires_in_days"`
	}
	if err := decode(c, &body); err != nil {
		return err
	}
	keys, err := h.publicKeys(body.Keys)
	if err != nil {
		return err
	}
	in := callOf(c)
	made, err := h.Registry.AddKeys(c.Request().Context(), credential.AddKeysCommand{
		Tenant: in.who.Tenant, Client: in.params["client_id"], Keys: keys, Lifetime: days(body.Days), By: in.operator(), RequestID: in.requestID, Key: in.key,
	})
	if err != nil {
		return err
	}
	return respond(c, http.StatusCreated, keysBody{Keys: presentKeys(made)})
}

// removeClientKey handles DELETE /v1/clients/{client_id}/keys/{key_id}.
func (h *handler) removeClientKey(c echo.Context) error {
	in := callOf(c)
	err := h.Registry.RemoveKey(c.Request().Context(), credential.RemoveKeyCommand{
		Tenant: in.who.Tenant, Client: in.params["client_id"], Key: in.params["key_id"], By: in.operator(), RequestID: in.requestID,
	})
	if err != nil {
		return err
	}
	return c.NoContent(http.StatusNoContent)
}
