package postgres

import (
	"context"

	"github.com/jackc/pgx/v5"

	"github.com/holdfast/holdfast/internal/auditlog"
	"github.com/holdfast/holdfast/internal/postgres/dbsqlc"
)

// InTx lets tests drive the pipelined transaction by itself.
func (db *DB) InTx(ctx context.Context, fn func(dbsqlc.DBTX) error) error {
	return db.inTx(ctx, func(p *pipeline) error { return fn(p) })
}

// The statements of detectors, for tests that look at their plans.
const (
	FoldJournal = foldJournal
	FirstEvent  = firstEvent
	AbuseSums   = abuseSums
)

// IDAt is the smallest event id of a time.
var IDAt = idAt

// EventsSQL is the statement that reads a page of events.
func EventsSQL(origin string, f auditlog.Filter) (string, pgx.NamedArgs) { return eventsSQL(origin, f) }
