package main

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"net/http"
	"time"

	"github.com/holdfast/holdfast/api/client"
)

// cleo lost her phone, her mailbox and her codes. A provider proofs her, an agent attaches what it found, and two humans who were
// drawn decide about exactly that. Then the same hold begins as for everybody.
func (n *narrator) cleo() error {
	a := n.account("user-cleo")
	c, err := n.start(a.Identifier.Value, "lost_all", false)
	if err != nil {
		return err
	}
	r, err := n.get(c)
	if err != nil {
		return err
	}
	n.say("There is nothing left to prove. On the telephone she reads out her reference: %s", r.Reference)
	agent, err := n.staff("agent", "sam")
	if err != nil {
		return err
	}
	id, err := n.openCase(agent, r.Reference)
	if err != nil {
		return err
	}
	if err := n.proposeInVain(agent, id); err != nil {
		return err
	}
	if err := n.attach(agent, id); err != nil {
		return err
	}
	proposal, err := n.propose(agent, id)
	if err != nil {
		return err
	}
	for _, name := range []string{"noor", "olu"} {
		if err := n.approve(name, id, proposal); err != nil {
			return err
		}
	}
	n.say("Deciding is not letting in: the hold begins, and every address on file is told:")
	if _, err := n.notice("hold_entered", a.Channels[0].Address); err != nil {
		return err
	}
	if r, err = n.get(c); err != nil {
		return err
	}
	n.say("GET  …                         → %s, not before %s", r.State, r.NotBefore.Format(time.RFC3339))
	if err := n.advance(r.NotBefore.Sub(time.Now().Add(n.shift)).Round(time.Minute) + 2*time.Minute); err != nil {
		return err
	}
	return n.finish(c)
}

// staff signs a person in at the development issuer.
func (n *narrator) staff(role, name string) (*client.ClientWithResponses, error) {
	var out struct {
		Token string `json:"token"`
	}
	if err := n.dev(http.MethodPost, "/dev/tokens", fmt.Sprintf(`{"role":%q,"subject":%q}`, role, name), &out); err != nil {
		return nil, err
	}
	return client.NewClientWithResponses(n.d.BaseURL, client.WithBearer(out.Token))
}

func (n *narrator) openCase(agent *client.ClientWithResponses, reference string) (string, error) {
	res, err := agent.OpenCaseWithResponse(n.ctx, &client.OpenCaseParams{IdempotencyKey: n.key()}, client.OpenCaseJSONRequestBody{Reference: &reference})
	if err != nil {
		return "", err
	}
	if res.JSON201 == nil {
		return "", fmt.Errorf("open case: %s", res.Body)
	}
	n.say("POST /v1/cases                 agent sam → 201 %s", res.JSON201.State)
	return res.JSON201.CaseID, nil
}

// proposeInVain shows that knowing everything about somebody proves nothing.
func (n *narrator) proposeInVain(agent *client.ClientWithResponses, id string) error {
	n.say("She knows her birthday and her last order. Sam notes it, and it counts for nothing:")
	note, err := agent.AddCaseNoteWithResponse(n.ctx, id, &client.AddCaseNoteParams{IdempotencyKey: n.key()},
		client.AddCaseNoteJSONRequestBody{Text: "Knows her birthday and her last order."})
	if err != nil {
		return err
	}
	if note.JSON201 == nil {
		return fmt.Errorf("note: %s", note.Body)
	}
	res, err := agent.ProposeInCaseWithResponse(n.ctx, id, &client.ProposeInCaseParams{IdempotencyKey: n.key()}, client.ProposeInCaseJSONRequestBody{Outcome: client.OutcomeApprove})
	if err != nil {
		return err
	}
	if res.StatusCode() != http.StatusUnprocessableEntity {
		return fmt.Errorf("a proposal without evidence: %s", res.Body)
	}
	n.say("POST …/proposals               → 422 evidence_short")
	return nil
}

func (n *narrator) attach(agent *client.ClientWithResponses, id string) error {
	n.say("A provider proofs her: person, document, face. Sam attaches where the result lies, and its hash:")
	sum := sha256.Sum256([]byte("the provider's document"))
	res, err := agent.AttachCaseArtefactWithResponse(n.ctx, id, &client.AttachCaseArtefactParams{IdempotencyKey: n.key()}, client.AttachCaseArtefactJSONRequestBody{
		Kind: client.ArtefactReproofing, Provider: "ident-co", Reference: "IDC-7781", Hash: hex.EncodeToString(sum[:]),
		PerformedAt: time.Now().Add(n.shift - time.Minute).UTC(),
	})
	if err != nil {
		return err
	}
	if res.JSON201 == nil {
		return fmt.Errorf("attach: %s", res.Body)
	}
	n.say("POST …/artefacts               reproofing, ident-co IDC-7781 → 201")
	return nil
}

func (n *narrator) propose(agent *client.ClientWithResponses, id string) (client.CaseProposal, error) {
	res, err := agent.ProposeInCaseWithResponse(n.ctx, id, &client.ProposeInCaseParams{IdempotencyKey: n.key()}, client.ProposeInCaseJSONRequestBody{Outcome: client.OutcomeApprove})
	if err != nil {
		return client.CaseProposal{}, err
	}
	if res.JSON201 == nil || res.JSON201.Proposal == nil {
		return client.CaseProposal{}, fmt.Errorf("propose: %s", res.Body)
	}
	p := *res.JSON201.Proposal
	n.say("POST …/proposals               → 201, bound to evidence_hash %s…", p.EvidenceHash[:12])
	return p, nil
}

// approve is one human: given the proposal, reading the case, deciding for what was read.
func (n *narrator) approve(name, id string, p client.CaseProposal) error {
	approver, err := n.staff("approver", name)
	if err != nil {
		return err
	}
	given, err := approver.AssignCaseWithResponse(n.ctx, &client.AssignCaseParams{IdempotencyKey: n.key()}, client.AssignCaseJSONRequestBody{})
	if err != nil {
		return err
	}
	if given.JSON200 == nil || given.JSON200.CaseID != id {
		return fmt.Errorf("assign: %s", given.Body)
	}
	read, err := approver.GetCaseWithResponse(n.ctx, id)
	if err != nil {
		return err
	}
	if read.JSON200 == nil || read.JSON200.Proposal == nil || read.JSON200.Proposal.EvidenceHash != p.EvidenceHash {
		return fmt.Errorf("read case: %s", read.Body)
	}
	res, err := approver.DecideInCaseWithResponse(n.ctx, id, p.ID, &client.DecideInCaseParams{IdempotencyKey: n.key()}, client.DecideInCaseJSONRequestBody{
		Decision: client.DecideApprove, EvidenceHash: p.EvidenceHash, Reason: "Looked up IDC-7781 at ident-co.",
	})
	if err != nil {
		return err
	}
	if res.JSON200 == nil {
		return fmt.Errorf("decide: %s", res.Body)
	}
	n.say("POST …/decisions               approver %s, drawn by the service → 200, the case is %s", name, res.JSON200.State)
	return nil
}
