package app_test

import (
	"net/http"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/holdfast/holdfast/api/client"
	"github.com/holdfast/holdfast/internal/app/apptest"
	"github.com/holdfast/holdfast/internal/credential"
)

// shown is a case as somebody reads it, without what it says of its reader.
func shown(t *testing.T, c *apptest.Desk, as string) client.Case {
	t.Helper()
	v := c.Read(t, as)
	for i := range v.Notes {
		v.Notes[i].Mine = false
	}
	if v.Proposal != nil {
		v.Proposal.Yours = false
	}
	return v
}

// Who is given a proposal sees exactly what the agent sees, to the last word and line: evidence, artefacts, notes, reason,
// account, timeline, hash. Whatever can be changed in it changes the hash of the next proposal, and nobody is left with the old view.
func TestCase_AnApproverSeesWhatTheAgentSees(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	d.ByHand()
	claim := d.lost(t)
	c := d.OpenCase(t, d.agent, claim)
	words := "Lost the phone on a journey, and the codes with it."
	require.Equal(t, http.StatusCreated, c.Note(t, d.agent, words).Status)
	c.Attach(t, d.Staff(t, "max", credential.Agent), client.ArtefactReproofing, "IDC-0") // by one who did not open the case

	look := func(by string) client.CaseProposal {
		t.Helper()
		require.Equal(t, client.CaseEvidencePending, c.Read(t, d.agent).State)
		p := c.Propose(t, by, client.OutcomeApprove)
		given := apptest.Decode[client.CaseAssignment](t, d.Assign(t, d.first), http.StatusOK)
		require.Equal(t, p.ID, given.ProposalID)
		mine, theirs := shown(t, c, by), shown(t, c, d.first)
		require.Equal(t, mine, theirs)
		require.Equal(t, p.EvidenceHash, theirs.Proposal.EvidenceHash)
		require.Equal(t, client.LostAll, theirs.Recovery.Reason)
		require.True(t, slices.ContainsFunc(theirs.Notes, func(n client.CaseNote) bool { return n.Text != nil && *n.Text == words }))
		return p
	}
	hashes := []string{look(d.agent).EvidenceHash}
	for name, change := range changesInSight(d, claim, c) {
		before := shown(t, c, d.agent)
		change(t)
		after := shown(t, c, d.agent)
		require.NotEqual(t, before, after, name)
		require.NotEqual(t, client.CaseProposalStatusProposalOpen, after.Proposal.Status, "%s: a proposal outlives what it was bound to", name)
		p := look(d.agent)
		require.NotContains(t, hashes, p.EvidenceHash, name)
		hashes = append(hashes, p.EvidenceHash)
	}
	d.noWayIn(t)
}

// changesInSight are changes of what a case shows, one of each kind: artefact, note, evidence, address.
func changesInSight(d *desk, claim *apptest.Claim, c *apptest.Desk) map[string]func(*testing.T) {
	return map[string]func(*testing.T){
		"an artefact": func(t *testing.T) { c.Attach(t, d.agent, client.ArtefactInPerson, "SHOP-1") },
		"a note":      func(t *testing.T) { require.Equal(t, http.StatusCreated, c.Note(t, d.other, "One more thing.").Status) },
		"a proof":     func(t *testing.T) { claim.ProveBy(t, client.MethodEmail) },
		"an address that is suspect": func(t *testing.T) {
			_, err := d.App.DB.Pool().Exec(t.Context(), `UPDATE channel SET suspect_at = holdfast_now(), suspect_until = holdfast_now() + interval '1 day'
				WHERE id = (SELECT min(id) FROM channel)`)
			require.NoError(t, err)
		},
	}
}
