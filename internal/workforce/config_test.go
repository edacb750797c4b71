package workforce_test

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/holdfast/holdfast/internal/workforce"
)

const document = `
step_up:
  max_age: 10m
issuers:
  - issuer: https://login.example.com/realms/staff
    audience: [holdfast]
    azp: [agent-console]
    roles_claim: groups
    roles:
      holdfast-agents: [agent]
      holdfast-leads: [approver, auditor]
    tenants: [acme]
`

func TestParse_FillsDefaultsAndRendersWhatItReads(t *testing.T) {
	t.Parallel()
	c, err := workforce.Parse([]byte(document), false)
	require.NoError(t, err)
	i := c.People[0]
	require.Equal(t, 10*time.Minute, c.StepUp.Rule().MaxAge)
	require.Equal(t, []string{"phr", "phrh"}, c.StepUp.ACR)
	require.Equal(t, []string{"at+jwt"}, i.TokenTypes)
	require.Equal(t, "email", i.PersonClaim)
	require.False(t, *i.NeedPerson, "with one issuer, an account is a person")
	require.Equal(t, time.Hour, i.KeysFor)
	text, err := c.Render()
	require.NoError(t, err)
	again, err := workforce.Parse(text, false)
	require.NoError(t, err)
	require.Equal(t, c, again)

	_, one, _ := strings.Cut(document, "issuers:\n")
	_, err = workforce.Parse([]byte(document+one), false)
	require.ErrorContains(t, err, "twice", "a token must not mean two things")
	two := document + strings.Replace(one, "login", "vendor", 1)
	c, err = workforce.Parse([]byte(two), false)
	require.NoError(t, err, two)
	require.Len(t, c.People, 2)
	require.True(t, *c.People[0].NeedPerson && *c.People[1].NeedPerson, "with several, one person's accounts have to be told")
}

func TestParse_RefusesWhatWouldLetSomebodyIn(t *testing.T) {
	t.Parallel()
	for name, change := range map[string][2]string{
		"a misspelt restriction":   {"azp:", "azps:"},
		"plain http":               {"https://login.example.com", "http://login.example.com"},
		"http on this machine":     {"https://login.example.com", "http://localhost:9"},
		"a user in the URL":        {"https://login", "https://a:b@login"},
		"no audience":              {"    audience: [holdfast]\n", ""},
		"an empty audience":        {"audience: [holdfast]", `audience: [""]`},
		"a shared secret":          {"azp:", "algorithms: [HS256]\n    azp:"},
		"no signature":             {"azp:", "algorithms: [none]\n    azp:"},
		"no roles":                 {"    roles_claim: groups\n", ""},
		"an unknown role":          {"[agent]", "[root]"},
		"a role for the empty one": {"holdfast-agents:", `"":`},
		"no tenants":               {"    tenants: [acme]\n", ""},
		"a wild tenant":            {"[acme]", "['*']"},
		"an hour of seconds":       {"max_age: 10m", "max_age: 10s"},
		"keys for ever":            {"azp:", "keys_for: 1000h\n    azp:"},
		"a quote in a class":       {"max_age: 10m", "acr: ['a\"b']"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			require.Contains(t, document, change[0])
			_, err := workforce.Parse([]byte(strings.Replace(document, change[0], change[1], 1)), false)
			require.Error(t, err)
		})
	}
	_, err := workforce.Parse([]byte(strings.Replace(document, "https://login.example.com", "http://localhost:9", 1)), true)
	require.NoError(t, err, "development may")
	for _, text := range []string{"", "--- {}\n---\n{}", "[]", "{}"} {
		_, err := workforce.Parse([]byte(text), false)
		require.Error(t, err)
	}
}

func FuzzParseKeys(f *testing.F) {
	f.Add([]byte(`{"keys":[{"kty":"EC","crv":"P-256","x":"a","y":"b"}]}`))
	f.Add([]byte(`{"keys":[{"kty":"oct","k":"AA"}]}`))
	f.Fuzz(func(t *testing.T, text []byte) {
		found, err := workforce.ParseKeys(text)
		require.Equal(t, err != nil, len(found) == 0)
		for _, k := range found {
			require.True(t, k.IsPublic())
		}
	})
}

func FuzzParse(f *testing.F) {
	f.Add([]byte(document))
	f.Fuzz(func(t *testing.T, text []byte) {
		c, err := workforce.Parse(text, false)
		if err != nil {
			return
		}
		for _, i := range c.People {
			require.True(t, strings.HasPrefix(i.Issuer, "https://"))
			require.NotEmpty(t, i.Audience)
		}
	})
}
