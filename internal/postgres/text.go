package postgres

import (
	"context"

	"github.com/holdfast/holdfast/internal/audit"
	"github.com/holdfast/holdfast/internal/dispatch"
	"github.com/holdfast/holdfast/internal/phone"
	"github.com/holdfast/holdfast/internal/postgres/dbsqlc"
)

// ReserveText implements dispatch.Store. The budgets are judged in one function of the database (migration 00020).
func (s *Dispatches) ReserveText(ctx context.Context, d dispatch.Delivery, t dispatch.Text) (string, error) {
	var row dbsqlc.ReserveTextRow
	err := s.db.inTx(ctx, func(p *pipeline) error {
		var err error
		row, err = s.db.q.ReserveText(ctx, p, dbsqlc.ReserveTextParams{
			TenantID: d.Tenant, ChallengeID: d.Challenge, Sends: int32(d.Sends), ChannelID: d.Channel, Country: t.Country, Prefix: t.Prefix, //nolint:gosec // at most 5.
			PerPrefix: bounded(t.Rules.PrefixHour), PerCountry: bounded(t.Rules.CountryDay), CountryMost: bounded(t.Rules.CountryMost), PerTenant: bounded(t.Rules.TenantDay), PerDay: bounded(t.Rules.Day),
		})
		if err != nil || row.Paused == "" {
			return err
		}
		return p.appendEvents(audit.Event{
			ID: newEventID(d.Now), Tenant: d.Tenant, At: d.Now, Actor: audit.Actor{Kind: audit.ActorSystem, ID: "texts"}, Action: audit.TextsPaused,
			Subject: t.Country, Reason: row.Paused, Outcome: audit.Success,
			Details: map[string]any{"country": t.Country, "scope": row.Paused, "sent": row.Seen, "verified": row.Typed},
		})
	})
	return row.Refusal, translate(err, "reserve text")
}

// KnowCarrier implements dispatch.Store.
func (s *Dispatches) KnowCarrier(ctx context.Context, d dispatch.Delivery, r phone.Report) error {
	return translate(s.db.q.KnowCarrier(ctx, s.db.pool, dbsqlc.KnowCarrierParams{
		TenantID: d.Tenant, ID: d.Channel, Line: string(r.Line), SimKnown: r.SIMKnown, SwappedAt: nullable(r.SwappedAt),
	}), "keep the carrier's word")
}

// ForgetTexts deletes what no budget looks at any more, at most atMost codes, and says how many.
func (db *DB) ForgetTexts(ctx context.Context, atMost int32) (int64, error) {
	if _, err := db.q.ForgetTextCounts(ctx, db.pool); err != nil {
		return 0, translate(err, "forget text counts")
	}
	if err := db.q.ForgetTextBudgets(ctx, db.pool); err != nil {
		return 0, translate(err, "forget text budgets")
	}
	n, err := db.q.ForgetTexts(ctx, db.pool, atMost)
	return n, translate(err, "forget texts")
}

// bounded is a budget as the database takes it.
func bounded(n int) int32 { return int32(min(max(n, 0), 1<<30)) } //nolint:gosec // bounded.

func orNegative(n *int32) int {
	if n == nil {
		return -1
	}
	return int(*n)
}
