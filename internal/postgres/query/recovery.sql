-- name: LoadStart :one
WITH named AS (
    SELECT i.account_id FROM identifier i WHERE i.tenant_id = @tenant_id AND i.hash = ANY (@hashes::bytea[]) LIMIT 1
)
SELECT holdfast_now()::timestamptz AS now,
       pg_try_advisory_xact_lock(@idempotency_lock::bigint) AS free,
       (SELECT m.fingerprint FROM idempotency m WHERE m.key = @idempotency_key) AS fingerprint,
       (SELECT m.outcome FROM idempotency m WHERE m.key = @idempotency_key) AS outcome,
       account_snapshot(@tenant_id, coalesce((SELECT account_id FROM named), stand_in(@tenant_id))) AS account,
       EXISTS (SELECT 1 FROM named) AS known,
       subject_history(@tenant_id, coalesce((SELECT account_id FROM named), @decoy_subject::text), '') AS history;

-- name: LockRecovery :exec
SELECT 1 FROM recovery r
 WHERE r.tenant_id = @tenant_id
   AND r.id = coalesce(sqlc.narg('id')::text, (SELECT g.recovery_id FROM recovery_grant g WHERE g.token_hash = sqlc.narg('grant_hash')::bytea AND g.tenant_id = @tenant_id))
   FOR NO KEY UPDATE;

-- name: OpenCounters :exec
-- What has no row cannot be locked: of two first attempts side by side, one would be lost.
INSERT INTO attempt_counter (tenant_id, subject, kind)
SELECT r.tenant_id, r.subject, k.kind FROM recovery r CROSS JOIN unnest(@kinds::text[]) AS k (kind)
 WHERE r.tenant_id = @tenant_id AND r.id = @recovery_id
 ORDER BY k.kind
ON CONFLICT DO NOTHING;

-- name: LockCounters :exec
SELECT 1 FROM attempt_counter k
 WHERE k.tenant_id = @tenant_id AND k.subject = (SELECT r.subject FROM recovery r WHERE r.tenant_id = @tenant_id AND r.id = @recovery_id)
   AND k.kind = ANY (@kinds::text[])
 ORDER BY k.kind FOR UPDATE;

-- name: LoadRecovery :one
SELECT sqlc.embed(r),
       holdfast_now()::timestamptz AS now,
       pg_try_advisory_xact_lock(@idempotency_lock::bigint) AS free,
       (SELECT m.fingerprint FROM idempotency m WHERE m.key = @idempotency_key) AS fingerprint,
       (SELECT m.outcome FROM idempotency m WHERE m.key = @idempotency_key) AS outcome,
       account_snapshot(r.tenant_id, coalesce(r.account_id, stand_in(r.tenant_id))) AS account,
       subject_history(r.tenant_id, r.subject, r.id) AS history,
       coalesce((SELECT jsonb_agg(to_jsonb(e) ORDER BY e.accepted_at, e.challenge_id) FROM evidence e
          WHERE e.tenant_id = r.tenant_id AND e.recovery_id = r.id), '[]')::jsonb AS evidence,
       coalesce((SELECT jsonb_agg(to_jsonb(o) ORDER BY o.at, o.id) FROM objection o
          WHERE o.tenant_id = r.tenant_id AND o.recovery_id = r.id), '[]')::jsonb AS objections,
       coalesce((SELECT jsonb_agg(to_jsonb(c) ORDER BY c.created_at, c.id) FROM challenge c
          WHERE c.tenant_id = r.tenant_id AND c.recovery_id = r.id), '[]')::jsonb AS challenges,
       coalesce((SELECT jsonb_agg(jsonb_build_object('channel', n.channel_id, 'since', t.since, 'suspect', speaks_for_nobody(t, r.held_at))) FROM notice n
          JOIN channel t ON t.tenant_id = n.tenant_id AND t.id = n.channel_id
          WHERE n.tenant_id = r.tenant_id AND n.recovery_id = r.id AND n.kind = 'hold_entered' AND n.accepted_at IS NOT NULL), '[]')::jsonb AS notices_ok,
       (SELECT count(*) FROM notice n
          WHERE n.tenant_id = r.tenant_id AND n.recovery_id = r.id AND n.kind = 'hold_entered' AND n.accepted_at IS NULL AND n.failed_at IS NULL) AS notices_open,
       coalesce((SELECT jsonb_agg(to_jsonb(k)) FROM attempt_counter k
          WHERE k.tenant_id = r.tenant_id AND k.subject = r.subject AND k.kind = ANY (@kinds::text[])), '[]')::jsonb AS counters,
       coalesce((SELECT jsonb_agg(to_jsonb(g) ORDER BY g.issued_at) FROM recovery_grant g
          WHERE g.tenant_id = r.tenant_id AND g.recovery_id = r.id), '[]')::jsonb AS grants,
       coalesce((SELECT jsonb_agg(jsonb_build_object('id', s.id, 'phc', s.phc, 'issued_at', s.issued_at, 'used_at', s.used_at, 'revoked_at', s.revoked_at)) FROM saved_code s
          WHERE s.tenant_id = r.tenant_id AND s.account_id = r.account_id AND s.prefix = sqlc.narg('saved_prefix')::text), '[]')::jsonb AS saved,
       coalesce((SELECT c.state FROM support_case c WHERE c.tenant_id = r.tenant_id AND c.recovery_id = r.id
          ORDER BY (c.closed_at IS NULL) DESC, c.created_at DESC LIMIT 1), '')::text AS case_state
  FROM recovery r
 WHERE r.tenant_id = @tenant_id
   AND r.id = coalesce(sqlc.narg('id')::text, (SELECT g.recovery_id FROM recovery_grant g WHERE g.token_hash = sqlc.narg('grant_hash')::bytea AND g.tenant_id = @tenant_id));

-- name: FindSavedCode :one
SELECT r.claimant_hash,
       coalesce((SELECT c.method FROM challenge c WHERE c.tenant_id = r.tenant_id AND c.recovery_id = r.id AND c.id = @challenge_id), '')::text AS method,
       coalesce((SELECT k.disabled_at IS NOT NULL OR k.wait_until > (SELECT holdfast_now()) FROM attempt_counter k
                  WHERE k.tenant_id = r.tenant_id AND k.subject = r.subject AND k.kind = 'recovery_code'), false)::boolean AS resting,
       coalesce((SELECT s.phc FROM saved_code s
                  WHERE s.tenant_id = r.tenant_id AND s.prefix = @prefix AND s.account_id = r.account_id
                    AND s.used_at IS NULL AND s.revoked_at IS NULL), '')::text AS phc
  FROM recovery r WHERE r.tenant_id = @tenant_id AND r.id = @recovery_id;

-- name: FindObjection :one
SELECT n.tenant_id, n.recovery_id, n.channel_id, t.name, t.support_contact
  FROM notice n JOIN tenant t ON t.id = n.tenant_id
 WHERE n.objection_hash = @objection_hash;

-- name: FindClaim :one
-- Of another tenant's client the link is unknown.
SELECT n.recovery_id, n.channel_id, n.id FROM notice n WHERE n.claim_hash = @claim_hash AND n.tenant_id = @tenant_id;

-- name: InsertSeat :exec
INSERT INTO claim_seat (tenant_id, recovery_id, expires_at) VALUES (@tenant_id, @recovery_id, @expires_at);

-- name: LoadSeat :one
SELECT s.expires_at, s.taken_at FROM claim_seat s WHERE s.tenant_id = @tenant_id AND s.recovery_id = @recovery_id;

-- name: TakeSeat :exec
-- Who comes second finds no row that is free, and the database says so: the recovery is locked, so nobody does.
UPDATE claim_seat SET taken_at = @at, taken_by = @taken_by, notice_id = @notice_id WHERE tenant_id = @tenant_id AND recovery_id = @recovery_id;

-- name: FindOpenRecoveries :many
SELECT r.id FROM recovery r
  JOIN account a ON a.tenant_id = r.tenant_id AND a.id = r.account_id
 WHERE r.tenant_id = @tenant_id AND a.ref_hash = ANY (@ref_hashes::bytea[]) AND r.subject = a.id
   AND (sqlc.narg('id')::text IS NULL OR r.id = sqlc.narg('id'))
   AND (r.state IN ('assisted', 'cooling_off', 'contested', 'ready', 'granted', 'completed')
        OR (r.state = 'verifying' AND EXISTS (SELECT 1 FROM evidence e WHERE e.tenant_id = r.tenant_id AND e.recovery_id = r.id))
        OR (r.state IN ('vetoed', 'reversed') AND r.changed_at > (SELECT holdfast_now()) - interval '24 hours')) -- for a retry's stored answer
 ORDER BY (r.state IN ('cooling_off', 'ready', 'granted', 'contested', 'completed')) DESC, r.created_at DESC LIMIT 50;

-- name: DueRecoveries :many
-- The clock is read once, in a sub-select: by itself it is volatile, no index serves it, and it is read for every open recovery.
SELECT r.tenant_id, r.id FROM recovery r WHERE r.wake_at <= (SELECT holdfast_now()) ORDER BY r.wake_at LIMIT @at_most::int;

-- name: InsertRecovery :exec
INSERT INTO recovery (tenant_id, id, reference, claimant_hash, account_id, subject, client_id, reason, network, signals, state, version,
                      tier, plan, policy_version, created_at, changed_at, expires_at, wake_at)
VALUES (@tenant_id, @id, @reference, @claimant_hash, @account_id, @subject, @client_id, @reason, @network, @signals, @state, @version,
        @tier, @plan, @policy_version, @created_at, @created_at, @expires_at, @wake_at);

-- name: AdvanceRecovery :exec
UPDATE recovery
   SET state = @state, version = version + 1, tier = @tier, plan = @plan, policy_version = @policy_version, approved = @approved,
       paused_total = @paused_total, contested_at = @contested_at, grant_id = @grant_id, grant_expires = @grant_expires,
       changed_at = @changed_at, held_at = @held_at, reminded_at = @reminded_at, not_before = @not_before, ready_until = @ready_until, expires_at = @expires_at,
       completed_at = @completed_at, probation_until = @probation_until, closed_at = @closed_at, wake_at = @wake_at
 WHERE tenant_id = @tenant_id AND id = @id AND version = @version;

-- name: PostponeWake :exec
UPDATE recovery SET wake_at = @wake_at WHERE tenant_id = @tenant_id AND id = @id AND version = @version;

-- name: InsertEvidence :exec
INSERT INTO evidence (tenant_id, recovery_id, challenge_id, method, class, source, source_since, accepted_at, phishing_resistant, aal, suspect)
VALUES (@tenant_id, @recovery_id, @challenge_id, @method, @class, @source, @source_since, @accepted_at, @phishing_resistant, @aal, @suspect);

-- name: InsertObjection :exec
INSERT INTO objection (tenant_id, id, recovery_id, channel, strength, evidence, at)
VALUES (@tenant_id, @id, @recovery_id, @channel, @strength, @evidence, @at);

-- name: ResolveObjections :exec
UPDATE objection SET resolved_at = @at WHERE tenant_id = @tenant_id AND recovery_id = @recovery_id AND resolved_at IS NULL;

-- name: PutChallenge :exec
-- Only asking again overwrites what the sender wrote. An answer may cross with the sender, and must not undo a code that
-- is on its way.
INSERT INTO challenge (tenant_id, id, recovery_id, method, channel_id, sends, attempts, code_hash, created_at, expires_at, resend_at, minted_at, accepted_at, consumed_at)
VALUES (@tenant_id, @id, @recovery_id, @method, @channel_id, @sends, @attempts, @code_hash, @created_at, @expires_at, @resend_at, @minted_at, @accepted_at, @consumed_at)
ON CONFLICT (tenant_id, id) DO UPDATE
   SET sends = EXCLUDED.sends, attempts = EXCLUDED.attempts, expires_at = EXCLUDED.expires_at, resend_at = EXCLUDED.resend_at,
       consumed_at = EXCLUDED.consumed_at,
       code_hash = CASE WHEN EXCLUDED.sends > challenge.sends THEN EXCLUDED.code_hash ELSE challenge.code_hash END,
       minted_at = CASE WHEN EXCLUDED.sends > challenge.sends THEN EXCLUDED.minted_at ELSE challenge.minted_at END,
       accepted_at = CASE WHEN EXCLUDED.sends > challenge.sends THEN EXCLUDED.accepted_at ELSE challenge.accepted_at END;

-- name: PutCounter :exec
INSERT INTO attempt_counter (tenant_id, subject, kind, consecutive, recent, wait_until, disabled_at)
VALUES (@tenant_id, @subject, @kind, @consecutive, @recent, @wait_until, @disabled_at)
ON CONFLICT (tenant_id, subject, kind) DO UPDATE
   SET consecutive = EXCLUDED.consecutive, recent = EXCLUDED.recent, wait_until = EXCLUDED.wait_until, disabled_at = EXCLUDED.disabled_at;

-- name: OpenCounter :exec
INSERT INTO attempt_counter (tenant_id, subject, kind) VALUES (@tenant_id, @subject, @kind) ON CONFLICT DO NOTHING;

-- name: UseTOTPStep :exec
UPDATE factor SET last_step = @step WHERE tenant_id = @tenant_id AND id = @id;

-- name: UseSavedCode :exec
UPDATE saved_code SET used_at = @at WHERE tenant_id = @tenant_id AND id = @id;

-- name: InsertSavedCode :exec
INSERT INTO saved_code (tenant_id, id, account_id, prefix, phc, issued_at) VALUES (@tenant_id, @id, @account_id, @prefix, @phc, @issued_at);

-- name: InsertGrant :exec
INSERT INTO recovery_grant (tenant_id, id, recovery_id, token_hash, issued_at, expires_at)
VALUES (@tenant_id, @id, @recovery_id, @token_hash, @issued_at, @expires_at);

-- name: VoidGrant :exec
UPDATE recovery_grant SET voided_at = @at WHERE tenant_id = @tenant_id AND id = @id AND redeemed_at IS NULL AND voided_at IS NULL;

-- name: RedeemGrant :exec
UPDATE recovery_grant SET redeemed_at = @at, redeemed_by = @redeemed_by WHERE tenant_id = @tenant_id AND id = @id;

-- name: InsertAssessment :exec
INSERT INTO assessment (tenant_id, recovery_id, version, at, policy_version, facts, decision)
VALUES (@tenant_id, @recovery_id, @version, @at, @policy_version, @facts, @decision);

-- name: InsertNotice :exec
INSERT INTO notice (tenant_id, id, account_id, recovery_id, kind, channel_id, objection_hash, claim_hash, created_at)
VALUES (@tenant_id, @id, @account_id, @recovery_id, @kind, @channel_id, @objection_hash, @claim_hash, @created_at);

-- name: Remember :exec
INSERT INTO idempotency (key, fingerprint, outcome, expires_at) VALUES (@key, @fingerprint, @outcome, @expires_at);

-- name: InsertAuditEvent :exec
INSERT INTO audit_event (tenant_id, id, at, actor_kind, actor_id, action, subject, recovery_id, recovery_version, from_state, to_state,
                         reason, policy_version, outcome, origin, request_id, details)
VALUES (@tenant_id, @id, @at, @actor_kind, @actor_id, @action, @subject, @recovery_id, @recovery_version, @from_state, @to_state,
        @reason, @policy_version, @outcome, @origin, @request_id, @details);
