-- name: CreateTenant :one
INSERT INTO tenant (id, name, support_contact, locale, created_at) VALUES (@id, @name, @support_contact, @locale, holdfast_now())
ON CONFLICT (id) DO NOTHING RETURNING created_at;

-- name: GetTenant :one
SELECT t.id, t.name, t.support_contact, t.locale, t.created_at, t.text_countries, t.text_day, t.claim_url FROM tenant t WHERE t.id = @id;

-- name: ListTenants :many
SELECT t.id, t.name, t.support_contact, t.locale, t.created_at, t.text_countries, t.text_day, t.claim_url FROM tenant t ORDER BY t.id;

-- name: SetTenantClaimURL :execrows
UPDATE tenant SET claim_url = sqlc.narg('claim_url') WHERE id = @id;

-- name: TenantExists :one
SELECT holdfast_now()::timestamptz AS now, EXISTS (SELECT 1 FROM tenant t WHERE t.id = @id) AS found;

-- name: FindCredential :one
SELECT holdfast_now()::timestamptz AS now, k.tenant_id, k.client_id, k.secret_hash, k.expires_at, k.revoked_at, c.kind, c.scopes, c.owner,
       (c.disabled_at IS NOT NULL OR (c.kind = 'ai_agent' AND ai_off(c.tenant_id)))::boolean AS disabled
  FROM client_credential k JOIN client c ON c.tenant_id = k.tenant_id AND c.id = k.client_id
 WHERE k.public_id = @public_id;

-- name: TouchCredentials :exec
UPDATE client_credential SET last_used_at = holdfast_now()
 WHERE public_id = ANY (@public_ids::text[]) AND (last_used_at IS NULL OR last_used_at < (SELECT holdfast_now()) - interval '1 minute');

-- name: LockClient :exec
SELECT 1 FROM client c WHERE c.tenant_id = @tenant_id AND c.id = @id FOR UPDATE;

-- name: LoadClient :one
SELECT holdfast_now()::timestamptz AS now, c.id, c.name, c.kind, c.owner, c.scopes, c.created_at, c.disabled_at,
       w.last_used_at AS workload_used_at,
       coalesce((SELECT jsonb_agg(jsonb_build_object('public_id', k.public_id, 'created_at', k.created_at, 'expires_at', k.expires_at,
                    'revoked_at', k.revoked_at, 'last_used_at', k.last_used_at) ORDER BY k.created_at, k.public_id)
           FROM client_credential k WHERE k.tenant_id = c.tenant_id AND k.client_id = c.id), '[]')::jsonb AS credentials
  FROM client c LEFT JOIN client_workload w ON w.tenant_id = c.tenant_id AND w.client_id = c.id WHERE c.tenant_id = @tenant_id AND c.id = @id;

-- name: ListClients :many
SELECT c.id, c.name, c.kind, c.owner, c.scopes, c.created_at, c.disabled_at,
       w.last_used_at AS workload_used_at,
       coalesce((SELECT jsonb_agg(jsonb_build_object('public_id', k.public_id, 'created_at', k.created_at, 'expires_at', k.expires_at,
                    'revoked_at', k.revoked_at, 'last_used_at', k.last_used_at) ORDER BY k.created_at, k.public_id)
           FROM client_credential k WHERE k.tenant_id = c.tenant_id AND k.client_id = c.id), '[]')::jsonb AS credentials
  FROM client c LEFT JOIN client_workload w ON w.tenant_id = c.tenant_id AND w.client_id = c.id WHERE c.tenant_id = @tenant_id ORDER BY c.id;

-- name: InsertClient :exec
INSERT INTO client (tenant_id, id, name, kind, owner, scopes, created_at) VALUES (@tenant_id, @id, @name, @kind, @owner, @scopes, @created_at);

-- name: InsertCredential :exec
INSERT INTO client_credential (public_id, tenant_id, client_id, secret_hash, created_at, expires_at)
VALUES (@public_id, @tenant_id, @client_id, @secret_hash, @created_at, @expires_at);

-- name: RevokeCredentials :exec
UPDATE client_credential SET revoked_at = @at
 WHERE tenant_id = @tenant_id AND client_id = @client_id AND public_id = ANY (@public_ids::text[]) AND revoked_at IS NULL;

-- name: DisableClient :exec
UPDATE client SET disabled_at = @at WHERE tenant_id = @tenant_id AND id = @id AND disabled_at IS NULL;
