package postgres_test

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// R-185 R-186: deploy/retention.md tells of every table and column that there is, and of no other; what it holds, whether that is
// personal, and how long it is kept.
func TestTheRegister_IsTheCatalogue(t *testing.T) {
	t.Parallel()
	s := newScene(t)
	text, err := os.ReadFile(filepath.Join("..", "..", "deploy", "retention.md"))
	require.NoError(t, err)
	rows, err := s.root.Query(t.Context(), `
		SELECT c.relname || ' ' || a.attname FROM pg_class c
		  JOIN pg_namespace n ON n.oid = c.relnamespace AND n.nspname IN ('public', 'river')
		  JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
		 WHERE c.relkind IN ('r', 'p') AND NOT c.relispartition`)
	require.NoError(t, err)
	var have []string
	for rows.Next() {
		var name string
		require.NoError(t, rows.Scan(&name))
		have = append(have, name)
	}
	require.NoError(t, rows.Err())
	slices.Sort(have)

	var told []string
	tick := regexp.MustCompile("`([a-z0-9_]+)`")
	for _, section := range regexp.MustCompile(`(?m)^### `).Split(regexp.MustCompile(`(?ms)^## .*?\n\n`).ReplaceAllString(string(text), ""), -1)[1:] {
		name := tick.FindStringSubmatch(section)[1]
		require.Contains(t, section, "**Personal:** ", name)
		require.Contains(t, section, "**Kept:** ", name)
		for _, line := range strings.Split(section, "\n") {
			fields, why, isField := strings.Cut(strings.TrimPrefix(line, "* "), ": ")
			if !isField || !strings.HasPrefix(line, "* ") {
				continue
			}
			require.NotEmpty(t, why, line)
			for _, f := range tick.FindAllStringSubmatch(fields, -1) {
				told = append(told, name+" "+f[1])
			}
		}
	}
	slices.Sort(told)
	require.Equal(t, have, told, "what is stored is told in deploy/retention.md, and nothing else is")
}
