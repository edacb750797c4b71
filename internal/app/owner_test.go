package app_test

import (
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/holdfast/holdfast/api/client"
	"github.com/holdfast/holdfast/internal/app/apptest"
	"github.com/holdfast/holdfast/internal/notify"
)

// held starts a recovery that is held for a day: the evidence suffices, the device is new.
func held(t *testing.T, s *apptest.Service) (*apptest.Claim, client.Recovery) {
	t.Helper()
	c := s.Start(t, apptest.Claimant{Identifier: apptest.Email(ada), NewDevice: true})
	r := c.ProveBy(t, client.MethodEmail)
	require.Equal(t, client.StateCoolingOff, r.State)
	require.Greater(t, r.NotBefore.Sub(s.Now(t)), 12*time.Hour)
	return c, r
}

// S3, R-036 R-103 R-104 R-106. The link pauses once; opening it changes nothing; the claimant goes on when nobody says more.
func TestTheOwnersLink_PausesOnceAndTheRecoveryGoesOnAfterSilence(t *testing.T) {
	t.Parallel()
	s := apptest.New(t)
	s.Register(t, apptest.Person{Ref: "ada", Email: ada, Phone: adaPhone})
	c, entered := held(t, s)
	link := s.Mail.Link(t, adaPhone, notify.HoldEntered, 1)
	s.Mail.Await(t, ada, notify.HoldEntered, 1)

	before := c.Read(t)
	for _, method := range []string{http.MethodGet, http.MethodHead, http.MethodGet} {
		require.Equal(t, http.StatusOK, s.Do(t, apptest.Request{Method: method, Path: "/objection"}).Status)
	}
	apptest.Refused(t, s.Do(t, apptest.Request{Method: http.MethodGet, Path: "/v1/objections"}), http.StatusMethodNotAllowed, client.ProblemCodeMethodNotAllowed)
	require.Equal(t, before, c.Read(t), "reading a link changes nothing")

	s.Advance(t, 6*time.Hour)
	a := s.Object(t, link)
	o := apptest.Decode[client.Objection](t, a, http.StatusAccepted)
	require.Equal(t, client.ObjectionOutcomePaused, o.Outcome)
	require.WithinDuration(t, s.Now(t).Add(72*time.Hour), *o.PausedUntil, time.Minute)
	require.NotContains(t, a.Body, c.ID)
	require.Equal(t, client.StateContested, c.Read(t).State)
	s.Mail.Await(t, ada, notify.ObjectionReceived, 1)
	s.Mail.Await(t, adaPhone, notify.ObjectionReceived, 1)

	again := apptest.Decode[client.Objection](t, s.Object(t, link), http.StatusAccepted)
	require.Equal(t, client.ObjectionOutcomeRecorded, again.Outcome, "said again it is written down")
	require.WithinDuration(t, *o.PausedUntil, *again.PausedUntil, 0, "and pauses no longer")
	apptest.Refused(t, c.Do(t, http.MethodPost, "/grant", nil), http.StatusConflict, client.ProblemCodeNotReady)

	s.Advance(t, 72*time.Hour+time.Minute)
	r := c.Read(t)
	require.Equal(t, client.StateCoolingOff, r.State)
	require.GreaterOrEqual(t, r.NotBefore.Sub(s.Now(t)), 23*time.Hour, "what was left of the hold, 24 h at least")
	require.True(t, r.NotBefore.After(*entered.NotBefore))
	apptest.Refused(t, s.Object(t, link), http.StatusUnprocessableEntity, client.ProblemCodeObjectionRefused)
	unknown := s.Object(t, "hfo_k1_0000000000000000000000000000000000000000000")
	require.Equal(t, masked(unknown), masked(s.Object(t, link)), "a spent link and an unknown one are one answer")

	s.Advance(t, r.NotBefore.Sub(s.Now(t))+time.Minute)
	c.Await(t, client.StateReady)
	require.Equal(t, http.StatusOK, s.Redeem(t, c.Grant(t).Grant).Status)
}

// R-104, S2. An owner with an authenticator of their own ends a weaker claim at once; a wrong code beside the link is counted
// and the link pauses all the same.
func TestTheOwnersEvidence_EndsAWeakerClaim(t *testing.T) {
	t.Parallel()
	s := apptest.New(t)
	s.Register(t, apptest.Person{Ref: "ada", Email: ada, Phone: adaPhone, AAL: 2, Aged: 10 * apptest.Day})
	seed := s.EnrolTOTP(t, "ada")
	s.Advance(t, 8*apptest.Day)
	codes := s.IssueCodes(t, "ada")
	c := claimWithCode(t, s, codes[0])
	link := s.Mail.Link(t, adaPhone, notify.HoldEntered, 1)
	object := func(code string) apptest.Answer {
		return s.Do(t, apptest.Request{Method: http.MethodPost, Path: "/v1/objections", Body: client.ObjectionRequest{
			Token: link, Evidence: &client.Evidence{Method: client.EvidenceMethodTotp, Code: code},
		}})
	}

	o := apptest.Decode[client.Objection](t, object("000000"), http.StatusAccepted)
	require.Equal(t, client.ObjectionOutcomePaused, o.Outcome)
	require.Equal(t, client.ObjectionProofRefused, *o.Proof)
	require.Equal(t, client.ObjectionNextProof, o.Next)
	require.Equal(t, client.Support{Name: "Acme", Contact: text("https://support.example.com")}, *o.Support)
	require.Equal(t, client.StateContested, c.Read(t).State)
	o = apptest.Decode[client.Objection](t, object(s.TOTP(t, seed)), http.StatusAccepted)
	require.Equal(t, client.ObjectionOutcomeVetoed, o.Outcome)
	require.Equal(t, client.ObjectionProofAccepted, *o.Proof)
	require.Equal(t, client.ObjectionNextNothing, o.Next)
	require.Equal(t, client.StateVetoed, c.Read(t).State)
	s.Mail.Await(t, ada, notify.RecoveryVetoed, 1)
	s.Mail.Await(t, adaPhone, notify.RecoveryVetoed, 1)
	apptest.Refused(t, c.Do(t, http.MethodPost, "/grant", nil), http.StatusConflict, client.ProblemCodeNotAllowedInState)
	require.Equal(t, client.StateInitiated, s.Start(t, apptest.Claimant{Identifier: apptest.Email(ada)}).State, "a veto blocks no new claim (I5)")
}

// The same evidence only pauses a claim that is as strong as claims get; and the app's word alone pauses.
func TestTheOwner_ObjectsThroughTheApp(t *testing.T) {
	t.Parallel()
	s := apptest.New(t)
	s.Register(t, apptest.Person{Ref: "ada", Email: ada, Phone: adaPhone, AAL: 2})
	seed := s.EnrolTOTP(t, "ada")
	codes := s.IssueCodes(t, "ada")
	s.Advance(t, 8*apptest.Day)
	c := claimWithCode(t, s, codes[0])
	object := func(ref string, body client.AppObjectionRequest) apptest.Answer {
		return s.Account(t, http.MethodPost, ref, "/objections", body)
	}

	apptest.Refused(t, object("nobody", client.AppObjectionRequest{}), http.StatusNotFound, client.ProblemCodeNotFound)
	paused := apptest.Decode[client.Objections](t, object("ada", client.AppObjectionRequest{}), http.StatusAccepted)
	require.Len(t, paused.Objections, 1)
	require.Equal(t, client.ObjectionOutcomePaused, paused.Objections[0].Outcome)
	evidence := client.Evidence{Method: client.EvidenceMethodTotp, Code: s.TOTP(t, seed)}
	noted := apptest.Decode[client.Objections](t, object("ada", client.AppObjectionRequest{Evidence: &evidence, RecoveryID: &c.ID}), http.StatusAccepted)
	require.Equal(t, client.ObjectionOutcomeRecorded, noted.Objections[0].Outcome)
	require.Equal(t, client.StateContested, c.Read(t).State)
	apptest.Refused(t, c.Do(t, http.MethodPost, "/grant", nil), http.StatusConflict, client.ProblemCodeNotReady)
}

func text(s string) *string { return &s }

// claimWithCode claims ada's account with a mailed code and a saved one.
func claimWithCode(t *testing.T, s *apptest.Service, code string) *apptest.Claim {
	t.Helper()
	c := s.Start(t, apptest.Claimant{Identifier: apptest.Email(ada)})
	c.ProveBy(t, client.MethodEmail)
	r := c.Prove(t, client.MethodRecoveryCode, code)
	require.Equal(t, client.StateCoolingOff, r.State, apptest.Texts(t, s, `SELECT decision::text FROM assessment WHERE recovery_id = $1`, c.ID))
	require.True(t, r.NotBefore.After(s.Now(t)))
	return c
}

// S10, R-096. With one address, the code's own, balanced waits and says that it deviates.
func TestASingleAddress_IsHeldUnderBalanced(t *testing.T) {
	t.Parallel()
	s := apptest.New(t)
	s.Register(t, apptest.Person{Ref: "cleo", Email: "cleo@example.com"})
	c := s.Start(t, apptest.Claimant{Identifier: apptest.Email("cleo@example.com")})
	r := c.ProveBy(t, client.MethodEmail)
	require.Equal(t, client.StateCoolingOff, r.State)
	require.GreaterOrEqual(t, r.NotBefore.Sub(s.Now(t)), 24*time.Hour-time.Minute)
	s.Mail.Await(t, "cleo@example.com", notify.HoldEntered, 1)
	deviations := apptest.Query[string](t, s, `SELECT decision->'plan'->>'deviations' FROM assessment WHERE recovery_id = $1 ORDER BY version DESC LIMIT 1`, c.ID)
	require.Contains(t, deviations, "R-096", "the decision says so")

	s.Advance(t, 23*time.Hour)
	apptest.Refused(t, c.Do(t, http.MethodPost, "/grant", nil), http.StatusConflict, client.ProblemCodeNotReady)
	s.Advance(t, time.Hour+time.Minute)
	c.Await(t, client.StateReady)
	require.Equal(t, http.StatusOK, s.Redeem(t, c.Grant(t).Grant).Status)
}

// S10, R-096. To the letter of the standard it goes to people.
func TestASingleAddress_GoesToPeopleUnderNIST(t *testing.T) {
	t.Parallel()
	s := apptest.New(t, apptest.WithEnv("HOLDFAST_POLICY=nist"))
	s.Register(t, apptest.Person{Ref: "cleo", Email: "cleo@example.com"})
	c := s.Start(t, apptest.Claimant{Identifier: apptest.Email("cleo@example.com")})
	require.Equal(t, client.StateAssisted, c.ProveBy(t, client.MethodEmail).State)
	s.Advance(t, 10*apptest.Day)
	require.Equal(t, client.StateAssisted, c.Read(t).State)
	apptest.Refused(t, c.Do(t, http.MethodPost, "/grant", nil), http.StatusConflict, client.ProblemCodeNotReady)
}

// Whoever uses up every address as evidence leaves nobody to tell.
func TestAClaimThatUsesEveryAddress_GoesToPeople(t *testing.T) {
	t.Parallel()
	s := apptest.New(t)
	s.Register(t, apptest.Person{Ref: "ada", Email: ada, Phone: adaPhone, AAL: 2})
	codes := s.IssueCodes(t, "ada")
	c := s.Start(t, apptest.Claimant{Identifier: apptest.Email(ada)})
	c.ProveBy(t, client.MethodEmail)
	c.ProveBy(t, client.MethodSms)
	require.Equal(t, client.StateAssisted, c.Prove(t, client.MethodRecoveryCode, codes[0]).State)
}

// Design.md, section 4: a federated account is sent to its organisation, and never gets a grant.
func TestAFederatedAccount_IsSentToItsOrganisation(t *testing.T) {
	t.Parallel()
	s := apptest.New(t)
	s.Register(t, apptest.Person{Ref: "gus", Email: "gus@example.net", Population: "federated"})
	c := s.Start(t, apptest.Claimant{Identifier: apptest.Email("gus@example.net")})
	ch := c.Ask(t, client.MethodEmail)
	m := s.Mail.Await(t, "gus@example.net", notify.UseYourOrganisation, 1)
	require.True(t, m.Code.IsZero())
	require.Empty(t, s.Mail.To("gus@example.net", notify.RecoveryCode))
	require.NotRegexp(t, `\d{8}`, m.Text)
	apptest.Refused(t, c.Answer(t, ch.ID, "00000000"), http.StatusUnprocessableEntity, client.ProblemCodeProofRefused)
	apptest.Refused(t, c.Do(t, http.MethodPost, "/grant", nil), http.StatusConflict, client.ProblemCodeNotReady)
	s.Advance(t, 25*time.Hour)
	require.Equal(t, client.StateExpired, c.Read(t).State)
}

//
func TestARecovery_ExpiresWhenNobodyGoesOn(t *testing.T) {
	t.Parallel()
	s := apptest.New(t)
	s.Register(t, apptest.Person{Ref: "ada", Email: ada, Phone: adaPhone})
	started := s.Start(t, apptest.Claimant{Identifier: apptest.Email(ada)})
	ready, _ := held(t, s)
	s.Mail.Await(t, adaPhone, notify.HoldEntered, 1)
	settle(t, s) // a notice that is under way for a day counts as lost

	s.Advance(t, 24*time.Hour+time.Minute)
	require.Equal(t, client.StateExpired, started.Read(t).State)
	r := ready.Await(t, client.StateReady)
	s.Advance(t, r.ReadyUntil.Sub(s.Now(t))+time.Minute)
	require.Equal(t, client.StateExpired, ready.Read(t).State)
	apptest.Refused(t, ready.Do(t, http.MethodPost, "/grant", nil), http.StatusConflict, client.ProblemCodeNotAllowedInState)
}
