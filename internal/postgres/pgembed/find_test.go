package pgembed_test

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/holdfast/holdfast/internal/postgres/pgembed"
)

func TestFind_RefusesABadDirectoryByName(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	_, err := pgembed.Find(t.Context(), pgembed.Config{BinDir: dir})
	require.ErrorContains(t, err, "no PostgreSQL server binaries in "+dir)

	_, err = pgembed.Start(t.Context(), pgembed.Config{BinDir: dir, DataDir: filepath.Join(dir, "data")})
	require.ErrorContains(t, err, "no PostgreSQL server binaries in "+dir)
}

func TestFind_RefusesAVersionThatIsTooOld(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	for _, name := range []string{"postgres", "initdb"} {
		script := "#!/bin/sh\necho 'postgres (PostgreSQL) 13.4'\n"
		require.NoError(t, os.WriteFile(filepath.Join(dir, name), []byte(script), 0o755))
	}
	_, err := pgembed.Find(t.Context(), pgembed.Config{BinDir: dir})
	require.ErrorContains(t, err, "version 13, too old")
}

func TestErrNotFound_NamesTheWaysOut(t *testing.T) {
	t.Parallel()
	require.ErrorContains(t, pgembed.ErrNotFound, "apt-get install postgresql")
	require.ErrorContains(t, pgembed.ErrNotFound, "npm")
}
