package postgres

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/holdfast/holdfast/internal/audit"
	"github.com/holdfast/holdfast/internal/factor"
	"github.com/holdfast/holdfast/internal/postgres/dbsqlc"
	"github.com/holdfast/holdfast/internal/recovery"
	"github.com/holdfast/holdfast/internal/secret"
)

// tx is recovery.Tx: everything it is told is queued and leaves with COMMIT.
type tx struct {
	q *dbsqlc.Queries
	p *pipeline
}

var errZeroStep = errors.New("apply: a step that no transition made")

// Apply implements recovery.Tx.
func (t *tx) Apply(ctx context.Context, c recovery.Change) error {
	if len(c.Steps) == 0 && len(c.Events) == 0 {
		return errZeroStep
	}
	for i, step := range c.Steps {
		if !step.Valid() {
			return errZeroStep
		}
		if err := t.step(ctx, c, step, i == 0); err != nil {
			return err
		}
	}
	for _, write := range []func(context.Context, recovery.Change) error{
		t.counters, t.proofs, t.grants, t.seats, t.suspicions, t.messages, t.remember,
	} {
		if err := write(ctx, c); err != nil {
			return err
		}
	}
	return nil
}

// Postpone implements recovery.Tx.
func (t *tx) Postpone(ctx context.Context, r recovery.Recovery, at time.Time) error {
	return t.q.PostponeWake(ctx, t.p, dbsqlc.PostponeWakeParams{TenantID: r.Tenant, ID: r.ID, Version: r.Version, WakeAt: nullable(at)})
}

// step writes one transition with its audit event and the children that belong to it.
func (t *tx) step(ctx context.Context, c recovery.Change, s recovery.Step, first bool) error {
	r := s.Next
	plan, err := json.Marshal(r.Plan)
	if err != nil {
		return fmt.Errorf("encode plan: %w", err)
	}
	if s.Event == recovery.Initiate {
		err = t.insertRecovery(ctx, c, r, plan)
	} else {
		err = t.advance(ctx, r, plan)
	}
	if err != nil {
		return err
	}
	if err := t.p.appendEvents(eventOf(c, s)); err != nil {
		return err
	}
	if first && c.Challenge != nil {
		if err := t.putChallenge(ctx, r, *c.Challenge); err != nil {
			return err
		}
	}
	return t.children(ctx, c, s)
}

func (t *tx) insertRecovery(ctx context.Context, c recovery.Change, r recovery.Recovery, plan []byte) error {
	signals, err := json.Marshal(c.Opening.Signals)
	if err != nil {
		return fmt.Errorf("encode signals: %w", err)
	}
	return t.q.InsertRecovery(ctx, t.p, dbsqlc.InsertRecoveryParams{
		TenantID: r.Tenant, ID: r.ID, Reference: r.Reference, ClaimantHash: c.Opening.ClaimantHash, AccountID: optional(r.Account),
		Subject: r.Subject, ClientID: r.Client, Reason: string(r.Reason), Network: r.Network, Signals: signals, State: string(r.State),
		Version: r.Version, Tier: r.Tier.String(), Plan: plan, PolicyVersion: r.Plan.PolicyVersion, CreatedAt: r.CreatedAt,
		ExpiresAt: r.ExpiresAt, WakeAt: nullable(r.WakeAt),
	})
}

// advance is the guarded UPDATE. A version that somebody else has taken makes the audit event's unique index, or
// its deferred check, stop the transaction: the row count is not looked at (ADR 0012).
func (t *tx) advance(ctx context.Context, r recovery.Recovery, plan []byte) error {
	approved := r.Approved
	if approved == nil {
		approved = []string{}
	}
	return t.q.AdvanceRecovery(ctx, t.p, dbsqlc.AdvanceRecoveryParams{
		TenantID: r.Tenant, ID: r.ID, Version: r.Version - 1, State: string(r.State), Tier: r.Tier.String(), Plan: plan,
		PolicyVersion: r.Plan.PolicyVersion, Approved: approved, PausedTotal: r.PausedTotal, ContestedAt: nullable(r.ContestedAt),
		GrantID: optional(r.GrantID), GrantExpires: nullable(r.GrantExpires), ChangedAt: r.ChangedAt, HeldAt: nullable(r.HeldAt), RemindedAt: nullable(r.RemindedAt),
		NotBefore: nullable(r.NotBefore), ReadyUntil: nullable(r.ReadyUntil), ExpiresAt: r.ExpiresAt, CompletedAt: nullable(r.CompletedAt),
		ProbationUntil: nullable(r.ProbationUntil), ClosedAt: nullable(r.ClosedAt), WakeAt: nullable(r.WakeAt),
	})
}

// eventOf is the transition's audit event: the one that its version must have.
func eventOf(c recovery.Change, s recovery.Step) audit.Event {
	outcome := audit.Success
	if s.Refusal() != nil {
		outcome = audit.Failure
	}
	return audit.Event{
		ID: newEventID(s.At), Tenant: s.Next.Tenant, At: s.At, Actor: c.By, Action: s.Action, Subject: s.Next.ID, Recovery: s.Next.ID,
		Version: s.Next.Version, From: string(s.From), To: string(s.To), Reason: s.Reason, PolicyVersion: s.Next.Plan.PolicyVersion,
		Outcome: outcome, Origin: c.Origin, RequestID: c.RequestID, Details: s.Details,
	}
}

func newEventID(at time.Time) string { return secret.NewID("evt", at, rand.Reader) }

func (t *tx) putChallenge(ctx context.Context, r recovery.Recovery, ch recovery.Challenge) error {
	return t.q.PutChallenge(ctx, t.p, dbsqlc.PutChallengeParams{
		TenantID: r.Tenant, ID: ch.ID, RecoveryID: r.ID, Method: string(ch.Method), ChannelID: optional(ch.Channel),
		Sends: int32(ch.Sends), Attempts: int32(ch.Attempts), CodeHash: ch.CodeHash, CreatedAt: ch.CreatedAt, ExpiresAt: ch.ExpiresAt, //nolint:gosec // at most 5.
		ResendAt: ch.ResendAt, MintedAt: nullable(ch.MintedAt), AcceptedAt: nullable(ch.AcceptedAt), ConsumedAt: nullable(ch.ConsumedAt),
	})
}

// children writes what a step adds around its recovery.
func (t *tx) children(ctx context.Context, c recovery.Change, s recovery.Step) error {
	r := s.Next
	if e := s.NewEvidence; e != nil {
		err := t.q.InsertEvidence(ctx, t.p, dbsqlc.InsertEvidenceParams{
			TenantID: r.Tenant, RecoveryID: r.ID, ChallengeID: c.Challenge.ID, Method: string(e.Method), Class: string(e.Class),
			Source: e.Source, SourceSince: e.Since, AcceptedAt: e.At, PhishingResistant: e.PhishingResistant, Aal: int16(e.AAL), Suspect: e.Suspect, //nolint:gosec // 0 to 3.
		})
		if err != nil {
			return err
		}
	}
	if e := s.NewEvidence; e != nil && e.Method == factor.SMS {
		if err := t.q.TextVerified(ctx, t.p, dbsqlc.TextVerifiedParams{TenantID: r.Tenant, ChallengeID: c.Challenge.ID}); err != nil {
			return err
		}
	}
	for _, e := range s.NewApproved { // what two humans accepted; the artefact is its origin
		err := t.q.InsertEvidence(ctx, t.p, dbsqlc.InsertEvidenceParams{
			TenantID: r.Tenant, RecoveryID: r.ID, ChallengeID: e.Source, Method: string(e.Method), Class: string(e.Class),
			Source: e.Source, SourceSince: e.Since, AcceptedAt: e.At, Suspect: e.Suspect,
		})
		if err != nil {
			return err
		}
	}
	if o := s.NewObjection; o != nil {
		evidence, err := json.Marshal(o.Evidence)
		if err != nil {
			return fmt.Errorf("encode objection: %w", err)
		}
		if o.Evidence == nil {
			evidence = []byte("[]")
		}
		err = t.q.InsertObjection(ctx, t.p, dbsqlc.InsertObjectionParams{
			TenantID: r.Tenant, ID: o.ID, RecoveryID: r.ID, Channel: o.Channel, Strength: int16(o.Strength), Evidence: evidence, At: o.At,
		})
		if err != nil {
			return err
		}
	}
	if s.ResolveObjections {
		if err := t.q.ResolveObjections(ctx, t.p, dbsqlc.ResolveObjectionsParams{TenantID: r.Tenant, RecoveryID: r.ID, At: &s.At}); err != nil {
			return err
		}
	}
	if s.VoidGrant != "" {
		return t.q.VoidGrant(ctx, t.p, dbsqlc.VoidGrantParams{TenantID: r.Tenant, ID: s.VoidGrant, At: &s.At})
	}
	return nil
}

// counters writes the attempt and send counters, in the transaction of the verdict.
func (t *tx) counters(ctx context.Context, c recovery.Change) error {
	for kind, k := range c.Counters {
		recent := k.Recent
		if recent == nil {
			recent = []time.Time{}
		}
		err := t.q.PutCounter(ctx, t.p, dbsqlc.PutCounterParams{
			TenantID: c.Tenant, Subject: c.Subject, Kind: kind, Consecutive: int32(k.Consecutive), Recent: recent, //nolint:gosec // at most 100.
			WaitUntil: nullable(k.WaitUntil), DisabledAt: nullable(k.DisabledAt),
		})
		if err != nil {
			return err
		}
	}
	for _, kind := range c.OpenCounts {
		if err := t.q.OpenCounter(ctx, t.p, dbsqlc.OpenCounterParams{TenantID: c.Tenant, Subject: c.Subject, Kind: kind}); err != nil {
			return err
		}
	}
	return nil
}

// proofs writes what was used up, and the decision that was made on it.
func (t *tx) proofs(ctx context.Context, c recovery.Change) error {
	if u := c.TOTP; u != nil {
		if err := t.q.UseTOTPStep(ctx, t.p, dbsqlc.UseTOTPStepParams{TenantID: c.Tenant, ID: u.Factor, Step: u.Step}); err != nil {
			return err
		}
	}
	if c.SavedUse != "" {
		if err := t.q.UseSavedCode(ctx, t.p, dbsqlc.UseSavedCodeParams{TenantID: c.Tenant, ID: c.SavedUse, At: &c.At}); err != nil {
			return err
		}
	}
	if n := c.NewSaved; n != nil {
		err := t.q.InsertSavedCode(ctx, t.p, dbsqlc.InsertSavedCodeParams{
			TenantID: c.Tenant, ID: n.ID, AccountID: c.Subject, Prefix: n.Prefix, Phc: n.PHC, IssuedAt: c.At,
		})
		if err != nil {
			return err
		}
	}
	if c.Assessment == nil {
		return nil
	}
	last := c.Steps[len(c.Steps)-1].Next
	facts, err := json.Marshal(c.Assessment.Facts)
	if err != nil {
		return fmt.Errorf("encode facts: %w", err)
	}
	decision, err := json.Marshal(c.Assessment.Decision)
	if err != nil {
		return fmt.Errorf("encode decision: %w", err)
	}
	return t.q.InsertAssessment(ctx, t.p, dbsqlc.InsertAssessmentParams{
		TenantID: last.Tenant, RecoveryID: last.ID, Version: last.Version, At: c.At,
		PolicyVersion: c.Assessment.Decision.PolicyVersion, Facts: facts, Decision: decision,
	})
}

func (t *tx) grants(ctx context.Context, c recovery.Change) error {
	if g := c.Grant; g != nil {
		err := t.q.InsertGrant(ctx, t.p, dbsqlc.InsertGrantParams{
			TenantID: c.Tenant, ID: g.ID, RecoveryID: c.Steps[0].Next.ID, TokenHash: g.Hash, IssuedAt: c.At, ExpiresAt: g.ExpiresAt,
		})
		if err != nil {
			return err
		}
	}
	if c.Redeemed != "" {
		return t.q.RedeemGrant(ctx, t.p, dbsqlc.RedeemGrantParams{TenantID: c.Tenant, ID: c.Redeemed, At: &c.At, RedeemedBy: &c.RedeemedBy})
	}
	return nil
}

// seats writes that there is a claimant's seat to take, or that it was taken.
func (t *tx) seats(ctx context.Context, c recovery.Change) error {
	if o := c.Opening; o != nil && !o.SeatUntil.IsZero() {
		err := t.q.InsertSeat(ctx, t.p, dbsqlc.InsertSeatParams{TenantID: c.Tenant, RecoveryID: c.Steps[0].Next.ID, ExpiresAt: o.SeatUntil})
		if err != nil {
			return err
		}
	}
	if k := c.TakeSeat; k != nil {
		return t.q.TakeSeat(ctx, t.p, dbsqlc.TakeSeatParams{TenantID: c.Tenant, RecoveryID: c.Recovery, At: &c.At, TakenBy: &k.By, NoticeID: &k.Notice})
	}
	return nil
}

func (t *tx) messages(ctx context.Context, c recovery.Change) error {
	if err := t.p.insertNotices(ctx, t.q, c.Notices...); err != nil {
		return err
	}
	if err := t.p.enqueue(ctx, c.Jobs...); err != nil {
		return err
	}
	events := make([]audit.Event, 0, len(c.Events))
	for _, e := range c.Events {
		e.ID, e.Origin, e.RequestID = newEventID(e.At), c.Origin, c.RequestID
		events = append(events, e)
	}
	return t.p.appendEvents(events...)
}

func (t *tx) remember(ctx context.Context, c recovery.Change) error {
	if c.Remember == nil {
		return nil
	}
	return t.q.Remember(ctx, t.p, dbsqlc.RememberParams{
		Key: c.Remember.Key[:], Fingerprint: c.Remember.Fingerprint[:], Outcome: c.Remember.Outcome, ExpiresAt: c.At.Add(rememberFor),
	})
}
