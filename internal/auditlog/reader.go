package auditlog

import (
	"context"
	"errors"
	"io"
	"strings"
	"time"

	"github.com/holdfast/holdfast/internal/audit"
	"github.com/holdfast/holdfast/internal/fault"
	"github.com/holdfast/holdfast/internal/secret"
)

// MaxEvents bounds one page of events.
const MaxEvents = 1000

// Filter says which events are meant. Empty fields do not restrict; all that are set have to hold.
type Filter struct {
	Tenant     string // required
	AccountRef string // the tenant's own name of the account
	Account    string // acc_…
	Recovery   string // rcv_…
	Subject    string // what it is about, whatever it is: cas_…, cli_…, ntc_…
	Actor      string // the id of who acted
	Action     audit.Action
	From, To   time.Time // From included, To not
	Cursor     string    // the cursor of the page before
	Limit      int       // 1 to MaxEvents; 100 when zero
	// Cosignatures is how many witnesses must have cosigned the checkpoint of an export, which is then the newest of these.
	Cosignatures int
}

// defaultLimit is the size of a page that names none.
const defaultLimit = 100

// valid reports whether the filter can be asked.
func (f Filter) valid() bool {
	return f.Tenant != "" && f.Limit >= 1 && f.Limit <= MaxEvents && (f.Cursor == "" || secret.ParseID("evt", f.Cursor) == nil) &&
		(f.To.IsZero() || f.From.IsZero() || f.From.Before(f.To))
}

// Record is an event with its place in the log.
type Record struct {
	audit.Entry
	Index int64  // -1 while it is not sealed
	Leaf  []byte // what was sealed; nil while it is not
}

// Sealed reports whether the event is in the log.
func (r Record) Sealed() bool { return r.Index >= 0 }

// Page is one page of events, newest first.
type Page struct {
	Records []Record
	Next    string // the cursor of the next page; empty after the last one
	// RetiredBefore is, on the last page, the end of the youngest month that was retired by policy; zero when none was.
	RetiredBefore time.Time
}

// Signed is a published checkpoint.
type Signed struct {
	audit.Checkpoint
	Note []byte // with what witnesses added
}

// ReadStore reads the log. Errors are faults.
type ReadStore interface {
	// Events gives a page. Events that are appended meanwhile do not move the pages. The event that tells of the reading is
	// committed together with it, or nothing is given.
	Events(ctx context.Context, origin string, f Filter, reading audit.Event) (Page, error)
	// Event gives one event of the tenant, or fault.CodeNotFound, or fault.CodeEventRetired when its month was retired, with the event of the reading likewise.
	Event(ctx context.Context, origin, tenant, id string, reading audit.Event) (Record, error)
	// Record commits an event by itself.
	Record(ctx context.Context, reading audit.Event) error
	// Walk gives events of the tenant in the order of their ids, after that id, at most that many. It tells of nothing: Record does.
	Walk(ctx context.Context, origin string, f Filter, after string, atMost int) ([]Record, error)
	// Checkpoint gives the newest published checkpoint that at least so many witnesses have cosigned, or fault.CodeNotFound.
	Checkpoint(ctx context.Context, origin string, cosignatures int) (Signed, error)
	// Tiles gives tiles of the log of that origin.
	Tiles(ctx context.Context, origin string, names []audit.TileName) ([][]audit.Hash, error)
	// AccountID finds an account by the hashes of its name, or fault.CodeNotFound.
	AccountID(ctx context.Context, tenant string, refHashes [][]byte) (string, error)
	// Now reads the one clock.
	Now(ctx context.Context) (time.Time, error)
}

// Reader is who reads: a tenant's client, or an operator.
type Reader struct {
	Tenant    string
	By        audit.Actor
	Origin    string // truncated network
	RequestID string
}

// LogConfig is what a Log is made of.
type LogConfig struct {
	Store  ReadStore
	Desks  DeskStore
	Origin string
	Keys   []string // verifier keys, the primary's first
	// RefHashes gives the hashes that an account_ref is looked up by.
	RefHashes func(tenant, ref string) [][]byte
	// Reasons gives the words of a case's decisions, by proposal and person ("prp_…/stf_…").
	Reasons func(ctx context.Context, tenant, caseID string) (map[string]string, error)
	Rand    io.Reader
}

// Log is what can be asked of the log. It is safe for concurrent use.
type Log struct{ LogConfig }

// NewLog makes a Log.
func NewLog(cfg LogConfig) (*Log, error) {
	if cfg.Store == nil || cfg.RefHashes == nil || cfg.Desks == nil || cfg.Reasons == nil || cfg.Rand == nil || len(cfg.Keys) == 0 || !audit.ValidOrigin(cfg.Origin) {
		return nil, errors.New("auditlog: incomplete configuration")
	}
	return &Log{LogConfig: cfg}, nil
}

// reading is the event that tells of a reading: one for a request, however many rows it gives.
func (l *Log) reading(who Reader, now time.Time, action audit.Action, subject string, details map[string]any) audit.Event {
	return audit.Event{
		ID: secret.NewID("evt", now, l.Rand), Tenant: who.Tenant, At: now, Actor: who.By, Action: action, Subject: subject,
		Outcome: audit.Success, Origin: who.Origin, RequestID: who.RequestID, Details: details,
	}
}

// subjectLog is the subject of readings that are not about one event.
const subjectLog = "audit_log"

// Events gives one page of the tenant's events, newest first. A filter that cannot be is fault.CodeInvalidRequest.
func (l *Log) Events(ctx context.Context, who Reader, f Filter) (Page, error) {
	f.Tenant = who.Tenant
	if f.Limit == 0 {
		f.Limit = defaultLimit
	}
	if !f.valid() {
		return Page{}, fault.Of(fault.CodeInvalidRequest)
	}
	now, err := l.Store.Now(ctx)
	if err != nil {
		return Page{}, err
	}
	reading := l.reading(who, now, audit.AuditRead, subjectLog, f.details())
	known, err := l.resolve(ctx, &f)
	if err != nil {
		return Page{}, err
	}
	if !known {
		return Page{}, l.Store.Record(ctx, reading)
	}
	if f.Account != "" {
		reading.Details["account"] = f.Account
	}
	return l.Store.Events(ctx, l.Origin, f, reading)
}

// resolve turns the tenant's name of an account into its id. An account that does not exist, or no longer, has no events.
func (l *Log) resolve(ctx context.Context, f *Filter) (known bool, err error) {
	if f.AccountRef == "" {
		return true, nil
	}
	id, err := l.Store.AccountID(ctx, f.Tenant, l.RefHashes(f.Tenant, f.AccountRef))
	if fault.CodeOf(err) == fault.CodeNotFound {
		return false, nil
	}
	if err != nil || (f.Account != "" && f.Account != id) {
		return false, err
	}
	f.Account = id
	return true, nil
}

// notID stands in the event of a reading for what was looked for and is no id. It is not repeated: who looks for a person by an address
// would write the address into a log that cannot forget it.
const notID = "not an id"

// made reports whether a text has the form of an id that is made here: a prefix and 26 characters.
func made(text string) bool {
	prefix, rest, ok := strings.Cut(text, "_")
	return ok && len(prefix) >= 3 && len(prefix) <= 4 && len(rest) == 26 &&
		!strings.ContainsFunc(prefix+rest, func(r rune) bool { return (r < 'a' || r > 'z') && (r < '0' || r > '9') })
}

// details says what was asked for. The tenant's own name of an account is not among it, and what is no id is not repeated.
func (f Filter) details() map[string]any {
	out := map[string]any{"limit": f.Limit}
	for name, text := range map[string]string{
		"account": f.Account, "recovery": f.Recovery, "subject": f.Subject, "actor": f.Actor, "action": string(f.Action), "cursor": f.Cursor,
	} {
		switch {
		case text == "":
		case made(text) || (name == "action" && !strings.ContainsFunc(text, func(r rune) bool { return r != '.' && r != '_' && (r < 'a' || r > 'z') })):
			out[name] = text
		default:
			out[name] = notID
		}
	}
	for name, at := range map[string]time.Time{"from": f.From, "to": f.To} {
		if !at.IsZero() {
			out[name] = at.UTC()
		}
	}
	return out
}

// Event gives one event, or fault.CodeNotFound; fault.CodeEventRetired for one that the tenant had, whose month was retired by policy.
func (l *Log) Event(ctx context.Context, who Reader, id string) (Record, error) {
	now, err := l.Store.Now(ctx)
	if err != nil {
		return Record{}, err
	}
	return l.Store.Event(ctx, l.Origin, who.Tenant, id, l.reading(who, now, audit.AuditRead, id, nil))
}

// Proof is what shows that an event is in the log: its leaf, what opens the leaf's commitments, and the way from the leaf to the
// root of a signed checkpoint.
type Proof struct {
	Record
	Checkpoint []byte
	Hashes     []audit.Hash
}

// Proof proves that an event is in the log. One that is not sealed yet, or not under a published checkpoint, is
// fault.CodeNotSealed: that takes a second or two.
func (l *Log) Proof(ctx context.Context, who Reader, id string) (Proof, error) {
	r, err := l.Event(ctx, who, id)
	if err != nil {
		return Proof{}, err
	}
	if !r.Sealed() {
		return Proof{}, fault.Of(fault.CodeNotSealed)
	}
	c, err := l.Store.Checkpoint(ctx, l.Origin, 0)
	if fault.CodeOf(err) == fault.CodeNotFound || (err == nil && r.Index >= c.Size) {
		return Proof{}, fault.Of(fault.CodeNotSealed)
	}
	if err != nil {
		return Proof{}, err
	}
	hashes, err := audit.NewProver(tileSource{l.Store, l.Origin}, c.Size).Inclusion(ctx, r.Index)
	if err != nil {
		return Proof{}, fault.Wrap(err, "prove inclusion")
	}
	if err := audit.CheckInclusion(c.Head, r.Index, audit.LeafHash(r.Leaf), hashes); err != nil {
		return Proof{}, fault.Of(fault.CodeInternal).Because(errors.Join(ErrBroken, err))
	}
	return Proof{Record: r, Checkpoint: c.Note, Hashes: hashes}, nil
}

// Checkpoint gives the newest published checkpoint that at least so many witnesses have cosigned, with all that it carries, or
// fault.CodeNotFound while there is none.
func (l *Log) Checkpoint(ctx context.Context, cosignatures int) ([]byte, error) {
	c, err := l.Store.Checkpoint(ctx, l.Origin, cosignatures)
	return c.Note, err
}

// Consistency proves that the tree of size to begins with the tree of size from. to is that of the newest checkpoint when zero.
// Sizes that cannot be are fault.CodeInvalidRequest.
func (l *Log) Consistency(ctx context.Context, from, to int64) (sizes [2]int64, hashes []audit.Hash, err error) {
	c, err := l.Store.Checkpoint(ctx, l.Origin, 0)
	if err != nil {
		return sizes, nil, err
	}
	if to == 0 {
		to = c.Size
	}
	if from < 1 || from > to || to > c.Size {
		return sizes, nil, fault.Of(fault.CodeInvalidRequest).At("query from", "is out of range")
	}
	hashes, err = audit.NewProver(tileSource{l.Store, l.Origin}, to).Consistency(ctx, from)
	return [2]int64{from, to}, hashes, fault.Wrap(err, "prove consistency")
}

// Tile gives a tile of the published tree, or fault.CodeNotFound for one that it does not have (yet).
func (l *Log) Tile(ctx context.Context, path string) ([]byte, error) {
	name, err := audit.ParseTilePath(path)
	if err != nil {
		return nil, fault.Of(fault.CodeNotFound)
	}
	c, err := l.Store.Checkpoint(ctx, l.Origin, 0)
	if err != nil {
		return nil, err
	}
	if !name.Within(c.Size) {
		return nil, fault.Of(fault.CodeNotFound)
	}
	rows, err := l.Store.Tiles(ctx, l.Origin, []audit.TileName{name})
	if err != nil {
		return nil, err
	}
	if len(rows) != 1 || len(rows[0]) != name.Width {
		return nil, fault.Of(fault.CodeInternal).Because(ErrBroken)
	}
	return audit.PackHashes(rows[0]), nil
}

// VerifierKeys gives the log's origin and the keys to check its checkpoints with, the primary's first.
func (l *Log) VerifierKeys() (origin string, keys []string) { return l.Origin, l.Keys }
