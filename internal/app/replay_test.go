package app_test

import (
	"bytes"
	"encoding/json"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/holdfast/holdfast/api/client"
	"github.com/holdfast/holdfast/internal/app"
	"github.com/holdfast/holdfast/internal/app/apptest"
	"github.com/holdfast/holdfast/internal/audit"
)

// forced runs a statement as the database's superuser, past all triggers.
func forced(t testing.TB, s *apptest.Service, sql string, args ...any) {
	t.Helper()
	s.ByHand()
	conn, err := s.Owner.Pool().Acquire(t.Context())
	require.NoError(t, err)
	defer conn.Release()
	_, err = conn.Exec(t.Context(), `set session_replication_role = replica`)
	require.NoError(t, err)
	tag, err := conn.Exec(t.Context(), sql, args...)
	require.NoError(t, err)
	require.Positive(t, tag.RowsAffected(), sql)
	_, err = conn.Exec(t.Context(), `reset session_replication_role`)
	require.NoError(t, err)
}

func replayed(t testing.TB, s *apptest.Service) (app.Replayed, string) {
	t.Helper()
	var out []string
	r, err := app.Replay(t.Context(), s.Owner, "", func(text string) { out = append(out, text) })
	require.NoError(t, err)
	require.Len(t, out, r.Problems)
	return r, strings.Join(out, "\n")
}

// completed walks one recovery to its end, one that is only started, and a decoy.
func completed(t testing.TB, s *apptest.Service) *apptest.Claim {
	t.Helper()
	s.Register(t, apptest.Person{Ref: "ada", Email: ada, Phone: adaPhone})
	s.Start(t, apptest.Claimant{Identifier: apptest.Email("nobody@example.com")}).Ask(t, client.MethodEmail)
	c := s.Start(t, apptest.Claimant{Identifier: apptest.Email(ada)})
	c.ProveBy(t, client.MethodEmail)
	c.Await(t, client.StateReady)
	grant := c.Grant(t)
	require.Equal(t, http.StatusOK, s.Redeem(t, grant.Grant).Status)
	s.Start(t, apptest.Claimant{Identifier: apptest.Email(ada)}).Ask(t, client.MethodSms)
	return c
}

// The issue, "Done when": what a superuser does to a recovery's row, and what its history does not justify, is named.
func TestReplay_NamesEveryRowThatItsHistoryDoesNotJustify(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct{ sql, want string }{
		"nothing":          {"", ""},
		"another state":    {`update recovery set state = 'reversed', closed_at = completed_at where id = $1`, `the row is in "reversed", and its events end in "completed"`},
		"another version":  {`update recovery set version = version + 1 where id = $1`, "the row is at version"},
		"a lower tier":     {`update recovery set tier = 'critical' where id = $1`, `tier is "critical"`},
		"a shorter hold":   {`update recovery set not_before = not_before - interval '1 hour' where id = $1`, "not_before is"},
		"a longer life":    {`update recovery set expires_at = expires_at + interval '1 hour' where id = $1`, "expires_at is"},
		"no probation":     {`update recovery set probation_until = completed_at where id = $1`, "probation_until is"},
		"another grant":    {`update recovery set grant_id = 'grt_x' where id = $1`, `grant is "grt_x"`},
		"an easier plan":   {`update recovery set plan = jsonb_set(plan, '{hold_ns}', '1') where id = $1`, "plan is"},
		"approvals":        {`update recovery set approved = '{a,b}' where id = $1`, "approved is"},
		"another account":  {`update recovery set account_id = 'acc_other' where id = $1`, "the row is of another account"},
		"another reason":   {`update recovery set reason = 'lost_all' where id = $1`, "the row's reason is not that of its beginning"},
		"stronger proof":   {`update evidence set class = 'P' where recovery_id = $1`, "evidence is"},
		"no proof":         {`delete from evidence where recovery_id = $1`, "evidence is"},
		"the row deleted":  {`delete from recovery where id = $1`, "the row is gone"},
		"an event deleted": {`delete from audit_event where recovery_id = $1 and recovery_version = 2`, "no event of version 2"},
		"the last event deleted": {`delete from audit_event e where recovery_id = $1 and recovery_version =
			(select max(recovery_version) from audit_event where recovery_id = e.recovery_id)`, "the row is at version"},
		"an event that says nothing of the row": {`update audit_event set details = details - 'row' where recovery_id = $1 and recovery_version = 3`, "version 3 does not say what of the row it changed"},
		"a forged way":                          {`update audit_event set from_state = 'denied' where recovery_id = $1 and recovery_version = 3`, "the table has no way from"},
		"an early grant":                        {`update audit_event set at = at - interval '40 days' where recovery_id = $1 and action = 'recovery.grant.issued'`, "a grant before the hold was over"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := apptest.New(t)
			c := completed(t, s)
			if tc.sql == "" {
				r, said := replayed(t, s)
				require.Empty(t, said)
				require.Equal(t, 3, r.Recoveries)
				return
			}
			forced(t, s, tc.sql, c.ID)
			r, said := replayed(t, s)
			require.Contains(t, said, c.ID+": ")
			require.Contains(t, said, tc.want)
			require.Positive(t, r.Problems)
		})
	}
}

// A tenant exports a period over HTTP, and checks it with nothing but the file and the keys.
func TestExport_IsVerifiedOfflineAndNamesWhatIsChangedInIt(t *testing.T) {
	t.Parallel()
	s := apptest.New(t)
	a := newAuditor(t, s, apptest.Tenant)
	completed(t, s)
	a.prove(t, a.events(t, "?action=recovery.completed")[0].ID)
	keys := a.keys(t)
	got := a.get(t, "export")
	require.Equal(t, http.StatusOK, got.Status)
	verify := func(text string) audit.Report {
		r, err := audit.Verify(strings.NewReader(text), audit.VerifyConfig{Keys: keys})
		require.NoError(t, err)
		return r
	}
	r := verify(got.Body)
	require.Empty(t, r.Problems)
	require.False(t, r.Whole)
	require.Greater(t, r.Events, int64(10))
	require.NotEmpty(t, a.events(t, "?action=audit.exported"))
	for what, text := range map[string]string{
		"was changed after it was sealed": strings.Replace(got.Body, `"subject":"rcv_`, `"subject":"rcv_0`, 1),
		"the export was cut short":        got.Body[:len(got.Body)-20],
		"is not in the log":               strings.Replace(got.Body, `\"action\":\"recovery.completed\"`, `\"action\":\"recovery.cancelled\"`, 1),
	} {
		require.NotEqual(t, got.Body, text, what)
		var found bytes.Buffer
		for _, p := range verify(text).Problems {
			found.WriteString(p.String() + "\n")
		}
		require.Contains(t, found.String(), what)
	}
	for line := range strings.Lines(a.get(t, "export?format=ocsf&since="+time.Now().Add(-time.Hour).UTC().Format(time.RFC3339)).Body) {
		requireOCSF(t, line)
	}
	require.Equal(t, http.StatusUnprocessableEntity, a.get(t, "export?format=csv").Status)
}

// requireOCSF checks what the schema demands of every event, and of the classes that we use.
func requireOCSF(t testing.TB, line string) {
	t.Helper()
	var e map[string]any
	require.NoError(t, json.Unmarshal([]byte(line), &e))
	for _, name := range []string{"activity_id", "category_uid", "class_uid", "metadata", "severity_id", "time", "type_uid"} {
		require.Contains(t, e, name)
	}
	class, activity := e["class_uid"].(float64), e["activity_id"].(float64)
	require.InDelta(t, class*100+activity, e["type_uid"], 0)
	require.InDelta(t, float64(int(class)/1000), e["category_uid"], 0)
	metadata := e["metadata"].(map[string]any)
	require.Equal(t, audit.OCSFVersion, metadata["version"])
	require.Contains(t, metadata, "product")
	needs := map[float64][]string{2004: {"finding_info"}, 3001: {"user"}, 3002: {"user", "service"}, 3004: {"entity"}, 6003: {"actor", "api", "src_endpoint"}}[class]
	require.NotEmpty(t, needs, "class %v", class)
	for _, name := range needs {
		require.Contains(t, e, name)
	}
}
