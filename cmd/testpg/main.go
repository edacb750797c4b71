// Command testpg runs a command, usually go test, beside a throw-away PostgreSQL whose connection string it puts into
// HOLDFAST_TEST_DATABASE_URL.
//
//	go run ./cmd/testpg -- go test ./...
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"syscall"
	"time"

	"github.com/holdfast/holdfast/internal/postgres/pgembed"
)

const (
	exitTrouble = 125 // of testpg itself, as env(1) and docker do
	exitUsage   = 2
	startTime   = 5 * time.Minute // a first fetch included
	stopTime    = 30 * time.Second
)

type options struct {
	durable, keep, verbose bool
	binDir                 string
	command                []string
}

func main() { os.Exit(run(context.Background(), os.Args[1:], os.Stdout, os.Stderr)) }

func run(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	opts, err := parse(args, stderr)
	if err != nil {
		return exitUsage
	}
	// From here on a signal is the command's to obey; testpg itself goes when the command has gone.
	signals := make(chan os.Signal, 8)
	signal.Notify(signals, syscall.SIGINT, syscall.SIGTERM, syscall.SIGHUP, syscall.SIGQUIT)
	defer signal.Stop(signals)

	url, stop, err := start(ctx, opts, stderr)
	if err != nil {
		fmt.Fprintf(stderr, "testpg: %v\n", err)
		return exitTrouble
	}
	code := attend(ctx, opts.command, url, signals, stdout, stderr)

	ctx, cancel := context.WithTimeout(ctx, stopTime)
	defer cancel()
	if err := stop(ctx); err != nil {
		fmt.Fprintf(stderr, "testpg: %v\n", err)
		return max(code, 1)
	}
	return code
}

func parse(args []string, stderr io.Writer) (options, error) {
	var opts options
	flags := flag.NewFlagSet("testpg", flag.ContinueOnError)
	flags.SetOutput(stderr)
	flags.Usage = func() {
		fmt.Fprintln(stderr, "usage: testpg [-durable] [-keep] [-v] [-bin DIR] -- command [argument…]")
		flags.PrintDefaults()
	}
	flags.BoolVar(&opts.durable, "durable", false, "keep PostgreSQL's default durability, on disk (for measurements)")
	flags.BoolVar(&opts.keep, "keep", false, "keep the cluster's files and say where they are")
	flags.BoolVar(&opts.verbose, "v", false, "show the server's log")
	flags.StringVar(&opts.binDir, "bin", "", "directory of postgres and initdb (default: look for it, then fetch with npm)")
	if err := flags.Parse(args); err != nil {
		return opts, err
	}
	opts.command = flags.Args()
	if len(opts.command) == 0 {
		flags.Usage()
		return opts, errors.New("no command")
	}
	return opts, nil
}

// start brings the cluster up and gives its connection string and what stops it.
func start(ctx context.Context, opts options, stderr io.Writer) (url string, stop func(context.Context) error, err error) {
	ctx, cancel := context.WithTimeout(ctx, startTime)
	defer cancel()
	logf := func(format string, args ...any) { fmt.Fprintf(stderr, "testpg: "+format+"\n", args...) }
	cfg := pgembed.Config{BinDir: opts.binDir, Durable: opts.durable, MaxConnections: 400}
	if opts.verbose {
		cfg.Logf = logf
	}
	if cfg.BinDir, err = binaries(ctx, cfg, logf); err != nil {
		return "", nil, err
	}
	if !opts.keep {
		server, err := pgembed.StartThrowaway(ctx, cfg)
		if err != nil {
			return "", nil, err
		}
		return server.URL("postgres"), server.Stop, nil
	}
	dir, err := pgembed.TempDir(opts.durable)
	if err != nil {
		return "", nil, err
	}
	cfg.DataDir = filepath.Join(dir, "data")
	server, err := pgembed.Start(ctx, cfg)
	if err != nil {
		return "", nil, err
	}
	return server.URL("postgres"), func(ctx context.Context) error {
		logf("the cluster is kept in %s (binaries: %s)", cfg.DataDir, cfg.BinDir)
		return server.Stop(ctx)
	}, nil
}

// binaries finds PostgreSQL, or fetches it when the machine has none.
func binaries(ctx context.Context, cfg pgembed.Config, logf func(string, ...any)) (string, error) {
	var err error
	if cfg.CacheDir, err = pgembed.DefaultCacheDir(); err != nil {
		return "", err
	}
	dir, err := pgembed.Find(ctx, cfg)
	if !errors.Is(err, pgembed.ErrNotFound) {
		return dir, err
	}
	return pgembed.Fetch(ctx, cfg.CacheDir, logf)
}

// attend runs the command, passes signals on to it, and gives its exit code in the shell's way: 128 and the signal's
// number when one killed it.
func attend(ctx context.Context, command []string, url string, signals <-chan os.Signal, stdout, stderr io.Writer) int {
	cmd := exec.CommandContext(ctx, command[0], command[1:]...) //nolint:gosec // running it is the purpose
	cmd.Env = append(os.Environ(), pgembed.TestEnv+"="+url)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = os.Stdin, stdout, stderr
	if err := cmd.Start(); err != nil {
		fmt.Fprintf(stderr, "testpg: %v\n", err)
		return exitTrouble
	}
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	for {
		select {
		case sig := <-signals:
			_ = cmd.Process.Signal(sig) // fails only when it has just ended
		case err := <-ended:
			return exitCode(cmd.ProcessState, err)
		}
	}
}

func exitCode(state *os.ProcessState, err error) int {
	if state == nil {
		return exitTrouble
	}
	if status, ok := state.Sys().(syscall.WaitStatus); ok && status.Signaled() {
		return 128 + int(status.Signal())
	}
	if err != nil && state.ExitCode() == 0 {
		return exitTrouble // the command is well, its output could not be copied
	}
	return state.ExitCode()
}
