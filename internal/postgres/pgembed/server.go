package pgembed

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/jackc/pgx/v5"
)

// maxSocketPath is what every Unix allows for the path of a socket (macOS has the least: 104 with the final zero byte).
const maxSocketPath = 100

const socketDirPrefix = "hfpg-"

// Server is a PostgreSQL server that runs as this process's child.
type Server struct {
	cfg       Config
	binDir    string
	socketDir string
	as        account
	lock      *os.File
	log       *tail
	cmd       *exec.Cmd

	stopping atomic.Bool
	done     chan struct{}
	exit     error // set before done is closed
}

// Start brings up a server on cfg.DataDir and returns when it answers. The first start on a directory makes the cluster
// (one to two seconds). The server lives until Stop, or until this process ends; ctx bounds the start alone.
//
// It yields ErrInUse when another live process has the directory, ErrNotFound when there are no binaries. An error of the
// server itself carries the last lines of its log.
func Start(ctx context.Context, cfg Config) (*Server, error) {
	if cfg.DataDir == "" {
		return nil, errors.New("start PostgreSQL: no data directory is set")
	}
	dataDir, err := filepath.Abs(cfg.DataDir)
	if err != nil {
		return nil, fmt.Errorf("start PostgreSQL: %w", err)
	}
	cfg.DataDir = dataDir
	binDir, err := Find(ctx, cfg)
	if err != nil {
		return nil, fmt.Errorf("start PostgreSQL: %w", err)
	}
	s := &Server{cfg: cfg, binDir: binDir, log: &tail{logf: cfg.logf}, done: make(chan struct{})}
	if err := s.start(ctx); err != nil {
		return nil, fmt.Errorf("start PostgreSQL: %w", err)
	}
	return s, nil
}

func (s *Server) start(ctx context.Context) (err error) {
	if s.as, err = serverAccount(); err != nil {
		return err
	}
	// Others may enter the parent: PostgreSQL protects its own directory with mode 0700.
	parent := filepath.Dir(s.cfg.DataDir)
	if err := os.MkdirAll(parent, 0o755); err != nil { //nolint:gosec // see above
		return err
	}
	if err := errors.Join(s.as.canEnter(parent), s.as.canEnter(s.binDir)); err != nil {
		return err
	}
	if s.lock, err = lockDataDir(s.cfg.DataDir); err != nil {
		return err
	}
	if err := s.prepare(ctx); err != nil {
		s.release()
		return err
	}
	if err := s.launch(ctx); err != nil {
		s.release()
		return err
	}
	if err := s.awaitReady(ctx); err != nil {
		return errors.Join(err, s.Stop(context.WithoutCancel(ctx)))
	}
	return nil
}

func (s *Server) prepare(ctx context.Context) error {
	if err := prepareDataDir(ctx, s.cfg, s.as, s.binDir); err != nil {
		return err
	}
	dir, err := makeSocketDir()
	if err != nil {
		return err
	}
	s.socketDir = dir
	if err := replaceSocketDir(s.lock, dir); err != nil {
		return err
	}
	return s.as.own(dir)
}

// makeSocketDir makes a private directory with a short path: the socket's path has a limit of about a hundred bytes, and
// who can enter the directory is who can connect.
func makeSocketDir() (string, error) {
	dir, err := os.MkdirTemp("", socketDirPrefix)
	if err != nil || len(dir)+len("/.s.PGSQL."+port) <= maxSocketPath {
		return dir, err
	}
	if err := os.Remove(dir); err != nil {
		return "", err
	}
	return os.MkdirTemp("/tmp", socketDirPrefix)
}

// launch starts the postmaster in the foreground and a watcher that tidies up behind it.
func (s *Server) launch(ctx context.Context) error {
	// A fast shutdown, as by Stop: connections are cut, the shutdown checkpoint is written, and the throttle's unlogged
	// table survives.
	s.cmd = child(context.WithoutCancel(ctx), s.as, syscall.SIGINT, s.binDir, "postgres", s.arguments()...)
	s.cmd.Stdout, s.cmd.Stderr = s.log, s.log
	s.cmd.WaitDelay = hardStopGrace // a straggler must not hold the log open for ever
	started := make(chan error)
	onOwnThread(func() {
		err := s.cmd.Start()
		started <- err
		if err != nil {
			return
		}
		err = s.cmd.Wait()
		if !s.stopping.Load() {
			s.exit = fmt.Errorf("PostgreSQL ended by itself: %w\n%s", cause(err), s.log)
		}
		s.release()
		close(s.done)
	})
	return <-started
}

// cause gives an unexpected end without an error of its own a name.
func cause(err error) error {
	if err == nil {
		return errors.New("exit status 0")
	}
	return err
}

func (s *Server) arguments() []string {
	settings := map[string]string{
		"listen_addresses":        "",
		"port":                    port,
		"unix_socket_directories": s.socketDir,
		"max_connections":         strconv.Itoa(max(s.cfg.MaxConnections, 0)),
		"timezone":                "UTC",
		"log_timezone":            "UTC",
		// Statements and details hold personal data.
		"log_min_error_statement": "panic",
		"log_error_verbosity":     "terse",
		"log_checkpoints":         "off",
	}
	if s.cfg.MaxConnections <= 0 {
		delete(settings, "max_connections")
	}
	if !s.cfg.Durable {
		maps.Copy(settings, map[string]string{
			"fsync":              "off",
			"synchronous_commit": "off",
			"full_page_writes":   "off",
			"autovacuum":         "off",
			"wal_level":          "minimal",
			"max_wal_senders":    "0",
			"max_wal_size":       "1GB",
		})
	}
	maps.Copy(settings, s.cfg.ExtraSettings)
	args := []string{"-D", s.cfg.DataDir}
	for _, name := range slices.Sorted(maps.Keys(settings)) {
		args = append(args, "-c", name+"="+settings[name])
	}
	return args
}

// awaitReady returns when the server answers, when it has died, or when ctx ends.
func (s *Server) awaitReady(ctx context.Context) error {
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for {
		conn, err := pgx.Connect(ctx, s.URL("postgres"))
		if err == nil {
			return conn.Close(ctx)
		}
		select {
		case <-s.done:
			return s.exit
		case <-ctx.Done():
			return fmt.Errorf("PostgreSQL does not answer: %w\n%s", ctx.Err(), s.log)
		case <-tick.C:
		}
	}
}

// URL is a connection string for a database of this server, through its Unix socket, as its superuser.
func (s *Server) URL(database string) string {
	u := url.URL{
		Scheme: "postgres",
		Path:   "/" + database,
		RawQuery: url.Values{
			"host": {s.socketDir}, "port": {port}, "user": {superuser}, "sslmode": {"disable"},
		}.Encode(),
	}
	return u.String()
}

// EnsureDatabase creates a database unless it is there.
func (s *Server) EnsureDatabase(ctx context.Context, database string) error {
	conn, err := pgx.Connect(ctx, s.URL("postgres"))
	if err != nil {
		return fmt.Errorf("create database: %w", err)
	}
	defer conn.Close(context.WithoutCancel(ctx)) //nolint:errcheck // nothing is lost with it
	var there bool
	if err := conn.QueryRow(ctx, `SELECT EXISTS (SELECT FROM pg_database WHERE datname = $1)`, database).Scan(&there); err != nil {
		return fmt.Errorf("create database: %w", err)
	}
	if there {
		return nil
	}
	if _, err := conn.Exec(ctx, "CREATE DATABASE "+pgx.Identifier{database}.Sanitize()); err != nil {
		return fmt.Errorf("create database: %w", err)
	}
	return nil
}

// PID is the postmaster's process id.
func (s *Server) PID() int { return s.cmd.Process.Pid }

// Done is closed when the server has ended, by Stop or by itself.
func (s *Server) Done() <-chan struct{} { return s.done }

// Err says why the server ended by itself, with the last lines of its log. It is nil while the server runs and after Stop.
func (s *Server) Err() error {
	select {
	case <-s.done:
		return s.exit
	default:
		return nil
	}
}

// Stop shuts the server down: fast (connections are cut, what is committed is kept), then harder when that takes too long
// or ctx ends. The cluster stays on the disk. Stopping twice, or stopping a dead server, does no harm.
func (s *Server) Stop(ctx context.Context) error {
	s.stopping.Store(true)
	for _, step := range []struct {
		signal syscall.Signal
		grace  time.Duration
	}{{syscall.SIGINT, fastStopGrace}, {syscall.SIGQUIT, hardStopGrace}, {syscall.SIGKILL, hardStopGrace}} {
		if err := s.cmd.Process.Signal(step.signal); err != nil && !errors.Is(err, os.ErrProcessDone) {
			return fmt.Errorf("stop PostgreSQL: %w", err)
		}
		if s.ended(ctx, step.grace) {
			return nil
		}
		ctx = context.WithoutCancel(ctx) // the harder steps need their time too
	}
	return errors.New("stop PostgreSQL: it does not end")
}

func (s *Server) ended(ctx context.Context, grace time.Duration) bool {
	timer := time.NewTimer(grace)
	defer timer.Stop()
	select {
	case <-s.done:
		return true
	case <-ctx.Done():
	case <-timer.C:
	}
	return false
}

// release gives back what the server held besides its process. What cannot be removed is only an empty directory.
func (s *Server) release() {
	if s.socketDir != "" {
		_ = os.RemoveAll(s.socketDir)
	}
	_ = s.lock.Close()
}
