package auditlog

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"io"
	"strings"
	"time"

	"github.com/holdfast/holdfast/internal/audit"
	"github.com/holdfast/holdfast/internal/fault"
)

// Why a month is not retired.
var (
	// ErrMayNotRetire says that the database's role is not the owner of the schema.
	ErrMayNotRetire = errors.New("this role may not retire a month of the audit log")
	// ErrKept says that the database kept a month by a rule, and names it.
	ErrKept = errors.New("the database keeps the month")
	// ErrBusy says that a lock was not to be had in two seconds. It may be tried again.
	ErrBusy = errors.New("the audit log is busy")
	// ErrArchive says that what was archived is not what the log signs. Nothing was dropped.
	ErrArchive = errors.New("the archive is not good")
)

// Month is a partition of the log: the events of a month by their ids, or, as "before", of the time before there were months.
type Month struct {
	Name            string // 202411
	FromID, UntilID string
	End             time.Time
}

// Kept is a rule that keeps a month, and what it is about.
type Kept struct{ Rule, About string }

// String says it to an operator.
func (k Kept) String() string {
	switch k.Rule {
	case "young":
		return "it ended on " + k.About + ", which is not long enough ago"
	case "unsealed":
		return k.About + " of its events are not sealed"
	case "gone":
		return "event " + k.About + " was sealed and is gone already: holdfast audit verify"
	case "unsigned":
		return "no signed checkpoint covers leaf " + k.About
	case "unanchored":
		return "the head that covers it was not taken by " + k.About
	case "held":
		return "a legal hold keeps " + k.About
	case "alive":
		return "recovery " + k.About + " is not forgotten yet"
	case "unjustified":
		return "not justified by its events: " + k.About
	default:
		return k.Rule + ": " + k.About
	}
}

// RetirePolicy is what a retirement goes by.
type RetirePolicy struct {
	Origin    string
	Months    int      // how many months are kept, audit.LeastMonths at least
	Anchors   []string // each of which must have taken the head that covers the month
	Witnesses []string // of which Quorum must have
	Quorum    int
	Operator  string
}

// RetireStore is the log as its owner has it. Errors are faults, but for those above.
type RetireStore interface {
	Now(ctx context.Context) (time.Time, error)
	// MayRetire is ErrMayNotRetire for a role that is not the schema's owner.
	MayRetire(ctx context.Context) error
	// Months gives the months that are there, the oldest first.
	Months(ctx context.Context) ([]Month, error)
	// Stray counts events before that time which lie outside of all months, and are never retired.
	Stray(ctx context.Context, before time.Time) (int64, error)
	// Kept says what keeps a month: nothing when it may go.
	Kept(ctx context.Context, month string, p RetirePolicy) ([]Kept, error)
	Checkpoint(ctx context.Context, origin string, cosignatures int) (Signed, error)
	Tiles(ctx context.Context, origin string, names []audit.TileName) ([][]audit.Hash, error)
	TenantsOf(ctx context.Context, m Month) ([]string, error)
	WalkMonth(ctx context.Context, origin, tenant string, m Month, after string, atMost int) ([]Record, error)
	// Retire drops a month of that many events and writes the event that says so, whose id it gives. It asks every rule again, and is ErrKept by name.
	Retire(ctx context.Context, month string, p RetirePolicy, events int64, archive string) (event string, err error)
	// ClearRetired deletes a batch of what went with retired months, and says of what how much. Nothing is left when nothing went.
	ClearRetired(ctx context.Context, atMost int) (map[string]int64, error)
	// Sealed reports whether an event is under a published checkpoint.
	Sealed(ctx context.Context, origin, tenant, event string) (bool, error)
}

// Archive is where months go before they are dropped.
type Archive interface {
	// Keep has write write a file of that name, keeps it for good, and has check read what was kept. What check refuses is not kept.
	Keep(name string, write func(io.Writer) error, check func(io.Reader) error) error
}

// Archived is what was archived of a month.
type Archived struct {
	Events int64
	Digest string // sha256:…, of the list of the files' digests; none where there was no event
	Files  []string
}

// ArchiveMonth archives a month: one export with proofs for each tenant, which audit.Verify has found good under these keys, and a list of their
// digests as sha256sum reads it. It leaves out whence events came, whose own time was over long before. What is not good is ErrArchive.
func ArchiveMonth(ctx context.Context, store RetireStore, origin string, keys []string, m Month, to Archive) (Archived, error) {
	var out Archived
	c, err := store.Checkpoint(ctx, origin, 0)
	if err != nil {
		return out, err
	}
	tenants, err := store.TenantsOf(ctx, m)
	if err != nil {
		return out, err
	}
	if out.Digest = "none"; len(tenants) == 0 {
		return out, nil
	}
	var list strings.Builder
	for _, tenant := range tenants {
		name := "holdfast-audit-" + m.Name + "-" + fileName(tenant) + ".ndjson"
		var wrote int64
		var sum hash.Hash
		err := to.Keep(name, func(w io.Writer) error {
			wrote, err = writeMonth(ctx, store, c, keys, tenant, m, w)
			return err
		}, func(r io.Reader) error {
			sum = sha256.New()
			return checkMonth(io.TeeReader(r, sum), keys, tenant, c, &wrote)
		})
		if err != nil {
			return out, fault.Wrap(err, name)
		}
		out.Events += wrote
		out.Files = append(out.Files, name)
		fmt.Fprintf(&list, "%x  %s\n", sum.Sum(nil), name)
	}
	digest := sha256.Sum256([]byte(list.String()))
	out.Digest = "sha256:" + hex.EncodeToString(digest[:])
	name := "holdfast-audit-" + m.Name + ".sha256"
	return out, to.Keep(name, func(w io.Writer) error { _, err := io.WriteString(w, list.String()); return err }, func(r io.Reader) error {
		text, err := io.ReadAll(r)
		if err == nil && string(text) != list.String() {
			err = ErrArchive
		}
		return err
	})
}

// fileName makes a name of a file of a tenant's, which no other tenant has.
func fileName(tenant string) string {
	if tenant != "" && !strings.ContainsFunc(tenant, func(r rune) bool {
		return r != '-' && r != '_' && (r < 'a' || r > 'z') && (r < '0' || r > '9')
	}) {
		return tenant
	}
	return "x." + hex.EncodeToString([]byte(tenant))
}

// writeMonth writes a tenant's events of a month as an export with proofs, and says how many there were.
func writeMonth(ctx context.Context, store RetireStore, c Signed, keys []string, tenant string, m Month, w io.Writer) (int64, error) {
	out := newLines(w)
	out.write(audit.ExportHeader{Version: audit.ExportVersion, Origin: c.Origin, Keys: keys, Tenant: tenant, Checkpoint: string(c.Note)})
	prover := audit.NewProver(tileSource{store, c.Origin}, c.Size)
	for after, n := "", int64(0); ; {
		records, err := store.WalkMonth(ctx, c.Origin, tenant, m, after, exportPage)
		if err != nil {
			return n, err
		}
		for _, r := range records {
			after, r.Personal = r.Event.ID, nil
			n++
			var proof []audit.Hash
			if !r.Sealed() || r.Index >= c.Size {
				return n, fmt.Errorf("%w: event %s is not under the checkpoint", ErrArchive, r.Event.ID)
			}
			if proof, err = prover.Inclusion(ctx, r.Index); err != nil {
				return n, fault.Wrap(err, "prove inclusion")
			}
			out.write(audit.LineOf(r.Entry, r.Index, r.Leaf, proof))
		}
		if out.err != nil || len(records) == 0 {
			out.end()
			return n, out.flush()
		}
	}
}

// checkMonth reads an archive back: it must be good under our keys, whole, and of as many events as were written.
func checkMonth(r io.Reader, keys []string, tenant string, c Signed, wrote *int64) error {
	report, err := audit.Verify(r, audit.VerifyConfig{Keys: keys})
	if err != nil {
		return err
	}
	if _, err := io.Copy(io.Discard, r); err != nil { // what verification may have left goes into the digest as well
		return err
	}
	switch {
	case !report.OK():
		return fmt.Errorf("%w: tenant %s: %s", ErrArchive, tenant, report.Problems[0])
	case report.Events != *wrote || report.Waiting != 0 || report.Checkpoint.Head != c.Head:
		return fmt.Errorf("%w: tenant %s: %d of %d events", ErrArchive, tenant, report.Events, *wrote)
	default:
		return nil
	}
}

// NoArchive keeps nothing, and has what would have been kept checked all the same.
type NoArchive struct{}

// Keep implements Archive.
func (NoArchive) Keep(_ string, write func(io.Writer) error, check func(io.Reader) error) error {
	r, w := io.Pipe()
	wrote := make(chan error, 1)
	go func() {
		err := write(w)
		_ = w.CloseWithError(err)
		wrote <- err
	}()
	err := check(r)
	_ = r.CloseWithError(io.ErrClosedPipe)
	if failed := <-wrote; err == nil {
		return failed
	}
	return err
}
