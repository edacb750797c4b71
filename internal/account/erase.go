package account

import (
	"context"

	"github.com/holdfast/holdfast/internal/audit"
	"github.com/holdfast/holdfast/internal/fault"
	"github.com/holdfast/holdfast/internal/secret"
)

// Erase destroys an account's data key and everything personal, and leaves a tombstone that audit events may point to
// . A second time is fault.CodeNotFound.
//
// While a recovery has accepted proofs or is in probation the erasure waits, and waiting is true: erasing must not wipe the
// trail of a takeover. The owner is told everywhere. It is done within a minute of the end of what is open, unless
// the owner took the account back meanwhile, or a recovery was completed: who then holds the account can ask again. Asking
// twice changes nothing.
//
// A legal hold makes it wait as well.
//
// Where other systems are to be told that the account is gone, its name is kept for them, sealed by itself, until they have
// acknowledged it and a week at most (ADR 0031).
//
// What is left are the tombstone, the events with the names that Holdfast made, and rows that hold neither an address nor a network.
// Counters of failures stay, under the tombstone's id: they tell nothing about a person. What detectors count with, truncated
// networks among it, is gone within a day.
func (s *Service) Erase(ctx context.Context, c Caller, ref string) (waiting bool, err error) {
	err = s.Store.Changing(ctx, s.query(c, ref), func(tx Tx, in Loaded) error {
		waiting = false
		if in.Account == nil {
			return fault.Of(fault.CodeNotFound)
		}
		if in.frozen() || in.Held {
			waiting = true
			return s.askErasure(ctx, tx, c, in)
		}
		return s.erase(ctx, tx, c, in, "")
	})
	return waiting, fault.Wrap(err, "erase account")
}

func (s *Service) erase(ctx context.Context, tx Tx, c Caller, in Loaded, reason string) error {
	event := s.event(c, in.Now, audit.AccountErased, in.Account.ID, nil)
	event.Reason = reason
	farewell, err := s.farewell(c.Tenant, *in.Account)
	if err != nil {
		return err
	}
	return tx.Apply(ctx, Change{Tenant: c.Tenant, Account: in.Account.ID, At: in.Now, Erase: true, Farewell: farewell, Events: []audit.Event{event}})
}

// farewell seals the account's name by itself, under the keyring.
func (s *Service) farewell(tenant string, a Stored) ([]byte, error) {
	key, err := s.Keys.OpenDataKey(a.DataKey, tenant, a.ID)
	if err != nil {
		return nil, fault.Wrap(err, "open data key")
	}
	ref, err := key.Open(a.RefSealed, RefAAD(tenant, a.ID))
	if err != nil {
		return nil, fault.Wrap(err, "open name")
	}
	sealed, err := s.Keys.SealBound(secret.PurposeSignal, secret.NewString(a.ID), ref, FarewellAAD(tenant, a.ID))
	return sealed, fault.Wrap(err, "seal name")
}

func (s *Service) askErasure(ctx context.Context, tx Tx, c Caller, in Loaded) error {
	if !in.Account.ErasureAskedAt.IsZero() {
		return nil
	}
	return tx.Apply(ctx, Change{
		Tenant: c.Tenant, Account: in.Account.ID, At: in.Now, AskErasure: true, AskedBy: c.Client,
		Notices: s.notices(c.Tenant, *in.Account, noticeErasureQueued, in.Now),
		Events:  []audit.Event{s.event(c, in.Now, audit.ErasureQueued, in.Account.ID, nil)},
	})
}

// EraseDue erases accounts whose erasure waited and that nothing keeps any more, at most atMost of them, and says how many
// there were. One that was frozen again meanwhile, or is gone, is left alone. One that fails keeps no other from being erased;
// the first failure is returned.
func (s *Service) EraseDue(ctx context.Context, atMost int) (int, error) {
	due, err := s.Store.ErasuresDue(ctx, atMost)
	if err != nil {
		return 0, fault.Wrap(err, "find erasures")
	}
	var first error
	for _, d := range due {
		c := Caller{Tenant: d.Tenant, Client: d.By}
		err := s.Store.Changing(ctx, Query{Tenant: d.Tenant, RefHashes: [][]byte{d.RefHash}}, func(tx Tx, in Loaded) error {
			if in.Account == nil || in.Account.ErasureAskedAt.IsZero() || in.frozen() || in.Held {
				return nil
			}
			return s.erase(ctx, tx, c, in, "queued")
		})
		if err != nil && first == nil {
			first = fault.Wrap(err, "erase account")
		}
	}
	return len(due), first
}
