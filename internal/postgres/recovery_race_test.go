package postgres_test

import (
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/holdfast/holdfast/internal/factor"
	"github.com/holdfast/holdfast/internal/fault"
	"github.com/holdfast/holdfast/internal/recovery"
	"github.com/holdfast/holdfast/internal/secret"
)

// attackers is how many try at once.
const attackers = 16

// race lets n tries begin together and counts how each ended.
func race(n int, try func(i int) error) map[fault.Code]int {
	var mu sync.Mutex
	out := map[fault.Code]int{}
	gate := make(chan struct{})
	var wg sync.WaitGroup
	for i := range n {
		wg.Go(func() {
			<-gate
			err := try(i)
			mu.Lock()
			defer mu.Unlock()
			out[fault.CodeOf(err)]++
		})
	}
	close(gate)
	wg.Wait()
	return out
}

// oneWinner checks that one try succeeded and no other one ended in a way that it should not.
func oneWinner(t *testing.T, out map[fault.Code]int, losers ...fault.Code) {
	t.Helper()
	require.Equal(t, 1, out[""], "%v", out)
	for code := range out {
		require.Contains(t, append(losers, ""), code, "%v", out)
	}
}

//
func TestAnswer_OneWinnerForAnEmailCode(t *testing.T) {
	t.Parallel()
	s := newScene(t)
	c := s.start(s.person("ada").identifier)
	ch := c.challenge(factor.Email)
	s.mint(c.id, ch.ID, goodCode)
	out := race(attackers, func(int) error {
		_, err := c.answer(ch.ID, secret.NewString(goodCode))
		return err
	})
	oneWinner(t, out, fault.CodeProofRefused, fault.CodeThrottled)
	require.Equal(t, 1, get[int](s, `SELECT count(*) FROM evidence`))
	c.audited()
}

// claims starts n claims and brings each to a challenge of the method.
func (s *scene) claims(p *person, n int, m factor.Method) []*claim {
	s.t.Helper()
	out := make([]*claim, n)
	for i := range out {
		out[i] = s.start(p.identifier)
		out[i].challenge(m)
	}
	return out
}

// claims compete for one saved code; one has it.
func TestAnswer_OneWinnerForASavedCodeOverManyRecoveries(t *testing.T) {
	t.Parallel()
	s := newScene(t)
	p := s.person("ada")
	claims := s.claims(p, attackers, factor.RecoveryCode)
	out := race(attackers, func(i int) error {
		_, err := claims[i].answer(claims[i].challengeID(factor.RecoveryCode), p.codes[0])
		return err
	})
	oneWinner(t, out, fault.CodeProofRefused, fault.CodeThrottled, fault.CodeConflict)
	require.Equal(t, 1, get[int](s, `SELECT count(*) FROM evidence`))
}

//
func TestAnswer_OneWinnerForATOTPStepOverManyRecoveries(t *testing.T) {
	t.Parallel()
	s := newScene(t)
	p := s.person("ada")
	claims := s.claims(p, attackers, factor.TOTP)
	code := s.code(p)
	out := race(attackers, func(i int) error {
		_, err := claims[i].answer(claims[i].challengeID(factor.TOTP), code)
		return err
	})
	oneWinner(t, out, fault.CodeProofRefused, fault.CodeThrottled, fault.CodeConflict)
	require.Equal(t, 1, get[int](s, `SELECT count(*) FROM evidence`))
}

// R-046 across both doors: a step that stops a claim proves no other one, and the reverse.
func TestObject_OneWinnerForATOTPStep(t *testing.T) {
	t.Parallel()
	s := newScene(t)
	p := s.person("ada", func(p *person) { p.since = 20 * day })
	held := s.start(p.identifier)
	held.young(p)
	link := held.link(p.phone)
	claims := s.claims(p, attackers-1, factor.TOTP)
	code := s.code(p)
	out := race(attackers, func(i int) error {
		if i == attackers-1 {
			view, err := s.Object(t.Context(), recovery.ObjectCommand{Token: link, Method: factor.TOTP, Code: code})
			if err == nil && view.Proof != recovery.ShownAccepted { // the link is heard all the same
				return fault.Of(fault.CodeProofRefused)
			}
			return err
		}
		_, err := claims[i].answer(claims[i].challengeID(factor.TOTP), code)
		return err
	})
	oneWinner(t, out, fault.CodeProofRefused, fault.CodeThrottled, fault.CodeConflict)
}

func TestGrant_OneWinner(t *testing.T) {
	t.Parallel()
	s := newScene(t)
	p := s.person("ada")
	c := s.start(p.identifier)
	c.ready(p)
	out := race(attackers, func(int) error {
		_, err := c.grant()
		return err
	})
	oneWinner(t, out, fault.CodeNotReady)
	require.Equal(t, 1, get[int](s, `SELECT count(*) FROM recovery_grant`))
	c.audited()
}

func TestRedeem_OneWinner(t *testing.T) {
	t.Parallel()
	s := newScene(t)
	p := s.person("ada")
	c := s.start(p.identifier)
	c.ready(p)
	grant, err := c.grant()
	require.NoError(t, err)
	out := race(attackers, func(int) error {
		_, err := s.redeem(grant.Grant)
		return err
	})
	oneWinner(t, out, fault.CodeGrantUsed)
	require.Equal(t, 3, get[int](s, `SELECT count(*) FROM saved_code WHERE used_at IS NULL`), "one successor")
	c.audited()
}

// S8 asks for a thousand rounds of veto against redemption, each with its own interleaving. They go in shares, side by side.
const (
	shares        = 4
	roundsOfShare = 250
)

// I6, R-109, S8: of a veto and a redemption one commits, and the other is told so; a redemption that came first is followed
// by a reversal, a veto that came first by nothing.
func TestObject_AgainstRedeem(t *testing.T) {
	t.Parallel()
	for share := range shares {
		t.Run(fmt.Sprint("share ", share), func(t *testing.T) {
			t.Parallel()
			s := newScene(t)
			claims, people, grants := s.granted(t)
			ended := map[recovery.State]int{}
			for i, c := range claims {
				ended[s.vetoAgainstRedeem(c, people[i], grants[i], i%5)]++
			}
			require.Len(t, ended, 2, "both can win")
		})
	}
}

// vetoAgainstRedeem lets both go at once, the veto after so many looks, and gives the state in which it ended.
func (s *scene) vetoAgainstRedeem(c *claim, p *person, grant secret.String, looks int) recovery.State {
	s.t.Helper()
	code := s.code(p)
	out := race(2, func(n int) error {
		if n == 1 {
			_, err := s.redeem(grant)
			return err
		}
		for range looks { // a redemption that mints a saved code takes two turns: meet it everywhere
			c.view()
		}
		_, err := s.objectFromApp(p, factor.TOTP, code)
		return err
	})
	state := c.state()
	redeemed := get[int](s, `SELECT count(*) FROM recovery_grant WHERE recovery_id = $1 AND redeemed_at IS NOT NULL`, c.id)
	switch state { //nolint:exhaustive // nothing else may come of it.
	case recovery.Vetoed:
		require.Equal(s.t, map[fault.Code]int{"": 1, fault.CodeGrantRefused: 1}, out)
		require.Zero(s.t, redeemed)
	case recovery.Reversed:
		require.Equal(s.t, map[fault.Code]int{"": 2}, out)
		require.Equal(s.t, 1, redeemed)
	default:
		require.Fail(s.t, "neither", "%s after %v", state, out)
	}
	c.audited()
	return state
}

// granted brings claims to their grants, all under one hold.
func (s *scene) granted(t *testing.T) ([]*claim, []*person, []secret.String) {
	t.Helper()
	var claims []*claim
	var people []*person
	var grants []secret.String
	for i := range roundsOfShare {
		p := s.person(fmt.Sprint("p", i), func(p *person) { p.since = 20 * day })
		c := s.start(p.identifier)
		c.young(p)
		c.accept(p.phone)
		claims, people = append(claims, c), append(people, p)
	}
	s.advance(3*day + time.Minute)
	for _, c := range claims {
		grant, err := c.grant()
		require.NoError(t, err)
		grants = append(grants, grant.Grant)
	}
	return claims, people, grants
}

// I6: a link that crosses with the grant: the grant is void, or it was never given.
func TestObject_AgainstGrant(t *testing.T) {
	t.Parallel()
	s := newScene(t)
	for i := range 25 {
		p := s.person(fmt.Sprint("p", i))
		c := s.start(p.identifier)
		c.ready(p)
		link := c.link(p.phone)
		var grant recovery.GrantView
		out := race(2, func(n int) error {
			var err error
			if n == 0 {
				_, err = s.object(link)
			} else {
				grant, err = c.grant()
			}
			return err
		})
		require.Equal(t, recovery.Contested, c.state(), "%v", out)
		if !grant.Grant.IsZero() {
			_, err := s.redeem(grant.Grant)
			requireCode(t, fault.CodeGrantRefused, err)
		}
		c.audited()
	}
}

// R-050, I7: ten recoveries guess five times each, all at once. The subject's counter lets through what it lets through.
func TestAnswer_ParallelGuessesShareOneLimit(t *testing.T) {
	t.Parallel()
	s := newScene(t)
	for name, identifier := range map[string]string{"account": s.person("ada").identifier, "decoy": "nobody@example.com"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var claims []*claim
			for range 10 {
				claims = append(claims, s.start(identifier))
			}
			for _, c := range claims {
				c.challenge(factor.TOTP)
			}
			out := race(50, func(i int) error {
				c := claims[i%10]
				_, err := c.answer(c.challengeID(factor.TOTP), secret.NewString("000000"))
				return err
			})
			// Only a claim that failed three times itself is told to wait; how many were judged, the counter knows.
			require.Equal(t, 50, out[fault.CodeProofRefused]+out[fault.CodeThrottled], "%v", out)
			require.Equal(t, 3, get[int](s, `SELECT consecutive FROM attempt_counter WHERE kind = 'totp' AND subject = (SELECT subject FROM recovery WHERE id = $1)`, claims[0].id))
		})
	}
}

// The same of objections to several claims, whose counter has no row yet: nobody asked for a challenge.
func TestObject_ParallelGuessesShareOneLimit(t *testing.T) {
	t.Parallel()
	s := newScene(t)
	p := s.person("ada")
	var links []secret.String
	for _, code := range p.codes {
		c := s.start(p.identifier)
		c.proveByCode(factor.Email)
		require.Equal(t, recovery.CoolingOff, c.prove(c.challenge(factor.RecoveryCode).ID, code).State)
		links = append(links, c.link(p.phone))
	}
	var refused, resting atomic.Int64
	out := race(attackers, func(i int) error {
		view, err := s.Object(t.Context(), recovery.ObjectCommand{Token: links[i%len(links)], Method: factor.TOTP, Code: secret.NewString("000000")})
		switch view.Proof {
		case recovery.ShownRefused:
			refused.Add(1)
		case recovery.ShownResting:
			resting.Add(1)
		case recovery.ShownAccepted:
		}
		return err
	})
	require.Equal(t, map[fault.Code]int{"": attackers}, out, "the links themselves are heard")
	require.Equal(t, []int64{3, attackers - 3}, []int64{refused.Load(), resting.Load()})
	require.Equal(t, 3, get[int](s, `SELECT consecutive FROM attempt_counter WHERE kind = 'totp' AND subject = $1`, p.id))
}

// claims share one send budget, the first ones side by side included.
func TestChallenge_ParallelFirstSendsShareOneBudget(t *testing.T) {
	t.Parallel()
	s := newScene(t)
	for name, identifier := range map[string]string{"account": s.person("ada").identifier, "decoy": "nobody@example.com"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var claims []*claim
			for range attackers {
				claims = append(claims, s.start(identifier))
			}
			out := race(attackers, func(i int) error {
				_, err := claims[i].tryChallenge(factor.Email)
				return err
			})
			// nobody is told that the day is used up, but five messages are all there are.
			require.Equal(t, map[fault.Code]int{"": attackers}, out)
			require.Equal(t, 5, get[int](s, `SELECT count(*) FROM river.river_job j JOIN challenge c ON c.id = j.args->>'id' JOIN recovery r ON r.id = c.recovery_id
				WHERE j.kind = 'challenge.deliver' AND r.subject = (SELECT subject FROM recovery WHERE id = $1)`, claims[0].id))
		})
	}
}
