package app_test

import (
	"fmt"
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/holdfast/holdfast/api/client"
	"github.com/holdfast/holdfast/internal/abuse"
	"github.com/holdfast/holdfast/internal/app/apptest"
	"github.com/holdfast/holdfast/internal/credential"
	"github.com/holdfast/holdfast/internal/postgres"
)

// findings asks one detector what it sees.
func (d *desk) findings(t *testing.T, name string) []abuse.Finding {
	t.Helper()
	for _, det := range abuse.Detectors() {
		if det.Name == name {
			out, err := postgres.NewAbuse(d.App.DB).Probe(t.Context(), det, d.Now(t))
			require.NoError(t, err)
			return out
		}
	}
	require.FailNow(t, "no such detector")
	return nil
}

// who looks around, who approves without a look, and who always meets the same colleague. Honest work beside
// them stays quiet.
func TestDesk_IsWatched(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	wrong := "HF-0000-0000"
	look := func(as string, times int) {
		for range times {
			a := d.Do(t, apptest.Request{Method: http.MethodPost, Path: "/v1/cases", As: as, Body: client.OpenCaseRequest{Reference: &wrong}})
			require.Equal(t, http.StatusNotFound, a.Status)
		}
	}
	look(d.agent, 2) // misheard
	require.Empty(t, d.findings(t, "AgentOutlier"))
	look(d.other, 15)
	found := d.findings(t, "AgentOutlier")
	require.Len(t, found, 1)
	require.Equal(t, credential.PersonID("lee@staff.example.com"), found[0].Key)

	for i := range 10 {
		d.signIn(t)
		agents := []string{d.agent, d.other, d.Staff(t, "max", credential.Agent)}
		name := fmt.Sprintf("p%d@example.com", i)
		d.Register(t, apptest.Person{Ref: fmt.Sprintf("p%d", i), Email: name})
		proposer := agents[0]
		if i < 2 { // three agents are at work
			proposer = agents[i+1]
		}
		c := d.OpenCase(t, proposer, d.Start(t, apptest.Claimant{Identifier: apptest.Email(name), Reason: client.LostAll}))
		c.Attach(t, proposer, client.ArtefactReproofing, fmt.Sprintf("IDC-%d", i))
		p := c.Propose(t, proposer, client.OutcomeApprove)
		require.Equal(t, http.StatusOK, c.Approve(t, d.first).Status) // within seconds
		given := apptest.Decode[client.CaseAssignment](t, d.Assign(t, d.second), http.StatusOK)
		require.Equal(t, p.ID, given.ProposalID)
		c.Read(t, d.second)
		d.Advance(t, 3*time.Minute) // looks it up
		require.Equal(t, http.StatusOK, c.Decide(t, d.second, p.ID, p.EvidenceHash, client.DecideApprove).Status)
		if i == 8 {
			require.Empty(t, d.findings(t, "ApprovalPairs"), "seven times is not yet a habit")
		}
	}
	found = d.findings(t, "RubberStamping")
	require.Len(t, found, 1)
	require.Equal(t, credential.PersonID("noor@staff.example.com"), found[0].Key)
	found = d.findings(t, "ApprovalPairs")
	require.Len(t, found, 2, "each of the two approvers, with the one whose proposals they mostly met")
	require.Equal(t, credential.PersonID("kim@staff.example.com"), found[0].Labels["proposer"])
}
