-- name: FindClientStanding :one
SELECT holdfast_now()::timestamptz AS now, c.kind, c.scopes, c.owner, c.disabled_at FROM client c WHERE c.tenant_id = @tenant_id AND c.id = @id;
