package signal_test

import (
	"encoding/json"
	"maps"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/holdfast/holdfast/internal/signal"
)

const (
	caep = "https://schemas.openid.net/secevent/caep/event-type/"
	risc = "https://schemas.openid.net/secevent/risc/event-type/"
)

// token makes the claims of a good token with the events, and changes on top; a nil value takes a claim out.
func token(t testing.TB, events map[string]any, change map[string]any) []byte {
	t.Helper()
	c := map[string]any{
		"iss": "https://recovery.example.com", "iat": 1772355600, "jti": "dlv_1", "aud": "https://rp.example.com", "txn": "evt_1",
		"sub_id": map[string]any{"format": "iss_sub", "iss": "https://login.example.com", "sub": "user-1042"}, "events": events,
	}
	maps.Copy(c, change)
	maps.DeleteFunc(c, func(_ string, v any) bool { return v == nil })
	out, err := json.Marshal(c)
	require.NoError(t, err)
	return out
}

func activated() map[string]any { return map[string]any{risc + "recovery-activated": map[string]any{}} }

//
func TestCheckSET_RefusesWhatMustNotLeave(t *testing.T) {
	t.Parallel()
	one := func(uri string, claims map[string]any) map[string]any { return map[string]any{uri: claims} }
	reason := map[string]any{"en": "x"}
	require.NoError(t, signal.CheckSET(token(t, activated(), nil)))
	for name, bad := range map[string][]byte{
		"exp":                         token(t, activated(), map[string]any{"exp": 1}),
		"sub":                         token(t, activated(), map[string]any{"sub": "user-1042"}),
		"nbf":                         token(t, activated(), map[string]any{"nbf": 1}),
		"no issuer":                   token(t, activated(), map[string]any{"iss": nil}),
		"no audience":                 token(t, activated(), map[string]any{"aud": ""}),
		"no id":                       token(t, activated(), map[string]any{"jti": nil}),
		"no time":                     token(t, activated(), map[string]any{"iat": "now"}),
		"no event":                    token(t, map[string]any{}, nil),
		"two events":                  token(t, map[string]any{risc + "recovery-activated": map[string]any{}, risc + "account-enabled": map[string]any{}}, nil),
		"deprecated event":            token(t, one(risc+"sessions-revoked", map[string]any{}), nil),
		"unknown event":               token(t, one(risc+"identifier-changed", map[string]any{}), nil),
		"claims where none may be":    token(t, one(risc+"recovery-activated", map[string]any{"reason": "x"}), nil),
		"no subject":                  token(t, activated(), map[string]any{"sub_id": nil}),
		"subject_type":                token(t, activated(), map[string]any{"sub_id": map[string]any{"subject_type": "iss-sub", "iss": "a", "sub": "b"}}),
		"an email subject":            token(t, activated(), map[string]any{"sub_id": map[string]any{"format": "email", "email": "robin@example.com"}}),
		"a phone subject":             token(t, activated(), map[string]any{"sub_id": map[string]any{"format": "phone_number", "phone_number": "+12065550100"}}),
		"more in a subject":           token(t, activated(), map[string]any{"sub_id": map[string]any{"format": "opaque", "id": "x", "email": "robin@example.com"}}),
		"complex in complex":          token(t, activated(), map[string]any{"sub_id": map[string]any{"format": "complex", "user": map[string]any{"format": "complex", "user": map[string]any{}}}}),
		"session without a reason":    token(t, one(caep+"session-revoked", map[string]any{"initiating_entity": "user"}), nil),
		"session with an empty one":   token(t, one(caep+"session-revoked", map[string]any{"reason_admin": map[string]any{"en": ""}}), nil),
		"credential without a type":   token(t, one(caep+"credential-change", map[string]any{"change_type": "create", "reason_admin": reason}), nil),
		"credential, unknown change":  token(t, one(caep+"credential-change", map[string]any{"credential_type": "app", "change_type": "reset", "reason_admin": reason}), nil),
		"unknown entity":              token(t, one(caep+"session-revoked", map[string]any{"initiating_entity": "robot", "reason_admin": reason}), nil),
		"risk without a principal":    token(t, one(caep+"risk-level-change", map[string]any{"current_level": "HIGH"}), nil),
		"risk of a level of its own":  token(t, one(caep+"risk-level-change", map[string]any{"principal": "USER", "current_level": "CRITICAL"}), nil),
		"compromise of the unnamed":   token(t, one(risc+"credential-compromise", map[string]any{"credential_type": "recovery-code"}), nil),
		"assurance without a level":   token(t, one(caep+"assurance-level-change", map[string]any{"namespace": "NIST-AAL"}), nil),
		"disabled for another reason": token(t, one(risc+"account-disabled", map[string]any{"reason": "mood"}), nil),
		"an address":                  token(t, one(caep+"session-revoked", map[string]any{"reason_admin": reason, "email": "robin@example.com"}), nil),
		"an address further in":       token(t, one(caep+"session-revoked", map[string]any{"reason_admin": reason, "x": []any{map[string]any{"user_ip": "192.0.2.1"}}}), nil),
		"not JSON":                    []byte("{"),
		"no object":                   []byte("[]"),
		"text after it":               append(token(t, activated(), nil), '{'),
	} {
		require.Error(t, signal.CheckSET(bad), name)
		require.NotContains(t, signal.CheckSET(bad).Error(), "robin", "%s: what is wrong repeats no value", name)
	}
}

func FuzzCheckSET(f *testing.F) {
	for _, seed := range [][]byte{
		token(f, activated(), nil), token(f, activated(), map[string]any{"exp": 1}), []byte(`{}`), []byte(`{"events":{"":{}}}`), []byte(`{"sub_id":{"format":"complex"}}`),
		[]byte(`[[[[`), []byte("{\"a\":\xff}"),
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		if signal.CheckSET(data) != nil {
			return
		}
		var c map[string]any
		require.NoError(t, json.Unmarshal(data, &c))
		require.Len(t, c["events"], 1)
		for _, never := range []string{"sub", "exp", "nbf"} {
			require.NotContains(t, c, never)
		}
	})
}
