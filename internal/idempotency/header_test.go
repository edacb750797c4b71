package idempotency_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/holdfast/holdfast/internal/fault"
	"github.com/holdfast/holdfast/internal/idempotency"
)

//
func TestParse_ReadsOneQuotedString(t *testing.T) {
	t.Parallel()
	for value, want := range map[string]string{
		`"8e03978e-40d5-43dd-bc93-6894a57f9324"`: "8e03978e-40d5-43dd-bc93-6894a57f9324",
		`"a"`:                                    "a",
		`" "`:                                    " ",
		`"a\"b\\c"`:                              `a"b\c`,
		`"` + strings.Repeat("x", 255) + `"`:     strings.Repeat("x", 255),
		`"` + strings.Repeat(`\"`, 255) + `"`:    strings.Repeat(`"`, 255),
	} {
		got, err := idempotency.Parse([]string{value})
		require.NoError(t, err, value)
		require.Equal(t, want, got.Reveal())
	}
}

//
func TestParse_RefusesEverythingElse(t *testing.T) {
	t.Parallel()
	_, err := idempotency.Parse(nil)
	require.Equal(t, fault.CodeIdempotencyMissing, fault.CodeOf(err))
	for name, values := range map[string][]string{
		"empty":                {``},
		"empty string":         {`""`},
		"unquoted":             {`abc`},
		"half quoted":          {`"abc`},
		"one quote":            {`"`},
		"single quotes":        {`'abc'`},
		"two headers":          {`"a"`, `"b"`},
		"the same twice":       {`"a"`, `"a"`},
		"a list":               {`"a", "b"`},
		"parameters":           {`"a";b=1`},
		"a blank before":       {` "a"`},
		"a blank after":        {`"a" `},
		"unknown escape":       {`"a\n"`},
		"escape at the end":    {`"a\"`},
		"escape without quote": {`"a\`},
		"control character":    {"\"a\x01\""},
		"line break":           {"\"a\r\nX: y\""},
		"delete":               {"\"a\x7f\""},
		"not ASCII":            {`"é"`},
		"too long":             {`"` + strings.Repeat("x", 256) + `"`},
		"far too long":         {`"` + strings.Repeat("x", 100_000) + `"`},
		"token":                {`*abc`},
		"byte sequence":        {`:YWJj:`},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got, err := idempotency.Parse(values)
			require.Equal(t, fault.CodeIdempotencyKey, fault.CodeOf(err))
			require.Equal(t, fault.Invalid, fault.KindOf(err))
			require.NotContains(t, err.Error(), "abc")
			require.True(t, got.IsZero())
		})
	}
}

func FuzzParse(f *testing.F) {
	f.Add(`"a"`)
	f.Add(`"a\"b\\"`)
	f.Add(`"`)
	f.Add(`"a";p`)
	f.Fuzz(func(t *testing.T, value string) {
		got, err := idempotency.Parse([]string{value})
		if err != nil {
			require.Equal(t, fault.CodeIdempotencyKey, fault.CodeOf(err))
			return
		}
		again := `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(got.Reveal()) + `"`
		require.Equal(t, value, again, "a string has one spelling")
	})
}
