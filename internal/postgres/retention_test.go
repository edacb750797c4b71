package postgres_test

import (
	"encoding/hex"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/holdfast/holdfast/internal/audit"
	"github.com/holdfast/holdfast/internal/delivery"
	"github.com/holdfast/holdfast/internal/factor"
	"github.com/holdfast/holdfast/internal/fault"
	"github.com/holdfast/holdfast/internal/postgres"
	"github.com/holdfast/holdfast/internal/recovery"
)

const month = 30 * day

// closed walks a claim of p through its grant to the end of its probation, with a report of a provider on the way.
func (s *scene) closed(p *person) (c *claim, reference string) {
	s.t.Helper()
	c = s.start(p.identifier)
	c.hold(p)
	reference = c.took(p.phone)
	_, err := s.report(reference, delivery.Delivered)
	require.NoError(s.t, err)
	c.accept()
	s.advance(day + time.Minute)
	c.wake()
	g, err := c.grant()
	require.NoError(s.t, err)
	_, err = s.redeem(g.Grant)
	require.NoError(s.t, err)
	s.advance(get[time.Time](s, `SELECT probation_until FROM recovery WHERE id = $1`, c.id).Sub(s.now()) + time.Minute)
	c.wake()
	require.Equal(s.t, recovery.Closed, c.state())
	return c, reference
}

func (s *scene) forget() postgres.Forgotten {
	s.t.Helper()
	gone, more, err := s.db.ForgetRecoveries(s.t.Context(), month, 100)
	require.NoError(s.t, err)
	require.False(s.t, more)
	return gone
}

// justifies holds the claim's row against its events.
func (c *claim) justified() {
	c.s.t.Helper()
	events, row, err := postgres.NewAuditLog(c.s.db).Transitions(c.s.t.Context(), postgres.Told{Tenant: "demo", ID: c.id})
	require.NoError(c.s.t, err)
	require.Empty(c.s.t, recovery.Replay(events, row))
	c.audited()
}

// dumpOf gives every row of every table but these as text.
func (s *scene) dumpOf(without ...string) string {
	s.t.Helper()
	var out strings.Builder
	rows, err := s.root.Query(s.t.Context(), `SELECT oid::regclass::text FROM pg_class WHERE relnamespace IN ('public'::regnamespace, 'river'::regnamespace) AND relkind IN ('r', 'p') AND NOT relispartition AND relname <> ALL ($1)`, append(without, "goose_db_version"))
	require.NoError(s.t, err)
	var tables []string
	for rows.Next() {
		var name string
		require.NoError(s.t, rows.Scan(&name))
		tables = append(tables, name)
	}
	require.NoError(s.t, rows.Err())
	for _, name := range tables {
		out.WriteString(get[string](s, `SELECT coalesce(string_agg(t::text, E'\n'), '') FROM `+name+` t`) + "\n")
	}
	return out.String()
}

// R-187 R-190. Thirty days after its end a recovery's working data are gone from every table, and nothing before that; its row is
// still justified by its events, and so is one that is still open.
func TestForget_TakesARecoverysWorkingDataWhenTheirTimeIsOver(t *testing.T) {
	t.Parallel()
	s := newScene(t)
	p := s.person("ada")
	c, reference := s.closed(p)
	traces := []string{reference, "198.51.100."}
	for _, sql := range []string{`SELECT string_agg(id, ' ') FROM notice WHERE recovery_id = $1`, `SELECT string_agg(encode(code_hash, 'hex'), ' ') FROM challenge WHERE recovery_id = $1`} {
		traces = append(traces, strings.Fields(get[string](s, sql, c.id))...)
	}
	before := s.dumpOf()
	for _, trace := range traces {
		require.Contains(t, before, trace)
	}

	shifted := s.dumpOf("clock_shift")
	s.advance(month - 2*time.Hour)
	require.Empty(t, s.forget(), "nothing before its time")
	require.Equal(t, shifted, s.dumpOf("clock_shift"), "and nothing is touched")
	bob := s.person("bob")
	open := s.start(bob.identifier)
	open.hold(bob)
	s.advance(3 * time.Hour)
	gone := s.forget()
	require.Equal(t, int64(1), gone["recovery"])
	for _, table := range []string{"challenge", "assessment", "notice", "delivery", "delivery_report"} {
		require.Positive(t, gone[table], table)
	}
	require.Equal(t, recovery.CoolingOff, open.state())
	require.Positive(t, get[int](s, `SELECT count(*) FROM challenge WHERE recovery_id = $1`, open.id), "what is younger stays")
	require.Positive(t, get[int](s, `SELECT count(*) FROM assessment WHERE recovery_id = $1`, open.id))

	s.exec(`DELETE FROM river.river_job`) // River clears them an hour after
	s.exec(`DELETE FROM idempotency`)     // a day after
	_, _, err := s.db.ForgetOrigins(t.Context(), day, 100)
	require.NoError(t, err)
	after := s.dumpOf("audit_event", "audit_leaf", "recovery", "evidence")
	row := get[string](s, `SELECT r::text FROM recovery r WHERE id = $1`, c.id)
	for _, trace := range traces {
		if trace != "198.51.100." { // the open one came from there as well
			require.NotContains(t, after, trace)
		}
		require.NotContains(t, row, trace)
	}
	require.NotContains(t, after, hex.EncodeToString([]byte(reference)))
	c.justified()
	open.justified()

	require.Empty(t, s.forget(), "once")
	require.Equal(t, 1, get[int](s, `SELECT count(*) FROM audit_event WHERE subject = $1 AND action = $2`, c.id, audit.RecoveryForgotten))
	require.Equal(t, recovery.Closed, c.view().State, "its claimant is still told how it ended")
	heard, err := s.report(reference, delivery.Failed)
	require.NoError(t, err)
	require.Equal(t, delivery.Waiting, heard.Verdict, "a report that comes too late changes nothing")
}

// every way to end counts, and a denial from when it cannot be appealed any more.
func TestForget_CountsFromEachEnd(t *testing.T) {
	t.Parallel()
	for name, end := range map[recovery.State]func(c *claim, p *person){
		recovery.Cancelled: func(c *claim, _ *person) {
			_, err := c.s.Cancel(c.s.t.Context(), recovery.CancelCommand{Caller: app(), Ref: c.ref})
			require.NoError(c.s.t, err)
		},
		recovery.Expired: func(c *claim, _ *person) {
			c.s.advance(2 * day)
			c.wake()
		},
		recovery.Vetoed: func(c *claim, p *person) {
			c.young(p)
			_, err := c.s.objectFromApp(p, factor.TOTP, c.s.code(p))
			require.NoError(c.s.t, err)
		},
	} {
		t.Run(string(name), func(t *testing.T) {
			t.Parallel()
			s := newScene(t)
			p := s.person("ada", func(p *person) { p.since = 20 * day })
			c := s.start(p.identifier)
			end(c, p)
			require.Equal(t, name, c.state())
			s.advance(month - time.Hour)
			require.Empty(t, s.forget())
			s.advance(2 * time.Hour)
			require.Equal(t, int64(1), s.forget()["recovery"])
			c.justified()
		})
	}
}

// Sixteen nodes at once forget each recovery once, decoys like others, and write one line each.
func TestForget_ManyNodesForgetEachOnce(t *testing.T) {
	t.Parallel()
	s := newScene(t)
	p := s.person("ada")
	for i := range 40 {
		name := p.identifier
		if i%2 == 0 {
			name = fmt.Sprintf("nobody%d@example.com", i)
		}
		c := s.start(name)
		c.challenge(factor.Email)
		_, err := s.Cancel(t.Context(), recovery.CancelCommand{Caller: app(), Ref: c.ref})
		require.NoError(t, err)
	}
	s.advance(month + time.Hour)
	var total atomic.Int64
	race(attackers, func(int) error {
		for {
			gone, more, err := s.db.ForgetRecoveries(t.Context(), month, 3)
			total.Add(gone["recovery"])
			if err != nil || !more {
				return err
			}
		}
	})
	total.Add(s.forget()["recovery"])
	require.Equal(t, int64(40), total.Load())
	require.Equal(t, 40, get[int](s, `SELECT count(DISTINCT subject) FROM audit_event WHERE action = $1`, audit.RecoveryForgotten))
	require.Equal(t, 40, get[int](s, `SELECT count(*) FROM audit_event WHERE action = $1`, audit.RecoveryForgotten))
	require.Zero(t, get[int](s, `SELECT count(*) FROM challenge`))
	require.Zero(t, get[int](s, `SELECT count(*) FROM attempt_counter WHERE subject NOT LIKE 'acc\_%'`), "nor is an unknown name's pseudonym counted any more")
}

// Whoever writes by hand as the service's role cannot delete what is not forgotten, nor forget before the time or in silence.
func TestSQL_CannotForgetBeforeItsTime(t *testing.T) {
	t.Parallel()
	s := newScene(t)
	p := s.person("ada")
	c, _ := s.closed(p)
	for _, table := range []string{"challenge", "assessment", "notice"} {
		s.stops("working_data_are_kept", `DELETE FROM `+table)
	}
	s.stops("kept_for", `DELETE FROM delivery`)
	s.stops("kept_for", `DELETE FROM delivery_report`)
	s.exec(`INSERT INTO attempt_counter (tenant_id, subject, kind, consecutive) VALUES ('demo', 'acc_x', 'totp', 3)`)
	s.stops("attempt_counter_is_kept", `DELETE FROM attempt_counter WHERE subject = 'acc_x'`)
	const mark = `UPDATE recovery SET forgotten_at = holdfast_now(), over_at = NULL, network = '', signals = '{}'`
	s.stops("recovery_kept", mark)
	s.advance(month + time.Hour)
	s.stops("recovery_forgotten_has_event", mark)
	s.stops("recovery_version", `UPDATE recovery SET network = '', signals = '{}'`)
	s.stops("recovery_version", mark+`, tier = 'critical'`)
	require.Equal(t, int64(1), s.forget()["recovery"])
	s.stops("recovery_version", `UPDATE recovery SET forgotten_at = NULL`)
	s.stops("recovery_version", `UPDATE recovery SET network = '198.51.100.0/24'`)
	c.justified()
}

// what was taken off an account goes as well, once no notice names it and nothing freezes the account.
func TestForget_TakesWhatWasRemovedFromAccounts(t *testing.T) {
	t.Parallel()
	s := newScene(t)
	p := s.person("ada")
	s.exec(`UPDATE channel SET removed_at = holdfast_now() WHERE id = $1`, p.phone)
	s.exec(`UPDATE factor SET removed_at = holdfast_now()`)
	s.exec(`UPDATE saved_code SET used_at = holdfast_now() WHERE id LIKE '%_0'`)
	s.exec(`INSERT INTO notice (tenant_id, id, account_id, kind, channel_id, created_at) VALUES ('demo', 'ntc_1', $1, 'channel_removed', $2, holdfast_now())`, p.id, p.phone)
	s.advance(month - time.Hour)
	removed := func() postgres.Forgotten {
		gone, _, err := s.db.ForgetRemoved(t.Context(), month, 100)
		require.NoError(t, err)
		return gone
	}
	none := postgres.Forgotten{"notice": 0, "channel": 0, "factor": 0, "saved_code": 0}
	require.Equal(t, none, removed())
	s.advance(2 * time.Hour)
	c := s.start(p.identifier)
	c.proveByCode(factor.Email)
	require.Equal(t, postgres.Forgotten{"notice": 1, "channel": 0, "factor": 0, "saved_code": 0}, removed(), "a recovery freezes the account")
	_, err := s.Cancel(t.Context(), recovery.CancelCommand{Caller: app(), Ref: c.ref})
	require.NoError(t, err)
	require.Equal(t, postgres.Forgotten{"notice": 0, "channel": 1, "factor": 1, "saved_code": 1}, removed())
	require.Equal(t, none, removed())
	require.Equal(t, 1, get[int](s, `SELECT count(*) FROM channel`))
	require.Equal(t, 2, get[int](s, `SELECT count(*) FROM saved_code`))
}

// R-182 R-190: whence an event came is forgotten in time, and the event stays.
func TestForget_TakesTheOriginsOfEvents(t *testing.T) {
	t.Parallel()
	s := newScene(t)
	s.start(s.person("ada").identifier)
	s.advance(month)
	young := s.start(s.person("bob").identifier)
	require.Equal(t, 2, get[int](s, `SELECT count(*) FROM audit_personal`))
	gone, more, err := s.db.ForgetOrigins(t.Context(), month-time.Minute, 100)
	require.NoError(t, err)
	require.False(t, more)
	require.Equal(t, postgres.Forgotten{"audit_personal": 1}, gone)
	require.Equal(t, young.id, get[string](s, `SELECT e.subject FROM audit_personal p JOIN audit_event e ON e.id = p.event_id`))
	require.Equal(t, 2, get[int](s, `SELECT count(*) FROM audit_event`))
}

// a legal hold, on an account or on its tenant, keeps everything, and says so in the trail.
func TestForget_HeedsAHold(t *testing.T) {
	t.Parallel()
	for name, held := range map[string]string{"account": "acc_ada", "tenant": ""} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newScene(t)
			p := s.person("ada")
			c, _ := s.closed(p)
			s.exec(`UPDATE factor SET removed_at = holdfast_now()`)
			by := audit.Actor{Kind: audit.ActorOperator, ID: "root"}
			hold := postgres.Hold{Tenant: "demo", Account: held, Reason: "case 7"}
			require.NoError(t, s.db.SetHold(t.Context(), by, hold))
			requireCode(t, fault.CodeConflict, s.db.SetHold(t.Context(), by, hold))
			s.advance(month + time.Hour)
			before := s.dumpOf()
			require.Empty(t, s.forget())
			overdue, err := s.db.RetentionOverdue(t.Context(), month)
			require.NoError(t, err)
			require.Zero(t, overdue)
			gone, _, err := s.db.ForgetRemoved(t.Context(), month, 100)
			require.NoError(t, err)
			require.Zero(t, gone["factor"])
			if held != "" {
				_, _, err = s.db.ForgetOrigins(t.Context(), day, 100)
				require.NoError(t, err)
			}
			require.Equal(t, before, s.dumpOf())
			s.stops("account_is_held", `UPDATE account SET erased_at = holdfast_now(), data_key = NULL, ref_hash = NULL, ref_sealed = NULL`)

			require.NoError(t, s.db.LiftHold(t.Context(), by, "demo", held))
			requireCode(t, fault.CodeNotFound, s.db.LiftHold(t.Context(), by, "demo", held))
			overdue, err = s.db.RetentionOverdue(t.Context(), month)
			require.NoError(t, err)
			require.Positive(t, overdue)
			require.Equal(t, int64(1), s.forget()["recovery"])
			require.Equal(t, 2, get[int](s, `SELECT count(*) FROM audit_event WHERE action LIKE 'retention.hold.%'`))
			c.justified()
		})
	}
}
