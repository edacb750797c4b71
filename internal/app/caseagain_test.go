package app_test

import (
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/holdfast/holdfast/api/client"
	"github.com/holdfast/holdfast/internal/abuse"
	"github.com/holdfast/holdfast/internal/app/apptest"
	"github.com/holdfast/holdfast/internal/audit"
	"github.com/holdfast/holdfast/internal/credential"
)

// approvedOnce is a recovery in its hold after two humans accepted a proofing.
func (d *desk) approvedOnce(t *testing.T) (*apptest.Claim, *apptest.Desk) {
	t.Helper()
	claim := d.lost(t)
	c, _ := d.proposed(t, claim, "IDC-1")
	require.Equal(t, http.StatusOK, c.Approve(t, d.first).Status)
	require.Equal(t, http.StatusOK, c.Approve(t, d.second).Status)
	require.Equal(t, client.State("cooling_off"), claim.Read(t).State)
	return claim, c
}

// What came back to people after it was approved can be approved again: what was accepted once is not a reason to refuse an honest
// customer for ever. Two others decide.
func TestCase_WhatComesBackToPeopleCanBeApprovedAgain(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	claim, _ := d.approvedOnce(t)
	again := d.OpenCase(t, d.other, claim)
	require.Equal(t, http.StatusOK, again.Do(t, d.other, http.MethodPost, "/flag", client.CaseFlagRequest{Reason: client.FlagPressure}).Status)
	require.Equal(t, client.State("assisted"), claim.Read(t).State)
	again.Attach(t, d.other, client.ArtefactInPerson, "SHOP-1")
	again.Propose(t, d.other, client.OutcomeApprove)
	for _, as := range []string{d.third, d.Staff(t, "quin", credential.Approver)} {
		a := again.Approve(t, as)
		require.Equal(t, http.StatusOK, a.Status, a.Body)
	}
	require.Equal(t, client.State("cooling_off"), claim.Read(t).State)
	require.Equal(t, 2, apptest.Query[int](t, d.Service, `SELECT count(*) FROM evidence WHERE class = 'P'`), "each artefact once")
}

// raise sets a control for an hour at the desk's tenant, and has this node heed it.
func (d *desk) raise(t *testing.T, kind abuse.ControlKind, value string) {
	t.Helper()
	_, err := d.App.Abuse.Controls.Set(t.Context(), abuse.SetCommand{
		Tenant: apptest.Tenant, Kind: kind, Value: value, Reason: "a test", For: time.Hour, By: audit.Actor{Kind: audit.ActorOperator, ID: "stf_operator"},
	})
	require.NoError(t, err)
	_, err = d.App.Abuse.Board.Refresh(t.Context())
	require.NoError(t, err)
}

// What operators demand counts for recoveries that people decide about as for all others: at tier critical only a proofing carries
// an approval, an approval that was given for less is void, and nobody has a code sent by a method that was stopped.
func TestCase_WhatOperatorsDemandCountsForPeopleToo(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	claim := d.lost(t)
	c := d.OpenCase(t, d.agent, claim)
	c.Attach(t, d.agent, client.ArtefactContactAttestation, "CON-1")
	claim.ProveBy(t, client.MethodEmail)
	p := c.Propose(t, d.agent, client.OutcomeApprove)
	require.Equal(t, http.StatusOK, c.Approve(t, d.first).Status)
	apptest.Decode[client.CaseAssignment](t, d.Assign(t, d.second), http.StatusOK)
	c.Read(t, d.second)

	d.raise(t, abuse.MinTier, "critical")
	apptest.Refused(t, c.Decide(t, d.second, p.ID, p.EvidenceHash, client.DecideApprove), http.StatusConflict, client.ProblemCodeProposalVoid)
	require.Equal(t, []client.CaseMissing{"proofing"}, c.Read(t, d.agent).Missing)
	apptest.Refused(t, c.Do(t, d.agent, http.MethodPost, "/proposals", client.CaseProposalRequest{Outcome: client.OutcomeApprove}), http.StatusUnprocessableEntity, client.ProblemCodeEvidenceShort)
	d.raise(t, abuse.StopMethod, "sms")
	apptest.Refused(t, c.Do(t, d.agent, http.MethodPost, "/challenges", client.ChallengeRequest{Method: client.MethodSms}), http.StatusUnprocessableEntity, client.ProblemCodeMethodUnavailable)
	d.noWayIn(t)
}
