package app

import (
	"context"
	"crypto/rand"
	"time"

	"github.com/holdfast/holdfast/internal/abuse"
	"github.com/holdfast/holdfast/internal/fault"
	"github.com/holdfast/holdfast/internal/job"
	"github.com/holdfast/holdfast/internal/policy"
	"github.com/holdfast/holdfast/internal/postgres"
	"github.com/holdfast/holdfast/internal/recovery"
)

// The paces of looking for abuse. A control acts on every node within boardEvery.
const (
	boardEvery = 2 * time.Second
	lookEvery  = 10 * time.Second
	countEvery = 15 * time.Second
)

// Abuse is the third wall's watch: detectors, alerts and controls.
type Abuse struct {
	Watch    abuse.Watch
	Desk     *abuse.Desk
	Controls *abuse.Controls
	Board    *abuse.Board

	journal abuse.Journal
}

// NewAbuse builds alerts and controls on a database, for the service and for an operator's command.
func NewAbuse(db *postgres.DB) *Abuse {
	store := postgres.NewAbuse(db)
	return &Abuse{
		Watch: abuse.Watch{Journal: store, Detectors: abuse.Detectors(), Rand: rand.Reader}, Desk: &abuse.Desk{Alerts: store},
		Controls: &abuse.Controls{Store: store, Rand: rand.Reader}, Board: abuse.NewBoard(store), journal: store,
	}
}

// guard builds the watch. A node that cannot read the controls in force does not start: it would lower the bar.
func (a *App) guard(ctx context.Context) error {
	a.Abuse = NewAbuse(a.DB)
	return a.readControls(ctx)
}

func (a *App) readControls(ctx context.Context) error {
	counts, err := a.Abuse.Board.Refresh(ctx)
	if err != nil {
		a.Metrics.ControlsUnread()
		return fault.Wrap(err, "read controls (has `holdfast migrate` been run?)")
	}
	for _, kind := range abuse.ControlKinds() {
		a.Metrics.Controls(string(kind), counts[kind])
	}
	return nil
}

// look has the detectors look, if no other node does.
func (a *App) look(ctx context.Context) (bool, error) {
	round, err := a.Abuse.Watch.Look(ctx)
	a.Metrics.DetectorsLooked(round.Ran, err != nil)
	for _, name := range round.Failed {
		a.Metrics.DetectorFailed(name)
	}
	for _, raised := range round.Raised {
		a.Metrics.AlertRaised(raised.Detector, string(raised.Severity))
	}
	return round.Behind, err
}

// countAlerts shows the live alerts, alike on every node.
func (a *App) countAlerts(ctx context.Context) (bool, error) {
	levels, lag, err := a.Abuse.journal.Tally(ctx)
	if err != nil {
		return false, err
	}
	a.Metrics.DetectorLag(lag)
	a.Metrics.Alerts(func(set func(detector, severity, state string, n int64)) {
		for _, l := range levels {
			set(l.Detector, string(l.Severity), string(l.State), l.Alerts)
		}
	})
	return false, nil
}

// watchLoops are what every node does for alerts and controls; detectors look where jobs are worked.
func (a *App) watchLoops() []job.Loop {
	loops := []job.Loop{
		{Name: "controls", Every: boardEvery, Log: a.Log, Work: func(ctx context.Context) (bool, error) { return false, a.readControls(ctx) }},
		{Name: "alerts", Every: countEvery, Log: a.Log, Work: a.countAlerts},
	}
	if a.Config.Works() {
		loops = append(loops, job.Loop{Name: "detectors", Every: lookEvery, Log: a.Log, Work: a.look})
	}
	return loops
}

// raised is recovery.Controls from the board.
type raised struct{ board *abuse.Board }

// Current implements recovery.Controls.
func (r raised) Current(tenant string) recovery.Raised {
	now := r.board.Current(tenant)
	return recovery.Raised{Raised: policy.Raised{MinTier: now.MinTier, Stopped: now.Methods}, Paused: now.Paused}
}
