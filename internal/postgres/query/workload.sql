-- name: FindClientStanding :one
SELECT holdfast_now()::timestamptz AS now, c.kind, c.scopes, c.owner,
       (c.disabled_at IS NOT NULL OR (c.kind = 'ai_agent' AND ai_off(c.tenant_id)))::boolean AS disabled
  FROM client c WHERE c.tenant_id = @tenant_id AND c.id = @id;

-- name: TouchWorkloads :exec
-- The use of clients by their clusters' tokens, each at most once a minute.
INSERT INTO client_workload (tenant_id, client_id, first_used_at, last_used_at)
SELECT c.tenant_id, c.id, (SELECT holdfast_now()), (SELECT holdfast_now()) FROM client c WHERE c.id = ANY (@client_ids::text[]) ORDER BY c.tenant_id, c.id
ON CONFLICT (tenant_id, client_id) DO UPDATE SET last_used_at = EXCLUDED.last_used_at
 WHERE client_workload.last_used_at < EXCLUDED.last_used_at - interval '1 minute';
