package app_test

import (
	"crypto/ed25519"
	"encoding/base64"
	"encoding/json"
	"net/http"
	"strings"
	"testing"

	"github.com/golang-jwt/jwt/v5"
	standardwebhooks "github.com/standard-webhooks/standard-webhooks/libraries/go"
	"github.com/stretchr/testify/require"

	"github.com/holdfast/holdfast/api/client"
	"github.com/holdfast/holdfast/internal/app/apptest"
	"github.com/holdfast/holdfast/internal/signal"
)

// listening is a service that may send to this machine.
func listening(t *testing.T) *apptest.Service {
	t.Helper()
	return apptest.New(t, apptest.WithTokens(), apptest.WithEnv("HOLDFAST_SIGNAL_NETWORKS=127.0.0.0/8", "HOLDFAST_LIMIT_FACTOR=1000"))
}

// hooked registers an endpoint.
func hooked(t *testing.T, s *apptest.Service, r client.WebhookRequest) client.Webhook {
	t.Helper()
	return apptest.Decode[client.Webhook](t, s.Do(t, apptest.Request{Method: http.MethodPost, Path: "/v1/webhooks", As: s.IdentityToken, Body: r}), http.StatusCreated)
}

// about sends a request about an endpoint.
func about(t *testing.T, s *apptest.Service, id, method, path string, body any) apptest.Answer {
	t.Helper()
	return s.Do(t, apptest.Request{Method: method, Path: "/v1/webhooks/" + id + path, As: s.IdentityToken, Body: body})
}

// opened is a token whose signature was checked with the published keys.
type opened struct {
	jwt.RegisteredClaims
	Cause   string                    `json:"txn"`
	Subject map[string]any            `json:"sub_id"`
	Events  map[string]map[string]any `json:"events"`
}

// uri is the one event's name, without its beginning.
func (o opened) uri() string {
	for name := range o.Events {
		return name[strings.Index(name, "secevent/")+len("secevent/"):]
	}
	return ""
}

func (o opened) claims() map[string]any {
	for _, c := range o.Events {
		return c
	}
	return nil
}

// open checks a token as a receiver does: RS256 by a published key, the type, the media types, and what the profile demands.
func open(t *testing.T, s *apptest.Service, got apptest.Received) opened {
	t.Helper()
	require.Equal(t, "application/secevent+jwt", got.Header.Get("Content-Type"))
	require.Equal(t, "application/json", got.Header.Get("Accept"))
	jwks := s.Do(t, apptest.Request{Method: http.MethodGet, Path: "/.well-known/jwks.json"})
	var o opened
	parsed, err := jwt.NewParser(jwt.WithValidMethods([]string{"RS256"}), jwt.WithIssuer(apptest.Public)).ParseWithClaims(got.Body, &o, func(tok *jwt.Token) (any, error) {
		return rsaKey(t, jwks.Body, tok.Header["kid"]), nil
	})
	require.NoError(t, err)
	require.Equal(t, "secevent+jwt", parsed.Header["typ"])
	raw, err := base64.RawURLEncoding.DecodeString(strings.Split(got.Body, ".")[1])
	require.NoError(t, err)
	require.NoError(t, signal.CheckSET(raw))
	return o
}

// sort of what arrived, by what it tells.
func uris(t *testing.T, s *apptest.Service, all []apptest.Received) []string {
	t.Helper()
	out := make([]string, 0, len(all))
	for _, got := range all {
		o := open(t, s, got)
		name := o.uri()
		if level, ok := o.claims()["current_level"]; ok {
			name += " " + level.(string)
		}
		if change, ok := o.claims()["change_type"]; ok {
			name += " " + o.claims()["credential_type"].(string) + " " + change.(string)
		}
		out = append(out, name)
	}
	return out
}

type thin struct {
	Type string         `json:"type"`
	At   string         `json:"timestamp"`
	Data map[string]any `json:"data"`
}

// checked verifies a webhook with the reference library, and its ed25519 signature with the public key.
func checked(t *testing.T, w client.Webhook, got apptest.Received) thin {
	t.Helper()
	lib, err := standardwebhooks.NewWebhook(*w.Secret)
	require.NoError(t, err)
	require.NoError(t, lib.VerifyIgnoringTimestamp([]byte(got.Body), got.Header))
	public, err := base64.StdEncoding.DecodeString(strings.TrimPrefix(w.PublicKeys[0], "whpk_"))
	require.NoError(t, err)
	content := got.Header.Get("webhook-id") + "." + got.Header.Get("webhook-timestamp") + "." + got.Body
	first, ok := strings.CutPrefix(strings.Fields(got.Header.Get("webhook-signature"))[0], "v1a,")
	require.True(t, ok, "the asymmetric one comes first")
	signature, err := base64.StdEncoding.DecodeString(first)
	require.NoError(t, err)
	require.True(t, ed25519.Verify(public, []byte(content), signature))
	require.Less(t, len(got.Body), 20_000)
	var m thin
	require.NoError(t, json.Unmarshal([]byte(got.Body), &m))
	return m
}

//
func TestARecovery_TellsOtherSystemsExactlyWhatTheyAreToHear(t *testing.T) {
	t.Parallel()
	s := listening(t)
	there := apptest.NewReceiver(t)
	issuer := "https://login.example.com"
	set := hooked(t, s, client.WebhookRequest{Kind: client.WebhookKindSet, URL: there.URL + "/set", SubjectIssuer: &issuer})
	hook := hooked(t, s, client.WebhookRequest{Kind: client.WebhookKindWebhook, URL: there.URL + "/hook"})
	require.Nil(t, set.Secret, "tokens are signed by keys of the JWKS")
	s.Register(t, apptest.Person{Ref: "ada", Email: ada, Phone: adaPhone, AAL: 2})
	seed := s.EnrolTOTP(t, "ada")
	s.Advance(t, 8*apptest.Day)
	require.Equal(t, "factor.bound", checked(t, hook, there.Await(t, "/hook", 1)[0]).Type)
	require.Equal(t, []string{"caep/event-type/credential-change app create"}, uris(t, s, there.Await(t, "/set", 1)))

	c := s.Start(t, apptest.Claimant{Identifier: apptest.Email(ada)})
	c.ProveBy(t, client.MethodEmail)
	require.Len(t, there.All("/set"), 1)
	require.Zero(t, apptest.Query[int](t, s, `SELECT count(*) FROM signal_delivery WHERE recovery_id IS NOT NULL`))

	c.Prove(t, client.MethodTotp, s.TOTP(t, seed))
	held := checked(t, hook, there.Await(t, "/hook", 2)[1])
	require.Equal(t, thin{Type: "recovery.cooling_off.entered", At: held.At, Data: map[string]any{"account_ref": "ada", "recovery_id": c.ID}}, held)
	o := open(t, s, there.Await(t, "/set", 2)[1])
	require.Equal(t, "risc/event-type/recovery-activated", o.uri())
	require.Empty(t, o.claims(), "RISC allows none")
	require.Equal(t, map[string]any{"format": "iss_sub", "iss": issuer, "sub": "ada"}, o.Subject)
	require.Equal(t, jwt.ClaimStrings{there.URL + "/set"}, o.Audience)

	heard(t, s)
	s.Advance(t, 10*apptest.Day)
	c.Await(t, client.StateReady)
	require.Equal(t, http.StatusOK, s.Redeem(t, c.Grant(t).Grant).Status)
	done := there.Await(t, "/set", 5)[2:]
	require.ElementsMatch(t, []string{
		"caep/event-type/credential-change password update", "caep/event-type/session-revoked", "caep/event-type/risk-level-change MEDIUM",
	}, uris(t, s, done))
	for _, got := range done {
		o := open(t, s, got)
		require.Equal(t, open(t, s, done[0]).Cause, o.Cause, "one cause, one txn")
		if strings.HasSuffix(o.uri(), "session-revoked") {
			require.Equal(t, "complex", o.Subject["format"])
			require.NotEmpty(t, o.claims()["reason_admin"])
			require.Equal(t, "user", o.claims()["initiating_entity"])
		}
	}
	completed := there.Await(t, "/hook", 4)[2:]
	types := []string{checked(t, hook, completed[0]).Type, checked(t, hook, completed[1]).Type}
	require.ElementsMatch(t, []string{"recovery.completed", "recovery.probation.started"}, types)

	s.Advance(t, 31*apptest.Day)
	require.Equal(t, []string{"caep/event-type/risk-level-change LOW"}, uris(t, s, there.Await(t, "/set", 6)[5:]))
	for _, got := range append(there.All("/set"), there.All("/hook")...) {
		for _, personal := range []string{ada, adaPhone, "2001:db8", "ExampleApp"} {
			require.NotContains(t, got.Body, personal)
		}
	}
	require.Zero(t, apptest.Query[int](t, s, `SELECT count(*) FROM signal_delivery WHERE to_jsonb(signal_delivery)::text LIKE '%"ada"%'`), "the outbox holds no name")
}
