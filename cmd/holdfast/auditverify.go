package main

import (
	"bufio"
	"errors"
	"io"
	"os"
	"path/filepath"
	"time"

	"github.com/holdfast/holdfast/internal/anchor"
	"github.com/holdfast/holdfast/internal/app"
	"github.com/holdfast/holdfast/internal/audit"
	"github.com/holdfast/holdfast/internal/auditlog"
	"github.com/holdfast/holdfast/internal/config"
	"github.com/holdfast/holdfast/internal/fault"
	"github.com/holdfast/holdfast/internal/postgres"
)

type auditExportCmd struct {
	Tenant       string `help:"Events of this tenant, with a proof each." xor:"what" required:""`
	All          bool   `help:"The whole log of all tenants: every leaf, in order. It may run as holdfast_auditor, and is an event of _fleet." xor:"what" required:""`
	Since        string `help:"Only events from this time on (RFC 3339)."`
	Until        string `help:"Only events before this time (RFC 3339)."`
	Format       string `default:"ndjson" enum:"ndjson,ocsf" help:"ndjson (which verify reads) or ocsf."`
	Cosignatures int    `help:"Under the newest checkpoint that at least so many witnesses have cosigned; younger events count as not sealed yet." placeholder:"N"`
	File         string `arg:"" help:"Where to write it; - for standard output."`
}

// Run exports.
func (c auditExportCmd) Run(e *env) error {
	f := auditlog.Filter{Cosignatures: c.Cosignatures}
	var err error
	if f.From, err = parseTime("--since", c.Since); err != nil {
		return err
	}
	if f.To, err = parseTime("--until", c.Until); err != nil {
		return err
	}
	return e.withAudit(func(log *auditlog.Log, db *postgres.DB, _ config.Config) error {
		return e.toFile(c.File, func(w io.Writer) error {
			if c.All {
				return auditlog.WriteWhole(e.ctx, postgres.NewAuditLog(db), log.Origin, log.Keys, c.Cosignatures, w)
			}
			begun, err := log.Export(e.ctx, auditlog.Reader{Tenant: c.Tenant, By: operator()}, f, auditlog.Format(c.Format))
			if err != nil {
				return err
			}
			return begun.Write(e.ctx, w)
		})
	})
}

// toFile writes a file that only its owner may read, or standard output.
func (e *env) toFile(path string, write func(io.Writer) error) error {
	if path == "-" {
		return write(e.out)
	}
	file, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return fault.Wrap(err, "write export")
	}
	if info, err := file.Stat(); err != nil || (info.Mode().IsRegular() && file.Chmod(0o600) != nil) { // one that was there may have been open to others
		_ = file.Close()
		return fault.Wrap(errors.Join(err, os.ErrPermission), "write export")
	}
	if err := write(file); err != nil {
		_ = file.Close()
		return err
	}
	return fault.Wrap(file.Close(), "write export")
}

type auditVerifyCmd struct {
	Key     []string `help:"A verifier key (name+hash+key) that the checkpoint must be signed by; repeat it while keys rotate." sep:"none"`
	Anchor  []string `help:"An anchor file: the log must continue every checkpoint in it." type:"existingfile"`
	Witness []string `help:"A witness' verifier key (name+hash+key, type 4); repeat it. Its cosignature, where there is one, must be good." sep:"none" placeholder:"KEY"`
	Quorum  int      `help:"How many of these witnesses must have cosigned the checkpoint; all when left out." placeholder:"N"`
	Quiet   bool     `short:"q" help:"No progress."`
	Paths   []string `arg:"" name:"path" help:"Exports (JSON lines), or folders of them (*.ndjson); - for standard input."`
}

// Help tells what is shown and what is not.
func (auditVerifyCmd) Help() string {
	return `Checks that the checkpoint is signed by a key you know, that every event in the export is in the log that it signs, as it was when
it was sealed, and for a whole export that no leaf is missing, that the log continues what anchors hold, and that no event
stands beside it. Events that are gone are good where a sealed event says that their month was retired by policy, at least 24 months after its end.
An export with proofs is compared with checkpoints of its own size alone. It reads nothing but the files. Ends with 3 when something is wrong. Without --key the export's own keys are taken,
which shows that it is consistent and not whose it is. With --witness the checkpoint must carry cosignatures of --quorum of them: then it is the one history
that they saw too, and not one that was made for you.`
}

// Run verifies.
func (c auditVerifyCmd) Run(e *env) error {
	var known []audit.Checkpoint
	for _, path := range c.Anchor {
		notes, err := anchor.ReadFile(path)
		if err != nil {
			return err
		}
		for _, n := range notes {
			checkpoint, err := audit.UnverifiedCheckpoint(n)
			if err != nil {
				return fault.Wrap(err, path)
			}
			known = append(known, checkpoint)
		}
	}
	witnesses, err := audit.ParseWitnesses(c.Witness)
	if err != nil {
		return usageError{fault.Wrap(err, "--witness")}
	}
	if c.Quorum < 0 || c.Quorum > len(witnesses) {
		return usageError{errors.New("--quorum must be from 1 to the number of --witness")}
	}
	paths, err := exportsIn(c.Paths)
	if err != nil {
		return err
	}
	bad := false
	for _, path := range paths {
		ok, err := c.verify(e, path, audit.VerifyConfig{Keys: c.Key, Known: known, Witnesses: witnesses, Quorum: c.Quorum, Now: time.Now()})
		if err != nil {
			return err
		}
		bad = bad || !ok
	}
	if bad {
		return errCheckFailed
	}
	return nil
}

// exportsIn lists files, and the exports in folders.
func exportsIn(paths []string) ([]string, error) {
	var out []string
	for _, path := range paths {
		info, err := os.Stat(path)
		if path == "-" || (err == nil && !info.IsDir()) {
			out = append(out, path)
			continue
		}
		if err != nil {
			return nil, fault.Wrap(err, "find exports")
		}
		found, err := filepath.Glob(filepath.Join(path, "*.ndjson"))
		if err != nil || len(found) == 0 {
			return nil, usageError{fault.Wrap(os.ErrNotExist, "no *.ndjson in "+path)}
		}
		out = append(out, found...)
	}
	return out, nil
}

func (c auditVerifyCmd) verify(e *env, path string, cfg audit.VerifyConfig) (bool, error) {
	in := io.Reader(bufio.NewReader(e.in))
	if path != "-" {
		file, err := os.Open(path)
		if err != nil {
			return false, fault.Wrap(err, "read export")
		}
		defer file.Close() //nolint:errcheck // it was only read.
		in = file
	}
	if !c.Quiet {
		cfg.Progress = func(n int64) { (&env{out: e.err}).printf("%s: %d lines\n", path, n) }
	}
	r, err := audit.Verify(in, cfg)
	if err != nil {
		return false, err
	}
	e.printReport(path, r)
	return r.OK(), nil
}

func (e *env) printReport(path string, r audit.Report) {
	for _, p := range r.Problems {
		e.printf("%s: %s\n", path, p)
	}
	if r.More > 0 {
		e.printf("%s: and %d problems more\n", path, r.More)
	}
	what := "proofs of each"
	if r.Whole {
		what = "the whole log"
	}
	verdict := "good"
	if !r.OK() {
		verdict = "NOT GOOD"
	}
	e.printf("%s: %s: %d events (%s) of %s at %d leaves; personal data of %d erased; %d not sealed yet\n",
		path, verdict, r.Events, what, audit.Visible(r.Checkpoint.Origin), r.Checkpoint.Size, r.Erased, r.Waiting)
	if r.Retired > 0 {
		e.printf("%s: %d events retired by policy, as sealed events say\n", path, r.Retired)
	}
	for _, c := range r.Cosigned {
		e.printf("%s: cosigned by %s at %s\n", path, c.Witness, c.At.Format(time.RFC3339))
	}
	if r.Unlike > 0 {
		e.printf("%s: %d checkpoints that were kept could not be compared: only a whole export shows that the log continues them\n", path, r.Unlike)
	}
	if r.OwnKeys {
		e.printf("%s: the keys were the export's own: give --key to know whose it is\n", path)
	}
}

type auditReplayCmd struct {
	Tenant string `help:"Only this tenant."`
}

// Run replays.
func (c auditReplayCmd) Run(e *env) error {
	return e.withDB(func(db *postgres.DB) error {
		r, err := app.Replay(e.ctx, db, c.Tenant, func(text string) { e.printf("%s\n", audit.Visible(text)) })
		if err != nil {
			return err
		}
		e.printf("%d recoveries rebuilt from %d events, %d rows held against what events tell of them, %d not justified\n", r.Recoveries, r.Events, r.Rows, r.Problems)
		if r.Problems > 0 {
			return errCheckFailed
		}
		return nil
	})
}
