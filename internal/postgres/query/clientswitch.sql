-- name: LockSwitch :exec
SELECT pg_advisory_xact_lock(hashtextextended('client_switch/' || @tenant_id::text || '/' || @subject::text, 0));

-- name: LockSwitchShared :exec
SELECT pg_advisory_xact_lock_shared(hashtextextended('client_switch/' || @tenant_id::text || '/' || @subject::text, 0));

-- name: FindSwitch :many
SELECT s.version, s.off, s.at, s.changed_by, s.reason FROM client_switch s
 WHERE s.tenant_id = @tenant_id AND s.subject = @subject ORDER BY s.version DESC LIMIT 1;

-- name: InsertSwitch :exec
INSERT INTO client_switch (tenant_id, subject, version, off, at, changed_by, reason)
VALUES (@tenant_id, @subject, @version, @off, @at, @changed_by, @reason);
