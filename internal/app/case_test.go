package app_test

import (
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/holdfast/holdfast/api/client"
	"github.com/holdfast/holdfast/internal/app/apptest"
	"github.com/holdfast/holdfast/internal/credential"
	"github.com/holdfast/holdfast/internal/notify"
)

// desk is a service with two agents, three approvers, and a person who lost everything: phone, mailbox and codes.
type desk struct {
	*apptest.Service

	agent, other         string
	first, second, third string
	codes                []string // ada's saved ones, where a test issues them
}

func newDesk(t *testing.T, opts ...apptest.Option) *desk {
	t.Helper()
	d := &desk{Service: apptest.New(t, opts...)}
	d.Register(t, apptest.Person{Ref: "ada", Email: "ada@example.com", Backup: "ada.backup@example.net"})
	d.signIn(t)
	return d
}

// signIn has everybody sign in afresh.
func (d *desk) signIn(t *testing.T) {
	t.Helper()
	d.agent, d.other = d.Staff(t, "kim", credential.Agent), d.Staff(t, "lee", credential.Agent)
	d.first, d.second, d.third = d.Staff(t, "noor", credential.Approver), d.Staff(t, "olu", credential.Approver), d.Staff(t, "pat", credential.Approver)
}

func (d *desk) lost(t *testing.T) *apptest.Claim {
	t.Helper()
	return d.Start(t, apptest.Claimant{Identifier: apptest.Email("ada@example.com"), Reason: client.LostAll, NewDevice: true})
}

// The honest path: somebody who lost phone, mailbox and codes reads out a reference, is proofed by a provider, and gets in after
// a hold of which every address was told, because two humans who had no part in the case approved exactly what they saw.
func TestCase_WhoLostEverythingGetsInAfterTheHold(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	claim := d.lost(t)
	c := d.OpenCase(t, d.agent, claim)

	seen := c.Read(t, d.agent)
	require.Equal(t, client.CaseState("opened"), seen.State)
	require.Equal(t, []client.CaseMissing{"evidence"}, seen.Missing)
	require.Nil(t, seen.Account, "nothing is shown of an account before something was proven")
	require.Equal(t, client.CaseSupport("open"), *claim.Read(t).Case)

	require.Equal(t, http.StatusCreated, c.Note(t, d.agent, "Lost the phone on a journey.").Status)
	c.Attach(t, d.agent, client.ArtefactReproofing, "IDC-1")
	require.Equal(t, client.State("assisted"), claim.Read(t).State)
	seen = c.Read(t, d.agent)
	require.Empty(t, seen.Missing)
	require.True(t, seen.Account.Known)
	for _, ch := range *seen.Account.Channels {
		require.Contains(t, *ch.Masked, "•")
	}
	p := c.Propose(t, d.agent, client.OutcomeApprove)
	require.Equal(t, client.CaseSupport("deciding"), *claim.Read(t).Case)

	done := apptest.Decode[client.CaseSummary](t, c.Approve(t, d.first), http.StatusOK)
	require.Equal(t, client.CaseState("proposed"), done.State)
	require.Equal(t, client.State("assisted"), claim.Read(t).State, "one human is not enough")
	done = apptest.Decode[client.CaseSummary](t, c.Approve(t, d.second), http.StatusOK)
	require.Equal(t, client.CaseState("decided"), done.State)

	held := claim.Read(t)
	require.Equal(t, client.State("cooling_off"), held.State)
	require.GreaterOrEqual(t, held.NotBefore.Sub(d.Now(t)), 71*time.Hour, "never below the hold of tier high")
	require.Equal(t, client.CaseSupport("decided"), *held.Case)
	for _, address := range []string{"ada@example.com", "ada.backup@example.net"} {
		d.Mail.Await(t, address, notify.HoldEntered, 1)
	}
	apptest.Refused(t, claim.Do(t, http.MethodPost, "/grant", nil), http.StatusConflict, client.ProblemCodeNotReady)

	d.Advance(t, held.NotBefore.Sub(d.Now(t))+time.Minute)
	claim.Await(t, "ready")
	grant := claim.Grant(t)
	redeemed := apptest.Decode[client.Redemption](t, d.Redeem(t, grant.Grant), http.StatusOK)
	require.Equal(t, "ada", redeemed.AccountRef)
	require.Equal(t, 1, apptest.Query[int](t, d.Service, `SELECT count(*) FROM evidence WHERE class = 'P'`), "what two humans accepted is evidence")

	// who looked, who decided, and how fast.
	require.GreaterOrEqual(t, apptest.Query[int](t, d.Service, `SELECT count(*) FROM audit_event WHERE action = 'agent.account.read' AND subject = $1`, c.ID), 4)
	require.Equal(t, 2, apptest.Query[int](t, d.Service,
		`SELECT count(DISTINCT actor_id) FROM audit_event WHERE action IN ('case.approved', 'case.executed') AND subject = $1 AND details->>'proposal' = $2
		    AND (details->>'took_ms')::int >= 0 AND (details->>'hasty')::boolean`, c.ID, p.ID), "approved within seconds of reading")
	allOfACase(t, d, c.ID, claim.ID)
}

// allOfACase demands that an auditor who asks for a case gets everything that was done in it, and who asks for its recovery gets that too.
func allOfACase(t *testing.T, d *desk, id, recovery string) {
	t.Helper()
	a := newAuditor(t, d.Service, apptest.Tenant)
	actions, seen := map[string]int{}, map[string]bool{}
	for _, e := range a.events(t, "?case_id="+id+"&limit=500") {
		require.Equal(t, id, e.Subject)
		actions[e.Action]++
		seen[e.ID] = true
	}
	for action, n := range map[string]int{
		"case.opened": 1, "case.noted": 1, "case.artefact.attached": 1, "case.proposed": 1, "case.assigned": 2, "case.approved": 1, "case.executed": 1,
	} {
		require.Equal(t, n, actions[action], action)
	}
	require.GreaterOrEqual(t, actions["agent.account.read"], 4)
	ofBoth := a.events(t, "?recovery_id="+recovery+"&limit=500")
	for _, e := range ofBoth {
		delete(seen, e.ID)
		require.NotNil(t, e.Account, "%s concerns the account", e.Action)
	}
	require.Empty(t, seen, "the recovery's events have the case's among them")
}
