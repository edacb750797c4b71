package main

import (
	"fmt"
	"time"

	"github.com/holdfast/holdfast/api/client"
	"github.com/holdfast/holdfast/internal/app/dev"
)

// dora is S1 of requirements.md 4.5: a thief who has the mailbox objects to the owner's own claim.
func (n *narrator) dora() error {
	a := n.account("staff-dora")
	c, err := n.start(a.Identifier.Value, "lost_password", true)
	if err != nil {
		return err
	}
	if err := n.proveByText(c, a); err != nil {
		return err
	}
	if err := n.prove(c, "recovery_code", a.RecoveryCodes[0]); err != nil {
		return err
	}
	n.say("The hold runs. Somebody else reads Dora's mail, and presses the button of the notice:")
	token, err := n.notice("hold_entered", a.Channels[0].Address)
	if err != nil {
		return err
	}
	if err := n.object(token, nil); err != nil {
		return err
	}
	r, err := n.get(c)
	if err != nil {
		return err
	}
	if r.Contest == nil {
		return fmt.Errorf("the claimant does not see that somebody objected")
	}
	n.say("GET  …                         → %s until %s at most; more would help: %v", r.State, r.Contest.PausedUntil.Format(time.RFC3339), r.Contest.StepUp)
	n.say("Dora has more than a mailbox. Her authenticator app outweighs a link, and the hold goes on:")
	code, err := n.totp(a)
	if err != nil {
		return err
	}
	if err := n.prove(c, "totp", code); err != nil {
		return err
	}
	if r, err = n.get(c); err != nil {
		return err
	}
	n.say("The same link again is refused: one pause for each address. At the end of the hold she is in:")
	if err := n.object(token, nil); err == nil {
		return fmt.Errorf("a second pause from the same address")
	}
	if err := n.advance(r.NotBefore.Sub(time.Now().Add(n.shift)).Round(time.Minute) + 2*time.Minute); err != nil {
		return err
	}
	return n.finish(c)
}

// eve is S2: a thief claims, and the signed-in owner ends it in one step.
func (n *narrator) eve() error {
	a := n.account("admin-eve")
	c, err := n.start(a.Identifier.Value, "lost_all", false)
	if err != nil {
		return err
	}
	if err := n.proveByMail(c, a); err != nil {
		return err
	}
	n.say("Eve is signed in, and hears of it on her telephone. In the app, with a code of her authenticator, she ends it for good:")
	if _, err := n.notice("recovery_started", a.Channels[1].Address); err != nil {
		return err
	}
	code, err := n.totp(a)
	if err != nil {
		return err
	}
	res, err := n.id.ObjectFromAppWithResponse(n.ctx, a.AccountRef, &client.ObjectFromAppParams{IdempotencyKey: n.key()},
		client.ObjectFromAppJSONRequestBody{Evidence: &client.Evidence{Method: client.EvidenceMethodTotp, Code: code}})
	if err != nil {
		return err
	}
	if res.JSON202 == nil || len(res.JSON202.Objections) != 1 {
		return fmt.Errorf("objection: %s", res.Body)
	}
	n.say("POST …/%s/objections   → %s", a.AccountRef, res.JSON202.Objections[0].Outcome)
	if err := n.show(c); err != nil {
		return err
	}
	status, err := n.status(a.AccountRef)
	if err != nil {
		return err
	}
	n.say("The mailbox is suspect for a week and proves nothing meanwhile: means now %v", status.Means)
	return nil
}

// hana is S5: a thief inside the account changes the address, recovers it by a stolen number, and is put out.
func (n *narrator) hana() error {
	a := dev.Account{
		AccountRef: "user-hana", Population: "consumer", Identifier: dev.Identifier{Type: "email", Value: "hana@example.com"},
		Channels: []dev.Channel{{Type: "email", Address: "hana@example.com"}, {Type: "sms", Address: "+447700900108"}},
	}
	n.say("Hana's identity system registers her account and gives her saved codes.")
	if err := n.register(a); err != nil {
		return err
	}
	issued, err := n.id.IssueRecoveryCodesWithResponse(n.ctx, a.AccountRef, &client.IssueRecoveryCodesParams{IdempotencyKey: n.key()}, client.IssueRecoveryCodesJSONRequestBody{})
	if err != nil {
		return err
	}
	if issued.JSON201 == nil {
		return fmt.Errorf("codes: %s", issued.Body)
	}
	if err := n.advance(10 * 24 * time.Hour); err != nil {
		return err
	}
	n.say("A thief sits in her account and puts an address of his own in the place of hers. Hers hears of it, and of all that follows for a week:")
	theirs := a
	theirs.Identifier.Value = "mallory@example.net"
	theirs.Channels = []dev.Channel{{Type: "email", Address: "mallory@example.net"}, a.Channels[1]}
	if err := n.register(theirs); err != nil {
		return err
	}
	if _, err := n.notice("channel_removed", a.Channels[0].Address); err != nil {
		return err
	}
	if err := n.advance(3 * 24 * time.Hour); err != nil {
		return err
	}
	n.say("Three days later he claims the account by her number, which he has taken over:")
	c, err := n.start(theirs.Identifier.Value, "lost_password", true)
	if err != nil {
		return err
	}
	if err := n.proveByText(c, theirs); err != nil {
		return err
	}
	if _, err := n.notice("hold_entered", a.Channels[0].Address); err != nil {
		return err
	}
	if err := n.advance(73 * time.Hour); err != nil {
		return err
	}
	if err := n.finish(c); err != nil {
		return err
	}
	n.say("He is in. Hana opens the link at her old address and adds a saved code: two kinds of proof against his one.")
	token, err := n.notice("recovery_completed", a.Channels[0].Address)
	if err != nil {
		return err
	}
	if err := n.object(token, &client.Evidence{Method: client.EvidenceMethodRecoveryCode, Code: issued.JSON201.RecoveryCodes[0]}); err != nil {
		return err
	}
	if err := n.until(c, client.StateReversed); err != nil {
		return err
	}
	status, err := n.status(a.AccountRef)
	if err != nil {
		return err
	}
	if len(status.Reversals) != 1 {
		return fmt.Errorf("the status does not tell the reversal")
	}
	n.say("GET  …/status                  → end %v that began at %s or later", status.Reversals[0].Revoke, status.Reversals[0].Since.Format(time.RFC3339))
	return nil
}

// object presses the button of a notice's page, perhaps with a proof beside it.
func (n *narrator) object(token string, proof *client.Evidence) error {
	res, err := n.id.ObjectByLinkWithResponse(n.ctx, &client.ObjectByLinkParams{}, client.ObjectByLinkJSONRequestBody{Token: token, Evidence: proof})
	if err != nil {
		return err
	}
	if res.JSON202 == nil {
		return fmt.Errorf("objection: %s", res.Body)
	}
	n.say("POST /v1/objections            → %s", res.JSON202.Outcome)
	return nil
}

func (n *narrator) status(ref string) (*client.AccountStatus, error) {
	res, err := n.id.GetAccountStatusWithResponse(n.ctx, ref)
	if err != nil {
		return nil, err
	}
	if res.JSON200 == nil {
		return nil, fmt.Errorf("status: %s", res.Body)
	}
	return res.JSON200, nil
}

// register puts an account as its identity system does. Addresses are sixty days old where the account is new.
func (n *narrator) register(a dev.Account) error {
	body := client.AccountRegistration{
		Population: a.Population, Assurance: client.Assurance{Aal: 1},
		Identifiers: []client.Identifier{{Type: client.IdentifierType(a.Identifier.Type), Value: a.Identifier.Value}},
	}
	for _, ch := range a.Channels {
		verified := time.Now().Add(n.shift - 60*24*time.Hour)
		body.Channels = append(body.Channels, client.Channel{Type: client.ChannelType(ch.Type), Address: ch.Address, VerifiedAt: verified})
	}
	res, err := n.id.PutAccountWithResponse(n.ctx, a.AccountRef, body)
	if err != nil {
		return err
	}
	if res.JSON200 == nil && res.JSON201 == nil {
		return fmt.Errorf("register: %s", res.Body)
	}
	n.say("PUT  /v1/accounts/%s    → %d", a.AccountRef, res.StatusCode())
	return nil
}
