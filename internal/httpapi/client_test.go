package httpapi_test

import (
	"net/http"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/holdfast/holdfast/api/client"
)

func TestGeneratedClient_WalksARecovery(t *testing.T) {
	t.Parallel()
	b := setup(t)
	api, err := client.NewClientWithResponses(b.base, client.WithHTTPClient(b.client), client.WithBearer("all"))
	require.NoError(t, err)

	started, err := api.StartRecoveryWithResponse(t.Context(), &client.StartRecoveryParams{IdempotencyKey: client.QuoteKey("k1")}, client.StartRequest{
		Identifier: client.Identifier{Type: client.IdentifierTypeEmail, Value: "robin@example.com"}, Reason: client.LostMfa,
	})
	require.NoError(t, err)
	require.NotNil(t, started.JSON201, string(started.Body))

	claimant := client.AsClaimant(started.JSON201.ClaimantToken)
	read, err := api.GetRecoveryWithResponse(t.Context(), started.JSON201.ID, claimant)
	require.NoError(t, err)
	require.NotNil(t, read.JSON200, string(read.Body))
	require.Equal(t, client.State("cooling_off"), read.JSON200.State)
	require.Equal(t, "2026-03-02T09:00:00Z", read.JSON200.NotBefore.Format("2006-01-02T15:04:05Z07:00"))

	cancelled, err := api.CancelRecoveryWithResponse(t.Context(), started.JSON201.ID, &client.CancelRecoveryParams{IdempotencyKey: client.QuoteKey("k2")}, client.Empty{}, claimant)
	require.NoError(t, err)
	require.Equal(t, http.StatusOK, cancelled.StatusCode(), string(cancelled.Body))

	refused, err := api.GetAccountWithResponse(t.Context(), "not a name")
	require.NoError(t, err)
	require.NotNil(t, refused.ApplicationProblemJSON422)
	require.Equal(t, client.ProblemCode("invalid_request"), refused.ApplicationProblemJSON422.Code)
}
