package pgembed

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"syscall"
)

// janitor waits for the end of its standard input. A line says that all is well; the bare end means that the owner died, and
// then the server goes and its files with it.
const janitor = `read -r _ && exit 0
kill -QUIT "$1" 2>/dev/null
n=0
while kill -0 "$1" 2>/dev/null && [ $n -lt 50 ]; do sleep 0.1; n=$((n+1)); done
kill -KILL "$1" 2>/dev/null
shift
rm -rf -- "$@"`

// Throwaway is a server whose cluster lasts no longer than it.
type Throwaway struct {
	*Server

	dir   string
	owner io.WriteCloser // the janitor's standard input
}

// StartThrowaway starts a server on a new directory, in memory where the machine has /dev/shm (unless cfg.Durable).
// cfg.DataDir is ignored. The files go with Stop; they also go when this process ends without calling it, however it ends.
func StartThrowaway(ctx context.Context, cfg Config) (*Throwaway, error) {
	dir, err := TempDir(cfg.Durable)
	if err != nil {
		return nil, fmt.Errorf("start a throw-away PostgreSQL: %w", err)
	}
	cfg.DataDir = filepath.Join(dir, "data")
	server, err := Start(ctx, cfg)
	if err != nil {
		return nil, errors.Join(err, os.RemoveAll(dir))
	}
	t := &Throwaway{Server: server, dir: dir}
	if err := t.hireJanitor(ctx); err != nil {
		return nil, errors.Join(err, t.Stop(context.WithoutCancel(ctx)))
	}
	return t, nil
}

// TempDir makes a directory for a cluster that is not to be kept: in memory if it need not be durable, on disk otherwise.
func TempDir(durable bool) (string, error) {
	base := ""
	if info, err := os.Stat("/dev/shm"); err == nil && info.IsDir() && !durable {
		base = "/dev/shm"
	}
	dir, err := os.MkdirTemp(base, "holdfast-pg-")
	if err != nil && base != "" {
		dir, err = os.MkdirTemp("", "holdfast-pg-")
	}
	if err != nil {
		return "", err
	}
	// The server's user must be able to enter; the cluster itself is private to it.
	return dir, os.Chmod(dir, 0o711) //nolint:gosec // see above
}

func (t *Throwaway) hireJanitor(ctx context.Context) error {
	cmd := exec.CommandContext(context.WithoutCancel(ctx), "/bin/sh", "-c", janitor, "janitor", //nolint:gosec // constant text
		strconv.Itoa(t.PID()), t.dir, t.socketDir)
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} // a Ctrl-C in the terminal is not for it
	owner, err := cmd.StdinPipe()
	if err != nil {
		return err
	}
	if err := cmd.Start(); err != nil {
		return fmt.Errorf("start the janitor: %w", err)
	}
	t.owner = owner
	go func() { _ = cmd.Wait() }() // reaps it
	return nil
}

// Stop stops the server and removes its files.
func (t *Throwaway) Stop(ctx context.Context) error {
	err := t.Server.Stop(ctx)
	if t.owner != nil {
		_, writeErr := io.WriteString(t.owner, "stopped\n")
		closeErr := t.owner.Close()
		if errors.Is(closeErr, os.ErrClosed) {
			closeErr = nil // the janitor has heard it and ended, and its end of the pipe was closed with it
		}
		err = errors.Join(err, writeErr, closeErr)
		t.owner = nil
	}
	return errors.Join(err, os.RemoveAll(t.dir))
}
