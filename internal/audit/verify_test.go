package audit_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/holdfast/holdfast/internal/audit"
)

// exported is an export of a few events, as it is taken apart and put together again by somebody who wants to be believed.
type exported struct {
	header audit.ExportHeader
	lines  []string
}

func jsonLine(t testing.TB, v any) string {
	t.Helper()
	var out bytes.Buffer
	enc := json.NewEncoder(&out)
	enc.SetEscapeHTML(false)
	require.NoError(t, enc.Encode(v))
	return strings.TrimSuffix(out.String(), "\n")
}

// export makes an export of n sealed events of a tenant with a proof each, or of the whole log.
func export(t testing.TB, n int, whole bool) exported {
	t.Helper()
	var (
		edge   audit.Edge
		texts  [][]byte
		store  = &shelf{full: map[string]audit.Tile{}}
		events []audit.Entry
	)
	for i := range n {
		e := transition()
		e.Event.ID = fmt.Sprintf("evt_%026d", i)
		if i%2 == 1 {
			e.Personal = nil // destroyed after it was sealed
		}
		sealed := transition()
		sealed.Event.ID = e.Event.ID
		events, texts = append(events, e), append(texts, encode(t, sealed))
		h := audit.LeafHash(texts[i])
		store.leaves = append(store.leaves, h)
		edge.Append(h)
	}
	c := audit.Checkpoint{Origin: origin, Head: audit.Head{Size: edge.Size(), Root: edge.Root()}}
	signed, err := audit.SignCheckpoint(c, seed(1))
	require.NoError(t, err)
	out := exported{header: audit.ExportHeader{Version: audit.ExportVersion, Origin: origin, Keys: []string{seed(1).verifier(t)}, Checkpoint: string(signed), Whole: whole}}
	if !whole {
		out.header.Tenant = "acme"
	}
	for i, e := range events {
		var proof []audit.Hash
		if !whole {
			proof, err = audit.NewProver(store, c.Size).Inclusion(t.Context(), int64(i))
			require.NoError(t, err)
		}
		out.lines = append(out.lines, jsonLine(t, audit.LineOf(e, int64(i), texts[i], proof)))
	}
	return out
}

func (x *exported) checkpoint(t testing.TB) audit.Checkpoint {
	t.Helper()
	c, err := audit.UnverifiedCheckpoint([]byte(x.header.Checkpoint))
	require.NoError(t, err)
	return c
}

// verify puts it together and checks it.
func (x *exported) verify(t testing.TB, known ...audit.Checkpoint) (audit.Report, string) {
	t.Helper()
	return x.verifyUnder(t, jsonLine(t, x.header), known...)
}

func (x *exported) verifyUnder(t testing.TB, header string, known ...audit.Checkpoint) (audit.Report, string) {
	t.Helper()
	all := append([]string{header}, x.lines...)
	all = append(all, jsonLine(t, audit.ExportEnd{End: true, Lines: int64(len(x.lines))}), "")
	r, err := audit.Verify(strings.NewReader(strings.Join(all, "\n")), audit.VerifyConfig{Keys: []string{seed(1).verifier(t)}, Known: known})
	require.NoError(t, err)
	var out []string
	for _, p := range r.Problems {
		out = append(out, p.String())
	}
	return r, strings.Join(out, "\n")
}

// edit changes a line and demands that there was something to change.
func (x *exported) edit(t testing.TB, line int, old, fresh string) {
	t.Helper()
	require.Contains(t, x.lines[line], old)
	x.lines[line] = strings.Replace(x.lines[line], old, fresh, 1)
}

// an export is believed for what is proven in it and for nothing else.
func TestVerify_BelievesNothingThatIsNotProven(t *testing.T) {
	t.Parallel()
	clean := export(t, 4, false)
	r, said := clean.verify(t)
	require.Empty(t, said)
	require.Equal(t, int64(4), r.Events)
	require.Equal(t, int64(2), r.Erased)
	for name, tc := range map[string]struct {
		do   func(t *testing.T, x *exported)
		want string
	}{
		"an event with a place and no leaf": {func(t *testing.T, x *exported) {
			t.Helper()
			e := transition()
			e.Event.Subject = "rcv_forged"
			x.lines[2] = jsonLine(t, audit.LineOf(e, 2, nil, nil))
		}, "line 4: leaf 2: evt_01kagx3z8fet0a1m6c9d2v4w7y: has a place in the log without a leaf"},
		"a place alone": {func(_ *testing.T, x *exported) { x.lines[2] = `{"index":2}` }, "has a place in the log without a leaf"},
		"nothing":       {func(_ *testing.T, x *exported) { x.lines[2] = `{"index":-1}` }, "says nothing"},
		"a network that was not sealed": {func(t *testing.T, x *exported) {
			t.Helper()
			x.edit(t, 1, `"outcome":"success"`, `"outcome":"success","origin":"198.51.100.0/24"`)
		}, "names a network or a request that nothing proves"},
		"a request that was not sealed": {func(t *testing.T, x *exported) {
			t.Helper()
			x.edit(t, 1, `"outcome":"success"`, `"outcome":"success","request_id":"req-2"`)
		}, "names a network or a request that nothing proves"},
		"a second event for other readers": {func(t *testing.T, x *exported) {
			t.Helper()
			x.edit(t, 0, `{"index":0,`, `{"event":{"id":"evt_forged"},"index":0,`)
		}, "says something twice"},
		"a name in capitals for other readers": {func(t *testing.T, x *exported) {
			t.Helper()
			x.edit(t, 0, `"subject":"rcv_1"`, `"subject":"rcv_forged","Subject":"rcv_1"`)
		}, "says something twice"},
		"a detail twice": {func(t *testing.T, x *exported) {
			t.Helper()
			x.edit(t, 0, `"method":"email"`, `"method":"totp","method":"email"`)
		}, "says something twice"},
		"a member that nobody checks": {func(t *testing.T, x *exported) {
			t.Helper()
			x.edit(t, 0, `"outcome":"success"`, `"outcome":"success","note":"approved by the owner"`)
		}, "more than is verified"},
		"another tenant's event": {func(_ *testing.T, x *exported) { x.header.Tenant = "zenith" }, "is another tenant's"},
		"another origin":         {func(_ *testing.T, x *exported) { x.header.Origin = "other.example.com/audit" }, "contradicts its checkpoint"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			x := export(t, 4, false)
			tc.do(t, &x)
			_, said := x.verify(t)
			require.Contains(t, said, tc.want)
		})
	}
	twice := strings.Replace(jsonLine(t, clean.header), `"tenant":"acme"`, `"tenant":"zenith","tenant":"acme"`, 1)
	_, said = clean.verifyUnder(t, twice)
	require.Contains(t, said, "says something twice")
}

// many events of a moment ago hide none that was kept out of the log.
func TestVerify_FindsWhatWasKeptOutBehindWhatWaits(t *testing.T) {
	t.Parallel()
	x := export(t, 3, true)
	for i := range 150 {
		e := transition()
		e.Event.ID, e.Event.At = fmt.Sprintf("evt_w%025d", i), sealedAt.Add(time.Second)
		if i == 149 {
			e.Event.At = sealedAt.Add(-time.Hour)
		}
		x.lines = append(x.lines, jsonLine(t, audit.LineOf(e, -1, nil, nil)))
	}
	r, said := x.verify(t)
	require.Equal(t, int64(150), r.Waiting)
	require.Equal(t, "line 154: evt_w0000000000000000000000149: stands beside the log and was never sealed, though younger events were", said)
}

// checkpoints that were kept are compared, or it is said that they are not.
func TestVerify_SaysWhatItCouldNotCompareWithACheckpointThatWasKept(t *testing.T) {
	t.Parallel()
	forked, small, elsewhere := someCheckpoint(), someCheckpoint(), someCheckpoint()
	forked.Size, small.Size, elsewhere.Origin = 4, 2, "old.example.com/audit"
	for _, whole := range []bool{false, true} {
		x := export(t, 4, whole)
		_, said := x.verify(t, x.checkpoint(t), elsewhere)
		require.Empty(t, said)
		_, said = x.verify(t, forked)
		require.Contains(t, said, "the log forked: another checkpoint of 4 leaves was published")
		_, said = x.verify(t, elsewhere)
		require.Contains(t, said, "none of the checkpoints that were kept is of this log")
		r, said := x.verify(t, small)
		if whole {
			require.Contains(t, said, "the log forked: its first 2 leaves")
		} else {
			require.Empty(t, said)
			require.Equal(t, int64(1), r.Unlike)
		}
	}
}

// what an export says of itself begins no line of the report, and is no command of a terminal.
func TestProblem_IsOneLineOfVisibleCharacters(t *testing.T) {
	t.Parallel()
	x := export(t, 1, false)
	e := transition()
	e.Event.ID = "evt_1\nexport.ndjson: good: 9 events\r\x1b[2K\u202e" + strings.Repeat("x", 5000)
	x.lines = append(x.lines, jsonLine(t, audit.LineOf(e, 7, []byte("no leaf"), nil)))
	_, said := x.verify(t)
	for text := range strings.Lines(said) {
		require.Regexp(t, `^(line \d+: |the export )`, text)
	}
	require.NotContains(t, said, "\x1b")
	require.NotContains(t, said, "\r")
	require.NotContains(t, said, "\u202e")
	require.Contains(t, said, "export.ndjson: good", "it is told, as a part of what is wrong")
	require.Less(t, len(said), 20_000)
}
