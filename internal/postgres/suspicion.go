package postgres

import (
	"context"
	"slices"
	"time"

	"github.com/holdfast/holdfast/internal/postgres/dbsqlc"
	"github.com/holdfast/holdfast/internal/recovery"
)

// suspicions writes what a veto or a reversal does to the means of the claim: channels and factors are suspect for a while,
// codes that the recovery gave are revoked, and an erasure that the claimant asked for is forgotten.
func (t *tx) suspicions(ctx context.Context, c recovery.Change) error {
	for _, s := range c.Steps {
		if s.SuspectUntil.IsZero() {
			continue
		}
		if err := t.suspect(ctx, s.Next, slices.Concat(s.Suspect, c.Suspect), s.At, s.SuspectUntil); err != nil {
			return err
		}
		if s.RevokeCodesSince.IsZero() {
			continue
		}
		err := t.q.RevokeCodesSince(ctx, t.p, dbsqlc.RevokeCodesSinceParams{
			TenantID: s.Next.Tenant, AccountID: s.Next.Account, At: &s.At, Since: s.RevokeCodesSince,
		})
		if err != nil {
			return err
		}
	}
	if !c.ForgetErasure {
		return nil
	}
	return t.q.CancelErasure(ctx, t.p, dbsqlc.CancelErasureParams{TenantID: c.Tenant, ID: c.Subject})
}

func (t *tx) suspect(ctx context.Context, r recovery.Recovery, sources []string, at, until time.Time) error {
	slices.Sort(sources)
	if sources = slices.Compact(sources); len(sources) == 0 {
		return nil
	}
	err := t.q.SuspectChannels(ctx, t.p, dbsqlc.SuspectChannelsParams{TenantID: r.Tenant, AccountID: r.Account, Sources: sources, At: &at, Until: &until})
	if err != nil {
		return err
	}
	return t.q.SuspectFactors(ctx, t.p, dbsqlc.SuspectFactorsParams{TenantID: r.Tenant, AccountID: r.Account, Sources: sources, At: &at, Until: &until})
}
