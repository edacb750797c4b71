package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"
)

// floor is what PostgreSQL alone does: pgbench, with one transaction that inserts as many rows, one in each of as many
// tables, and whose payload makes it write about as many bytes of log. The statements are prepared and travel in one
// pipeline, as the service's own do, so that the floor pays for the rows and the disk and not for round trips: it is the
// harder one to be compared with. stepwise is the same transaction with a round trip for each statement, as usual.
type floor struct {
	lab     *lab
	pgbench string
	pool    *pgxpool.Pool
	url     string
	rows    int
	payload int // bytes a row
}

// newFloor makes the tables. Without pgbench there is no floor.
func (l *lab) newFloor(ctx context.Context, rows int) (*floor, error) {
	f := &floor{lab: l, rows: max(rows, 1), payload: 1, pgbench: findPgbench(l.pgBin), url: l.pg.URL("floor")}
	if f.pgbench == "" {
		return nil, nil //nolint:nilnil // there is none: the report says so.
	}
	if err := l.pg.EnsureDatabase(ctx, "floor"); err != nil {
		return nil, err
	}
	var err error
	if f.pool, err = pgxpool.New(ctx, f.url); err != nil {
		return nil, err
	}
	for i := range f.rows {
		if _, err := f.pool.Exec(ctx, fmt.Sprintf(`CREATE TABLE floor_%d (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, payload text NOT NULL)`, i)); err != nil {
			return nil, err
		}
		if _, err := f.pool.Exec(ctx, fmt.Sprintf(`ALTER TABLE floor_%d ALTER payload SET STORAGE PLAIN`, i)); err != nil {
			return nil, err
		}
	}
	for _, pipelined := range []bool{true, false} {
		if err := os.WriteFile(f.script(pipelined), []byte(f.text(pipelined)), 0o600); err != nil {
			return nil, err
		}
	}
	return f, nil
}

// findPgbench looks beside the server and in PATH. It is "" when there is none.
func findPgbench(binDir string) string {
	for _, name := range []string{filepath.Join(binDir, "pgbench"), "pgbench"} {
		if found, err := exec.LookPath(name); err == nil {
			return found
		}
	}
	return ""
}

func (f *floor) close() { f.pool.Close() }

// calibrate fits the payload to what a start has just written: after a checkpoint, for one, that is more.
func (f *floor) calibrate(ctx context.Context, wal float64) error {
	for range 2 {
		r, err := f.cell(ctx, true, 4, time.Second)
		if err != nil {
			return err
		}
		f.payload = min(max(f.payload+int((wal-r.WAL)/float64(f.rows)), 1), 7000)
	}
	return nil
}

func (f *floor) script(pipelined bool) string {
	return filepath.Join(f.lab.dir, fmt.Sprintf("floor-%t.sql", pipelined))
}

func (f *floor) text(pipelined bool) string {
	var b strings.Builder
	b.WriteString("BEGIN;\n")
	for i := range f.rows {
		fmt.Fprintf(&b, "INSERT INTO floor_%d (payload) VALUES (:payload);\n", i)
	}
	b.WriteString("COMMIT;\n")
	if pipelined {
		return "\\startpipeline\n" + b.String() + "\\endpipeline\n"
	}
	return b.String()
}

// cell runs pgbench for a while.
func (f *floor) cell(ctx context.Context, pipelined bool, clients int, span time.Duration) (row, error) {
	before, err := read(ctx, f.pool)
	if err != nil {
		return row{}, err
	}
	logs := filepath.Join(f.lab.dir, "floor-log")
	args := []string{
		"-n", "-M", "prepared", "-c", strconv.Itoa(clients), "-j", strconv.Itoa(min(clients, 2)),
		"-T", strconv.Itoa(max(int(span/time.Second), 1)), "-D", "payload=" + strings.Repeat("x", f.payload), "-f", f.script(pipelined),
		"-l", "--log-prefix=" + logs, f.url,
	}
	cmd := exec.CommandContext(ctx, f.pgbench, args...) //nolint:gosec // PostgreSQL's own program.
	cmd.Env = append(os.Environ(), "LC_ALL=C")
	var out, said bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &said
	if err := cmd.Run(); err != nil {
		return row{}, fmt.Errorf("pgbench: %w\n%s", err, said.String())
	}
	times, err := latencies(logs)
	if err != nil {
		return row{}, err
	}
	after, err := read(ctx, f.pool)
	if err != nil {
		return row{}, err
	}
	name := "floor (pgbench, pipelined)"
	trips := 1.0
	if !pipelined {
		name, trips = "floor (pgbench, stepwise)", float64(f.rows+2)
	}
	r := rowOf(name, clients, sample{times: times, span: span, total: len(times)}, after.minus(before))
	r.Trips, r.Foreground = trips, 1
	if r.PerSecond, err = rateOf(out.String()); err != nil {
		return row{}, err
	}
	return r, nil
}

// rateOf reads the rate that pgbench reports, without the time to connect.
func rateOf(out string) (float64, error) {
	for l := range strings.Lines(out) {
		if rest, ok := strings.CutPrefix(l, "tps = "); ok {
			rate, _, _ := strings.Cut(rest, " ")
			return strconv.ParseFloat(rate, 64)
		}
	}
	return 0, errors.New("pgbench reports no rate")
}

// latencies reads and removes pgbench's transaction logs: the third column is the time of a transaction in microseconds.
func latencies(prefix string) ([]time.Duration, error) {
	files, err := filepath.Glob(prefix + ".*")
	if err != nil {
		return nil, err
	}
	var out []time.Duration
	for _, name := range files {
		text, err := os.ReadFile(name)
		if err != nil {
			return nil, err
		}
		for l := range strings.Lines(string(text)) {
			fields := strings.Fields(l)
			if len(fields) < 3 {
				continue
			}
			us, err := strconv.ParseInt(fields[2], 10, 64)
			if err != nil {
				return nil, fmt.Errorf("pgbench's log: %w", err)
			}
			out = append(out, time.Duration(us)*time.Microsecond)
		}
		if err := os.Remove(name); err != nil {
			return nil, err
		}
	}
	slices.Sort(out)
	return out, nil
}
