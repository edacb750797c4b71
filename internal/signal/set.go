package signal

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"time"
)

// SETType is the typ of a Security Event Token's header (RFC 8417, section 2.3).
const SETType = "secevent+jwt"

// token is the claims of a Security Event Token: no sub and no exp, one event.
type token struct {
	Issuer   string             `json:"iss"`
	IssuedAt int64              `json:"iat"`
	ID       string             `json:"jti"`
	Audience string             `json:"aud"`
	Cause    string             `json:"txn,omitempty"`
	Subject  any                `json:"sub_id"`
	Events   map[EventURI]event `json:"events"`
}

type event map[string]any

// subject is a subject identifier (RFC 9493): iss_sub where the tenant named its issuer, else opaque.
type subject struct {
	Format string `json:"format"`
	Issuer string `json:"iss,omitempty"`
	Sub    string `json:"sub,omitempty"`
	ID     string `json:"id,omitempty"`
}

// complexSubject names a user among what a session could also be named by; without more it means all their sessions.
type complexSubject struct {
	Format string  `json:"format"`
	User   subject `json:"user"`
}

// tokenOf makes a delivery's token. The same delivery gives the same text, however often it is sent.
func tokenOf(issuer string, w Work, ref string) token {
	e := event{}
	maps.Copy(e, w.Claims)
	if strings.HasPrefix(string(w.Event), caep) {
		e["event_timestamp"] = w.At.Unix()
	}
	if w.Agreed {
		e["credential_type"] = w.Endpoint.SavedCodeType
	}
	return token{
		Issuer: issuer, IssuedAt: w.At.Unix(), ID: w.ID, Audience: w.Endpoint.Audience, Cause: w.Cause, Subject: subjectOf(w, ref),
		Events: map[EventURI]event{w.Event: e},
	}
}

func subjectOf(w Work, ref string) any {
	if w.Event == StreamVerification {
		return subject{Format: "opaque", ID: w.Endpoint.ID}
	}
	user := subject{Format: "opaque", ID: ref}
	if w.Endpoint.SubjectIssuer != "" {
		user = subject{Format: "iss_sub", Issuer: w.Endpoint.SubjectIssuer, Sub: ref}
	}
	if w.Event == SessionRevoked {
		return complexSubject{Format: "complex", User: user}
	}
	return user
}

// errSET is what is wrong with a token. It repeats none of its values.
func errSET(what string) error { return errors.New("security event token: " + what) }

// CheckSET reports what is wrong with the claims of a Security Event Token that is to leave: anything that SSF and the CAEP
// interoperability profile do not allow, an event that is not sent from here, and members that could hold
// personal data. A token that does not pass is not sent.
func CheckSET(claims []byte) error {
	dec := json.NewDecoder(bytes.NewReader(claims))
	dec.UseNumber()
	var t map[string]any
	if err := dec.Decode(&t); err != nil {
		return errSET("not a JSON object")
	}
	if _, err := dec.Token(); !errors.Is(err, io.EOF) {
		return errSET("text after the JSON object")
	}
	for name := range t {
		if !slices.Contains([]string{"iss", "iat", "jti", "aud", "txn", "sub_id", "events"}, name) {
			return errSET("a claim that it must not have") // exp, sub, nbf
		}
	}
	for _, name := range []string{"iss", "jti", "aud"} {
		if s, _ := t[name].(string); s == "" {
			return errSET(name + " is missing")
		}
	}
	if _, ok := t["iat"].(json.Number); !ok {
		return errSET("iat is missing")
	}
	events, _ := t["events"].(map[string]any)
	if len(events) != 1 {
		return errSET("there must be exactly one event")
	}
	for uri, body := range events {
		claims, ok := body.(map[string]any)
		if !ok || !slices.Contains(URIs(), EventURI(uri)) {
			return errSET("an event that is not sent from here")
		}
		if err := checkEvent(EventURI(uri), claims); err != nil {
			return err
		}
	}
	sub, _ := t["sub_id"].(map[string]any)
	return checkSubject(sub, true)
}

func checkEvent(uri EventURI, claims map[string]any) error {
	if by, ok := claims["initiating_entity"]; ok && !among(by, entities()) {
		return errSET("initiating_entity")
	}
	if at, ok := claims["event_timestamp"]; ok {
		if _, ok := at.(json.Number); !ok {
			return errSET("event_timestamp")
		}
	}
	if name := forbidden(claims); name != "" {
		return errSET("a member that could hold personal data: " + name)
	}
	switch uri { //nolint:exhaustive // the others have no claims of their own.
	case SessionRevoked:
		return checkReason(claims)
	case CredentialChange:
		if s, _ := claims["credential_type"].(string); s == "" || !among(claims["change_type"], changeTypes()) {
			return errSET("credential_type or change_type")
		}
		return checkReason(claims)
	case RiskChange:
		if s, _ := claims["principal"].(string); s == "" || !among(claims["current_level"], levels()) {
			return errSET("principal or current_level")
		}
	case AssuranceChange:
		if claims["namespace"] != "NIST-AAL" || !text(claims["current_level"]) {
			return errSET("namespace or current_level")
		}
	case CredentialCompromise:
		if !among(claims["credential_type"], credentialTypes()) {
			return errSET("credential_type")
		}
	case AccountDisabled:
		if r, ok := claims["reason"]; ok && r != "hijacking" && r != "bulk-account" {
			return errSET("reason")
		}
	case RecoveryActivated, AccountEnabled, AccountPurged, RecoveryInfoChanged, CredentialRequired:
		if len(claims) > 0 {
			return errSET("claims where none are allowed")
		}
	}
	return nil
}

// checkReason demands a reason for administrators.
func checkReason(claims map[string]any) error {
	reasons, _ := claims["reason_admin"].(map[string]any)
	for _, r := range reasons {
		if text(r) {
			return nil
		}
	}
	return errSET("reason_admin is empty")
}

// checkSubject allows what RFC 9493 names a user by without an address, at the top level and as the user of a complex subject.
func checkSubject(s map[string]any, top bool) error {
	if _, old := s["subject_type"]; old {
		return errSET("subject_type is deprecated")
	}
	switch s["format"] {
	case "iss_sub":
		if len(s) == 3 && text(s["iss"]) && text(s["sub"]) {
			return nil
		}
	case "opaque":
		if len(s) == 2 && text(s["id"]) {
			return nil
		}
	case "complex":
		user, ok := s["user"].(map[string]any)
		if top && ok && len(s) == 2 {
			return checkSubject(user, false)
		}
	}
	return errSET("sub_id")
}

// forbidden names a member that could hold an address, a number or a place, at any depth.
func forbidden(v any) string {
	switch v := v.(type) {
	case map[string]any:
		for name, inner := range v {
			for _, part := range []string{"email", "phone", "address", "ip", "user_agent", "fingerprint", "location", "name", "subject"} {
				if name == part || strings.HasPrefix(name, part+"_") || strings.HasSuffix(name, "_"+part) {
					return name
				}
			}
			if found := forbidden(inner); found != "" {
				return found
			}
		}
	case []any:
		for _, inner := range v {
			if found := forbidden(inner); found != "" {
				return found
			}
		}
	}
	return ""
}

func text(v any) bool {
	s, ok := v.(string)
	return ok && s != ""
}

func among(v any, allowed []string) bool {
	s, ok := v.(string)
	return ok && slices.Contains(allowed, s)
}

// message is the body of a webhook: thin.
type message struct {
	Type Type           `json:"type"`
	At   string         `json:"timestamp"`
	Data map[string]any `json:"data"`
}

// messageOf makes a delivery's webhook. The same delivery gives the same text, however often it is sent.
func messageOf(w Work, ref string) message {
	d := map[string]any{}
	maps.Copy(d, w.Claims)
	if ref != "" {
		d["account_ref"] = ref
	}
	return message{Type: w.Type, At: w.At.UTC().Format(time.RFC3339Nano), Data: d}
}

// maxBody is the largest body that is sent.
const maxBody = 20_000

// encode writes a body and refuses one that is too large.
func encode(v any) ([]byte, error) {
	b, err := json.Marshal(v)
	if err != nil {
		return nil, fmt.Errorf("encode signal: %w", err)
	}
	if len(b) >= maxBody {
		return nil, errors.New("encode signal: the body is too large")
	}
	return b, nil
}
