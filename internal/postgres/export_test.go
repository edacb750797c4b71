package postgres

import (
	"context"

	"github.com/holdfast/holdfast/internal/postgres/dbsqlc"
)

// InTx lets tests drive the pipelined transaction by itself.
func (db *DB) InTx(ctx context.Context, fn func(dbsqlc.DBTX) error) error {
	return db.inTx(ctx, func(p *pipeline) error { return fn(p) })
}
