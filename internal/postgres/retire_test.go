package postgres_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"github.com/holdfast/holdfast/internal/audit"
	"github.com/holdfast/holdfast/internal/auditlog"
	"github.com/holdfast/holdfast/internal/fault"
	"github.com/holdfast/holdfast/internal/postgres"
)

// years is long enough for every month that a test begins with to be past its time.
const years = 3 * 366 * day

// old is a log with 300 sealed events in audit_event_before, 100 in the month after the next, and a clock that has gone on for years.
type old struct {
	*logbook
	owner *postgres.AuditLog
	month string // of the 100
	early audit.Checkpoint
}

func newOld(t testing.TB) *old {
	t.Helper()
	o := &old{logbook: newLogbook(t)}
	o.owner = postgres.NewAuditLog(o.connect(""))
	o.write("evt_00a", 300)
	o.later(100)
	o.month = strings.TrimPrefix(ask[string](o.logbook, `select tableoid::regclass::text from audit_event where id not like 'evt_00a%' limit 1`), "audit_event_")
	require.Regexp(t, `^\d{6}$`, o.month)
	o.drain(o.sealer(), 400)
	o.early = o.checkpoint()
	o.shift(years)
	return o
}

// later writes n events of 45 days after this month began.
func (l *logbook) later(n int) {
	l.t.Helper()
	l.force(`insert into audit_event (tenant_id, id, at, actor_kind, actor_id, action, subject, account_id, outcome, salt, xact, details)
		select 'acme', event_id_at(x.at) || '_later_' || lpad(i::text, 8, '0'), x.at, 'client', 'cli_1', 'account.registered', 'acc_' || i, 'acc_' || i, 'success',
		       uuid_send(gen_random_uuid()), pg_current_xact_id(), jsonb_build_object('n', i)
		  from generate_series(1, $1::int) i, (select date_trunc('month', now()) + interval '45 days' as at) x`, n)
}

func (l *logbook) shift(by time.Duration) {
	l.t.Helper()
	_, err := l.root.Exec(l.t.Context(), `insert into clock_shift (by) values ($1) on conflict (only_row) do update set by = clock_shift.by + excluded.by`, by)
	require.NoError(l.t, err)
}

func byPolicy() auditlog.RetirePolicy {
	return auditlog.RetirePolicy{Origin: logOrigin, Months: audit.LeastMonths, Anchors: []string{}, Witnesses: []string{}, Operator: "root"}
}

func (o *old) keysOf() []string {
	keys, err := o.sealer().VerifierKeys()
	require.NoError(o.t, err)
	return keys
}

// files is an archive in memory.
type files map[string]string

func (f files) Keep(name string, write func(io.Writer) error, check func(io.Reader) error) error {
	var out bytes.Buffer
	if err := write(&out); err != nil {
		return err
	}
	f[name] = out.String()
	return check(strings.NewReader(f[name]))
}

// export gives the whole log without the event that says so: these tests count leaves.
func (o *old) export() string {
	o.t.Helper()
	var out bytes.Buffer
	require.NoError(o.t, auditlog.WriteWhole(o.t.Context(), unheard{postgres.NewAuditLog(o.connect("holdfast_auditor"))}, logOrigin, o.keysOf(), 0, &out))
	return out.String()
}

type unheard struct{ *postgres.AuditLog }

func (unheard) TellReading(context.Context, auditlog.Reading) error { return nil }

func (o *old) find(month string) auditlog.Month {
	o.t.Helper()
	months, err := o.owner.Months(o.t.Context())
	require.NoError(o.t, err)
	for _, m := range months {
		if m.Name == month {
			return m
		}
	}
	require.Fail(o.t, "no such month", month)
	return auditlog.Month{}
}

// retire archives a month and retires it.
func (o *old) retire(month string) (files, string) {
	o.t.Helper()
	kept := files{}
	a, err := auditlog.ArchiveMonth(o.t.Context(), o.owner, logOrigin, o.keysOf(), o.find(month), kept)
	require.NoError(o.t, err)
	event, err := o.owner.Retire(o.t.Context(), month, byPolicy(), a.Events, a.Digest)
	require.NoError(o.t, err)
	return kept, event
}

// sealed seals what there is and gives how many leaves the log has.
func (o *old) sealed(leaves int) audit.Report {
	o.t.Helper()
	o.drain(o.sealer(), leaves)
	return o.verify(o.export(), o.early, o.checkpoint())
}

// a month that is past its time is archived, dropped, and told of; the log goes on, all that was proven stays proven, and nothing else is touched.
func TestRetire_AMonthGoesAndStaysProven(t *testing.T) {
	t.Parallel()
	o := newOld(t)
	require.Empty(t, said(o.verify(o.export(), o.early)))
	kept, event := o.retire("before")
	require.Len(t, kept, 2)
	require.Equal(t, 100, ask[int](o.logbook, `select count(*) from audit_event where action <> 'audit.retired'`))
	require.Nil(t, ask[*string](o.logbook, `select to_regclass('audit_event_before')::text`))
	require.Contains(t, said(o.verify(o.export(), o.early)), event+" says were retired by policy, which is not sealed yet")

	r := o.sealed(401)
	require.Empty(t, said(r))
	require.Equal(t, int64(300), r.Retired)
	require.Equal(t, int64(101), r.Events)
	for name, text := range kept {
		if strings.HasSuffix(name, ".ndjson") {
			r := o.verify(text)
			require.Empty(t, said(r), name)
			require.Equal(t, int64(300), r.Events)
			require.Equal(t, int64(300), r.Erased, "whence they came was not archived")
		}
	}
	// A proof from before is one still, under the head of then and, made anew, under that of now.
	for _, c := range []audit.Checkpoint{o.early, o.checkpoint()} {
		hashes, err := audit.NewProver(tiles{o.logbook}, c.Size).Inclusion(t.Context(), 7)
		require.NoError(t, err)
		require.NoError(t, audit.CheckInclusion(c.Head, 7, audit.LeafHash(ask[[]byte](o.logbook, `select leaf from audit_leaf where leaf_index = 7`)), hashes))
	}
	details := ask[map[string]any](o.logbook, `select details from audit_event where action = 'audit.retired' and tenant_id = '_fleet' and actor_kind = 'operator' and actor_id = 'root'`)
	require.Equal(t, []any{"before", float64(300), float64(0), float64(299), float64(400), logOrigin}, []any{
		details["month"], details["events"], details["first_leaf"], details["last_leaf"], details["head_size"], details["log"],
	})
	require.Equal(t, o.early.Root.String(), details["head_root"])
	require.Regexp(t, `^sha256:[0-9a-f]{64}$`, details["archive"])

	o.retire(o.month)
	r = o.sealed(402)
	require.Empty(t, said(r))
	require.Equal(t, int64(400), r.Retired)
}

type tiles struct{ l *logbook }

func (x tiles) Tiles(ctx context.Context, names []audit.TileName) ([][]audit.Hash, error) {
	return postgres.NewAuditLog(x.l.db).Tiles(ctx, logOrigin, names)
}

// who may not, may not, by name; and what policy keeps is kept by the database itself.
func TestRetire_TheDatabaseKeepsWhatPolicyKeeps(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		before func(o *old)
		policy func(p *auditlog.RetirePolicy)
		want   string
	}{
		"too young":              {func(o *old) { o.shift(-years + 700*day) }, nil, "audit_retire_young"},
		"longer by the settings": {nil, func(p *auditlog.RetirePolicy) { p.Months = 120 }, "audit_retire_young"},
		"never shorter":          {func(o *old) { o.shift(-years + 700*day) }, func(p *auditlog.RetirePolicy) { p.Months = 20 }, "audit_retire_young"},
		"not sealed":             {func(o *old) { o.write("evt_00b", 2) }, nil, "audit_retire_unsealed"},
		"sealed in another log":  {nil, func(p *auditlog.RetirePolicy) { p.Origin = "else.example/audit" }, "audit_retire_unsealed"},
		"not signed":             {func(o *old) { o.force(`delete from audit_checkpoint`) }, nil, "audit_retire_unsigned"},
		"an anchor has not it":   {nil, func(p *auditlog.RetirePolicy) { p.Anchors = []string{"webhook"} }, "audit_retire_unanchored"},
		"too few witnesses": {func(o *old) {
			o.force(`insert into audit_cosignature select log_id, size, 'w1', 'x', now() from audit_checkpoint`)
		}, func(p *auditlog.RetirePolicy) { p.Witnesses, p.Quorum = []string{"w1", "w2"}, 2 }, "1 of 2 witnesses"},
		"a tenant is held": {func(o *old) { o.force(`insert into legal_hold values ('acme', '', 'case 7', now())`) }, nil, "audit_retire_held"},
		"an account is held": {func(o *old) {
			o.force(`update audit_event set account_id = subject`)
			o.force(`insert into legal_hold values ('acme', 'acc_17', 'case 7', now())`)
		}, nil, "audit_retire_held"},
		"a recovery lives": {func(o *old) {
			o.force(`update audit_event set recovery_id = 'rcv_1' where id = 'evt_00a_00000017'`)
			o.force(`insert into recovery (tenant_id, id, reference, claimant_hash, subject, client_id, reason, network, signals, state, version, tier, plan, policy_version, created_at, changed_at, expires_at)
				values ('acme', 'rcv_1', 'R', sha256('x'), 'acc_1', 'cli_1', 'lost_password', '', '{}', 'verifying', 2, 'low', '{}', 'p', now(), now(), now())`)
		}, nil, "audit_retire_alive"},
		"one was deleted by hand": {func(o *old) { o.force(`delete from audit_event where id = 'evt_00a_00000017'`) }, nil, "audit_retire_gone"},
		"nobody archived all":     {nil, nil, "audit_retire_expected"},
		"nothing carries on": {func(o *old) {
			o.force(`update audit_event set recovery_id = 'rcv_1' where id like '%_00000017'`)
		}, nil, "audit_retire_uncarried"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			o := newOld(t)
			p, n := byPolicy(), int64(300)
			if tc.before != nil {
				tc.before(o)
			}
			if tc.policy != nil {
				tc.policy(&p)
			}
			if tc.want == "audit_retire_expected" {
				n--
			}
			count := ask[int](o.logbook, `select count(*) from audit_event`)
			_, err := o.owner.Retire(t.Context(), "before", p, n, "none")
			require.ErrorIs(t, err, auditlog.ErrKept)
			require.ErrorContains(t, err, tc.want)
			require.Equal(t, count, ask[int](o.logbook, `select count(*) from audit_event`))
			require.Equal(t, 1, ask[int](o.logbook, `select count(*) from audit_months() where month = 'before'`))
		})
	}
	t.Run("the default partition", func(t *testing.T) {
		t.Parallel()
		o := newOld(t)
		o.write("evt_zz", 3)
		o.drain(o.sealer(), 403)
		o.shift(years)
		_, err := o.owner.Retire(t.Context(), "default", byPolicy(), 3, "none")
		require.ErrorContains(t, err, "audit_retire_missing")
	})
	t.Run("the service", func(t *testing.T) {
		t.Parallel()
		o := newOld(t)
		for _, role := range []string{"holdfast_service", "holdfast_auditor"} {
			store := postgres.NewAuditLog(o.connect(role))
			err := store.MayRetire(t.Context())
			require.ErrorIs(t, err, auditlog.ErrMayNotRetire)
			require.ErrorContains(t, err, role)
			_, err = store.Retire(t.Context(), "before", byPolicy(), 300, "none")
			require.Error(t, err)
			require.NotErrorIs(t, err, auditlog.ErrKept)
			_, err = store.ClearRetired(t.Context(), 10)
			require.Equal(t, fault.CodeInternal, fault.CodeOf(err))
			require.Error(t, store.Carry(t.Context(), "before", "root", nil))
		}
		require.NoError(t, o.owner.MayRetire(t.Context()))
		require.Equal(t, 400, ask[int](o.logbook, `select count(*) from audit_event`))
	})
}

// nobody writes that a month was retired but the function that retires one; what it kept beside is no more the service's to change.
func TestRetire_OnlyRetiringSaysSo(t *testing.T) {
	t.Parallel()
	o := newOld(t)
	o.retire("before")
	for _, action := range []string{"audit.retired", "audit.carried"} {
		forged := fmt.Sprintf(`insert into audit_event (tenant_id, id, at, actor_kind, action, subject, reason, outcome) values ('_fleet', event_id_now(), now(), 'operator', '%s', 'audit_log', 'retention', 'success')`, action)
		_, err := o.root.Exec(t.Context(), forged)
		require.ErrorContains(t, err, "is written by retiring a month alone", "not even by the owner in passing")
		_, err = o.db.Pool().Exec(t.Context(), strings.Replace(forged, "event_id_now()", "'evt_zzz'", 1))
		require.ErrorContains(t, err, "is written by retiring a month alone")
		err = pgx.BeginFunc(t.Context(), o.db.Pool(), func(tx pgx.Tx) error {
			if _, err := tx.Exec(t.Context(), `select set_config('holdfast.retiring', pg_current_xact_id()::text, true)`); err != nil {
				return err
			}
			_, err := tx.Exec(t.Context(), strings.Replace(forged, "event_id_now()", "'evt_zzz'", 1))
			return err
		})
		require.Error(t, err, "nor by the service that says what the function says")
	}
	for _, sql := range []string{`update audit_retired set until_id = 'evt_z'`, `delete from audit_retired`, `truncate audit_retired`} {
		_, err := o.root.Exec(t.Context(), sql)
		require.ErrorContains(t, err, "audit_retired admits no")
		_, err = o.db.Pool().Exec(t.Context(), sql)
		require.ErrorContains(t, err, "permission denied")
	}
}

// what is done by hand under the cover of a retirement is named.
func TestVerify_IsNotFooledByARetirement(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		do    func(o *old)
		want  string
		alone bool // there was no retirement before
	}{
		"an event of another month is deleted": {func(o *old) {
			o.force(`delete from audit_event where id like '%_later_00000017'`)
		}, "_later_00000017 was sealed and is gone", false},
		"the retirement is deleted": {func(o *old) {
			o.force(`delete from audit_event where action = 'audit.retired'`)
		}, "evt_00a_00000001 was sealed and is gone", false},
		"the retirement is widened": {func(o *old) {
			o.force(`delete from audit_event where id like '%_later_%'`)
			o.force(`update audit_event set details = details || '{"last_leaf": 399, "events": 400}' where action = 'audit.retired'`)
		}, "was changed after it was sealed (links)", false},
		"an event that came back is deleted": {func(o *old) {
			o.force(strings.Replace(insertEvents, "now()", "holdfast_now()", 1), "acme", "evt_00b", 1)
			o.force(`update audit_event set salt = uuid_send(gen_random_uuid()), xact = pg_current_xact_id(), origin = '', request_id = '' where id like 'evt_00b%'`)
			o.drain(o.sealer(), 402)
			o.force(`delete from audit_event where id like 'evt_00b%'`)
		}, "evt_00b_00000001 was sealed and is gone", false},
		"a retirement is forged for a month": {func(o *old) { o.forge(nil) }, "", false}, // as policy has it: it is what retiring does
		"for fewer events":                   {func(o *old) { o.forge(map[string]any{"events": 99}) }, "retired 99 events of month", false},
		"for more events":                    {func(o *old) { o.forge(map[string]any{"events": 101, "last_leaf": 400}) }, "retired 101 events of month", false},
		"for other leaves":                   {func(o *old) { o.forge(map[string]any{"first_leaf": 301, "events": 99}) }, "_later_00000001 was sealed and is gone", false},
		"for leaves that end before":         {func(o *old) { o.forge(map[string]any{"last_leaf": 398, "events": 99}) }, "_later_00000001 was sealed and is gone", false},
		"for another month":                  {func(o *old) { o.forge(map[string]any{"from": "2020-01-01", "until": "2020-02-01"}) }, "_later_00000001 was sealed and is gone", false},
		"for no month":                       {func(o *old) { o.forge(map[string]any{"from": "2020-01-01"}) }, "does not retire a month", false},
		"for all time":                       {func(o *old) { o.forge(map[string]any{"from": nil}) }, "does not say from when it retires", false},
		"of another log":                     {func(o *old) { o.forge(map[string]any{"log": "else.example/audit"}) }, "_later_00000001 was sealed and is gone", false},
		"that says nothing":                  {func(o *old) { o.forge(map[string]any{"events": "all"}) }, "does not say what it retires", false},
		"too early": {func(o *old) {
			o.shift(-years + 700*day)
			o.forge(nil)
		}, "24 months are kept", true},
		"too early, under an older name": {func(o *old) {
			o.shift(-years + 700*day)
			o.forge(map[string]any{"month": "before", "from": nil, "until": "2020-02-01"})
		}, "_later_00000001 was sealed and is gone", true},
		"of ids that are older than their events": {func(o *old) {
			o.force(`insert into audit_event (tenant_id, id, at, actor_kind, action, subject, outcome, salt, xact) values
				('acme', 'evt_01aaaaaaaa_backdated', holdfast_now(), 'system', 'x', 'x', 'success', uuid_send(gen_random_uuid()), pg_current_xact_id())`)
			o.drain(o.sealer(), 401)
			o.force(`delete from audit_event where id like '%backdated'`)
			o.forge(map[string]any{"month": "before", "from": nil, "until": "2020-02-01", "events": 1, "first_leaf": 400, "last_leaf": 400})
		}, "_backdated was sealed and is gone", true},
		"dated ahead": {func(o *old) {
			o.shift(years)
			o.forge(nil)
			o.shift(-years)
			o.write("evt_zy", 1)
			o.drain(o.sealer(), 403)
		}, "is dated ahead of leaf 402", false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			o := newOld(t)
			if !tc.alone {
				o.retire("before")
				require.Empty(t, said(o.sealed(401)))
			}
			tc.do(o)
			got := said(o.verify(o.export(), o.early))
			if tc.want == "" {
				require.Empty(t, got)
				return
			}
			require.Contains(t, got, tc.want)
			if !strings.Contains(tc.want, "evt_00a") && !strings.Contains(tc.want, "(links)") {
				require.NotContains(t, got, "evt_00a", "what was retired is not cried about")
			}
		})
	}
}

// forge deletes the later month by hand and seals an event that says that it was retired, with some of it changed.
func (o *old) forge(change map[string]any) {
	o.t.Helper()
	o.force(`delete from audit_event where id like '%_later_%'`)
	from, err := time.Parse("200601", o.month)
	require.NoError(o.t, err)
	details := map[string]any{
		"log": logOrigin, "month": o.month, "from": from.Format("2006-01-02"), "until": from.AddDate(0, 1, 0).Format("2006-01-02"), "events": 100,
		"first_leaf": 300, "last_leaf": 399, "archive": "none",
	}
	for name, v := range change {
		if details[name] = v; v == nil {
			delete(details, name)
		}
	}
	o.force(`insert into audit_event (tenant_id, id, at, actor_kind, actor_id, action, subject, reason, outcome, details, salt, xact)
		values ('_fleet', 'evt_zx_forged', holdfast_now(), 'operator', 'root', 'audit.retired', 'audit_log', 'retention', 'success', $1, uuid_send(gen_random_uuid()), pg_current_xact_id())`, details)
	o.drain(o.sealer(), ask[int](o.logbook, `select count(*) from audit_leaf`)+1)
}

// Whoever verifies has a clock: a retirement whose time has not come is none.
func TestVerify_BelievesNoRetirementOfTheFuture(t *testing.T) {
	t.Parallel()
	o := newOld(t)
	o.retire("before")
	o.drain(o.sealer(), 401)
	r, err := audit.Verify(strings.NewReader(o.export()), audit.VerifyConfig{Keys: o.keysOf(), Now: time.Now()})
	require.NoError(t, err)
	require.Contains(t, said(r), "its time has not come")
	require.Contains(t, said(r), "evt_00a_00000001 was sealed and is gone")
}

// A retirement that is itself past its time is said anew before its month goes, so that what it retired stays told of.
func TestRetire_ARetirementOutlivesItsMonth(t *testing.T) {
	t.Parallel()
	o := newOld(t)
	made := func() {
		_, err := o.owner2().MakeAuditMonths(t.Context(), 6)
		require.NoError(t, err)
	}
	made()
	o.shift(40 * day)
	o.retire("before")
	require.Empty(t, said(o.sealed(401)))
	where := strings.TrimPrefix(ask[string](o.logbook, `select tableoid::regclass::text from audit_event where action = 'audit.retired'`), "audit_event_")
	require.Regexp(t, `^\d{6}$`, where)
	o.shift(years)
	made()
	o.shift(40 * day)
	o.retire(where)
	require.Equal(t, 2, ask[int](o.logbook, `select count(*) from audit_event where action = 'audit.retired'`))
	r := o.sealed(403)
	require.Empty(t, said(r))
	require.Equal(t, int64(301), r.Retired)
	o.force(`delete from audit_event where details ? 'again'`)
	require.Contains(t, said(o.verify(o.export())), "evt_00a_00000001 was sealed and is gone")
}

func (o *old) owner2() *postgres.DB { return o.connect("") }

// What the archive cannot show is not dropped: an event that was changed after it was sealed, or an archive that does not read back.
func TestRetire_DropsNothingThatTheArchiveDoesNotProve(t *testing.T) {
	t.Parallel()
	o := newOld(t)
	for _, to := range []auditlog.Archive{files{}, auditlog.NoArchive{}} {
		a, err := auditlog.ArchiveMonth(t.Context(), o.owner, logOrigin, o.keysOf(), o.find("before"), to)
		require.NoError(t, err)
		require.Equal(t, int64(300), a.Events)
	}
	torn := errors.New("no space left")
	_, err := auditlog.ArchiveMonth(t.Context(), o.owner, logOrigin, o.keysOf(), o.find("before"), failing{torn})
	require.ErrorIs(t, err, torn)
	o.force(`update audit_event set actor_id = 'cli_2' where id = 'evt_00a_00000017'`)
	for _, to := range []auditlog.Archive{files{}, auditlog.NoArchive{}} {
		_, err := auditlog.ArchiveMonth(t.Context(), o.owner, logOrigin, o.keysOf(), o.find("before"), to)
		require.ErrorIs(t, err, auditlog.ErrArchive)
		require.ErrorContains(t, err, "evt_00a_00000017: was changed after it was sealed (links)")
	}
}

type failing struct{ err error }

func (f failing) Keep(string, func(io.Writer) error, func(io.Reader) error) error { return f.err }

// The service measures how its months stand: since when the oldest is past its time, unless a hold keeps it, and how many are made ahead.
func TestAuditMonths_TellWhatIsPastItsTimeAndWhatIsMissing(t *testing.T) {
	t.Parallel()
	o := newOld(t)
	o.shift(-years)
	stand := func(kept int) postgres.AuditMonthsStand {
		out, err := o.db.AuditMonths(t.Context(), kept)
		require.NoError(t, err)
		return out
	}
	end := o.find("before").End
	require.Equal(t, postgres.AuditMonthsStand{Oldest: end, Ahead: 3}, stand(24))
	now := ask[time.Time](o.logbook, `select holdfast_now()`)
	o.shift(end.AddDate(0, 24, 0).Sub(now) - time.Minute)
	require.Zero(t, stand(24).Overdue)
	require.Equal(t, -1, stand(24).Ahead, "nobody made any")
	o.shift(time.Minute + day)
	require.InDelta(t, day.Seconds(), stand(24).Overdue.Seconds(), 60)
	require.Zero(t, stand(25).Overdue)
	_, err := o.db.MakeAuditMonths(t.Context(), 3)
	require.NoError(t, err)
	require.Equal(t, -1, stand(24).Ahead, "the present month has begun without")
	o.shift(31 * day)
	require.Equal(t, 2, stand(24).Ahead)
	o.force(`insert into legal_hold values ('acme', '', 'case 7', now())`)
	require.Zero(t, stand(24).Overdue, "a hold keeps it, and the one after it")
	o.force(`delete from legal_hold`)
	o.retire("before")
	require.Equal(t, end.AddDate(0, 1, 0), stand(24).Oldest)
	require.False(t, stand(24).Stray)
	o.force(`insert into audit_event (tenant_id, id, at, actor_kind, action, subject, outcome) values ('acme', 'evt_zz', now(), 'system', 'x', 'x', 'success')`)
	require.True(t, stand(24).Stray)
}
