package postgres

import (
	"context"
	"errors"

	"github.com/holdfast/holdfast/internal/fault"
	"github.com/holdfast/holdfast/internal/postgres/dbsqlc"
	"github.com/holdfast/holdfast/internal/recovery"
	"github.com/holdfast/holdfast/internal/support"
)

var errNoCaseEvent = errors.New("a change of a case without its audit event")

// Apply implements support.Tx. The case's steps come before what hangs on it, because the database takes an artefact only of who has
// a part in the case by then; both come before the recovery changes, because it looks for the decisions behind an approval.
func (t *caseTx) Apply(ctx context.Context, c support.Change) error {
	if len(c.Steps) == 0 && len(c.Events) == 0 {
		return errNoCaseEvent
	}
	for _, write := range []func(context.Context, support.Change) error{t.begun, t.steps, t.added, t.changed, t.seen, t.logged} {
		if err := write(ctx, c); err != nil {
			return err
		}
	}
	return t.remember(ctx, recovery.Change{At: c.At, Remember: c.Remember})
}

// StaffAmong implements support.Tx.
func (t *caseTx) StaffAmong(ctx context.Context, tenant string, persons []string) (bool, error) {
	if len(persons) == 0 {
		return false, nil
	}
	return t.q.StaffAmong(ctx, t.p, dbsqlc.StaffAmongParams{TenantID: tenant, Persons: persons})
}

// begun writes a recovery that begins with its case: the case refers to it.
func (t *caseTx) begun(ctx context.Context, c support.Change) error {
	if c.Recovery == nil || c.Recovery.Opening == nil {
		return nil
	}
	return t.tx.Apply(ctx, *c.Recovery)
}

// changed writes what becomes of a recovery that was there before.
func (t *caseTx) changed(ctx context.Context, c support.Change) error {
	if c.Recovery == nil || c.Recovery.Opening != nil {
		return nil
	}
	return t.tx.Apply(ctx, *c.Recovery)
}

// added writes what hangs on a case.
func (t *caseTx) added(ctx context.Context, c support.Change) error {
	if n := c.Note; n != nil {
		err := t.q.InsertNote(ctx, t.p, dbsqlc.InsertNoteParams{
			TenantID: c.Tenant, ID: n.ID, CaseID: c.Case, Person: n.By.Person, Client: n.By.Client, At: n.At, Sealed: n.Sealed,
		})
		if err != nil {
			return err
		}
	}
	if a := c.Artefact; a != nil {
		err := t.q.InsertArtefact(ctx, t.p, dbsqlc.InsertArtefactParams{
			TenantID: c.Tenant, ID: a.ID, RecoveryID: c.RecoveryID, CaseID: c.Case, Kind: string(a.Kind), Provider: a.Provider,
			Reference: a.Reference, Hash: a.Hash, PerformedAt: a.PerformedAt, Person: a.By, At: a.At,
		})
		if err != nil {
			return err
		}
	}
	if a := c.Assign; a != nil && c.ReadBy == "" {
		return t.q.InsertAssignment(ctx, t.p, dbsqlc.InsertAssignmentParams{
			TenantID: c.Tenant, ProposalID: a.Proposal, Person: a.Person, At: a.At, ExpiresAt: a.ExpiresAt,
		})
	}
	if a := c.Assign; a != nil {
		return t.q.ReadAssignment(ctx, t.p, dbsqlc.ReadAssignmentParams{TenantID: c.Tenant, ProposalID: a.Proposal, Person: c.ReadBy, At: &c.At})
	}
	return nil
}

func (t *caseTx) steps(ctx context.Context, c support.Change) error {
	for _, s := range c.Steps {
		if !s.Valid() {
			return errZeroStep
		}
		if err := t.step(ctx, c, s); err != nil {
			return err
		}
		e := s.AuditEvent()
		e.ID, e.RequestID = newEventID(e.At), c.RequestID
		if err := t.p.appendEvents(e); err != nil {
			return err
		}
	}
	return nil
}

// step writes one transition: decisions before the proposal that they end.
func (t *caseTx) step(ctx context.Context, c support.Change, s support.Step) error {
	n := s.Next
	if err := t.row(ctx, c, s); err != nil {
		return err
	}
	p := n.Proposal
	if s.NewProposal {
		err := t.q.InsertProposal(ctx, t.p, dbsqlc.InsertProposalParams{
			TenantID: n.Tenant, ID: p.ID, CaseID: n.ID, RecoveryID: n.Recovery, RecoveryVersion: p.Recovery, Outcome: string(p.Outcome), Hash: p.Hash,
			PolicyVersion: p.Policy, Person: p.By.Person, Client: p.By.Client, Ai: p.AI, Security: p.Security, At: p.At, ExpiresAt: p.ExpiresAt,
		})
		if err != nil {
			return err
		}
	}
	if d := s.NewDecision; d != nil {
		err := t.q.InsertDecision(ctx, t.p, dbsqlc.InsertDecisionParams{
			TenantID: n.Tenant, ProposalID: p.ID, Person: d.Person, Account: d.Account, Consent: d.Consent, Security: d.Security, Hash: d.Hash, Reason: d.Reason,
			ReadAt: d.ReadAt, At: d.At,
		})
		if err != nil {
			return err
		}
	}
	if s.CloseProposal == "" {
		return nil
	}
	return t.q.CloseProposal(ctx, t.p, dbsqlc.CloseProposalParams{TenantID: n.Tenant, ID: p.ID, Status: string(s.CloseProposal), At: &s.At})
}

// row writes the case itself. As with a recovery, the audit event of the version is the optimistic lock (ADR 0012).
func (t *caseTx) row(ctx context.Context, c support.Change, s support.Step) error {
	n := s.Next
	workers, barred := n.Workers, n.Barred
	if workers == nil {
		workers = []string{}
	}
	if barred == nil {
		barred = []string{}
	}
	if s.From == "" {
		return t.q.InsertCase(ctx, t.p, dbsqlc.InsertCaseParams{
			TenantID: n.Tenant, ID: n.ID, RecoveryID: n.Recovery, Via: string(n.Via), OpenedBy: n.OpenedBy, State: string(n.State), Version: n.Version,
			Workers: workers, Barred: barred, FlaggedAt: nullable(n.FlaggedAt), FlagReason: string(n.FlagReason), AiInvolved: n.AIInvolved, DataKey: c.NewKey, CreatedAt: n.CreatedAt, ActiveAt: n.ActiveAt, ExpiresAt: n.ExpiresAt,
		})
	}
	return t.q.AdvanceCase(ctx, t.p, dbsqlc.AdvanceCaseParams{
		TenantID: n.Tenant, ID: n.ID, Version: n.Version - 1, State: string(n.State), Workers: workers, FlaggedAt: nullable(n.FlaggedAt),
		FlagReason: string(n.FlagReason), AiInvolved: n.AIInvolved, Outcome: string(n.Outcome), ActiveAt: n.ActiveAt, ExpiresAt: n.ExpiresAt,
		ClosedAt: nullable(n.ClosedAt),
	})
}

func (t *caseTx) seen(ctx context.Context, c support.Change) error {
	if c.Staff == nil {
		return nil
	}
	return t.q.SeeStaff(ctx, t.p, dbsqlc.SeeStaffParams{TenantID: c.Tenant, Person: c.Staff.Person, Roles: c.Staff.Roles, At: c.At})
}

func (t *caseTx) logged(ctx context.Context, c support.Change) error {
	for _, e := range c.Events {
		e.ID = newEventID(e.At)
		if err := t.p.appendEvents(e); err != nil {
			return fault.Wrap(err, "append events of a case")
		}
	}
	return nil
}
