package app_test

import (
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/holdfast/holdfast/api/client"
	"github.com/holdfast/holdfast/internal/abuse"
	"github.com/holdfast/holdfast/internal/app/apptest"
	"github.com/holdfast/holdfast/internal/audit"
	"github.com/holdfast/holdfast/internal/fault"
)

// raise sets a control for an hour and has this node heed it.
func (s *scene) raise(t *testing.T, kind client.ControlKind, value string) client.Control {
	t.Helper()
	body := client.ControlRequest{Kind: kind, Reason: "a test", ExpiresAt: s.Now(t).Add(time.Hour)}
	if value != "" {
		body.Value = &value
	}
	made := apptest.Decode[client.Control](t, s.ask(t, http.MethodPost, "/v1/controls", body), http.StatusCreated)
	s.heed(t)
	return made
}

func (s *scene) lift(t *testing.T, id string) {
	t.Helper()
	apptest.Decode[client.Control](t, s.ask(t, http.MethodPost, "/v1/controls/"+id+"/lift", client.ReasonRequest{Reason: "a test is over"}), http.StatusOK)
	s.heed(t)
}

// heed reads the controls now, as each node does every two seconds.
func (s *scene) heed(t *testing.T) {
	t.Helper()
	_, err := s.App.Abuse.Board.Refresh(t.Context())
	require.NoError(t, err)
}

func (s *scene) tier(t *testing.T, claim *apptest.Claim) string {
	t.Helper()
	return apptest.Query[string](t, s.Service, "SELECT tier FROM recovery WHERE id = $1", claim.ID)
}

func TestMinTier_RaisesEveryRecoveryFromItsNextDecision(t *testing.T) {
	t.Parallel()
	s := newScene(t)
	s.Register(t, apptest.Person{Ref: "u0", Email: email(0), Backup: "b0@example.com"})
	before := s.Start(t, apptest.Claimant{Identifier: apptest.Email(email(0))})
	require.Equal(t, "low", s.tier(t, before))

	made := s.raise(t, client.MinTier, "high")
	require.Equal(t, "high", s.tier(t, s.Start(t, apptest.Claimant{Identifier: apptest.Email(email(0))})))
	require.Equal(t, "high", s.tier(t, s.Start(t, apptest.Claimant{Identifier: apptest.Email("nobody@example.com")})), "alike for one that does not exist")
	held := before.ProveBy(t, client.MethodEmail)
	require.Equal(t, client.StateCoolingOff, held.State)
	require.WithinDuration(t, s.Now(t).Add(72*time.Hour), *held.NotBefore, time.Minute, "the hold of tier high")
	reasons := apptest.Query[string](t, s.Service, "SELECT decision->>'reasons' FROM assessment WHERE recovery_id = $1 ORDER BY version DESC LIMIT 1", before.ID)
	require.Contains(t, reasons, "An operator has raised the lowest tier.")

	s.lift(t, made.ID)
	require.Equal(t, "high", s.tier(t, before), "what was raised stays raised: the plan only becomes stricter")
	require.Equal(t, "low", s.tier(t, s.Start(t, apptest.Claimant{Identifier: apptest.Email("another@example.com")})))
}

// I8. A stopped method gives no new proof, alike for known and unknown; what was proven before stays.
func TestStopMethod_GivesNoNewProofAndTakesNoneBack(t *testing.T) {
	t.Parallel()
	s := newScene(t)
	s.Register(t, apptest.Person{Ref: "u0", Email: email(0), Phone: "+447700900123", Backup: "b0@example.com"})
	known := s.Start(t, apptest.Claimant{Identifier: apptest.Email(email(0))})
	asked := known.Ask(t, client.MethodSms)
	code := s.Mail.Code(t, asked.ID, 1)
	proven := s.Start(t, apptest.Claimant{Identifier: apptest.Email(email(0)), NewDevice: true})
	require.Equal(t, client.StateCoolingOff, proven.ProveBy(t, client.MethodSms).State)

	s.raise(t, client.StopMethod, "sms")
	unknown := s.Start(t, apptest.Claimant{Identifier: apptest.Email("nobody@example.com")})
	require.NotContains(t, unknown.Methods, client.MethodSms)
	require.Equal(t, unknown.Methods, s.Start(t, apptest.Claimant{Identifier: apptest.Email(email(0))}).Methods)
	for _, claim := range []*apptest.Claim{known, unknown} {
		apptest.Refused(t, claim.Do(t, http.MethodPost, "/challenges", client.ChallengeRequest{Method: client.MethodSms}), http.StatusUnprocessableEntity, client.ProblemCodeMethodUnavailable)
	}
	apptest.Refused(t, known.Answer(t, asked.ID, code), http.StatusUnprocessableEntity, client.ProblemCodeMethodUnavailable)
	require.Equal(t, 0, apptest.Query[int](t, s.Service, "SELECT attempts FROM challenge WHERE id = $1", asked.ID), "what is not judged is not counted")
	require.Equal(t, client.StateCoolingOff, known.ProveBy(t, client.MethodEmail).State, "other methods go on")
	heard(t, s.Service)
	s.Advance(t, 73*time.Hour)
	proven.Await(t, client.StateReady)
}

func TestPauseStarts_RefusesAlikeForKnownAndUnknownAndLeavesTheRest(t *testing.T) {
	t.Parallel()
	s := newScene(t)
	s.Register(t, apptest.Person{Ref: "u0", Email: email(0), Backup: "b0@example.com"})
	open := s.Start(t, apptest.Claimant{Identifier: apptest.Email(email(0)), NewDevice: true})
	made := s.raise(t, client.PauseStarts, "")
	start := func(address string) apptest.Answer {
		return s.Do(t, apptest.Request{Method: http.MethodPost, Path: "/v1/recoveries", As: s.AppToken, Body: apptest.Claimant{Identifier: apptest.Email(address)}.Body()})
	}
	known, unknown := start(email(0)), start("nobody@example.com")
	apptest.Refused(t, known, http.StatusServiceUnavailable, client.ProblemCodeRecoveriesPaused)
	require.Equal(t, masked(known), masked(unknown))
	require.Equal(t, "300", known.Header.Get("Retry-After"))

	require.Equal(t, client.StateCoolingOff, open.ProveBy(t, client.MethodEmail).State, "open ones go on")
	token := s.Mail.Link(t, "b0@example.com", "hold_entered", 1)
	require.Equal(t, http.StatusAccepted, s.Object(t, token).Status, "owners are heard")
	s.lift(t, made.ID)
	require.Equal(t, http.StatusCreated, start(email(0)).Status)
}

func TestControls_EndByThemselvesAndAreBounded(t *testing.T) {
	t.Parallel()
	s := newScene(t)
	made := s.raise(t, client.PauseStarts, "")
	s.Advance(t, 61*time.Minute)
	s.heed(t)
	require.False(t, s.App.Abuse.Board.Current(apptest.Tenant).Paused)
	require.Empty(t, apptest.Decode[client.Controls](t, s.ask(t, http.MethodGet, "/v1/controls", nil), http.StatusOK).Controls)
	past := apptest.Decode[client.Controls](t, s.ask(t, http.MethodGet, "/v1/controls?ended=true", nil), http.StatusOK).Controls
	require.Len(t, past, 1)
	require.Equal(t, made.ID, past[0].ID)
	apptest.Refused(t, s.ask(t, http.MethodPost, "/v1/controls/"+made.ID+"/lift", client.ReasonRequest{Reason: "too late"}), http.StatusConflict, client.ProblemCodeConflict)

	value := func(v string) *string { return &v }
	now := s.Now(t)
	for name, body := range map[string]client.ControlRequest{
		"too long":        {Kind: client.PauseStarts, Reason: "a test", ExpiresAt: now.Add(8 * 24 * time.Hour)},
		"over already":    {Kind: client.PauseStarts, Reason: "a test", ExpiresAt: now.Add(-time.Minute)},
		"the lowest tier": {Kind: client.MinTier, Value: value("low"), Reason: "a test", ExpiresAt: now.Add(time.Hour)},
		"no tier":         {Kind: client.MinTier, Reason: "a test", ExpiresAt: now.Add(time.Hour)},
		"no country":      {Kind: client.StopCountry, Value: value("de"), Reason: "a test", ExpiresAt: now.Add(time.Hour)},
		"a value":         {Kind: client.PauseStarts, Value: value("all"), Reason: "a test", ExpiresAt: now.Add(time.Hour)},
		"a hidden reason": {Kind: client.PauseStarts, Reason: "a\ttest", ExpiresAt: now.Add(time.Hour)},
	} {
		a := s.ask(t, http.MethodPost, "/v1/controls", body)
		require.Equal(t, http.StatusUnprocessableEntity, a.Status, "%s: %s", name, a.Body)
	}
}

// What an operator has set for the whole fleet acts on every tenant, shows in no tenant's list, and is lifted by operators only.
func TestControls_OfTheFleetAreTheOperators(t *testing.T) {
	t.Parallel()
	s := newScene(t)
	operator := audit.Actor{Kind: audit.ActorOperator, ID: "robin"}
	set, err := s.App.Abuse.Controls.Set(t.Context(), abuse.SetCommand{Tenant: abuse.Fleet, Kind: abuse.MinTier, Value: "critical", Reason: "a test", For: time.Hour, By: operator})
	require.NoError(t, err)
	own, err := s.App.Abuse.Controls.Set(t.Context(), abuse.SetCommand{Tenant: apptest.Tenant, Kind: abuse.PauseStarts, Reason: "a test", For: time.Hour, By: operator})
	require.NoError(t, err)
	s.heed(t)
	now := s.App.Abuse.Board.Current(apptest.Tenant)
	require.True(t, now.Paused)
	require.Equal(t, "critical", now.MinTier.String())
	require.False(t, s.App.Abuse.Board.Current("another").Paused)
	require.Len(t, apptest.Decode[client.Controls](t, s.ask(t, http.MethodGet, "/v1/controls", nil), http.StatusOK).Controls, 1)
	apptest.Refused(t, s.ask(t, http.MethodPost, "/v1/controls/"+own.ID+"/lift", client.ReasonRequest{Reason: "mine"}), http.StatusForbidden, client.ProblemCodeForbidden)
	apptest.Refused(t, s.ask(t, http.MethodPost, "/v1/controls/"+set.ID+"/lift", client.ReasonRequest{Reason: "mine"}), http.StatusNotFound, client.ProblemCodeNotFound)
	_, err = s.App.Abuse.Controls.Lift(t.Context(), abuse.LiftCommand{Tenant: abuse.AllTenants, ID: set.ID, Reason: "it is over", By: operator})
	require.NoError(t, err)
	_, err = s.App.Abuse.Controls.Lift(t.Context(), abuse.LiftCommand{Tenant: abuse.AllTenants, ID: set.ID, Reason: "again", By: operator})
	require.Equal(t, fault.CodeConflict, fault.CodeOf(err))
}
