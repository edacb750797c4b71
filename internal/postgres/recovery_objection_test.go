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

// S1, S3: a link pauses once, lapses after three days of silence, and the owner of the claim gets there.
func TestObjection_ByLinkPausesOnceAndLapses(t *testing.T) {
	t.Parallel()
	s := newScene(t)
	p := s.person("ada")
	c := s.start(p.identifier)
	c.hold(p)
	c.accept(p.mailbox, p.phone)

	view, err := s.object(c.link(p.mailbox))
	require.NoError(t, err)
	require.Equal(t, recovery.ObjectionPaused, view.Outcome)
	require.WithinRange(t, view.PausedUntil, s.now().Add(71*time.Hour), s.now().Add(72*time.Hour))
	view, err = s.object(c.link(p.mailbox))
	require.NoError(t, err)
	require.Equal(t, recovery.ObjectionRecorded, view.Outcome)
	require.Equal(t, 2, get[int](s, `SELECT count(*) FROM notice WHERE kind = 'objection_received'`), "told once, to each address")
	_, err = c.grant()
	requireCode(t, fault.CodeNotReady, err)

	s.advance(72*time.Hour + time.Minute)
	c.wake()
	require.Equal(t, recovery.CoolingOff, c.state())
	require.WithinRange(t, c.view().NotBefore, s.now().Add(day-time.Minute), s.now().Add(day))
	_, err = s.object(c.link(p.mailbox))
	requireCode(t, fault.CodeObjectionRefused, err)
	require.Equal(t, 1, get[int](s, `SELECT count(*) FROM audit_event WHERE action = 'recovery.objection.refused'`))

	s.advance(day + time.Minute)
	grant, err := c.grant()
	require.NoError(t, err)
	_, err = s.redeem(grant.Grant)
	require.NoError(t, err)
	c.audited()
}

// The claimant steps up against a link.
func TestObjection_EndsWhenTheClaimantShowsMore(t *testing.T) {
	t.Parallel()
	s := newScene(t)
	p := s.person("ada")
	c := s.start(p.identifier)
	c.hold(p)
	c.accept(p.phone)
	_, err := s.object(c.link(p.mailbox))
	require.NoError(t, err)
	ch := c.challenge(factor.TOTP)
	view := c.prove(ch.ID, s.code(p))
	require.Equal(t, recovery.CoolingOff, view.State)
	require.Equal(t, 0, get[int](s, `SELECT count(*) FROM objection WHERE resolved_at IS NULL`))
	c.audited()
}

// S2: the owner kills a claim in one step, from the app, with evidence; whatever state it is in.
func TestObjection_WithEvidenceEndsTheClaim(t *testing.T) {
	t.Parallel()
	s := newScene(t)
	for name, bring := range map[string]func(c *claim, p *person){
		"held": func(c *claim, p *person) { c.young(p) },
		"contested": func(c *claim, p *person) {
			c.young(p)
			c.accept(p.phone)
			_, err := s.object(c.link(p.mailbox))
			require.NoError(s.t, err)
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := s.person(name, func(p *person) { p.since = 20 * day })
			c := s.start(p.identifier)
			bring(c, p)
			views, err := s.objectFromApp(p, factor.TOTP, s.code(p))
			require.NoError(t, err)
			require.Equal(t, []recovery.ObjectionView{{
				Outcome: recovery.ObjectionVetoed, State: recovery.Vetoed, Proof: recovery.ShownAccepted, Next: recovery.NextNothing,
			}}, views)
			require.Equal(t, recovery.Vetoed, c.state())
			_, err = c.grant()
			requireCode(t, fault.CodeNotAllowedInState, err)
			c.audited()
			s.person("after " + name) // I5: a veto blocks no new claim
			require.Equal(t, recovery.Initiated, s.start(p.identifier).state())
		})
	}
}

// young brings a claim with factors of twenty days, which is no E3, into the hold: email and a saved code.
func (c *claim) young(p *person) {
	c.s.t.Helper()
	c.proveByCode(factor.Email)
	require.Equal(c.s.t, recovery.CoolingOff, c.prove(c.challenge(factor.RecoveryCode).ID, p.codes[0]).State)
}

// One proof counts against all claims of one request: a thief cannot shield the claim that matters behind a newer one.
func TestObjection_FromTheAppConcernsAllOpenClaims(t *testing.T) {
	t.Parallel()
	s := newScene(t)
	p := s.person("ada", func(p *person) { p.since = 20 * day })
	held := s.start(p.identifier)
	held.young(p)
	newer, unproven := s.start(p.identifier), s.start(p.identifier)
	newer.proveByCode(factor.Email)
	require.Equal(t, recovery.CoolingOff, newer.prove(newer.challenge(factor.RecoveryCode).ID, p.codes[1]).State)
	unproven.challenge(factor.TOTP)
	views, err := s.objectFromApp(p, factor.TOTP, s.code(p))
	require.NoError(t, err)
	require.Len(t, views, 2)
	require.Equal(t, recovery.Verifying, unproven.state(), "I8: what a decoy could be is not objected to")
	for _, c := range []*claim{held, newer} {
		require.Equal(t, recovery.Vetoed, c.state())
		c.audited()
	}
	_, err = s.objectFromApp(p, "", secret.String{})
	requireCode(t, fault.CodeNotFound, err)
}

// Rule c: what the claim rests on cannot be counted against it.
func TestObjection_WithTheClaimsOwnFactorIsNoEvidence(t *testing.T) {
	t.Parallel()
	s := newScene(t)
	p := s.person("ada", func(p *person) { p.since = 20 * day })
	c := s.start(p.identifier)
	c.prove(c.challenge(factor.TOTP).ID, s.code(p))
	require.Equal(t, recovery.CoolingOff, c.proveByCode(factor.Email).State)
	s.advance(time.Minute)
	views, err := s.objectFromApp(p, factor.TOTP, s.code(p))
	require.NoError(t, err)
	require.Equal(t, recovery.Contested, views[0].State)
	require.Equal(t, int16(factor.E1), get[int16](s, `SELECT strength FROM objection`))
}

// However a contest ends, its row is sound: the claimant stops it, it runs out of life, or humans get it.
func TestContest_EndsInEveryWay(t *testing.T) {
	t.Parallel()
	s := newScene(t)
	contested := func(name string) *claim {
		p := s.person(name)
		c := s.start(p.identifier)
		c.hold(p)
		_, err := s.object(c.link(p.mailbox))
		require.NoError(t, err)
		require.Equal(t, recovery.Contested, c.state())
		return c
	}
	stopped, old := contested("ada"), contested("bea")
	view, err := s.Cancel(t.Context(), recovery.CancelCommand{Caller: app(), Ref: stopped.ref, Key: s.key("cancel", "", "")})
	require.NoError(t, err)
	require.Equal(t, recovery.Cancelled, view.State)
	require.Equal(t, recovery.Cancelled, stopped.state())
	s.advance(31 * day)
	old.wake()
	require.Equal(t, recovery.Expired, old.state())
	old.audited()
	stopped.audited()
}

// I6, the other half: what comes after the completion is not lost.
func TestObjection_AfterCompletionIsWeighed(t *testing.T) {
	t.Parallel()
	s := newScene(t)
	p := s.person("ada", func(p *person) { p.since = 20 * day })
	c := s.start(p.identifier)
	c.young(p)
	c.accept(p.phone)
	s.advance(4 * day) // a channel of twenty days makes the tier high: three days
	grant, err := c.grant()
	require.NoError(t, err)
	_, err = s.redeem(grant.Grant)
	require.NoError(t, err)

	view, err := s.object(c.link(p.phone))
	require.NoError(t, err)
	require.Equal(t, recovery.ObjectionRecorded, view.Outcome)
	require.Equal(t, recovery.Completed, c.state(), "I3: a link reverses nothing")
	views, err := s.objectFromApp(p, factor.TOTP, s.code(p))
	require.NoError(t, err)
	require.Equal(t, recovery.ObjectionReversed, views[0].Outcome)
	require.Equal(t, recovery.Reversed, c.state())
	c.audited()
	_, err = s.object(c.link(p.phone))
	requireCode(t, fault.CodeObjectionRefused, err)
}

// R-102, S9: when nobody outside the evidence can be told, people look at it.
func TestHold_WithoutADeliveredNoticeGoesToHumans(t *testing.T) {
	t.Parallel()
	s := newScene(t)
	p := s.person("ada")
	c := s.start(p.identifier)
	c.hold(p)
	c.accept(p.mailbox) // the one that was used as evidence
	s.advance(day + time.Minute)
	_, err := c.grant()
	requireCode(t, fault.CodeNotReady, err)
	c.wake()
	require.Equal(t, recovery.Assisted, c.state())
	c.audited()
}

// an address that somebody put there last week is not the owner's word that she was told.
func TestHold_IsNotReleasedByANewAddress(t *testing.T) {
	t.Parallel()
	s := newScene(t)
	p := s.person("ada")
	s.exec(`INSERT INTO channel (tenant_id, id, account_id, kind, address_hash, sealed, since)
		VALUES ('demo', 'chn_new', $1, 'email', sha256('new'), '', holdfast_now() - interval '3 days')`, p.id)
	c := s.start(p.identifier)
	c.hold(p)
	c.accept("chn_new", p.mailbox)
	s.advance(4 * day)
	_, err := c.grant()
	requireCode(t, fault.CodeNotReady, err)
	c.wake()
	require.Equal(t, recovery.Assisted, c.state())
}

// R-096 under balanced: somebody with one mailbox waits a day, by a deviation that the plan names.
func TestHold_OfASingleAddressIsADayByNamedDeviation(t *testing.T) {
	t.Parallel()
	s := newScene(t)
	p := s.person("ada", single)
	cmd := s.startCommand(p.identifier)
	known := true
	cmd.User.KnownDevice = &known
	started, err := s.Start(t.Context(), cmd)
	require.NoError(t, err)
	c := &claim{s: s, id: started.ID, ref: recovery.Ref{ID: started.ID, Claimant: started.ClaimantToken}}
	view := c.proveByCode(factor.Email)
	require.Equal(t, recovery.CoolingOff, view.State)
	require.WithinRange(t, view.NotBefore, s.now().Add(day-time.Minute), s.now().Add(day))
	require.True(t, get[bool](s, `SELECT plan->'deviations' @> '[{"requirement": "R-096", "applied": true}]' FROM recovery`))
	c.accept(p.mailbox)
	s.advance(day)
	_, err = c.grant()
	require.NoError(t, err)
}

// A known device and two aged factors of different classes go without a hold; the notice goes out all the same.
func TestHold_OfLowRiskIsNone(t *testing.T) {
	t.Parallel()
	s := newScene(t)
	p := s.person("ada")
	cmd := s.startCommand(p.identifier)
	known := true
	cmd.User.KnownDevice = &known
	started, err := s.Start(t.Context(), cmd)
	require.NoError(t, err)
	c := &claim{s: s, id: started.ID, ref: recovery.Ref{ID: started.ID, Claimant: started.ClaimantToken}}
	c.hold(p)
	_, err = c.grant()
	requireCode(t, fault.CodeNotReady, err) // I1: nobody has taken the notice yet
	c.accept(p.phone)
	grant, err := c.grant()
	require.NoError(t, err)
	_, err = s.redeem(grant.Grant)
	require.NoError(t, err)
	require.Equal(t, "low", get[string](s, `SELECT tier FROM recovery`))
}

// An account that is gone lets nobody in, whatever the recovery had reached.
func TestGrant_IsNotGivenForAnErasedAccount(t *testing.T) {
	t.Parallel()
	s := newScene(t)
	p := s.person("ada")
	c := s.start(p.identifier)
	c.ready(p)
	grant, err := c.grant()
	require.NoError(t, err)
	s.exec(`UPDATE account SET erased_at = now(), data_key = NULL, ref_hash = NULL, ref_sealed = NULL WHERE id = $1`, p.id)
	_, err = s.redeem(grant.Grant)
	requireCode(t, fault.CodeGrantRefused, err)
	s.advance(11 * time.Minute)
	_, err = c.grant()
	requireCode(t, fault.CodeNotReady, err)
}
