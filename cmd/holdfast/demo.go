package main

import (
	"context"
	"errors"
	"os"
	"time"

	"github.com/holdfast/holdfast/internal/app/dev"
	"github.com/holdfast/holdfast/internal/config"
	"github.com/holdfast/holdfast/internal/fault"
)

type demoCmd struct {
	Fast bool `help:"Do not pause between the steps." short:"f"`
}

// Help tells what is started and left.
func (demoCmd) Help() string {
	return `Starts a development instance in a folder of its own that is removed at the end, on ports that are free, and walks whole
recoveries through the public API with the Go client of api/client. Nothing else is used: what the demo does, an app can do.`
}

// Run starts the instance, walks the stories and stops it.
func (c demoCmd) Run(e *env) error {
	dir, err := os.MkdirTemp("", "holdfast-demo-")
	if err != nil {
		return fault.Wrap(err, "make folder")
	}
	defer func() { _ = os.RemoveAll(dir) }()
	if err := os.Chmod(dir, 0o755); err != nil { //nolint:gosec // PostgreSQL's own user has to enter it.
		return fault.Wrap(err, "open folder")
	}
	cfg, err := e.config([]string{
		"HOLDFAST_MODE=dev", "HOLDFAST_DATA_DIR=" + dir, "HOLDFAST_LISTEN=127.0.0.1:0", "HOLDFAST_ADMIN_LISTEN=127.0.0.1:0",
		"HOLDFAST_PUBLIC_URL=http://localhost:8080", "HOLDFAST_LOG_LEVEL=error",
	}, config.ForDevelopment)
	if err != nil {
		return err
	}
	ctx, stop := context.WithCancel(e.ctx)
	defer stop()
	var told error
	err = dev.Run(ctx, dev.Options{Config: cfg, Log: e.logger(cfg), Out: e.out, Quiet: true}, func(d dev.Description) {
		go func() {
			defer stop()
			told = (&narrator{env: e, ctx: ctx, d: d, pause: c.pause(), read: map[string]bool{}}).tell()
		}()
	})
	return errors.Join(told, err)
}

func (c demoCmd) pause() time.Duration {
	if c.Fast {
		return 0
	}
	return 400 * time.Millisecond
}
