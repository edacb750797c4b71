package account

import (
	"context"
	"errors"
	"io"
	"runtime"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/holdfast/holdfast/internal/audit"
	"github.com/holdfast/holdfast/internal/fault"
)

// progressEvery is how often an import reports.
const progressEvery = time.Second

// Import registers many accounts, one a line, in memory that does not grow with the body. A line that is not right is
// refused by its number and the rest goes in; accounts that are new go in by batches, each in one transaction with one audit
// event of how many they are. Importing again changes nothing; a line that differs from its account is a Put.
//
// When the store fails or the body breaks off, Import gives the report so far beside the error (the body's error as it came):
// what is reported is in, and importing the whole again is safe.
func (s *Service) Import(ctx context.Context, cmd ImportCommand) (ImportReport, error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	w := &importer{Service: s, cmd: cmd, last: s.Clock.Now()}
	batches := make(chan batch) // one is written while the next one is prepared
	done := make(chan error, 1)
	go func() {
		err := w.writeAll(ctx, batches)
		cancel() // nobody takes another batch
		done <- err
	}()
	readErr := s.prepareAll(ctx, cmd, batches)
	close(batches)
	if err := <-done; err != nil {
		return w.report, fault.Wrap(err, "import accounts")
	}
	w.tell()
	return w.report, readErr
}

// prepareAll reads the body to its end. The caller's goroutine does so, and not the writer's, so that nobody reads the body
// once Import has returned.
func (s *Service) prepareAll(ctx context.Context, cmd ImportCommand, batches chan<- batch) error {
	in := newLines(cmd.Body)
	for {
		lines, readErr := in.batch()
		b, err := s.prepare(ctx, cmd.Tenant, lines)
		if err != nil {
			return fault.Wrap(err, "import accounts")
		}
		select {
		case batches <- b:
		case <-ctx.Done():
			return fault.Of(fault.CodeTimeout).Because(ctx.Err())
		}
		if errors.Is(readErr, io.EOF) {
			return nil
		}
		if readErr != nil {
			return readErr
		}
	}
}

// verdict is what is to be done with a line.
type verdict uint8

const (
	refuse  verdict = iota // err says why
	keep                   // it is on file as it is
	add                    // it is new
	putLine                // it differs from what is on file, or meets another line of its batch: judge it alone
)

// entry is one line on its way in.
type entry struct {
	number  int64
	verdict verdict
	err     error
	reg     registration
	fresh   Fresh
}

type batch struct {
	now     time.Time
	entries []entry
}

// prepare does all work of a batch that needs no transaction: decoding, hashing, comparing and sealing.
func (s *Service) prepare(ctx context.Context, tenant string, lines []line) (batch, error) {
	b := batch{entries: make([]entry, len(lines))}
	if len(lines) == 0 {
		return b, nil
	}
	s.parallel(len(lines), func(i int) { b.entries[i] = s.read(tenant, lines[i]) })
	var hashes [][]byte
	for _, e := range b.entries {
		hashes = append(hashes, e.reg.refHashes...)
	}
	now, found, err := s.Store.Existing(ctx, tenant, hashes)
	if err != nil {
		return batch{}, err
	}
	b.now = now
	b.sort(found)
	s.parallel(len(lines), func(i int) { s.sealEntry(tenant, now, &b.entries[i]) })
	return b, nil
}

func (s *Service) read(tenant string, l line) entry {
	e := entry{number: l.number}
	if l.text == nil {
		e.err = fault.Of(fault.CodeTooLarge).Detail("The line is over 64 KiB.")
		return e
	}
	r, err := DecodeLine(l.text)
	if err == nil {
		e.reg, err = s.check(tenant, r)
	}
	if err != nil {
		e.reg, e.err = registration{}, err
		return e
	}
	e.verdict = add
	return e
}

// sort tells known accounts from new ones, and sets lines apart that name what an earlier line of the batch names.
func (b *batch) sort(found []Stored) {
	known := make(map[string]*Stored, len(found))
	for i := range found {
		known[string(found[i].RefHash)] = &found[i]
	}
	named := map[string]bool{}
	for i := range b.entries {
		e := &b.entries[i]
		if e.verdict == refuse {
			continue
		}
		again := named[string(e.reg.refHashes[0])]
		named[string(e.reg.refHashes[0])] = true
		for _, id := range e.reg.identifiers {
			again = again || named[string(id.hashes[0])]
			named[string(id.hashes[0])] = true
		}
		have := lookUp(known, e.reg.refHashes)
		switch {
		case again:
			e.verdict = putLine
		case have != nil && compare(e.reg, *have).none():
			e.verdict = keep
		case have != nil:
			e.verdict = putLine
		}
	}
}

func lookUp(known map[string]*Stored, hashes [][]byte) *Stored {
	for _, h := range hashes {
		if a := known[string(h)]; a != nil {
			return a
		}
	}
	return nil
}

func (s *Service) sealEntry(tenant string, now time.Time, e *entry) {
	if e.verdict != add {
		return
	}
	err := e.reg.checkTimes(now)
	if err == nil {
		e.fresh.Stored, err = s.seal(tenant, e.reg, now)
	}
	if err != nil {
		e.verdict, e.err = refuse, err
		return
	}
	e.fresh.RefHashes, e.fresh.IdentifierHashes = e.reg.refHashes, e.reg.identifierHashes()
}

// parallel runs fn for 0 to n-1 on a few goroutines.
func (s *Service) parallel(n int, fn func(i int)) {
	workers := s.Workers
	if workers < 1 {
		workers = runtime.GOMAXPROCS(0)
	}
	var wg sync.WaitGroup
	for w := range min(workers, n) {
		wg.Go(func() {
			for i := w; i < n; i += workers {
				fn(i)
			}
		})
	}
	wg.Wait()
}

// importer writes batches and counts.
type importer struct {
	*Service
	cmd    ImportCommand
	report ImportReport
	last   time.Time // of the latest progress report
}

func (w *importer) writeAll(ctx context.Context, batches <-chan batch) error {
	for b := range batches {
		if err := w.write(ctx, b); err != nil {
			return err
		}
		if now := w.Clock.Now(); now.Sub(w.last) >= progressEvery {
			w.last = now
			w.tell()
		}
	}
	return nil
}

// write puts a batch in: what is new in one transaction, the rest one by one.
func (w *importer) write(ctx context.Context, b batch) error {
	var fresh []Fresh
	var from []int // the entry of each
	for i, e := range b.entries {
		if e.verdict == add {
			fresh, from = append(fresh, e.fresh), append(from, i)
		}
	}
	left, err := w.insert(ctx, b.now, fresh)
	if err != nil {
		return err
	}
	for _, i := range left {
		b.entries[from[i]].verdict = putLine
	}
	w.report.Imported += int64(len(fresh) - len(left))
	w.report.Lines += int64(len(fresh) - len(left))
	for _, e := range b.entries {
		if e.verdict == add {
			continue
		}
		if err := w.writeOne(ctx, e); err != nil {
			return err
		}
		w.report.Lines++
	}
	return nil
}

func (w *importer) insert(ctx context.Context, now time.Time, fresh []Fresh) ([]int, error) {
	if len(fresh) == 0 {
		return nil, nil
	}
	return w.Store.Insert(ctx, w.cmd.Tenant, fresh, func(inserted int) audit.Event {
		return w.event(w.cmd.Caller, now, audit.AccountsImported, w.cmd.Tenant, map[string]any{"accounts": inserted})
	})
}

// writeOne counts a line that is no part of the batch's insert. It gives an error only for what is no fault of the line.
func (w *importer) writeOne(ctx context.Context, e entry) error {
	if e.verdict == keep {
		w.report.Replaced++
		return nil
	}
	err := e.err
	if e.verdict == putLine {
		var created bool
		_, created, err = w.put(ctx, w.cmd.Caller, e.reg)
		switch {
		case err == nil && created:
			w.report.Imported++
		case err == nil:
			w.report.Replaced++
		}
	}
	if err == nil {
		return nil
	}
	f := fault.From(err)
	if !slices.Contains([]fault.Kind{fault.Invalid, fault.Conflict, fault.Refused, fault.TooLarge}, f.Kind) {
		return err
	}
	w.report.Refused++
	if len(w.report.Errors) < MaxBadLines {
		w.report.Errors = append(w.report.Errors, badLine(e.number, f))
	}
	return nil
}

// badLine tells of a line by number, code and place, never by content.
func badLine(number int64, f *fault.Fault) BadLine {
	detail := f.Public
	if len(f.Fields) > 0 {
		detail = strings.TrimSpace(f.Fields[0].Pointer + " " + f.Fields[0].Detail) // the object itself has an empty pointer
	}
	return BadLine{Line: number, Code: string(f.Code), Detail: detail}
}

// tell reports progress. The list of bad lines is the receiver's own copy.
func (w *importer) tell() {
	if w.cmd.Progress == nil {
		return
	}
	r := w.report
	r.Errors = slices.Clone(r.Errors)
	w.cmd.Progress(r)
}
