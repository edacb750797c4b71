package postgres

import (
	"context"
	"errors"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/holdfast/holdfast/internal/audit"
)

// rollbackWithin bounds the rollback of a transaction whose own context may already be over.
const rollbackWithin = 5 * time.Second

// pipeline is a transaction that speaks to the server as seldom as it can: BEGIN travels with the first read, and the
// writes travel with COMMIT. It is the DBTX of the generated queries, with one rule:
//
//	Exec queues; Query and QueryRow send the queue and themselves; commit sends the rest.
//
// A queued statement therefore reports nothing of its own: no row count, and its error only with the next send. What has
// to stop the transaction is an error in SQL (a constraint), never a count that somebody looks at: see ADR 0012.
type pipeline struct {
	conn  *pgxpool.Conn
	queue pgx.Batch
	begun bool // BEGIN was sent

	pending []pending     // events that wait for the rest of the transaction, for they tell what became of it (ADR 0041)
	events  []audit.Event // the audit events in the queue
	cause   string        // the first event that others are told of: what all signals of this transaction share
}

// Exec queues a statement. Its command tag is empty.
func (p *pipeline) Exec(_ context.Context, sql string, args ...any) (pgconn.CommandTag, error) {
	p.begin()
	p.queue.Queue(sql, args...)
	return pgconn.CommandTag{}, nil
}

// Query sends what is queued and the query in one round trip. Closing the rows ends it.
func (p *pipeline) Query(ctx context.Context, sql string, args ...any) (pgx.Rows, error) {
	results, err := p.send(ctx, sql, args)
	if err != nil {
		return nil, err
	}
	rows, err := results.Query()
	if err != nil {
		return nil, errors.Join(err, results.Close())
	}
	return &pipedRows{Rows: rows, results: results}, nil
}

// QueryRow sends what is queued and the query in one round trip. Scanning the row ends it.
func (p *pipeline) QueryRow(ctx context.Context, sql string, args ...any) pgx.Row {
	results, err := p.send(ctx, sql, args)
	if err != nil {
		return failedRow{err}
	}
	return pipedRow{row: results.QueryRow(), results: results}
}

func (p *pipeline) begin() {
	if !p.begun {
		p.queue.Queue("begin")
		p.begun = true
	}
}

// send ships the queue and one more statement, and reads the results up to that statement's.
func (p *pipeline) send(ctx context.Context, sql string, args []any) (pgx.BatchResults, error) {
	p.begin()
	queued := p.queue.Len()
	p.queue.Queue(sql, args...)
	batch := p.queue
	p.queue = pgx.Batch{}
	results := p.conn.SendBatch(ctx, &batch)
	for range queued {
		if _, err := results.Exec(); err != nil {
			return nil, errors.Join(err, results.Close())
		}
	}
	return results, nil
}

// commit sends the queue and COMMIT in one round trip. A transaction that never began has nothing to commit.
func (p *pipeline) commit(ctx context.Context) error {
	if err := p.flush(ctx); err != nil {
		return err
	}
	if !p.begun {
		return nil
	}
	p.queue.Queue("commit")
	batch := p.queue
	p.queue = pgx.Batch{}
	results := p.conn.SendBatch(ctx, &batch)
	var last pgconn.CommandTag
	for range batch.Len() {
		tag, err := results.Exec()
		if err != nil {
			return errors.Join(err, results.Close())
		}
		last = tag
	}
	if err := results.Close(); err != nil {
		return err
	}
	if last.String() != "COMMIT" { // the server answers ROLLBACK to the COMMIT of a failed transaction
		return pgx.ErrTxCommitRollback
	}
	return nil
}

// rollback ends the transaction however it stands. The connection is closed when even that fails, so that no lock stays.
func (p *pipeline) rollback(ctx context.Context) {
	if !p.begun || p.conn.Conn().PgConn().TxStatus() == 'I' {
		return
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), rollbackWithin)
	defer cancel()
	if _, err := p.conn.Exec(ctx, "rollback"); err != nil {
		_ = p.conn.Conn().Close(ctx)
	}
}

type pipedRow struct {
	row     pgx.Row
	results pgx.BatchResults
}

// Scan reads the row and ends the round trip.
func (r pipedRow) Scan(dest ...any) error {
	err := r.row.Scan(dest...)
	if cerr := r.results.Close(); err == nil {
		err = cerr
	}
	return err
}

type failedRow struct{ err error }

// Scan gives the error that kept the row from being asked for.
func (r failedRow) Scan(...any) error { return r.err }

type pipedRows struct {
	pgx.Rows
	results pgx.BatchResults
	closed  bool
	err     error
}

// Close ends the round trip.
func (r *pipedRows) Close() {
	r.Rows.Close()
	if !r.closed {
		r.closed = true
		r.err = r.results.Close()
	}
}

// Next reads the next row, and ends the round trip after the last one.
func (r *pipedRows) Next() bool {
	if r.Rows.Next() {
		return true
	}
	r.Close()
	return false
}

// Err is the first error of the rows or of the round trip.
func (r *pipedRows) Err() error {
	if err := r.Rows.Err(); err != nil {
		return err
	}
	return r.err
}
