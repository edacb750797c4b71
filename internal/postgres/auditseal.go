package postgres

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/holdfast/holdfast/internal/audit"
	"github.com/holdfast/holdfast/internal/auditlog"
	"github.com/holdfast/holdfast/internal/fault"
)

// AuditLog is the auditlog's store on PostgreSQL. The statements of sealing stand here by hand: they copy in bulk, and compare
// transaction numbers, neither of which the generated queries do.
//
// How it knows that it has seen all: each event carries the number of its transaction, and pg_snapshot_xmin of a statement's own
// snapshot is the smallest number that may still be running. What is below it has ended and, if it was committed, is visible. So
// events are sealed in the order (transaction, tenant, id) up to that number, and none can come later before one of them.
//
// Transaction numbers are a cluster's own. A dump that was restored elsewhere has events with numbers of the old one: a head
// names the cluster it was made in, and in another one all events are looked through once, whatever their numbers.
type AuditLog struct {
	db *DB

	mu     sync.Mutex
	looked position // up to where all is sealed, as this process found out by looking through all events
	look   look     // one that is under way
}

// look is a look through all events, in batches.
type look struct {
	position        // up to where it has come
	start    string // below which no transaction was running when it began
}

// position is up to where events are sealed, in the numbers of one cluster.
type position struct {
	system        int64
	size          int64
	xact          string
	tenant, event string
}

// NewAuditLog makes the store.
func NewAuditLog(db *DB) *AuditLog { return &AuditLog{db: db} }

var _ auditlog.SealStore = (*AuditLog)(nil)

// sealLock is the advisory lock of the one sealer: "holdseal".
const sealLock = 0x686f6c647365616c

// sealing is one transaction of the sealer.
type sealing struct {
	pgx.Tx
	store   *AuditLog
	log     int16
	now     time.Time
	from    position
	foreign bool // the position counts in another cluster's numbers, or there is none: all events are looked through
	look    look
	reached position
}

// Seal implements auditlog.SealStore. The lock is the transaction's: it is free again however the transaction ends.
func (s *AuditLog) Seal(ctx context.Context, origin string, fn func(auditlog.Sealing) error) (bool, error) {
	tx, err := s.db.pool.Begin(ctx)
	if err != nil {
		return false, translate(err, "begin sealing")
	}
	defer func() {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), rollbackWithin)
		defer cancel()
		_ = tx.Rollback(ctx)
	}()
	var alone bool
	if err := tx.QueryRow(ctx, `select pg_try_advisory_xact_lock($1)`, int64(sealLock)).Scan(&alone); err != nil {
		return false, translate(err, "lock sealing")
	}
	if !alone {
		return false, nil
	}
	t := &sealing{Tx: tx, store: s}
	if err := t.open(ctx, origin); err != nil {
		return false, translate(err, "open log")
	}
	if err := fn(t); err != nil {
		return false, translate(err, "seal")
	}
	if err := tx.Commit(ctx); err != nil {
		return false, translate(err, "commit sealing")
	}
	t.remember()
	return true, nil
}

// open finds the log of that origin, or begins it.
func (t *sealing) open(ctx context.Context, origin string) error {
	_, err := t.Exec(ctx, `insert into audit_log (id, origin, created_at)
		select coalesce(max(l.id), 0) + 1, $1, holdfast_now() from audit_log l having count(*) filter (where l.origin = $1) = 0`, origin)
	if err != nil {
		return err
	}
	return t.QueryRow(ctx, `select id from audit_log where origin = $1`, origin).Scan(&t.log)
}

// Position implements auditlog.Sealing.
func (t *sealing) Position(ctx context.Context) (auditlog.Position, error) {
	var (
		p      auditlog.Position
		root   []byte
		system int64
	)
	err := t.QueryRow(ctx, `
		select holdfast_now(), (select system_identifier from pg_control_system()), pg_snapshot_xmin(pg_current_snapshot())::text,
		       coalesce(h.size, 0), h.root, coalesce(h.system, 0), coalesce(h.xact::text, '0'), coalesce(h.tenant_id, ''), coalesce(h.event_id, '')
		  from (values (1)) one
		  left join lateral (select size, root, system, xact, tenant_id, event_id from audit_head where log_id = $1 order by size desc limit 1) h on true`,
		t.log).Scan(&p.Now, &system, &t.reached.xact, &p.Head.Size, &root, &t.from.system, &t.from.xact, &t.from.tenant, &t.from.event)
	if err != nil {
		return auditlog.Position{}, err
	}
	copy(p.Head.Root[:], root)
	t.now, t.from.size = p.Now.UTC(), p.Head.Size
	t.foreign = t.from.system != system
	t.reached.system, t.reached.size = system, p.Head.Size
	t.resume(t.reached)
	return p, nil
}

// resume takes up what this process knows of a log whose head does not say it.
func (t *sealing) resume(at position) {
	if !t.foreign {
		return
	}
	t.store.mu.Lock()
	defer t.store.mu.Unlock()
	if known := t.store.looked; known.system == at.system && known.size == at.size {
		t.from, t.foreign = known, false
		return
	}
	t.look = t.store.look
	if t.look.system != at.system || t.look.size != at.size {
		t.look = look{position: position{system: at.system, size: at.size, xact: "0"}, start: at.xact}
	}
	t.from = t.look.position
}

// entryColumns are the columns of an entry, as scanEntry takes them.
const entryColumns = `e.tenant_id, e.id, e.at, e.actor_kind, e.actor_id, e.action, e.subject, coalesce(e.account_id, ''), coalesce(e.recovery_id, ''),
	coalesce(e.recovery_version, 0), coalesce(e.from_state::text, ''), coalesce(e.to_state::text, ''), e.reason, e.policy_version, e.outcome,
	e.details, e.salt, p.salt, p.origin, p.request_id`

// entryTables join an event with what is personal of it. The join is by each event's own row: a plan that hashed the whole table
// would be slow on a log of millions.
const entryTables = `audit_event e left join lateral (
	select q.salt, q.origin, q.request_id from audit_personal q where q.tenant_id = e.tenant_id and q.event_id = e.id offset 0) p on true`

// notSealed is asked of each event by itself, for the same reason.
const notSealed = `(select l.leaf_index from audit_leaf l where l.log_id = $1 and l.tenant_id = e.tenant_id and l.event_id = e.id) is null`

// scanEntry reads entryColumns, and after them what else was selected.
func scanEntry(rows pgx.Rows, more ...any) (audit.Entry, error) {
	var (
		e        audit.Event
		entry    audit.Entry
		details  []byte
		personal audit.Personal
		origin   *string
		request  *string
		err      error
	)
	dest := []any{
		&e.Tenant, &e.ID, &e.At, &e.Actor.Kind, &e.Actor.ID, &e.Action, &e.Subject, &e.Account, &e.Recovery, &e.Version, &e.From, &e.To, &e.Reason,
		&e.PolicyVersion, &e.Outcome, &details, &entry.Salt, &personal.Salt, &origin, &request,
	}
	if err := rows.Scan(append(dest, more...)...); err != nil {
		return audit.Entry{}, err
	}
	e.At = e.At.UTC()
	if e.Details, err = audit.ParseDetails(details); err != nil {
		return audit.Entry{}, fmt.Errorf("event %s: %w", e.ID, err)
	}
	if origin != nil && request != nil {
		personal.Origin, personal.RequestID = *origin, *request
		entry.Personal = &personal
	}
	entry.Event = e
	return entry, nil
}

// mostRead bounds the bytes of the events that are read at once: one that tells of an import has hundreds of kilobytes, and a page may have a thousand events.
const mostRead = 8 << 20

// bytesRead counts the bytes of the rows that were read.
type bytesRead int

func (r *bytesRead) count(rows pgx.Rows) {
	for _, v := range rows.RawValues() {
		*r += bytesRead(len(v))
	}
}

func (r *bytesRead) enough() bool { return *r >= mostRead }

// Unsealed implements auditlog.Sealing.
func (t *sealing) Unsealed(ctx context.Context, atMost int) ([]audit.Entry, error) {
	horizon := `and e.xact < pg_snapshot_xmin(pg_current_snapshot())`
	if t.foreign {
		horizon = ``
	}
	rows, err := t.Query(ctx, `select `+entryColumns+`, e.xact::text from `+entryTables+`
		where e.xact >= $3::text::xid8 and (e.xact, e.tenant_id, e.id) > ($3::text::xid8, $4, $5) `+horizon+` and `+notSealed+`
		order by e.xact, e.tenant_id, e.id limit $2`, t.log, atMost, t.from.xact, t.from.tenant, t.from.event)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var out []audit.Entry
	var xact string
	var read bytesRead
	for !read.enough() && rows.Next() {
		entry, err := scanEntry(rows, &xact)
		if err != nil {
			return nil, err
		}
		read.count(rows)
		out = append(out, entry)
	}
	rows.Close()
	if err := rows.Err(); err != nil {
		return nil, err
	}
	if read.enough() {
		atMost = len(out) // a batch that was cut short by the size of its events
	}
	t.reach(out, xact, atMost)
	return out, nil
}

// reach notes up to where everything is sealed after this batch. A look through all events that found no more has reached the
// number below which nothing was running when it began; one that was cut short by the size of a batch goes on from there.
func (t *sealing) reach(batch []audit.Entry, xact string, atMost int) {
	last := t.from
	if len(batch) > 0 {
		e := batch[len(batch)-1].Event
		last.xact, last.tenant, last.event = xact, e.Tenant, e.ID
	}
	switch {
	case !t.foreign:
		t.reached.xact, t.reached.tenant, t.reached.event = last.xact, last.tenant, last.event
	case len(batch) < atMost:
		t.reached.xact = t.look.start
	default:
		t.look.xact, t.look.tenant, t.look.event = last.xact, last.tenant, last.event
		t.reached.system, t.reached.xact = 0, "0"
	}
}

// remember keeps what this process has found out, after the commit.
func (t *sealing) remember() {
	t.store.mu.Lock()
	defer t.store.mu.Unlock()
	if t.reached.system == 0 {
		t.store.look = t.look
		t.store.look.size = t.reached.size
		return
	}
	t.store.looked = t.reached
}

// Edge implements auditlog.Sealing.
func (t *sealing) Edge(ctx context.Context, size int64) (*audit.Edge, error) {
	var levels [][]audit.Hash
	for level, n := 0, size; n > 0; level, n = level+1, n/audit.TileWidth {
		row, err := tile(ctx, t, t.log, audit.TileName{Level: level, N: n / audit.TileWidth, Width: int(n % audit.TileWidth)})
		if err != nil {
			return nil, err
		}
		levels = append(levels, row)
	}
	edge, err := audit.NewEdge(size, levels)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", auditlog.ErrBroken, err)
	}
	return edge, nil
}

// Append implements auditlog.Sealing. What is there already, or would not continue what is, is refused by the tables themselves.
func (t *sealing) Append(ctx context.Context, b auditlog.Batch) error {
	first := b.Head.Size - int64(len(b.Leaves))
	_, err := t.CopyFrom(ctx, pgx.Identifier{"audit_leaf"}, []string{"log_id", "leaf_index", "tenant_id", "event_id", "leaf"},
		pgx.CopyFromSlice(len(b.Leaves), func(i int) ([]any, error) {
			l := b.Leaves[i]
			return []any{t.log, first + int64(i), l.Tenant, l.Event, l.Leaf}, nil
		}))
	if err != nil {
		return err
	}
	batch := &pgx.Batch{}
	for _, tile := range b.Tiles {
		batch.Queue(`insert into audit_tile (log_id, level, n, hashes, root) values ($1, $2, $3, $4, $5)`,
			t.log, tile.Level, tile.N, audit.PackHashes(tile.Hashes), tile.Root[:])
	}
	t.reached.size = b.Head.Size
	batch.Queue(`insert into audit_head (log_id, size, root, sealed_at, system, xact, tenant_id, event_id) values ($1, $2, $3, $4, $5, $6::text::xid8, $7, $8)`,
		t.log, b.Head.Size, b.Head.Root[:], b.At, t.reached.system, t.reached.xact, t.reached.tenant, t.reached.event)
	return t.SendBatch(ctx, batch).Close()
}

// Newest implements auditlog.SealStore.
func (s *AuditLog) Newest(ctx context.Context, origin, keys string) (auditlog.Published, error) {
	var (
		p    auditlog.Published
		root []byte
		note *string
	)
	err := s.db.pool.QueryRow(ctx, `
		select h.size, h.root, c.note from audit_log l join audit_head h on h.log_id = l.id
		  left join audit_checkpoint c on c.log_id = h.log_id and c.size = h.size and c.keys = $2
		 where l.origin = $1 order by h.size desc limit 1`, origin, keys).Scan(&p.Head.Size, &root, &note)
	if errors.Is(err, pgx.ErrNoRows) {
		return auditlog.Published{}, nil
	}
	if err != nil {
		return auditlog.Published{}, translate(err, "read head")
	}
	copy(p.Head.Root[:], root)
	if note != nil {
		p.Note = []byte(*note)
	}
	return p, nil
}

// Publish implements auditlog.SealStore.
func (s *AuditLog) Publish(ctx context.Context, origin string, size int64, keys string, note []byte) error {
	_, err := s.db.pool.Exec(ctx, `
		insert into audit_checkpoint (log_id, size, keys, note, signed_at)
		select l.id, $2, $3, $4, holdfast_now() from audit_log l where l.origin = $1
		on conflict do nothing`, origin, size, keys, string(note))
	return translate(err, "publish checkpoint")
}

// LastPublished implements auditlog.SealStore.
func (s *AuditLog) LastPublished(ctx context.Context, origin string) (auditlog.Published, error) {
	var note string
	err := s.db.pool.QueryRow(ctx, `
		select c.note from audit_checkpoint c join audit_log l on l.id = c.log_id
		 where l.origin = $1 order by c.size desc, c.signed_at desc limit 1`, origin).Scan(&note)
	if errors.Is(err, pgx.ErrNoRows) {
		return auditlog.Published{}, nil
	}
	if err != nil {
		return auditlog.Published{}, translate(err, "read published checkpoint")
	}
	c, err := audit.UnverifiedCheckpoint([]byte(note))
	if err != nil {
		return auditlog.Published{}, fault.Of(fault.CodeInternal).Because(err)
	}
	return auditlog.Published{Head: c.Head, Note: []byte(note)}, nil
}

// Took implements auditlog.SealStore.
func (s *AuditLog) Took(ctx context.Context, origin string, size int64, anchor, lines string) error {
	_, err := s.db.pool.Exec(ctx, `
		insert into audit_cosignature (log_id, size, witness, lines, at)
		select l.id, $2, $3, $4, holdfast_now() from audit_log l where l.origin = $1
		on conflict do nothing`, origin, size, anchor, lines)
	return translate(err, "keep what an anchor took")
}

// Taken implements auditlog.SealStore. What an anchor has not taken has been there since the first head beyond what it has.
func (s *AuditLog) Taken(ctx context.Context, origin string, anchors []string) (auditlog.Taken, error) {
	rows, err := s.db.pool.Query(ctx, `
		select a.name, holdfast_now(), coalesce(t.size, 0), coalesce(greatest(0, extract(epoch from holdfast_now() - h.sealed_at)), 0)
		  from unnest($2::text[]) a (name)
		  left join audit_log l on l.origin = $1
		  left join lateral (select c.size from audit_cosignature c where c.log_id = l.id and c.witness = a.name order by c.size desc limit 1) t on true
		  left join lateral (select x.sealed_at from audit_head x where x.log_id = l.id and x.size > coalesce(t.size, 0) order by x.size limit 1) h on true`,
		origin, anchors)
	if err != nil {
		return auditlog.Taken{}, translate(err, "read what anchors took")
	}
	defer rows.Close()
	out := auditlog.Taken{By: map[string]auditlog.TakenBy{}}
	for rows.Next() {
		var (
			name    string
			by      auditlog.TakenBy
			seconds float64
		)
		if err := rows.Scan(&name, &out.Now, &by.Size, &seconds); err != nil {
			return auditlog.Taken{}, translate(err, "read what anchors took")
		}
		by.Lag = time.Duration(seconds * float64(time.Second))
		out.By[name] = by
	}
	out.Now = out.Now.UTC()
	return out, translate(rows.Err(), "read what anchors took")
}

// Lag implements auditlog.SealStore. It looks at a thousand events, so that one whose time lies ahead hides no lag. Where the head counts in another cluster's numbers, an event younger than the head waits.
func (s *AuditLog) Lag(ctx context.Context, origin string) (auditlog.Lag, error) {
	var lag auditlog.Lag
	var seconds float64
	err := s.db.pool.QueryRow(ctx, `
		with h as (
			select x.size, x.xact, x.tenant_id, x.event_id, x.sealed_at, x.system = (select system_identifier from pg_control_system()) as ours
			  from audit_log l join audit_head x on x.log_id = l.id where l.origin = $1 order by x.size desc limit 1)
		select coalesce((select size from h), 0), greatest(0, extract(epoch from holdfast_now() - case
			when (select ours from h) then (
				select min(y.at) from (select e.at from audit_event e where e.xact >= (select xact from h)
				   and (e.xact, e.tenant_id, e.id) > (select xact, tenant_id, event_id from h) order by e.xact limit 1000) y)
			else (select min(e.at) from audit_event e where e.at > coalesce((select sealed_at from h), '-infinity'))
			end), 0)`, origin).Scan(&lag.Size, &seconds)
	if err != nil {
		return auditlog.Lag{}, translate(err, "measure sealing lag")
	}
	lag.Waiting = time.Duration(seconds * float64(time.Second))
	return lag, nil
}

// Tiles implements auditlog.SealStore.
func (s *AuditLog) Tiles(ctx context.Context, origin string, names []audit.TileName) ([][]audit.Hash, error) {
	var log int16
	if err := s.db.pool.QueryRow(ctx, `select id from audit_log where origin = $1`, origin).Scan(&log); err != nil {
		return nil, translate(err, "find log")
	}
	out := make([][]audit.Hash, 0, len(names))
	for _, n := range names {
		row, err := tile(ctx, s.db.pool, log, n)
		if err != nil {
			return nil, translate(err, "read tile")
		}
		out = append(out, row)
	}
	return out, nil
}

// querier is a pool or a transaction.
type querier interface {
	Query(ctx context.Context, sql string, args ...any) (pgx.Rows, error)
	QueryRow(ctx context.Context, sql string, args ...any) pgx.Row
}

// tile reads the first hashes of a tile: from the full one where it is kept, else from what it is made of. Fewer than were
// asked for means that the tree does not have them.
func tile(ctx context.Context, on querier, log int16, name audit.TileName) ([]audit.Hash, error) {
	if name.Width == 0 {
		return nil, nil
	}
	var packed []byte
	err := on.QueryRow(ctx, `select hashes from audit_tile where log_id = $1 and level = $2 and n = $3`, log, name.Level, name.N).Scan(&packed)
	if err == nil {
		hashes, err := audit.UnpackHashes(packed)
		return hashes[:min(name.Width, len(hashes))], err
	}
	if !errors.Is(err, pgx.ErrNoRows) {
		return nil, err
	}
	first := name.N * audit.TileWidth
	sql := `select sha256('\x00'::bytea || leaf) from audit_leaf where log_id = $1 and leaf_index >= $2 and leaf_index < $3 order by leaf_index`
	args := []any{log, first, first + int64(name.Width)}
	if name.Level > 0 {
		sql = `select root from audit_tile where log_id = $1 and n >= $2 and n < $3 and level = $4 order by n`
		args = append(args, name.Level-1)
	}
	rows, err := on.Query(ctx, sql, args...)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	out := make([]audit.Hash, 0, name.Width)
	for rows.Next() {
		var b []byte
		if err := rows.Scan(&b); err != nil {
			return nil, err
		}
		var h audit.Hash
		copy(h[:], b)
		out = append(out, h)
	}
	return out, rows.Err()
}
