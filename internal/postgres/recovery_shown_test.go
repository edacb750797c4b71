package postgres_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/holdfast/holdfast/internal/factor"
	"github.com/holdfast/holdfast/internal/fault"
	"github.com/holdfast/holdfast/internal/recovery"
	"github.com/holdfast/holdfast/internal/secret"
)

// objectWith objects by a link with a proof beside it.
func (s *scene) objectWith(token secret.String, m factor.Method, code secret.String) (recovery.ObjectionView, error) {
	return s.Object(s.t.Context(), recovery.ObjectCommand{Token: token, Method: m, Code: code})
}

// wrongs is how many refusals of the method in a row the person has.
func (s *scene) wrongs(p *person, m factor.Method) int {
	s.t.Helper()
	return get[int](s, `SELECT coalesce((SELECT consecutive FROM attempt_counter WHERE kind = $1 AND subject = $2), 0)`, string(m), p.id)
}

// R-104, ADR 0016: a wrong proof is counted, and takes nothing from the link.
func TestObjection_WithAWrongProofPausesAndIsCounted(t *testing.T) {
	t.Parallel()
	s := newScene(t)
	p := s.person("ada")
	c := s.start(p.identifier)
	c.hold(p)
	view, err := s.objectWith(c.link(p.phone), factor.TOTP, secret.NewString("000000"))
	require.NoError(t, err)
	require.Equal(t, recovery.ObjectionPaused, view.Outcome)
	require.Equal(t, recovery.ShownRefused, view.Proof)
	require.Equal(t, recovery.NextProof, view.Next)
	require.Equal(t, recovery.Contested, c.state())
	require.Equal(t, int16(factor.E0), get[int16](s, `SELECT strength FROM objection`), "and adds nothing to it")
	require.Equal(t, 1, s.wrongs(p, factor.TOTP))
	require.Equal(t, 1, get[int](s, `SELECT count(*) FROM audit_event WHERE action = 'recovery.objection.refused' AND outcome = 'failure'`))
	c.audited()
	_, err = s.objectFromApp(p, factor.Email, secret.NewString("000000"))
	requireCode(t, fault.CodeMethodUnavailable, err)
}

// R-066, ADR 0016: who wears a method out does not take the link from the owner.
func TestObjection_WhileTheMethodRestsPausesAllTheSame(t *testing.T) {
	t.Parallel()
	s := newScene(t)
	p := s.person("ada")
	c, thief := s.start(p.identifier), s.start(p.identifier)
	c.hold(p)
	ch := thief.challenge(factor.TOTP)
	for range 3 {
		_, err := thief.answer(ch.ID, secret.NewString("000000"))
		requireCode(t, fault.CodeProofRefused, err)
	}
	view, err := s.objectWith(c.link(p.phone), factor.TOTP, s.code(p))
	require.NoError(t, err)
	require.Equal(t, recovery.ObjectionPaused, view.Outcome)
	require.Equal(t, recovery.ShownResting, view.Proof)
	require.WithinRange(t, view.RetryAt, s.now(), s.now().Add(30*time.Second))
	require.Equal(t, 3, s.wrongs(p, factor.TOTP), "it was not looked at")
	require.Zero(t, get[int64](s, `SELECT last_step FROM factor WHERE id = $1`, p.totp))
	s.advance(31 * time.Second)
	view, err = s.objectWith(c.link(p.phone), factor.TOTP, s.code(p))
	require.NoError(t, err)
	require.Equal(t, recovery.ShownAccepted, view.Proof)
	require.Zero(t, s.wrongs(p, factor.TOTP))
}

// I4: where the link alone does nothing any more, the proof's own refusal is the answer, and a right one is still heard.
func TestObjection_WithAProofAfterThePauseIsJudgedByTheProof(t *testing.T) {
	t.Parallel()
	s := newScene(t)
	p := s.person("ada", func(p *person) { p.since = 20 * day })
	c := s.start(p.identifier)
	c.young(p)
	c.accept(p.phone)
	link := c.link(p.phone)
	_, err := s.object(link)
	require.NoError(t, err)
	s.advance(72*time.Hour + time.Minute)
	c.wake()
	require.Equal(t, recovery.CoolingOff, c.state())
	_, err = s.object(link)
	requireCode(t, fault.CodeObjectionRefused, err)
	for range 3 {
		_, err = s.objectWith(link, factor.TOTP, secret.NewString("000000"))
		requireCode(t, fault.CodeProofRefused, err)
	}
	_, err = s.objectWith(link, factor.TOTP, s.code(p))
	requireCode(t, fault.CodeThrottled, err)
	require.Equal(t, 3, s.wrongs(p, factor.TOTP))
	s.advance(31 * time.Second)
	view, err := s.objectWith(link, factor.TOTP, s.code(p))
	require.NoError(t, err)
	require.Equal(t, recovery.ObjectionVetoed, view.Outcome)
	c.audited()
}

// for a recovery that is over, a proof is neither judged nor used up, so a dead link tells a guesser nothing.
func TestObjection_OfARecoveryThatIsOverLooksAtNoProof(t *testing.T) {
	t.Parallel()
	s := newScene(t)
	p := s.person("ada")
	cancelled, late := s.start(p.identifier), s.start(p.identifier)
	cancelled.hold(p)
	late.proveByCode(factor.SMS)
	require.Equal(t, recovery.CoolingOff, late.prove(late.challenge(factor.RecoveryCode).ID, p.codes[1]).State)
	link, lateLink := cancelled.link(p.phone), late.link(p.mailbox)
	_, err := s.Cancel(t.Context(), recovery.CancelCommand{Caller: app(), Ref: cancelled.ref, Key: s.key("cancel", "", "")})
	require.NoError(t, err)
	s.advance(31 * day) // the other one is past its deadline, and nobody has written it down
	for _, token := range []secret.String{link, lateLink} {
		for _, code := range []secret.String{secret.NewString("000000"), s.code(p)} {
			_, err = s.objectWith(token, factor.TOTP, code)
			requireCode(t, fault.CodeObjectionRefused, err)
		}
	}
	require.Equal(t, recovery.Expired, late.state())
	require.Zero(t, s.wrongs(p, factor.TOTP))
	require.Zero(t, get[int64](s, `SELECT last_step FROM factor WHERE id = $1`, p.totp))
}

// Through the app one wrong proof is one guess, whatever the number of claims; the session pauses all of them.
func TestObjection_FromTheAppCountsAWrongProofOnce(t *testing.T) {
	t.Parallel()
	s := newScene(t)
	p := s.person("ada")
	held, newer := s.start(p.identifier), s.start(p.identifier)
	held.hold(p)
	newer.proveByCode(factor.SMS)
	require.Equal(t, recovery.CoolingOff, newer.prove(newer.challenge(factor.RecoveryCode).ID, p.codes[1]).State)
	proving := s.start(p.identifier)
	proving.proveByCode(factor.Email)
	views, err := s.objectFromApp(p, factor.TOTP, secret.NewString("000000"))
	require.NoError(t, err)
	require.Len(t, views, 2)
	for _, view := range views {
		require.Equal(t, recovery.ObjectionPaused, view.Outcome)
		require.Equal(t, recovery.ShownRefused, view.Proof)
	}
	require.Equal(t, 1, s.wrongs(p, factor.TOTP))
	require.Equal(t, recovery.Verifying, proving.state())
	for _, c := range []*claim{held, newer, proving} {
		c.audited()
	}
}

// Where the session alone does nothing to any claim, a wrong proof through the app is refused as such, and counted.
func TestObjection_FromTheAppSaysThatAProofIsWrong(t *testing.T) {
	t.Parallel()
	s := newScene(t)
	p := s.person("ada")
	c := s.start(p.identifier)
	c.proveByCode(factor.Email)
	_, err := s.objectFromApp(p, factor.TOTP, secret.NewString("000000"))
	requireCode(t, fault.CodeProofRefused, err)
	require.Equal(t, 1, s.wrongs(p, factor.TOTP))
	require.Equal(t, recovery.Verifying, c.state())
}

// 4.1, 4.2: the owner may bring one proof after the other, and they add up; equal strength goes to people.
func TestObjection_ProofsAddUpAndATieGoesToHumans(t *testing.T) {
	t.Parallel()
	s := newScene(t)
	p := s.person("ada")
	c := s.start(p.identifier)
	c.hold(p) // E3: two classes, both of ninety days
	link := c.link(p.phone)
	view, err := s.objectWith(link, factor.TOTP, s.code(p))
	require.NoError(t, err)
	require.Equal(t, recovery.ObjectionPaused, view.Outcome)
	require.Equal(t, recovery.ShownAccepted, view.Proof)
	require.Equal(t, recovery.NextProof, view.Next, "what the claimant has shown does not show (R-103)")
	view, err = s.objectWith(link, factor.RecoveryCode, p.codes[1])
	require.NoError(t, err)
	require.Equal(t, recovery.ObjectionToHumans, view.Outcome)
	require.Equal(t, recovery.NextSupport, view.Next)
	require.Equal(t, recovery.Assisted, c.state())
	view, err = s.object(link)
	require.NoError(t, err)
	require.Equal(t, recovery.ObjectionRecorded, view.Outcome, "said again it is written down")
	c.audited()
}

// A proof counts as old as it was when it was shown: waiting with it makes it no better.
func TestObjection_ProofsDoNotAgeWhileTheyStand(t *testing.T) {
	t.Parallel()
	s := newScene(t)
	p := s.person("ada")
	s.exec(`UPDATE factor SET enrolled_at = holdfast_now() - interval '6 days', confirmed_at = holdfast_now() - interval '6 days' WHERE id = $1`, p.totp)
	c := s.start(p.identifier)
	c.hold(p)
	_, err := s.objectFromApp(p, factor.TOTP, s.code(p)) // a link would add its address
	require.NoError(t, err)
	s.advance(2 * day)
	views, err := s.objectFromApp(p, factor.RecoveryCode, p.codes[1])
	require.NoError(t, err)
	require.Equal(t, recovery.ObjectionRecorded, views[0].Outcome)
	require.Equal(t, recovery.Contested, c.state())
	require.Equal(t, int16(factor.E1), get[int16](s, `SELECT max(strength) FROM objection`), "the app was six days old when it was shown")
}
