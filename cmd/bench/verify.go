package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"

	"github.com/holdfast/holdfast/internal/app"
	"github.com/holdfast/holdfast/internal/auditlog"
	"github.com/holdfast/holdfast/internal/config"
	"github.com/holdfast/holdfast/internal/telemetry"
)

// verifyResult is what `holdfast audit verify` did with a whole log, as a process of its own.
type verifyResult struct {
	Events    int     `json:"events"`
	FileMiB   float64 `json:"file_mib"`
	Seconds   float64 `json:"seconds"`
	PerSecond float64 `json:"per_second"`
	PeakMiB   float64 `json:"peak_mib"` // the most that was ever resident
	FewEvents int     `json:"few_events"`
	FewPeak   float64 `json:"few_peak_mib"` // the same for a tenth of the log: what grows with it shows
}

// verifyPart is how much of the log is verified first, to see whether memory grows with it.
const verifyPart = 10

// verifying writes and seals a log in a database of its own, exports a tenth of it and then all, and verifies both offline.
func (l *lab) verifying(ctx context.Context) error {
	d, err := l.newDatabase(ctx, "verify")
	if err != nil {
		return err
	}
	defer d.owner.Close()
	cfg, err := config.Load([]string{"HOLDFAST_PUBLIC_URL=" + publicURL, "HOLDFAST_DATABASE_URL=" + d.url, "HOLDFAST_KEYRING=" + l.keyring}, config.ForOperating)
	if err != nil {
		return err
	}
	sealer, err := app.NewSealer(cfg, d.owner, l.keys, telemetry.NewMetrics(telemetry.Build{}))
	if err != nil {
		return err
	}
	few, err := l.verifyLog(ctx, d, sealer, 0, l.events/verifyPart)
	if err != nil {
		return err
	}
	r, err := l.verifyLog(ctx, d, sealer, l.events/verifyPart, l.events)
	if err != nil {
		return err
	}
	r.FewEvents, r.FewPeak = few.Events, few.PeakMiB
	l.result.Verify = r
	return nil
}

// verifyLog makes the log longer, and exports and verifies the whole of it.
func (l *lab) verifyLog(ctx context.Context, d *database, sealer *auditlog.Sealer, from, to int) (*verifyResult, error) {
	l.sayf("verify: writing and sealing %d events", to-from)
	for i := from; i < to; i += writeAtOnce {
		if err := writeEvents(ctx, d, i, min(i+writeAtOnce, to)); err != nil {
			return nil, err
		}
	}
	if err := sealer.Drain(ctx); err != nil {
		return nil, err
	}
	file := filepath.Join(l.dir, "log.ndjson")
	l.sayf("verify: exporting %d events", to)
	if out, err := l.child(ctx, d, "audit", "export", "--all", file).CombinedOutput(); err != nil {
		return nil, fmt.Errorf("export: %w\n%s", err, out)
	}
	keys, err := l.child(ctx, d, "audit", "keys").Output()
	if err != nil {
		return nil, err
	}
	info, err := os.Stat(file)
	if err != nil {
		return nil, err
	}
	l.sayf("verify: %d events, %d MiB", to, info.Size()>>20)
	cmd := l.child(ctx, d, "audit", "verify", "-q", "--key", strings.TrimSpace(string(keys)), file)
	cmd.Env = []string{"HOME=" + l.dir} // it needs no service and no database
	var said bytes.Buffer
	cmd.Stdout, cmd.Stderr = &said, &said
	took, err := timed(cmd.Run)
	var events int
	if _, rest, good := strings.Cut(said.String(), ": good: "); good {
		_, _ = fmt.Sscanf(rest, "%d events (the whole log)", &events)
	}
	if err != nil || events < to { // an export is an event itself, so there may be more
		return nil, errors.Join(fmt.Errorf("verify: not good\n%s", said.String()), err)
	}
	r := &verifyResult{Events: to, FileMiB: float64(info.Size()) / (1 << 20), Seconds: took.Seconds(), PerSecond: float64(to) / took.Seconds()}
	if usage, ok := cmd.ProcessState.SysUsage().(*syscall.Rusage); ok {
		r.PeakMiB = float64(usage.Maxrss) / 1024 // Linux counts in KiB
	}
	return r, os.Remove(file)
}

// writeAtOnce is how many events one statement writes.
const writeAtOnce = 10_000

// writeEvents writes events from one number up to another, as a recovery's proofs leave them.
func writeEvents(ctx context.Context, d *database, from, to int) error {
	_, err := d.owner.Pool().Exec(ctx, `insert into audit_event (tenant_id, id, at, actor_kind, actor_id, action, subject, outcome, origin, request_id, details)
		select $1, 'evt_' || lpad(i::text, 8, '0'), now(), 'claimant', 'cli_1', 'recovery.proof.accepted', 'rcv_' || i, 'success', '203.0.113.0/24', 'req_' || i,
		       jsonb_build_object('method', 'email', 'class', 'S', 'source', 'chn_' || i, 'challenge', 'chl_' || i, 'row', jsonb_build_object('tier', 'low', 'plan', md5(i::text), 'expires_at', now()))
		  from generate_series($2::int + 1, $3::int) i`, tenant, from, to)
	return err
}
