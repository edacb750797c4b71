package postgres_test

import (
	"bytes"
	"crypto/rand"
	"encoding/json"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/holdfast/holdfast/internal/audit"
	"github.com/holdfast/holdfast/internal/auditlog"
	"github.com/holdfast/holdfast/internal/postgres"
	"github.com/holdfast/holdfast/internal/secret"
)

// export gives the whole log, as an auditor's role exports it.
func (l *logbook) export() string {
	l.t.Helper()
	var out bytes.Buffer
	keys, err := l.sealer().VerifierKeys()
	require.NoError(l.t, err)
	require.NoError(l.t, auditlog.WriteWhole(l.t.Context(), postgres.NewAuditLog(l.connect("holdfast_auditor")), logOrigin, keys, 0, &out))
	return out.String()
}

// verify checks an export as an auditor does who kept the keys and the checkpoints.
func (l *logbook) verify(export string, known ...audit.Checkpoint) audit.Report {
	l.t.Helper()
	keys, err := l.sealer().VerifierKeys()
	require.NoError(l.t, err)
	r, err := audit.Verify(strings.NewReader(export), audit.VerifyConfig{Keys: keys, Known: known})
	require.NoError(l.t, err)
	return r
}

// checkpoint is the newest that was published.
func (l *logbook) checkpoint() audit.Checkpoint {
	l.t.Helper()
	c, err := postgres.NewAuditLog(l.db).Checkpoint(l.t.Context(), logOrigin, 0)
	require.NoError(l.t, err)
	return c.Checkpoint
}

func said(r audit.Report) string {
	var out []string
	for _, p := range r.Problems {
		out = append(out, p.String())
	}
	return strings.Join(out, "\n")
}

// R-176, and the tamper suite: what the database's superuser does to the rows, past all triggers, is named.
func TestVerify_NamesWhatASuperuserDidToTheLog(t *testing.T) {
	t.Parallel()
	const event = "evt_a_00000300"
	for name, tc := range map[string]struct {
		do   func(l *logbook)
		want string
	}{
		"edits an event": {func(l *logbook) {
			l.force(`update audit_event set details = '{"n": 301}' where id = $1`, event)
		}, event + ": was changed after it was sealed (links)"},
		"edits who it was": {func(l *logbook) {
			l.force(`update audit_event set actor_id = 'cli_2' where id = $1`, event)
		}, event + ": was changed after it was sealed (links)"},
		"edits what happened": {func(l *logbook) {
			l.force(`update audit_event set outcome = 'failure' where id = $1`, event)
		}, event + ": was changed after it was sealed (event)"},
		"moves it in time": {func(l *logbook) {
			l.force(`update audit_event set at = at - interval '1 microsecond' where id = $1`, event)
		}, event + ": was changed after it was sealed (event)"},
		"edits where it came from": {func(l *logbook) {
			l.force(`update audit_personal set origin = '198.51.100.0/24' where event_id = $1`, event)
		}, event + ": was changed after it was sealed (personal)"},
		"deletes an event": {func(l *logbook) {
			l.force(`delete from audit_event where id = $1`, event)
		}, "event " + event + " was sealed and is gone"},
		"deletes all events of a day": {func(l *logbook) {
			l.force(`delete from audit_event`)
		}, "was sealed and is gone"},
		"deletes a leaf": {func(l *logbook) {
			l.force(`delete from audit_leaf where leaf_index = 300`)
		}, "leaf 300: is missing"},
		"truncates the log": {func(l *logbook) {
			l.force(`delete from audit_leaf where leaf_index >= 300`)
		}, "leaf 300: is missing, and all that follow: the log was truncated"},
		"truncates everything": {func(l *logbook) {
			l.force(`truncate audit_leaf, audit_tile`)
		}, "leaf 0: is missing, and all that follow"},
		"exchanges two leaves": {func(l *logbook) {
			l.force(`update audit_leaf a set leaf = b.leaf, event_id = b.event_id || '~' from audit_leaf b where a.leaf_index in (3, 4) and b.leaf_index = 7 - a.leaf_index`)
			l.force(`update audit_leaf set event_id = rtrim(event_id, '~')`)
		}, "the leaves do not give the root"},
		"rewrites an event and its leaf": {func(l *logbook) {
			l.force(`update audit_event set actor_id = 'cli_2' where id = $1`, event)
			l.reseal(event)
		}, "the leaves do not give the root"},
		"puts a forged leaf at the end": {func(l *logbook) {
			l.force(insertEvents, "acme", "evt_forged", 1)
			l.force(`insert into audit_leaf select log_id, 600, tenant_id, 'evt_forged_00000001', leaf from audit_leaf where leaf_index = 5`)
			l.force(`update audit_head set size = 601; `)
			l.force(`update audit_checkpoint set size = 601, note = replace(note, E'\n600\n', E'\n601\n')`)
		}, "the checkpoint is not to be trusted"},
		"signs another root": {func(l *logbook) {
			l.force(`update audit_event set actor_id = 'cli_2' where id = $1`, event)
			l.reseal(event)
			c := l.checkpoint()
			c.Root = l.present()
			note, err := audit.SignCheckpoint(c, l.forger())
			require.NoError(l.t, err)
			l.force(`update audit_checkpoint set note = $1`, string(note))
		}, "the checkpoint is not to be trusted"},
		"puts a forged event beside the log": {func(l *logbook) {
			l.force(`insert into audit_event (tenant_id, id, at, actor_kind, action, subject, outcome, xact)
				values ('acme', 'evt_forged', now() - interval '1 day', 'system', 'account.erased', 'acc_1', 'success', '3')`)
		}, "evt_forged: stands beside the log and was never sealed"},
		"keeps an event out by a leaf beyond the tree": {func(l *logbook) {
			l.force(`insert into audit_event (tenant_id, id, at, actor_kind, action, subject, outcome, xact)
				values ('acme', 'evt_forged', now() - interval '1 day', 'system', 'account.erased', 'acc_1', 'success', '3')`)
			l.force(`insert into audit_leaf select log_id, 1000000, tenant_id, 'evt_forged', leaf from audit_leaf where leaf_index = 5`)
		}, "evt_forged: stands beside the log and was never sealed"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			l := newLogbook(t)
			l.write("evt_a", 600)
			l.drain(l.sealer(), 600)
			clean := l.verify(l.export(), l.checkpoint())
			require.Empty(t, said(clean))
			require.Equal(t, int64(600), clean.Events)
			tc.do(l)
			require.Contains(t, said(l.verify(l.export())), tc.want)
		})
	}
}

// reseal writes an event's leaf anew, as who holds the database can: the salts are there.
func (l *logbook) reseal(event string) {
	l.t.Helper()
	var line audit.ExportLine
	for text := range strings.Lines(l.export()) {
		if strings.Contains(text, `"id":"`+event+`"`) {
			require.NoError(l.t, json.Unmarshal([]byte(text), &line))
		}
	}
	e := line.Event.Event
	e.Origin, e.RequestID = "", ""
	leaf, err := audit.LeafOf(audit.Entry{
		Event: e, Salt: line.Salt, Personal: &audit.Personal{Salt: line.PersonalSalt, Origin: line.Event.Origin, RequestID: line.Event.RequestID},
	})
	require.NoError(l.t, err)
	text, err := leaf.Encode()
	require.NoError(l.t, err)
	require.NotEqual(l.t, line.Leaf, string(text))
	l.force(`update audit_leaf set leaf = $1 where event_id = $2`, text, event)
}

// present is the root that the leaves give now.
func (l *logbook) present() audit.Hash {
	l.t.Helper()
	rows, err := l.root.Query(l.t.Context(), `select leaf from audit_leaf order by leaf_index`)
	require.NoError(l.t, err)
	var edge audit.Edge
	for rows.Next() {
		var leaf []byte
		require.NoError(l.t, rows.Scan(&leaf))
		edge.Append(audit.LeafHash(leaf))
	}
	require.NoError(l.t, rows.Err())
	return edge.Root()
}

// forger is a key of somebody who has the database and not the keyring.
func (l *logbook) forger() audit.SigningKey {
	l.t.Helper()
	other, err := secret.GenerateKeyring(rand.Reader)
	require.NoError(l.t, err)
	return other.CheckpointKeys()[0]
}

// a restored backup and a fork are named by whoever kept a checkpoint.
func TestVerify_NamesALogThatWentBackOrForked(t *testing.T) {
	t.Parallel()
	l := newLogbook(t)
	l.write("evt_a", 300)
	l.drain(l.sealer(), 300)
	early := l.checkpoint()
	l.write("evt_b", 300)
	l.drain(l.sealer(), 600)
	late := l.checkpoint()
	require.Empty(t, said(l.verify(l.export(), early, late)))
	// An older backup.
	l.force(`delete from audit_leaf where leaf_index >= 300`)
	l.force(`delete from audit_tile where n > 0`)
	l.force(`delete from audit_checkpoint where size > 300`)
	l.force(`delete from audit_head where size > 300`)
	l.force(`delete from audit_event where id like 'evt_b%' or action = 'audit.exported'`)
	r := l.verify(l.export(), early, late)
	require.Contains(t, said(r), "the log went back: it has 300 leaves, and a checkpoint of 600 was published")
	// It goes on, with a sealer that knows nothing of what was published.
	l.write("evt_c", 400)
	l.drain(l.sealer(), 701) // the export that found it is in the log
	r = l.verify(l.export(), early, late)
	require.Equal(t, "the log forked: its first 600 leaves are not those of the checkpoint that was published", said(r))
}

// What is done to the file itself.
func TestVerify_NamesWhatWasDoneToTheExport(t *testing.T) {
	t.Parallel()
	l := newLogbook(t)
	l.write("evt_a", 50)
	l.drain(l.sealer(), 50)
	good := l.export()
	lines := strings.SplitAfter(good, "\n")
	without := func(n int) string { return strings.Join(append(append([]string{}, lines[:n]...), lines[n+1:]...), "") }
	for name, tc := range map[string]struct{ text, want string }{
		"no last line":   {strings.Join(lines[:51], ""), "the export was cut short"},
		"half a line":    {good[:len(good)/2], "the export was cut short"},
		"a line less":    {without(7), "leaf 6: is missing"},
		"the first less": {without(1), "leaf 0: is missing"},
		"a line twice":   {strings.Join(append(append([]string{}, lines[:9]...), lines[8:]...), ""), "is there twice"},
		"no header":      {strings.Join(lines[1:], ""), "is not the beginning of an export"},
		"other keys":     {strings.Replace(good, `\n— `, `\n— x`, 1), "the checkpoint is not to be trusted"},
		"junk":           {strings.Join(append(append(append([]string{}, lines[:20]...), "junk\n"), lines[20:]...), ""), "line 21: is no line of an export"},
		"a later form":   {strings.Replace(good, `"holdfast_audit_export":1`, `"holdfast_audit_export":9`, 1), "version 9"},
		"more after it":  {good + lines[4], "stands after the end"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := l.verify(tc.text)
			require.Contains(t, said(r), tc.want)
			require.False(t, r.OK())
		})
	}
}

// An event of a moment ago waits; it is not kept out.
func TestVerify_LetsWhatIsNotSealedYetWait(t *testing.T) {
	t.Parallel()
	l := newLogbook(t)
	l.write("evt_a", 5)
	l.drain(l.sealer(), 5)
	l.write("evt_b", 2)
	r := l.verify(l.export())
	require.Empty(t, said(r))
	require.Equal(t, int64(3), r.Waiting, "the export's own event waits too")
}
