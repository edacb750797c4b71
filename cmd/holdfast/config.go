package main

import (
	"runtime/debug"
	"text/tabwriter"

	"github.com/holdfast/holdfast/internal/config"
)

type configCmd struct {
	All bool `help:"List every variable, its default and what it means."`
}

// Run prints settings; secrets show as [redacted].
func (c configCmd) Run(e *env) error {
	w := tabwriter.NewWriter(e.out, 0, 4, 2, ' ', 0)
	e = &env{ctx: e.ctx, environ: e.environ, in: e.in, out: w, err: e.err}
	if c.All {
		for _, v := range config.Variables() {
			e.printf("%s\t%s\t%s\n", v.Name, v.Default, v.Help)
		}
		return w.Flush()
	}
	cfg, err := e.config(nil)
	if err != nil {
		return err
	}
	for _, s := range cfg.Settings() {
		e.printf("%s\t%s\n", s.Name, s.Value)
	}
	return w.Flush()
}

type versionCmd struct{}

// Run prints what was built.
func (versionCmd) Run(e *env) error { //nolint:unparam // kong wants an error.
	v := version
	if info, ok := debug.ReadBuildInfo(); ok && v == "" {
		v = info.Main.Version
	}
	e.printf("holdfast %s\n", v)
	return nil
}
