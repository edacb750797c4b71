package pgembed

import (
	"bytes"
	"context"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"syscall"
)

// child prepares one of PostgreSQL's programs: as the given account, in a process group of its own, with an environment
// that no PG… variable of the caller can reach.
func child(ctx context.Context, as account, parentGone syscall.Signal, binDir, program string, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, filepath.Join(binDir, program), args...) //nolint:gosec // the operator's own path
	// LC_ALL=C also keeps macOS from starting threads in the postmaster.
	cmd.Env = []string{"LC_ALL=C", "PATH=" + binDir + ":/usr/bin:/bin"}
	cmd.Dir = "/"
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	endWithParent(cmd.SysProcAttr, parentGone)
	if as.drop {
		cmd.SysProcAttr.Credential = &syscall.Credential{Uid: uint32(as.uid), Gid: uint32(as.gid)} //nolint:gosec // from the user database
	}
	return cmd
}

// onOwnThread runs f on an operating system thread that lives as long as f: on Linux the parent's death that a child hears
// of is the death of the thread that started it.
func onOwnThread(f func()) {
	go func() {
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		f()
	}()
}

// run runs a short-lived child to its end. The child dies with this process.
func run(cmd *exec.Cmd) error {
	ended := make(chan error, 1)
	onOwnThread(func() { ended <- cmd.Run() })
	return <-ended
}

const tailLines = 30

// tail is a writer that hands full lines on and remembers the last ones, to be shown when the server fails.
type tail struct {
	logf func(format string, args ...any)

	mu      sync.Mutex
	partial []byte
	last    []string
}

// Write takes the next bytes of the stream. It never fails.
func (t *tail) Write(p []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.partial = append(t.partial, p...)
	for {
		line, rest, found := bytes.Cut(t.partial, []byte("\n"))
		if !found {
			return len(p), nil
		}
		t.partial = rest
		t.last = append(t.last, string(line))
		if len(t.last) > tailLines {
			t.last = t.last[1:]
		}
		t.logf("postgres: %s", line)
	}
}

// String gives the last lines.
func (t *tail) String() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return strings.TrimSpace(strings.Join(t.last, "\n") + "\n" + string(t.partial))
}
