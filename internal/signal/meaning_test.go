package signal_test

import (
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/holdfast/holdfast/internal/audit"
	"github.com/holdfast/holdfast/internal/signal"
)

func t0() time.Time { return time.Date(2026, 3, 1, 9, 0, 0, 0, time.UTC) }

func happened(a audit.Action, by audit.ActorKind, details map[string]any) audit.Event {
	return audit.Event{
		ID: "evt_01kagx3z8fet0a1m6c9d2v4w7y", Tenant: "acme", At: t0(), Actor: audit.Actor{Kind: by}, Action: a, Subject: "rcv_01kagx3z8fet0a1m6c9d2v4w7y",
		Recovery: "rcv_01kagx3z8fet0a1m6c9d2v4w7y", Outcome: audit.Success, Details: details,
	}
}

// story is the events that others hear of, as the core writes them.
func story() map[string]audit.Event {
	done := map[string]any{
		"actions": []string{"reset_password", "rebind_authenticator", "revoke_sessions"}, "aal": 1, "previous_aal": 2, "authenticators": []string{"totp", "passkey"},
		"probation_until": t0().Add(7 * 24 * time.Hour),
	}
	assisted := map[string]any{"actions": []string{"reset_password"}, "aal": 1, "previous_aal": 1, "approved": true}
	return map[string]audit.Event{
		"held":               happened(audit.CoolingOffEntered, audit.ActorClaimant, map[string]any{"method": "totp", "source": "fac_1"}),
		"held_by_people":     happened(audit.RecoveryApproved, audit.ActorAgent, nil),
		"contested":          happened(audit.RecoveryContested, audit.ActorOwner, map[string]any{"channel": "chn_1"}),
		"vetoed":             happened(audit.RecoveryVetoed, audit.ActorOwner, map[string]any{"held": true, "methods": []string{"sms", "email", "recovery_code"}}),
		"completed":          happened(audit.RecoveryCompleted, audit.ActorClient, done),
		"completed_assisted": happened(audit.RecoveryCompleted, audit.ActorClient, assisted),
		"probation_ended":    happened(audit.RecoveryProbationEnded, audit.ActorSystem, nil),
		"reversed":           happened(audit.RecoveryReversed, audit.ActorOwner, map[string]any{"actions": []string{"reset_password"}}),
		"factor_bound":       happened(audit.FactorBound, audit.ActorClient, map[string]any{"factor": "fac_1", "kind": "totp"}),
		"factor_revoked":     happened(audit.FactorRevoked, audit.ActorAgent, map[string]any{"factor": "fac_1", "kind": "totp", "pending": false}),
		"codes_issued":       happened(audit.SavedCodesIssued, audit.ActorClient, map[string]any{"codes": 10}),
		"code_used":          happened(audit.SavedCodeUsed, audit.ActorClaimant, nil),
		"address_added":      happened(audit.AccountReplaced, audit.ActorClient, map[string]any{"channels_added": 1, "channels_removed": 0}),
		"address_removed":    happened(audit.AccountReplaced, audit.ActorClient, map[string]any{"channels_added": 0, "channels_removed": 1}),
		"address_changed":    happened(audit.AccountReplaced, audit.ActorClient, map[string]any{"channels_added": 1, "channels_removed": 1}),
		"erased":             happened(audit.AccountErased, audit.ActorClient, nil),
	}
}

// what each event means stands in a golden file, to be read beside requirements.md, section 5.
func TestMeanings_AreTheVocabularys(t *testing.T) {
	t.Parallel()
	var got strings.Builder
	names := make([]string, 0, len(story()))
	for name := range story() {
		names = append(names, name)
	}
	slices.Sort(names)
	for _, name := range names {
		got.WriteString("# " + name + "\n")
		for _, s := range signal.Of(story()[name]) {
			line(t, &got, string(s.Type), s.Data, s.After, s.Data == nil)
			for _, set := range s.Sets {
				line(t, &got, "  "+string(set.Event), set.Claims, false, false)
				if set.Agreed {
					got.WriteString("    (to who agreed on a name for saved codes)\n")
				}
			}
		}
	}
	file := filepath.Join("testdata", "meanings.txt")
	if os.Getenv("HOLDFAST_TEST_GOLDEN") != "" {
		require.NoError(t, os.WriteFile(file, []byte(got.String()), 0o644))
	}
	want, err := os.ReadFile(file)
	require.NoError(t, err)
	require.Equal(t, string(want), got.String())
}

func line(t *testing.T, b *strings.Builder, what string, claims map[string]any, after, silent bool) {
	t.Helper()
	text, err := json.Marshal(claims)
	require.NoError(t, err)
	b.WriteString(what)
	switch {
	case silent:
		b.WriteString(" (no webhook)")
	default:
		b.WriteString(" " + string(text))
	}
	if after {
		b.WriteString(" (after what came before it is acknowledged)")
	}
	b.WriteString("\n")
}

// nobody hears of what is not in the table, whoever caused it and however it ended.
func TestNothingElse_MeansAnything(t *testing.T) {
	t.Parallel()
	told := map[audit.Action]bool{}
	for _, e := range story() {
		told[e.Action] = true
		e.Outcome = audit.Failure
		require.Empty(t, signal.Of(e), "%s failed", e.Action)
	}
	for _, a := range []audit.Action{
		audit.RecoveryForgotten, audit.HoldSet, audit.HoldLifted, audit.RecoveryInitiated, audit.ChallengeRequested, audit.ChallengeSent, audit.ProofAccepted, audit.ProofRejected, audit.MethodDisabled, audit.RecoveryRebind,
		audit.RecoveryAssisted, audit.RecoveryDenied, audit.RecoveryExpired, audit.RecoveryCancelled, audit.RecoveryObjected, audit.ObjectionRefused,
		audit.RecoveryReady, audit.RecoveryResumed, audit.CoolingOffExtended, audit.GrantIssued, audit.GrantRefused, audit.GrantReplayed,
		audit.RecoveryClaimed, audit.RecoveryClaimRefused, audit.RecoveryClaimReplayed, audit.ClaimPageSet,
		audit.NoticeAccepted, audit.NoticeFailed, audit.AccountRegistered, audit.AccountsImported, audit.FactorEnrolled, audit.ClientCreated, audit.PolicyActivated,
		audit.WebhookCreated, audit.WebhookDisabled, audit.SignalDead, audit.SignalUnacknowledged, audit.SignalRedelivered, audit.AuthorisationFailed, "",
	} {
		require.False(t, told[a], a)
		require.Empty(t, signal.Of(happened(a, audit.ActorClaimant, nil)), a)
	}
	require.Empty(t, signal.Of(happened(audit.RecoveryVetoed, audit.ActorOwner, map[string]any{"held": false, "methods": []string{"sms"}})), "nobody had heard of it")
	require.Empty(t, signal.Of(happened(audit.RecoveryVetoed, audit.ActorOwner, nil)))
	require.Empty(t, signal.Of(happened(audit.FactorRevoked, audit.ActorClient, map[string]any{"kind": "totp", "pending": true})), "it was never confirmed")
	require.Empty(t, signal.Of(happened(audit.AccountReplaced, audit.ActorClient, map[string]any{"profile": true, "channels_added": 0, "channels_removed": 0})))
}

// every token that can leave passes the check that stands before the wire.
func TestEveryToken_PassesTheCheck(t *testing.T) {
	t.Parallel()
	seen := map[signal.EventURI]bool{signal.StreamVerification: true}
	for name, e := range story() {
		for _, s := range signal.Of(e) {
			require.Contains(t, signal.Types(), s.Type)
			for _, set := range s.Sets {
				seen[set.Event] = true
				claims := set.Claims
				if set.Agreed {
					claims["credential_type"] = "https://schemas.example.com/recovery-code"
				}
				require.NoError(t, signal.CheckSET(token(t, map[string]any{string(set.Event): claims}, nil)), "%s: %s", name, set.Event)
			}
		}
	}
	for _, uri := range signal.URIs() {
		require.True(t, seen[uri], "%s is never sent", uri)
		require.NotContains(t, uri, "sessions-revoked", "deprecated")
	}
}
