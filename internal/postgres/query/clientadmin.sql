-- name: FindAnswer :one
-- The answer that was given to the same request before. Not free: that one is being worked on.
SELECT pg_try_advisory_xact_lock(@idempotency_lock::bigint) AS free,
       (SELECT m.fingerprint FROM idempotency m WHERE m.key = @idempotency_key) AS fingerprint,
       (SELECT m.outcome FROM idempotency m WHERE m.key = @idempotency_key) AS outcome;

-- name: LockClients :exec
-- In one order, so that two switches thrown at once do not lock each other out. Without a tenant all tenants' are meant.
SELECT 1 FROM client c
 WHERE (sqlc.narg('tenant_id')::text IS NULL OR c.tenant_id = sqlc.narg('tenant_id')) AND c.disabled_at IS NULL
   AND (sqlc.narg('kind')::text IS NULL OR c.kind = sqlc.narg('kind'))
 ORDER BY c.tenant_id, c.id FOR UPDATE;

-- name: LoadClients :many
SELECT c.tenant_id, c.id, c.name, c.kind, c.owner, c.scopes, c.created_at, c.disabled_at,
       coalesce((SELECT jsonb_agg(jsonb_build_object('public_id', k.public_id, 'created_at', k.created_at, 'expires_at', k.expires_at,
                    'revoked_at', k.revoked_at, 'last_used_at', k.last_used_at) ORDER BY k.created_at, k.public_id)
           FROM client_credential k WHERE k.tenant_id = c.tenant_id AND k.client_id = c.id), '[]')::jsonb AS credentials
  FROM client c
 WHERE (sqlc.narg('tenant_id')::text IS NULL OR c.tenant_id = sqlc.narg('tenant_id')) AND c.disabled_at IS NULL
   AND (sqlc.narg('kind')::text IS NULL OR c.kind = sqlc.narg('kind'))
 ORDER BY c.tenant_id, c.id;
