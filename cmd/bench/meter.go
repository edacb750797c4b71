package main

import (
	"context"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"
)

// reading is what PostgreSQL has counted so far, in one database or, of the log, in all of them.
type reading struct {
	WAL      int64 // bytes of log
	Images   int64 // full page images in it: the first change of a page after a checkpoint
	Syncs    int64 // of the log to the disk: one may serve several commits
	Commits  int64 // transactions that committed, those that only read and those of background loops included
	Inserted int64 // rows of logged tables
}

func (r reading) minus(o reading) reading {
	return reading{r.WAL - o.WAL, r.Images - o.Images, r.Syncs - o.Syncs, r.Commits - o.Commits, r.Inserted - o.Inserted}
}

// syncsSQL counts syncs of the log. PostgreSQL 18 moved them.
const (
	syncsSQL   = `SELECT wal_sync FROM pg_stat_wal`
	syncsSQL18 = `SELECT coalesce(sum(fsyncs), 0)::bigint FROM pg_stat_io WHERE object = 'wal'`

	readingSQL = `SELECT pg_wal_lsn_diff(pg_current_wal_insert_lsn(), '0/0')::bigint, (SELECT wal_fpi FROM pg_stat_wal),
		(SELECT xact_commit FROM pg_stat_database WHERE datname = current_database()),
		(SELECT coalesce(sum(s.n_tup_ins), 0)::bigint FROM pg_stat_user_tables s JOIN pg_class c ON c.oid = s.relid WHERE c.relpersistence = 'p')`
)

// read takes a reading. The server's processes report what they counted when they end, at the latest: users lists the pools
// whose connections are closed for that.
func read(ctx context.Context, pool *pgxpool.Pool, users ...*pgxpool.Pool) (reading, error) {
	for _, u := range append(users, pool) {
		u.Reset()
	}
	var r reading
	if err := pause(ctx, 400*time.Millisecond); err != nil {
		return r, err
	}
	if err := pool.QueryRow(ctx, readingSQL).Scan(&r.WAL, &r.Images, &r.Commits, &r.Inserted); err != nil {
		return r, err
	}
	var version int
	if err := pool.QueryRow(ctx, `SELECT current_setting('server_version_num')::int`).Scan(&version); err != nil {
		return r, err
	}
	sql := syncsSQL
	if version >= 180000 {
		sql = syncsSQL18
	}
	return r, pool.QueryRow(ctx, sql).Scan(&r.Syncs)
}

// cell runs a closed loop against the service and measures it from all sides.
func (s *service) cell(ctx context.Context, flow string, clients int, span time.Duration, do func(context.Context) error) (row, map[string]counts, error) {
	before, err := read(ctx, s.owner.Pool(), s.app.DB.Pool())
	if err != nil {
		return row{}, nil, err
	}
	steps := s.trace.snapshot()
	loop, err := drive(ctx, clients, span, do)
	if err != nil {
		return row{}, nil, err
	}
	if err := s.quiet(ctx); err != nil {
		return row{}, nil, err
	}
	after, err := read(ctx, s.owner.Pool(), s.app.DB.Pool())
	if err != nil {
		return row{}, nil, err
	}
	r := rowOf(flow, clients, loop, after.minus(before))
	did := map[string]counts{}
	var all counts
	for name, c := range s.trace.snapshot() {
		if did[name] = c.minus(steps[name]); name != "" {
			all.Trips += did[name].Trips
			all.Durable += did[name].Durable
		}
	}
	n := float64(loop.total)
	r.Trips, r.Foreground, r.Background = float64(all.Trips)/n, float64(all.Durable)/n, float64(did[""].Durable)/n
	return r, did, nil
}
