package app_test

import (
	"fmt"
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/holdfast/holdfast/api/client"
	"github.com/holdfast/holdfast/internal/app/apptest"
)

// reading gives how a signal was read in the last decision about a recovery.
func reading(t *testing.T, s *scene, recovery, name string) string {
	t.Helper()
	return apptest.Query[string](t, s.Service,
		`SELECT facts->'signals'->$2->>'state' FROM assessment WHERE recovery_id = $1 ORDER BY version DESC LIMIT 1`, recovery, name)
}

// R-084, T14. Codes guessed over many accounts tighten every recovery of the tenant: a moderate tier at least, and three attempts
// a code, alike for known and unknown. It ends by itself when it is quiet. One mistyped code here and there does nothing.
func TestCodesGuessedOverManyAccounts_TightenEverything(t *testing.T) {
	t.Parallel()
	s := newScene(t)
	s.people(t, 30)
	for i := range 10 { // honest beside it
		s.fail(t, apptest.Claimant{Identifier: apptest.Email(email(i))}, client.MethodEmail, 1)
	}
	require.Empty(t, s.look(t))
	before := s.Start(t, apptest.Claimant{Identifier: apptest.Email(email(29))})
	before.ProveBy(t, client.MethodEmail)
	require.Equal(t, "low", s.tier(t, before))

	for i := range 28 {
		s.fail(t, apptest.Claimant{Identifier: apptest.Email(email(i))}, client.MethodEmail, 2)
	}
	require.Contains(t, s.look(t), "CodeSpray")
	polls := 0
	tier := func() string { // of somebody new each time, so that no limit is met
		polls++
		return s.tier(t, s.Start(t, apptest.Claimant{Identifier: apptest.Email(fmt.Sprintf("poll%d@example.com", polls))}))
	}
	require.Eventually(t, func() bool { return tier() == "moderate" }, apptest.Patience, 500*time.Millisecond, "this node hears of it within seconds")
	for _, name := range []string{email(28), "nobody@example.com"} {
		c := s.Start(t, apptest.Claimant{Identifier: apptest.Email(name)})
		ch := c.Ask(t, client.MethodEmail)
		for range 3 {
			apptest.Refused(t, c.Answer(t, ch.ID, "12345678"), http.StatusUnprocessableEntity, client.ProblemCodeProofRefused)
		}
		s.Advance(t, 5*time.Minute)
		a := c.Do(t, http.MethodPost, "/challenges", client.ChallengeRequest{Method: client.MethodEmail})
		apptest.Refused(t, a, http.StatusUnprocessableEntity, client.ProblemCodeMethodUnavailable)
	}

	s.Advance(t, 15*time.Minute)
	require.NotContains(t, s.look(t), "CodeSpray")
	require.Eventually(t, func() bool { return tier() == "low" }, apptest.Patience, 500*time.Millisecond, "quiet again")
}

// A network that asks for names which do not exist weighs on its own recoveries, and on nobody else's.
func TestANetworkThatProbes_WeighsOnItsOwnRecoveries(t *testing.T) {
	t.Parallel()
	s := newScene(t)
	s.people(t, 2)
	from := func(n int) string { return fmt.Sprintf("198.51.100.%d", n) }
	for n := range 20 {
		s.Start(t, apptest.Claimant{Identifier: apptest.Email(fmt.Sprintf("nobody%d@example.com", n)), IP: from(n)})
	}
	require.Contains(t, s.look(t), "SourceDecoySurge")
	tries := 0 // each from an address of its own, so that the wait meets no limit
	require.Eventually(t, func() bool {
		tries++
		c := s.Start(t, apptest.Claimant{Identifier: apptest.Email(email(0)), IP: from(100 + tries)})
		return reading(t, s, c.ID, "decoy_rate") == "present" && s.tier(t, c) == "moderate"
	}, apptest.Patience, 1500*time.Millisecond)
	c := s.Start(t, apptest.Claimant{Identifier: apptest.Email(email(1))})
	require.Equal(t, "absent", reading(t, s, c.ID, "decoy_rate"))
	require.Equal(t, "low", s.tier(t, c))
}

// ADR 0014. A busy source raises its own recovery; a rush on a name raises nobody on a device of their own; a code
// that comes back within a second adds to the score and moves no tier by itself.
func TestSignals_OfTheMomentWeighWhereTheyShould(t *testing.T) {
	t.Parallel()
	s := newScene(t)
	s.people(t, 2)
	var last *apptest.Claim
	for n := range 5 {
		last = s.Start(t, apptest.Claimant{Identifier: apptest.Email(fmt.Sprintf("nobody%d@example.com", n)), IP: "192.0.2.77"})
	}
	require.Equal(t, "present", reading(t, s, last.ID, "source_velocity"))
	require.Equal(t, "moderate", s.tier(t, s.Start(t, apptest.Claimant{Identifier: apptest.Email(email(0)), IP: "192.0.2.77"})))

	for range 15 {
		s.Start(t, apptest.Claimant{Identifier: apptest.Email(email(1)), NewDevice: true})
	}
	rushed := s.Start(t, apptest.Claimant{Identifier: apptest.Email(email(1))})
	require.Equal(t, "present", reading(t, s, rushed.ID, "identifier_velocity"))
	require.Equal(t, "low", s.tier(t, rushed), "strangers do not set an owner's tier")

	rushed.ProveBy(t, client.MethodEmail)
	require.Equal(t, "present", reading(t, s, rushed.ID, "impossible_answer"), "this test types faster than a person")
	require.Equal(t, "low", s.tier(t, rushed))
	slow := s.Start(t, apptest.Claimant{Identifier: apptest.Email(email(0))})
	ch := slow.Ask(t, client.MethodEmail)
	code := s.Mail.Code(t, ch.ID, 1)
	s.Advance(t, 20*time.Second)
	require.Equal(t, http.StatusOK, slow.Answer(t, ch.ID, code).Status)
	require.Equal(t, "absent", reading(t, s, slow.ID, "impossible_answer"))
}
