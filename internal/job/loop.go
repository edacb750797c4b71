package job

import (
	"context"
	"log/slog"
	"time"

	"github.com/holdfast/holdfast/internal/fault"
)

// Loop runs a piece of work again and again on this node. Every node runs every loop: the work has to bear that.
type Loop struct {
	Name  string
	Every time.Duration
	// Work does one round and says whether there is more to do at once.
	Work func(ctx context.Context) (more bool, err error)
	Log  *slog.Logger
}

// maxRounds bounds the rounds without a pause, so that one loop cannot starve its node.
const maxRounds = 100

// Run works until ctx ends. A failed round is logged and tried again at the next tick.
func (l Loop) Run(ctx context.Context) {
	ticker := time.NewTicker(l.Every) //nolint:forbidigo // it paces the loop; what is due is the database's to say.
	defer ticker.Stop()
	for {
		l.rounds(ctx)
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
	}
}

func (l Loop) rounds(ctx context.Context) {
	for range maxRounds {
		more, err := l.Work(ctx)
		if err != nil && ctx.Err() == nil {
			l.Log.WarnContext(ctx, "loop failed", slog.String("loop", l.Name), slog.String("code", string(fault.CodeOf(err))), slog.Any("error", err))
		}
		if err != nil || !more || ctx.Err() != nil {
			return
		}
	}
}
