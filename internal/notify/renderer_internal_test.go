package notify

import (
	"io/fs"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/stretchr/testify/require"
)

// files is a copy of the templates that a test may break.
func files(t *testing.T) fstest.MapFS {
	t.Helper()
	out := fstest.MapFS{}
	sub, err := fs.Sub(templates, "templates")
	require.NoError(t, err)
	require.NoError(t, fs.WalkDir(sub, ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		data, err := fs.ReadFile(sub, name)
		out[name] = &fstest.MapFile{Data: data}
		return err
	}))
	return out
}

// A template that is broken in any language stops the process at its start.
func TestNewRenderer_FailsOnABrokenTemplate(t *testing.T) {
	t.Parallel()
	for name, breakIt := range map[string]func(fstest.MapFS){
		"a missing file":  func(f fstest.MapFS) { delete(f, "fr/hold_reminder.txt") },
		"a syntax error":  func(f fstest.MapFS) { f["de/codes_issued.txt"].Data = []byte("{{define") },
		"a missing block": func(f fstest.MapFS) { f["de/codes_issued.txt"].Data = []byte(`{{define "subject"}}x{{end}}`) },
		"an unknown word": func(f fstest.MapFS) { f["en/common.txt"].Data = []byte(`{{define "contact"}}{{.Phone}}{{end}}`) },
		"an unknown block": func(f fstest.MapFS) {
			f["de/hold_ended.txt"].Data = []byte(strings.Replace(string(f["de/hold_ended.txt"].Data), "Handeln Sie jetzt.", "{{.Contact}}{{template \"nothing\"}}", 1))
		},
		"a block that comes out empty": func(f fstest.MapFS) {
			f["fr/common.txt"].Data = []byte(strings.Replace(string(f["fr/common.txt"].Data), "Si ce n'est pas vous", "{{if .Code}}{{end}}", 1))
		},
		"a broken layout":    func(f fstest.MapFS) { f["layout.html"].Data = []byte("{{.Nothing}}") },
		"no layout whatever": func(f fstest.MapFS) { delete(f, "layout.txt") },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := files(t)
			breakIt(f)
			_, err := newRenderer(f)
			require.Error(t, err)
		})
	}
}

func FuzzFallbacks(f *testing.F) {
	for _, seed := range []string{"de-AT", "en", "", "--", "zh_Hant_TW", "x-private"} {
		f.Add(seed, "fr")
	}
	f.Fuzz(func(t *testing.T, locale, tenant string) {
		got := fallbacks(locale, tenant)
		require.Equal(t, lastResort, got[len(got)-1])
		require.LessOrEqual(t, len(got), 2*maxTag+1)
		require.NotContains(t, got, "")
	})
}

func FuzzClean(f *testing.F) {
	f.Add("Example Shop", 60)
	f.Add("a\r\nBcc: b", 5)
	f.Add("\xff\u202e\u2028", 3)
	f.Fuzz(func(t *testing.T, s string, limit int) {
		limit = min(max(limit, 0), 1000)
		got := clean(s, limit)
		require.LessOrEqual(t, len([]rune(got)), limit)
		require.NotContains(t, got, "\n")
		require.NotContains(t, got, "\r")
		require.Equal(t, got, clean(got, limit), "cleaning twice changes nothing")
	})
}
