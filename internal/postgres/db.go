// Package postgres keeps Holdfast's state in PostgreSQL: it implements the ports that the core declares, and nothing
// else knows that there are tables.
//
// Rules do not live here; what the schema can enforce, it enforces a second time (migrations/). A PgError's detail holds
// whole rows, so it never leaves this package (fault.go).
package postgres

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/holdfast/holdfast/internal/audit"
	"github.com/holdfast/holdfast/internal/fault"
	"github.com/holdfast/holdfast/internal/postgres/dbsqlc"
)

// Config says how to reach the database.
type Config struct {
	URL      string // may hold a password: never logged
	Role     string // SET ROLE at connect; empty for none
	MaxConns int32
	Tracer   pgx.QueryTracer // hears of every statement, for measurements; nil for none
}

// DB is a pool of connections and the generated queries. It is safe for concurrent use.
type DB struct {
	// Committed, if set before use, is told of audit events after their commit, for metrics and the log. It must not block.
	Committed func(ctx context.Context, events []audit.Event)

	pool *pgxpool.Pool
	q    *dbsqlc.Queries
}

// Open connects. It fails when the database does not answer or refuses the role.
func Open(ctx context.Context, cfg Config) (*DB, error) {
	pc, err := pgxpool.ParseConfig(cfg.URL)
	if err != nil {
		return nil, fmt.Errorf("database URL does not parse") // the cause repeats the URL
	}
	if cfg.MaxConns > 0 {
		pc.MaxConns = cfg.MaxConns
	}
	pc.ConnConfig.ConnectTimeout = 5 * time.Second
	pc.ConnConfig.Tracer = cfg.Tracer
	pc.ConnConfig.RuntimeParams["application_name"] = "holdfast"
	pc.ConnConfig.RuntimeParams["timezone"] = "UTC"
	// A request that hangs on a lock must not hold a connection for ever.
	pc.ConnConfig.RuntimeParams["lock_timeout"] = "5s"
	pc.ConnConfig.RuntimeParams["idle_in_transaction_session_timeout"] = "30s"
	if cfg.Role != "" {
		pc.ConnConfig.RuntimeParams["role"] = cfg.Role
	}
	pool, err := pgxpool.NewWithConfig(ctx, pc)
	if err != nil {
		return nil, fault.Wrap(err, "open database pool")
	}
	if err := pool.Ping(ctx); err != nil {
		pool.Close()
		return nil, unavailable(err, reaching(err))
	}
	return New(pool), nil
}

// reaching says what was tried. A role that does not exist (22023, invalid parameter value, for a session that begins with
// it) is what a server shows that nobody migrated.
func reaching(err error) string {
	var refused *pgconn.PgError
	if errors.As(err, &refused) && refused.Code == "22023" {
		return "take on the service's role (has `holdfast migrate` been run?)"
	}
	return "reach the database"
}

// New wraps a pool that somebody else made and closes.
func New(pool *pgxpool.Pool) *DB { return &DB{pool: pool, q: dbsqlc.New()} }

// Close closes the pool and waits for its connections.
func (db *DB) Close() { db.pool.Close() }

// Pool gives the pool to the adapters that bring their own library (River, the edge limits).
func (db *DB) Pool() *pgxpool.Pool { return db.pool }

// Ping reports whether the database answers.
func (db *DB) Ping(ctx context.Context) error {
	if err := db.pool.Ping(ctx); err != nil {
		return unavailable(err, "ping")
	}
	return nil
}

// ClockShift reads by how much the one clock is shifted; anything but zero is for development and tests only.
func (db *DB) ClockShift(ctx context.Context) (time.Duration, error) {
	shift, err := db.q.ClockShift(ctx, db.pool)
	return shift, translate(err, "read clock shift")
}

// Now reads the one clock.
func (db *DB) Now(ctx context.Context) (time.Time, error) {
	now, err := db.q.Now(ctx, db.pool)
	return now.UTC(), translate(err, "read the clock")
}

// inTx runs fn in one pipelined transaction, which commits when fn returns nil. A panic rolls back and goes on.
func (db *DB) inTx(ctx context.Context, fn func(*pipeline) error) (err error) {
	conn, err := db.pool.Acquire(ctx)
	if err != nil {
		return unavailable(err, "acquire connection")
	}
	defer conn.Release()
	p := &pipeline{conn: conn}
	defer p.rollback(ctx)
	if err := fn(p); err != nil {
		return translate(err, "transaction")
	}
	if err := p.commit(ctx); err != nil {
		return translate(err, "commit")
	}
	if db.Committed != nil && len(p.events) > 0 {
		db.Committed(ctx, p.events)
	}
	return nil
}
