package app

import (
	"context"
	"time"

	"github.com/holdfast/holdfast/internal/auditlog"
	"github.com/holdfast/holdfast/internal/postgres"
	"github.com/holdfast/holdfast/internal/recovery"
)

// Replayed is what a replay found.
type Replayed struct{ Recoveries, Events, Rows, Problems int }

// replayPage is how many recoveries, or other things that events are about, are looked at at once.
const replayPage = 200

// Replay rebuilds every recovery of a tenant, or of all when it is empty, from its events, holds every row that decides something against
// what events tell of it (ADR 0041), and reports what they do not justify. A recovery that moves on meanwhile is looked at again.
// Nothing is reported before it is written down that it was read.
func Replay(ctx context.Context, db *postgres.DB, tenant string, report func(string)) (Replayed, error) {
	r := &replaying{log: postgres.NewAuditLog(db), report: report}
	if err := r.log.TellReading(ctx, auditlog.Reading{Replay: true, Tenant: tenant}); err != nil {
		return r.Replayed, err
	}
	if err := r.recoveries(ctx, tenant); err != nil {
		return r.Replayed, err
	}
	if err := r.rows(ctx, tenant); err != nil {
		return r.Replayed, err
	}
	return r.Replayed, r.origins(ctx, tenant)
}

type replaying struct {
	Replayed
	log    *postgres.AuditLog
	report func(string)
}

func (r *replaying) problem(tenant, what string) {
	r.Problems++
	r.report(tenant + " " + what)
}

func (r *replaying) recoveries(ctx context.Context, tenant string) error {
	var after postgres.Told
	for {
		page, err := r.log.TellRecoveries(ctx, tenant, after, replayPage)
		if err != nil {
			return err
		}
		for _, x := range page {
			after = x
			n, problems, err := replayOne(ctx, r.log, x)
			if err != nil {
				return err
			}
			r.Recoveries++
			r.Events += n
			for _, p := range problems {
				r.problem(x.Tenant, x.ID+": "+p)
			}
		}
		if len(page) < replayPage {
			return nil
		}
	}
}

// rows walks what is there, then what events say was made and is not there, then what belongs to nothing.
func (r *replaying) rows(ctx context.Context, tenant string) error {
	tenants := []string{tenant}
	if tenant == "" {
		var err error
		if tenants, err = r.log.Tenants(ctx); err != nil {
			return err
		}
	}
	for _, head := range r.log.RowHeads() {
		for after, more := (postgres.Told{}), true; more; more = after != (postgres.Told{}) {
			found, last, err := r.log.WalkRows(ctx, head, tenant, after, replayPage)
			if err != nil {
				return err
			}
			r.take(found)
			after = last
		}
		for _, t := range tenants {
			if err := r.beginnings(ctx, head, t); err != nil {
				return err
			}
		}
	}
	strays, err := r.log.Strays(ctx, tenant)
	r.take(postgres.RowsJudged{Problems: strays})
	return err
}

func (r *replaying) beginnings(ctx context.Context, head, tenant string) error {
	walks := []func(after string) (postgres.RowsJudged, string, error){
		func(after string) (postgres.RowsJudged, string, error) {
			return r.log.Beginnings(ctx, head, tenant, after, replayPage)
		},
	}
	if head == "account" {
		walks = append(walks, func(after string) (postgres.RowsJudged, string, error) {
			return r.log.Imports(ctx, tenant, after, replayPage)
		})
	}
	for _, walk := range walks {
		for after, more := "", true; more; more = after != "" {
			found, last, err := walk(after)
			if err != nil {
				return err
			}
			r.take(found)
			after = last
		}
	}
	return nil
}

// originsKept is the shortest time for which an installation may keep whence events came: HOLDFAST_RETENTION_ORIGINS.
const originsKept = 30 * 24 * time.Hour

// origins looks for what young events said of where they came from.
func (r *replaying) origins(ctx context.Context, tenant string) error {
	after, err := r.log.YoungLeaves(ctx, originsKept)
	for more := err == nil; more; more = err == nil && after != (postgres.Place{}) {
		var lost []postgres.RowProblem
		lost, after, err = r.log.LostOrigins(ctx, tenant, after, originsKept, leafPage)
		r.take(postgres.RowsJudged{Problems: lost})
	}
	return err
}

// leafPage is how many leaves are read at once.
const leafPage = 2000

func (r *replaying) take(found postgres.RowsJudged) {
	r.Rows += found.Rows
	for _, p := range found.Problems {
		r.problem(p.Tenant, p.What)
	}
}

func replayOne(ctx context.Context, log *postgres.AuditLog, r postgres.Told) (int, []string, error) {
	for try := 0; ; try++ {
		events, row, err := log.Transitions(ctx, r)
		if err != nil {
			return 0, nil, err
		}
		problems := recovery.Replay(events, row)
		if len(problems) == 0 || try == 2 {
			return len(events), problems, nil
		}
	}
}
