package support

import (
	"context"
	"encoding/binary"
	"io"

	"github.com/holdfast/holdfast/internal/audit"
	"github.com/holdfast/holdfast/internal/credential"
	"github.com/holdfast/holdfast/internal/fault"
)

// Assign gives the caller a proposal to decide: the one that they hold already, or one drawn at random among those that wait and
// that they have no part in. Nobody chooses, nobody draws again by asking again, and nobody is given the same proposal twice
// (R-130; ADR on assignment). Nothing that waits is fault.CodeNotFound.
func (s *Service) Assign(ctx context.Context, cmd AssignCommand) (Assigned, error) {
	var out Assigned
	tenant, person := cmd.Who.Tenant, cmd.Who.Person()
	err := s.Store.Assigning(ctx, ListQuery{Tenant: tenant, Person: person, Account: cmd.Who.Account()}, func(tx Tx, in Queue) error {
		out = Assigned{}
		if in.Current != nil {
			out = Assigned{Case: in.Current.Case, Proposal: in.Current.Proposal, ExpiresAt: in.Current.ExpiresAt}
			return nil
		}
		var mine []Waiting
		for _, w := range in.Waiting {
			if !w.Security || cmd.Who.Has(credential.Security) {
				mine = append(mine, w)
			}
		}
		if len(mine) == 0 {
			return fault.Of(fault.CodeNotFound).Detail("No proposal waits for you.")
		}
		i, err := s.draw(len(mine))
		if err != nil {
			return err
		}
		w := mine[i]
		until := in.Now.Add(AssignFor)
		if w.ExpiresAt.Before(until) {
			until = w.ExpiresAt
		}
		out = Assigned{Case: w.Case, Proposal: w.Proposal, ExpiresAt: until}
		return tx.Apply(ctx, Change{
			Tenant: tenant, Case: w.Case, At: in.Now, Staff: seen(cmd.Who),
			Assign: &Assignment{Proposal: w.Proposal, Person: person, At: in.Now, ExpiresAt: until},
			Events: []audit.Event{{
				Tenant: tenant, At: in.Now, Actor: cmd.Who.Actor(), Action: audit.CaseAssigned, Subject: w.Case, Recovery: w.Recovery, Outcome: audit.Success,
				RequestID: cmd.RequestID, Details: map[string]any{"proposal": w.Proposal, "among": len(mine)},
			}},
		})
	})
	return out, fault.Wrap(err, "assign")
}

// draw picks a number below n. The bias of the remainder is below one in ten million for any queue there will be.
func (s *Service) draw(n int) (int, error) {
	var b [4]byte
	if _, err := io.ReadFull(s.Rand, b[:]); err != nil {
		return 0, fault.Wrap(err, "draw")
	}
	return int(binary.BigEndian.Uint32(b[:]) % uint32(n)), nil //nolint:gosec // n is a length of at most 100.
}
