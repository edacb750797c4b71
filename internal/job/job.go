// Package job is where River works: thin workers that hand over to the dispatcher, and the loops that every node runs.
//
// River only wakes: whether something is due is decided by comparing times when it is asked for (ADR 0010, 0011). Workers
// poll; nothing in a foreground commit notifies. A job's arguments hold ids.
package job

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/riverqueue/river"
	"github.com/riverqueue/river/riverdriver/riverpgxv5"

	"github.com/holdfast/holdfast/internal/clock"
	"github.com/holdfast/holdfast/internal/dispatch"
	"github.com/holdfast/holdfast/internal/fault"
	"github.com/holdfast/holdfast/internal/outbox"
)

// Dispatcher sends what jobs ask for.
type Dispatcher interface {
	Challenge(ctx context.Context, tenant, id string, sends int) error
	Notice(ctx context.Context, tenant, id string) error
}

// Replies has answers to text messages heard.
type Replies interface {
	Hear(ctx context.Context, id string) error
}

// Signals makes attempts to tell other systems.
type Signals interface {
	Deliver(ctx context.Context, tenant, id string) error
}

// Metrics counts jobs.
type Metrics interface {
	Job(kind, outcome string, took time.Duration)
}

// Config is what the workers are made of.
type Config struct {
	Pool       *pgxpool.Pool
	Schema     string
	Dispatcher Dispatcher
	Replies    Replies
	Signals    Signals
	Clock      clock.Clock
	Log        *slog.Logger
	Workers    int           // at the same time on this node
	Poll       time.Duration // how often an idle node looks for work
	Metrics    Metrics
}

// The times of a job. A worker that died is noticed after rescueAfter; then another one does the work again.
const (
	jobTimeout  = 15 * time.Second
	rescueAfter = 30 * time.Second
	signalJob   = 25 * time.Second // an attempt of fifteen seconds, and time to claim and to record

	signalWorkers = 16 // they wait for others' networks
	fetchAtMost   = 20 * time.Millisecond
	keepDone      = time.Hour
	softStop      = 10 * time.Second
	longestSleep  = time.Hour
)

// Client works on jobs until it is stopped.
type Client struct{ river *river.Client[pgx.Tx] }

// New makes the client. It does not start it.
func New(cfg Config) (*Client, error) {
	workers := river.NewWorkers()
	river.AddWorker(workers, &challengeWorker{worker: worker{cfg.Dispatcher, cfg.Clock, cfg.Metrics}})
	river.AddWorker(workers, &noticeWorker{worker: worker{cfg.Dispatcher, cfg.Clock, cfg.Metrics}})
	river.AddWorker(workers, &replyWorker{worker: worker{nil, cfg.Clock, cfg.Metrics}, replies: cfg.Replies})
	river.AddWorker(workers, &signalWorker{signals: cfg.Signals, worker: worker{clock: cfg.Clock, metrics: cfg.Metrics}})
	client, err := river.NewClient(riverpgxv5.New(cfg.Pool), &river.Config{
		Schema: cfg.Schema, Workers: workers, Logger: slog.New(warnings{cfg.Log.Handler()}), PollOnly: true, FetchCooldown: fetchAtMost, FetchPollInterval: cfg.Poll,
		// Reindexing is the schema owner's business; the service's role owns nothing.
		ReindexerSchedule: never{}, JobTimeout: jobTimeout, RescueStuckJobsAfter: rescueAfter, CompletedJobRetentionPeriod: keepDone,
		Queues: map[string]river.QueueConfig{
			river.QueueDefault: {MaxWorkers: cfg.Workers}, outbox.SignalQueue: {MaxWorkers: signalWorkers},
		},
	})
	if err != nil {
		return nil, fault.Wrap(err, "make job client")
	}
	return &Client{river: client}, nil
}

// never is a schedule that does not come.
type never struct{}

// Next implements river.PeriodicSchedule.
func (never) Next(now time.Time) time.Time { return now.AddDate(100, 0, 0) }

// warnings keeps River's own remarks to those that somebody should read.
type warnings struct{ slog.Handler }

// Enabled implements slog.Handler.
func (w warnings) Enabled(ctx context.Context, level slog.Level) bool {
	return level >= slog.LevelWarn && w.Handler.Enabled(ctx, level)
}

// Start begins to work. Work goes on when ctx ends; Stop ends it.
func (c *Client) Start(ctx context.Context) error {
	return fault.Wrap(c.river.Start(context.WithoutCancel(ctx)), "start jobs")
}

// Stop lets running jobs finish for a while, then cancels them: what was not finished is done again by another node.
func (c *Client) Stop(ctx context.Context) error {
	soft, cancel := context.WithTimeout(ctx, softStop)
	defer cancel()
	if err := c.river.Stop(soft); err == nil {
		return nil
	}
	return fault.Wrap(c.river.StopAndCancel(ctx), "stop jobs")
}

// worker is what all workers share.
type worker struct {
	dispatcher Dispatcher
	clock      clock.Clock
	metrics    Metrics
}

// measured runs a job and counts it.
func (w worker) measured(kind string, work func() error) error {
	start := w.clock.Now()
	err := work()
	ended := "done"
	if err != nil {
		ended = "retry"
	}
	w.metrics.Job(kind, ended, w.clock.Now().Sub(start))
	return outcome(err)
}

// challengeArgs names a challenge and which of its sends.
type challengeArgs struct {
	Tenant string `json:"tenant"`
	ID     string `json:"id"`
	Sends  int    `json:"sends"`
}

// Kind is the job's name in the outbox.
func (challengeArgs) Kind() string { return string(outbox.DeliverChallenge) }

type challengeWorker struct {
	river.WorkerDefaults[challengeArgs]
	worker
}

// Work sends the challenge.
func (w *challengeWorker) Work(ctx context.Context, job *river.Job[challengeArgs]) error {
	return w.measured(job.Kind, func() error { return w.dispatcher.Challenge(ctx, job.Args.Tenant, job.Args.ID, job.Args.Sends) })
}

// NextRetry waits 1, 2, 4 … seconds, at most a minute: a code is worth sending for minutes.
func (w *challengeWorker) NextRetry(job *river.Job[challengeArgs]) time.Time {
	return w.clock.Now().Add(backoff(job.Attempt, time.Minute))
}

// noticeArgs names a notice.
type noticeArgs struct {
	Tenant string `json:"tenant"`
	ID     string `json:"id"`
}

// Kind is the job's name in the outbox.
func (noticeArgs) Kind() string { return string(outbox.DeliverNotice) }

type noticeWorker struct {
	river.WorkerDefaults[noticeArgs]
	worker
}

// Work sends the notice.
func (w *noticeWorker) Work(ctx context.Context, job *river.Job[noticeArgs]) error {
	return w.measured(job.Kind, func() error { return w.dispatcher.Notice(ctx, job.Args.Tenant, job.Args.ID) })
}

// NextRetry waits 1, 2, 4 … seconds, at most half an hour: a hundred attempts are two days.
func (w *noticeWorker) NextRetry(job *river.Job[noticeArgs]) time.Time {
	return w.clock.Now().Add(backoff(job.Attempt, 30*time.Minute))
}

// signalArgs names a delivery.
type signalArgs struct {
	Tenant string `json:"tenant"`
	ID     string `json:"id"`
}

// Kind is the job's name in the outbox.
func (signalArgs) Kind() string { return string(outbox.DeliverSignal) }

type signalWorker struct {
	river.WorkerDefaults[signalArgs]
	worker
	signals Signals
}

// Timeout is longer than for other jobs: a receiver may take its time.
func (*signalWorker) Timeout(*river.Job[signalArgs]) time.Duration { return signalJob }

// Work makes one attempt, if one is due. When the next one is, the row says; this job is done.
func (w *signalWorker) Work(ctx context.Context, job *river.Job[signalArgs]) error {
	return w.measured(job.Kind, func() error { return w.signals.Deliver(ctx, job.Args.Tenant, job.Args.ID) })
}

// NextRetry waits a little: only a database that does not answer fails such a job.
func (w *signalWorker) NextRetry(job *river.Job[signalArgs]) time.Time {
	return w.clock.Now().Add(backoff(job.Attempt, time.Minute))
}

// outcome turns a provider's own wish into a nap that costs no attempt, within reason.
func outcome(err error) error {
	var retry *dispatch.Retry
	if errors.As(err, &retry) && retry.After > 0 {
		return river.JobSnooze(min(retry.After, longestSleep))
	}
	return err
}

// backoff doubles from one second up to most.
func backoff(attempt int, most time.Duration) time.Duration {
	return min(time.Second<<min(max(attempt-1, 0), 20), most)
}
