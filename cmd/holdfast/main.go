// Command holdfast is the whole service in one binary: it serves, migrates, and lets operators see and do what the API
// has no place for. `holdfast --help` lists the commands.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/signal"
	"syscall"

	"github.com/alecthomas/kong"

	"github.com/holdfast/holdfast/internal/config"
	"github.com/holdfast/holdfast/internal/fault"
	"github.com/holdfast/holdfast/internal/telemetry"
)

// version is set by the build: -X main.version=….
var version string //nolint:gochecknoglobals // the linker sets it.

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := run(ctx, os.Args[1:], os.Environ(), os.Stdin, os.Stdout, os.Stderr)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "holdfast: "+explain(err))
		os.Exit(exitCode(err))
	}
}

// cli is the command line. Settings come from the environment (HOLDFAST_…); flags are for what one call is about.
type cli struct {
	Serve     serveCmd     `cmd:"" help:"Serve the API and work on jobs (production)."`
	Dev       devCmd       `cmd:"" help:"Run everything on this machine: database, demo tenant, inbox. No set-up needed."`
	Demo      demoCmd      `cmd:"" help:"Run a development instance, walk whole recoveries through its API and narrate them."`
	Migrate   migrateCmd   `cmd:"" help:"Bring the database's schema up to date."`
	Tenant    tenantCmd    `cmd:"" help:"Create and list tenants."`
	Client    clientCmd    `cmd:"" help:"Create, list, rotate and revoke API clients."`
	Account   accountCmd   `cmd:"" help:"Import accounts."`
	Policy    policyCmd    `cmd:"" help:"Check policy documents."`
	Webhook   webhookCmd   `cmd:"" help:"Tell other systems: webhooks and Security Event Tokens."`
	Alert     alertCmd     `cmd:"" help:"List, show and acknowledge abuse alerts."`
	Control   controlCmd   `cmd:"" help:"Raise the bar for a while, and take it back."`
	Attack    attackCmd    `cmd:"" help:"Play attackers against a development instance and say what got through."`
	Audit     auditCmd     `cmd:"" help:"List audit events."`
	Keyring   keyringCmd   `cmd:"" help:"Make and rotate keyrings, rewrap accounts."`
	Limits    limitsCmd    `cmd:"" help:"List every limit: number, reason, and what happens when its store is down."`
	Config    configCmd    `cmd:"" help:"Print the settings in force, without secrets, or every setting there is."`
	Version   versionCmd   `cmd:"" help:"Print the version."`
	Workforce workforceCmd `cmd:"" help:"Show who may sign in, and explain what a token would allow."`
	Recovery  recoveryCmd  `cmd:"" help:"Show what stops a recovery."`
	Notice    noticeCmd    `cmd:"" help:"Tell of mails that came back."`
	Hold      holdCmd      `cmd:"" help:"Keep things from being deleted for legal reasons."`
}

// env is what every command gets.
type env struct {
	ctx     context.Context //nolint:containedctx // one per call of the program, handed to kong's Run methods.
	environ []string
	in      io.Reader
	out     io.Writer
	err     io.Writer
}

// run parses the arguments and runs the command. Help is no error.
func run(ctx context.Context, args, environ []string, in io.Reader, out, errOut io.Writer) error {
	var c cli
	exit := -1
	parser, err := kong.New(&c, kong.Name("holdfast"),
		kong.Description("Holdfast: account recovery as a high-risk path. Settings are environment variables; `holdfast config --all` lists them."),
		kong.Writers(out, errOut), kong.UsageOnError(), kong.Exit(func(code int) { exit = code }))
	if err != nil {
		return fault.Wrap(err, "build command line")
	}
	if len(args) == 0 {
		args = []string{"--help"}
	}
	kctx, err := parser.Parse(args)
	if exit >= 0 {
		return nil // help was printed
	}
	if err != nil {
		return usageError{err}
	}
	return kctx.Run(&env{ctx: ctx, environ: environ, in: in, out: out, err: errOut})
}

type usageError struct{ error }

// exitCode is 2 for a wrong call, 3 for a check that failed, 1 for everything else.
func exitCode(err error) int {
	var u usageError
	switch {
	case errors.As(err, &u):
		return 2
	case errors.Is(err, errCheckFailed):
		return 3
	default:
		return 1
	}
}

var errCheckFailed = errors.New("the check failed")

// explain is what an operator reads: the public text of a fault with its cause, which is fit for a log.
func explain(err error) string {
	var f *fault.Fault
	if !errors.As(err, &f) {
		return err.Error()
	}
	text := err.Error()
	for _, field := range f.Fields {
		text += "\n  " + field.Pointer + ": " + field.Detail
	}
	return text
}

func (e *env) printf(format string, args ...any) { _, _ = fmt.Fprintf(e.out, format, args...) }

// config loads the settings for the purposes, with further variables that win.
func (e *env) config(extra []string, purposes ...config.Purpose) (config.Config, error) {
	return config.Load(append(append([]string(nil), e.environ...), extra...), purposes...)
}

// logger writes to standard error, so that a command's output stays its own.
func (e *env) logger(cfg config.Config) *slog.Logger {
	return telemetry.NewLogger(e.err, cfg.Log.Level, cfg.Log.Format == config.Text)
}
