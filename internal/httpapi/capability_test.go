package httpapi_test

import (
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/stretchr/testify/require"

	"github.com/holdfast/holdfast/api"
	"github.com/holdfast/holdfast/internal/credential"
	"github.com/holdfast/holdfast/internal/httpapi"
)

func TestMatrix_IsOfTheTables(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("capabilities.md")
	require.NoError(t, err)
	require.Equal(t, httpapi.Matrix(), string(text), "make generate writes it anew")
}

// What would let an agent shorten, silence or let in does not exist, whoever asks.
func TestAgentsAndAI_ReachNothingThatMovesAnAccount(t *testing.T) {
	t.Parallel()
	forbidden := []string{"/grant", "/grants/redeem", "/recovery-codes", "/factors", "/answers", "/import", "/clients"}
	for _, c := range httpapi.Capabilities() {
		desk := slices.Contains(c.Kinds, credential.AIAgent) || slices.Contains(c.Roles, credential.Agent) || slices.Contains(c.Roles, credential.Approver)
		if !desk {
			continue
		}
		for _, f := range forbidden {
			require.NotContains(t, c.Path, f, "%s %s", c.Method, c.Path)
		}
		require.False(t, strings.HasPrefix(c.Path, "/v1/accounts"), "account data only through a case (R-131): %s", c.Path)
		if c.Scope == credential.CasesDecide {
			require.Empty(t, c.Kinds, "people decide: %s", c.Path)
			require.True(t, c.Fresh, "with a fresh sign-in (R-126): %s", c.Path)
		}
	}
}

// words are the parts of names that give away a destination, a code or a secret.
func words() []string {
	return []string{
		"address", "destination", "email", "phone", "mobile", "recipient", "msisdn", "code", "codes", "otp", "pin", "secret", "password", "passcode", "token", "seed", "grant", "identifier", "authorization",
	}
}

// exceptions are the fields that may be there all the same, and why.
func exceptions() map[string]string {
	return map[string]string{
		"IssuedClient.token":             "the operator's own client's secret, shown once",
		"Webhook.secret":                 "the operator's own endpoint's secret, shown once when it is made or rotated",
		"WebhookRequest.saved_code_type": "what a kind of credential is called in signals",
		"Webhook.saved_code_type":        "what a kind of credential is called in signals",
		"WebhookRequest.authorization":   "what the operator's own receiver wants to hear; never shown again",
		"Problem.code":                   "the stable name of a problem",
	}
}

// No body that a person of the workforce or an AI agent sends has a field for a destination, a code or a
// secret, and no answer to one has a secret or an address.
func TestContract_TakesNothingFromAndShowsNothingToTheDesk(t *testing.T) {
	t.Parallel()
	doc, err := openapi3.NewLoader().LoadFromData(api.OpenAPI())
	require.NoError(t, err)
	walked, used := 0, map[string]bool{}
	for _, c := range httpapi.Capabilities() {
		if len(c.Roles) == 0 && !slices.Contains(c.Kinds, credential.AIAgent) {
			continue
		}
		op := doc.Paths.Value(c.Path).Operations()[c.Method]
		where := c.Method + " " + c.Path
		if op.RequestBody != nil {
			for _, media := range op.RequestBody.Value.Content {
				walked += walk(t, where+" takes", media.Schema, used, map[*openapi3.Schema]bool{})
			}
		}
		for status, response := range op.Responses.Map() {
			for _, media := range response.Value.Content {
				walked += walk(t, where+" answers "+status, media.Schema, used, map[*openapi3.Schema]bool{})
			}
		}
	}
	require.Greater(t, walked, 50, "the walk went somewhere")
	for name := range exceptions() {
		require.True(t, used[name], "%s is no exception any more", name)
	}
}

// walk looks at every field of a schema, and gives how many there are.
func walk(t *testing.T, where string, ref *openapi3.SchemaRef, used map[string]bool, seen map[*openapi3.Schema]bool) int {
	t.Helper()
	if ref == nil || seen[ref.Value] {
		return 0
	}
	seen[ref.Value] = true
	name := ref.Ref[strings.LastIndex(ref.Ref, "/")+1:]
	n := walk(t, where, ref.Value.Items, used, seen)
	for _, group := range []openapi3.SchemaRefs{ref.Value.AllOf, ref.Value.AnyOf, ref.Value.OneOf} {
		for _, one := range group {
			n += walk(t, where, one, used, seen)
		}
	}
	for field, schema := range ref.Value.Properties {
		full := name + "." + field
		if _, ok := exceptions()[full]; ok {
			used[full] = true
		} else {
			for _, part := range strings.Split(field, "_") {
				if part != "masked" && slices.Contains(words(), part) && !strings.HasPrefix(field, "masked_") {
					require.Fail(t, "a field that the desk must not have", "%s: %s", where, full)
				}
			}
		}
		n += 1 + walk(t, where, schema, used, seen)
	}
	return n
}
