package anchor

import (
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// What a witness answers with 409: there is one text for a size.
func FuzzParseSize(f *testing.F) {
	for _, text := range []string{"0\n", "9223372036854775807\n", "9223372036854775808\n", "00\n", "1", "-1\n", "+1\n", "1\n\n"} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		n, ok := parseSize(text)
		if !ok {
			return
		}
		require.GreaterOrEqual(t, n, int64(0))
		require.Equal(t, strconv.FormatInt(n, 10)+"\n", text)
	})
}

// How long an anchor asks to be left alone: never less than nothing, whatever it writes.
func FuzzRetryAfter(f *testing.F) {
	const date = "Sun, 06 Nov 1994 08:49:37 GMT"
	for _, text := range []string{"120", "0", "-1", "+1", "1.5", "2147483648", "Sun, 06 Nov 1994 08:50:37 GMT", "Sun, 06 Nov 1993 08:50:37 GMT", "soon", ""} {
		f.Add(text, date)
	}
	f.Fuzz(func(t *testing.T, text, date string) {
		d := retryAfter(http.Header{"Retry-After": {text}, "Date": {date}})
		require.GreaterOrEqual(t, d, time.Duration(0))
		if n, err := strconv.ParseUint(text, 10, 31); err == nil {
			require.Equal(t, time.Duration(n)*time.Second, d)
		}
	})
}

func TestRetryAfter_IsSecondsOrADateOfTheirOwn(t *testing.T) {
	t.Parallel()
	const date = "Sun, 06 Nov 1994 08:49:37 GMT"
	for text, want := range map[string]time.Duration{
		"120": 2 * time.Minute, "0": 0, "-1": 0, "soon": 0, "": 0, "99999999999": 0,
		"Sun, 06 Nov 1994 08:50:37 GMT": time.Minute, "Sun, 06 Nov 1994 08:48:37 GMT": 0,
	} {
		require.Equal(t, want, retryAfter(http.Header{"Retry-After": {text}, "Date": {date}}), text)
	}
	require.Zero(t, retryAfter(http.Header{"Retry-After": {date}}), "whose clock?")
}

// Anchor files are read back by another process, or by an auditor, from whatever was kept of them.
func FuzzReadLines(f *testing.F) {
	f.Add(`{"size":1,"checkpoint":"a\n1\nx\n"}` + "\n")
	f.Add("{}\n{")
	f.Fuzz(func(t *testing.T, text string) {
		notes, err := readLines(strings.NewReader(text))
		if err == nil {
			require.LessOrEqual(t, len(notes), strings.Count(text, "\n"))
		}
	})
}
