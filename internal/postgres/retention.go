package postgres

import (
	"context"
	"time"

	"github.com/holdfast/holdfast/internal/audit"
	"github.com/holdfast/holdfast/internal/fault"
	"github.com/holdfast/holdfast/internal/postgres/dbsqlc"
)

// Forgotten says how many rows of a kind one round of a retention job deleted, or emptied.
type Forgotten map[string]int64

// most is how many rows of the kind with the most there were.
func (f Forgotten) most() int64 {
	var n int64
	for _, m := range f {
		n = max(n, m)
	}
	return n
}

// ForgetRecoveries deletes the working data of recoveries that have been over for keep, at most atMost of them, and writes down
// that it did. Any number of nodes may do so at once: each takes others. A recovery's row stays, without the claimant's
// network and signals, and so does what justifies it. more says that there may be others.
func (db *DB) ForgetRecoveries(ctx context.Context, keep time.Duration, atMost int32) (out Forgotten, more bool, err error) {
	err = db.inTx(ctx, func(p *pipeline) error {
		out, more = Forgotten{}, false
		rows, err := db.q.ForgetRecoveries(ctx, p, dbsqlc.ForgetRecoveriesParams{Keep: keep, AtMost: atMost})
		if err != nil || len(rows) == 0 {
			return err
		}
		more = len(rows) == int(atMost)
		out["recovery"] = int64(len(rows))
		var tenants, ids []string
		for _, r := range rows {
			tenants, ids = append(tenants, r.TenantID), append(ids, r.ID)
		}
		now := rows[0].ForgottenAt.UTC()
		if err := db.forgetWork(ctx, p, tenants, ids, now, out); err != nil {
			return err
		}
		events := make([]audit.Event, 0, len(rows))
		for _, r := range rows {
			events = append(events, audit.Event{
				ID: newEventID(now), Tenant: r.TenantID, At: now, Actor: audit.Actor{Kind: audit.ActorSystem}, Action: audit.RecoveryForgotten,
				Subject: r.ID, Recovery: r.ID, Reason: "retention", Outcome: audit.Success, Details: map[string]any{"kept_hours": int64(keep / time.Hour)},
			})
		}
		return p.appendEvents(events...)
	})
	return out, more, fault.Wrap(err, "forget recoveries")
}

// forgetWork deletes what is around recoveries that are forgotten in this transaction.
func (db *DB) forgetWork(ctx context.Context, p *pipeline, tenants, ids []string, now time.Time, out Forgotten) error {
	var err error
	if out["delivery_report"], err = db.q.ForgetReportsOf(ctx, p, dbsqlc.ForgetReportsOfParams{Tenants: tenants, Ids: ids}); err != nil {
		return err
	}
	if out["delivery"], err = db.q.ForgetDeliveriesOf(ctx, p, dbsqlc.ForgetDeliveriesOfParams{Tenants: tenants, Ids: ids}); err != nil {
		return err
	}
	n, err := db.q.ForgetWork(ctx, p, dbsqlc.ForgetWorkParams{Tenants: tenants, Ids: ids})
	if err != nil {
		return err
	}
	out["challenge"], out["assessment"], out["notice"] = n.Challenges, n.Assessments, n.Notices
	out["objection"], out["support_note"], out["support_case"] = n.Objections, n.Notes, n.Cases
	out["support_artefact"], out["claim_seat"] = n.Artefacts, n.Seats
	out["attempt_counter"], err = db.q.ForgetCounters(ctx, p, dbsqlc.ForgetCountersParams{Tenants: tenants, Ids: ids, Now: now})
	return err
}

// ForgetRemoved deletes what was taken off accounts at least keep ago: notices about the account itself first, then addresses that no
// notice names any more, factors, and saved codes that were used or revoked. At most atMost rows of a kind go at once. Nothing of
// an account goes while a recovery freezes it or a legal hold lasts.
func (db *DB) ForgetRemoved(ctx context.Context, keep time.Duration, atMost int32) (Forgotten, bool, error) {
	out := Forgotten{}
	for _, forget := range []struct {
		table string
		do    func() (int64, error)
	}{
		{"notice", func() (int64, error) {
			return db.q.ForgetAccountNotices(ctx, db.pool, dbsqlc.ForgetAccountNoticesParams{Keep: keep, AtMost: atMost})
		}},
		{"channel", func() (int64, error) {
			return db.q.ForgetChannels(ctx, db.pool, dbsqlc.ForgetChannelsParams{Keep: keep, AtMost: atMost})
		}},
		{"factor", func() (int64, error) {
			return db.q.ForgetFactors(ctx, db.pool, dbsqlc.ForgetFactorsParams{Keep: keep, AtMost: atMost})
		}},
		{"saved_code", func() (int64, error) {
			return db.q.ForgetSavedCodes(ctx, db.pool, dbsqlc.ForgetSavedCodesParams{Keep: keep, AtMost: atMost})
		}},
	} {
		n, err := forget.do()
		if err != nil {
			return out, false, translate(err, "forget what was removed")
		}
		out[forget.table] = n
	}
	return out, out.most() == int64(atMost), nil
}

// ForgetOrigins deletes what audit events older than keep say about the person behind the request: the truncated network, the
// request's id, and their salt. Events and leaves stay, and prove what they proved.
func (db *DB) ForgetOrigins(ctx context.Context, keep time.Duration, atMost int32) (Forgotten, bool, error) {
	now, err := db.Now(ctx)
	if err != nil {
		return nil, false, err
	}
	n, err := db.q.ForgetOrigins(ctx, db.pool, dbsqlc.ForgetOriginsParams{Before: idAt(now.Add(-keep)), AtMost: atMost})
	return Forgotten{"audit_personal": n}, n == int64(atMost), translate(err, "forget origins")
}

// RetentionOverdue is by how much the recovery that has been over for longest has passed keep; zero when none has.
func (db *DB) RetentionOverdue(ctx context.Context, keep time.Duration) (time.Duration, error) {
	rows, err := db.q.RetentionOldest(ctx, db.pool)
	if err != nil || len(rows) == 0 {
		return 0, translate(err, "find the oldest recovery that is over")
	}
	return max(0, rows[0].Now.Sub(instant(rows[0].OverAt))-keep), nil
}
