package postgres_test

import (
	"crypto/rand"
	"encoding/json"
	"regexp"
	"strconv"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/holdfast/holdfast/internal/account"
	"github.com/holdfast/holdfast/internal/audit"
	"github.com/holdfast/holdfast/internal/auditlog"
	"github.com/holdfast/holdfast/internal/fault"
	"github.com/holdfast/holdfast/internal/postgres"
)

func TestListEvents_GivesPagesThatDoNotMove(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	var ids []string
	for _, ref := range []string{"u-1", "u-2", "u-3", "u-4", "u-5"} {
		ids = append(ids, w.put(ada("demo", ref)).ID)
	}
	w.put(ada("other", "u-1"))

	first, cursor, err := list(w, auditlog.Filter{Tenant: "demo", Limit: 2})
	require.NoError(t, err)
	require.Equal(t, []string{ids[4], ids[3]}, subjects(first), "newest first")
	w.put(ada("demo", "u-6"))
	rest, end, err := list(w, auditlog.Filter{Tenant: "demo", Cursor: cursor})
	require.NoError(t, err)
	require.Equal(t, []string{ids[2], ids[1], ids[0]}, subjects(rest))
	require.Empty(t, end)

	e := first[1]
	require.Equal(t, audit.Actor{Kind: audit.ActorClient, ID: "cli_test"}, e.Actor)
	require.Equal(t, audit.AccountRegistered, e.Action)
	require.Equal(t, json.Number("2"), e.Details["channels"])
	for name, f := range map[string]auditlog.Filter{
		"subject": {Tenant: "demo", Subject: ids[3]},
		"time":    {Tenant: "demo", From: e.At, To: first[0].At},
	} {
		got, _, err := list(w, f)
		require.NoError(t, err, name)
		require.Equal(t, []string{ids[3]}, subjects(got), name)
	}
	for name, f := range map[string]auditlog.Filter{
		"another action":   {Tenant: "demo", Action: audit.AccountErased},
		"another recovery": {Tenant: "demo", Recovery: "rcv_1"},
		"the future":       {Tenant: "demo", From: time.Now().Add(time.Hour)},
		"another tenant":   {Tenant: "nobody"},
	} {
		got, _, err := list(w, f)
		require.NoError(t, err, name)
		require.Empty(t, got, name)
	}
	for _, f := range []auditlog.Filter{{}, {Tenant: "demo", Cursor: "x"}, {Tenant: "demo", Limit: 1001}} {
		_, _, err := list(w, f)
		requireFault(t, fault.CodeInvalidRequest, err)
	}
}

// list reads a page as a client of the tenant does. That it is written down itself is left out of what it gives.
func list(w *world, f auditlog.Filter) ([]audit.Event, string, error) {
	w.t.Helper()
	page, err := newLog(w).Events(w.t.Context(), auditlog.Reader{Tenant: f.Tenant, By: audit.Actor{Kind: audit.ActorOperator, ID: "test"}}, f)
	var out []audit.Event
	for _, r := range page.Records {
		if r.Event.Action != audit.AuditRead {
			out = append(out, r.Event)
		}
	}
	return out, page.Next, err
}

func newLog(w *world) *auditlog.Log {
	w.t.Helper()
	l, err := auditlog.NewLog(auditlog.LogConfig{
		Store: postgres.NewAuditLog(w.db), Origin: logOrigin, Keys: []string{"k"}, Rand: rand.Reader,
		RefHashes: func(tenant, ref string) [][]byte { return account.RefHashes(w.keys, tenant, ref) },
	})
	require.NoError(w.t, err)
	return l
}

func subjects(events []audit.Event) []string {
	var out []string
	for _, e := range events {
		out = append(out, e.Subject)
	}
	return out
}

// one event for a request, whatever it gives, and none when nothing is given.
func TestReading_IsWrittenDownOncePerRequest(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	id := w.put(ada("demo", "u-1")).ID
	log, who := newLog(w), auditlog.Reader{Tenant: "demo", By: audit.Actor{Kind: audit.ActorClient, ID: "cli_auditor"}, Origin: "192.0.2.0/24", RequestID: "req_9"}
	count := func() int { return scalar[int](w, `select count(*) from audit_event where action = 'audit.read'`) }
	page, err := log.Events(t.Context(), who, auditlog.Filter{AccountRef: "u-1"})
	require.NoError(t, err)
	require.Len(t, page.Records, 1)
	require.Equal(t, 1, count())
	require.Equal(t, id, scalar[string](w, `select details->>'account' from audit_event where action = 'audit.read' and actor_id = 'cli_auditor'`))
	require.Equal(t, "1", scalar[string](w, `select details->>'events' from audit_event where action = 'audit.read'`))
	_, err = log.Events(t.Context(), who, auditlog.Filter{AccountRef: "nobody"})
	require.NoError(t, err)
	require.Equal(t, 2, count(), "what was asked for counts, not what was found")
	_, err = log.Event(t.Context(), who, page.Records[0].Event.ID)
	require.NoError(t, err)
	require.Equal(t, 3, count())
	_, err = log.Event(t.Context(), auditlog.Reader{Tenant: "other"}, page.Records[0].Event.ID)
	requireFault(t, fault.CodeNotFound, err)
	require.Equal(t, 3, count())
	// what was looked for is written down as far as it is an id; an address would stand in the log for ever.
	_, err = log.Events(t.Context(), who, auditlog.Filter{Subject: "ada@example.com", Actor: "+4915112345678", Recovery: "Ada Lovelace", Action: "ada@example.com", Account: id})
	require.NoError(t, err)
	require.Equal(t, `not an id, not an id, not an id, not an id, `+id, scalar[string](w,
		`select concat_ws(', ', details->>'subject', details->>'actor', details->>'recovery', details->>'action', details->>'account')
		   from audit_event where action = 'audit.read' order by id desc limit 1`))
	_, err = log.Events(t.Context(), who, auditlog.Filter{Action: audit.AccountRegistered, Subject: id})
	require.NoError(t, err)
	require.Equal(t, "account.registered "+id, scalar[string](w,
		`select details->>'action' || ' ' || (details->>'subject') from audit_event where action = 'audit.read' order by id desc limit 1`))
	// Where the reading cannot be written down, nothing is read.
	w.exec(`revoke insert on audit_event from holdfast_service`)
	page, err = log.Events(t.Context(), who, auditlog.Filter{})
	require.Error(t, err)
	require.Empty(t, page.Records)
}

// Each filter has an index that gives its page in order: what a page costs does not grow with the log.
func TestEvents_AreFoundByAnIndexWhateverIsAskedFor(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.exec(`insert into audit_event (tenant_id, id, at, actor_kind, actor_id, action, subject, account_id, recovery_id, outcome)
		select 'demo', 'evt_' || lpad(i::text, 8, '0'), now() - (60000 - i) * interval '1 minute', 'client', 'cli_' || i % 50, 'noun.verb_' || i % 40, 'sub_' || i % 5000,
		       'acc_' || i % 3000, 'rcv_' || i % 9000, 'success' from generate_series(1, 60000) i`)
	w.exec(`analyze audit_event`)
	from := time.Now().Add(-24 * time.Hour)
	for name, f := range map[string]auditlog.Filter{
		"nothing": {}, "account": {Account: "acc_7"}, "recovery": {Recovery: "rcv_7"}, "subject": {Subject: "sub_7"}, "actor": {Actor: "cli_7"},
		"action": {Action: "noun.verb_7"}, "time": {From: from, To: from.Add(time.Hour)}, "account and action": {Account: "acc_7", Action: "noun.verb_7"},
	} {
		f.Tenant, f.Limit = "demo", 100
		sql, args := postgres.EventsSQL(logOrigin, f)
		var plan string
		require.NoError(t, w.db.Pool().QueryRow(t.Context(), `explain (analyze, format json) `+sql, args).Scan(&plan), name)
		require.NotContains(t, plan, "Seq Scan", name)
		for _, removed := range regexp.MustCompile(`"Rows Removed by Filter": (\d+)`).FindAllStringSubmatch(plan, -1) {
			n, err := strconv.Atoi(removed[1])
			require.NoError(t, err)
			require.Less(t, n, 5000, "%s: %s", name, plan)
		}
	}
}
