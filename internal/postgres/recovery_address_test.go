package postgres_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/holdfast/holdfast/internal/factor"
	"github.com/holdfast/holdfast/internal/fault"
	"github.com/holdfast/holdfast/internal/recovery"
)

// twin gives an address on file a second channel, as a number that is called besides, or a mailbox that was removed and is
// there again, and gives its id.
func (s *scene) twin(p *person, of, kind string, removed bool) string {
	s.t.Helper()
	id := of + "_twin"
	s.exec(`INSERT INTO channel (tenant_id, id, account_id, kind, address_hash, sealed, since, removed_at)
	        SELECT 'demo', $1, $2, $3, c.address_hash, '', c.since, CASE WHEN $5 THEN holdfast_now() - interval '3 days' END FROM channel c WHERE c.id = $4`,
		id, p.id, kind, of, removed)
	return id
}

// S10: the mailbox that was the proof is not told of itself under another id. In the core, and for whoever writes
// by hand.
func TestGate_TheEvidencesOwnAddressSpeaksForNobodyUnderAnyId(t *testing.T) {
	t.Parallel()
	s := newScene(t)
	p := s.person("ada")
	twin := s.twin(p, p.mailbox, "email", true)
	c := s.start(p.identifier)
	c.hold(p)
	c.accept(twin) // the honest one bounced
	s.advance(4 * day)
	s.stops("recovery_gate_notice", c.letIn()...)
	_, err := c.grant()
	requireCode(t, fault.CodeNotReady, err)
	c.wake()
	require.Equal(t, recovery.Assisted, c.state())
	c.audited()
}

// a number that is texted and called is no second address beside itself: who has nothing else goes to people at once.
func TestHold_OfANumberThatIsTextedAndCalledHasNoIndependentAddress(t *testing.T) {
	t.Parallel()
	s := newScene(t)
	p := s.person("ada")
	s.twin(p, p.phone, "voice", false)
	s.exec(`UPDATE channel SET removed_at = holdfast_now() - interval '20 days' WHERE id = $1`, p.mailbox)
	c := s.start(p.identifier)
	c.proveByCode(factor.SMS)
	c.prove(c.challenge(factor.RecoveryCode).ID, p.codes[0])
	require.Equal(t, recovery.Assisted, c.state())
}

// S3: one mailbox pauses once, also when it is on file twice. What it says again while its objection stands tells
// nobody once more.
func TestObjection_OneMailboxPausesOnceUnderAnyId(t *testing.T) {
	t.Parallel()
	s := newScene(t)
	p := s.person("ada")
	twin := s.twin(p, p.mailbox, "email", true)
	c := s.start(p.identifier)
	c.hold(p)
	c.accept(p.phone)
	one, again := c.link(p.mailbox), c.link(twin)
	_, err := s.object(one)
	require.NoError(t, err)
	require.Equal(t, recovery.Contested, c.state())
	notices := get[int](s, `SELECT count(*) FROM notice WHERE recovery_id = $1`, c.id)
	_, err = s.object(again)
	require.NoError(t, err, "written down")
	require.Equal(t, notices, get[int](s, `SELECT count(*) FROM notice WHERE recovery_id = $1`, c.id))
	s.advance(73 * time.Hour)
	c.wake()
	require.Equal(t, recovery.CoolingOff, c.state())

	fresh := get[string](s, `SELECT id FROM notice WHERE recovery_id = $1 AND channel_id = $2 AND objection_hash IS NOT NULL ORDER BY created_at DESC LIMIT 1`, c.id, twin)
	_, err = s.object(s.keys.ObjectionToken(fresh))
	requireCode(t, fault.CodeObjectionRefused, err)
	require.Equal(t, recovery.CoolingOff, c.state(), "its one pause is spent")
	c.audited()
}
