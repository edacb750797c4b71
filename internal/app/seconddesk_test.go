package app_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5/pgconn"
	"github.com/stretchr/testify/require"

	"github.com/holdfast/holdfast/api/client"
	"github.com/holdfast/holdfast/internal/app/apptest"
)

// Who has the service's own role forges no decision without a line in its maker's name, gives nobody another's case, hides no
// colleague, hurries no approval, and brings back no client.
func TestRedTeam_WhatTheServicesRoleCannotForgeAtTheDesk(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	d.Register(t, apptest.Person{Ref: "root", Email: "root@example.com", Population: "privileged"})
	other := d.OpenCase(t, d.other, d.Start(t, apptest.Claimant{Identifier: apptest.Email("root@example.com"), Reason: client.LostAll}))
	c, p := d.proposed(t, d.lost(t), "IDC-1")
	require.Equal(t, http.StatusOK, c.Approve(t, d.first).Status)
	apptest.Decode[client.CaseAssignment](t, d.Assign(t, d.second), http.StatusOK)
	conn, err := d.App.DB.Pool().Acquire(t.Context())
	require.NoError(t, err)
	defer conn.Release()
	_, err = conn.Exec(t.Context(), `SET ROLE holdfast_service`)
	require.NoError(t, err)
	defer func() { _, _ = conn.Exec(t.Context(), `RESET ROLE`) }()

	fill := strings.NewReplacer("$CASE", "'"+c.ID+"'", "$OTHER", "'"+other.ID+"'", "$PROPOSAL", "'"+p.ID+"'").Replace
	const decide = `INSERT INTO support_decision (tenant_id, proposal_id, person, consent, security, hash, reason, read_at, at)
		SELECT p.tenant_id, p.id, x.person, true, false, p.hash, '', coalesce(x.read_at, x.at), %AT% FROM support_proposal p JOIN support_assignment x ON x.proposal_id = p.id
		 WHERE p.id = $PROPOSAL AND NOT EXISTS (SELECT 1 FROM support_decision d WHERE d.person = x.person)`
	const propose = `INSERT INTO support_proposal (tenant_id, id, case_id, recovery_id, recovery_version, outcome, hash, policy_version, person, ai, security, at, expires_at, status)
		SELECT c.tenant_id, 'prp_x', c.id, %RECOVERY%, 1, 'approve', sha256('x'), 'v', %PERSON%, false, false, holdfast_now(), holdfast_now() + interval '1 minute', '%STATUS%'
		  FROM support_case c WHERE c.id = $OTHER`
	proposing := func(recovery, person, status string) string {
		return strings.NewReplacer("%RECOVERY%", recovery, "%PERSON%", person, "%STATUS%", status).Replace(propose)
	}
	const read = `UPDATE support_assignment SET read_at = holdfast_now() WHERE read_at IS NULL; `
	for name, tc := range map[string]struct{ want, sql string }{
		"a decision of who did not read":       {"support_decision_in_time", strings.ReplaceAll(decide, "%AT%", "holdfast_now()")},
		"a decision before its time":           {"support_decision_in_time", read + strings.ReplaceAll(decide, "%AT%", "holdfast_now() + interval '9 minutes'")},
		"a decision without its line":          {"support_has_event", read + strings.ReplaceAll(decide, "%AT%", "holdfast_now()")},
		"an assignment without its line":       {"support_has_event", `INSERT INTO support_assignment (tenant_id, proposal_id, person, at, expires_at) SELECT tenant_id, id, 'stf_mallory', holdfast_now(), expires_at FROM support_proposal`},
		"a reading that was earlier":           {"support_assignment_read", `UPDATE support_assignment SET read_at = read_at - interval '1 minute' WHERE read_at IS NOT NULL`},
		"a proposal about another recovery":    {"support_begins", proposing("(SELECT recovery_id FROM support_case WHERE id = $CASE)", "c.workers[1]", "open")},
		"a proposal of a stranger":             {"support_begins", proposing("c.recovery_id", "'stf_mallory'", "open")},
		"a proposal that is executed already":  {"support_begins", strings.Replace(proposing("c.recovery_id", "c.workers[1]", "executed"), "status)", "status, closed_at)", 1)},
		"a privileged account for anybody":     {"support_proposal_security", proposing("c.recovery_id", "c.workers[1]", "open")},
		"an artefact without its line":         {"support_has_event", `INSERT INTO support_artefact (tenant_id, id, recovery_id, case_id, kind, provider, reference, hash, performed_at, person, at) SELECT c.tenant_id, 'art_x', c.recovery_id, c.id, 'reproofing', 'p', 'r', sha256('x'), holdfast_now(), c.workers[1], holdfast_now() FROM support_case c WHERE c.id = $OTHER`},
		"a check that is written differently":  {"support_artefact_reference", `INSERT INTO support_artefact (tenant_id, id, recovery_id, case_id, kind, provider, reference, hash, performed_at, person, at) SELECT c.tenant_id, 'art_x', c.recovery_id, c.id, 'reproofing', 'Ident-Co', 'idc-1', sha256('x'), holdfast_now(), c.workers[1], holdfast_now() FROM support_case c WHERE c.id = $OTHER`},
		"words that are lost":                  {"support_case_keeps_words", `UPDATE support_case SET data_key = NULL`},
		"words under another key":              {"support_case_keeps_words", `UPDATE support_case SET data_key = 'x'`},
		"an approval without a hold":           {"recovery_approved_is_held", `UPDATE recovery SET state = 'cooling_off', version = version + 1, tier = 'critical', approved = '{stf_a,stf_b}', held_at = holdfast_now(), not_before = holdfast_now() + interval '49 hours' WHERE state = 'assisted'`},
		"a next case that forgets its workers": {"support_case_forgets", `UPDATE support_case SET state = 'closed', closed_at = holdfast_now(), version = version + 1 WHERE id = $CASE; INSERT INTO support_case (tenant_id, id, recovery_id, via, opened_by, state, version, created_at, active_at, expires_at) SELECT tenant_id, 'cas_x', recovery_id, 'reference', 'stf_x', 'opened', 1, holdfast_now(), holdfast_now(), holdfast_now() FROM support_case WHERE id = $CASE`},
	} {
		tx, err := conn.Begin(t.Context())
		require.NoError(t, err)
		for _, sql := range strings.Split(fill(tc.sql), "; ") {
			if strings.Contains(sql, "status, closed_at)") {
				sql = strings.Replace(sql, "'executed'", "'executed', holdfast_now()", 1)
			}
			if _, err = tx.Exec(t.Context(), sql); err != nil {
				break
			}
		}
		if err == nil {
			err = tx.Commit(t.Context())
		}
		_ = tx.Rollback(t.Context())
		var pg *pgconn.PgError
		require.ErrorAs(t, err, &pg, name)
		require.Equal(t, tc.want, pg.ConstraintName, "%s: %s", name, pg.Message)
	}
	for _, sql := range []string{
		`UPDATE support_staff SET person = 'stf_x'`, `UPDATE client SET scopes = '{accounts:write}'`, `UPDATE client SET owner = 'mallory'`,
		`UPDATE client_credential SET secret_hash = sha256('x')`, `UPDATE client_credential SET expires_at = expires_at + interval '1 day'`,
	} {
		_, err := conn.Exec(t.Context(), sql)
		var pg *pgconn.PgError
		require.ErrorAs(t, err, &pg, sql)
		require.Equal(t, "42501", pg.Code, sql)
	}
	for _, sql := range []string{
		`UPDATE client SET disabled_at = holdfast_now(); UPDATE client SET disabled_at = NULL`,
		`UPDATE client_credential SET revoked_at = holdfast_now(); UPDATE client_credential SET revoked_at = NULL`,
	} {
		tx, err := conn.Begin(t.Context())
		require.NoError(t, err)
		for _, one := range strings.Split(sql, "; ") {
			_, err = tx.Exec(t.Context(), one)
		}
		var pg *pgconn.PgError
		require.ErrorAs(t, err, &pg, sql)
		require.Equal(t, "ended_for_good", pg.ConstraintName, sql)
		require.NoError(t, tx.Rollback(t.Context()))
	}
	require.Equal(t, http.StatusOK, c.Do(t, d.second, http.MethodGet, "", nil).Status)
	require.Equal(t, http.StatusOK, c.Decide(t, d.second, p.ID, p.EvidenceHash, client.DecideApprove).Status, "the honest way is still open")
}
