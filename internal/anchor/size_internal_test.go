package anchor

import (
	"strconv"
	"strings"
	"testing"

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
