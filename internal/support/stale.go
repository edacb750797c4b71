package support

import (
	"context"

	"github.com/holdfast/holdfast/internal/fault"
)

// Settle writes down what time and change have brought to cases that nobody touches: proposals whose time is over, cases without
// work, recoveries that have ended. Whoever acts on a case meets all of it anyway; this is for lists and for tidiness. It says how
// many cases it looked at. One that fails does not keep the others from being settled; the first failure is returned.
func (s *Service) Settle(ctx context.Context, atMost int) (int, error) {
	stale, err := s.Store.Stale(ctx, atMost)
	if err != nil {
		return 0, fault.Wrap(err, "find stale cases")
	}
	var first error
	for _, q := range stale {
		err := s.Store.Changing(ctx, q, func(tx Tx, in Loaded) error {
			if err := s.fill(ctx, tx, &in); err != nil {
				return err
			}
			steps := s.settle(in)
			if len(steps) == 0 {
				return nil
			}
			return tx.Apply(ctx, Change{Tenant: q.Tenant, Case: q.Case, At: in.Now(), RecoveryID: in.Case.Recovery, Steps: steps})
		})
		if err != nil && first == nil && fault.CodeOf(err) != fault.CodeConflict {
			first = err
		}
	}
	return len(stale), first
}
