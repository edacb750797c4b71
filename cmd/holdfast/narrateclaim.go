package main

import (
	"fmt"
	"net/http"
	"strings"

	"github.com/holdfast/holdfast/api/client"
)

// finn has not started anything; he calls. The agent opens a case for his account, and the link goes to his address on file. Who
// finds it takes the claimant's seat, once, and has still everything to prove.
func (n *narrator) finn() error {
	a := n.account("user-finn")
	agent, err := n.staff("agent", "sam")
	if err != nil {
		return err
	}
	reason := client.LostPassword
	res, err := agent.OpenCaseWithResponse(n.ctx, &client.OpenCaseParams{IdempotencyKey: n.key()}, client.OpenCaseJSONRequestBody{AccountRef: &a.AccountRef, Reason: &reason})
	if err != nil {
		return err
	}
	if res.JSON201 == nil {
		return fmt.Errorf("open case: %s", res.Body)
	}
	n.say("POST /v1/cases                 agent sam, account_ref %s → 201 %s", a.AccountRef, res.JSON201.State)
	n.say("Sam gets no link and no address. A message goes to what is on file:")
	link, err := n.notice("claim_link", a.Channels[0].Address)
	if err != nil {
		return err
	}
	n.say("Finn presses the button of the app's page; the app sends the secret from behind the #:")
	c, err := n.seat(link)
	if err != nil {
		return err
	}
	n.say("The link was passed on as well, and comes again:")
	late, err := n.app.ClaimRecoveryWithResponse(n.ctx, &client.ClaimRecoveryParams{IdempotencyKey: n.key()}, client.ClaimRecoveryJSONRequestBody{ClaimToken: link})
	if err != nil {
		return err
	}
	if late.StatusCode() != http.StatusUnprocessableEntity || !strings.Contains(string(late.Body), "claim_refused") {
		return fmt.Errorf("a second claim: %s", late.Body)
	}
	n.say("POST …/claims                  → 422 claim_refused, and an alert")
	if err := n.proveByMail(c, a); err != nil {
		return err
	}
	n.say("From here it is a recovery as any other: a hold, notices, and an owner who can object.")
	return n.show(c)
}

// seat takes the claimant's seat by a claim link.
func (n *narrator) seat(link string) (claim, error) {
	res, err := n.app.ClaimRecoveryWithResponse(n.ctx, &client.ClaimRecoveryParams{IdempotencyKey: n.key()}, client.ClaimRecoveryJSONRequestBody{ClaimToken: link})
	if err != nil {
		return claim{}, err
	}
	if res.JSON201 == nil {
		return claim{}, fmt.Errorf("claim: %s", res.Body)
	}
	n.say("POST /v1/recoveries/claims     → 201 %s, reference %s, proven: nothing", res.JSON201.State, res.JSON201.Reference)
	return claim{res.JSON201.ID, res.JSON201.ClaimantToken}, nil
}
