package app

import (
	"context"
	"errors"
	"time"

	"github.com/holdfast/holdfast/internal/job"
	"github.com/holdfast/holdfast/internal/postgres"
)

// monthsAhead is how many months of the audit log are made before they begin; monthsEvery how often that is looked at.
const (
	monthsAhead = 3
	monthsEvery = time.Hour
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
		{Name: "audit months", Every: monthsEvery, Log: a.Log, Work: a.makeAuditMonths},
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

// makeAuditMonths makes the partitions of the months to come, and measures how they stand, also where it could make none.
func (a *App) makeAuditMonths(ctx context.Context) (bool, error) {
	_, failed := a.DB.MakeAuditMonths(ctx, monthsAhead)
	stand, err := a.DB.AuditMonths(ctx, a.Config.Retention.AuditMonths)
	if err != nil {
		return false, errors.Join(failed, err)
	}
	a.Metrics.AuditMonths(stand.Oldest, stand.Overdue, max(0, monthsAhead-stand.Ahead), stand.Stray)
	if stand.Stray {
		a.Log.WarnContext(ctx, "audit events lie in the default partition: no node made their month in time")
	}
	return false, failed
}
