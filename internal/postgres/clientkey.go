package postgres

import (
	"context"

	"github.com/holdfast/holdfast/internal/credential"
	"github.com/holdfast/holdfast/internal/postgres/dbsqlc"
)

var _ credential.KeyStore = (*Credentials)(nil)

// FindKey implements credential.KeyStore.
func (s *Credentials) FindKey(ctx context.Context, client, kid string) (credential.PresentedKey, error) {
	row, err := s.db.q.FindClientKey(ctx, s.db.pool, dbsqlc.FindClientKeyParams{ClientID: client, Kid: kid})
	if err != nil {
		return credential.PresentedKey{}, translate(err, "find client key")
	}
	return credential.PresentedKey{
		Principal: credential.Principal{
			Tenant: row.TenantID, Client: client, Credential: client + "/" + kid, Kind: credential.Kind(row.Kind), Scopes: scopes(row.Scopes),
			Owner: credential.PersonID(row.Owner), ExpiresAt: row.ExpiresAt.UTC(),
		},
		Key: credential.PublicKey{ID: kid, Algorithm: row.Algorithm, JWK: row.Jwk},
		Now: row.Now.UTC(), Revoked: row.RevokedAt != nil, Disabled: row.Disabled,
	}, nil
}

// Spend implements credential.KeyStore.
func (s *Credentials) Spend(ctx context.Context, a credential.SpentAssertion) (bool, error) {
	first, err := s.db.q.SpendAssertion(ctx, s.db.pool, dbsqlc.SpendAssertionParams{ClientID: a.Client, Kid: a.Key, JtiHash: a.JTI[:], ExpiresAt: a.ExpiresAt})
	return first, translate(err, "spend assertion")
}

func (t *credentialTx) applyKeys(ctx context.Context, c credential.Change) error {
	for _, k := range c.AddKeys {
		err := t.q.InsertClientKey(ctx, t.p, dbsqlc.InsertClientKeyParams{
			ClientID: c.Client, Kid: k.ID, TenantID: c.Tenant, Algorithm: k.Algorithm, Jwk: k.JWK, CreatedAt: c.At, ExpiresAt: k.ExpiresAt,
		})
		if err != nil {
			return err
		}
	}
	if c.EndKey == "" {
		return nil
	}
	return t.q.RevokeClientKey(ctx, t.p, dbsqlc.RevokeClientKeyParams{TenantID: c.Tenant, ClientID: c.Client, Kid: c.EndKey, At: &c.At})
}

// decodeKeys picks out one client's keys.
func decodeKeys(rows []dbsqlc.ListClientKeysRow, client string) []credential.Key {
	var out []credential.Key
	for _, r := range rows {
		if r.ClientID == client {
			out = append(out, credential.Key{
				ID: r.Kid, Algorithm: r.Algorithm, CreatedAt: r.CreatedAt.UTC(), ExpiresAt: r.ExpiresAt.UTC(), RevokedAt: instant(r.RevokedAt), LastUsedAt: instant(r.LastUsedAt),
			})
		}
	}
	return out
}

// Standing gives a client of a tenant, whether it is disabled, and the database's time. What it presents is for the caller to judge.
func (s *Credentials) Standing(ctx context.Context, tenant, client string) (credential.Presented, error) {
	row, err := s.db.q.FindClientStanding(ctx, s.db.pool, dbsqlc.FindClientStandingParams{TenantID: tenant, ID: client})
	if err != nil {
		return credential.Presented{}, translate(err, "find client")
	}
	return credential.Presented{
		Principal: credential.Principal{
			Tenant: tenant, Client: client, Credential: client + credential.WorkloadSuffix, Kind: credential.Kind(row.Kind), Scopes: scopes(row.Scopes), Owner: credential.PersonID(row.Owner),
		},
		Now: row.Now.UTC(), Disabled: row.Disabled,
	}, nil
}
