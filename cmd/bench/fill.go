package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"syscall"
	"time"
)

// fill makes both databases. The import into the large one is what is measured.
func (l *lab) fill(ctx context.Context) error {
	var err error
	if l.large, err = l.newDatabase(ctx, "large"); err != nil {
		return err
	}
	if err := l.age(ctx, l.large, l.importLarge); err != nil {
		return err
	}
	if err := l.issueCodes(ctx, l.large); err != nil {
		return fmt.Errorf("issue saved codes: %w", err)
	}
	if err := l.settle(ctx, l.large); err != nil {
		return err
	}
	if !l.wants("start") && !l.wants("seal") && !l.wants("flow") && !l.wants("scale") && !l.wants("signal") && !l.wants("decoy") && !l.wants("limits") && !l.wants("overload") {
		return nil
	}
	l.main, err = l.newService(ctx, l.large)
	return err
}

// age runs fn two months ago: what it puts on file counts as aged.
func (l *lab) age(ctx context.Context, d *database, fn func(context.Context, *database, time.Time) error) error {
	if err := d.owner.AdvanceClock(ctx, -aged); err != nil {
		return err
	}
	err := fn(ctx, d, time.Now().Add(-aged-time.Hour))
	return errors.Join(err, d.owner.AdvanceClock(ctx, aged))
}

// settle does what autovacuum would have done after an import.
func (l *lab) settle(ctx context.Context, d *database) error {
	for _, sql := range []string{"VACUUM ANALYZE", "CHECKPOINT"} {
		if _, err := d.owner.Pool().Exec(ctx, sql); err != nil {
			return err
		}
	}
	return nil
}

// warmUp starts some recoveries and has the tables analysed then, as autovacuum does within its first minute. A statement that is
// planned while a table is known to be empty goes on reading all of it for as long as nobody says that it has grown.
func (l *lab) warmUp(ctx context.Context) error {
	l.say("warming up")
	_, err := drive(ctx, 8, 2*time.Second, func(ctx context.Context) error {
		_, err := l.main.start(ctx, email(asked(l.big)))
		return err
	})
	if err != nil {
		return err
	}
	l.warm = true
	_, err = l.large.owner.Pool().Exec(ctx, `ANALYZE`)
	return err
}

func (l *lab) importLarge(ctx context.Context, d *database, verified time.Time) error {
	l.sayf("importing %d accounts", l.accounts)
	r, err := l.importAccounts(ctx, d, 0, l.accounts, verified)
	if err != nil {
		return err
	}
	l.result.Import = r
	l.sayf("imported %.0f accounts/s, at most %.0f MiB", r.PerSecond, r.PeakMiB)
	if l.big == l.accounts {
		return nil
	}
	l.sayf("importing %d more", l.big-l.accounts)
	more, err := l.importAccounts(ctx, d, l.accounts, l.big, verified)
	l.result.ImportMore = more
	return err
}

// importAccounts runs `holdfast account import` on lines that are made while it reads. The rate counts from its start to its
// end; its memory is the most that the kernel ever saw resident.
func (l *lab) importAccounts(ctx context.Context, d *database, from, to int, verified time.Time) (*importResult, error) {
	read, write, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	cmd := l.child(ctx, d, "account", "import", "-", "--tenant", tenant, "--json")
	var report, said bytes.Buffer
	cmd.Stdin, cmd.Stdout, cmd.Stderr = read, &report, &said
	made := make(chan error, 1)
	go func() { made <- errors.Join(writeLines(write, from, to, verified), write.Close()) }()
	took, err := timed(cmd.Run)
	err = errors.Join(err, read.Close())
	if made := <-made; err == nil {
		err = made
	}
	if err != nil {
		return nil, fmt.Errorf("import: %w\n%s", err, said.String())
	}
	var lines struct {
		Imported int64 `json:"imported"`
	}
	if err := json.Unmarshal(report.Bytes(), &lines); err != nil || lines.Imported != int64(to-from) {
		return nil, fmt.Errorf("import: %d of %d lines went in\n%s", lines.Imported, to-from, report.String())
	}
	out := &importResult{Accounts: to - from, Seconds: took.Seconds(), PerSecond: float64(to-from) / took.Seconds()}
	if usage, ok := cmd.ProcessState.SysUsage().(*syscall.Rusage); ok {
		out.PeakMiB = float64(usage.Maxrss) / 1024 // Linux counts in KiB
	}
	return out, nil
}
