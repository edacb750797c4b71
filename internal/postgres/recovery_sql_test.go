package postgres_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/stretchr/testify/require"

	"github.com/holdfast/holdfast/internal/factor"
	"github.com/holdfast/holdfast/internal/recovery"
)

// byHand runs statements in one transaction as the service's own role, as somebody would who holds its password.
func (s *scene) byHand(statements ...string) error {
	s.t.Helper()
	return pgx.BeginFunc(s.t.Context(), s.root, func(tx pgx.Tx) error {
		if _, err := tx.Exec(s.t.Context(), `SET LOCAL ROLE holdfast_service`); err != nil {
			return err
		}
		for _, sql := range statements {
			if _, err := tx.Exec(s.t.Context(), sql); err != nil {
				return err
			}
		}
		_, err := tx.Exec(s.t.Context(), `SET CONSTRAINTS ALL IMMEDIATE`)
		return err
	})
}

// stops checks that the database itself refuses, and by which rule: a constraint's name, or an SQLSTATE.
func (s *scene) stops(rule string, statements ...string) {
	s.t.Helper()
	err := s.byHand(statements...)
	var pg *pgconn.PgError
	require.ErrorAs(s.t, err, &pg, "%v was stopped by nothing", statements)
	require.Contains(s.t, []string{pg.ConstraintName, pg.Code}, rule, "%v: %s %s", statements, pg.Message, pg.ConstraintName)
}

// event forges the audit event of the claim's next version, so that a hand-written UPDATE is stopped by its own rule.
func (c *claim) event(to recovery.State) string {
	return fmt.Sprintf(`INSERT INTO audit_event (tenant_id, id, at, actor_kind, action, subject, recovery_id, recovery_version, from_state, to_state, outcome)
		SELECT 'demo', 'evt_' || gen_random_uuid(), holdfast_now(), 'system', 'forged', id, id, version, state, '%s', 'success' FROM recovery WHERE id = '%s'`, to, c.id)
}

// set changes the claim's row by hand, with its version and a forged event.
func (c *claim) set(to recovery.State, columns string) []string {
	if columns != "" {
		columns = ", " + columns
	}
	return []string{fmt.Sprintf(`UPDATE recovery SET state = '%s', version = version + 1, changed_at = holdfast_now()%s WHERE id = '%s'`, to, columns, c.id), c.event(to)}
}

const forgedGrant = `INSERT INTO recovery_grant (tenant_id, id, recovery_id, token_hash, issued_at, expires_at)
	SELECT 'demo', 'gnt_forged', id, sha256('x'), holdfast_now(), holdfast_now() + interval '10 minutes' FROM recovery WHERE id = '%s'`

// I10, R-177: what happened cannot be unwritten, and nothing happens unwritten.
func TestSQL_CannotRewriteTheTrail(t *testing.T) {
	t.Parallel()
	s := newScene(t)
	c := s.start(s.person("ada").identifier)
	c.challenge(factor.Email)
	s.stops("42501", `UPDATE audit_event SET action = 'nothing'`)
	s.stops("42501", `DELETE FROM audit_event`)
	s.stops("42501", `TRUNCATE audit_event`)
	for _, sql := range []string{`UPDATE audit_event SET action = 'nothing'`, `DELETE FROM audit_event`, `TRUNCATE audit_event`} {
		_, err := s.root.Exec(t.Context(), sql)
		require.Error(t, err, "not even by the schema's owner: %s", sql)
	}
	s.stops("recovery_has_event", c.set(recovery.Cancelled, "closed_at = holdfast_now()")[0])
	s.stops("audit_event_has_recovery", fmt.Sprintf(`INSERT INTO audit_event (tenant_id, id, at, actor_kind, action, subject, recovery_id, recovery_version, to_state, outcome)
		VALUES ('demo', 'evt_forged', now(), 'system', 'forged', 'x', '%s', 9, 'ready', 'success')`, c.id))
	s.stops("audit_event_version", fmt.Sprintf(`INSERT INTO audit_event (tenant_id, id, at, actor_kind, action, subject, recovery_id, recovery_version, to_state, outcome)
		VALUES ('demo', 'evt_forged', now(), 'system', 'forged', 'x', '%s', 1, 'ready', 'success')`, c.id))
	s.stops("recovery_has_event", c.set(recovery.Cancelled, "closed_at = holdfast_now()")[0], c.event(recovery.Expired))
	s.stops("recovery_version", fmt.Sprintf(`UPDATE recovery SET state = 'cancelled', closed_at = now() WHERE id = '%s'`, c.id))
	s.stops("recovery_version", fmt.Sprintf(`UPDATE recovery SET version = version + 2 WHERE id = '%s'`, c.id))
	s.stops("recovery_version", fmt.Sprintf(`UPDATE recovery SET version = version - 1 WHERE id = '%s'`, c.id))
	s.stops("recovery_version", `UPDATE recovery SET network = '2001:db8::/48'`)
	s.stops("recovery_version", `UPDATE recovery SET network = ''`)
	s.stops("42501", `DELETE FROM recovery`)
	s.stops("42501", `DELETE FROM evidence`)
	s.stops("42501", `UPDATE evidence SET class = 'P'`)
	s.stops("42501", `DELETE FROM objection`)
	s.stops("42501", `INSERT INTO recovery_edge VALUES ('verifying', 'ready')`)
	s.stops("42501", `ALTER TABLE recovery DISABLE TRIGGER ALL`)
	require.NoError(t, s.byHand(c.set(recovery.Cancelled, "closed_at = holdfast_now()")...), "what the rules allow is allowed")
}

// The clock is the owner's: not even the service may shift it.
func TestSQL_CannotMoveTheClock(t *testing.T) {
	t.Parallel()
	s := newScene(t)
	s.stops("42501", `INSERT INTO clock_shift (by) VALUES ('7 days')`)
	s.advance(day)
	s.stops("42501", `UPDATE clock_shift SET by = '7 days'`)
	s.stops("42501", `DELETE FROM clock_shift`)
}

func TestSQL_CannotJumpTheTable(t *testing.T) {
	t.Parallel()
	s := newScene(t)
	c := s.start(s.person("ada").identifier)
	c.challenge(factor.Email)
	edges := map[recovery.Edge]bool{}
	for _, e := range recovery.Edges() {
		edges[e] = true
	}
	for _, to := range recovery.States() {
		if !edges[recovery.Edge{From: recovery.Verifying, To: to}] {
			s.stops("recovery_edge", c.set(to, "not_before = holdfast_now(), ready_until = holdfast_now(), grant_id = 'gnt_1'")...)
		}
	}
	decoy := s.start("nobody@example.com")
	decoy.challenge(factor.Email)
	s.stops("23514", decoy.set(recovery.CoolingOff, "not_before = holdfast_now()")...)
}

func TestSQL_CannotChangeWhoseItIs(t *testing.T) {
	t.Parallel()
	s := newScene(t)
	c := s.start(s.person("ada").identifier)
	s.person("mallory")
	for _, column := range []string{
		"account_id = 'acc_mallory'", "account_id = NULL", "subject = 'acc_mallory'", "claimant_hash = sha256('x')", "reference = 'HF-0000-0000'",
		"client_id = 'cli_x'", "created_at = now() + interval '1 day'", "reason = 'lost_all'", "id = 'rcv_x'",
	} {
		s.stops("recovery_identity", c.set(recovery.Verifying, column)...)
	}
	insert := `INSERT INTO recovery (tenant_id, id, reference, claimant_hash, account_id, subject, client_id, reason, signals, state, version, tier, plan,
			policy_version, created_at, changed_at, expires_at%s)
		VALUES ('demo', 'rcv_forged', 'HF-1', sha256('x'), 'acc_ada', 'acc_ada', 'cli_1', 'lost_all', '{}', '%s', %d, 'low', '{}', '', now(), now(), now()%s)`
	s.stops("recovery_begins", fmt.Sprintf(insert, "", "verifying", 1, ""))
	s.stops("recovery_begins", fmt.Sprintf(insert, "", "initiated", 2, ""))
	s.stops("recovery_begins", fmt.Sprintf(insert, ", not_before", "initiated", 1, ", now()"))
	s.stops("recovery_begins", fmt.Sprintf(insert, ", approved", "initiated", 1, ", '{a,b}'"))
	s.stops("recovery_begins", fmt.Sprintf(insert, ", not_before, ready_until", "ready", 1, ", now(), now()"))
	s.stops("recovery_has_event", fmt.Sprintf(insert, "", "initiated", 1, ""))
}

// I2: neither the time that was said nor the tier that was seen gets better by hand.
func TestSQL_CannotShortenAHold(t *testing.T) {
	t.Parallel()
	s := newScene(t)
	p := s.person("ada")
	c := s.start(p.identifier)
	c.hold(p)
	c.accept(p.phone)
	s.stops("recovery_not_before", c.set(recovery.CoolingOff, "not_before = not_before - interval '1 second'")...)
	s.stops("recovery_not_before", c.set(recovery.Ready, "not_before = NULL, ready_until = holdfast_now()")...)
	s.stops("recovery_tier", c.set(recovery.CoolingOff, "tier = 'low'")...)
	s.stops("recovery_plan", c.set(recovery.CoolingOff, `plan = plan || '{"independent_notice": false}'`)...)
	s.stops("recovery_plan", c.set(recovery.CoolingOff, `plan = plan - 'independent_notice'`)...)
	s.stops("recovery_plan", c.set(recovery.CoolingOff, `plan = plan || '{"approvals": -1}'`)...)
	s.stops("recovery_plan", c.set(recovery.CoolingOff, `plan = plan || '{"hold_ns": 0}'`)...)
	require.NoError(t, s.byHand(c.set(recovery.CoolingOff, "not_before = not_before + interval '1 day'")...))
}

// I1, as far as a table can say it: the words "granted" and "completed" are not for whoever can write them.
func TestSQL_CannotGrant(t *testing.T) {
	t.Parallel()
	s := newScene(t)
	p := s.person("ada")
	c := s.start(p.identifier)
	c.hold(p)
	c.accept(p.phone)
	require.NoError(t, s.byHand(c.set(recovery.Ready, "ready_until = holdfast_now() + interval '2 days'")...), "ready alone opens nothing")
	granted := append([]string{fmt.Sprintf(forgedGrant, c.id)}, c.set(recovery.Granted, "grant_id = 'gnt_forged', grant_expires = holdfast_now()")...)

	s.stops("recovery_gate_hold", granted...)
	s.advance(day + time.Minute)
	s.stops("recovery_gate_grant", granted[1:]...)
	s.exec(`ALTER TABLE notice DISABLE TRIGGER notice_moves_forward`) // the gate stands by itself
	s.exec(`UPDATE notice SET accepted_at = NULL`)
	s.stops("recovery_gate_notice", granted...)
	s.exec(`UPDATE notice SET accepted_at = holdfast_now(), failed_at = NULL WHERE channel_id = $1`, p.mailbox)
	s.stops("recovery_gate_notice", granted...) // the mailbox was used as evidence
	s.exec(`UPDATE notice SET accepted_at = holdfast_now(), failed_at = NULL`)
	s.exec(`UPDATE channel SET suspect_at = now() WHERE id = $1`, p.phone)
	s.stops("recovery_gate_notice", granted...)
	s.exec(`UPDATE channel SET suspect_at = NULL, since = holdfast_now() - interval '6 days' WHERE id = $1`, p.phone)
	s.stops("recovery_gate_notice", granted...)
	s.exec(`UPDATE channel SET since = holdfast_now() - interval '20 days' WHERE id = $1`, p.phone)
	s.exec(`INSERT INTO objection (tenant_id, id, recovery_id, channel, strength, at) VALUES ('demo', 'obj_1', $1, 'app', 1, holdfast_now())`, c.id)
	s.stops("recovery_gate_objection", granted...)
	s.exec(`UPDATE objection SET resolved_at = holdfast_now()`)
	require.NoError(t, s.byHand(granted...), "with all of it, it is a grant")

	completed := c.set(recovery.Completed, "completed_at = holdfast_now(), probation_until = holdfast_now()")
	s.stops("recovery_gate_grant", completed...)
	redeemed := `UPDATE recovery_grant SET redeemed_at = holdfast_now()`
	s.exec(`INSERT INTO objection (tenant_id, id, recovery_id, channel, strength, at) VALUES ('demo', 'obj_2', $1, 'app', 1, holdfast_now())`, c.id)
	s.stops("recovery_gate_objection", append([]string{redeemed}, completed...)...)
	s.exec(`UPDATE objection SET resolved_at = holdfast_now()`)
	require.NoError(t, s.byHand(append([]string{redeemed}, completed...)...))
}

// A claim without evidence is not let through by the word of one human, or of none.
func TestSQL_CannotGrantWithoutEvidence(t *testing.T) {
	t.Parallel()
	s := newScene(t)
	p := s.person("ada")
	c := s.start(p.identifier)
	c.challenge(factor.Email)
	require.NoError(t, s.byHand(c.set(recovery.CoolingOff, "not_before = holdfast_now()")...))
	require.NoError(t, s.byHand(c.set(recovery.Ready, "ready_until = holdfast_now() + interval '2 days'")...))
	s.exec(`INSERT INTO notice (tenant_id, id, account_id, recovery_id, kind, channel_id, created_at, accepted_at)
		VALUES ('demo', 'ntc_1', $1, $2, 'hold_entered', $3, now(), now())`, p.id, c.id, p.phone)
	for _, approved := range []string{"{}", "{one}"} {
		s.stops("recovery_gate_evidence", append([]string{fmt.Sprintf(forgedGrant, c.id)},
			c.set(recovery.Granted, "grant_id = 'gnt_forged', grant_expires = holdfast_now(), approved = '"+approved+"'")...)...)
	}
}

// What is used once is used once, whoever writes.
func TestSQL_CannotUseTwice(t *testing.T) {
	t.Parallel()
	s := newScene(t)
	p := s.person("ada")
	c := s.start(p.identifier)
	c.prove(c.challenge(factor.TOTP).ID, s.code(p))
	c.prove(c.challenge(factor.RecoveryCode).ID, p.codes[0])
	c.accept(p.phone)
	s.advance(day + time.Minute)
	_, err := c.grant()
	require.NoError(t, err)
	s.stops("used_once", `UPDATE challenge SET consumed_at = NULL WHERE consumed_at IS NOT NULL`)
	s.stops("used_once", `UPDATE challenge SET consumed_at = now() WHERE consumed_at IS NOT NULL`)
	s.stops("used_once", `UPDATE saved_code SET used_at = NULL WHERE used_at IS NOT NULL`)
	s.stops("used_once", `UPDATE saved_code SET used_at = now() WHERE used_at IS NOT NULL`)
	s.stops("used_once", `UPDATE factor SET last_step = last_step - 1`)
	s.stops("used_once", `UPDATE factor SET last_step = last_step`)
	s.stops("recovery_grant_live", fmt.Sprintf(forgedGrant, c.id))
	s.exec(`UPDATE recovery_grant SET redeemed_at = now()`)
	s.stops("used_once", `UPDATE recovery_grant SET redeemed_at = NULL`)
	s.stops("used_once", `UPDATE recovery_grant SET redeemed_at = now(), redeemed_by = 'another'`)
	s.stops("used_once", `UPDATE recovery_grant SET expires_at = expires_at + interval '1 minute'`)
}

// The table in Go and the one in PostgreSQL are one (style.md, rule 15).
func TestStates_MatchPostgres(t *testing.T) {
	t.Parallel()
	s := newScene(t)
	var names []string
	for _, state := range recovery.States() {
		names = append(names, string(state))
	}
	require.Equal(t, names, get[[]string](s, `SELECT enum_range(NULL::recovery_state)::text[]`))

	rows, err := s.root.Query(t.Context(), `SELECT from_state::text, to_state::text FROM recovery_edge`)
	require.NoError(t, err)
	edges, err := pgx.CollectRows(rows, pgx.RowToStructByPos[recovery.Edge])
	require.NoError(t, err)
	require.ElementsMatch(t, recovery.Edges(), edges)
	for _, method := range factor.Methods() {
		require.Contains(t, get[string](s, `SELECT string_agg(pg_get_constraintdef(oid), '') FROM pg_constraint WHERE conrelid = 'challenge'::regclass`), "'"+string(method)+"'")
	}
}
