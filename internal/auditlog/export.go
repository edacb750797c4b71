package auditlog

import (
	"bufio"
	"context"
	"encoding/json"
	"io"

	"github.com/holdfast/holdfast/internal/audit"
	"github.com/holdfast/holdfast/internal/fault"
)

// exportPage is how many events are read at once for an export.
const exportPage = 1000

// Format is how an export is written.
type Format string

// The formats.
const (
	NDJSON Format = "ndjson" // JSON lines with leaves, salts and proofs: what `holdfast audit verify` reads
	OCSF   Format = "ocsf"   // JSON lines of the Open Cybersecurity Schema Framework, without proofs
)

// Exporting is an export that has begun: from here on only the connection or the database can fail it.
type Exporting interface {
	// Write writes it. What comes out is bounded in memory, however much it is.
	Write(ctx context.Context, w io.Writer) error
}

type begun struct {
	log    *Log
	filter Filter
	format Format
	signed Signed
}

// Export begins an export of the tenant's events in the order of their ids, and writes down that it did. Before anything
// is sealed it is fault.CodeNotSealed.
func (l *Log) Export(ctx context.Context, who Reader, f Filter, format Format) (Exporting, error) {
	f.Tenant, f.Cursor, f.Limit = who.Tenant, "", MaxEvents
	if !f.valid() {
		return nil, fault.Of(fault.CodeInvalidRequest)
	}
	c, err := l.Store.Checkpoint(ctx, l.Origin, f.Cosignatures)
	if fault.CodeOf(err) == fault.CodeNotFound {
		return nil, fault.Of(fault.CodeNotSealed)
	}
	if err != nil {
		return nil, err
	}
	now, err := l.Store.Now(ctx)
	if err != nil {
		return nil, err
	}
	details := f.details()
	details["format"], details["size"] = string(format), c.Size
	known, err := l.resolve(ctx, &f)
	if err != nil {
		return nil, err
	}
	if !known {
		f.To = f.From // an account that is not there has no events
		f.Account = "nobody"
	}
	if err := l.Store.Record(ctx, l.reading(who, now, audit.AuditExported, subjectLog, details)); err != nil {
		return nil, err
	}
	return &begun{log: l, filter: f, format: format, signed: c}, nil
}

// Write implements Exporting.
func (b *begun) Write(ctx context.Context, w io.Writer) error {
	out := newLines(w)
	if b.format == NDJSON {
		out.write(audit.ExportHeader{
			Version: audit.ExportVersion, Origin: b.log.Origin, Keys: b.log.Keys, Tenant: b.filter.Tenant, Checkpoint: string(b.signed.Note),
		})
	}
	prover := audit.NewProver(tileSource{b.log.Store, b.log.Origin}, b.signed.Size)
	after := ""
	for {
		records, err := b.log.Store.Walk(ctx, b.log.Origin, b.filter, after, exportPage)
		if err != nil {
			return err
		}
		for _, r := range records {
			after = r.Event.ID
			if err := b.line(ctx, out, prover, r); err != nil {
				return err
			}
		}
		if len(records) == 0 {
			break
		}
	}
	if b.format == NDJSON {
		out.end()
	}
	return out.flush()
}

func (b *begun) line(ctx context.Context, out *lines, prover *audit.Prover, r Record) error {
	if b.format == OCSF {
		out.write(audit.OCSF(r.Entry))
		return out.err
	}
	if r.Index >= b.signed.Size {
		r.Index, r.Leaf = -1, nil // sealed since, and not under this checkpoint
	}
	var proof []audit.Hash
	if r.Sealed() {
		var err error
		if proof, err = prover.Inclusion(ctx, r.Index); err != nil {
			return fault.Wrap(err, "prove inclusion")
		}
	}
	out.write(audit.LineOf(r.Entry, r.Index, r.Leaf, proof))
	return out.err
}

// WholeStore reads the whole log, of all tenants. It is the operator's and the auditor's at the database, never a tenant's.
type WholeStore interface {
	Checkpoint(ctx context.Context, origin string, cosignatures int) (Signed, error)
	// Leaves gives leaves in their order with the events that are still there, from that index on and below size; none after the last one.
	Leaves(ctx context.Context, origin string, from, size int64, atMost int) ([]Whole, error)
	// Beside gives events that are in no leaf of the tree of that size, after that tenant and id; none after the last one.
	Beside(ctx context.Context, origin string, size int64, tenant, id string, atMost int) ([]audit.Entry, error)
	// TellReading commits the event of a reading by whoever signed in to the database. When it fails nothing may be given out.
	TellReading(ctx context.Context, r Reading) error
}

// Reading is a reading past the service, by a role of the database: the auditor's, the service's or the owner's. What can be said of it is
// all that the auditor's role can write.
type Reading struct {
	Replay       bool   // recoveries were replayed; otherwise the whole log was exported
	Tenant       string // whose recoveries; empty for all, as an export always is
	Size         int64  // of an export's checkpoint
	Cosignatures int    // that were asked for
}

// Whole is a leaf with its event.
type Whole struct {
	Index int64
	Leaf  []byte
	Entry *audit.Entry // nil when the event is gone
}

// WriteWhole exports the whole log: every leaf, the events, and beside them the events that were never sealed. Its checkpoint is the
// newest that at least so many witnesses have cosigned. Nothing is written before it is written down that it was read.
func WriteWhole(ctx context.Context, store WholeStore, origin string, keys []string, cosignatures int, w io.Writer) error {
	c, err := store.Checkpoint(ctx, origin, cosignatures)
	if err != nil {
		return err
	}
	if err := store.TellReading(ctx, Reading{Size: c.Size, Cosignatures: cosignatures}); err != nil {
		return err
	}
	out := newLines(w)
	out.write(audit.ExportHeader{Version: audit.ExportVersion, Origin: origin, Keys: keys, Checkpoint: string(c.Note), Whole: true})
	for next := int64(0); next < c.Size; {
		page, err := store.Leaves(ctx, origin, next, c.Size, exportPage)
		if err != nil {
			return err
		}
		if len(page) == 0 {
			break // leaves that are missing are named by who verifies
		}
		for _, x := range page {
			next = x.Index + 1
			line := audit.ExportLine{Index: x.Index, Leaf: string(x.Leaf)}
			if x.Entry != nil {
				line = audit.LineOf(*x.Entry, x.Index, x.Leaf, nil)
			}
			out.write(line)
		}
		if out.err != nil {
			return out.err
		}
	}
	tenant, id := "", ""
	for {
		page, err := store.Beside(ctx, origin, c.Size, tenant, id, exportPage)
		if err != nil {
			return err
		}
		for _, e := range page {
			tenant, id = e.Event.Tenant, e.Event.ID
			out.write(audit.LineOf(e, -1, nil, nil))
		}
		if len(page) == 0 {
			break
		}
	}
	out.end()
	return out.flush()
}

// lines writes JSON lines and keeps the first error.
type lines struct {
	w   *bufio.Writer
	enc *json.Encoder
	n   int64 // after the header
	err error
}

func newLines(w io.Writer) *lines {
	buffered := bufio.NewWriterSize(w, 64<<10)
	enc := json.NewEncoder(buffered)
	enc.SetEscapeHTML(false)
	return &lines{w: buffered, enc: enc, n: -1}
}

func (l *lines) write(v any) {
	if l.err == nil {
		l.err = l.enc.Encode(v)
		l.n++
	}
}

func (l *lines) end() { l.write(audit.ExportEnd{End: true, Lines: l.n}) }

func (l *lines) flush() error {
	if l.err != nil {
		return l.err
	}
	return l.w.Flush()
}
