package account

import (
	"context"

	"github.com/holdfast/holdfast/internal/audit"
	"github.com/holdfast/holdfast/internal/fault"
)

// Erase destroys an account's data key and everything personal, and leaves a tombstone that audit events may point to
// . A second time is fault.CodeNotFound. While a recovery is past its proofs or in probation it is
// fault.CodeRecoveryOpen: erasing must not wipe the trail of a takeover.
//
// Counters of failures stay, under the tombstone's id: they tell nothing about a person.
func (s *Service) Erase(ctx context.Context, c Caller, ref string) error {
	err := s.Store.Changing(ctx, s.query(c, ref), func(tx Tx, in Loaded) error {
		a, err := changeable(in)
		if err != nil {
			return err
		}
		return tx.Apply(ctx, Change{
			Tenant: c.Tenant, Account: a.ID, At: in.Now, Erase: true,
			Events: []audit.Event{s.event(c, in.Now, audit.AccountErased, a.ID, nil)},
		})
	})
	return fault.Wrap(err, "erase account")
}
