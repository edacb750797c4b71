package credential_test

import (
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/holdfast/holdfast/internal/audit"
	"github.com/holdfast/holdfast/internal/credential"
)

func TestPermissions_AreAWholeTableAndDenyWhatIsNotInIt(t *testing.T) {
	t.Parallel()
	held := map[credential.Scope]bool{}
	for _, k := range credential.Kinds() {
		for _, s := range k.Scopes() {
			require.Contains(t, credential.Scopes(), s, k)
			held[s] = true
		}
	}
	for _, s := range credential.Scopes() {
		require.True(t, held[s], "nobody can have %s", s)
	}
	for _, r := range credential.Roles() {
		require.NotEmpty(t, r.Scopes(), r)
		for _, s := range r.Scopes() {
			require.True(t, credential.Workforce.CanHold(s), "%s grants %s", r, s)
		}
	}
	require.Empty(t, credential.Role("root").Scopes())
	require.Empty(t, credential.Kind("").Scopes())
	require.False(t, credential.Kind("").CanHold(credential.CasesRead))
}

func TestDeciding_IsForPeopleAlone(t *testing.T) {
	t.Parallel()
	for _, s := range []credential.Scope{credential.CasesDecide, credential.ClientsWrite, credential.CasesOpen, credential.CasesArtefact, credential.CasesChallenge} {
		for _, k := range credential.ClientKinds() {
			require.False(t, k.CanHold(s), "%s: %s", k, s)
			p := credential.Principal{Kind: k, Client: "cli_1", Scopes: credential.Scopes()}
			require.False(t, p.Allows(s), "whatever is on file, %s never has %s", k, s)
		}
	}
	require.ElementsMatch(t, []credential.Scope{credential.CasesRead, credential.CasesNote, credential.CasesPropose, credential.CasesFlag},
		credential.AIAgent.Scopes(), "read masked, summarise, propose, flag")
	for _, r := range credential.Roles() { // who proposes does not decide, by role; the same person is told apart by the core
		both := slices.Contains(r.Scopes(), credential.CasesPropose) && slices.Contains(r.Scopes(), credential.CasesDecide)
		require.False(t, both, r)
	}
	for _, r := range []credential.Role{credential.Agent, credential.Approver, credential.Security} {
		require.NotContains(t, r.Scopes(), credential.AccountsRead, "account data only through a case (R-131)")
	}
}

func person(roles ...credential.Role) credential.Principal {
	return credential.Principal{
		Kind: credential.Workforce, Scopes: credential.ScopesOf(roles),
		Staff: &credential.Staff{Issuer: "https://login.example.com", Subject: "7", Person: credential.PersonID("robin@example.com"), Roles: roles, Tenants: []string{"acme"}},
	}
}

func TestPerson_IsOneWhateverTheAccountAndOneWithTheirClients(t *testing.T) {
	t.Parallel()
	p := person(credential.Agent)
	require.Equal(t, credential.PersonID(" Robin@Example.com "), p.Person())
	require.Regexp(t, `^stf_[0-9a-hjkmnp-tv-z]{26}$`, p.Person())
	require.NotEqual(t, credential.PersonID("robin@example.org"), p.Person())
	bot := credential.Principal{Kind: credential.AIAgent, Client: "cli_1", Owner: credential.PersonID("robin@example.com")}
	require.Equal(t, p.Person(), bot.Person())
	require.Equal(t, audit.Actor{Kind: audit.ActorAI, ID: "cli_1"}, bot.Actor())
	require.Equal(t, audit.ActorAgent, p.Actor().Kind)
	require.Equal(t, audit.ActorOperator, person(credential.Operator).Actor().Kind)
	require.False(t, bot.Human())
	require.False(t, credential.Principal{Kind: credential.Workforce}.Human(), "a person without a person is nobody")
}

func TestTenant_IsOneOfThoseThatAPersonServes(t *testing.T) {
	t.Parallel()
	p := person(credential.Agent)
	got, ok := p.For("")
	require.True(t, ok)
	require.Equal(t, "acme", got.Tenant)
	_, ok = p.For("globex")
	require.False(t, ok)
	p.Staff.Tenants = []string{"acme", "globex"}
	_, ok = p.For("")
	require.False(t, ok, "with several, none is meant")
	got, ok = p.For("globex")
	require.True(t, ok)
	require.Equal(t, "globex", got.Tenant)
	p.Staff.Tenants = nil
	_, ok = p.For("")
	require.False(t, ok)
	bot := credential.Principal{Kind: credential.Service, Tenant: "acme"}
	_, ok = bot.For("globex")
	require.False(t, ok)
}

func TestStepUp_WantsARecentAndAStrongSignIn(t *testing.T) {
	t.Parallel()
	t0 := time.Date(2026, 3, 1, 9, 0, 0, 0, time.UTC)
	rule := credential.StepUp{MaxAge: 15 * time.Minute, ACR: []string{"phr"}, AMR: []string{"hwk"}}
	for name, tc := range map[string]struct {
		age  time.Duration
		acr  string
		amr  []string
		rule *credential.StepUp
		none bool // auth_time is not known
		want bool
	}{
		"fresh, by class":           {acr: "phr", want: true},
		"fresh, by method":          {amr: []string{"pwd", "hwk"}, want: true},
		"at the limit":              {age: 15 * time.Minute, acr: "phr", want: true},
		"a second too old":          {age: 15*time.Minute + time.Second, acr: "phr"},
		"weak":                      {amr: []string{"pwd", "otp"}},
		"no class and no method":    {},
		"no auth_time":              {acr: "phr", none: true},
		"of tomorrow":               {age: -time.Hour, acr: "phr"},
		"a clock that is 30 s fast": {age: -30 * time.Second, acr: "phr", want: true},
		"an empty class configured": {rule: &credential.StepUp{MaxAge: time.Hour, ACR: []string{""}}},
		"nothing configured":        {acr: "phr", rule: &credential.StepUp{}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := person(credential.Approver)
			p.Staff.At, p.Staff.ACR, p.Staff.AMR = t0, tc.acr, tc.amr
			if !tc.none {
				p.Staff.AuthenticatedAt = t0.Add(-tc.age)
			}
			in := rule
			if tc.rule != nil {
				in = *tc.rule
			}
			require.Equal(t, tc.want, in.Fresh(p))
		})
	}
	require.False(t, rule.Fresh(credential.Principal{Kind: credential.Service}), "a machine has no sign-in")
}
