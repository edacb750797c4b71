package apptest

import (
	"crypto/sha256"
	"encoding/hex"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/holdfast/holdfast/api/client"
	"github.com/holdfast/holdfast/internal/audit"
	"github.com/holdfast/holdfast/internal/credential"
	"github.com/holdfast/holdfast/internal/notify"
)

// Desk is support's side of one case.
type Desk struct {
	ID string

	s *Service
}

// AIAgent makes a client of kind ai_agent with everything that one can have, and gives its token. The owner is how the company
// knows the human who answers for it.
func (s *Service) AIAgent(t testing.TB, owner string) (token string) {
	t.Helper()
	token, _ = s.clientOf(t, Tenant, credential.AIAgent, owner, credential.AIAgent.Scopes())
	return token
}

// OpenCase opens a case for a claim by the reference that the claimant reads out.
func (s *Service) OpenCase(t testing.TB, agent string, c *Claim) *Desk {
	t.Helper()
	a := s.Do(t, Request{Method: http.MethodPost, Path: "/v1/cases", As: agent, Body: client.OpenCaseRequest{Reference: &c.Reference}})
	return &Desk{ID: Decode[client.CaseSummary](t, a, http.StatusCreated).CaseID, s: s}
}

// Desk takes up a case that was opened in some other way.
func (s *Service) Desk(id string) *Desk { return &Desk{ID: id, s: s} }

// Do sends a request about the case. The path goes on after its id.
func (d *Desk) Do(t testing.TB, as, method, path string, body any) Answer {
	t.Helper()
	return d.s.Do(t, Request{Method: method, Path: "/v1/cases/" + d.ID + path, As: as, Body: body})
}

// Read reads the case.
func (d *Desk) Read(t testing.TB, as string) client.Case {
	t.Helper()
	return Decode[client.Case](t, d.Do(t, as, http.MethodGet, "", nil), http.StatusOK)
}

// Note adds a note.
func (d *Desk) Note(t testing.TB, as, text string) Answer {
	t.Helper()
	return d.Do(t, as, http.MethodPost, "/notes", client.CaseNoteRequest{Text: text})
}

// Artefact is a check of now under a reference, whose document is the reference itself.
func (s *Service) Artefact(t testing.TB, kind client.ArtefactKind, reference string) client.CaseArtefactRequest {
	t.Helper()
	sum := sha256.Sum256([]byte(reference))
	return client.CaseArtefactRequest{
		Kind: kind, Provider: "ident-co", Reference: reference, Hash: hex.EncodeToString(sum[:]), PerformedAt: s.Now(t).Add(-time.Minute),
	}
}

// Attach attaches an artefact.
func (d *Desk) Attach(t testing.TB, as string, kind client.ArtefactKind, reference string) {
	t.Helper()
	a := d.Do(t, as, http.MethodPost, "/artefacts", d.s.Artefact(t, kind, reference))
	require.Equal(t, http.StatusCreated, a.Status, a.Body)
}

// Propose proposes an outcome, and gives the proposal.
func (d *Desk) Propose(t testing.TB, as string, outcome client.CaseOutcome) client.CaseProposal {
	t.Helper()
	done := Decode[client.CaseSummary](t, d.Do(t, as, http.MethodPost, "/proposals", client.CaseProposalRequest{Outcome: outcome}), http.StatusCreated)
	require.NotNil(t, done.Proposal)
	return *done.Proposal
}

// Assign has a person be given a proposal.
func (s *Service) Assign(t testing.TB, as string) Answer {
	t.Helper()
	return s.Do(t, Request{Method: http.MethodPost, Path: "/v1/cases/assignments", As: as})
}

// Decide decides about a proposal.
func (d *Desk) Decide(t testing.TB, as, proposal, hash string, decision client.CaseDecisionRequestDecision) Answer {
	t.Helper()
	return d.Do(t, as, http.MethodPost, "/proposals/"+proposal+"/decisions", client.CaseDecisionRequest{
		Decision: decision, EvidenceHash: hash, Reason: "Looked it up at the provider.",
	})
}

// Approve is everything that an honest approver does: be given the proposal, read the case, decide for what was read.
func (d *Desk) Approve(t testing.TB, as string) Answer {
	t.Helper()
	given := Decode[client.CaseAssignment](t, d.s.Assign(t, as), http.StatusOK)
	require.Equal(t, d.ID, given.CaseID)
	read := d.Read(t, as)
	require.True(t, read.Proposal.Yours)
	return d.Decide(t, as, given.ProposalID, read.Proposal.EvidenceHash, client.DecideApprove)
}

// ClaimPage is where the tenant's claim links lead, once ClaimLinks was called.
const ClaimPage = "https://app.example.com/recover"

// ClaimLinks gives the tenant a page for claim links, without which no case is opened for an account.
func (s *Service) ClaimLinks(t testing.TB) {
	t.Helper()
	require.NoError(t, s.Owner.SetTenantClaimPage(t.Context(), Tenant, ClaimPage, audit.Actor{Kind: audit.ActorOperator, ID: "test"}))
}

// OpenFor asks for a case for an account by the tenant's own name of it.
func (s *Service) OpenFor(t testing.TB, agent, ref string) Answer {
	t.Helper()
	reason := client.LostMfa
	return s.Do(t, Request{Method: http.MethodPost, Path: "/v1/cases", As: agent, Body: client.OpenCaseRequest{AccountRef: &ref, Reason: &reason}})
}

// ClaimLink waits for the nth claim link to an address, and gives its secret as the tenant's page finds it in the fragment.
func (b *Mailbox) ClaimLink(t testing.TB, address string, nth int) string {
	t.Helper()
	m := b.Await(t, address, notify.ClaimLink, nth)
	require.Len(t, m.Links, 1)
	token, ok := strings.CutPrefix(m.Links[0], ClaimPage+"#")
	require.True(t, ok, "the link begins with the page that the tenant has set")
	return token
}

// Seat brings a claim link's secret through a client, as the app does once a person has pressed the button.
func (s *Service) Seat(t testing.TB, as, link string) Answer {
	t.Helper()
	return s.Do(t, Request{Method: http.MethodPost, Path: "/v1/recoveries/claims", As: as, Body: client.ClaimRequest{ClaimToken: link}})
}
