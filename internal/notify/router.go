package notify

import (
	"context"
	"maps"

	"github.com/holdfast/holdfast/internal/factor"
)

// Router is a Sender that hands each message to the sender of its channel.
type Router struct {
	senders map[factor.Method]Sender
}

// NewRouter makes a router of the given senders. A channel without one, or with a nil one, has no route.
func NewRouter(senders map[factor.Method]Sender) *Router {
	return &Router{senders: maps.Clone(senders)}
}

// Send sends by the channel's sender, and returns ErrNoRoute when there is none.
func (r *Router) Send(ctx context.Context, m Message) (Receipt, error) {
	sender := r.senders[m.Channel]
	if sender == nil {
		return Receipt{}, ErrNoRoute
	}
	return sender.Send(ctx, m)
}
