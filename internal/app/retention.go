package app

import (
	"context"

	"github.com/holdfast/holdfast/internal/job"
	"github.com/holdfast/holdfast/internal/postgres"
)

// recoveriesAtOnce bounds one transaction of forgetting: each recovery has a few dozen rows around it.
const recoveriesAtOnce = 100

// retentionLoops delete what is past its time (deploy/retention.md).
func (a *App) retentionLoops() []job.Loop {
	keep := a.Config.Retention
	loop := func(name string, forget func(context.Context) (postgres.Forgotten, bool, error)) job.Loop {
		return job.Loop{Name: name, Every: sweepEvery, Log: a.Log, Work: func(ctx context.Context) (bool, error) {
			gone, more, err := forget(ctx)
			for table, n := range gone {
				a.Metrics.Forgotten(table, n)
			}
			return more, err
		}}
	}
	return []job.Loop{
		loop("working data", func(ctx context.Context) (postgres.Forgotten, bool, error) {
			gone, more, err := a.DB.ForgetRecoveries(ctx, keep.Work, recoveriesAtOnce)
			if err != nil || more {
				return gone, more, err
			}
			overdue, err := a.DB.RetentionOverdue(ctx, keep.Work)
			if err == nil {
				a.Metrics.RetentionOverdue(overdue)
			}
			return gone, false, err
		}),
		loop("removed means", func(ctx context.Context) (postgres.Forgotten, bool, error) {
			return a.DB.ForgetRemoved(ctx, keep.Work, forgetAtOnce)
		}),
		loop("origins", func(ctx context.Context) (postgres.Forgotten, bool, error) {
			return a.DB.ForgetOrigins(ctx, keep.Origins, forgetAtOnce)
		}),
	}
}
