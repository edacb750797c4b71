package app_test

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/holdfast/holdfast/api/client"
	"github.com/holdfast/holdfast/internal/app/apptest"
	"github.com/holdfast/holdfast/internal/notify"
)

// oneCause demands one txn of tokens, and gives them by their names.
func oneCause(t *testing.T, s *apptest.Service, all []apptest.Received) map[string]opened {
	t.Helper()
	out := map[string]opened{}
	for _, got := range all {
		o := open(t, s, got)
		require.Equal(t, open(t, s, all[0]).Cause, o.Cause, "one cause, one txn")
		out[o.uri()[strings.LastIndex(o.uri(), "/")+1:]] = o
	}
	return out
}

// what a vetoed claim was proven with is in somebody else's hands, and that is told by its name.
func TestAVeto_NamesTheCredentialThatWasStolen(t *testing.T) {
	t.Parallel()
	s := listening(t)
	there := apptest.NewReceiver(t)
	s.Register(t, apptest.Person{Ref: "ada", Email: ada, Phone: adaPhone})
	codes := s.IssueCodes(t, "ada")
	s.Advance(t, 10*apptest.Day)
	hooked(t, s, client.WebhookRequest{Kind: client.WebhookKindSet, URL: there.URL + "/set"})
	c := s.Start(t, apptest.Claimant{Identifier: apptest.Email(ada), NewDevice: true})
	require.Equal(t, client.StateCoolingOff, c.ProveBy(t, client.MethodSms).State)
	require.Equal(t, []string{"risc/event-type/recovery-activated"}, uris(t, s, there.Await(t, "/set", 1)))
	link := s.Mail.Link(t, ada, notify.HoldEntered, 1)
	apptest.Decode[client.Objection](t, objectWith(t, s, link, client.EvidenceMethodRecoveryCode, codes[0]), http.StatusAccepted)
	require.Equal(t, client.StateVetoed, c.Read(t).State)

	told := oneCause(t, s, there.Await(t, "/set", 3)[1:])
	require.Len(t, told, 2)
	require.Equal(t, map[string]any{"credential_type": "phone-sms"}, told["credential-compromise"].claims())
	risk := told["risk-level-change"].claims()
	require.Equal(t, []any{"HIGH", "RECOVERY_VETOED", "user"}, []any{risk["current_level"], risk["risk_reason"], risk["initiating_entity"]})
	settle(t, s)
	require.Len(t, there.All("/set"), 3, "the saved code that the owner objected with is no part of a recovery")
}

// two humans let somebody in on less than the account had. Everything that follows is one cause, an admin's, and
// says that the level fell.
func TestACompletionByPeople_TellsThatTheLevelFell(t *testing.T) {
	t.Parallel()
	d := &desk{Service: listening(t)}
	there := apptest.NewReceiver(t)
	d.Register(t, apptest.Person{Ref: "ada", Email: "ada@example.com", Backup: "ada.backup@example.net", AAL: 2})
	d.signIn(t)
	hooked(t, d.Service, client.WebhookRequest{Kind: client.WebhookKindSet, URL: there.URL + "/set"})
	hook := hooked(t, d.Service, client.WebhookRequest{Kind: client.WebhookKindWebhook, URL: there.URL + "/hook"})
	claim := d.lost(t)
	c := d.OpenCase(t, d.agent, claim)
	c.Attach(t, d.agent, client.ArtefactReproofing, "IDC-1")
	c.Propose(t, d.agent, client.OutcomeApprove)
	for _, who := range []string{d.first, d.second} {
		require.Equal(t, http.StatusOK, c.Approve(t, who).Status)
	}
	require.Equal(t, []string{"risc/event-type/recovery-activated"}, uris(t, d.Service, there.Await(t, "/set", 1)))
	heard(t, d.Service)
	settle(t, d.Service)
	d.Advance(t, claim.Read(t).NotBefore.Sub(d.Now(t))+time.Minute)
	claim.Await(t, client.StateReady)
	done := apptest.Decode[client.Redemption](t, d.Redeem(t, claim.Grant(t).Grant), http.StatusOK)
	require.Equal(t, 1, done.Aal)

	told := oneCause(t, d.Service, there.Await(t, "/set", 6)[1:])
	require.Equal(t, map[string]any{
		"namespace": "NIST-AAL", "previous_level": "nist-aal2", "current_level": "nist-aal1", "change_direction": "decrease", "initiating_entity": "admin",
		"event_timestamp": told["assurance-level-change"].claims()["event_timestamp"],
	}, told["assurance-level-change"].claims())
	for _, name := range []string{"session-revoked", "credential-change", "risk-level-change"} {
		require.Contains(t, told, name)
		require.Equal(t, "admin", told[name].claims()["initiating_entity"], name)
	}
	require.Equal(t, "MEDIUM", told["risk-level-change"].claims()["current_level"])
	d.Advance(t, 40*apptest.Day)
	ended := there.Await(t, "/hook", 4)[3]
	require.Equal(t, "recovery.probation.ended", checked(t, hook, ended).Type)
}

// a saved code that got somebody in is told of to who agreed on a name for saved codes, once the recovery is complete, with the one
// that takes its place.
func TestAUsedSavedCode_IsToldToWhoAgreedOnAName(t *testing.T) {
	t.Parallel()
	s := listening(t)
	there := apptest.NewReceiver(t)
	s.Register(t, apptest.Person{Ref: "ada", Email: ada, Phone: adaPhone, AAL: 2})
	codes := s.IssueCodes(t, "ada")
	s.Advance(t, 10*apptest.Day)
	name := "https://schemas.example.com/recovery-code"
	hooked(t, s, client.WebhookRequest{Kind: client.WebhookKindSet, URL: there.URL + "/agreed", SavedCodeType: &name})
	hooked(t, s, client.WebhookRequest{Kind: client.WebhookKindSet, URL: there.URL + "/others"})
	c := claimWithCode(t, s, codes[0])
	there.Await(t, "/agreed", 1)
	settle(t, s)
	require.Len(t, there.All("/agreed"), 1, "nothing but that the hold began")
	heard(t, s)
	s.Advance(t, c.Read(t).NotBefore.Sub(s.Now(t))+time.Minute)
	c.Await(t, client.StateReady)
	require.Equal(t, http.StatusOK, s.Redeem(t, c.Grant(t).Grant).Status)
	var changes []string
	for _, uri := range uris(t, s, there.Await(t, "/agreed", 6)) {
		if strings.Contains(uri, name) {
			changes = append(changes, uri)
		}
	}
	require.ElementsMatch(t, []string{"caep/event-type/credential-change " + name + " delete", "caep/event-type/credential-change " + name + " create"}, changes)
	oneCause(t, s, there.All("/agreed")[1:])
	for _, uri := range uris(t, s, there.Await(t, "/others", 4)) {
		require.NotContains(t, uri, name)
	}
	require.Len(t, apptest.Texts(t, s, `SELECT id FROM audit_event WHERE action = 'saved_code.used' AND recovery_id = $1`, c.ID), 1)
}
