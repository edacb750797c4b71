-- name: FindClientKey :one
SELECT holdfast_now()::timestamptz AS now, k.tenant_id, k.algorithm, k.jwk, k.expires_at, k.revoked_at, c.kind, c.scopes, c.owner,
       (c.disabled_at IS NOT NULL OR (c.kind = 'ai_agent' AND ai_off(c.tenant_id)))::boolean AS disabled
  FROM client_key k JOIN client c ON c.tenant_id = k.tenant_id AND c.id = k.client_id
 WHERE k.client_id = @client_id AND k.kid = @kid;

-- name: SpendAssertion :one
-- Once: whoever inserts the row has it. The key and its client are asked again, so that an end between the look-up and here counts.
WITH spent AS (
    INSERT INTO client_assertion (client_id, jti_hash, expires_at)
    SELECT k.client_id, @jti_hash, @expires_at
      FROM client_key k JOIN client c ON c.tenant_id = k.tenant_id AND c.id = k.client_id
     WHERE k.client_id = @client_id AND k.kid = @kid AND k.revoked_at IS NULL AND k.expires_at > (SELECT holdfast_now()) AND c.disabled_at IS NULL
       AND NOT (c.kind = 'ai_agent' AND ai_off(c.tenant_id))
    ON CONFLICT DO NOTHING RETURNING client_id
), used AS (
    UPDATE client_key k SET last_used_at = (SELECT holdfast_now())
     WHERE k.client_id = @client_id AND k.kid = @kid AND EXISTS (SELECT 1 FROM spent)
       AND (k.last_used_at IS NULL OR k.last_used_at < (SELECT holdfast_now()) - interval '1 minute')
)
SELECT EXISTS (SELECT 1 FROM spent) AS first;

-- name: InsertClientKey :exec
INSERT INTO client_key (client_id, kid, tenant_id, algorithm, jwk, created_at, expires_at)
VALUES (@client_id, @kid, @tenant_id, @algorithm, @jwk, @created_at, @expires_at);

-- name: RevokeClientKey :exec
UPDATE client_key SET revoked_at = @at WHERE tenant_id = @tenant_id AND client_id = @client_id AND kid = @kid AND revoked_at IS NULL;

-- name: ListClientKeys :many
SELECT k.client_id, k.kid, k.algorithm, k.created_at, k.expires_at, k.revoked_at, k.last_used_at FROM client_key k
 WHERE k.tenant_id = @tenant_id AND (sqlc.narg('client_id')::text IS NULL OR k.client_id = sqlc.narg('client_id')) ORDER BY k.client_id, k.created_at, k.kid;

-- name: ForgetAssertions :execrows
-- An hour after its end, so that no clock that is off makes one good again.
DELETE FROM client_assertion WHERE ctid = ANY (ARRAY(
    SELECT a.ctid FROM client_assertion a WHERE a.expires_at < (SELECT holdfast_now()) - interval '1 hour' LIMIT @at_most));
