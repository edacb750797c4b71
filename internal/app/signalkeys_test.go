package app_test

import (
	"crypto/rsa"
	"encoding/base64"
	"encoding/json"
	"math/big"
	"net/http"
	"net/http/httptest"
	"testing"

	standardwebhooks "github.com/standard-webhooks/standard-webhooks/libraries/go"
	"github.com/stretchr/testify/require"

	"github.com/holdfast/holdfast/internal/app/apptest"
)

// rsaKey finds a published key by its id.
func rsaKey(t *testing.T, jwks string, kid any) *rsa.PublicKey {
	t.Helper()
	var set struct {
		Keys []struct{ Kty, Kid, Alg, Use, N, E string }
	}
	require.NoError(t, json.Unmarshal([]byte(jwks), &set))
	for _, k := range set.Keys {
		if k.Kid != kid {
			continue
		}
		require.Equal(t, []string{"RSA", "RS256", "sig"}, []string{k.Kty, k.Alg, k.Use})
		n, err := base64.RawURLEncoding.DecodeString(k.N)
		require.NoError(t, err)
		require.GreaterOrEqual(t, len(n), 256, "2048 bits at least")
		e, err := base64.RawURLEncoding.DecodeString(k.E)
		require.NoError(t, err)
		return &rsa.PublicKey{N: new(big.Int).SetBytes(n), E: int(new(big.Int).SetBytes(e).Int64())}
	}
	require.Fail(t, "the key is not published")
	return nil
}

// lib checks a webhook with the reference library, against one secret.
func lib(t *testing.T, key string, got apptest.Received, want bool) {
	t.Helper()
	w, err := standardwebhooks.NewWebhook(key)
	require.NoError(t, err)
	require.Equal(t, want, w.VerifyIgnoringTimestamp([]byte(got.Body), got.Header) == nil)
}

// scrape reads the metrics.
func scrape(t *testing.T, s *apptest.Service) string {
	t.Helper()
	rec := httptest.NewRecorder()
	s.App.Admin.ServeHTTP(rec, httptest.NewRequest(http.MethodGet, "/metrics", nil))
	return rec.Body.String()
}
