package pgembed

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// ErrInUse means that another live process runs a server on the same data directory.
var ErrInUse = errors.New("another process runs this database; stop it first, or choose another data directory")

// lockDataDir takes the lock that says whose a data directory is. The kernel frees it when this process ends, however it ends, so
// whoever holds it knows that any server still running on the directory is an orphan.
func lockDataDir(dataDir string) (*os.File, error) {
	lock, err := os.OpenFile(dataDir+".lock", os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, err
	}
	if err := syscall.Flock(int(lock.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil { //nolint:gosec // a descriptor fits
		return nil, errors.Join(fmt.Errorf("%s: %w", dataDir, ErrInUse), lock.Close())
	}
	return lock, nil
}

// replaceSocketDir notes the socket directory in the lock file and removes the one of a former owner that was killed.
func replaceSocketDir(lock *os.File, dir string) error {
	former, err := io.ReadAll(lock)
	if err != nil {
		return err
	}
	if old := string(former); strings.HasPrefix(filepath.Base(old), socketDirPrefix) {
		_ = os.RemoveAll(old) // only space
	}
	if err := lock.Truncate(0); err != nil {
		return err
	}
	_, err = lock.WriteAt([]byte(dir), 0)
	return err
}

// prepareDataDir makes dataDir hold a cluster of this major version that the account owns and nobody runs.
func prepareDataDir(ctx context.Context, cfg Config, as account, binDir string) error {
	entries, err := os.ReadDir(cfg.DataDir)
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	if len(entries) == 0 {
		return create(ctx, cfg, as, binDir)
	}
	if err := checkVersion(ctx, cfg.DataDir, binDir); err != nil {
		return err
	}
	if err := as.own(cfg.DataDir); err != nil {
		return err
	}
	return endOrphan(ctx, cfg)
}

// create makes a new cluster beside its place and moves it there when it is whole, so that a process that dies half-way
// leaves nothing that looks like a cluster.
func create(ctx context.Context, cfg Config, as account, binDir string) error {
	fresh := cfg.DataDir + ".new"
	if err := os.RemoveAll(fresh); err != nil {
		return err
	}
	// The C.UTF-8 locale sorts by code point and knows the classes of all letters; where it is missing, C will do.
	var failed error
	for _, locale := range []string{"C.UTF-8", "C"} {
		if err := os.Mkdir(fresh, 0o700); err != nil && !errors.Is(err, os.ErrExist) {
			return err
		}
		if err := as.own(fresh); err != nil {
			return err
		}
		args := []string{
			"--pgdata=" + fresh, "--username=" + superuser, "--encoding=UTF8", "--locale=" + locale,
			"--auth-local=trust", "--auth-host=reject", "--no-instructions",
		}
		if !cfg.Durable {
			args = append(args, "--no-sync")
		}
		cmd := child(ctx, as, syscall.SIGKILL, binDir, "initdb", args...)
		var said bytes.Buffer
		cmd.Stdout, cmd.Stderr = &said, &said
		err := run(cmd)
		if err == nil {
			return os.Rename(fresh, cfg.DataDir) // replaces an empty directory
		}
		failed = fmt.Errorf("initdb: %w\n%s", err, bytes.TrimSpace(said.Bytes()))
		if !strings.Contains(said.String(), "locale") {
			break
		}
	}
	return errors.Join(failed, os.RemoveAll(fresh))
}

// checkVersion refuses a directory that is no cluster, and one that was made by another major version.
func checkVersion(ctx context.Context, dataDir, binDir string) error {
	text, err := os.ReadFile(filepath.Join(dataDir, "PG_VERSION"))
	if err != nil {
		return fmt.Errorf("%s holds files but no PostgreSQL cluster, so it is left alone: %w", dataDir, err)
	}
	major, err := serverMajor(ctx, binDir)
	if err != nil {
		return err
	}
	if made := strings.TrimSpace(string(text)); made != strconv.Itoa(major) {
		return fmt.Errorf("the cluster in %s was made by PostgreSQL %s, and %s is version %d: use the binaries of %s, or remove the directory to start afresh",
			dataDir, made, binDir, major, made)
	}
	return nil
}

// endOrphan stops a server that a dead process left on the directory, or waits for it to finish dying, and removes a
// postmaster.pid that nobody stands behind (its number may by now be another program's).
func endOrphan(ctx context.Context, cfg Config) error {
	pidFile := filepath.Join(cfg.DataDir, "postmaster.pid")
	text, err := os.ReadFile(pidFile)
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	first, _, _ := strings.Cut(string(text), "\n")
	pid, err := strconv.Atoi(strings.TrimSpace(first))
	if err != nil || pid <= 1 || !isServer(pid) {
		cfg.logf("removing the stale %s", pidFile)
		return os.Remove(pidFile)
	}
	cfg.logf("stopping the PostgreSQL server %d that a dead process left behind", pid)
	for _, sig := range []syscall.Signal{syscall.SIGINT, syscall.SIGQUIT} {
		if err := syscall.Kill(pid, sig); err != nil && !errors.Is(err, syscall.ESRCH) {
			return fmt.Errorf("stop the server %d that was left on %s: %w", pid, cfg.DataDir, err)
		}
		if err := awaitEnd(ctx, pid, fastStopGrace); err == nil {
			break
		}
	}
	if isServer(pid) {
		return fmt.Errorf("the server %d that was left on %s does not stop", pid, cfg.DataDir)
	}
	if err := os.Remove(pidFile); err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	return nil
}

// isServer reports whether the process runs postgres. A server that has ended but was not yet reaped by its parent has no
// open files left and does not count.
func isServer(pid int) bool {
	return strings.HasPrefix(programOf(pid), "postgres") || strings.HasPrefix(programOf(pid), "postmaster")
}

// awaitEnd waits until the process is gone.
func awaitEnd(ctx context.Context, pid int, grace time.Duration) error {
	ctx, cancel := context.WithTimeout(ctx, grace)
	defer cancel()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for isServer(pid) {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-tick.C:
		}
	}
	return nil
}
