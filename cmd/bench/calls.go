package main

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
)

// claim is a recovery that a client has begun.
type claim struct {
	ID    string `json:"id"`
	Token string `json:"claimant_token"`
	State string `json:"state"`
}

// call sends a request as a client would and decodes the answer into out, if there is one.
func (s *service) call(ctx context.Context, method, path, credential, claimant, body string, out any) error {
	req, err := http.NewRequestWithContext(ctx, method, s.base+path, strings.NewReader(body))
	if err != nil {
		return err
	}
	req.Header.Set("Authorization", "Bearer "+credential)
	if claimant != "" {
		req.Header.Set("Holdfast-Claimant", claimant)
	}
	if method == http.MethodPost {
		req.Header.Set("Content-Type", "application/json")
		req.Header.Set("Idempotency-Key", `"`+rand.Text()+`"`)
	}
	res, err := s.http.Do(req)
	if err != nil {
		return err
	}
	defer func() { _ = res.Body.Close() }()
	text, err := io.ReadAll(io.LimitReader(res.Body, 1<<20))
	if err != nil {
		return err
	}
	if res.StatusCode >= http.StatusMultipleChoices {
		return statusError{res.StatusCode, method + " " + path, string(text)}
	}
	if out == nil {
		return nil
	}
	return json.Unmarshal(text, out)
}

// start begins a recovery from an address of the person's own and a device that the app knows.
func (s *service) start(ctx context.Context, identifier string) (claim, error) {
	var c claim
	random := rand.Text()
	body := fmt.Sprintf(`{"identifier":{"type":"email","value":%q},"reason":"lost_password",`+
		`"client":{"ip":"2001:db8:%x:%x::7","user_agent":"ExampleApp/4.2","known_device":true}}`, identifier, random[:2], random[2:4])
	return c, s.call(ctx, http.MethodPost, "/v1/recoveries", s.client.app, "", body, &c)
}

func (s *service) challenge(ctx context.Context, c claim, method string) (string, error) {
	var out struct {
		ID string `json:"id"`
	}
	err := s.call(ctx, http.MethodPost, "/v1/recoveries/"+c.ID+"/challenges", s.client.app, c.Token, fmt.Sprintf(`{"method":%q}`, method), &out)
	return out.ID, err
}

func (s *service) answer(ctx context.Context, c *claim, challenge, code string) error {
	return s.call(ctx, http.MethodPost, "/v1/recoveries/"+c.ID+"/challenges/"+challenge+"/answers", s.client.app, c.Token,
		fmt.Sprintf(`{"code":%q}`, code), c)
}

func (s *service) read(ctx context.Context, c *claim) error {
	return s.call(ctx, http.MethodGet, "/v1/recoveries/"+c.ID, s.client.app, c.Token, "", c)
}

// grant takes the grant and redeems it as the identity system.
func (s *service) grant(ctx context.Context, c claim) error {
	var out struct {
		Grant string `json:"grant"`
	}
	if err := s.call(ctx, http.MethodPost, "/v1/recoveries/"+c.ID+"/grant", s.client.app, c.Token, "", &out); err != nil {
		return err
	}
	return s.call(ctx, http.MethodPost, "/v1/grants/redeem", s.client.identity, "", fmt.Sprintf(`{"grant":%q}`, out.Grant), nil)
}
