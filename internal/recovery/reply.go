package recovery

import (
	"context"

	"github.com/holdfast/holdfast/internal/audit"
	"github.com/holdfast/holdfast/internal/factor"
	"github.com/holdfast/holdfast/internal/fault"
)

// ReplyCommand is the owner's NO to a text message about one recovery.
type ReplyCommand struct {
	Tenant, Recovery string
	Channel          string // whose notice was answered
}

// ObjectByReply is the owner's objection by answering a notice. A sender's number can be forged, so it is worth what the
// notice's link is: it pauses, once per channel, and the two share that pause.
//
// Faults: CodeObjectionRefused where there is nothing left to object to, or the channel's pause is spent.
func (s *Service) ObjectByReply(ctx context.Context, cmd ReplyCommand) (ObjectionView, error) {
	view, _, err := s.object(ctx, objecting{
		tenant: cmd.Tenant, recovery: cmd.Recovery, channel: cmd.Channel, base: factor.E0, via: "reply",
		by: audit.Actor{Kind: audit.ActorOwner},
	})
	return view, fault.Wrap(err, "object by reply")
}
