-- name: SuspectChannels :exec
-- One that is suspect without an end stays so.
UPDATE channel SET suspect_at = @at, suspect_until = greatest(suspect_until, @until)
 WHERE tenant_id = @tenant_id AND account_id = @account_id AND id = ANY (@sources::text[]) AND (suspect_at IS NULL OR suspect_until IS NOT NULL);

-- name: SuspectFactors :exec
UPDATE factor SET suspect_at = @at, suspect_until = greatest(suspect_until, @until)
 WHERE tenant_id = @tenant_id AND account_id = @account_id AND id = ANY (@sources::text[]) AND (suspect_at IS NULL OR suspect_until IS NOT NULL);

-- name: RevokeCodesSince :exec
UPDATE saved_code SET revoked_at = @at
 WHERE tenant_id = @tenant_id AND account_id = @account_id AND issued_at >= @since AND used_at IS NULL AND revoked_at IS NULL;

-- name: CancelErasure :exec
UPDATE account SET erasure_asked_at = NULL, erasure_asked_by = NULL WHERE tenant_id = @tenant_id AND id = @id AND erased_at IS NULL;

-- name: AskErasure :exec
UPDATE account SET erasure_asked_at = @at, erasure_asked_by = @by WHERE tenant_id = @tenant_id AND id = @id AND erased_at IS NULL;

-- name: ErasuresDue :many
-- Those whose recoveries have come to an end. The core judges again, under its locks.
SELECT a.tenant_id, a.ref_hash::bytea AS ref_hash, a.erasure_asked_by FROM account a
 WHERE a.erasure_asked_at IS NOT NULL AND a.erased_at IS NULL AND NOT account_frozen(a.tenant_id, a.id)
   AND NOT EXISTS (SELECT 1 FROM legal_hold h WHERE h.tenant_id = a.tenant_id AND h.account_id IN ('', a.id))
 ORDER BY a.erasure_asked_at LIMIT @at_most::int;
