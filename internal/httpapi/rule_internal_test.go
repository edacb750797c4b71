package httpapi

import (
	"net/http"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/holdfast/holdfast/internal/credential"
	"github.com/holdfast/holdfast/internal/fault"
)

func TestRules_AdmitTheirKindsOfCallerAndNobodyElse(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		rule callerRule
		want []credential.Kind
	}{
		"server": {server(credential.AccountsRead), []credential.Kind{credential.Service}},
		"app":    {app(credential.RecoveriesStart), []credential.Kind{credential.Service, credential.Publishable}},
		"holder": {holder(credential.RecoveriesStart), []credential.Kind{credential.Service, credential.Publishable}},
		"staff":  {staff(credential.AlertsRead), []credential.Kind{credential.Service, credential.Workforce}},
		"human":  {human(credential.CasesDecide).freshly(), []credential.Kind{credential.Workforce}},
		"desk":   {desk(credential.CasesRead), []credential.Kind{credential.AIAgent, credential.Workforce}},
	} {
		require.NoError(t, tc.rule.valid(), name)
		var got []credential.Kind
		for _, k := range credential.Kinds() {
			if tc.rule.allows(credential.Principal{Kind: k, Scopes: credential.Scopes(), Staff: &credential.Staff{}}) {
				got = append(got, k)
			}
			require.False(t, tc.rule.allows(credential.Principal{Kind: k}), "%s: without the scope", name)
		}
		require.ElementsMatch(t, tc.want, got, name)
	}
	require.True(t, human(credential.CasesDecide).freshly().fresh)
	for name, rule := range map[string]callerRule{
		"forgotten": {}, "no scope": {kind: bearer, by: credential.Kinds()}, "no kind": {kind: bearer, scope: credential.CasesRead},
		"a machine that decides": {kind: bearer, scope: credential.CasesDecide, by: []credential.Kind{credential.AIAgent}},
		"a person that redeems":  human(credential.GrantsRedeem),
	} {
		require.Error(t, rule.valid(), name)
	}
}

func TestTenant_IsNamedByWhoServesSeveral(t *testing.T) {
	t.Parallel()
	person := credential.Principal{Kind: credential.Workforce, Staff: &credential.Staff{Tenants: []string{"acme", "globex"}}}
	service := credential.Principal{Kind: credential.Service, Tenant: "acme"}
	for name, tc := range map[string]struct {
		who  credential.Principal
		sent []string
		want string
		code fault.Code
	}{
		"one of two":            {who: person, sent: []string{"globex"}, want: "globex"},
		"none of two":           {who: person, code: fault.CodeInvalidRequest},
		"a third":               {who: person, sent: []string{"initech"}, code: fault.CodeForbidden},
		"both":                  {who: person, sent: []string{"acme", "globex"}, code: fault.CodeInvalidRequest},
		"a client says nothing": {who: service, want: "acme"},
		"a client says its own": {who: service, sent: []string{"acme"}, want: "acme"},
		"a client says another": {who: service, sent: []string{"globex"}, code: fault.CodeForbidden},
	} {
		header := http.Header{headerTenant: tc.sent}
		got, err := forTenant(tc.who, header)
		require.Equal(t, tc.code, fault.CodeOf(err), name)
		if tc.code == "" {
			require.Equal(t, tc.want, got.Tenant, name)
		}
	}
}
