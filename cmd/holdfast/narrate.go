package main

import (
	"context"
	"fmt"
	"time"

	"github.com/holdfast/holdfast/api/client"
	"github.com/holdfast/holdfast/internal/app/dev"
)

// narrator walks recoveries and tells what happens. It knows the service by its API alone.
type narrator struct {
	*env
	ctx   context.Context //nolint:containedctx // one walk.
	d     dev.Description
	pause time.Duration
	app   *client.ClientWithResponses
	id    *client.ClientWithResponses
	keys  int
	read  map[string]bool
	shift time.Duration // by how much the service's clock was moved
}

// claim is a recovery as its claimant holds it.
type claim struct{ id, token string }

// tell walks all stories.
func (n *narrator) tell() error {
	var err error
	if n.app, err = client.NewClientWithResponses(n.d.BaseURL, client.WithBearer(n.d.Credentials.App)); err != nil {
		return err
	}
	if n.id, err = client.NewClientWithResponses(n.d.BaseURL, client.WithBearer(n.d.Credentials.Identity)); err != nil {
		return err
	}
	for _, story := range []struct {
		title string
		walk  func() error
	}{
		{"1. Ada forgot her password, on a device that the shop knows", n.ada},
		{"2. Ben lost his phone; his account has a second factor, so there is a hold", n.ben},
		{"3. Somebody who holds Ada's mailbox tries; Ada presses the button", n.thief},
		{"4. A thief who reads Dora's mail objects to her own recovery", n.dora},
		{"5. A thief claims Eve's account; she ends it in the app", n.eve},
		{"6. A thief changed Hana's address and got in; she takes the account back", n.hana},
		{"7. Cleo lost phone, mailbox and codes; two humans decide about what a provider found", n.cleo},
		{"8. Finn calls support, who may send him a link and never see it", n.finn},
		{"9. Nobody by that name: the answers look the same", n.nobody},
	} {
		n.printf("\n\033[1m%s\033[0m\n\n", story.title)
		if err := story.walk(); err != nil {
			return fmt.Errorf("%s: %w", story.title, err)
		}
	}
	n.printf("\nThat was the public API only. `make run` starts an instance to try it yourself.\n")
	return nil
}

func (n *narrator) say(format string, args ...any) {
	n.printf("   "+format+"\n", args...)
	select {
	case <-n.ctx.Done():
	case <-time.After(n.pause):
	}
}

func (n *narrator) key() string {
	n.keys++
	return client.QuoteKey(fmt.Sprintf("demo-%d", n.keys))
}

func (n *narrator) account(ref string) dev.Account {
	for _, a := range n.d.Accounts {
		if a.AccountRef == ref {
			return a
		}
	}
	return dev.Account{}
}

func (n *narrator) ada() error {
	a := n.account("user-ada")
	c, err := n.start(a.Identifier.Value, "lost_password", true)
	if err != nil {
		return err
	}
	if err := n.proveByMail(c, a); err != nil {
		return err
	}
	if err := n.until(c, client.StateReady); err != nil {
		return err
	}
	n.say("Low risk, one factor, a known device: no hold. But the notice had to be accepted by an address that was not the proof:")
	if _, err := n.notice("hold_entered", a.Channels[1].Address); err != nil {
		return err
	}
	grant, err := n.grant(c)
	if err != nil {
		return err
	}
	return n.redeem(grant)
}

func (n *narrator) ben() error {
	a := n.account("user-ben")
	c, err := n.start(a.Identifier.Value, "lost_mfa", true)
	if err != nil {
		return err
	}
	n.say("First a wrong code. It is counted, and refused in words that tell nothing:")
	challenge, err := n.wrong(c, "totp")
	if err != nil {
		return err
	}
	if err := n.proveByMail(c, a); err != nil {
		return err
	}
	n.say("An emailed code alone never opens an account with a second factor. Ben finds his authenticator app after all:")
	code, err := n.totp(a)
	if err != nil {
		return err
	}
	if ok, err := n.answer(c, challenge, code); err != nil || !ok {
		return fmt.Errorf("the right password was refused: %w", err)
	}
	if err := n.show(c); err != nil {
		return err
	}
	n.say("The hold runs. Asking for the grant now is refused:")
	if _, err := n.grant(c); err == nil {
		return fmt.Errorf("a grant before the end of the hold")
	}
	n.say("… not ready. Every address on file was told at the start of the hold:")
	for _, ch := range a.Channels {
		if _, err := n.notice("hold_entered", ch.Address); err != nil {
			return err
		}
	}
	if err := n.advance(25 * time.Hour); err != nil {
		return err
	}
	return n.finish(c)
}

func (n *narrator) thief() error {
	a := n.account("user-ada")
	c, err := n.start(a.Identifier.Value, "lost_password", false)
	if err != nil {
		return err
	}
	if err := n.proveByMail(c, a); err != nil {
		return err
	}
	if err := n.show(c); err != nil {
		return err
	}
	n.say("An unknown device, and the second recovery this month: it is held. Ada's telephone gets a text message with a link:")
	token, err := n.notice("hold_entered", a.Channels[1].Address)
	if err != nil {
		return err
	}
	n.say("Opening the link changes nothing, whoever opens it: a mail scanner, a preview. She presses the button.")
	res, err := n.id.ObjectByLinkWithResponse(n.ctx, &client.ObjectByLinkParams{}, client.ObjectByLinkJSONRequestBody{Token: token})
	if err != nil || res.JSON202 == nil {
		return fmt.Errorf("objection: %w", err)
	}
	n.say("POST /v1/objections            → %s", res.JSON202.Outcome)
	if err := n.show(c); err != nil {
		return err
	}
	n.say("The clock has stopped, and no grant leaves:")
	if _, err := n.grant(c); err == nil {
		return fmt.Errorf("a grant against an objection")
	}
	n.say("… refused. To go on, the claimant has to show more than the owner did; a mailbox is not more.")
	return nil
}

func (n *narrator) nobody() error {
	c, err := n.start("nobody@example.com", "lost_password", true)
	if err != nil {
		return err
	}
	if _, err := n.wrong(c, "email"); err != nil {
		return err
	}
	n.say("A recovery, a challenge, a refusal, with the same rows and jobs behind them. No message was sent:")
	messages, err := n.inbox("nobody@example.com")
	if err != nil {
		return err
	}
	n.say("inbox of nobody@example.com: %d messages", len(messages))
	return nil
}
