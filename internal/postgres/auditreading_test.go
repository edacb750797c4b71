package postgres_test

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/json"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"github.com/holdfast/holdfast/internal/auditlog"
	"github.com/holdfast/holdfast/internal/postgres"
	"github.com/holdfast/holdfast/internal/secret"
)

// login makes a login of the database that is a member of a role, and connects as it. It ends with the test.
func (l *logbook) login(role string) (*postgres.DB, string) {
	l.t.Helper()
	name, password := "jane_"+strings.ToLower(rand.Text()), rand.Text()
	_, err := l.root.Exec(l.t.Context(), "create role "+name+" login password '"+password+"' in role "+role)
	require.NoError(l.t, err)
	l.t.Cleanup(func() { _, _ = l.root.Exec(context.WithoutCancel(l.t.Context()), "drop role "+name) })
	u, err := url.Parse(l.url)
	require.NoError(l.t, err)
	q := u.Query()
	q.Set("user", name)
	q.Set("password", password)
	u.RawQuery, u.User = q.Encode(), nil
	db, err := postgres.Open(l.t.Context(), postgres.Config{URL: u.String(), MaxConns: 4})
	require.NoError(l.t, err)
	l.t.Cleanup(db.Close)
	return db, name
}

// told is the newest event that nobody but a reading writes.
type told struct {
	Tenant, ID, Kind, Actor, Action, Subject, Outcome, Reason, Details string
	At                                                                 time.Time
	Salt                                                               int
	Rest                                                               bool // there is nothing else in it
}

func (l *logbook) told() told {
	l.t.Helper()
	rows, err := l.root.Query(l.t.Context(), `select tenant_id, id, actor_kind, actor_id, action, subject, outcome, reason, details::text, at, length(salt),
		recovery_id is null and recovery_version is null and account_id is null and origin = '' and request_id = '' and policy_version = ''
		from audit_event where action in ('audit.read', 'audit.exported') order by id desc limit 1`)
	require.NoError(l.t, err)
	out, err := pgx.CollectExactlyOneRow(rows, pgx.RowToStructByPos[told])
	require.NoError(l.t, err)
	return out
}

// whole exports the log over a connection.
func (l *logbook) whole(db *postgres.DB, w *bytes.Buffer) error {
	keys, err := l.sealer().VerifierKeys()
	require.NoError(l.t, err)
	return auditlog.WriteWhole(l.t.Context(), postgres.NewAuditLog(db), logOrigin, keys, 0, w)
}

// the whole log is taken away by the auditor's role, the service's or the owner's, and it is an event each time: of the login
// that took it, sealed like any other.
func TestWholeExport_IsAnEventOfTheLoginThatTookIt(t *testing.T) {
	t.Parallel()
	l := newLogbook(t)
	l.write("evt_a", 3)
	l.drain(l.sealer(), 3)
	leaves := 3
	auditor, auditorName := l.login("holdfast_auditor")
	service, serviceName := l.login("holdfast_service")
	owner := ask[string](l, "select session_user")
	for name, db := range map[string]*postgres.DB{
		auditorName: auditor, serviceName: service, owner: l.connect(""), owner + " ": l.connect("holdfast_auditor"),
	} {
		before := ask[time.Time](l, "select holdfast_now()")
		var out bytes.Buffer
		require.NoError(t, l.whole(db, &out), name)
		x := l.told()
		made, err := secret.TimeOf("evt", x.ID)
		require.NoError(t, err, "an id as the service makes them")
		require.WithinDuration(t, x.At, made, time.Millisecond)
		require.False(t, x.At.Before(before) || x.At.After(ask[time.Time](l, "select holdfast_now()")))
		var details map[string]any
		require.NoError(t, json.Unmarshal([]byte(x.Details), &details))
		require.Equal(t, map[string]any{"whole": true, "format": "ndjson", "size": float64(leaves), "cosignatures": float64(0)}, details)
		require.Equal(t, told{
			Tenant: "_fleet", ID: x.ID, Kind: "operator", Actor: strings.TrimSpace(name), Action: "audit.exported", Subject: "audit_log", Outcome: "success",
			Details: x.Details, At: x.At, Salt: 16, Rest: true,
		}, x)
		require.Empty(t, said(l.verify(out.String())))
		leaves++
		l.drain(l.sealer(), leaves)
		require.Contains(t, l.export(), x.ID, "it is in the log")
		leaves++
		l.drain(l.sealer(), leaves)
	}
	l.requireWhole(leaves)
}

// fail closed. What cannot be written down is not given out.
func TestWholeExport_GivesNothingThatItCannotWriteDown(t *testing.T) {
	t.Parallel()
	l := newLogbook(t)
	l.write("evt_a", 3)
	l.drain(l.sealer(), 3)
	auditor, _ := l.login("holdfast_auditor")
	_, err := l.root.Exec(t.Context(), `revoke execute on function audit_reading(text, text, bigint, integer) from holdfast_auditor`)
	require.NoError(t, err)
	var out bytes.Buffer
	require.Error(t, l.whole(auditor, &out))
	require.Zero(t, out.Len())
	require.Equal(t, 3, ask[int](l, "select count(*) from audit_event"))

	u, err := url.Parse(l.url)
	require.NoError(t, err)
	q := u.Query()
	q.Set("default_transaction_read_only", "on")
	u.RawQuery = q.Encode()
	db, err := postgres.Open(t.Context(), postgres.Config{URL: u.String(), Role: "holdfast_service", MaxConns: 2})
	require.NoError(t, err)
	t.Cleanup(db.Close)
	require.Error(t, l.whole(db, &out), "as on a replica")
	require.Zero(t, out.Len())
}

// what the auditor's role can have written is that it reads, and nothing else: not in another's name, not with words of
// its own, not past the schema.
func TestAuditorsRole_CanHaveNothingWrittenButThatItReads(t *testing.T) {
	t.Parallel()
	l := newLogbook(t)
	l.write("evt_a", 3)
	_, err := l.db.CreateTenant(t.Context(), postgres.Tenant{ID: "acme", Name: "Acme"})
	require.NoError(t, err)
	auditor, name := l.login("holdfast_auditor")
	for _, call := range []string{
		`audit_reading('recovery.completed', '_fleet', 0, 0)`, `audit_reading('audit.read', '_fleet', 0, 0)`, `audit_reading('', '_fleet', 0, 0)`, `audit_reading(null, '_fleet', 0, 0)`,
		`audit_reading('export', 'acme', 0, 0)`, `audit_reading('export', null, 0, 0)`, `audit_reading('replay', 'nobody', 0, 0)`, `audit_reading('replay', '', 0, 0)`,
		`audit_reading('replay', null, 0, 0)`, `audit_reading('export', '_fleet', -1, 0)`, `audit_reading('export', '_fleet', null, 0)`,
		`audit_reading('export', '_fleet', 0, -1)`, `audit_reading('export', '_fleet', 0, 65)`, `audit_reading('export', '_fleet', 0, null)`,
	} {
		_, err := auditor.Pool().Exec(t.Context(), "select "+call)
		require.ErrorContains(t, err, "no such reading", call)
	}
	require.Equal(t, 3, ask[int](l, "select count(*) from audit_event"))

	// Names of its own that lie before the schema's, and the words that it may choose.
	conn, err := auditor.Pool().Acquire(t.Context())
	require.NoError(t, err)
	defer conn.Release()
	for _, sql := range []string{
		`create temp table audit_event (like public.audit_event)`, `create temp table audit_personal (like public.audit_personal)`, `create temp table tenant (id text)`,
		`insert into pg_temp.tenant values ('_fleet'), ('nobody')`, `create temp table clock_shift (by interval)`, `insert into pg_temp.clock_shift values ('10 years')`,
		`create function pg_temp.substr(text, integer, integer) returns text language sql as 'select ''x'''`, `set search_path = pg_temp, public`, `set session_replication_role = origin`,
		`set holdfast.told = '["audit_log","account","acc_1",{"words":"of its own"}]'`,
	} {
		if _, err := conn.Exec(t.Context(), sql); !strings.Contains(sql, "function") && !strings.Contains(sql, "replication") {
			require.NoError(t, err, sql)
		}
	}
	_, err = conn.Exec(t.Context(), `select public.audit_reading('replay', 'nobody', 0, 0)`)
	require.Error(t, err)
	_, err = conn.Exec(t.Context(), `select public.audit_reading('replay', 'acme', 7, 7)`)
	require.NoError(t, err)
	x := l.told()
	require.Equal(t, []string{"acme", "operator", name, "audit.read", "audit_log", "success", "", `{"replay": true}`},
		[]string{x.Tenant, x.Kind, x.Actor, x.Action, x.Subject, x.Outcome, x.Reason, x.Details})
	require.WithinDuration(t, time.Now(), x.At, time.Hour)
	require.True(t, x.Rest)
	require.Equal(t, 4, ask[int](l, "select count(*) from audit_event"))
	l.drain(l.sealer(), 4)
	l.requireWhole(4)

	require.Equal(t, []string{"audit_reading"}, askAll[string](l, `select proname from pg_proc where prosecdef and pronamespace = 'public'::regnamespace
		and has_function_privilege('holdfast_auditor', oid, 'execute') order by 1`), "what it may call of the owner's")
	require.Empty(t, askAll[string](l, `select c.oid::regclass::text from pg_class c where c.relkind in ('r', 'p', 'v', 'm', 'S', 'f')
		and c.relnamespace in ('public'::regnamespace, 'river'::regnamespace)
		and (case when c.relkind = 'S' then has_sequence_privilege('holdfast_auditor', c.oid, 'usage, update')
		     else has_table_privilege('holdfast_auditor', c.oid, 'insert, update, delete, truncate, trigger, references')
		          or has_any_column_privilege('holdfast_auditor', c.oid, 'insert, update, references') end)`), "what it may change")
}

// askAll runs a query of one column as the schema's owner.
func askAll[T any](l *logbook, sql string, args ...any) []T {
	l.t.Helper()
	rows, err := l.root.Query(l.t.Context(), sql, args...)
	require.NoError(l.t, err)
	out, err := pgx.CollectRows(rows, pgx.RowTo[T])
	require.NoError(l.t, err)
	return out
}
