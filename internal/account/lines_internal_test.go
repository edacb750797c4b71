package account

import (
	"errors"
	"io"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/stretchr/testify/require"

	"github.com/holdfast/holdfast/internal/notify"
	"github.com/holdfast/holdfast/internal/recovery"
)

func read(t *testing.T, body io.Reader) ([]line, error) {
	t.Helper()
	in := newLines(body)
	var out []line
	for {
		next, err := in.batch()
		out = append(out, next...)
		if err != nil {
			return out, err
		}
	}
}

func TestLines_NumbersEveryLineAndSkipsBlankOnes(t *testing.T) {
	t.Parallel()
	for _, end := range []string{"", "\n", "\r\n"} {
		got, err := read(t, iotest.OneByteReader(strings.NewReader("a\n\n  \r\nb\r\nc"+end)))
		require.ErrorIs(t, err, io.EOF)
		require.Len(t, got, 3)
		require.EqualValues(t, 1, got[0].number)
		require.EqualValues(t, 4, got[1].number)
		require.EqualValues(t, 5, got[2].number)
		require.Equal(t, "c", strings.TrimSpace(string(got[2].text)))
	}
}

func TestLines_AnOversizeLineCostsOnlyItself(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("x", 3*MaxLine)
	full := strings.Repeat("y", MaxLine)
	got, err := read(t, strings.NewReader("a\n"+long+"\n"+full+"\n"+long))
	require.ErrorIs(t, err, io.EOF)
	require.Len(t, got, 4)
	require.Nil(t, got[1].text)
	require.Len(t, got[2].text, MaxLine+1)
	require.Nil(t, got[3].text)
	require.EqualValues(t, 4, got[3].number)
}

func TestLines_ALineThatTheBodyCutOffIsNotGivenOut(t *testing.T) {
	t.Parallel()
	broken := errors.New("connection reset")
	got, err := read(t, io.MultiReader(strings.NewReader("a\nb\n{\"account_re"), iotest.ErrReader(broken)))
	require.ErrorIs(t, err, broken)
	require.Len(t, got, 2)
}

func TestLines_BatchesAreBounded(t *testing.T) {
	t.Parallel()
	in := newLines(strings.NewReader(strings.Repeat("x\n", batchLines+1)))
	first, err := in.batch()
	require.NoError(t, err)
	require.Len(t, first, batchLines)
	second, err := in.batch()
	require.ErrorIs(t, err, io.EOF)
	require.Len(t, second, 1)
}

func TestNoticeKinds_AreThoseOfTheTemplates(t *testing.T) {
	t.Parallel()
	for _, k := range []string{noticeCodesIssued, noticeFactorAdded, noticeFactorRemoved, noticeChannelAdded, noticeChannelRemoved} {
		require.True(t, notify.Kind(k).Valid(), k)
		require.False(t, notify.Kind(k).CarriesCode(), k)
	}
}

//
func TestFrozenStates_AreThoseAfterTheProofs(t *testing.T) {
	t.Parallel()
	for _, s := range append(frozenStates(), stateDenied) {
		_, err := recovery.ParseState(s)
		require.NoError(t, err)
	}
	for _, s := range []recovery.State{recovery.Initiated, recovery.Verifying, recovery.Denied} {
		require.NotContains(t, frozenStates(), string(s))
	}
	for _, s := range recovery.States() {
		if s.Open() && s != recovery.Initiated && s != recovery.Verifying {
			require.Contains(t, frozenStates(), string(s))
		}
	}
}
