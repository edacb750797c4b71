package main

import (
	"io"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
)

// An export holds what the log says of people: a file that was there before, open to others, is closed to them.
func TestAnExport_IsItsOwnersAlone(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "export.ndjson")
	require.NoError(t, os.WriteFile(path, []byte("older"), 0o644)) //nolint:gosec // that is the case.
	require.NoError(t, (&env{}).toFile(path, func(w io.Writer) error {
		_, err := io.WriteString(w, "{}")
		return err
	}))
	info, err := os.Stat(path)
	require.NoError(t, err)
	require.Equal(t, os.FileMode(0o600), info.Mode().Perm())
	require.Equal(t, int64(2), info.Size())
}
