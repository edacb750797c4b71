package credential

import (
	"context"
	"time"

	"github.com/holdfast/holdfast/internal/audit"
	"github.com/holdfast/holdfast/internal/fault"
	"github.com/holdfast/holdfast/internal/idempotency"
)

// DisableCommand ends many clients at once, for good: who is to call again is registered anew.
type DisableCommand struct {
	Tenant    string // of DisableAI: every tenant's when empty
	Owner     string // of DisableOwner: the person who answers for them
	By        audit.Actor
	RequestID string
	Key       idempotency.Key
}

// The reasons of a client's end, as the trail has them.
const (
	reasonOwnerLeft = "owner_disabled"
	reasonAISwitch  = "ai_switch"
)

// DisableOwner disables every client of a person of one tenant, of whom it asks the same as of the person behind a bot: the
// same human, however their address is written. Every node refuses them within the time that an answer is cached.
// It gives the clients that it disabled; none is no fault.
//
// Faults: CodeInvalidRequest without an owner, and those of the Idempotency-Key.
func (s *Clients) DisableOwner(ctx context.Context, cmd DisableCommand) ([]string, error) {
	if cmd.Tenant == "" || !isLine(cmd.Owner) {
		return nil, invalid("/owner", "must name a person in 1 to 100 visible characters")
	}
	person := PersonID(cmd.Owner)
	out, err := s.disable(ctx, cmd, "", reasonOwnerLeft, func(c Client) bool { return PersonID(c.Owner) == person })
	return out, fault.Wrap(err, "disable an owner's clients")
}

// DisableAI is the one switch for all AI agents: of one tenant, or of all. It gives the clients that it disabled.
func (s *Clients) DisableAI(ctx context.Context, cmd DisableCommand) ([]string, error) {
	out, err := s.disable(ctx, cmd, AIAgent, reasonAISwitch, func(Client) bool { return true })
	return out, fault.Wrap(err, "disable all AI agents")
}

func (s *Clients) disable(ctx context.Context, cmd DisableCommand, kind Kind, reason string, match func(Client) bool) ([]string, error) {
	var out answer[[]string]
	var revoked []string
	err := s.Store.ChangingAll(ctx, cmd.Tenant, kind, func(tx Tx, now time.Time, all []Client) error {
		if done, err := out.again(ctx, tx, cmd.Key); done || err != nil {
			return err
		}
		out.Value = []string{}
		for _, c := range all {
			if !match(c) {
				continue
			}
			change := s.ending(c, now, cmd.By, cmd.RequestID)
			change.Event.Reason = reason
			if err := tx.Apply(ctx, change); err != nil {
				return err
			}
			out.Value, revoked = append(out.Value, c.ID), append(revoked, change.Revoke...)
		}
		return out.keep(ctx, tx, cmd.Key, now)
	})
	if err != nil {
		return nil, err
	}
	s.cache.drop(revoked)
	return out.Value, nil
}

// ending is the change that disables a client and revokes what it holds.
func (s *Clients) ending(c Client, now time.Time, by audit.Actor, requestID string) Change {
	change := Change{Tenant: c.Tenant, Client: c.ID, At: now, Disable: true}
	for _, k := range c.Credentials {
		if k.RevokedAt.IsZero() {
			change.Revoke = append(change.Revoke, k.PublicID)
		}
	}
	change.Event = s.event(by, c, now, audit.ClientRevoked, map[string]any{"credentials": change.Revoke, "client": true})
	change.Event.RequestID = requestID
	return change
}

// answer is what a request was answered, as it is kept for its retry.
type answer[T any] struct {
	Value T `json:"value"`
}

// again opens the answer that was given to the same request before, and says whether there is one.
func (a *answer[T]) again(ctx context.Context, tx Tx, key idempotency.Key) (bool, error) {
	if key.IsZero() {
		return false, nil
	}
	r, err := tx.Answered(ctx, key)
	if err != nil || r == nil {
		return false, err
	}
	if err := key.Check(*r); err != nil {
		return false, err
	}
	return true, key.Open(r.Outcome, a)
}

// keep seals the answer for a retry; nothing without a key.
func (a *answer[T]) keep(ctx context.Context, tx Tx, key idempotency.Key, now time.Time) error {
	if key.IsZero() {
		return nil
	}
	outcome, err := key.Seal(*a)
	if err != nil {
		return err
	}
	return tx.Remember(ctx, key.Record(outcome), now)
}

// DormantAfter is for how long a client may go unused before the inventory calls it dormant.
const DormantAfter = 30 * 24 * time.Hour

// LastUsed is when the client last called; zero for never. It may be a minute late.
func (c Client) LastUsed() time.Time {
	last := c.WorkloadUsedAt
	for _, k := range c.Credentials {
		if k.LastUsedAt.After(last) {
			last = k.LastUsedAt
		}
	}
	for _, k := range c.Keys {
		if k.LastUsedAt.After(last) {
			last = k.LastUsedAt
		}
	}
	return last
}

// Dormant reports whether nobody has used a client that could be used for DormantAfter, counted from when it was made.
func (c Client) Dormant(now time.Time) bool {
	since := c.CreatedAt
	if last := c.LastUsed(); last.After(since) {
		since = last
	}
	return c.DisabledAt.IsZero() && now.Sub(since) >= DormantAfter
}
