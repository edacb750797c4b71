package postgres

import (
	"context"
	"slices"
	"strings"

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

// ToldTables and ToldState say what replay reads, for the test that holds it against the triggers.
func ToldTables() []string {
	var out []string
	for _, t := range toldTables {
		if !slices.Contains(out, t.name) {
			out = append(out, t.name)
		}
	}
	return out
}

// ToldState is the expression of what is told of a row.
func ToldState(table string) string {
	row := toldNamed(table).row()
	return row[strings.Index(row, "jsonb_build_object"):]
}
