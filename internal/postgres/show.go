package postgres

import (
	"context"
	"time"

	"github.com/holdfast/holdfast/internal/audit"
	"github.com/holdfast/holdfast/internal/auditlog"
	"github.com/holdfast/holdfast/internal/factor"
	"github.com/holdfast/holdfast/internal/fault"
	"github.com/holdfast/holdfast/internal/postgres/dbsqlc"
	"github.com/holdfast/holdfast/internal/recovery"
)

// NoticeRow is a notice as an operator may see it: by its channel's id and kind, never by its address.
type NoticeRow struct {
	ID, Kind, Channel string
	ChannelKind       factor.Method
	CreatedAt         time.Time
	TakenAt           time.Time // when a provider took it first, even if it failed after that; zero where that is not known
	AcceptedAt        time.Time // what counts: zero while it is tried, and once it failed
	DeliveredAt       time.Time
	FailedAt          time.Time
	Reason            string // why it failed
	Provider          string
}

// Shown is everything around one recovery at one moment.
type Shown struct {
	recovery.Loaded
	Notices []NoticeRow
	Events  []audit.Event // the latest, newest first
}

// ShowRecovery finds a recovery by its id or its reference and loads what is around it, with at most events audit events. An
// empty tenant means any. It is fault.CodeNotFound when there is none, and CodeConflict when the reference names several. That
// by looked is an audit event of its own.
func (db *DB) ShowRecovery(ctx context.Context, by audit.Actor, tenant, name string, events int) (Shown, error) {
	found, err := db.q.FindRecoveries(ctx, db.pool, dbsqlc.FindRecoveriesParams{TenantID: tenant, Name: name})
	switch {
	case err != nil:
		return Shown{}, translate(err, "find recovery")
	case len(found) == 0:
		return Shown{}, fault.Of(fault.CodeNotFound)
	case len(found) > 1:
		return Shown{}, fault.Of(fault.CodeConflict).Detail("Several tenants have a recovery of this reference: name the tenant.")
	}
	tenant, id := found[0].TenantID, found[0].ID
	var out Shown
	if out.Loaded, err = NewRecoveries(db).Reading(ctx, recovery.Query{Tenant: tenant, ID: id}); err != nil {
		return Shown{}, err
	}
	rows, err := db.q.ListNotices(ctx, db.pool, dbsqlc.ListNoticesParams{TenantID: tenant, RecoveryID: &id})
	if err != nil {
		return Shown{}, translate(err, "list notices")
	}
	for _, n := range rows {
		out.Notices = append(out.Notices, NoticeRow{
			ID: n.ID, Kind: n.Kind, Channel: n.ChannelID, ChannelKind: factor.Method(n.ChannelKind), CreatedAt: n.CreatedAt.UTC(),
			TakenAt: instant(n.TakenAt), AcceptedAt: instant(n.AcceptedAt), DeliveredAt: instant(n.DeliveredAt), FailedAt: instant(n.FailedAt),
			Reason: n.FailedReason, Provider: n.Provider,
		})
	}
	page, err := NewAuditLog(db).Events(ctx, "", auditlog.Filter{Tenant: tenant, Recovery: id, Limit: events}, audit.Event{
		ID: newEventID(out.Now), Tenant: tenant, At: out.Now, Actor: by, Action: audit.AuditRead, Subject: id, Outcome: audit.Success,
		Details: map[string]any{"recovery": id, "limit": events},
	})
	for _, r := range page.Records {
		out.Events = append(out.Events, r.Event)
	}
	return out, err
}
