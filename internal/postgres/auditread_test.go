package postgres_test

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/holdfast/holdfast/internal/account"
	"github.com/holdfast/holdfast/internal/audit"
	"github.com/holdfast/holdfast/internal/auditlog"
	"github.com/holdfast/holdfast/internal/fault"
	"github.com/holdfast/holdfast/internal/postgres"
	"github.com/holdfast/holdfast/internal/secret"
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
		Store: postgres.NewAuditLog(w.db), Desks: postgres.NewAuditLog(w.db), Origin: logOrigin, Keys: []string{"k"}, Rand: rand.Reader,
		RefHashes: func(tenant, ref string) [][]byte { return account.RefHashes(w.keys, tenant, ref) },
		Reasons:   func(context.Context, string, string) (map[string]string, error) { return map[string]string{}, nil },
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

// Each filter has an index that gives its page in order, from any cursor on: what a page costs does not grow with the log.
func TestEvents_AreFoundByAnIndexWhateverIsAskedFor(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	const many = 240_000
	begun := time.Now().UTC().Truncate(time.Hour).Add(-100 * 24 * time.Hour) // 166 days: what was before, and two months ahead or three
	ids := make([]string, many/1000)                                         // of every thousandth event
	for i := range ids {
		ids[i] = secret.NewID("evt", begun.Add(time.Duration(i)*1000*time.Minute), rand.Reader)
	}
	conn, err := w.root.Acquire(t.Context())
	require.NoError(t, err)
	for _, sql := range []string{ // past the triggers: they would look each recovery up
		`set session_replication_role = replica`,
		`insert into audit_event (tenant_id, id, at, actor_kind, actor_id, action, subject, account_id, recovery_id, outcome)
		 select 'demo', substr(k.id, 1, 14) || lpad(i::text, 6, '0') || substr(k.id, 21), $1::timestamptz + (k.n * 1000 + i) * interval '1 minute', 'client', 'cli_' || i % 50, 'noun.verb_' || i % 40,
		        CASE WHEN i % 3 = 0 THEN 'cas_' ELSE 'rcv_' END || (k.n * 1000 + i) % 9000, 'acc_' || (k.n * 1000 + i) % 3000, 'rcv_' || (k.n * 1000 + i) % 9000, 'success'
		   from (select id, n - 1 as n from unnest($2::text[]) with ordinality u (id, n)) k, generate_series(0, 999) i`,
		`reset session_replication_role`,
		`analyze audit_event`,
	} {
		var args []any
		if strings.Contains(sql, "$1") {
			args = []any{begun, ids}
		}
		_, err := conn.Exec(t.Context(), sql, args...)
		require.NoError(t, err)
	}
	conn.Release()
	require.Equal(t, many, scalar[int](w, `select count(*) from audit_event where tenant_id = 'demo'`))
	require.GreaterOrEqual(t, scalar[int](w, `select count(distinct tableoid) from audit_event where tenant_id = 'demo'`), 3, "partitions")
	require.Zero(t, scalar[int](w, `select count(*) from audit_event where tableoid = 'audit_event_default'::regclass`))

	middle := begun.Add(many / 2 * time.Minute)
	filters := map[string]auditlog.Filter{
		"nothing": {}, "account": {Account: "acc_7"}, "recovery": {Recovery: "rcv_6"}, "case": {Subject: "cas_6"}, "actor": {Actor: "cli_7"},
		"action": {Action: "noun.verb_7"}, "time": {From: middle, To: middle.Add(time.Hour)}, "account and action": {Account: "acc_7", Action: "noun.verb_7"},
		"recovery and time": {Recovery: "rcv_6", From: begun, To: middle}, "actor and time": {Actor: "cli_7", From: middle, To: middle.Add(24 * time.Hour)},
	}
	for name, f := range filters {
		for _, cursor := range []string{"", ids[3*len(ids)/4]} {
			f.Tenant, f.Limit, f.Cursor = "demo", 100, cursor
			w.foundByIndex(name, f)
		}
	}
}

// foundByIndex demands that a page is found, and that next to nothing was read for it.
func (w *world) foundByIndex(name string, f auditlog.Filter) {
	w.t.Helper()
	sql, args := postgres.EventsSQL(logOrigin, f)
	var text []byte
	require.NoError(w.t, w.db.Pool().QueryRow(w.t.Context(), `explain (analyze, buffers, format json) `+sql, args).Scan(&text), name)
	for _, read := range regexp.MustCompile(`Seq Scan"[^{}]*"Relation Name": "(\w+)"`).FindAllStringSubmatch(string(text), -1) {
		require.Equal(w.t, "audit_event_default", read[1], "%s: nothing else is empty", name)
	}
	for _, removed := range regexp.MustCompile(`"Rows Removed by Filter": (\d+)`).FindAllStringSubmatch(string(text), -1) {
		n, err := strconv.Atoi(removed[1])
		require.NoError(w.t, err)
		require.Less(w.t, n, 5000, "%s: %s", name, text)
	}
	var plans []struct {
		Plan struct {
			Rows float64 `json:"Actual Rows"`
			Hit  int     `json:"Shared Hit Blocks"`
			Read int     `json:"Shared Read Blocks"`
		}
	}
	require.NoError(w.t, json.Unmarshal(text, &plans))
	require.Positive(w.t, plans[0].Plan.Rows, "%s: %s", name, text)
	require.Less(w.t, plans[0].Plan.Hit+plans[0].Plan.Read, 3000, "%s: pages that were looked at: %s", name, text)
}

// an event may tell of a whole import, and a page of a thousand of them is no page that memory holds: readers get what fits, and go on.
func TestEvents_AreReadNoMoreAtOnceThanMemoryIsToHold(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	_, err := w.root.Exec(t.Context(), `INSERT INTO audit_event (tenant_id, id, at, actor_kind, action, subject, outcome, details)
		SELECT 'demo', 'evt_' || lpad(n::text, 26, '0'), now(), 'system', 'account.imported', 'demo', 'success', jsonb_build_object('said', repeat('x', 1000000)) FROM generate_series(1, 20) n`)
	require.NoError(t, err)
	page, cursor, err := list(w, auditlog.Filter{Tenant: "demo", Action: audit.AccountsImported, Limit: 100})
	require.NoError(t, err)
	require.Len(t, page, 9)
	require.Equal(t, page[8].ID, cursor)
	log, seen, after := postgres.NewAuditLog(w.db), 0, ""
	for {
		records, err := log.Walk(t.Context(), "test", auditlog.Filter{Tenant: "demo", Action: audit.AccountsImported}, after, 1000)
		require.NoError(t, err)
		if len(records) == 0 {
			break
		}
		require.LessOrEqual(t, len(records), 9)
		seen, after = seen+len(records), records[len(records)-1].Event.ID
	}
	require.Equal(t, 20, seen)
	var beside int
	for tenant, id := "", ""; ; {
		entries, err := log.Beside(t.Context(), "test", 0, tenant, id, 1000)
		require.NoError(t, err)
		if len(entries) == 0 {
			break
		}
		beside, tenant, id = beside+len(entries), entries[len(entries)-1].Event.Tenant, entries[len(entries)-1].Event.ID
	}
	require.GreaterOrEqual(t, beside, 20)
}
