package app_test

import (
	"bytes"
	"context"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/holdfast/holdfast/api/client"
	"github.com/holdfast/holdfast/internal/app"
	"github.com/holdfast/holdfast/internal/app/apptest"
	"github.com/holdfast/holdfast/internal/audit"
	"github.com/holdfast/holdfast/internal/auditlog"
	"github.com/holdfast/holdfast/internal/postgres"
)

// aged is an installation whose first recoveries are over and forgotten, and their months past the log's time: a completed one, one that was only started, and a decoy.
type aged struct {
	*apptest.Service
	t     *testing.T
	claim *apptest.Claim
	one   client.AuditEvent // the completion
	proof proofOf           // of it, as it was given then
	keys  []string
}

func newAged(t *testing.T) *aged {
	t.Helper()
	a := &aged{Service: apptest.New(t), t: t}
	a.claim = completed(t, a.Service)
	settle(t, a.Service)
	who := newAuditor(t, a.Service, apptest.Tenant)
	a.one, a.keys = who.events(t, "?action=recovery.completed")[0], who.keys(t)
	a.proof = who.prove(t, a.one.ID)
	a.pass(35 * 24 * time.Hour) // probation, and a turn of the month
	settle(t, a.Service)
	a.pass(35 * 24 * time.Hour)
	for len(forget(t, a.Service)) > 0 { // until nothing is left
	}
	require.Zero(t, apptest.Query[int](t, a.Service, `SELECT count(*) FROM recovery WHERE forgotten_at IS NULL`))
	a.pass(27 * month)
	_, said := replayed(t, a.Service)
	require.Empty(t, said)
	return a
}

// pass has time go by in steps that are short enough for months to be made ahead.
func (a *aged) pass(by time.Duration) {
	a.t.Helper()
	for ; by > 0; by -= 60 * 24 * time.Hour {
		_, err := a.App.DB.MakeAuditMonths(a.t.Context(), 3)
		require.NoError(a.t, err)
		a.Advance(a.t, min(by, 60*24*time.Hour))
	}
	_, err := a.App.DB.MakeAuditMonths(a.t.Context(), 3)
	require.NoError(a.t, err)
}

// published waits until every event is under a checkpoint: transactions of other tests of this cluster may hold it up.
func (a *aged) published() {
	a.t.Helper()
	require.Eventually(a.t, func() bool {
		return apptest.Query[bool](a.t, a.Service, `SELECT NOT EXISTS (SELECT 1 FROM audit_event e LEFT JOIN audit_leaf l ON l.tenant_id = e.tenant_id AND l.event_id = e.id
			WHERE coalesce(l.leaf_index, 9223372036854775807) >= coalesce((SELECT max(size) FROM audit_checkpoint), 0))`)
	}, apptest.Patience, 50*time.Millisecond)
}

func (a *aged) retiring() *app.Retiring {
	a.t.Helper()
	r, err := app.NewRetiring(a.App.Config, a.Owner, a.App.Keys, "root")
	require.NoError(a.t, err)
	r.Archive = auditlog.NoArchive{}
	return r
}

// retire retires what is due, the oldest first, that many months, and demands that nothing keeps them.
func (a *aged) retire(r *app.Retiring, months int) []app.RetireOutcome {
	a.t.Helper()
	a.published()
	plan, err := r.Plan(a.t.Context(), a.Now(a.t).AddDate(0, -24, 0))
	require.NoError(a.t, err)
	require.GreaterOrEqual(a.t, len(plan), months)
	var out []app.RetireOutcome
	for _, m := range plan[:months] {
		o, err := r.Retire(a.t.Context(), m.Month)
		require.NoError(a.t, err)
		require.Empty(a.t, o.Kept)
		require.False(a.t, o.Unsealed)
		out = append(out, o)
	}
	return out
}

func (a *aged) whole() (audit.Report, string) {
	a.t.Helper()
	var out bytes.Buffer
	require.NoError(a.t, auditlog.WriteWhole(a.t.Context(), postgres.NewAuditLog(a.Owner), a.App.Audit.Origin, a.keys, 0, &out))
	r, err := audit.Verify(&out, audit.VerifyConfig{Keys: a.keys})
	require.NoError(a.t, err)
	var said []string
	for _, p := range r.Problems {
		said = append(said, p.String())
	}
	return r, strings.Join(said, "\n")
}

// a month goes, with recoveries of which nothing is left in the log; those that go on are carried on; and all who read the log hear of policy
// and not of tampering.
func TestRetire_ReadersHearOfPolicy(t *testing.T) {
	t.Parallel()
	a := newAged(t)
	before := apptest.Query[int](t, a.Service, `SELECT count(*) FROM audit_event_before`)
	o := a.retire(a.retiring(), 1)[0]
	require.Equal(t, "before", o.Name)
	require.Equal(t, int64(before), o.Archived.Events)
	require.Equal(t, 3, apptest.Query[int](t, a.Service, `SELECT count(*) FROM audit_event WHERE action = 'audit.carried' AND details ? 'version'`),
		"each has an event of a later month, at least that it was forgotten")
	require.Equal(t, o.Carried, apptest.Query[int](t, a.Service, `SELECT count(*) FROM audit_event WHERE action = 'audit.carried'`), "they, and what stands around them and beside them")

	r, said := a.whole()
	require.Empty(t, said)
	require.Equal(t, int64(before), r.Retired)
	_, said = replayed(t, a.Service)
	require.Empty(t, said)

	who := newAuditor(t, a.Service, apptest.Tenant)
	apptest.Refused(t, who.get(t, "events/"+a.one.ID), http.StatusGone, client.ProblemCodeEventRetired)
	apptest.Refused(t, who.get(t, "events/"+a.one.ID+"/proof"), http.StatusGone, client.ProblemCodeEventRetired)
	apptest.Refused(t, newAuditor(t, a.At(t, "globex"), "globex").get(t, "events/"+a.one.ID), http.StatusNotFound, client.ProblemCodeNotFound)
	a.proof.check(t, a.keys) // as it was given
	page := apptest.Decode[client.AuditEvents](t, who.get(t, "events?cursor="+a.one.ID), http.StatusOK)
	require.Empty(t, page.Events)
	require.NotNil(t, page.RetiredBefore)
	require.Equal(t, o.End.Format(time.RFC3339), *page.RetiredBefore)
	export := who.get(t, "export")
	require.Equal(t, http.StatusOK, export.Status)
	tenants, err := audit.Verify(strings.NewReader(export.Body), audit.VerifyConfig{Keys: a.keys})
	require.NoError(t, err)
	require.Empty(t, tenants.Problems)

	// What is left of the recoveries goes with their last month, and not before.
	require.Equal(t, 3, apptest.Query[int](t, a.Service, `SELECT count(*) FROM recovery`))
	a.pass(3 * month)
	a.retire(a.retiring(), 3)
	for _, table := range []string{"recovery", "evidence", "objection", "recovery_grant", "audit_version"} {
		require.Zero(t, apptest.Query[int](t, a.Service, `SELECT count(*) FROM `+table), table)
	}
	_, said = replayed(t, a.Service)
	require.Empty(t, said)
	_, said = a.whole()
	require.Empty(t, said)
	require.Zero(t, apptest.Query[int](t, a.Service, `SELECT count(*) FROM audit_retired WHERE cleared_at IS NULL`))
	require.Equal(t, 1, apptest.Query[int](t, a.Service, `SELECT count(*) FROM account`), "accounts are no part of it")
}

// a recovery whose first events were retired is held against what was carried on of them, and a row that its events do not justify keeps its month.
func TestReplay_IsNotFooledByARetirement(t *testing.T) {
	t.Parallel()
	t.Run("after it", func(t *testing.T) {
		t.Parallel()
		for name, tc := range map[string]struct{ sql, want string }{
			"another state":   {`update recovery set state = 'reversed' where id = $1`, `the row is in "reversed", and its events end in`},
			"another version": {`update recovery set version = version + 1 where id = $1`, "the row is at version"},
			"another grant":   {`update recovery set grant_id = 'grt_x' where id = $1`, `grant is "grt_x"`},
			"stronger proof":  {`update evidence set class = 'P' where recovery_id = $1`, "evidence is"},
			"another account": {`update recovery set account_id = 'acc_other' where id = $1`, "the row is of another account"},
			"another reason":  {`update recovery set reason = 'lost_all' where id = $1`, "the row's reason is not that of its beginning"},
			"no row":          {`delete from recovery where id = $1`, "the row is gone"},
			"nothing carried": {`delete from audit_event where recovery_id = $1 and action = 'audit.carried'`, "no event of version 1"},
			"carried otherwise": {
				`update audit_event set details = details || '{"version": 2, "state": "verifying"}' where recovery_id = $1 and action = 'audit.carried'`,
				"no event of version 3",
			},
			"an account of another level":   {`update account set aal = aal % 3 + 1`, ": aal is "},
			"an older address":              {`update channel set since = since - interval '1 year'`, ": since is "},
			"another address":               {`update channel set sealed = sealed || '\x00'`, ": sealed is "},
			"a client of other scopes":      {`update client set scopes = '{accounts:read}'`, ": scopes is "},
			"another secret":                {`update client_credential set secret_hash = sha256('x')`, ": secret_hash is "},
			"another claimant":              {`update recovery set claimant_hash = sha256('x') where id = $1`, ": claimant_hash is "},
			"a grant that was not redeemed": {`update recovery_grant set redeemed_at = null, redeemed_by = null where recovery_id = $1`, ": redeemed_at is "},
			"an account that is gone":       {`with c as (delete from channel) delete from account`, ": the row is gone"},
			"a client that is gone":         {`delete from client`, ": the row is gone"},
			"no event carries rows on":      {`delete from audit_event where action = 'audit.carried' and details ? 'rows'`, ": no event tells of it"},
			"a version between":             {`delete from audit_event e where recovery_id = $1 and recovery_version = (select min(recovery_version) from audit_event where recovery_id = e.recovery_id)`, "the row is at version"},
		} {
			t.Run(name, func(t *testing.T) {
				t.Parallel()
				a := newAged(t)
				a.retire(a.retiring(), 1)
				_, said := replayed(t, a.Service)
				require.Empty(t, said)
				if strings.Contains(tc.sql, "$1") {
					forced(t, a.Service, tc.sql, a.claim.ID)
				} else {
					forced(t, a.Service, tc.sql)
				}
				_, said = replayed(t, a.Service)
				require.Contains(t, said, tc.want)
			})
		}
	})
	t.Run("before it", func(t *testing.T) {
		t.Parallel()
		a := newAged(t)
		a.published()
		forced(t, a.Service, `update evidence set class = 'P' where recovery_id = $1`, a.claim.ID)
		plan, err := a.retiring().Plan(t.Context(), a.Now(t).AddDate(0, -24, 0))
		require.NoError(t, err)
		require.Equal(t, "unjustified", plan[0].Kept[0].Rule)
		require.Contains(t, plan[0].Kept[0].About, a.claim.ID)
		o, err := a.retiring().Retire(t.Context(), plan[0].Month)
		require.NoError(t, err)
		require.Equal(t, "unjustified", o.Kept[0].Rule)
		require.Positive(t, apptest.Query[int](t, a.Service, `SELECT count(*) FROM audit_event_before`))
	})
}

// A run that is cut short, after each thing that it commits, is finished by the next.
func TestRetire_ACutShortIsFinished(t *testing.T) {
	t.Parallel()
	a := newAged(t)
	a.published()
	cut := context.DeadlineExceeded
	r := a.retiring()
	plan, err := r.Plan(t.Context(), a.Now(t).AddDate(0, -24, 0))
	require.NoError(t, err)
	done := 0
	for step := 1; done < len(plan); step++ {
		ctx, stop := context.WithCancelCause(t.Context())
		said := 0
		r.Progress = func(string) {
			if said++; said == step {
				stop(cut) // at the next statement, whatever it is
			}
		}
		o, err := r.Retire(ctx, plan[done].Month)
		stop(nil)
		if err == nil && o.Event != "" {
			done, step = done+1, 0
		} else if apptest.Query[int](t, a.Service, `SELECT count(*) FROM audit_retired WHERE month = $1`, plan[done].Name) == 1 {
			r.Progress = nil
			_, err = r.Finish(t.Context())
			require.NoError(t, err)
			done, step = done+1, 0
		}
	}
	require.Zero(t, apptest.Query[int](t, a.Service, `SELECT count(*) FROM audit_retired WHERE cleared_at IS NULL`))
	require.Equal(t, apptest.Query[int](t, a.Service, `SELECT count(DISTINCT (tenant_id, subject, details->>'month', details ? 'version', CASE WHEN details ? 'rows' THEN details->>'rows_nth' END)) FROM audit_event WHERE action = 'audit.carried'`),
		apptest.Query[int](t, a.Service, `SELECT count(*) FROM audit_event WHERE action = 'audit.carried'`), "carried on once")
	require.Eventually(t, func() bool { _, said := a.whole(); return said == "" }, apptest.Patience, 100*time.Millisecond)
	_, said := replayed(t, a.Service)
	require.Empty(t, said)
}
