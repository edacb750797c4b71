package credential

import (
	"context"
	"slices"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/holdfast/holdfast/internal/audit"
	"github.com/holdfast/holdfast/internal/fault"
	"github.com/holdfast/holdfast/internal/idempotency"
	"github.com/holdfast/holdfast/internal/secret"
)

// DisableCommand switches many clients off at once, or on again.
type DisableCommand struct {
	Tenant    string // of the AI switch: every tenant's when empty
	Owner     string // of an owner's: the person who answers for them
	Reason    string // 3 to 500 visible characters; of an owner's it may be left out
	By        audit.Actor
	RequestID string
	Key       idempotency.Key
}

// The reasons of a client's end, as the trail has them.
const (
	reasonOwnerLeft = "owner_disabled"
	reasonAISwitch  = "ai_switch"
)

// DisableOwner disables every client of a person of one tenant for good, of whom it asks the same as of the person behind a bot: the
// same human, however their address is written. Every node refuses them within the time that an answer is cached, and until
// EnableOwner no client is made for that person. It gives the clients that it disabled; none is no fault.
//
// Faults: CodeInvalidRequest without an owner, and those of the Idempotency-Key.
func (s *Clients) DisableOwner(ctx context.Context, cmd DisableCommand) ([]string, error) {
	if err := checkOwner(cmd); err != nil {
		return nil, err
	}
	person := PersonID(cmd.Owner)
	var out answer[[]string]
	var revoked []string
	err := s.Store.Switching(ctx, cmd.Tenant, person, func(tx Tx, now time.Time, last Switch, all []Client) error {
		if done, err := out.again(ctx, tx, cmd.Key); done || err != nil {
			return err
		}
		out.Value = []string{}
		for _, c := range all {
			if PersonID(c.Owner) != person {
				continue
			}
			change := s.ending(c, now, cmd.By, cmd.RequestID)
			change.Event.Reason = reasonOwnerLeft
			if err := tx.Apply(ctx, change); err != nil {
				return err
			}
			out.Value, revoked = append(out.Value, c.ID), append(revoked, change.Revoke...)
		}
		if err := s.turn(ctx, tx, last, true, cmd, now, nil); err != nil {
			return err
		}
		return out.keep(ctx, tx, cmd.Key, now)
	})
	if err != nil {
		return nil, fault.Wrap(err, "disable an owner's clients")
	}
	s.cache.drop(revoked)
	return out.Value, nil
}

// EnableOwner lets clients be made for a person again. What DisableOwner disabled stays so. Doing it again changes nothing.
//
// Faults: CodeInvalidRequest.
func (s *Clients) EnableOwner(ctx context.Context, cmd DisableCommand) error {
	if err := checkOwner(cmd); err != nil {
		return err
	}
	err := s.Store.Switching(ctx, cmd.Tenant, PersonID(cmd.Owner), func(tx Tx, now time.Time, last Switch, _ []Client) error {
		return s.turn(ctx, tx, last, false, cmd, now, nil)
	})
	return fault.Wrap(err, "enable an owner")
}

// DisableAI throws the one switch for all AI agents: of one tenant, or of all. It is a state. While it is off every AI agent is
// refused, those too that are made meanwhile, by whichever credential, on every node within the time that an answer is cached. It
// gives the agents that it stopped: none when it was off.
//
// Faults: CodeInvalidRequest without a reason, and those of the Idempotency-Key.
func (s *Clients) DisableAI(ctx context.Context, cmd DisableCommand) ([]string, error) {
	if err := checkReason(cmd.Reason); err != nil {
		return nil, err
	}
	var out answer[[]string]
	err := s.Store.Switching(ctx, cmd.Tenant, AISwitch, func(tx Tx, now time.Time, last Switch, all []Client) error {
		if done, err := out.again(ctx, tx, cmd.Key); done || err != nil {
			return err
		}
		out.Value = []string{}
		if !last.Off {
			for _, c := range all {
				out.Value = append(out.Value, c.ID)
			}
		}
		if err := s.turn(ctx, tx, last, true, cmd, now, all); err != nil {
			return err
		}
		return out.keep(ctx, tx, cmd.Key, now)
	})
	if err != nil {
		return nil, fault.Wrap(err, "disable all AI agents")
	}
	s.cache.dropKind(AIAgent)
	return out.Value, nil
}

// EnableAI switches AI agents on again. Those that were disabled one by one stay so, and so do all while the other switch, the
// installation's or the tenant's, is off.
//
// Faults: CodeInvalidRequest without a reason.
func (s *Clients) EnableAI(ctx context.Context, cmd DisableCommand) error {
	if err := checkReason(cmd.Reason); err != nil {
		return err
	}
	err := s.Store.Switching(ctx, cmd.Tenant, AISwitch, func(tx Tx, now time.Time, last Switch, all []Client) error {
		return s.turn(ctx, tx, last, false, cmd, now, all)
	})
	return fault.Wrap(err, "enable AI agents")
}

// AIState is the switch that a tenant's AI agents are under: the installation's while that is off, else the tenant's own.
func (s *Clients) AIState(ctx context.Context, tenant string) (Switch, error) {
	sw, err := s.Store.Switched(ctx, "", AISwitch)
	if err == nil && !sw.Off {
		sw, err = s.Store.Switched(ctx, tenant, AISwitch)
	}
	return sw, fault.Wrap(err, "read the switch of AI agents")
}

// turn writes the next version of a switch with its event, unless it stands so already. What concerns all tenants is in the trail
// of each whose clients it concerns as well.
func (s *Clients) turn(ctx context.Context, tx Tx, last Switch, off bool, cmd DisableCommand, now time.Time, all []Client) error {
	if last.Off == off {
		return nil
	}
	next := Switch{Tenant: last.Tenant, Subject: last.Subject, Version: last.Version + 1, Off: off, At: now, By: cmd.By.ID, Reason: cmd.Reason}
	action, reason := audit.ClientsSwitchedOn, reasonOwnerLeft
	if off {
		action = audit.ClientsSwitchedOff
	}
	if next.Subject == AISwitch {
		reason = reasonAISwitch
	}
	tenants := []string{next.Tenant}
	if next.Tenant == "" {
		tenants[0] = everyTenant
		for _, c := range all {
			if !slices.Contains(tenants, c.Tenant) {
				tenants = append(tenants, c.Tenant)
			}
		}
	}
	change := Change{At: now, Switch: &next}
	for _, tenant := range tenants {
		change.Tenant, change.Event = tenant, audit.Event{
			ID: secret.NewID("evt", now, s.Rand), Tenant: tenant, At: now, Actor: cmd.By, Action: action, Subject: next.Subject, Reason: reason,
			Outcome: audit.Success, RequestID: cmd.RequestID, Details: map[string]any{"switch_version": next.Version, "every_tenant": next.Tenant == ""},
		}
		if err := tx.Apply(ctx, change); err != nil {
			return err
		}
		change.Switch = nil
	}
	return nil
}

// everyTenant stands in the trail in place of a tenant, as it does in alerts and controls.
const everyTenant = "_fleet"

func checkOwner(cmd DisableCommand) error {
	if cmd.Tenant == "" || !isLine(cmd.Owner) {
		return invalid("/owner", "must name a person in 1 to 100 visible characters")
	}
	if cmd.Reason == "" {
		return nil
	}
	return checkReason(cmd.Reason)
}

// checkReason demands a word that somebody else can make sense of.
func checkReason(text string) error {
	n := utf8.RuneCountInString(text)
	if n < 3 || n > 500 || !utf8.ValidString(text) || strings.TrimSpace(text) != text || strings.ContainsFunc(text, unicode.IsControl) {
		return invalid("/reason", "must be 3 to 500 visible characters")
	}
	return nil
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
