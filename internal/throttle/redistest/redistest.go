// Package redistest starts real Redis servers for tests: each on a socket of its own, without a disk, gone with the test or
// with the process, however that ends.
package redistest

import (
	"context"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// patience bounds the wait for a server to come up.
const patience = 30 * time.Second

// attend runs a command until its standard input ends: with this process at the latest.
const attend = `"$@" & pid=$!; cat >/dev/null; kill "$pid"; wait "$pid"`

// Server is one Redis.
type Server struct {
	URL string

	t      testing.TB
	socket string
	args   []string
	hold   io.Closer
	ended  chan struct{}
}

// Start starts a server, with further options if given. A machine without redis-server fails the test (see .ci/redis).
func Start(t testing.TB, options ...string) *Server {
	t.Helper()
	program, err := exec.LookPath("redis-server")
	require.NoError(t, err, "redis-server is missing: .ci/redis installs it")
	dir, err := os.MkdirTemp("", "hfredis") //nolint:usetesting // short: a socket's path has at most 107 bytes.
	require.NoError(t, err)
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	socket := filepath.Join(dir, "s")
	s := &Server{URL: "unix://" + socket, t: t, socket: socket, args: append([]string{
		"-c", attend, "redis", program, "--port", "0", "--unixsocket", socket, "--dir", dir, "--save", "", "--appendonly", "no", "--daemonize", "no",
	}, options...)}
	s.Up()
	t.Cleanup(s.Down)
	return s
}

// Up starts the server and waits until it can be reached.
func (s *Server) Up() {
	s.t.Helper()
	cmd := exec.CommandContext(context.WithoutCancel(s.t.Context()), "/bin/sh", s.args...)
	in, err := cmd.StdinPipe()
	require.NoError(s.t, err)
	require.NoError(s.t, cmd.Start())
	s.hold, s.ended = in, make(chan struct{})
	go func(ended chan struct{}) {
		_ = cmd.Wait()
		close(ended)
	}(s.ended)
	require.Eventually(s.t, func() bool {
		var d net.Dialer
		conn, err := d.DialContext(s.t.Context(), "unix", s.socket)
		if err != nil {
			return false
		}
		return conn.Close() == nil
	}, patience, 5*time.Millisecond, "redis-server does not come up")
}

// Down stops the server. What it held is gone.
func (s *Server) Down() {
	if s.hold == nil {
		return
	}
	_ = s.hold.Close()
	s.hold = nil
	<-s.ended
	_ = os.Remove(s.socket)
}
