package postgres_test

import (
	"crypto/rand"
	"crypto/sha256"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/holdfast/holdfast/internal/delivery"
	"github.com/holdfast/holdfast/internal/dispatch"
	"github.com/holdfast/holdfast/internal/fault"
	"github.com/holdfast/holdfast/internal/postgres"
	"github.com/holdfast/holdfast/internal/recovery"
	"github.com/holdfast/holdfast/internal/secret"
)

// notice is the claim's notice of the hold to a channel.
func (c *claim) notice(channel string) dispatch.Notice {
	c.s.t.Helper()
	id := get[string](c.s, `SELECT id FROM notice WHERE recovery_id = $1 AND channel_id = $2 AND kind = 'hold_entered'`, c.id, channel)
	n, err := postgres.NewDispatches(c.s.db).Notice(c.s.t.Context(), "demo", id)
	require.NoError(c.s.t, err)
	return n
}

// took has a provider take a notice, under the notice's own id as reference.
func (c *claim) took(channel string) (reference string) {
	c.s.t.Helper()
	n := c.notice(channel)
	require.NoError(c.s.t, postgres.NewDispatches(c.s.db).NoticeDone(c.s.t.Context(), n, dispatch.Word{Provider: "twilio", Reference: "SM" + n.ID}))
	return "SM" + n.ID
}

func (s *scene) report(reference string, fate delivery.Fate) (delivery.Heard, error) {
	return postgres.NewDeliveries(s.db).Report(s.t.Context(), delivery.Report{Provider: "twilio", Reference: reference, Fate: fate, Reason: "undelivered"})
}

// Of sixteen reports at once, half of them against the other half, one settles the message and one is written down as
// its contradiction; the rest say nothing new.
func TestReports_OneSettlesTheMessage(t *testing.T) {
	t.Parallel()
	s := newScene(t)
	p := s.person("ada")
	c := s.start(p.identifier)
	c.hold(p)
	reference := c.took(p.phone)
	var mu sync.Mutex
	verdicts := map[delivery.Verdict]int{}
	race(attackers, func(i int) error {
		heard, err := s.report(reference, []delivery.Fate{delivery.Delivered, delivery.Failed}[i%2])
		mu.Lock()
		defer mu.Unlock()
		verdicts[heard.Verdict]++
		return err
	})
	require.Equal(t, map[delivery.Verdict]int{delivery.Settled: 1, delivery.Contradicted: 1, delivery.Repeated: attackers - 2}, verdicts)
	require.Equal(t, 2, get[int](s, `SELECT count(*) FROM delivery_report`))
	require.Equal(t, 1, get[int](s, `SELECT count(*) FROM audit_event WHERE action IN ('notice.delivered', 'notice.undelivered')`))
	require.Equal(t, 1, get[int](s, `SELECT count(*) FROM audit_event WHERE action = 'delivery.contradicted'`))
	require.True(t, get[bool](s, `
		SELECT CASE d.fate WHEN 'delivered' THEN n.delivered_at IS NOT NULL AND n.accepted_at IS NOT NULL AND n.failed_at IS NULL
		                   WHEN 'failed' THEN n.delivered_at IS NULL AND n.accepted_at IS NULL AND n.failed_at IS NOT NULL END
		  FROM delivery d JOIN notice n ON n.id = d.notice_id`))
}

// A report may come before, after or while the answer to the sending is recorded: it is heard in each case.
func TestReports_AreNotLostWhenTheyCrossTheAnswer(t *testing.T) {
	t.Parallel()
	s := newScene(t)
	p := s.person("ada")
	c := s.start(p.identifier)
	c.hold(p)
	n := c.notice(p.phone)
	for i := range 24 {
		id := fmt.Sprintf("ntc_%d", i)
		s.exec(`INSERT INTO notice (tenant_id, id, account_id, recovery_id, kind, channel_id, created_at) VALUES ('demo', $1, $2, $3, 'hold_entered', $4, holdfast_now())`,
			id, p.id, c.id, p.phone)
		one := n
		one.ID = id
		out := race(2, func(who int) error {
			if who == 0 {
				return postgres.NewDispatches(s.db).NoticeDone(t.Context(), one, dispatch.Word{Provider: "twilio", Reference: "SM" + id})
			}
			_, err := s.report("SM"+id, delivery.Failed)
			return err
		})
		require.Equal(t, 2, out[""], "%v", out)
		require.True(t, get[bool](s, `SELECT failed_at IS NOT NULL AND accepted_at IS NULL AND failed_reason = 'undelivered' FROM notice WHERE id = $1`, id))
	}
	require.Equal(t, 24, get[int](s, `SELECT count(*) FROM audit_event WHERE action = 'notice.accepted'`))
	require.Equal(t, 24, get[int](s, `SELECT count(*) FROM audit_event WHERE action = 'notice.undelivered'`))
}

// I1, R-102, R-109. A redemption and the failure of the only notice at the same moment: either it was redeemed before, or it is
// refused; and the failure is never lost.
func TestAFailureAgainstARedemption_IsBeforeOrAfterAndNeverBetween(t *testing.T) {
	t.Parallel()
	s := newScene(t)
	redeemed := 0
	for i := range 12 {
		p := s.person(fmt.Sprintf("p%d", i))
		c := s.start(p.identifier)
		c.hold(p)
		reference := c.took(p.phone)
		c.accept(p.phone)
		s.advance(day + time.Minute)
		c.wake()
		grant, err := c.grant()
		require.NoError(t, err)

		out := race(2, func(who int) error {
			if who == 0 {
				_, err := s.redeem(grant.Grant)
				return err
			}
			_, err := s.report(reference, delivery.Failed)
			return err
		})
		for code := range out {
			require.Contains(t, []fault.Code{"", fault.CodeGrantRefused, fault.CodeConflict}, code)
		}
		require.NotZero(t, get[int](s, `SELECT count(*) FROM notice WHERE recovery_id = $1 AND channel_id = $2 AND failed_at IS NOT NULL AND kind = 'hold_entered'`, c.id, p.phone))
		if c.state() == recovery.Completed {
			redeemed++
			require.Equal(t, 2, out[""])
			continue
		}
		c.wake()
		require.Equal(t, recovery.Assisted, c.state())
		c.audited()
	}
	t.Logf("%d of 12 were redeemed before the failure", redeemed)
}

// The failure writes the recovery's own time to be looked at: who crashes after the commit loses nothing.
func TestAFailure_WakesTheRecoveryByItsRow(t *testing.T) {
	t.Parallel()
	s := newScene(t)
	p := s.person("ada")
	c := s.start(p.identifier)
	c.hold(p)
	reference := c.took(p.phone)
	c.accept(p.phone)
	s.advance(day + time.Minute)
	c.wake()
	require.Equal(t, recovery.Ready, c.state())
	due := func() int {
		found, err := s.store.Due(t.Context(), 10)
		require.NoError(t, err)
		return len(found)
	}
	require.Zero(t, due())
	_, err := s.report(reference, delivery.Delivered)
	require.NoError(t, err)
	require.Zero(t, due(), "good news wakes nobody")

	p2 := s.person("bob")
	c2 := s.start(p2.identifier)
	c2.hold(p2)
	reference = c2.took(p2.phone)
	_, err = s.report(reference, delivery.Failed)
	require.NoError(t, err)
	require.Equal(t, 1, due())
}

// What a hand-written statement of the service's role cannot do.
func TestSQL_FatesOnlyMoveForward(t *testing.T) {
	t.Parallel()
	s := newScene(t)
	p := s.person("ada")
	c := s.start(p.identifier)
	c.hold(p)
	failed, delivered := c.took(p.phone), c.took(p.mailbox)
	s.stops("notice_moves_forward", `UPDATE notice SET accepted_at = NULL WHERE accepted_at IS NOT NULL`)
	s.stops("notice_moves_forward", `UPDATE notice SET accepted_at = holdfast_now() - interval '1 day' WHERE accepted_at IS NOT NULL`)
	_, err := s.report(failed, delivery.Failed)
	require.NoError(t, err)
	_, err = s.report(delivered, delivery.Delivered)
	require.NoError(t, err)
	s.stops("notice_moves_forward", `UPDATE notice SET failed_at = NULL WHERE failed_at IS NOT NULL`)
	s.stops("notice_moves_forward", `UPDATE notice SET accepted_at = holdfast_now(), failed_at = NULL WHERE failed_at IS NOT NULL`)
	s.stops("notice_moves_forward", `UPDATE notice SET accepted_at = NULL, delivered_at = NULL, failed_at = holdfast_now() WHERE delivered_at IS NOT NULL`)
	s.stops("notice_delivered", `UPDATE notice SET delivered_at = holdfast_now() WHERE failed_at IS NOT NULL`)
	s.stops("delivery_settles_once", `UPDATE delivery SET fate = 'delivered', settled_at = holdfast_now() WHERE fate = 'failed'`)
	s.stops("delivery_settles_once", `UPDATE delivery SET fate = 'accepted', settled_at = NULL WHERE fate = 'delivered'`)
	s.stops("delivery_settles_once", `UPDATE delivery SET notice_id = (SELECT id FROM notice LIMIT 1)`)
	s.stops("kept_for", `DELETE FROM delivery`)
	s.stops("42501", `UPDATE delivery_report SET status = 'delivered'`)
	s.stops("kept_for", `DELETE FROM delivery_report`)
	s.exec(`INSERT INTO reply (provider, reference, reply_hashes, received_at, heard_at) VALUES ('twilio', 'SM9', '{}', holdfast_now(), holdfast_now())`)
	s.stops("kept_for", `DELETE FROM reply`)
}

// Each answer is taken once, whoever carries it and how often.
func TestTakeReply_OneWinner(t *testing.T) {
	t.Parallel()
	s := newScene(t)
	store := postgres.NewDeliveries(s.db)
	out := race(attackers, func(int) error {
		fresh, err := store.TakeReply(t.Context(), delivery.KeptReply{Provider: "twilio", Reference: "SM1", Hashes: s.keys.MACs(secret.PurposeReply, "+15550100123")})
		if err == nil && !fresh {
			return fault.Of(fault.CodeConflict)
		}
		return err
	})
	oneWinner(t, out, fault.CodeConflict)
	require.Equal(t, 1, get[int](s, `SELECT count(*) FROM river.river_job WHERE kind = 'reply.hear' AND args->>'id' = 'twilio/SM1'`))
}

// A reply finds who was told by any key of the ring, nobody else, and nobody once it was heard or the account is erased.
func TestReply_FindsWhoWasTold(t *testing.T) {
	t.Parallel()
	s := newScene(t)
	p := s.person("ada")
	c := s.start(p.identifier)
	c.hold(p)
	n := c.notice(p.phone)
	require.NoError(t, postgres.NewDispatches(s.db).MayReply(t.Context(), n, s.keys.MAC(secret.PurposeReply, "+15550100123")))
	s.stopsReplyOn(c, p)

	rotated, err := s.keys.Rotate(rand.Reader)
	require.NoError(t, err)
	store := postgres.NewDeliveries(s.db)
	told := func(reference string, keys *secret.Keyring, number string) []delivery.Told {
		_, err := store.TakeReply(t.Context(), delivery.KeptReply{Provider: "twilio", Reference: reference, Hashes: keys.MACs(secret.PurposeReply, number)})
		require.NoError(t, err)
		out, err := store.Reply(t.Context(), "twilio", reference)
		require.NoError(t, err)
		return out
	}
	want := []delivery.Told{{Tenant: "demo", Recovery: c.id, Channel: p.phone}}
	require.Equal(t, want, told("SM1", s.keys, "+15550100123"))
	require.Equal(t, want, told("SM2", rotated, "+15550100123"), "a rotation between the notice and its answer")
	require.Empty(t, told("SM3", s.keys, "+15550100124"))
	require.NoError(t, store.ReplyHeard(t.Context(), "twilio", "SM1"))
	require.Empty(t, told("SM1", s.keys, "+15550100123"), "it was heard")
	again, err := store.Reply(t.Context(), "smtp", "SM2")
	require.NoError(t, err)
	require.Empty(t, again)
}

// providers' names for messages go when nothing rests on them any more; what became of a message stays in its notice, an
// answer that nobody heard yet stays, and so does the row that refuses a repeat of one that was.
func TestForgetDeliveries(t *testing.T) {
	t.Parallel()
	s := newScene(t)
	p := s.person("ada")
	c := s.start(p.identifier)
	c.hold(p)
	_, err := s.report(c.took(p.phone), delivery.Delivered)
	require.NoError(t, err)
	_, err = s.report("SMunknown", delivery.Failed)
	require.NoError(t, err)
	store := postgres.NewDeliveries(s.db)
	for _, reference := range []string{"SMheard", "SMwaits"} {
		_, err := store.TakeReply(t.Context(), delivery.KeptReply{Provider: "twilio", Reference: reference, Hashes: s.keys.MACs(secret.PurposeReply, "+15550100123")})
		require.NoError(t, err)
	}
	require.NoError(t, store.ReplyHeard(t.Context(), "twilio", "SMheard"))
	rows := func() []int {
		n, err := s.db.ForgetDeliveries(t.Context(), 100)
		require.NoError(t, err)
		require.LessOrEqual(t, n, int64(2))
		return []int{get[int](s, `SELECT count(*) FROM delivery`), get[int](s, `SELECT count(*) FROM delivery_report`), get[int](s, `SELECT count(*) FROM reply`)}
	}
	s.advance(89 * day)
	require.Equal(t, []int{1, 2, 2}, rows())
	s.advance(2 * day)
	require.Equal(t, []int{0, 0, 2}, rows())
	require.Equal(t, 1, get[int](s, `SELECT count(*) FROM notice WHERE delivered_at IS NOT NULL`))
	s.advance(310 * day)
	require.Equal(t, []int{0, 0, 1}, rows())
	require.Equal(t, "SMwaits", get[string](s, `SELECT reference FROM reply`))
}

// stopsReplyOn checks that only a notice that can be objected to may be answered.
func (s *scene) stopsReplyOn(c *claim, p *person) {
	s.t.Helper()
	s.exec(`INSERT INTO notice (tenant_id, id, account_id, recovery_id, kind, channel_id, created_at) VALUES ('demo', 'ntc_plain', $1, $2, 'recovery_cancelled', $3, holdfast_now())`, p.id, c.id, p.phone)
	sum := sha256.Sum256([]byte("x"))
	require.NoError(s.t, postgres.NewDispatches(s.db).MayReply(s.t.Context(), dispatch.Notice{Tenant: "demo", ID: "ntc_plain"}, sum[:]))
	require.Equal(s.t, 1, get[int](s, `SELECT count(*) FROM notice WHERE reply_hash IS NOT NULL`))
}

// A notice that failed after it was accepted is counted for the alert like one that was refused at once.
func TestDetectors_CountWhatFailedAfterItsAcceptance(t *testing.T) {
	t.Parallel()
	s := newScene(t)
	p := s.person("ada")
	c := s.start(p.identifier)
	c.hold(p)
	require.NoError(t, postgres.NewDispatches(s.db).NoticeDone(t.Context(), c.notice(p.mailbox), dispatch.Word{Reason: "refused"}))
	_, err := s.report(c.took(p.phone), delivery.Failed)
	require.NoError(t, err)
	now := s.now()
	s.exec(postgres.FoldJournal, postgres.IDAt(now.Add(-time.Hour)), postgres.IDAt(now.Add(time.Minute)))
	require.Equal(t, 2, get[int](s, `SELECT sum(n)::int FROM abuse_tally WHERE measure = 'undelivered'`))
	require.Equal(t, 1, get[int](s, `SELECT sum(n)::int FROM abuse_tally WHERE measure = 'delivered'`))
}
