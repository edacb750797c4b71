package main

import (
	"bytes"
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestRun_GivesTheCommandAClusterAndPassesItsExitCode(t *testing.T) {
	t.Parallel()
	needsServer(t)
	var out, errs bytes.Buffer
	code := run(t.Context(), []string{"--", "sh", "-c", `echo "$HOLDFAST_TEST_DATABASE_URL"; exit 7`}, &out, &errs)
	require.Equal(t, 7, code, errs.String())
	require.True(t, strings.HasPrefix(out.String(), "postgres://"), out.String())
}

func TestRun_TellsHowTheCommandWasKilled(t *testing.T) {
	t.Parallel()
	needsServer(t)
	var out, errs bytes.Buffer
	code := run(t.Context(), []string{"--", "sh", "-c", `kill -TERM $$`}, &out, &errs)
	require.Equal(t, 128+15, code, errs.String())
}

func TestRun_KeepsTheFilesWhenAsked(t *testing.T) {
	t.Parallel()
	needsServer(t)
	var out, errs bytes.Buffer
	require.Zero(t, run(t.Context(), []string{"-keep", "true"}, &out, &errs), errs.String())
	_, rest, found := strings.Cut(errs.String(), "kept in ")
	require.True(t, found)
	dir, _, _ := strings.Cut(rest, " ")
	require.DirExists(t, dir)
	require.NoError(t, os.RemoveAll(strings.TrimSuffix(dir, "/data")))
}

func TestRun_RefusesAnEmptyCommandAndABadDirectory(t *testing.T) {
	t.Parallel()
	var out, errs bytes.Buffer
	require.Equal(t, exitUsage, run(t.Context(), nil, &out, &errs))
	require.Contains(t, errs.String(), "usage:")
	require.Equal(t, exitTrouble, run(t.Context(), []string{"-bin", t.TempDir(), "true"}, &out, &errs))
	require.Contains(t, errs.String(), "no PostgreSQL server binaries")
}

func needsServer(t *testing.T) {
	t.Helper()
	if testing.Short() {
		t.Skip("starts a database, and -short asks for the tests that need none")
	}
}
