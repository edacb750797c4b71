package postgres

import (
	"context"
	"database/sql"
	"fmt"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/jackc/pgx/v5/stdlib"
	"github.com/pressly/goose/v3"
	"github.com/pressly/goose/v3/lock"
	"github.com/riverqueue/river/riverdriver/riverpgxv5"
	"github.com/riverqueue/river/rivermigrate"

	"github.com/holdfast/holdfast/internal/fault"
	"github.com/holdfast/holdfast/migrations"
)

// RiverSchema is where River's tables live, apart from ours.
const RiverSchema = "river"

// Applied is one migration that was run.
type Applied struct {
	Version int64
	Name    string
}

// Migrate brings the schema up to date: ours, then River's, then the service role's rights on River's. Any number of
// nodes may call it at once; one works and the others wait (goose's session lock). It needs the schema's owner.
func Migrate(ctx context.Context, url string) ([]Applied, error) {
	pc, err := pgx.ParseConfig(url)
	if err != nil {
		return nil, fmt.Errorf("database URL does not parse")
	}
	db := stdlib.OpenDB(*pc)
	defer func() { _ = db.Close() }()
	applied, err := migrateOurs(ctx, db)
	if err != nil {
		return nil, translate(err, "migrate")
	}
	return applied, translate(migrateRiver(ctx, url), "migrate jobs")
}

func migrateOurs(ctx context.Context, db *sql.DB) ([]Applied, error) {
	locker, err := lock.NewPostgresSessionLocker()
	if err != nil {
		return nil, fault.Wrap(err, "make session locker")
	}
	provider, err := goose.NewProvider(goose.DialectPostgres, db, migrations.FS, goose.WithSessionLocker(locker), goose.WithDisableGlobalRegistry(true))
	if err != nil {
		return nil, fault.Wrap(err, "read migrations")
	}
	results, err := provider.Up(ctx)
	if err != nil {
		return nil, fault.Wrap(err, "apply migrations")
	}
	applied := make([]Applied, 0, len(results))
	for _, r := range results {
		applied = append(applied, Applied{Version: r.Source.Version, Name: r.Source.Path})
	}
	return applied, nil
}

// riverLock keeps two nodes from migrating River's tables at once.
const riverLock = 0x686f6c6466617374

func migrateRiver(ctx context.Context, url string) error {
	pool, err := pgxpool.New(ctx, url)
	if err != nil {
		return fault.Wrap(err, "open pool")
	}
	defer pool.Close()
	conn, err := pool.Acquire(ctx)
	if err != nil {
		return fault.Wrap(err, "acquire connection")
	}
	defer conn.Release()
	if _, err := conn.Exec(ctx, "select pg_advisory_lock($1)", int64(riverLock)); err != nil {
		return fault.Wrap(err, "lock")
	}
	defer func() {
		_, _ = conn.Exec(context.WithoutCancel(ctx), "select pg_advisory_unlock($1)", int64(riverLock))
	}()
	if _, err := conn.Exec(ctx, "create schema if not exists "+RiverSchema); err != nil {
		return fault.Wrap(err, "create schema")
	}
	migrator, err := rivermigrate.New(riverpgxv5.New(pool), &rivermigrate.Config{Schema: RiverSchema})
	if err != nil {
		return fault.Wrap(err, "make migrator")
	}
	if _, err := migrator.Migrate(ctx, rivermigrate.DirectionUp, nil); err != nil {
		return fault.Wrap(err, "apply")
	}
	_, err = conn.Exec(ctx, `
		grant usage on schema river to holdfast_service;
		grant select, insert, update, delete on all tables in schema river to holdfast_service;
		grant usage on all sequences in schema river to holdfast_service`)
	return fault.Wrap(err, "grant")
}
