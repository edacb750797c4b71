package audit_test

import (
	"encoding/json"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/holdfast/holdfast/internal/audit"
)

var update = flag.Bool("update", false, "write the golden leaves of the present version anew")

var (
	salt     = []byte("0123456789abcdef")
	saltToo  = []byte("fedcba9876543210")
	sealedAt = time.Date(2026, 3, 1, 9, 0, 0, 123456000, time.UTC)
)

// transition is an entry with everything that an entry can have.
func transition() audit.Entry {
	return audit.Entry{
		Event: audit.Event{
			ID: "evt_01kagx3z8fet0a1m6c9d2v4w7y", Tenant: "acme", At: sealedAt, Actor: audit.Actor{Kind: audit.ActorClient, ID: "cli_1"},
			Action: audit.ProofAccepted, Subject: "rcv_1", Account: "acc_1", Recovery: "rcv_1", Version: 3, From: "verifying", To: "verifying",
			Reason: "proof", PolicyVersion: "balanced/1", Outcome: audit.Success,
			Details: map[string]any{
				"method": "email", "class": "S", "aal": json.Number("1"), "score": json.Number("12.50"), "big": json.Number("9007199254740993"),
				"list": []any{"b", "a", nil, true}, "text": "quote \" slash \\ tab\t bell\a é 漢 😀 <&>",
			},
		},
		Salt: salt, Personal: &audit.Personal{Salt: saltToo, Origin: "203.0.113.0/24", RequestID: "req-1"},
	}
}

func entries() map[string]audit.Entry {
	plain := audit.Entry{Event: audit.Event{
		ID: "evt_01kagx3z8fet0a1m6c9d2v4w7z", Tenant: "acme", At: sealedAt.Truncate(time.Second), Actor: audit.Actor{Kind: audit.ActorSystem},
		Action: audit.NoticeAccepted, Subject: "ntc_1", Outcome: audit.Success,
	}, Salt: saltToo}
	return map[string]audit.Entry{"transition": transition(), "plain": plain}
}

func encode(t testing.TB, e audit.Entry) []byte {
	t.Helper()
	l, err := audit.LeafOf(e)
	require.NoError(t, err)
	text, err := l.Encode()
	require.NoError(t, err)
	return text
}

// A leaf that was sealed once must be read, and come out the same, for ever.
func TestLeaf_IsEncodedAsItWasWhenItWasSealed(t *testing.T) {
	t.Parallel()
	for name, e := range entries() {
		path := filepath.Join("testdata", "leaf_v1_"+name+".json")
		if *update {
			require.NoError(t, os.WriteFile(path, encode(t, e), 0o600))
		}
		golden, err := os.ReadFile(path)
		require.NoError(t, err)
		require.Equal(t, string(golden), string(encode(t, e)), name)
		l, err := audit.ParseLeaf(golden)
		require.NoError(t, err)
		differences, err := l.Compare(e)
		require.NoError(t, err)
		require.Empty(t, differences)
		require.False(t, l.Missing(e))
	}
}

//
func TestLeaf_HoldsNothingThatLeadsToAPerson(t *testing.T) {
	t.Parallel()
	text := string(encode(t, transition()))
	for _, private := range []string{"acc_1", "rcv_1", "cli_1", "203.0.113", "req-1", "email"} {
		require.NotContains(t, text, private)
	}
	other := transition()
	other.Salt = saltToo
	require.NotEqual(t, text, string(encode(t, other)), "the same event under another salt gives another leaf")
}

//
func TestLeaf_TellsWhichPartOfAnEventWasChanged(t *testing.T) {
	t.Parallel()
	l, err := audit.LeafOf(transition())
	require.NoError(t, err)
	for name, tc := range map[string]struct {
		edit func(*audit.Entry)
		want audit.Difference
	}{
		"tenant":     {func(e *audit.Entry) { e.Event.Tenant = "other" }, audit.DiffersInClear},
		"id":         {func(e *audit.Entry) { e.Event.ID = "evt_2" }, audit.DiffersInClear},
		"time":       {func(e *audit.Entry) { e.Event.At = e.Event.At.Add(time.Microsecond) }, audit.DiffersInClear},
		"action":     {func(e *audit.Entry) { e.Event.Action = audit.ProofRejected }, audit.DiffersInClear},
		"outcome":    {func(e *audit.Entry) { e.Event.Outcome = audit.Failure }, audit.DiffersInClear},
		"version":    {func(e *audit.Entry) { e.Event.Version++ }, audit.DiffersInClear},
		"from":       {func(e *audit.Entry) { e.Event.From = "initiated" }, audit.DiffersInClear},
		"to":         {func(e *audit.Entry) { e.Event.To = "ready" }, audit.DiffersInClear},
		"reason":     {func(e *audit.Entry) { e.Event.Reason = "" }, audit.DiffersInClear},
		"policy":     {func(e *audit.Entry) { e.Event.PolicyVersion = "nist/1" }, audit.DiffersInClear},
		"actor kind": {func(e *audit.Entry) { e.Event.Actor.Kind = audit.ActorOwner }, audit.DiffersInClear},
		"actor":      {func(e *audit.Entry) { e.Event.Actor.ID = "cli_2" }, audit.DiffersInLinks},
		"subject":    {func(e *audit.Entry) { e.Event.Subject = "rcv_2" }, audit.DiffersInLinks},
		"account":    {func(e *audit.Entry) { e.Event.Account = "acc_2" }, audit.DiffersInLinks},
		"recovery":   {func(e *audit.Entry) { e.Event.Recovery = "rcv_2" }, audit.DiffersInLinks},
		"details":    {func(e *audit.Entry) { e.Event.Details["aal"] = json.Number("2") }, audit.DiffersInLinks},
		"salt":       {func(e *audit.Entry) { e.Salt = saltToo }, audit.DiffersInLinks},
		"origin":     {func(e *audit.Entry) { e.Personal.Origin = "198.51.100.0/24" }, audit.DiffersInPersonal},
		"request":    {func(e *audit.Entry) { e.Personal.RequestID = "req-2" }, audit.DiffersInPersonal},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			e := transition()
			tc.edit(&e)
			got, err := l.Compare(e)
			require.NoError(t, err)
			require.Equal(t, []audit.Difference{tc.want}, got)
		})
	}
	erased := transition()
	erased.Personal = nil
	got, err := l.Compare(erased)
	require.NoError(t, err)
	require.Empty(t, got, "what was erased differs in nothing")
	require.True(t, l.Missing(erased))
}

func TestParseLeaf_TakesOneTextForOneLeaf(t *testing.T) {
	t.Parallel()
	good := string(encode(t, transition()))
	for name, text := range map[string]string{
		"empty":          "",
		"white space":    good + " ",
		"other order":    `{"v":1,` + strings.Replace(good[1:], `,"v":1`, "", 1),
		"unknown member": strings.Replace(good, `"v":1`, `"u":1,"v":1`, 1),
		"no commitment":  strings.Replace(good, `"links":"`, `"links":"AA`, 1),
		"another time":   strings.Replace(good, ".123456Z", ".1234560Z", 1),
	} {
		_, err := audit.ParseLeaf([]byte(text))
		require.ErrorIs(t, err, audit.ErrNotCanonical, name)
	}
	_, err := audit.ParseLeaf([]byte(strings.Replace(good, `"v":1`, `"v":99`, 1)))
	require.ErrorContains(t, err, "version 99")
}

func TestLeafOf_RefusesAnEntryWithoutSalt(t *testing.T) {
	t.Parallel()
	e := transition()
	e.Salt = nil
	_, err := audit.LeafOf(e)
	require.Error(t, err)
	e = transition()
	e.Personal.Salt = []byte("short")
	_, err = audit.LeafOf(e)
	require.Error(t, err)
}

func FuzzParseLeaf(f *testing.F) {
	for _, e := range entries() {
		f.Add(encode(f, e))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		l, err := audit.ParseLeaf(text)
		if err != nil {
			return
		}
		again, err := l.Encode()
		require.NoError(t, err)
		require.Equal(t, string(text), string(again))
	})
}

// What is canonical stays as it is, and says what it said.
func FuzzCanonical(f *testing.F) {
	for _, text := range []string{`{"b":[1,2.50,-3],"a":"\u0001\n😀"}`, `1e3`, `-0`, `"\ud800"`, `null`, `{"a":{"b":{}}}`} {
		f.Add([]byte(text))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		once, err := audit.Canonical(text)
		if err != nil {
			return
		}
		twice, err := audit.Canonical(once)
		require.NoError(t, err)
		require.Equal(t, string(once), string(twice))
		var a, b any
		require.NoError(t, json.Unmarshal(text, &a))
		require.NoError(t, json.Unmarshal(once, &b))
		require.Equal(t, a, b)
	})
}
