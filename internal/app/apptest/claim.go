package apptest

import (
	"crypto/rand"
	"fmt"
	"net/http"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/holdfast/holdfast/api/client"
)

// Claim is one claimant with one recovery, at a device of their own.
type Claim struct {
	client.StartedRecovery

	s *Service
}

// Claimant is who starts a recovery, and how.
type Claimant struct {
	Identifier client.Identifier
	Reason     client.Reason // lost_password when empty
	NewDevice  bool          // not one that the app has seen signed in
	IP         string        // an address of its own when empty
}

// Email is an e-mail address as an identifier.
func Email(address string) client.Identifier {
	return client.Identifier{Type: client.IdentifierTypeEmail, Value: address}
}

// Body is what the app sends to start a recovery.
func (c Claimant) Body() client.StartRequest {
	if c.Reason == "" {
		c.Reason = client.LostPassword
	}
	if c.IP == "" {
		c.IP = NewIP()
	}
	known, agent := !c.NewDevice, "ExampleApp/4.2"
	return client.StartRequest{
		Identifier: c.Identifier, Reason: c.Reason, Client: &client.EndUser{IP: &c.IP, KnownDevice: &known, UserAgent: &agent},
	}
}

// NewIP makes up an address of the documentation's prefix, in a network of its own, so that tests do not share limits.
func NewIP() string {
	var b [4]byte
	_, _ = rand.Read(b[:]) // never fails (crypto/rand)
	return fmt.Sprintf("2001:db8:%x:%x::7", int(b[0])<<8|int(b[1]), int(b[2])<<8|int(b[3]))
}

// Start starts a recovery through the app.
func (s *Service) Start(t testing.TB, c Claimant) *Claim {
	t.Helper()
	a := s.Do(t, Request{Method: http.MethodPost, Path: "/v1/recoveries", As: s.AppToken, Body: c.Body()})
	return s.Claim(Decode[client.StartedRecovery](t, a, http.StatusCreated))
}

// Claim takes up a recovery that was started in some other way.
func (s *Service) Claim(started client.StartedRecovery) *Claim {
	return &Claim{s: s, StartedRecovery: started}
}

// Request is a request about this recovery, with its credentials. The path goes on after the recovery's id.
func (c *Claim) Request(method, path string, body any) Request {
	return Request{Method: method, Path: "/v1/recoveries/" + c.ID + path, As: c.s.AppToken, Claimant: c.ClaimantToken, Body: body}
}

// Do sends a request about this recovery.
func (c *Claim) Do(t testing.TB, method, path string, body any) Answer {
	t.Helper()
	return c.s.Do(t, c.Request(method, path, body))
}

// Read reads the recovery.
func (c *Claim) Read(t testing.TB) client.Recovery {
	t.Helper()
	return Decode[client.Recovery](t, c.Do(t, http.MethodGet, "", nil), http.StatusOK)
}

// Ask asks for a challenge.
func (c *Claim) Ask(t testing.TB, m client.Method) client.Challenge {
	t.Helper()
	return Decode[client.Challenge](t, c.Do(t, http.MethodPost, "/challenges", client.ChallengeRequest{Method: m}), http.StatusCreated)
}

// Answer answers a challenge.
func (c *Claim) Answer(t testing.TB, challenge, code string) Answer {
	t.Helper()
	return c.Do(t, http.MethodPost, "/challenges/"+challenge+"/answers", client.AnswerRequest{Code: code})
}

// Prove asks for a challenge and answers it with a code that the claimant has already.
func (c *Claim) Prove(t testing.TB, m client.Method, code string) client.Recovery {
	t.Helper()
	return Decode[client.Recovery](t, c.Answer(t, c.Ask(t, m).ID, code), http.StatusOK)
}

// ProveBy asks for a code to an address on file, reads it there and answers.
func (c *Claim) ProveBy(t testing.TB, m client.Method) client.Recovery {
	t.Helper()
	ch := c.Ask(t, m)
	return Decode[client.Recovery](t, c.Answer(t, ch.ID, c.s.Mail.Code(t, ch.ID, 1)), http.StatusOK)
}

// Await waits until the recovery is in a state.
func (c *Claim) Await(t testing.TB, state client.State) client.Recovery {
	t.Helper()
	var r client.Recovery
	require.Eventually(t, func() bool { r = c.Read(t); return r.State == state }, Patience, glance, "the state %s is not reached", state)
	return r
}

// Grant takes the grant.
func (c *Claim) Grant(t testing.TB) client.Grant {
	t.Helper()
	return Decode[client.Grant](t, c.Do(t, http.MethodPost, "/grant", nil), http.StatusCreated)
}

// Redeem redeems a grant as the identity system.
func (s *Service) Redeem(t testing.TB, grant string) Answer {
	t.Helper()
	return s.Do(t, Request{Method: http.MethodPost, Path: "/v1/grants/redeem", As: s.IdentityToken, Body: client.RedeemRequest{Grant: grant}})
}

// Object objects by the token of a notice's link, as the page does.
func (s *Service) Object(t testing.TB, token string) Answer {
	t.Helper()
	return s.Do(t, Request{Method: http.MethodPost, Path: "/v1/objections", Body: client.ObjectionRequest{Token: token}})
}
