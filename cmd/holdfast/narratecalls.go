package main

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/holdfast/holdfast/api/client"
	"github.com/holdfast/holdfast/internal/app/dev"
	"github.com/holdfast/holdfast/internal/factor/totp"
	"github.com/holdfast/holdfast/internal/secret"
)

func (n *narrator) start(identifier, reason string, known bool) (claim, error) {
	ip, agent := "203.0.113.7", "demo"
	n.say("POST /v1/recoveries            %s, %s", identifier, reason)
	res, err := n.app.StartRecoveryWithResponse(n.ctx, &client.StartRecoveryParams{IdempotencyKey: n.key()}, client.StartRecoveryJSONRequestBody{
		Identifier: client.Identifier{Type: "email", Value: identifier}, Reason: client.Reason(reason),
		Client: &client.EndUser{IP: &ip, UserAgent: &agent, KnownDevice: &known},
	})
	if err != nil {
		return claim{}, err
	}
	if res.JSON201 == nil {
		return claim{}, fmt.Errorf("start: %s", res.Body)
	}
	n.say("→ 201 %s, reference %s, methods %v", res.JSON201.State, res.JSON201.Reference, res.JSON201.Methods)
	return claim{res.JSON201.ID, res.JSON201.ClaimantToken}, nil
}

func (n *narrator) challenge(c claim, method string) (string, error) {
	n.say("POST …/challenges              %s", method)
	res, err := n.app.CreateChallengeWithResponse(n.ctx, c.id, &client.CreateChallengeParams{IdempotencyKey: n.key()},
		client.CreateChallengeJSONRequestBody{Method: client.Method(method)}, client.AsClaimant(c.token))
	if err != nil {
		return "", err
	}
	if res.JSON201 == nil {
		return "", fmt.Errorf("challenge: %s", res.Body)
	}
	return res.JSON201.ID, nil
}

func (n *narrator) answer(c claim, challenge, code string) (bool, error) {
	res, err := n.app.AnswerChallengeWithResponse(n.ctx, c.id, challenge, &client.AnswerChallengeParams{IdempotencyKey: n.key()},
		client.AnswerChallengeJSONRequestBody{Code: code}, client.AsClaimant(c.token))
	if err != nil {
		return false, err
	}
	if res.JSON200 == nil {
		var p struct {
			Code string `json:"code"`
		}
		_ = json.Unmarshal(res.Body, &p)
		n.say("→ %d %s", res.StatusCode(), p.Code)
		return false, nil
	}
	n.say("→ 200 %s, still to be proven: %v", res.JSON200.State, remaining(res.JSON200.Requirements))
	return true, nil
}

func remaining(r client.Requirements) string {
	if len(r.Remaining) == 0 {
		return "nothing"
	}
	parts := make([]string, 0, len(r.Remaining))
	for _, x := range r.Remaining {
		parts = append(parts, fmt.Sprintf("one of %v", x.AnyOf))
	}
	return strings.Join(parts, " and ")
}

// wrong asks for a challenge, answers it wrongly, and gives its id.
func (n *narrator) wrong(c claim, method string) (string, error) {
	id, err := n.challenge(c, method)
	if err != nil {
		return "", err
	}
	_, err = n.answer(c, id, "00000000")
	return id, err
}

func (n *narrator) proveByMail(c claim, a dev.Account) error {
	return n.proveBySent(c, "email", a.Channels[0].Address)
}

func (n *narrator) proveByText(c claim, a dev.Account) error {
	return n.proveBySent(c, "sms", a.Channels[1].Address)
}

// proveBySent asks for a code to an address on file, reads it there and answers.
func (n *narrator) proveBySent(c claim, method, address string) error {
	id, err := n.challenge(c, method)
	if err != nil {
		return err
	}
	m, err := n.message("recovery_code", address)
	if err != nil {
		return err
	}
	if m.Subject == "" { // a text message
		n.say("   %s gets a text message, code %s", address, m.Code)
	} else {
		n.say("   %s reads: “%s”, code %s", address, m.Subject, m.Code)
	}
	return n.right(c, id, m.Code)
}

// prove answers a challenge with a code that the claimant has already.
func (n *narrator) prove(c claim, method, code string) error {
	id, err := n.challenge(c, method)
	if err != nil {
		return err
	}
	return n.right(c, id, code)
}

func (n *narrator) right(c claim, challenge, code string) error {
	ok, err := n.answer(c, challenge, code)
	if err == nil && !ok {
		err = fmt.Errorf("the right code was refused")
	}
	return err
}

// totp is what the account's authenticator app shows at the service's time.
func (n *narrator) totp(a dev.Account) (string, error) {
	code, err := totp.Code(secret.NewString(a.TOTPSecret), time.Now().Add(n.shift))
	return code.Reveal(), err
}

func (n *narrator) get(c claim) (*client.Recovery, error) {
	res, err := n.app.GetRecoveryWithResponse(n.ctx, c.id, client.AsClaimant(c.token))
	if err != nil {
		return nil, err
	}
	if res.JSON200 == nil {
		return nil, fmt.Errorf("get: %s", res.Body)
	}
	return res.JSON200, nil
}

func (n *narrator) show(c claim) error {
	r, err := n.get(c)
	if err != nil {
		return err
	}
	hold := ""
	if r.NotBefore != nil {
		hold = ", not before " + r.NotBefore.Format(time.RFC3339)
	}
	n.say("GET  …                         → %s%s", r.State, hold)
	return nil
}

// until waits for a state: notices are on their way.
func (n *narrator) until(c claim, want client.State) error {
	for range 200 {
		r, err := n.get(c)
		if err != nil {
			return err
		}
		if r.State == want {
			n.say("GET  …                         → %s", r.State)
			return nil
		}
		select {
		case <-n.ctx.Done():
			return n.ctx.Err()
		case <-time.After(50 * time.Millisecond):
		}
	}
	return fmt.Errorf("never became %s", want)
}

func (n *narrator) grant(c claim) (string, error) {
	res, err := n.app.TakeGrantWithResponse(n.ctx, c.id, &client.TakeGrantParams{IdempotencyKey: n.key()}, client.TakeGrantJSONRequestBody{}, client.AsClaimant(c.token))
	if err != nil {
		return "", err
	}
	if res.JSON201 == nil {
		return "", fmt.Errorf("grant: %s", res.Body)
	}
	n.say("POST …/grant                   → 201, single use, until %s", res.JSON201.ExpiresAt.Format(time.RFC3339))
	return res.JSON201.Grant, nil
}

// finish waits until the recovery is ready, takes its grant and redeems it.
func (n *narrator) finish(c claim) error {
	if err := n.until(c, client.StateReady); err != nil {
		return err
	}
	grant, err := n.grant(c)
	if err != nil {
		return err
	}
	return n.redeem(grant)
}

func (n *narrator) redeem(grant string) error {
	for i := range 2 {
		res, err := n.id.RedeemGrantWithResponse(n.ctx, &client.RedeemGrantParams{IdempotencyKey: n.key()}, client.RedeemGrantJSONRequestBody{Grant: grant})
		if err != nil {
			return err
		}
		if (res.JSON200 != nil) != (i == 0) {
			return fmt.Errorf("redeem %d: %s", i+1, res.Body)
		}
		if i == 1 {
			n.say("POST /v1/grants/redeem         → %d: a second time it is worth nothing, and an alert", res.StatusCode())
			continue
		}
		r := res.JSON200
		n.say("POST /v1/grants/redeem         → %s may %v, AAL%d, probation until %s", r.AccountRef, r.Actions, r.Aal, r.ProbationUntil.Format(time.RFC3339))
		if r.ReplacementRecoveryCode != nil {
			n.say("                                 a fresh saved code takes the used one's place")
		}
		n.say("                                 signed: %s", claims(r.Statement))
	}
	return nil
}

// claims is the middle of a JWT.
func claims(jwt string) string {
	parts := strings.Split(jwt, ".")
	if len(parts) != 3 {
		return jwt
	}
	text, err := base64.RawURLEncoding.DecodeString(parts[1])
	if err != nil {
		return jwt
	}
	return string(text)
}

// inboxMessage is what the development inbox shows.
type inboxMessage struct {
	ID      string   `json:"id"`
	Kind    string   `json:"kind"`
	Subject string   `json:"subject"`
	Text    string   `json:"text"`
	Code    string   `json:"code"`
	Links   []string `json:"links"`
}

func (n *narrator) inbox(to string) ([]inboxMessage, error) {
	var out struct {
		Messages []inboxMessage `json:"messages"`
	}
	err := n.dev(http.MethodGet, "/dev/inbox?to="+url.QueryEscape(to), "", &out)
	return out.Messages, err
}

// message waits for a message of a kind to an address that was not read before.
func (n *narrator) message(kind, to string) (inboxMessage, error) {
	for range 200 {
		all, err := n.inbox(to)
		if err != nil {
			return inboxMessage{}, err
		}
		for _, m := range all {
			if m.Kind == kind && !n.read[m.ID] {
				n.read[m.ID] = true
				return m, nil
			}
		}
		select {
		case <-n.ctx.Done():
			return inboxMessage{}, n.ctx.Err()
		case <-time.After(50 * time.Millisecond):
		}
	}
	return inboxMessage{}, fmt.Errorf("no %s for %s", kind, to)
}

// notice shows a notice and gives the token of its link.
func (n *narrator) notice(kind, to string) (string, error) {
	m, err := n.message(kind, to)
	if err != nil {
		return "", err
	}
	first, _, _ := strings.Cut(strings.TrimSpace(m.Text), "\n")
	n.say("   %-24s %s", to, first)
	if len(m.Links) == 0 {
		return "", nil
	}
	_, token, _ := strings.Cut(m.Links[0], "#")
	return token, nil
}

// advance moves the service's clock, and remembers by how much.
func (n *narrator) advance(by time.Duration) error {
	n.say("(the development clock is moved on by %s)", by)
	n.shift += by
	var out struct {
		Now time.Time `json:"now"`
	}
	return n.dev(http.MethodPost, "/dev/clock", fmt.Sprintf(`{"advance":%q}`, by), &out)
}

// dev calls a development route, which the contract does not have.
func (n *narrator) dev(method, path, body string, out any) error {
	req, err := http.NewRequestWithContext(n.ctx, method, n.d.BaseURL+path, strings.NewReader(body))
	if err != nil {
		return err
	}
	req.Header.Set("Accept", "application/json")
	if body != "" {
		req.Header.Set("Content-Type", "application/json")
	}
	res, err := http.DefaultTransport.RoundTrip(req)
	if err != nil {
		return err
	}
	defer func() { _ = res.Body.Close() }()
	text, err := io.ReadAll(io.LimitReader(res.Body, 4<<20))
	if err != nil {
		return err
	}
	if res.StatusCode != http.StatusOK {
		return fmt.Errorf("%s: %d %s", path, res.StatusCode, text)
	}
	return json.Unmarshal(text, out)
}
