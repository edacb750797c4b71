package postgres_test

import (
	"testing"

	"github.com/stretchr/testify/require"
)

// what the database's superuser does to a partition itself, past the log and all triggers, is named as well, whichever partition it is.
func TestVerify_NamesWhatASuperuserDidToAPartition(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		do   func(l *logbook, partition string)
		want string
	}{
		"edits an event": {func(l *logbook, partition string) {
			l.force(`update `+partition+` set details = '{"n": 301}' where id like $1`, "%_00000100")
		}, "_00000100: was changed after it was sealed (links)"},
		"moves it in time": {func(l *logbook, partition string) {
			l.force(`update `+partition+` set at = at - interval '1 microsecond' where id like $1`, "%_00000100")
		}, "_00000100: was changed after it was sealed (event)"},
		"moves it to another partition": {func(l *logbook, partition string) {
			l.force(`update audit_event e set id = case when e.tableoid = 'audit_event_default'::regclass then 'evt_00' else 'evt_z' end || e.id
				where e.tableoid = $1::text::regclass and id like '%_00000100'`, partition)
		}, "_00000100 was sealed and is gone"},
		"deletes an event": {func(l *logbook, partition string) {
			l.force(`delete from `+partition+` where id like $1`, "%_00000100")
		}, "_00000100 was sealed and is gone"},
		"empties it":   {func(l *logbook, partition string) { l.force(`truncate ` + partition) }, "_00000100 was sealed and is gone"},
		"drops it":     {func(l *logbook, partition string) { l.force(`drop table ` + partition) }, "_00000100 was sealed and is gone"},
		"takes it off": {func(l *logbook, partition string) { l.force(`alter table audit_event detach partition ` + partition) }, "_00000100 was sealed and is gone"},
		"puts a forged event in": {func(l *logbook, partition string) {
			l.force(`insert into ` + partition + ` (tenant_id, id, at, actor_kind, action, subject, outcome, xact)
				select tenant_id, id || '_forged', now() - interval '1 day', 'system', 'account.erased', 'acc_1', 'success', '3' from ` + partition + ` where id like '%_00000100'`)
		}, "_forged: stands beside the log and was never sealed"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for _, of := range []struct{ name, ids string }{
				{"audit_event_before", `'evt_00a'`}, {"month", `event_id_at(date_trunc('month', now()) + interval '45 days')`}, {"audit_event_default", `'evt_zz'`},
			} {
				l := newLogbook(t)
				partition := of.name
				for _, ids := range []string{`'evt_00a'`, `event_id_at(date_trunc('month', now()) + interval '45 days')`, `'evt_zz'`} {
					l.write(ask[string](l, `select `+ids), 100)
				}
				if of.name == "month" {
					partition = ask[string](l, `select tableoid::regclass::text from audit_event where id like `+of.ids+` || '%' limit 1`)
					require.Regexp(t, `^audit_event_\d{6}$`, partition)
				}
				require.Equal(t, 100, ask[int](l, `select count(*) from `+partition))
				l.drain(l.sealer(), 300)
				require.Empty(t, said(l.verify(l.export(), l.checkpoint())))
				tc.do(l, partition)
				require.Contains(t, said(l.verify(l.export())), tc.want, partition)
			}
		})
	}
}
