// Package client is the Go client of Holdfast's API. client.gen.go is made from api/openapi.yaml; this file adds the credentials.
package client

import (
	"context"
	"net/http"
)

// WithBearer authenticates every request with a client's credential.
func WithBearer(credential string) ClientOption {
	return WithRequestEditorFn(func(_ context.Context, req *http.Request) error {
		req.Header.Set("Authorization", "Bearer "+credential)
		return nil
	})
}

// AsClaimant adds the claimant's token to one request.
func AsClaimant(token string) RequestEditorFn {
	return func(_ context.Context, req *http.Request) error {
		req.Header.Set("Holdfast-Claimant", token)
		return nil
	}
}

// QuoteKey writes an idempotency key as the quoted string that the Idempotency-Key header takes. The key consists of visible
// ASCII characters other than the quotation mark and the backslash.
func QuoteKey(key string) string { return `"` + key + `"` }
