package postgres_test

import (
	"bytes"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/stretchr/testify/require"

	"github.com/holdfast/holdfast/internal/account"
	"github.com/holdfast/holdfast/internal/fault"
)

// importLine is the line of the n-th account.
func importLine(n int) string {
	return fmt.Sprintf(`{"account_ref":"u-%[1]d","population":"consumer","identifiers":[{"type":"email","value":"u%[1]d@example.com"}],`+
		`"channels":[{"type":"email","address":"u%[1]d@example.com","verified_at":"2026-01-02T03:04:05Z"},{"type":"sms","address":"+1555010%04[2]d","verified_at":"2026-01-02T03:04:05Z"}],`+
		`"assurance":{"aal":1,"ial":0},"locale":"en"}`+"\n", n, n%10000)
}

func importBody(n int) string {
	var b strings.Builder
	for i := range n {
		b.WriteString(importLine(i))
	}
	return b.String()
}

func (w *world) load(body io.Reader) (account.ImportReport, error) {
	return w.Import(w.t.Context(), account.ImportCommand{Caller: caller("demo"), Body: body})
}

func TestImport_RefusesBadLinesByNumberAndTakesTheRest(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	lines := strings.SplitAfter(importBody(1200), "\n")
	lines[3] = "not json\n"
	lines[600] = strings.Replace(lines[600], `"email","value":"u600@`, `"email","value":"u599@`, 1)
	lines[601] = strings.Replace(lines[601], `"consumer"`, `"consumer","admin":true`, 1)
	lines[602] = `{"account_ref":"` + strings.Repeat("x", 70000) + "\"}\n"
	lines[603] = "\n"
	lines[900] = strings.Replace(lines[900], `u900@example.com","verified_at":"2026`, `u900@example.com","verified_at":"2126`, 1)
	var told []account.ImportReport

	report, err := w.Import(t.Context(), account.ImportCommand{
		Caller: caller("demo"), Body: strings.NewReader(strings.Join(lines, "")), Progress: func(r account.ImportReport) { told = append(told, r) },
	})

	require.NoError(t, err)
	require.EqualValues(t, 1199, report.Lines)
	require.EqualValues(t, 1194, report.Imported)
	require.EqualValues(t, 5, report.Refused)
	require.Zero(t, report.Replaced)
	require.Equal(t, []account.BadLine{
		{Line: 4, Code: "invalid_json", Detail: "The body is not one well-formed JSON value in UTF-8."},
		{Line: 601, Code: "identifier_taken", Detail: "An identifier belongs to another account of this tenant."},
		{Line: 602, Code: "invalid_request", Detail: "has an unknown member"},
		{Line: 603, Code: "body_too_large", Detail: "The line is over 64 KiB."},
		{Line: 901, Code: "invalid_request", Detail: "/channels/0/verified_at is in the future"},
	}, report.Errors)
	require.Equal(t, report, told[len(told)-1])
	require.Equal(t, 1194, scalar[int](w, `select count(*) from account`))
	require.Equal(t, 3, scalar[int](w, `select count(*) from audit_event where action = 'account.imported'`))
	require.Equal(t, 1194, scalar[int](w, `select sum((details->>'accounts')::int)::int from audit_event`))
	require.Zero(t, scalar[int](w, `select count(*) from notice`))
	v, err := w.Get(t.Context(), caller("demo"), "u-1199")
	require.NoError(t, err)
	require.Equal(t, "u1199@example.com", v.Identifiers[0].Value.Reveal())
	require.Len(t, v.Channels, 2)
}

func TestImport_AgainChangesNothing(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	_, err := w.load(strings.NewReader(importBody(700)))
	require.NoError(t, err)
	before := w.dump()

	report, err := w.load(strings.NewReader(importBody(700)))

	require.NoError(t, err)
	require.Equal(t, account.ImportReport{Lines: 700, Replaced: 700}, report)
	require.Equal(t, before, w.dump())

	rotated, err := w.keys.Rotate(rand.Reader)
	require.NoError(t, err)
	report, err = w.service(rotated).Import(t.Context(), account.ImportCommand{Caller: caller("demo"), Body: strings.NewReader(importBody(701))})
	require.NoError(t, err)
	require.Equal(t, account.ImportReport{Lines: 701, Imported: 1, Replaced: 700}, report, "nor after a rotation")
}

func TestImport_ALineThatDiffersIsAPut(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	_, err := w.load(strings.NewReader(importBody(3)))
	require.NoError(t, err)
	frozen, err := w.Get(t.Context(), caller("demo"), "u-2")
	require.NoError(t, err)
	w.recoveryIn("demo", frozen.ID, "cooling_off")

	report, err := w.load(strings.NewReader(strings.ReplaceAll(importBody(3), "+1555", "+1556")))

	require.NoError(t, err)
	require.EqualValues(t, 2, report.Replaced)
	require.Equal(t, []account.BadLine{{Line: 3, Code: "recovery_open", Detail: fault.Of(fault.CodeRecoveryOpen).Public}}, report.Errors)
	require.Equal(t, 2, scalar[int](w, `select count(*) from channel where removed_at is not null`))
	require.Equal(t, 12, scalar[int](w, `select count(*) from notice`), "three addresses of two accounts, twice")
}

func TestImport_OneAccountTwiceInAFileIsOneAccount(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	report, err := w.load(strings.NewReader(importLine(1) + importLine(1) + importLine(2)))
	require.NoError(t, err)
	require.Equal(t, account.ImportReport{Lines: 3, Imported: 2, Replaced: 1}, report)
}

func TestImport_ABodyThatBreaksOffKeepsWhatIsWhole(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	broken := errors.New("connection reset")
	report, err := w.load(io.MultiReader(strings.NewReader(importBody(10)+`{"account_ref":"u-`), iotest.ErrReader(broken)))
	require.ErrorIs(t, err, broken)
	require.EqualValues(t, 10, report.Imported)
	require.Equal(t, 10, scalar[int](w, `select count(*) from account`))
}

func TestImport_TwoAtOnceMeetWithoutHarm(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	body := importBody(1500)
	done := make(chan account.ImportReport, 2)
	for range 2 {
		go func() {
			r, err := w.load(strings.NewReader(body))
			if err != nil {
				r.Refused = -1
			}
			done <- r
		}()
	}
	a, b := <-done, <-done
	require.Zero(t, a.Refused)
	require.Zero(t, b.Refused)
	require.EqualValues(t, 1500, a.Imported+b.Imported)
	require.Equal(t, 1500, scalar[int](w, `select count(*) from account`))
}

func BenchmarkImport(b *testing.B) {
	w := newWorld(b)
	var body bytes.Buffer
	n := 0
	for b.Loop() {
		body.Reset()
		for range 20000 {
			body.WriteString(importLine(n))
			n++
		}
		report, err := w.Import(b.Context(), account.ImportCommand{Caller: caller("demo"), Body: &body})
		require.NoError(b, err)
		require.EqualValues(b, 20000, report.Imported)
	}
	b.ReportMetric(float64(n)/b.Elapsed().Seconds(), "accounts/s")
}
