package app_test

import (
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/holdfast/holdfast/api/client"
	"github.com/holdfast/holdfast/internal/app/apptest"
	"github.com/holdfast/holdfast/internal/credential"
)

// slowly has a person be given the proposal, look after a while and decide after another.
func (d *desk) slowly(t *testing.T, c *apptest.Desk, who string, look, think time.Duration, word client.CaseDecisionRequestDecision) {
	t.Helper()
	given := apptest.Decode[client.CaseAssignment](t, d.Assign(t, who), http.StatusOK)
	d.Advance(t, look)
	read := c.Read(t, who)
	d.Advance(t, think)
	a := c.Decide(t, who, given.ProposalID, read.Proposal.EvidenceHash, word)
	require.Equal(t, http.StatusOK, a.Status, a.Body)
}

func (d *desk) trail(t *testing.T, as, path string) apptest.Answer {
	t.Helper()
	return d.Do(t, apptest.Request{Method: http.MethodGet, Path: "/v1/audit/" + path, As: as})
}

// An auditor sees who looked at a case, who approved what with which reason and how fast, and whom people meet; and
// nothing of the account. Whoever looks at that is written down as well.
func TestAuditor_SeesWhoLookedWhoDecidedAndHowFast(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	d.ByHand()
	auditor := d.Staff(t, "aude", credential.Auditor)
	claim := d.lost(t)
	c := d.OpenCase(t, d.agent, claim)
	c.Read(t, d.other)
	c.Attach(t, d.agent, client.ArtefactReproofing, "IDC-1")
	ai := d.AIAgent(t, "kim@staff.example.com")
	c.Read(t, ai)
	p := c.Propose(t, ai, client.OutcomeApprove)
	d.slowly(t, c, d.first, 90*time.Second, time.Minute, client.DecideApprove)
	d.slowly(t, c, d.second, 10*time.Second, 5*time.Second, client.DecideApprove)
	require.Equal(t, client.State("cooling_off"), claim.Read(t).State)

	answer := d.trail(t, auditor, "cases/"+c.ID)
	got := apptest.Decode[client.CaseTrail](t, answer, http.StatusOK)
	person := func(name string) string { return credential.PersonID(name + "@staff.example.com") }
	looks := map[string]int{}
	for _, e := range got.Events {
		if e.Action == "agent.account.read" {
			looks[*e.Actor.ID]++
		}
	}
	require.Equal(t, 1, looks[person("lee")])
	require.Equal(t, 1, looks[person("noor")])
	require.Equal(t, "case.opened", got.Events[len(got.Events)-1].Action)
	require.Len(t, got.Decisions, 2)
	one, two := got.Decisions[0], got.Decisions[1]
	require.Equal(t, []string{person("noor"), person("olu")}, []string{one.Person, two.Person})
	require.Equal(t, p.ID, one.ProposalID)
	require.Equal(t, person("kim"), one.ProposedBy)
	require.True(t, one.ProposedByAi && one.Approved && two.Approved)
	require.False(t, one.Hasty)
	require.True(t, two.Hasty)
	require.Equal(t, "Looked it up at the provider.", *one.Reason)
	require.GreaterOrEqual(t, *one.SecondsFromDraw, 150)
	require.GreaterOrEqual(t, *one.SecondsFromFirstLook, 60)
	require.Less(t, *one.SecondsFromFirstLook, *one.SecondsFromDraw-89)
	for _, secret := range []string{"example.net", "ada", "IDC-1"} {
		require.NotContains(t, answer.Body, secret, "masked as ever")
	}

	page := apptest.Decode[client.CaseTrail](t, d.trail(t, auditor, "cases/"+c.ID+"?limit=2"), http.StatusOK)
	require.Len(t, page.Events, 2)
	next := apptest.Decode[client.CaseTrail](t, d.trail(t, auditor, "cases/"+c.ID+"?limit=2&cursor="+*page.NextCursor), http.StatusOK)
	require.Less(t, next.Events[0].ID, page.Events[1].ID)

	people := map[string]client.DeskWorker{}
	for path := "people?limit=2"; path != ""; {
		list := apptest.Decode[client.DeskWork](t, d.trail(t, auditor, path), http.StatusOK)
		for _, w := range list.People {
			people[*w.Actor.ID] = w
		}
		if path = ""; list.NextCursor != nil {
			path = "people?limit=2&cursor=" + *list.NextCursor
		}
	}
	require.Len(t, people, 5, "two agents, an AI agent, two approvers")
	noor := people[person("noor")]
	require.Equal(t, []int{1, 1, 1, 1, 0}, []int{noor.Cases, noor.Looks, noor.Drawn, noor.Approved, noor.Rejected})
	require.GreaterOrEqual(t, noor.MedianSecondsFromDraw, 150)
	require.Equal(t, []client.DeskPair{{Person: person("kim"), Proposals: 1}}, noor.Proposers, "an AI agent counts as its owner")
	require.Equal(t, []client.DeskPair{{Person: person("olu"), Proposals: 1}}, noor.Deciders)
	require.Equal(t, 1, people[person("olu")].Hasty)

	require.Equal(t, 3, apptest.Query[int](t, d.Service, `SELECT count(*) FROM audit_event WHERE action = 'audit.read' AND actor_id = $1 AND details->>'subject' = $2`, person("aude"), c.ID))
	require.Positive(t, apptest.Query[int](t, d.Service, `SELECT count(*) FROM audit_event WHERE action = 'audit.read' AND actor_id = $1 AND details ? 'people'`, person("aude")))
	apptest.Refused(t, d.trail(t, d.agent, "cases/"+c.ID), http.StatusForbidden, client.ProblemCodeForbidden)
	apptest.Refused(t, d.trail(t, d.first, "people"), http.StatusForbidden, client.ProblemCodeForbidden)
	apptest.Refused(t, d.trail(t, auditor, "cases/cas_01kagx0b1c3d5e7f9g1h3j5k7m"), http.StatusNotFound, client.ProblemCodeNotFound)
	apptest.Refused(t, d.trail(t, auditor, "people?since=2026-01-01T00:00:00Z&until=2026-03-01T00:00:00Z"), http.StatusUnprocessableEntity, client.ProblemCodeInvalidRequest)

	// The rows that a case lives in may be changed behind the service's back: what an auditor is told does not follow them.
	forced(t, d.Service, `UPDATE support_assignment SET at = at - interval '1 hour', read_at = at - interval '1 hour'`)
	again := apptest.Decode[client.CaseTrail](t, d.trail(t, auditor, "cases/"+c.ID), http.StatusOK)
	require.Equal(t, one.SecondsFromDraw, again.Decisions[0].SecondsFromDraw)
}
