package postgres_test

import (
	"crypto/sha256"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/holdfast/holdfast/internal/audit"
	"github.com/holdfast/holdfast/internal/recovery"
)

// letIn lets the claim through by hand as far as the gate in the database.
func (c *claim) letIn() []string {
	out := c.set(recovery.Ready, "ready_until = holdfast_now() + interval '2 days'")
	out = append(out, fmt.Sprintf(forgedGrant, c.id))
	return append(out, c.set(recovery.Granted, "grant_id = 'gnt_forged', grant_expires = holdfast_now()")...)
}

// second gives the person another mailbox, on file as long as everything else, and gives its id.
func (s *scene) second(p *person) string {
	s.t.Helper()
	id := p.mailbox + "_2"
	address := sha256.Sum256([]byte(id))
	s.exec(`INSERT INTO channel (tenant_id, id, account_id, kind, address_hash, sealed, since) VALUES ('demo', $1, $2, 'email', $3, '', $4)`,
		id, p.id, address[:], s.now().Add(-p.since))
	return id
}

// R-096, ADR 0017: who heard of a hold while they were suspect does not speak for the owner because the suspicion ended
// before the hold did: in the core, and for whoever writes by hand.
func TestGate_WhoWasSuspectWhenTheHoldBeganSpeaksForNobody(t *testing.T) {
	t.Parallel()
	s := newScene(t)
	p := s.person("ada")
	s.second(p)
	s.exec(`UPDATE channel SET suspect_at = holdfast_now() - interval '6 days 12 hours', suspect_until = holdfast_now() + interval '12 hours' WHERE id = $1`, p.phone)
	c := s.start(p.identifier)
	c.hold(p)
	c.accept(p.phone) // the honest one bounced
	s.advance(day + time.Minute)
	require.Nil(t, get[*time.Time](s, `SELECT suspect_now(suspect_at, suspect_until, holdfast_now()) FROM channel WHERE id = $1`, p.phone))

	s.stops("recovery_gate_notice", c.letIn()...)
	c.wake()
	require.Equal(t, recovery.Assisted, c.state())
}

// a number that moved to another SIM within the week before the hold, or later, is a thief's as far as anybody
// can tell. The database holds what the core holds.
func TestGate_ANumberThatMovedToAnotherSIMSpeaksForNobody(t *testing.T) {
	t.Parallel()
	for name, moved := range map[string]time.Duration{"before the hold": -6 * day, "while it runs": time.Hour} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newScene(t)
			p := s.person("ada")
			s.second(p)
			at := s.now().Add(moved)
			c := s.start(p.identifier)
			c.hold(p)
			c.accept(p.phone)
			s.exec(`UPDATE channel SET sim_known_at = $2, sim_swapped_at = $2 WHERE id = $1`, p.phone, at)
			s.advance(10 * day)
			s.stops("recovery_gate_notice", c.letIn()...)
			c.wake()
			require.Equal(t, recovery.Assisted, c.state())
		})
	}
}

// an erasure that waits was asked for by whoever was in the account before the recovery. Who has now shown that it is
// theirs must not lose it when probation ends; they can ask again.
func TestRedeem_ForgetsAnErasureThatWaits(t *testing.T) {
	t.Parallel()
	s := newScene(t)
	p := s.person("ada")
	c := s.start(p.identifier)
	c.ready(p)
	s.exec(`UPDATE account SET erasure_asked_at = holdfast_now(), erasure_asked_by = 'cli_app' WHERE id = $1`, p.id)
	grant, err := c.grant()
	require.NoError(t, err)
	require.NotNil(t, get[*time.Time](s, `SELECT erasure_asked_at FROM account`), "a grant that nobody redeemed decides nothing")
	_, err = s.redeem(grant.Grant)
	require.NoError(t, err)
	require.Nil(t, get[*time.Time](s, `SELECT erasure_asked_at FROM account`))
	require.Equal(t, "recovered", get[string](s, `SELECT reason FROM audit_event WHERE action = $1`, audit.ErasureCancelled))
}
