package main

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"syscall"
	"time"

	"github.com/holdfast/holdfast/internal/postgres"
	"github.com/holdfast/holdfast/internal/postgres/pgembed"
	"github.com/holdfast/holdfast/internal/secret"
)

// lab is everything that a run stands on: a server, two databases of different size, the program, keys.
type lab struct {
	options
	progress io.Writer
	began    time.Time
	result   *result

	dir     string // of this run; goes with it
	program string // holdfast, for what has to be a process of its own
	keys    *secret.Keyring
	keyring string
	pg      *pgembed.Throwaway
	pgBin   string

	large, small *database
	main         *service // on the large database
	codes        *savedCodes
	next         people // whose turn it is
	warm         bool   // some recoveries are there, and the planner knows
}

const stopWithin = 30 * time.Second

func newLab(ctx context.Context, o options, progress io.Writer) (l *lab, err error) {
	l = &lab{options: o, progress: progress, began: time.Now(), result: &result{Processors: runtime.NumCPU(), LoadBefore: load()}}
	defer func() {
		if err != nil {
			err = errors.Join(err, l.close(ctx))
		}
	}()
	if l.keys, err = secret.GenerateKeyring(rand.Reader); err != nil {
		return l, err
	}
	text, err := l.keys.Reveal()
	if err != nil {
		return l, err
	}
	l.keyring = string(text)
	if l.dir, err = os.MkdirTemp("", "holdfast-bench-"); err != nil {
		return l, err
	}
	l.say("building holdfast")
	l.program = filepath.Join(l.dir, "holdfast")
	build := exec.CommandContext(ctx, "go", "build", "-trimpath", "-o", l.program, "github.com/holdfast/holdfast/cmd/holdfast") //nolint:gosec // our own program.
	build.Stdout, build.Stderr = progress, progress
	if err = build.Run(); err != nil {
		return l, fmt.Errorf("build holdfast: %w", err)
	}
	return l, l.startServer(ctx)
}

// startServer starts PostgreSQL with its default durability: fsync and synchronous_commit are on, nothing is tuned.
func (l *lab) startServer(ctx context.Context) error {
	cache, err := pgembed.DefaultCacheDir()
	if err != nil {
		return err
	}
	cfg := pgembed.Config{Durable: true, CacheDir: cache}
	l.pgBin, err = pgembed.Find(ctx, cfg)
	if errors.Is(err, pgembed.ErrNotFound) {
		l.pgBin, err = pgembed.Fetch(ctx, cache, l.sayf)
	}
	if err != nil {
		return err
	}
	cfg.BinDir = l.pgBin
	l.say("starting PostgreSQL, durable, on disk")
	l.pg, err = pgembed.StartThrowaway(ctx, cfg)
	return err
}

// close stops and removes everything.
func (l *lab) close(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), stopWithin)
	defer cancel()
	var err error
	if l.main != nil {
		err = l.main.stop()
	}
	for _, d := range []*database{l.large, l.small} {
		if d != nil {
			d.owner.Close()
		}
	}
	if l.pg != nil {
		err = errors.Join(err, l.pg.Stop(ctx))
	}
	if l.dir != "" {
		err = errors.Join(err, os.RemoveAll(l.dir)) //nolint:gosec // made by this run.
	}
	return err
}

func (l *lab) say(text string) {
	_, _ = fmt.Fprintf(l.progress, "%4.0fs  %s\n", time.Since(l.began).Seconds(), text)
}

func (l *lab) sayf(format string, args ...any) { l.say(fmt.Sprintf(format, args...)) }

// database is one database with its schema and the tenant.
type database struct {
	name  string
	url   string
	owner *postgres.DB // as the schema's owner
}

const (
	tenant    = "bench"
	publicURL = "https://recovery.example.com"
)

func (l *lab) newDatabase(ctx context.Context, name string) (*database, error) {
	if err := l.pg.EnsureDatabase(ctx, name); err != nil {
		return nil, err
	}
	d := &database{name: name, url: l.pg.URL(name)}
	if _, err := postgres.Migrate(ctx, d.url); err != nil {
		return nil, err
	}
	var err error
	if d.owner, err = postgres.Open(ctx, postgres.Config{URL: d.url, MaxConns: 2}); err != nil {
		return nil, err
	}
	_, err = d.owner.CreateTenant(ctx, postgres.Tenant{ID: tenant, Name: "Bench", SupportContact: "https://support.example.com", Locale: "en"})
	return d, err
}

// child prepares a call of the program on a database. It is asked to stop when ctx ends.
func (l *lab) child(ctx context.Context, d *database, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, l.program, args...) //nolint:gosec // our own program.
	cmd.Env = append(os.Environ(),
		"HOLDFAST_DATABASE_URL="+d.url, "HOLDFAST_KEYRING="+l.keyring, "HOLDFAST_PUBLIC_URL="+publicURL,
		"HOLDFAST_LISTEN=127.0.0.1:0", "HOLDFAST_ADMIN_LISTEN=127.0.0.1:0", "HOLDFAST_LOG_FORMAT=json",
	)
	cmd.Dir = l.dir
	cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGTERM) }
	cmd.WaitDelay = stopWithin / 2
	return cmd
}
