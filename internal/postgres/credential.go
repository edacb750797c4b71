package postgres

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/holdfast/holdfast/internal/credential"
	"github.com/holdfast/holdfast/internal/fault"
	"github.com/holdfast/holdfast/internal/postgres/dbsqlc"
)

// Credentials is the credential.Store on PostgreSQL.
type Credentials struct{ db *DB }

// NewCredentials makes the store.
func NewCredentials(db *DB) *Credentials { return &Credentials{db: db} }

var _ credential.Store = (*Credentials)(nil)

// Find implements credential.Store.
func (s *Credentials) Find(ctx context.Context, publicID string) (credential.Presented, error) {
	row, err := s.db.q.FindCredential(ctx, s.db.pool, publicID)
	if err != nil {
		return credential.Presented{}, translate(err, "find credential")
	}
	return credential.Presented{
		Principal: credential.Principal{
			Tenant: row.TenantID, Client: row.ClientID, Credential: publicID, Kind: credential.Kind(row.Kind), Scopes: scopes(row.Scopes),
			Owner: credential.PersonID(row.Owner), ExpiresAt: row.ExpiresAt.UTC(),
		},
		Hash: row.SecretHash, Now: row.Now.UTC(), Revoked: row.RevokedAt != nil, Disabled: row.Disabled,
	}, nil
}

// Touch implements credential.Store.
func (s *Credentials) Touch(ctx context.Context, publicIDs []string) error {
	var ours, clusters []string
	for _, id := range publicIDs {
		if client, ok := strings.CutSuffix(id, credential.WorkloadSuffix); ok {
			clusters = append(clusters, client)
		} else {
			ours = append(ours, id)
		}
	}
	if len(clusters) > 0 {
		if err := s.db.q.TouchWorkloads(ctx, s.db.pool, clusters); err != nil {
			return translate(err, "touch workloads")
		}
	}
	if len(ours) == 0 {
		return nil
	}
	return translate(s.db.q.TouchCredentials(ctx, s.db.pool, ours), "touch credentials")
}

// Creating implements credential.Store.
func (s *Credentials) Creating(ctx context.Context, tenant string, fn func(credential.Tx, time.Time) error) error {
	return s.db.inTx(ctx, func(p *pipeline) error {
		row, err := s.db.q.TenantExists(ctx, p, tenant)
		if err != nil {
			return err
		}
		if !row.Found {
			return fault.Of(fault.CodeNotFound)
		}
		return fn(&credentialTx{q: s.db.q, p: p}, row.Now.UTC())
	})
}

// Changing implements credential.Store.
func (s *Credentials) Changing(ctx context.Context, tenant, client string, fn func(credential.Tx, time.Time, credential.Client) error) error {
	return s.db.inTx(ctx, func(p *pipeline) error {
		if err := s.db.q.LockClient(ctx, p, dbsqlc.LockClientParams{TenantID: tenant, ID: client}); err != nil {
			return err
		}
		row, err := s.db.q.LoadClient(ctx, p, dbsqlc.LoadClientParams{TenantID: tenant, ID: client})
		if err != nil {
			return err
		}
		c, err := decodeClient(tenant, dbsqlc.ListClientsRow{
			ID: row.ID, Name: row.Name, Kind: row.Kind, Owner: row.Owner, Scopes: row.Scopes, CreatedAt: row.CreatedAt, DisabledAt: row.DisabledAt,
			Credentials: row.Credentials, WorkloadUsedAt: row.WorkloadUsedAt,
		})
		if err != nil {
			return err
		}
		keys, err := s.db.q.ListClientKeys(ctx, p, dbsqlc.ListClientKeysParams{TenantID: tenant, ClientID: &client})
		if err != nil {
			return err
		}
		c.Keys = decodeKeys(keys, client)
		return fn(&credentialTx{q: s.db.q, p: p}, row.Now.UTC(), c)
	})
}

// List implements credential.Store.
func (s *Credentials) List(ctx context.Context, tenant string) ([]credential.Client, time.Time, error) {
	now, err := s.db.Now(ctx)
	if err != nil {
		return nil, now, err
	}
	rows, err := s.db.q.ListClients(ctx, s.db.pool, tenant)
	if err != nil {
		return nil, now, translate(err, "list clients")
	}
	keys, err := s.db.q.ListClientKeys(ctx, s.db.pool, dbsqlc.ListClientKeysParams{TenantID: tenant})
	if err != nil {
		return nil, now, translate(err, "list clients' keys")
	}
	out := make([]credential.Client, 0, len(rows))
	for _, row := range rows {
		c, err := decodeClient(tenant, row)
		if err != nil {
			return nil, now, err
		}
		c.Keys = decodeKeys(keys, c.ID)
		out = append(out, c)
	}
	return out, now, nil
}

func decodeClient(tenant string, row dbsqlc.ListClientsRow) (credential.Client, error) {
	c := credential.Client{
		Tenant: tenant, ID: row.ID, Name: row.Name, Kind: credential.Kind(row.Kind), Owner: row.Owner, Scopes: scopes(row.Scopes),
		CreatedAt: row.CreatedAt.UTC(), DisabledAt: instant(row.DisabledAt), WorkloadUsedAt: instant(row.WorkloadUsedAt),
	}
	var infos []struct {
		PublicID   string `json:"public_id"`
		CreatedAt  moment `json:"created_at"`
		ExpiresAt  moment `json:"expires_at"`
		RevokedAt  moment `json:"revoked_at"`
		LastUsedAt moment `json:"last_used_at"`
	}
	if err := json.Unmarshal(row.Credentials, &infos); err != nil {
		return credential.Client{}, fmt.Errorf("decode credentials: %w", err)
	}
	for _, i := range infos {
		c.Credentials = append(c.Credentials, credential.Info{
			PublicID: i.PublicID, CreatedAt: i.CreatedAt.Time, ExpiresAt: i.ExpiresAt.Time, RevokedAt: i.RevokedAt.Time, LastUsedAt: i.LastUsedAt.Time,
		})
	}
	return c, nil
}

func scopes(names []string) []credential.Scope {
	out := make([]credential.Scope, 0, len(names))
	for _, n := range names {
		out = append(out, credential.Scope(n))
	}
	return out
}

type credentialTx struct {
	q *dbsqlc.Queries
	p *pipeline
}

var errNoClientEvent = errors.New("a change of a client without its audit event")

// Apply implements credential.Tx.
func (t *credentialTx) Apply(ctx context.Context, c credential.Change) error {
	if c.Event.ID == "" {
		return errNoClientEvent
	}
	if n := c.Create; n != nil {
		names := make([]string, 0, len(n.Scopes))
		for _, s := range n.Scopes {
			names = append(names, string(s))
		}
		err := t.q.InsertClient(ctx, t.p, dbsqlc.InsertClientParams{
			TenantID: c.Tenant, ID: n.ID, Name: n.Name, Kind: string(n.Kind), Owner: n.Owner, Scopes: names, CreatedAt: n.CreatedAt,
		})
		if err != nil {
			return err
		}
	}
	if k := c.Add; k != nil {
		err := t.q.InsertCredential(ctx, t.p, dbsqlc.InsertCredentialParams{
			PublicID: k.PublicID, TenantID: c.Tenant, ClientID: c.Client, SecretHash: k.Hash[:], CreatedAt: c.At, ExpiresAt: k.ExpiresAt,
		})
		if err != nil {
			return err
		}
	}
	if len(c.Revoke) > 0 {
		err := t.q.RevokeCredentials(ctx, t.p, dbsqlc.RevokeCredentialsParams{TenantID: c.Tenant, ClientID: c.Client, PublicIds: c.Revoke, At: &c.At})
		if err != nil {
			return err
		}
	}
	if c.Disable {
		if err := t.q.DisableClient(ctx, t.p, dbsqlc.DisableClientParams{TenantID: c.Tenant, ID: c.Client, At: &c.At}); err != nil {
			return err
		}
	}
	if err := t.applySwitch(ctx, c.Switch); err != nil {
		return err
	}
	if err := t.applyKeys(ctx, c); err != nil {
		return err
	}
	return t.p.appendEvents(c.Event)
}
