package postgres_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/holdfast/holdfast/internal/audit"
	"github.com/holdfast/holdfast/internal/factor"
	"github.com/holdfast/holdfast/internal/fault"
	"github.com/holdfast/holdfast/internal/recovery"
	"github.com/holdfast/holdfast/internal/recovery/recoverytest"
	"github.com/holdfast/holdfast/internal/secret"
)

// The main job, from the first request to the end of probation, and everything that it leaves behind.
func TestRecovery_WalksFromStartToClosed(t *testing.T) {
	t.Parallel()
	s := newScene(t)
	p := s.person("ada")
	c := s.start(p.identifier)
	require.Equal(t, recovery.Initiated, c.view().State)

	view := c.proveByCode(factor.Email)
	require.Equal(t, recovery.Verifying, view.State)
	require.Equal(t, []recovery.AnyOf{{AnyOf: []factor.Method{factor.TOTP, factor.RecoveryCode}}}, view.Remaining)
	require.Len(t, view.Satisfied, 1)

	before := s.now()
	view = c.prove(c.challenge(factor.RecoveryCode).ID, p.codes[0])
	require.Equal(t, recovery.CoolingOff, view.State)
	require.WithinRange(t, view.NotBefore, before.Add(day), s.now().Add(day))
	require.Equal(t, 2, get[int](s, `SELECT count(*) FROM notice WHERE recovery_id = $1 AND kind = 'hold_entered'`, c.id), "R-094: every address")
	_, err := c.grant()
	requireCode(t, fault.CodeNotReady, err)

	c.accept(p.phone)
	s.advance(day - time.Minute)
	c.wake()
	require.Equal(t, recovery.CoolingOff, c.state())
	s.advance(2 * time.Minute)
	require.Equal(t, recovery.Ready, c.view().State, "due is judged when it is asked for")
	require.Equal(t, recovery.CoolingOff, c.state(), "reading writes nothing")

	grant, err := c.grant()
	require.NoError(t, err)
	require.WithinRange(t, grant.ExpiresAt, s.now().Add(9*time.Minute), s.now().Add(10*time.Minute))
	out, err := s.redeem(grant.Grant)
	require.NoError(t, err)
	require.Equal(t, p.ref, out.AccountRef)
	require.Equal(t, c.id, out.RecoveryID)
	require.Equal(t, 2, out.AAL)
	require.Equal(t, []string{"reset_password", "revoke_sessions", "replace_recovery_code"}, out.Actions)
	require.False(t, out.ReplacementCode.IsZero())
	c.statement(out)

	s.advance(7*day + time.Minute)
	n, err := s.WakeAll(t.Context(), 10)
	require.NoError(t, err)
	require.Equal(t, 1, n)
	require.Equal(t, recovery.Closed, c.state())
	require.Equal(t, []string{
		"initiated ->initiated", "challenge.requested initiated>verifying", "proof.accepted verifying>verifying",
		"challenge.requested verifying>verifying", "cooling_off.entered verifying>cooling_off", "cooling_off.reminded cooling_off>cooling_off",
		"ready cooling_off>ready", "grant.issued ready>granted", "completed granted>completed", "probation.ended completed>closed",
	}, c.trail())
	c.audited()
	require.Equal(t, 0, get[int](s, `SELECT count(*) FROM recovery WHERE wake_at IS NOT NULL`), "nothing is left to wake for")
	c.noSecrets(grant.Grant.Reveal(), p.codes[0].Reveal(), out.ReplacementCode.Reveal(), goodCode, c.ref.Claimant.Reveal())
}

// statement checks the signed statement as an identity system would.
func (c *claim) statement(out recovery.Redemption) {
	c.s.t.Helper()
	signer, err := c.s.keys.Signer()
	require.NoError(c.s.t, err)
	verifier, err := secret.NewVerifier(signer.JWKS())
	require.NoError(c.s.t, err)
	var claims struct {
		Subject  string `json:"sub"`
		Recovery string `json:"recovery_id"`
		Tenant   string `json:"tenant"`
		AAL      int    `json:"aal"`
	}
	want := secret.Expect{Type: "holdfast-grant+jwt", Issuer: recoverytest.Issuer, Audience: "cli_idp", Now: c.s.now()}
	require.NoError(c.s.t, verifier.Verify(out.Statement, want, &claims))
	require.Equal(c.s.t, out.AccountRef, claims.Subject)
	require.Equal(c.s.t, c.id, claims.Recovery)
	require.Equal(c.s.t, out.AAL, claims.AAL)
	require.Equal(c.s.t, "demo", claims.Tenant)
}

// noSecrets looks for secrets in every row of every table.
func (c *claim) noSecrets(secrets ...string) {
	c.s.t.Helper()
	for _, table := range []string{"recovery", "challenge", "evidence", "objection", "notice", "recovery_grant", "assessment", "idempotency", "audit_event", "saved_code", "river.river_job"} {
		for _, secret := range secrets {
			require.Zero(c.s.t, get[int](c.s, `SELECT count(*) FROM `+table+` x WHERE strpos(x::text, $1) > 0 OR strpos(x::text, encode($1::bytea, 'hex')) > 0`, secret), table)
		}
	}
}

func TestRecovery_WalksByAuthenticatorApp(t *testing.T) {
	t.Parallel()
	s := newScene(t)
	p := s.person("ada")
	c := s.start(p.identifier)
	ch := c.challenge(factor.TOTP)
	code := s.code(p)
	view := c.prove(ch.ID, code)
	require.Equal(t, recovery.Verifying, view.State, "an authenticator alone is no recovery")
	require.Equal(t, recovery.CoolingOff, c.proveByCode(factor.SMS).State)
	c.accept(p.mailbox)
	s.advance(3*day + time.Minute) // an unknown device and a SIM that nobody asked about
	grant, err := c.grant()
	require.NoError(t, err)
	out, err := s.redeem(grant.Grant)
	require.NoError(t, err)
	require.True(t, out.ReplacementCode.IsZero())
	c.audited()
}

// a used saved code is worth nothing again, has one successor, and everybody hears of it.
func TestRedeem_ReplacesTheSavedCodeThatWasUsed(t *testing.T) {
	t.Parallel()
	s := newScene(t)
	p := s.person("ada")
	c := s.start(p.identifier)
	c.ready(p)
	grant, err := c.grant()
	require.NoError(t, err)
	out, err := s.redeem(grant.Grant)
	require.NoError(t, err)
	require.Equal(t, 3, get[int](s, `SELECT count(*) FROM saved_code WHERE account_id = $1 AND used_at IS NULL AND revoked_at IS NULL`, p.id))
	require.Equal(t, 2, get[int](s, `SELECT count(*) FROM notice WHERE recovery_id = $1 AND kind = 'code_replaced'`, c.id))
	require.Equal(t, 1, get[int](s, `SELECT count(*) FROM audit_event WHERE action = 'saved_code.issued' AND recovery_id = $1`, c.id))

	again := s.start(p.identifier)
	ch := again.challenge(factor.RecoveryCode)
	_, err = again.answer(ch.ID, p.codes[0])
	requireCode(t, fault.CodeProofRefused, err)
	_, err = again.answer(ch.ID, out.ReplacementCode)
	require.NoError(t, err)
}

// ADR 0003: a refusal is counted and committed before it is given.
func TestAnswer_CommitsWhatItRefuses(t *testing.T) {
	t.Parallel()
	s := newScene(t)
	p := s.person("ada")
	c := s.start(p.identifier)
	ch := c.challenge(factor.Email)
	s.mint(c.id, ch.ID, goodCode)
	_, err := c.answer(ch.ID, secret.NewString(badCode))
	requireCode(t, fault.CodeProofRefused, err)
	require.Equal(t, 1, get[int](s, `SELECT attempts FROM challenge WHERE id = $1`, ch.ID))
	require.Equal(t, 1, get[int](s, `SELECT consecutive FROM attempt_counter WHERE subject = $1 AND kind = 'email'`, p.id))
	require.Equal(t, "failure", get[string](s, `SELECT outcome FROM audit_event WHERE recovery_id = $1 AND action = 'recovery.proof.rejected'`, c.id))
	require.Equal(t, 3, get[int](s, `SELECT version FROM recovery WHERE id = $1`, c.id))
	c.prove(ch.ID, secret.NewString(goodCode))
	require.Equal(t, 0, get[int](s, `SELECT consecutive FROM attempt_counter WHERE subject = $1 AND kind = 'email'`, p.id), "R-083")
}

// after a resend the old code is worth nothing, and the failures count on.
func TestChallenge_ResendOverwritesTheCodeAndKeepsTheCount(t *testing.T) {
	t.Parallel()
	s := newScene(t)
	p := s.person("ada")
	c := s.start(p.identifier)
	ch := c.challenge(factor.Email)
	s.mint(c.id, ch.ID, goodCode)
	for i, pass := range []time.Duration{0, 0, time.Minute, 3 * time.Minute} {
		s.advance(pass)
		_, err := c.answer(ch.ID, secret.NewString(badCode))
		require.Equal(t, fault.CodeProofRefused, fault.CodeOf(err), "attempt %d", i)
	}
	_, err := c.tryChallenge(factor.TOTP)
	require.NoError(t, err, "R-068: another method is not concerned")
	again := c.challenge(factor.Email)
	require.Equal(t, ch.ID, again.ID)
	s.mint(c.id, ch.ID, "11112222")
	s.advance(11 * time.Minute)
	s.exec(`UPDATE challenge SET expires_at = expires_at + interval '1 hour' WHERE id = $1`, ch.ID)
	_, err = c.answer(ch.ID, secret.NewString(goodCode))
	requireCode(t, fault.CodeProofRefused, err)
	s.advance(time.Hour)
	_, err = c.tryChallenge(factor.Email)
	requireCode(t, fault.CodeMethodUnavailable, err)
	require.Equal(t, 5, get[int](s, `SELECT attempts FROM challenge WHERE id = $1`, ch.ID))
}

// a code is of its recovery.
func TestAnswer_RefusesTheCodeOfAnotherRecovery(t *testing.T) {
	t.Parallel()
	s := newScene(t)
	p := s.person("ada")
	a, b := s.start(p.identifier), s.start(p.identifier)
	chA, chB := a.challenge(factor.Email), b.challenge(factor.Email)
	s.mint(a.id, chA.ID, goodCode)
	s.mint(b.id, chB.ID, badCode)
	_, err := b.answer(chB.ID, secret.NewString(goodCode))
	requireCode(t, fault.CodeProofRefused, err)
	_, err = b.answer(chA.ID, secret.NewString(goodCode))
	requireCode(t, fault.CodeNotFound, err)
	_, err = (&claim{s: s, id: a.id, ref: recovery.Ref{ID: a.id, Claimant: b.ref.Claimant}}).answer(chA.ID, secret.NewString(goodCode))
	requireCode(t, fault.CodeNotFound, err)
	a.prove(chA.ID, secret.NewString(goodCode))
}

// An answer may come while the sender mints: neither undoes the other.
func TestAnswer_LeavesTheCodeThatIsOnItsWay(t *testing.T) {
	t.Parallel()
	s := newScene(t)
	p := s.person("ada")
	c := s.start(p.identifier)
	ch := c.challenge(factor.Email)
	// A stale copy of the challenge is written, as a transaction does that read it before the code was minted.
	err := s.store.Changing(t.Context(), recovery.Query{Tenant: "demo", ID: c.id}, func(tx recovery.Tx, in recovery.Loaded) error {
		s.mint(c.id, ch.ID, goodCode)
		step, err := in.Recovery.Apply(recovery.Event{Kind: recovery.ProofRejected, Method: factor.Email, Challenge: ch.ID}, in.Now)
		require.NoError(t, err)
		stale := in.Challenges[0]
		stale.Attempts++
		return tx.Apply(t.Context(), recovery.Change{
			Tenant: "demo", Subject: in.Recovery.Subject, At: in.Now, Steps: []recovery.Step{step}, Challenge: &stale,
			By: audit.Actor{Kind: audit.ActorClaimant},
		})
	})
	require.NoError(t, err)
	require.Equal(t, 1, get[int](s, `SELECT attempts FROM challenge WHERE id = $1`, ch.ID))
	c.prove(ch.ID, secret.NewString(goodCode))
}

func TestCancel_EndsItForGood(t *testing.T) {
	t.Parallel()
	s := newScene(t)
	p := s.person("ada")
	c := s.start(p.identifier)
	c.hold(p)
	view, err := s.Cancel(t.Context(), recovery.CancelCommand{Caller: app(), Ref: c.ref, Key: s.key("cancel", "", "")})
	require.NoError(t, err)
	require.Equal(t, recovery.Cancelled, view.State)
	require.Equal(t, recovery.Cancelled, c.state())
	_, err = c.tryChallenge(factor.SMS)
	requireCode(t, fault.CodeNotAllowedInState, err)
	_, err = c.grant()
	requireCode(t, fault.CodeNotAllowedInState, err)
	c.audited()
}

// what nobody goes on with ends, and says so to who comes back late.
func TestRecovery_ExpiresAfterADay(t *testing.T) {
	t.Parallel()
	s := newScene(t)
	p := s.person("ada")
	c, other := s.start(p.identifier), s.start("nobody@example.com")
	ch := c.challenge(factor.Email)
	s.mint(c.id, ch.ID, goodCode)
	s.advance(day + time.Second)
	require.Equal(t, recovery.Expired, c.view().State)
	_, err := c.answer(ch.ID, secret.NewString(goodCode))
	requireCode(t, fault.CodeNotAllowedInState, err)
	require.Equal(t, recovery.Expired, c.state(), "the late event wrote the end")
	require.Zero(t, get[int](s, `SELECT count(*) FROM evidence`))
	_, err = s.WakeAll(t.Context(), 10)
	require.NoError(t, err)
	require.Equal(t, recovery.Expired, other.state())
	c.audited()
	other.audited()
}

// A grant that nobody redeems can be taken again while the window is open; the first one is worth nothing.
func TestGrant_LapsesAndCanBeTakenAgain(t *testing.T) {
	t.Parallel()
	s := newScene(t)
	p := s.person("ada")
	c := s.start(p.identifier)
	c.ready(p)
	first, err := c.grant()
	require.NoError(t, err)
	_, err = c.grant()
	requireCode(t, fault.CodeNotReady, err)
	s.advance(11 * time.Minute)
	_, err = s.redeem(first.Grant)
	requireCode(t, fault.CodeGrantRefused, err)
	second, err := c.grant()
	require.NoError(t, err)
	_, err = s.redeem(first.Grant)
	requireCode(t, fault.CodeGrantRefused, err)
	_, err = s.redeem(second.Grant)
	require.NoError(t, err)
	_, err = s.redeem(second.Grant)
	requireCode(t, fault.CodeGrantUsed, err)
	require.Equal(t, 1, get[int](s, `SELECT count(*) FROM audit_event WHERE action = 'recovery.grant.replayed'`), "R-114: a replay is seen")
	require.Equal(t, 2, get[int](s, `SELECT count(*) FROM audit_event WHERE action = 'recovery.grant.refused'`))
	c.audited()

	token, err := secret.NewToken(zeros{}, secret.PrefixGrant)
	require.NoError(t, err)
	_, err = s.redeem(token)
	requireCode(t, fault.CodeGrantRefused, err)
	_, err = s.redeem(secret.NewString("not a grant"))
	requireCode(t, fault.CodeGrantRefused, err)
}

// zeros is a source of no chance.
type zeros struct{}

func (zeros) Read(b []byte) (int, error) { clear(b); return len(b), nil }
