package postgres

import (
	"context"
	"strconv"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/holdfast/holdfast/internal/abuse"
)

// codeComesBack is the time that a code is given before it counts as one that nobody typed in.
const codeComesBack = 3 * time.Minute

// probeTexts answers the probes about text messages.
func (s *Abuse) probeTexts(ctx context.Context, d abuse.Detector, now time.Time) ([]abuse.Finding, error) {
	if d.Probe == abuse.ProbePaused {
		rows, err := s.db.pool.Query(ctx, textPauses, now)
		if err != nil {
			return nil, translate(err, "find paused text messages")
		}
		out, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (abuse.Finding, error) {
			var f abuse.Finding
			var scope, key string
			err := row.Scan(&f.Tenant, &scope, &key, &f.Count)
			f.Key, f.Limit, f.Labels = scope+"/"+key, d.Limit, map[string]string{scope: key}
			return f, err
		})
		return out, translate(err, "find paused text messages")
	}
	rows, err := s.db.pool.Query(ctx, textPumping, now.Add(-d.Window), d.Limit, now.Add(-codeComesBack))
	if err != nil {
		return nil, translate(err, "find pumping")
	}
	out, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (abuse.Finding, error) {
		f := abuse.Finding{Limit: d.Limit}
		err := row.Scan(&f.Tenant, &f.Key, &f.Count)
		f.Labels = map[string]string{"prefix": f.Key}
		return f, err
	})
	return out, translate(err, "find pumping")
}

// probeBudgets finds budgets of a day that are nearly used up. The count is what is used, the limit from where on that is told.
func (s *Abuse) probeBudgets(ctx context.Context, d abuse.Detector, now time.Time) ([]abuse.Finding, error) {
	rows, err := s.db.pool.Query(ctx, textBudgets, now, d.Limit, d.Probe == abuse.ProbeSpent)
	if err != nil {
		return nil, translate(err, "find used budgets")
	}
	out, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (abuse.Finding, error) {
		var f abuse.Finding
		var scope, country string
		var size int64
		err := row.Scan(&f.Tenant, &scope, &country, &size, &f.Count)
		f.Key, f.Limit, f.Labels = scope, max(size*d.Limit/100, 1), map[string]string{"budget": scope, "budget_size": strconv.FormatInt(size, 10)}
		if country != "" {
			f.Key, f.Labels["country"] = scope+"/"+country, country
		}
		if f.Tenant == "" {
			f.Tenant = abuse.Fleet
		}
		return f, err
	})
	return out, translate(err, "find used budgets")
}
