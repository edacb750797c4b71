-- name: EraseAuditPersonal :exec
-- What events say about the person, with its salts. The events and their leaves stay, and prove what they proved (R-182).
DELETE FROM audit_personal p USING audit_event e
 WHERE e.tenant_id = @tenant_id AND e.account_id = @account_id::text AND p.tenant_id = e.tenant_id AND p.event_id = e.id;
