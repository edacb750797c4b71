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
	"github.com/holdfast/holdfast/internal/workforce/devissuer"
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

// An appeal does not wash anything away: what was flagged stays flagged, so that only a proofing carries it, and who
// worked on the case or decided about it has no say in the next.
func TestRedTeam_AnAppealWashesNothingAway(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	claim := d.lost(t)
	both := d.Staff(t, "max", credential.Agent, credential.Approver)
	c := d.OpenCase(t, both, claim)
	c.Attach(t, both, client.ArtefactContactAttestation, "CON-1")
	require.Equal(t, http.StatusOK, c.Do(t, both, http.MethodPost, "/flag", client.CaseFlagRequest{Reason: client.FlagImpersonation}).Status)
	c.Propose(t, d.agent, client.OutcomeDeny)
	for _, as := range []string{d.first, d.second} {
		require.Equal(t, http.StatusOK, c.Approve(t, as).Status)
	}
	apptest.Decode[client.Recovery](t, claim.Do(t, http.MethodPost, "/appeal", nil), http.StatusOK)
	claim.ProveBy(t, client.MethodEmail) // a second kind of proof

	again := d.OpenCase(t, d.other, claim)
	seen := again.Read(t, d.other)
	require.NotNil(t, seen.FlaggedAt)
	require.Equal(t, client.FlagImpersonation, *seen.FlagReason)
	require.Equal(t, []client.CaseMissing{"proofing"}, seen.Missing)
	again.Note(t, d.other, "They say it was a mistake.")
	require.Equal(t, client.CaseFlagged, again.Read(t, d.other).State)
	again.Attach(t, d.other, client.ArtefactInPerson, "SHOP-1")
	again.Propose(t, d.other, client.OutcomeApprove)
	for _, as := range []string{both, d.first, d.second} {
		apptest.Refused(t, d.Assign(t, as), http.StatusNotFound, client.ProblemCodeNotFound)
	}
	d.noWayIn(t)
}

// Waiting until a case has gone idle, and opening the next, makes nobody a stranger to what they attached.
func TestRedTeam_ANextCaseMakesNobodyAStranger(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	claim := d.lost(t)
	both := d.Staff(t, "max", credential.Agent, credential.Approver)
	d.OpenCase(t, both, claim).Attach(t, both, client.ArtefactReproofing, "IDC-1")
	heard(t, d.Service)
	d.Advance(t, 25*time.Hour)
	d.signIn(t)
	both = d.Staff(t, "max", credential.Agent, credential.Approver)
	again := d.OpenCase(t, d.agent, claim)
	again.Propose(t, d.agent, client.OutcomeApprove)
	apptest.Refused(t, d.Assign(t, both), http.StatusNotFound, client.ProblemCodeNotFound)
}

// One account whose address changes between two acts is one human, and so is an agent who was on the telephone.
func TestRedTeam_AnotherAddressMakesNoSecondHuman(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	as := func(subject, email string, roles ...credential.Role) string {
		return d.SignIn(t, devissuer.Person{Subject: subject, Email: email, Roles: roles})
	}
	claim := d.lost(t)
	c, p := d.proposed(t, claim, "IDC-1") // by kim
	kim := as("kim", "kim.married@staff.example.com", credential.Approver)
	apptest.Refused(t, d.Assign(t, kim), http.StatusNotFound, client.ProblemCodeNotFound)
	apptest.Refused(t, c.Decide(t, kim, p.ID, p.EvidenceHash, client.DecideApprove), http.StatusForbidden, client.ProblemCodeConflictOfInterest)

	max := d.Staff(t, "max", credential.Agent, credential.Approver)
	d.OpenCase(t, max, claim) // takes the telephone
	require.Equal(t, client.CaseProposed, c.Read(t, d.agent).State, "which voids nothing")
	apptest.Refused(t, d.Assign(t, max), http.StatusNotFound, client.ProblemCodeNotFound)

	require.Equal(t, http.StatusOK, c.Approve(t, d.first).Status)
	noor := as("noor", "noor.married@staff.example.com", credential.Approver)
	apptest.Refused(t, d.Assign(t, noor), http.StatusNotFound, client.ProblemCodeNotFound)
	apptest.Refused(t, c.Decide(t, noor, p.ID, p.EvidenceHash, client.DecideApprove), http.StatusForbidden, client.ProblemCodeConflictOfInterest)
	d.noWayIn(t)
}

// Who was given a proposal reads the case while it is theirs, and not for ever after.
func TestRedTeam_WhatWasGivenIsReadWhileItLasts(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	c, _ := d.proposed(t, d.lost(t), "IDC-1")
	apptest.Decode[client.CaseAssignment](t, d.Assign(t, d.first), http.StatusOK)
	c.Read(t, d.first)
	d.Advance(t, 11*time.Minute)
	apptest.Refused(t, c.Do(t, d.first, http.MethodGet, "", nil), http.StatusNotFound, client.ProblemCodeNotFound)
	c.Read(t, d.agent)
}

// That a proposal is for security staff says that there is an account, and what kind: nobody hears it from a denial
// that is proposed before anything was proven.
func TestRedTeam_ADenialDoesNotTellWhoseAccountItIs(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	d.Register(t, apptest.Person{Ref: "root", Email: "root@example.com", Population: "privileged"})
	c := d.OpenCase(t, d.agent, d.Start(t, apptest.Claimant{Identifier: apptest.Email("root@example.com"), Reason: client.LostAll}))
	p := c.Propose(t, d.agent, client.OutcomeDeny)
	require.False(t, p.SecurityDecides)
	require.False(t, c.Read(t, d.agent).Proposal.SecurityDecides)
	apptest.Refused(t, d.Assign(t, d.first), http.StatusNotFound, client.ProblemCodeNotFound)
	sol := d.Staff(t, "sol", credential.Security)
	require.Equal(t, http.StatusOK, c.Approve(t, sol).Status)
}

// Nobody floods a case until what matters is out of sight; and the trail says what was attached, whoever reads it.
func TestRedTeam_ACaseIsNotFlooded(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	d.ByHand()
	ai := d.AIAgent(t, "olu@staff.example.com")
	c := d.OpenCase(t, d.agent, d.lost(t))
	require.Equal(t, http.StatusCreated, c.Note(t, d.agent, "One.").Status)
	more := func(n int) {
		_, err := d.App.DB.Pool().Exec(t.Context(), `INSERT INTO support_note (tenant_id, id, case_id, person, at, sealed)
			SELECT n.tenant_id, 'nte_' || gen_random_uuid(), n.case_id, n.person, n.at, n.sealed FROM (SELECT * FROM support_note LIMIT 1) n, generate_series(1, $1)`, n)
		require.NoError(t, err)
	}
	more(99)
	apptest.Refused(t, c.Note(t, ai, "And one more."), http.StatusConflict, client.ProblemCodeNotAllowedInState)
	require.Equal(t, http.StatusCreated, c.Note(t, d.agent, "Two.").Status)
	more(99)
	apptest.Refused(t, c.Note(t, d.agent, "And one more."), http.StatusConflict, client.ProblemCodeNotAllowedInState)

	c.Attach(t, d.agent, client.ArtefactContactAttestation, "CON-1")
	require.Equal(t, 1, apptest.Query[int](t, d.Service, `SELECT count(*) FROM audit_event e JOIN support_artefact a ON a.id = e.details->>'artefact'
		WHERE e.action = 'case.artefact.attached' AND e.details->>'kind' = a.kind AND e.details->>'document_hash' = encode(a.hash, 'hex')`))
	_, err := d.App.DB.Pool().Exec(t.Context(), `WITH made AS (INSERT INTO support_artefact (tenant_id, id, recovery_id, case_id, kind, provider, reference, hash, performed_at, person, at)
		SELECT a.tenant_id, 'art_' || i, a.recovery_id, a.case_id, a.kind, a.provider, 'CON-X' || i, sha256(i::text::bytea), a.performed_at, a.person, a.at
		  FROM (SELECT * FROM support_artefact LIMIT 1) a, generate_series(1, 49) i RETURNING *)
		INSERT INTO audit_event (tenant_id, id, at, actor_kind, actor_id, action, subject, outcome, details)
		SELECT m.tenant_id, 'evt_' || m.id, m.at, 'agent', m.person, 'case.artefact.attached', m.case_id, 'success', jsonb_build_object('artefact', m.id) FROM made m`)
	require.NoError(t, err)
	apptest.Refused(t, c.Do(t, d.agent, http.MethodPost, "/artefacts", d.Artefact(t, client.ArtefactReproofing, "IDC-1")), http.StatusConflict, client.ProblemCodeNotAllowedInState)
}

// What an approver's own bot has read, the approver has not.
func TestRedTeam_ABotDoesNotReadForItsOwner(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	bot := d.AIAgent(t, "noor@staff.example.com") // the first approver's
	c, p := d.proposed(t, d.lost(t), "IDC-1")
	apptest.Decode[client.CaseAssignment](t, d.Assign(t, d.first), http.StatusOK)
	require.Empty(t, apptest.Decode[client.CaseList](t, d.Do(t, apptest.Request{Method: http.MethodGet, Path: "/v1/cases", As: bot}), http.StatusOK).Cases)
	c.Read(t, bot)
	apptest.Refused(t, c.Decide(t, d.first, p.ID, p.EvidenceHash, client.DecideApprove), http.StatusConflict, client.ProblemCodeConflict)
	c.Read(t, d.first)
	require.Equal(t, http.StatusOK, c.Decide(t, d.first, p.ID, p.EvidenceHash, client.DecideApprove).Status)
}
