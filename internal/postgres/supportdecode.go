package postgres

import (
	"context"
	"encoding/json"
	"fmt"

	"github.com/holdfast/holdfast/internal/audit"
	"github.com/holdfast/holdfast/internal/postgres/dbsqlc"
	"github.com/holdfast/holdfast/internal/recovery"
	"github.com/holdfast/holdfast/internal/support"
)

// caseState is what a claimant learns of a case's state.
func caseState(s string) recovery.CaseState {
	switch support.State(s) {
	case support.Opened, support.EvidencePending, support.Flagged:
		return recovery.CaseOpen
	case support.Proposed:
		return recovery.CaseDeciding
	case support.Decided:
		return recovery.CaseDecided
	case support.Closed, support.Expired:
		return recovery.CaseEnded
	default:
		return ""
	}
}

// loadCase loads a case with its children, without its recovery.
func (s *Cases) loadCase(ctx context.Context, p *pipeline, q support.Query, in *support.Loaded) error {
	row, err := s.db.q.LoadCase(ctx, p, dbsqlc.LoadCaseParams{TenantID: q.Tenant, ID: q.Case, Person: q.Person})
	if err != nil {
		return translate(err, "load case")
	}
	if err := decodeCase(row, in); err != nil {
		return err
	}
	artefacts, err := s.db.q.LoadArtefacts(ctx, p, dbsqlc.LoadArtefactsParams{TenantID: q.Tenant, RecoveryID: in.Case.Recovery})
	if err != nil {
		return err
	}
	for _, a := range artefacts {
		in.Artefacts = append(in.Artefacts, support.Artefact{
			ID: a.ID, Kind: support.ArtefactKind(a.Kind), Provider: a.Provider, Reference: a.Reference, Hash: a.Hash,
			PerformedAt: a.PerformedAt.UTC(), By: a.Person, At: a.At.UTC(),
		})
	}
	return nil
}

func (s *Cases) loadHolder(ctx context.Context, p *pipeline, tenant string, in *support.Loaded) error {
	if in.Recovery.Account == nil {
		return nil
	}
	var err error
	in.Holder, err = s.holder(ctx, p, tenant, in.Recovery.Account.ID)
	return err
}

func (s *Cases) holder(ctx context.Context, p *pipeline, tenant, account string) ([]support.Sealed, error) {
	row, err := s.db.q.LoadHolder(ctx, p, dbsqlc.LoadHolderParams{TenantID: tenant, ID: account})
	if err != nil {
		return nil, translate(err, "load what names the owner")
	}
	out := []support.Sealed{{Kind: support.SealedRef, Text: row.RefSealed}}
	var identifiers []struct {
		Type   string   `json:"type"`
		Sealed hexBytes `json:"sealed"`
	}
	var channels []struct {
		ID     string   `json:"id"`
		Sealed hexBytes `json:"sealed"`
	}
	if err := json.Unmarshal(row.Identifiers, &identifiers); err != nil {
		return nil, fmt.Errorf("decode identifiers: %w", err)
	}
	if err := json.Unmarshal(row.Channels, &channels); err != nil {
		return nil, fmt.Errorf("decode channels: %w", err)
	}
	for _, i := range identifiers {
		out = append(out, support.Sealed{Kind: support.SealedIdentifier, ID: i.Type, Text: i.Sealed})
	}
	for _, c := range channels {
		out = append(out, support.Sealed{Kind: support.SealedChannel, ID: c.ID, Text: c.Sealed})
	}
	return out, nil
}

type noteJSON struct {
	ID     string   `json:"id"`
	Person string   `json:"person"`
	Client string   `json:"client"`
	At     moment   `json:"at"`
	Sealed hexBytes `json:"sealed"`
}

type proposalJSON struct {
	ID              string         `json:"id"`
	Outcome         string         `json:"outcome"`
	Hash            hexBytes       `json:"hash"`
	PolicyVersion   string         `json:"policy_version"`
	RecoveryVersion int64          `json:"recovery_version"`
	Person          string         `json:"person"`
	Client          string         `json:"client"`
	AI              bool           `json:"ai"`
	Security        bool           `json:"security"`
	At              moment         `json:"at"`
	ExpiresAt       moment         `json:"expires_at"`
	Status          string         `json:"status"`
	ClosedAt        moment         `json:"closed_at"`
	Decisions       []decisionJSON `json:"decisions"`
}

type decisionJSON struct {
	Person   string   `json:"person"`
	Account  string   `json:"account"`
	Consent  bool     `json:"consent"`
	Security bool     `json:"security"`
	Hash     hexBytes `json:"hash"`
	Reason   hexBytes `json:"reason"`
	ReadAt   moment   `json:"read_at"`
	At       moment   `json:"at"`
}

type assignmentJSON struct {
	ProposalID string `json:"proposal_id"`
	Person     string `json:"person"`
	At         moment `json:"at"`
	ExpiresAt  moment `json:"expires_at"`
	ReadAt     moment `json:"read_at"`
}

type timelineJSON struct {
	At      moment `json:"at"`
	Action  string `json:"action"`
	Actor   string `json:"actor"`
	Outcome string `json:"outcome"`
	Reason  string `json:"reason"`
}

func decodeCase(row dbsqlc.LoadCaseRow, in *support.Loaded) error {
	c := row.SupportCase
	state, err := support.ParseState(c.State)
	if err != nil {
		return err
	}
	in.Case = support.Case{
		ID: c.ID, Tenant: c.TenantID, Recovery: c.RecoveryID, Via: support.Via(c.Via), OpenedBy: c.OpenedBy, State: state, Version: c.Version,
		Workers: c.Workers, Barred: c.Barred, FlaggedAt: instant(c.FlaggedAt), FlagReason: support.FlagReason(c.FlagReason), AIInvolved: c.AiInvolved,
		DataKey: c.DataKey, Outcome: support.Outcome(c.Outcome), CreatedAt: c.CreatedAt.UTC(), ActiveAt: c.ActiveAt.UTC(),
		ExpiresAt: c.ExpiresAt.UTC(), ClosedAt: instant(c.ClosedAt),
	}
	var notes []noteJSON
	var proposal *proposalJSON
	var assignment *assignmentJSON
	var timeline []timelineJSON
	for _, x := range []struct {
		raw  []byte
		into any
	}{{row.Notes, &notes}, {row.Proposal, &proposal}, {row.Assignment, &assignment}, {row.Timeline, &timeline}} {
		if err := json.Unmarshal(x.raw, x.into); err != nil {
			return fmt.Errorf("decode %T: %w", x.into, err)
		}
	}
	for _, n := range notes {
		in.Notes = append(in.Notes, support.Note{ID: n.ID, By: support.Party{Person: n.Person, Client: n.Client}, At: n.At.Time, Sealed: n.Sealed})
	}
	for _, e := range timeline {
		in.Timeline = append(in.Timeline, support.Moment{
			At: e.At.Time, Action: audit.Action(e.Action), Actor: audit.ActorKind(e.Actor), Outcome: audit.Outcome(e.Outcome), Reason: e.Reason,
		})
	}
	if a := assignment; a != nil {
		in.Assignment = &support.Assignment{Proposal: a.ProposalID, Person: a.Person, At: a.At.Time, ExpiresAt: a.ExpiresAt.Time, ReadAt: a.ReadAt.Time}
	}
	in.Case.Proposal = proposal.decode()
	return nil
}

func (p *proposalJSON) decode() *support.Proposal {
	if p == nil {
		return nil
	}
	out := &support.Proposal{
		ID: p.ID, Outcome: support.Outcome(p.Outcome), Hash: p.Hash, By: support.Party{Person: p.Person, Client: p.Client}, Security: p.Security,
		AI: p.AI, Policy: p.PolicyVersion, Recovery: p.RecoveryVersion, At: p.At.Time, ExpiresAt: p.ExpiresAt.Time,
		Status: support.ProposalStatus(p.Status), ClosedAt: p.ClosedAt.Time,
	}
	for _, d := range p.Decisions {
		out.Decisions = append(out.Decisions, support.Decision{
			Person: d.Person, Account: d.Account, Security: d.Security, Consent: d.Consent, Hash: d.Hash, ReadAt: d.ReadAt.Time, At: d.At.Time, Reason: d.Reason,
		})
	}
	return out
}
