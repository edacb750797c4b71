-- name: LockReference :exec
-- A report and the answer to the sending may cross: whoever is second has to see what the first wrote.
SELECT pg_advisory_xact_lock(hashtextextended(@provider::text || '/' || @reference::text, 8));

-- name: InsertDelivery :exec
INSERT INTO delivery (provider, reference, tenant_id, notice_id, challenge_id, accepted_at)
VALUES (@provider, @reference, @tenant_id, @notice_id, @challenge_id, holdfast_now())
ON CONFLICT DO NOTHING;

-- name: WaitingReports :many
SELECT r.status, r.reason FROM delivery_report r WHERE r.provider = @provider AND r.reference = @reference ORDER BY r.at, r.status;

-- name: InsertReport :one
INSERT INTO delivery_report (provider, reference, status, reason, at) VALUES (@provider, @reference, @status, @reason, holdfast_now())
ON CONFLICT DO NOTHING RETURNING at::timestamptz;

-- name: LoadReported :one
SELECT d.tenant_id, d.fate, coalesce(d.notice_id, '') AS notice_id, coalesce(d.challenge_id, '') AS challenge_id,
       coalesce(n.kind, 'recovery_code') AS kind, coalesce(n.recovery_id, c.recovery_id, '') AS recovery_id,
       coalesce(n.channel_id, c.channel_id, '') AS channel_id, coalesce(ch.kind, c.method, '') AS channel_kind
  FROM delivery d
  LEFT JOIN notice n ON n.tenant_id = d.tenant_id AND n.id = d.notice_id
  LEFT JOIN challenge c ON c.tenant_id = d.tenant_id AND c.id = d.challenge_id
  LEFT JOIN channel ch ON ch.tenant_id = d.tenant_id AND ch.id = n.channel_id
 WHERE d.provider = @provider AND d.reference = @reference;

-- name: SettleDelivery :exec
UPDATE delivery SET fate = @fate, reason = @reason, settled_at = holdfast_now() WHERE provider = @provider AND reference = @reference;

-- name: WakeForNotice :exec
-- The recovery is locked before its notice is touched: who lets somebody in at this moment is either first, or sees it.
UPDATE recovery SET wake_at = holdfast_now()
 WHERE tenant_id = @tenant_id AND id = @id AND state IN ('cooling_off', 'ready', 'granted');

-- name: DeliverNotice :exec
UPDATE notice SET delivered_at = holdfast_now() WHERE tenant_id = @tenant_id AND id = @id AND accepted_at IS NOT NULL AND delivered_at IS NULL;

-- name: TakeNoticeBack :exec
UPDATE notice SET accepted_at = NULL, failed_at = holdfast_now(), failed_reason = @reason
 WHERE tenant_id = @tenant_id AND id = @id AND accepted_at IS NOT NULL AND delivered_at IS NULL;

-- name: MayReply :exec
UPDATE notice SET reply_hash = @reply_hash WHERE tenant_id = @tenant_id AND id = @id AND objection_hash IS NOT NULL;

-- name: InsertReply :one
INSERT INTO reply (provider, reference, reply_hashes, received_at) VALUES (@provider, @reference, @reply_hashes, holdfast_now())
ON CONFLICT DO NOTHING RETURNING received_at::timestamptz;

-- name: ReplyTargets :many
-- Every recovery that was told to this number, of whichever tenant: the number alone cannot say which of them was meant. One
-- row for each of its channels there.
SELECT t.tenant_id, t.recovery_id::text AS recovery_id, t.channel_id
  FROM (SELECT DISTINCT n.tenant_id, n.recovery_id, n.channel_id
          FROM reply p JOIN notice n ON n.reply_hash = ANY (p.reply_hashes)
         WHERE p.provider = @provider AND p.reference = @reference AND p.heard_at IS NULL AND n.recovery_id IS NOT NULL) t
  JOIN recovery r ON r.tenant_id = t.tenant_id AND r.id = t.recovery_id
 WHERE r.state IN ('assisted', 'cooling_off', 'contested', 'ready', 'granted', 'completed')
 ORDER BY (r.state IN ('cooling_off', 'ready', 'granted', 'contested', 'completed')) DESC, r.created_at DESC, t.channel_id LIMIT 50;

-- name: HearReply :exec
UPDATE reply SET heard_at = holdfast_now(), reply_hashes = '{}' WHERE provider = @provider AND reference = @reference AND heard_at IS NULL;

-- name: EraseReplyHashes :exec
UPDATE notice SET reply_hash = NULL
 WHERE notice.tenant_id = @tenant_id AND notice.reply_hash IS NOT NULL
   AND notice.channel_id IN (SELECT c.id FROM channel c WHERE c.tenant_id = @tenant_id AND c.account_id = @account_id);
