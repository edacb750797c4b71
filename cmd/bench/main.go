// Command bench measures Holdfast beside what PostgreSQL alone gives on the same machine in the same run.
//
//	go run ./cmd/bench            # about eight minutes
//	go run ./cmd/bench -h
//
// It starts a PostgreSQL of its own with default durability on the disk, fills it with accounts, and drives the service over
// HTTP in a closed loop: every client sends its next request when it has the answer to the last one. The floor is pgbench
// with one transaction that inserts as many rows and writes about as many bytes of WAL as starting a recovery does.
//
// The service runs inside this process, behind a real port: so that each SQL round trip and each commit can be told to the
// request that caused it, and so that codes are read where they are sent. Server, load generator and PostgreSQL share
// the machine's processors. What has to be a process of its own (the import's memory, the idle service) is one.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"runtime/pprof"
	"slices"
	"strings"
	"syscall"
	"time"
)

// options are the flags.
type options struct {
	seconds  float64
	accounts int
	big      int
	pairs    int
	events   int
	only     string
	jsonFile string
	profile  string
}

// parts are what can be measured, in the order in which they run.
func parts() []string {
	return []string{"import", "idle", "start", "seal", "verify", "flow", "scale", "signal", "decoy", "limits", "overload"}
}

func main() { os.Exit(run(os.Args[1:], os.Stdout, os.Stderr)) }

func run(args []string, out, progress io.Writer) int {
	o, err := parse(args, progress)
	if errors.Is(err, flag.ErrHelp) {
		return 0
	}
	if err != nil {
		return 2
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := bench(ctx, o, out, progress); err != nil {
		_, _ = fmt.Fprintln(progress, "bench: "+err.Error())
		return 1
	}
	return 0
}

func parse(args []string, out io.Writer) (options, error) {
	var o options
	f := flag.NewFlagSet("bench", flag.ContinueOnError)
	f.SetOutput(out)
	f.Float64Var(&o.seconds, "seconds", 6, "how long each cell of the table is measured, after a warm-up")
	f.IntVar(&o.accounts, "import", 100_000, "accounts of the measured import")
	f.IntVar(&o.big, "big", 200_000, "accounts of the large database; the small one has 10000")
	f.IntVar(&o.pairs, "pairs", 2000, "starts, and then challenges, of known and of unknown identifiers each, for the timing comparison")
	f.IntVar(&o.events, "events", 1_000_000, "events of the log that is verified offline")
	f.StringVar(&o.only, "only", "", "measure only these, separated by commas: "+strings.Join(parts(), ", "))
	f.StringVar(&o.jsonFile, "json", "", "also write the results to this file")
	f.StringVar(&o.profile, "cpuprofile", "", "write a CPU profile of service and load generator while they are measured to this file")
	f.Usage = func() {
		_, _ = fmt.Fprintln(out, "usage: bench [flags]\n\nMeasures Holdfast beside a pgbench floor, on a PostgreSQL that it starts itself and removes again.")
		f.PrintDefaults()
	}
	if err := f.Parse(args); err != nil {
		return o, err
	}
	o.big = max(o.big, o.accounts)
	for _, p := range strings.Split(o.only, ",") {
		if p != "" && !slices.Contains(parts(), p) {
			return o, o.wrong(out, "there is no part %q: %s", p, strings.Join(parts(), ", "))
		}
	}
	switch {
	case f.NArg() > 0:
		return o, o.wrong(out, "unexpected argument %q", f.Arg(0))
	case o.seconds <= 0 || o.pairs < 1:
		return o, o.wrong(out, "-seconds and -pairs must be above zero")
	case o.events < verifyPart:
		return o, o.wrong(out, "-events must be at least %d", verifyPart)
	case o.accounts < leastAccounts:
		return o, o.wrong(out, "-import must be at least %d", leastAccounts)
	}
	return o, nil
}

// wrong says what is wrong with the arguments.
func (options) wrong(out io.Writer, format string, args ...any) error {
	err := fmt.Errorf(format, args...)
	_, _ = fmt.Fprintf(out, "bench: %v\n", err)
	return err
}

// span is how long a cell is measured.
func (o options) span() time.Duration { return time.Duration(o.seconds * float64(time.Second)) }

func (o options) wants(part string) bool {
	return o.only == "" || slices.Contains(strings.Split(o.only, ","), part)
}

// bench runs what is asked for and prints it. What it started it stops, also when it fails.
func bench(ctx context.Context, o options, out, progress io.Writer) (err error) {
	l, err := newLab(ctx, o, progress)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, l.close(ctx)) }()
	if o.only != "verify" { // which needs nobody
		if err := l.fill(ctx); err != nil {
			return fmt.Errorf("fill: %w", err)
		}
	}
	if err := l.profiled(ctx, l.measure); err != nil {
		return err
	}
	l.result.LoadAfter = load()
	l.result.print(out)
	return l.result.save(o.jsonFile)
}

// measure runs the parts, each on what the ones before left.
func (l *lab) measure(ctx context.Context) error {
	for _, part := range []struct {
		name string
		run  func(context.Context) error
	}{{"idle", l.idle}, {"start", l.starts}, {"seal", l.sealing}, {"verify", l.verifying}, {"flow", l.flows}, {"scale", l.scale}, {"signal", l.signals}, {"decoy", l.decoys}, {"limits", l.limits}, {"overload", l.overload}} {
		if !l.wants(part.name) {
			continue
		}
		if part.name != "idle" && part.name != "verify" && !l.warm {
			if err := l.warmUp(ctx); err != nil {
				return fmt.Errorf("warm up: %w", err)
			}
		}
		if err := part.run(ctx); err != nil {
			return fmt.Errorf("%s: %w", part.name, err)
		}
	}
	return nil
}

// profiled writes a CPU profile of what runs, if one is asked for.
func (l *lab) profiled(ctx context.Context, fn func(context.Context) error) error {
	if l.profile == "" {
		return fn(ctx)
	}
	f, err := os.Create(l.profile) //nolint:gosec // the caller's own choice.
	if err != nil {
		return err
	}
	if err := pprof.StartCPUProfile(f); err != nil {
		return errors.Join(err, f.Close())
	}
	err = fn(ctx)
	pprof.StopCPUProfile()
	return errors.Join(err, f.Close())
}
