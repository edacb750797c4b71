package postgres_test

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/holdfast/holdfast/internal/factor"
	"github.com/holdfast/holdfast/internal/fault"
	"github.com/holdfast/holdfast/internal/secret"
)

// TestRoundTrips_StayWithinTheirBudget: each step of a recovery is one durable commit and two round trips on the wire: one to
// begin, lock and read, one to write and commit. A saved code is looked up before (its argon2 must hold no lock) and made
// after. What only the first request on a connection costs, preparing its statements, is left out.
func TestRoundTrips_StayWithinTheirBudget(t *testing.T) {
	t.Parallel()
	s := newSceneOf(t, 1)
	for n, step := range []struct {
		name    string
		bring   func(c *claim, p *person)
		act     func(c *claim, p *person)
		trips   int64
		commits int64
	}{
		{"start", func(*claim, *person) {}, func(_ *claim, p *person) { s.start(p.identifier) }, 2, 1},
		{"start of a decoy", func(*claim, *person) {}, func(_ *claim, p *person) { s.start("no-" + p.identifier) }, 2, 1},
		{"challenge", func(*claim, *person) {}, func(c *claim, _ *person) { c.challenge(factor.SMS) }, 2, 1},
		{"a wrong answer", func(c *claim, _ *person) { c.challenge(factor.SMS) }, func(c *claim, _ *person) {
			_, err := c.answer(c.challengeID(factor.SMS), secret.NewString(badCode))
			requireCode(t, fault.CodeProofRefused, err)
		}, 2, 1},
		{"a right answer", func(c *claim, _ *person) { s.mint(c.id, c.challenge(factor.Email).ID, goodCode) }, func(c *claim, _ *person) {
			c.prove(c.challengeID(factor.Email), secret.NewString(goodCode))
		}, 2, 1},
		{"a saved code, and the hold begins", func(c *claim, _ *person) {
			c.proveByCode(factor.Email)
			c.challenge(factor.RecoveryCode)
		}, func(c *claim, p *person) { c.prove(c.challengeID(factor.RecoveryCode), p.codes[0]) }, 3, 2},
		{"look", func(c *claim, p *person) { c.hold(p) }, func(c *claim, _ *person) { c.view() }, 1, 1},
		{"grant", (*claim).ready, func(c *claim, _ *person) {
			_, err := c.grant()
			require.NoError(t, err)
		}, 2, 1},
	} {
		for i := range 2 { // the first one prepares
			p := s.person(fmt.Sprintf("p%d-%d", n, i))
			c := s.start(p.identifier)
			step.bring(c, p)
			trips, commits := s.wire.trips.Load(), s.wire.commits.Load()
			step.act(c, p)
			if i == 1 {
				require.Equal(t, step.trips, s.wire.trips.Load()-trips, step.name)
				require.Equal(t, step.commits, s.wire.commits.Load()-commits, step.name)
			}
		}
	}
}

// challengeID finds the claim's challenge of a method.
func (c *claim) challengeID(m factor.Method) string {
	c.s.t.Helper()
	return get[string](c.s, `SELECT id FROM challenge WHERE recovery_id = $1 AND method = $2`, c.id, string(m))
}
