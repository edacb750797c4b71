package postgres

import (
	"context"
	"time"

	"github.com/holdfast/holdfast/internal/abuse"
	"github.com/holdfast/holdfast/internal/credential"
	"github.com/holdfast/holdfast/internal/postgres/dbsqlc"
)

// Switching implements credential.Store.
func (s *Credentials) Switching(ctx context.Context, tenant, subject string, fn func(credential.Tx, time.Time, credential.Switch, []credential.Client) error) error {
	return s.db.inTx(ctx, func(p *pipeline) error {
		place := placeOf(tenant)
		if err := s.db.q.LockSwitch(ctx, p, dbsqlc.LockSwitchParams{TenantID: place, Subject: subject}); err != nil {
			return err
		}
		which := dbsqlc.LockClientsParams{TenantID: optional(tenant)}
		if subject == credential.AISwitch {
			which.Kind = optional(string(credential.AIAgent))
		}
		if err := s.db.q.LockClients(ctx, p, which); err != nil {
			return err
		}
		now, err := s.db.q.Now(ctx, p)
		if err != nil {
			return err
		}
		last, err := findSwitch(ctx, s.db.q, p, tenant, subject)
		if err != nil {
			return err
		}
		rows, err := s.db.q.LoadClients(ctx, p, dbsqlc.LoadClientsParams(which))
		if err != nil {
			return err
		}
		all := make([]credential.Client, 0, len(rows))
		for _, row := range rows {
			c, err := decodeClient(row.TenantID, dbsqlc.ListClientsRow{
				ID: row.ID, Name: row.Name, Kind: row.Kind, Owner: row.Owner, Scopes: row.Scopes, CreatedAt: row.CreatedAt, DisabledAt: row.DisabledAt,
				Credentials: row.Credentials,
			})
			if err != nil {
				return err
			}
			all = append(all, c)
		}
		return fn(&credentialTx{q: s.db.q, p: p}, now.UTC(), last, all)
	})
}

// Switched implements credential.Store.
func (s *Credentials) Switched(ctx context.Context, tenant, subject string) (credential.Switch, error) {
	sw, err := findSwitch(ctx, s.db.q, s.db.pool, tenant, subject)
	return sw, translate(err, "find switch")
}

// Switched implements credential.Tx.
func (t *credentialTx) Switched(ctx context.Context, tenant, subject string) (credential.Switch, error) {
	if err := t.q.LockSwitchShared(ctx, t.p, dbsqlc.LockSwitchSharedParams{TenantID: placeOf(tenant), Subject: subject}); err != nil {
		return credential.Switch{}, err
	}
	return findSwitch(ctx, t.q, t.p, tenant, subject)
}

func findSwitch(ctx context.Context, q *dbsqlc.Queries, db dbsqlc.DBTX, tenant, subject string) (credential.Switch, error) {
	out := credential.Switch{Tenant: tenant, Subject: subject}
	rows, err := q.FindSwitch(ctx, db, dbsqlc.FindSwitchParams{TenantID: placeOf(tenant), Subject: subject})
	if err != nil || len(rows) == 0 {
		return out, err
	}
	out.Version, out.Off, out.At, out.By, out.Reason = rows[0].Version, rows[0].Off, rows[0].At.UTC(), rows[0].ChangedBy, rows[0].Reason
	return out, nil
}

func (t *credentialTx) applySwitch(ctx context.Context, sw *credential.Switch) error {
	if sw == nil {
		return nil
	}
	return t.q.InsertSwitch(ctx, t.p, dbsqlc.InsertSwitchParams{
		TenantID: placeOf(sw.Tenant), Subject: sw.Subject, Version: sw.Version, Off: sw.Off, At: sw.At, ChangedBy: sw.By, Reason: sw.Reason,
	})
}

// placeOf is a tenant, or what stands for all of them.
func placeOf(tenant string) string {
	if tenant == "" {
		return abuse.Fleet
	}
	return tenant
}
