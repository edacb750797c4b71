-- name: ListAuditEvents :many
SELECT e.tenant_id, e.id, e.at, e.actor_kind, e.actor_id, e.action, e.subject, e.recovery_id, e.recovery_version, e.from_state, e.to_state,
       e.reason, e.policy_version, e.outcome, e.origin, e.request_id, e.details
  FROM audit_event e
 WHERE e.tenant_id = @tenant_id
   AND (sqlc.narg('before')::text IS NULL OR e.id < sqlc.narg('before'))
   AND (sqlc.narg('floor')::text IS NULL OR e.id >= sqlc.narg('floor'))
   AND (sqlc.narg('subject')::text IS NULL OR e.subject = sqlc.narg('subject'))
   AND (sqlc.narg('recovery')::text IS NULL OR e.recovery_id = sqlc.narg('recovery'))
   AND (sqlc.narg('action')::text IS NULL OR e.action = sqlc.narg('action'))
   AND (sqlc.narg('from_at')::timestamptz IS NULL OR e.at >= sqlc.narg('from_at'))
   AND (sqlc.narg('to_at')::timestamptz IS NULL OR e.at < sqlc.narg('to_at'))
 ORDER BY e.id DESC LIMIT @at_most::int;
