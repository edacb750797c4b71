package app

import (
	"context"

	"github.com/holdfast/holdfast/internal/postgres"
	"github.com/holdfast/holdfast/internal/recovery"
)

// Replayed is what a replay found.
type Replayed struct{ Recoveries, Events, Problems int }

// replayPage is how many recoveries are listed at once.
const replayPage = 500

// Replay rebuilds every recovery of a tenant, or of all when it is empty, from its events, and reports what of its row they do
// not justify. A recovery that moves on meanwhile is looked at again.
func Replay(ctx context.Context, db *postgres.DB, tenant string, report func(string)) (Replayed, error) {
	log := postgres.NewAuditLog(db)
	var out Replayed
	var after postgres.Told
	for {
		page, err := log.TellRecoveries(ctx, tenant, after, replayPage)
		if err != nil {
			return out, err
		}
		for _, r := range page {
			after = r
			n, problems, err := replayOne(ctx, log, r)
			if err != nil {
				return out, err
			}
			out.Recoveries++
			out.Events += n
			for _, p := range problems {
				out.Problems++
				report(r.Tenant + " " + r.ID + ": " + p)
			}
		}
		if len(page) < replayPage {
			return out, nil
		}
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
