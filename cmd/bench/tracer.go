package main

import (
	"context"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

// tally counts what was done for one kind of request, or for none.
type tally struct {
	requests atomic.Int64
	trips    atomic.Int64 // messages to PostgreSQL that were waited for
	durable  atomic.Int64 // transactions that wrote and committed, so that they waited for the disk
	nanos    atomic.Int64 // from a request's arrival to its answer, summed up
}

// counts is a tally at one moment.
type counts struct{ Requests, Trips, Durable, Nanos int64 }

func (t *tally) counts() counts {
	return counts{t.requests.Load(), t.trips.Load(), t.durable.Load(), t.nanos.Load()}
}

func (c counts) minus(d counts) counts {
	return counts{c.Requests - d.Requests, c.Trips - d.Trips, c.Durable - d.Durable, c.Nanos - d.Nanos}
}

// tracer hears of every statement of the service and books it on the request that its context carries (the foreground), or
// on the background. The edge limits write one unlogged table, whose commits wait for no disk: they are round trips and
// no durable commits.
type tracer struct {
	mu         sync.Mutex
	steps      map[string]*tally
	background tally
}

func newTracer() *tracer { return &tracer{steps: map[string]*tally{}} }

type tallyKey struct{}

// step gives the tally of a kind of request.
func (t *tracer) step(name string) *tally {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.steps[name] == nil {
		t.steps[name] = &tally{}
	}
	return t.steps[name]
}

// snapshot gives the counts of every kind of request; the background's stand under "".
func (t *tracer) snapshot() map[string]counts {
	t.mu.Lock()
	defer t.mu.Unlock()
	out := map[string]counts{"": t.background.counts()}
	for name, s := range t.steps {
		out[name] = s.counts()
	}
	return out
}

// middleware books what happens below it on the request's kind.
func (t *tracer) middleware(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s := t.step(stepOf(r))
		s.requests.Add(1)
		begun := time.Now()
		next.ServeHTTP(w, r.WithContext(context.WithValue(r.Context(), tallyKey{}, s)))
		s.nanos.Add(int64(time.Since(begun)))
	})
}

// stepOf names a request by what it does in a recovery.
func stepOf(r *http.Request) string {
	last := r.URL.Path[strings.LastIndexByte(r.URL.Path, '/')+1:]
	switch {
	case r.Method == http.MethodGet:
		return "read"
	case last == "recoveries":
		return "start"
	case last == "challenges":
		return "challenge"
	case last == "answers":
		return "answer"
	default:
		return last
	}
}

func (t *tracer) of(ctx context.Context) *tally {
	if s, ok := ctx.Value(tallyKey{}).(*tally); ok {
		return s
	}
	return &t.background
}

// TraceQueryStart implements pgx.QueryTracer.
func (t *tracer) TraceQueryStart(ctx context.Context, _ *pgx.Conn, _ pgx.TraceQueryStartData) context.Context {
	return ctx
}

// TraceQueryEnd implements pgx.QueryTracer.
func (t *tracer) TraceQueryEnd(ctx context.Context, conn *pgx.Conn, data pgx.TraceQueryEndData) {
	wrote(conn, data.CommandTag)
	t.trip(ctx, conn)
}

// TraceBatchStart implements pgx.BatchTracer.
func (t *tracer) TraceBatchStart(ctx context.Context, _ *pgx.Conn, _ pgx.TraceBatchStartData) context.Context {
	return ctx
}

// TraceBatchQuery implements pgx.BatchTracer.
func (t *tracer) TraceBatchQuery(_ context.Context, conn *pgx.Conn, data pgx.TraceBatchQueryData) {
	if !strings.Contains(data.SQL, "throttle_bucket") {
		wrote(conn, data.CommandTag)
	}
}

// TraceBatchEnd implements pgx.BatchTracer.
func (t *tracer) TraceBatchEnd(ctx context.Context, conn *pgx.Conn, _ pgx.TraceBatchEndData) {
	t.trip(ctx, conn)
}

const dirtyKey = "bench.dirty"

// wrote remembers at the connection that its transaction has something to make durable.
func wrote(conn *pgx.Conn, tag pgconn.CommandTag) {
	switch data := conn.PgConn().CustomData(); {
	case tag.String() == "ROLLBACK":
		data[dirtyKey] = false
	case (tag.Insert() || tag.Update() || tag.Delete()) && tag.RowsAffected() > 0:
		data[dirtyKey] = true
	}
}

// trip books a round trip, and a durable commit when the transaction that has written is over.
func (t *tracer) trip(ctx context.Context, conn *pgx.Conn) {
	s := t.of(ctx)
	s.trips.Add(1)
	data := conn.PgConn().CustomData()
	if dirty, _ := data[dirtyKey].(bool); dirty && conn.PgConn().TxStatus() == 'I' {
		s.durable.Add(1)
		data[dirtyKey] = false
	}
}
