package app_test

import (
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/holdfast/holdfast/api/client"
	"github.com/holdfast/holdfast/internal/app/apptest"
	"github.com/holdfast/holdfast/internal/credential"
	"github.com/holdfast/holdfast/internal/notify"
	"github.com/holdfast/holdfast/internal/postgres"
	"github.com/holdfast/holdfast/internal/secret"
)

const (
	ada      = "ada@example.com"
	backup   = "ada.backup@example.org"
	adaPhone = "+447700900101"
)

// R-041 R-094 R-101 R-114.
func TestALowRiskRecovery_NeedsOneCodeAndANoticeElsewhereAndItsGrantIsRedeemedOnce(t *testing.T) {
	t.Parallel()
	s := apptest.New(t)
	s.Register(t, apptest.Person{Ref: "ada", Email: ada, Phone: adaPhone})

	c := s.Start(t, apptest.Claimant{Identifier: apptest.Email(ada)})
	require.Equal(t, client.StateInitiated, c.State)
	require.ElementsMatch(t, []client.Method{"email", "sms", "totp", "recovery_code"}, c.Methods)
	r := c.ProveBy(t, client.MethodEmail)
	require.Len(t, r.Requirements.Satisfied, 1)
	require.Empty(t, r.Requirements.Remaining)
	require.NotContains(t, r.Methods, client.MethodTotp, "after a proof the methods are the account's")

	r = c.Await(t, client.StateReady)
	require.NotNil(t, r.ReadyUntil)
	s.Mail.Await(t, adaPhone, notify.HoldEntered, 1)
	s.Mail.Await(t, ada, notify.HoldEntered, 1)

	grant := c.Grant(t)
	require.Equal(t, client.StateGranted, c.Read(t).State)
	redeemed := apptest.Decode[client.Redemption](t, s.Redeem(t, grant.Grant), http.StatusOK)
	require.Equal(t, "ada", redeemed.AccountRef)
	require.Equal(t, c.ID, redeemed.RecoveryID)
	require.Equal(t, 1, redeemed.Aal)
	require.Equal(t, []client.RedemptionActions{client.ResetPassword, client.RevokeSessions}, redeemed.Actions)
	require.Nil(t, redeemed.ReplacementRecoveryCode)
	verifyStatement(t, s, redeemed)

	apptest.Refused(t, s.Redeem(t, grant.Grant), http.StatusConflict, client.ProblemCodeGrantUsed)
	require.Len(t, apptest.Texts(t, s, `SELECT id FROM audit_event WHERE action = 'recovery.grant.replayed' AND recovery_id = $1`, c.ID), 1)
	require.Equal(t, client.StateCompleted, c.Read(t).State)
	s.Mail.Await(t, ada, notify.RecoveryCompleted, 1)
	s.Mail.Await(t, adaPhone, notify.RecoveryCompleted, 1)

	status := s.Status(t, "ada")
	require.Empty(t, status.OpenRecoveries)
	require.WithinDuration(t, redeemed.ProbationUntil, *status.ProbationUntil, 0)
	require.Contains(t, status.Restrict, "high_value")
	s.Advance(t, 8*apptest.Day)
	require.Equal(t, client.StateClosed, c.Read(t).State)
	require.Empty(t, s.Status(t, "ada").Restrict)
}

// verifyStatement checks the statement as an identity system would: from the published keys alone.
func verifyStatement(t *testing.T, s *apptest.Service, r client.Redemption) {
	t.Helper()
	jwks := s.Do(t, apptest.Request{Method: http.MethodGet, Path: "/.well-known/jwks.json"})
	require.Equal(t, http.StatusOK, jwks.Status)
	v, err := secret.NewVerifier([]byte(jwks.Body))
	require.NoError(t, err)
	var claims struct {
		Subject  string   `json:"sub"`
		Recovery string   `json:"recovery_id"`
		Actions  []string `json:"actions"`
		AAL      int      `json:"aal"`
	}
	want := secret.Expect{Type: "holdfast-grant+jwt", Issuer: apptest.Public, Audience: s.IdentityClient, Now: s.Now(t)}
	require.NoError(t, v.Verify(r.Statement, want, &claims))
	require.Equal(t, r.AccountRef, claims.Subject)
	require.Equal(t, r.RecoveryID, claims.Recovery)
	require.Equal(t, r.Aal, claims.AAL)
	require.Len(t, claims.Actions, len(r.Actions))
	want.Audience = "cli_somebody_else"
	require.Error(t, v.Verify(r.Statement, want, &claims))
	tampered := []byte(r.Statement)
	tampered[len(tampered)/2] ^= 1
	want.Audience = s.IdentityClient
	require.Error(t, v.Verify(string(tampered), want, &claims))
}

// R-003 R-018 R-019 R-089.
func TestAnAccountWithMFA_NeedsTwoKindsOfProofAndAHoldAndAUsedSavedCodeIsReplaced(t *testing.T) {
	t.Parallel()
	s := apptest.New(t)
	s.Register(t, apptest.Person{Ref: "ada", Email: ada, Phone: adaPhone, Backup: backup, AAL: 2})
	codes := s.IssueCodes(t, "ada")

	c := s.Start(t, apptest.Claimant{Identifier: apptest.Email(ada), Reason: client.LostMfa})
	r := c.ProveBy(t, client.MethodEmail)
	require.Equal(t, client.StateVerifying, r.State)
	require.Equal(t, []client.AnyOf{{AnyOf: []client.Method{client.MethodRecoveryCode}}}, r.Requirements.Remaining)
	r = c.ProveBy(t, client.MethodSms)
	require.Equal(t, client.StateVerifying, r.State, "mail and text message are one kind of proof")

	r = c.Prove(t, client.MethodRecoveryCode, codes[3])
	require.Equal(t, client.StateCoolingOff, r.State)
	require.GreaterOrEqual(t, r.NotBefore.Sub(s.Now(t)), 23*time.Hour)
	apptest.Refused(t, c.Do(t, http.MethodPost, "/grant", nil), http.StatusConflict, client.ProblemCodeNotReady)
	s.Mail.Await(t, ada, notify.HoldEntered, 1)
	s.Mail.Await(t, adaPhone, notify.HoldEntered, 1)
	s.Mail.Await(t, backup, notify.HoldEntered, 1)

	open := s.Status(t, "ada").OpenRecoveries
	require.Len(t, open, 1)
	require.Equal(t, client.StateCoolingOff, open[0].State)

	s.Advance(t, r.NotBefore.Sub(s.Now(t))-time.Minute)
	apptest.Refused(t, c.Do(t, http.MethodPost, "/grant", nil), http.StatusConflict, client.ProblemCodeNotReady)
	s.Advance(t, 2*time.Minute)
	c.Await(t, client.StateReady)
	s.Mail.Await(t, adaPhone, notify.HoldEnded, 1)

	redeemed := apptest.Decode[client.Redemption](t, s.Redeem(t, c.Grant(t).Grant), http.StatusOK)
	require.Equal(t, 2, redeemed.Aal)
	require.NotNil(t, redeemed.ReplacementRecoveryCode)
	require.Contains(t, redeemed.Actions, client.ReplaceRecoveryCode)
	s.Mail.Await(t, ada, notify.CodeReplaced, 1)
	s.Mail.Await(t, adaPhone, notify.CodeReplaced, 1)

	again := s.Start(t, apptest.Claimant{Identifier: apptest.Email(ada), Reason: client.LostMfa})
	ch := again.Ask(t, client.MethodRecoveryCode)
	apptest.Refused(t, again.Answer(t, ch.ID, codes[3]), http.StatusUnprocessableEntity, client.ProblemCodeProofRefused)
	r = apptest.Decode[client.Recovery](t, again.Answer(t, ch.ID, *redeemed.ReplacementRecoveryCode), http.StatusOK)
	require.Len(t, r.Requirements.Satisfied, 1)
}

//
func TestATOTP_ProvesOnceAndOnlyWhenItIsAged(t *testing.T) {
	t.Parallel()
	s := apptest.New(t)
	s.Register(t, apptest.Person{Ref: "ada", Email: ada, Phone: adaPhone, AAL: 2})
	seed := s.EnrolTOTP(t, "ada")
	s.Advance(t, 8*apptest.Day)

	c := s.Start(t, apptest.Claimant{Identifier: apptest.Email(ada), Reason: client.LostPassword})
	code := s.TOTP(t, seed)
	r := c.Prove(t, client.MethodTotp, code)
	require.Equal(t, client.StateVerifying, r.State)
	other := s.Start(t, apptest.Claimant{Identifier: apptest.Email(ada)})
	apptest.Refused(t, other.Answer(t, other.Ask(t, client.MethodTotp).ID, code), http.StatusUnprocessableEntity, client.ProblemCodeProofRefused)

	r = c.ProveBy(t, client.MethodEmail)
	require.Equal(t, client.StateCoolingOff, r.State)
	s.Advance(t, 25*time.Hour)
	c.Await(t, client.StateReady)
	redeemed := apptest.Decode[client.Redemption](t, s.Redeem(t, c.Grant(t).Grant), http.StatusOK)
	require.Equal(t, 2, redeemed.Aal)
}

func TestTheClaimant_CanCancelAndTheOwnerHearsOfIt(t *testing.T) {
	t.Parallel()
	s := apptest.New(t)
	s.Register(t, apptest.Person{Ref: "ada", Email: ada, Phone: adaPhone})
	c := s.Start(t, apptest.Claimant{Identifier: apptest.Email(ada), NewDevice: true})
	require.Equal(t, client.StateCoolingOff, c.ProveBy(t, client.MethodEmail).State)

	r := apptest.Decode[client.Recovery](t, c.Do(t, http.MethodPost, "/cancel", nil), http.StatusOK)
	require.Equal(t, client.StateCancelled, r.State)
	s.Mail.Await(t, ada, notify.RecoveryCancelled, 1)
	s.Mail.Await(t, adaPhone, notify.RecoveryCancelled, 1)
	apptest.Refused(t, c.Do(t, http.MethodPost, "/cancel", nil), http.StatusConflict, client.ProblemCodeNotAllowedInState)
	apptest.Refused(t, c.Do(t, http.MethodPost, "/grant", nil), http.StatusConflict, client.ProblemCodeNotAllowedInState)
	s.Advance(t, 48*time.Hour)
	require.Equal(t, client.StateCancelled, c.Read(t).State)
}

// What is not the caller's is answered as if it did not exist, whatever it is.
func TestStrangers_LearnNothingOfARecovery(t *testing.T) {
	t.Parallel()
	s := apptest.New(t)
	_, err := s.Owner.CreateTenant(t.Context(), tenantOf("other"))
	require.NoError(t, err)
	s.Register(t, apptest.Person{Ref: "ada", Email: ada, Phone: adaPhone})
	c := s.Start(t, apptest.Claimant{Identifier: apptest.Email(ada)})
	ch := c.Ask(t, client.MethodEmail)
	code := s.Mail.Code(t, ch.ID, 1)
	theirs := s.Start(t, apptest.Claimant{Identifier: apptest.Email(ada)})
	otherApp, _ := s.Client(t, "other", credential.RecoveriesStart)
	otherIdentity, _ := s.Client(t, "other", credential.AccountsRead, credential.AccountsWrite, credential.GrantsRedeem, credential.ObjectionsWrite)
	settle(t, s)
	before := s.Rows(t)

	calls := []apptest.Request{
		c.Request(http.MethodGet, "", nil),
		c.Request(http.MethodPost, "/challenges", client.ChallengeRequest{Method: client.MethodSms}),
		c.Request(http.MethodPost, "/challenges/"+ch.ID+"/answers", client.AnswerRequest{Code: code}),
		c.Request(http.MethodPost, "/cancel", nil),
		c.Request(http.MethodPost, "/grant", nil),
	}
	for _, call := range calls {
		wrongTenant, wrongScope, wrongClaimant, none := call, call, call, call
		wrongTenant.As, wrongScope.As, wrongClaimant.Claimant, none.Claimant = otherApp, s.IdentityToken, theirs.ClaimantToken, ""
		unknown := call
		unknown.Path = "/v1/recoveries/rcv_01kagx3z8fet0a1m6c9d2v4w7y" + call.Path[len("/v1/recoveries/")+len(c.ID):]
		want := s.Do(t, unknown)
		apptest.Refused(t, want, http.StatusNotFound, client.ProblemCodeNotFound)
		for _, wrong := range []apptest.Request{wrongTenant, wrongClaimant, none} {
			got := s.Do(t, wrong)
			require.Equal(t, masked(want), masked(got), "%s %s", call.Method, call.Path)
		}
		apptest.Refused(t, s.Do(t, wrongScope), http.StatusForbidden, client.ProblemCodeForbidden)
	}
	for _, path := range []string{"", "/status"} {
		a := s.Do(t, apptest.Request{Method: http.MethodGet, Path: "/v1/accounts/ada" + path, As: otherIdentity})
		b := s.Do(t, apptest.Request{Method: http.MethodGet, Path: "/v1/accounts/nobody" + path, As: otherIdentity})
		apptest.Refused(t, a, http.StatusNotFound, client.ProblemCodeNotFound)
		require.Equal(t, masked(b), masked(a))
	}
	require.Empty(t, grownBeside(before, s.Rows(t), "public.audit_event", "public.audit_personal"), "nothing was changed")
	refusals := apptest.Query[int](t, s, `SELECT count(*) FROM audit_event WHERE action = 'authorisation.failed'`)
	require.Equal(t, before["public.audit_event"]+refusals, s.Rows(t)["public.audit_event"], "and nothing was written but who tried what is not for them (R-172)")
	require.Equal(t, http.StatusOK, c.Answer(t, ch.ID, code).Status, "the claimant goes on")
}

// R-114 R-154. A grant is worth nothing to anybody but the tenant's identity system.
func TestAGrant_IsWorthNothingElsewhere(t *testing.T) {
	t.Parallel()
	s := apptest.New(t)
	_, err := s.Owner.CreateTenant(t.Context(), tenantOf("other"))
	require.NoError(t, err)
	other, _ := s.Client(t, "other", credential.GrantsRedeem)
	s.Register(t, apptest.Person{Ref: "ada", Email: ada, Phone: adaPhone})
	c := s.Start(t, apptest.Claimant{Identifier: apptest.Email(ada)})
	c.ProveBy(t, client.MethodEmail)
	c.Await(t, client.StateReady)
	grant := c.Grant(t)

	redeem := func(as, grant string) apptest.Answer {
		return s.Do(t, apptest.Request{Method: http.MethodPost, Path: "/v1/grants/redeem", As: as, Body: client.RedeemRequest{Grant: grant}})
	}
	apptest.Refused(t, redeem(s.AppToken, grant.Grant), http.StatusForbidden, client.ProblemCodeForbidden)
	unknown := redeem(other, "hfg_0000000000000000000000000000000000000000000")
	require.Equal(t, masked(unknown), masked(redeem(other, grant.Grant)))
	apptest.Refused(t, redeem(s.IdentityToken, c.ClaimantToken), http.StatusUnprocessableEntity, client.ProblemCodeGrantRefused)
	s.Advance(t, 11*time.Minute)
	apptest.Refused(t, redeem(s.IdentityToken, grant.Grant), http.StatusUnprocessableEntity, client.ProblemCodeGrantRefused)
	second := c.Grant(t)
	require.Equal(t, http.StatusOK, redeem(s.IdentityToken, second.Grant).Status, "a lapsed grant can be taken again")
}

func tenantOf(id string) postgres.Tenant { return postgres.Tenant{ID: id, Name: "Other", Locale: "en"} }
