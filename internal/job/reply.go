package job

import (
	"context"
	"time"

	"github.com/riverqueue/river"

	"github.com/holdfast/holdfast/internal/outbox"
)

// replyArgs names a kept reply.
type replyArgs struct {
	ID string `json:"id"`
}

// Kind is the job's name in the outbox.
func (replyArgs) Kind() string { return string(outbox.HearReply) }

type replyWorker struct {
	river.WorkerDefaults[replyArgs]
	worker
	replies Replies
}

// Work has the reply heard.
func (w *replyWorker) Work(ctx context.Context, job *river.Job[replyArgs]) error {
	return w.measured(job.Kind, func() error { return w.replies.Hear(ctx, job.Args.ID) })
}

// NextRetry waits 1, 2, 4 … seconds, at most half an hour: an objection is not given up.
func (w *replyWorker) NextRetry(job *river.Job[replyArgs]) time.Time {
	return w.clock.Now().Add(backoff(job.Attempt, 30*time.Minute))
}
