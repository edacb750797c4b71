package httpapi_test

import (
	"context"
	"net/http"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/holdfast/holdfast/internal/audit"
	"github.com/holdfast/holdfast/internal/phone"
	"github.com/holdfast/holdfast/internal/textrule"
)

type textRules struct{ *core }

func textRulesView() textrule.View {
	all := textrule.Rules{Countries: []string{"DE", "GB"}, Lines: textrule.Lines(), PrefixHour: 20, CountryDay: 2000, Day: 2000}
	return textrule.View{Version: 3, Own: textrule.Rules{Countries: []string{}, Day: 10}, Ceiling: all, Effective: all, ChangedAt: t0(), ChangedBy: "cli_1"}
}

func (r textRules) Get(_ context.Context, tenant string) (textrule.View, error) {
	return textRulesView(), r.ask(tenant)
}

func (r textRules) Set(_ context.Context, cmd textrule.SetCommand) (textrule.View, error) {
	return textRulesView(), r.ask(cmd)
}

// What is left out is told from what is empty: nothing said, and nowhere.
func TestTextRules_ReachTheCoreWithTheCallersTenant(t *testing.T) {
	t.Parallel()
	b := setup(t)
	a := b.send(t, good()["getTextRules"])
	require.Equal(t, "acme", b.core.last(t))
	require.Equal(t, map[string]any{"countries": []any{}, "day": 10.0}, a.json["own"])

	require.Equal(t, http.StatusOK, b.send(t, good()["putTextRules"]).status)
	cmd, ok := b.core.last(t).(textrule.SetCommand)
	require.True(t, ok)
	cmd.RequestID = ""
	require.Equal(t, textrule.SetCommand{
		Tenant: "acme", Version: 2, Rules: textrule.Rules{Countries: []string{"GB"}, Lines: []phone.Line{phone.Mobile}, Day: 100},
		By: audit.Actor{Kind: audit.ActorClient, ID: "cli_1"},
	}, cmd)

	b.send(t, sent{method: "PUT", path: "/v1/text-rules", body: `{"version":2,"countries":[]}`})
	cmd, ok = b.core.last(t).(textrule.SetCommand)
	require.True(t, ok)
	require.NotNil(t, cmd.Rules.Countries)
	require.Nil(t, cmd.Rules.Lines)
	calls := b.core.calls()
	for _, bad := range []string{
		`{}`, `{"version":-1}`, `{"version":0,"countries":null}`, `{"version":0,"countries":["gb"]}`, `{"version":0,"lines":["premium"]}`, `{"version":0,"lines":[]}`,
		`{"version":0,"day":0}`, `{"version":0,"day":1.5}`, `{"version":0,"tenant":"other"}`, `{"version":0,"ceiling":{"day":9}}`,
	} {
		require.Equal(t, http.StatusUnprocessableEntity, b.send(t, sent{method: "PUT", path: "/v1/text-rules", body: bad}).status, bad)
	}
	require.Equal(t, calls, b.core.calls())
}
