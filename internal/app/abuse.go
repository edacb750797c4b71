package app

import (
	"context"
	"crypto/rand"
	"time"

	"github.com/holdfast/holdfast/internal/abuse"
	"github.com/holdfast/holdfast/internal/alertmanager"
	"github.com/holdfast/holdfast/internal/clock"
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
	tellEvery  = 15 * time.Second
	// tellResolved is for how long the end of an alert is told.
	tellResolved = 15 * time.Minute
)

// Abuse is the third wall's watch: detectors, alerts and controls.
type Abuse struct {
	Watch    abuse.Watch
	Desk     *abuse.Desk
	Controls *abuse.Controls
	Board    *abuse.Board
	Funnel   *abuse.Funnel

	store        *postgres.Abuse
	alertmanager *alertmanager.Client // nil for none
}

// NewAbuse builds alerts and controls on a database, for the service and for an operator's command.
func NewAbuse(db *postgres.DB) *Abuse {
	store := postgres.NewAbuse(db)
	return &Abuse{
		Watch: abuse.Watch{Journal: store, Detectors: abuse.Detectors(), Rand: rand.Reader}, Desk: &abuse.Desk{Alerts: store},
		Controls: &abuse.Controls{Store: store, Rand: rand.Reader}, Board: abuse.NewBoard(store), Funnel: &abuse.Funnel{Store: store}, store: store,
	}
}

// guard builds the watch. A node that cannot read the controls in force does not start: it would lower the bar.
func (a *App) guard(ctx context.Context) error {
	a.Abuse = NewAbuse(a.DB)
	if a.Config.Alerts.Enabled() {
		var err error
		a.Abuse.alertmanager, err = alertmanager.New(alertmanager.Config{
			URL: a.Config.Alerts.AlertmanagerURL, Runbooks: a.Config.Alerts.RunbookURL, Now: clock.System{}.Now,
		})
		if err != nil {
			return err
		}
	}
	a.tension = newTension(a.DB)
	if err := a.tension.refresh(ctx); err != nil {
		return err
	}
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
	levels, lag, err := a.Abuse.store.Tally(ctx)
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

// tellAlertmanager tells what is live, and what has ended lately.
func (a *App) tellAlertmanager(ctx context.Context) (bool, error) {
	now, alerts, err := a.Abuse.store.Fresh(ctx, tellResolved)
	if err == nil {
		err = a.Abuse.alertmanager.Push(ctx, now, alerts)
	}
	a.Metrics.AlertsTold(err == nil)
	return false, fault.Wrap(err, "tell alertmanager")
}

// watchLoops are what every node does for alerts and controls; detectors look where jobs are worked.
func (a *App) watchLoops() []job.Loop {
	loops := []job.Loop{
		{Name: "controls", Every: boardEvery, Log: a.Log, Work: func(ctx context.Context) (bool, error) { return false, a.readControls(ctx) }},
		{Name: "tension", Every: boardEvery, Log: a.Log, Work: func(ctx context.Context) (bool, error) { return false, a.tension.refresh(ctx) }},
		{Name: "alerts", Every: countEvery, Log: a.Log, Work: a.countAlerts},
		{Name: "sightings", Every: flushEvery, Log: a.Log, Work: func(ctx context.Context) (bool, error) { return false, a.seen.flush(ctx, a.Abuse.store.See) }},
	}
	if a.Config.Works() && a.Abuse.alertmanager != nil {
		loops = append(loops, job.Loop{Name: "alertmanager", Every: tellEvery, Log: a.Log, Work: a.tellAlertmanager})
	}
	if a.Config.Works() {
		loops = append(loops, job.Loop{Name: "detectors", Every: lookEvery, Log: a.Log, Work: a.look})
	}
	return loops
}

// raised is recovery.Controls from the board.
type raised struct {
	board   *abuse.Board
	tension *tension
}

// Current implements recovery.Controls.
func (r raised) Current(tenant string) recovery.Raised {
	now := r.board.Current(tenant)
	under := r.tension.at(tenant)
	return recovery.Raised{
		Raised: policy.Raised{MinTier: now.MinTier, Stopped: now.Methods}, Paused: now.Paused, Guessed: under.guessed, Probing: under.probing,
	}
}
