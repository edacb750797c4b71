-- name: FindRecoveries :many
-- By id or by reference; the tenants are walked so that the index of references serves without one.
SELECT t.id AS tenant_id, r.id FROM tenant t
  JOIN recovery r ON r.tenant_id = t.id AND (r.id = @name::text OR r.reference = @name::text)
 WHERE @tenant_id::text = '' OR t.id = @tenant_id::text
 ORDER BY t.id LIMIT 10;

-- name: ListNotices :many
SELECT n.id, n.kind, n.channel_id, ch.kind AS channel_kind, n.created_at, n.accepted_at, n.delivered_at, n.failed_at,
       coalesce(n.failed_reason, '') AS failed_reason, coalesce(d.provider, '') AS provider, d.accepted_at AS taken_at
  FROM notice n
  JOIN channel ch ON ch.tenant_id = n.tenant_id AND ch.id = n.channel_id
  LEFT JOIN delivery d ON d.tenant_id = n.tenant_id AND d.notice_id = n.id
 WHERE n.tenant_id = @tenant_id AND n.recovery_id = @recovery_id
 ORDER BY n.created_at, n.id;
