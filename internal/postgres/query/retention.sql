-- name: ForgetRecoveries :many
-- Takes hold of recoveries that have been over for that long, and empties what their rows say of the claimant. Another node
-- takes others.
UPDATE recovery r SET forgotten_at = holdfast_now(), over_at = NULL, network = '', signals = '{}'
 WHERE (r.tenant_id, r.id) IN (
    SELECT x.tenant_id, x.id FROM recovery x
     WHERE x.over_at <= (SELECT holdfast_now()) - @keep::interval
       AND NOT EXISTS (SELECT 1 FROM legal_hold h WHERE h.tenant_id = x.tenant_id AND h.account_id IN ('', coalesce(x.account_id, '')))
     ORDER BY x.over_at LIMIT @at_most::int FOR NO KEY UPDATE OF x SKIP LOCKED)
RETURNING r.tenant_id, r.id, r.forgotten_at;

-- name: ForgetReportsOf :one
-- Before the deliveries: what a report is about is found through them.
WITH sent AS (
    SELECT d.provider, d.reference FROM (SELECT unnest(@tenants::text[]) AS tenant_id, unnest(@ids::text[]) AS id) f
      JOIN notice n ON n.tenant_id = f.tenant_id AND n.recovery_id = f.id
      JOIN delivery d ON d.tenant_id = n.tenant_id AND d.notice_id = n.id
    UNION ALL
    SELECT d.provider, d.reference FROM (SELECT unnest(@tenants::text[]) AS tenant_id, unnest(@ids::text[]) AS id) f
      JOIN challenge c ON c.tenant_id = f.tenant_id AND c.recovery_id = f.id
      JOIN delivery d ON d.tenant_id = c.tenant_id AND d.challenge_id = c.id
), gone AS (
    DELETE FROM delivery_report p USING sent s WHERE p.provider = s.provider AND p.reference = s.reference RETURNING 1)
SELECT count(*) FROM gone;

-- name: ForgetDeliveriesOf :one
WITH sent AS (
    SELECT d.provider, d.reference FROM (SELECT unnest(@tenants::text[]) AS tenant_id, unnest(@ids::text[]) AS id) f
      JOIN notice n ON n.tenant_id = f.tenant_id AND n.recovery_id = f.id
      JOIN delivery d ON d.tenant_id = n.tenant_id AND d.notice_id = n.id
    UNION ALL
    SELECT d.provider, d.reference FROM (SELECT unnest(@tenants::text[]) AS tenant_id, unnest(@ids::text[]) AS id) f
      JOIN challenge c ON c.tenant_id = f.tenant_id AND c.recovery_id = f.id
      JOIN delivery d ON d.tenant_id = c.tenant_id AND d.challenge_id = c.id
), gone AS (
    DELETE FROM delivery d USING sent s WHERE d.provider = s.provider AND d.reference = s.reference RETURNING 1)
SELECT count(*) FROM gone;

-- name: ForgetWork :one
-- What was asked, sent, weighed and written around recoveries that were taken hold of. Evidence, objections, grants, proposals and
-- decisions stay, and of artefacts the hash: they justify the row, or keep something from being used twice (deploy/retention.md).
WITH f AS (
    SELECT unnest(@tenants::text[]) AS tenant_id, unnest(@ids::text[]) AS id
), challenges AS (
    DELETE FROM challenge c USING f WHERE c.tenant_id = f.tenant_id AND c.recovery_id = f.id RETURNING 1
), assessments AS (
    DELETE FROM assessment a USING f WHERE a.tenant_id = f.tenant_id AND a.recovery_id = f.id RETURNING 1
), seats AS (
    DELETE FROM claim_seat s USING f WHERE s.tenant_id = f.tenant_id AND s.recovery_id = f.id RETURNING 1
), notices AS (
    DELETE FROM notice n USING f WHERE n.tenant_id = f.tenant_id AND n.recovery_id = f.id RETURNING 1
), objections AS (
    UPDATE objection o SET evidence = '[]' FROM f WHERE o.tenant_id = f.tenant_id AND o.recovery_id = f.id AND o.evidence <> '[]' RETURNING 1
), notes AS (
    DELETE FROM support_note n USING support_case c, f
     WHERE c.tenant_id = f.tenant_id AND c.recovery_id = f.id AND n.tenant_id = c.tenant_id AND n.case_id = c.id RETURNING 1
), artefacts AS (
    UPDATE support_artefact a SET reference = a.id FROM f WHERE a.tenant_id = f.tenant_id AND a.recovery_id = f.id AND a.reference <> a.id RETURNING 1
), cases AS (
    UPDATE support_case c SET data_key = NULL FROM f WHERE c.tenant_id = f.tenant_id AND c.recovery_id = f.id AND c.data_key IS NOT NULL RETURNING 1
)
SELECT (SELECT count(*) FROM challenges) AS challenges, (SELECT count(*) FROM assessments) AS assessments, (SELECT count(*) FROM notices) AS notices,
       (SELECT count(*) FROM objections) AS objections, (SELECT count(*) FROM notes) AS notes, (SELECT count(*) FROM artefacts) AS artefacts, (SELECT count(*) FROM cases) AS cases,
       (SELECT count(*) FROM seats) AS seats;

-- name: ForgetCounters :one
-- Those of subjects all of whose recoveries are forgotten, where nothing is left to count. An unknown identifier's pseudonym goes
-- like an account's id.
WITH gone AS (
    DELETE FROM attempt_counter k
     USING (SELECT DISTINCT r.tenant_id, r.subject FROM (SELECT unnest(@tenants::text[]) AS tenant_id, unnest(@ids::text[]) AS id) f
              JOIN recovery r ON r.tenant_id = f.tenant_id AND r.id = f.id) s
     WHERE k.tenant_id = s.tenant_id AND k.subject = s.subject
       AND counter_is_idle(k, @now::timestamptz)
       AND NOT EXISTS (SELECT 1 FROM recovery o WHERE o.tenant_id = s.tenant_id AND o.subject = s.subject AND o.forgotten_at IS NULL)
    RETURNING 1)
SELECT count(*) AS counters FROM gone;

-- name: ForgetAccountNotices :execrows
-- Notices about an account itself. One whose message a provider may still report on waits for that to be over.
DELETE FROM notice WHERE ctid = ANY (ARRAY(
    SELECT n.ctid FROM notice n
     WHERE n.recovery_id IS NULL AND n.created_at <= (SELECT holdfast_now()) - @keep::interval
       AND NOT EXISTS (SELECT 1 FROM delivery d WHERE d.tenant_id = n.tenant_id AND d.notice_id = n.id)
       AND NOT EXISTS (SELECT 1 FROM legal_hold h WHERE h.tenant_id = n.tenant_id AND h.account_id IN ('', n.account_id))
     ORDER BY n.created_at LIMIT @at_most::int FOR UPDATE SKIP LOCKED));

-- name: ForgetChannels :execrows
-- Addresses that were taken off an account, once no notice names them and nothing freezes the account.
DELETE FROM channel WHERE ctid = ANY (ARRAY(
    SELECT c.ctid FROM channel c
     WHERE c.removed_at <= (SELECT holdfast_now()) - @keep::interval
       AND NOT EXISTS (SELECT 1 FROM notice n WHERE n.tenant_id = c.tenant_id AND n.channel_id = c.id)
       AND NOT EXISTS (SELECT 1 FROM legal_hold h WHERE h.tenant_id = c.tenant_id AND h.account_id IN ('', c.account_id))
       AND NOT account_frozen(c.tenant_id, c.account_id)
     ORDER BY c.removed_at LIMIT @at_most::int FOR UPDATE SKIP LOCKED));

-- name: ForgetFactors :execrows
DELETE FROM factor WHERE ctid = ANY (ARRAY(
    SELECT c.ctid FROM factor c
     WHERE c.removed_at <= (SELECT holdfast_now()) - @keep::interval
       AND NOT EXISTS (SELECT 1 FROM legal_hold h WHERE h.tenant_id = c.tenant_id AND h.account_id IN ('', c.account_id))
       AND NOT account_frozen(c.tenant_id, c.account_id)
     ORDER BY c.removed_at LIMIT @at_most::int FOR UPDATE SKIP LOCKED));

-- name: ForgetSavedCodes :execrows
DELETE FROM saved_code WHERE ctid = ANY (ARRAY(
    SELECT c.ctid FROM saved_code c
     WHERE coalesce(c.used_at, c.revoked_at) <= (SELECT holdfast_now()) - @keep::interval
       AND NOT EXISTS (SELECT 1 FROM legal_hold h WHERE h.tenant_id = c.tenant_id AND h.account_id IN ('', c.account_id))
       AND NOT account_frozen(c.tenant_id, c.account_id)
     ORDER BY coalesce(c.used_at, c.revoked_at) LIMIT @at_most::int FOR UPDATE SKIP LOCKED));

-- name: ForgetOrigins :execrows
-- What events say about the person behind a request, by the event's id, which begins with its time. The event and its leaf stay.
DELETE FROM audit_personal WHERE ctid = ANY (ARRAY(
    SELECT p.ctid FROM (SELECT tenant.id FROM tenant UNION ALL SELECT '_fleet' UNION ALL SELECT '') t
     CROSS JOIN LATERAL (SELECT x.ctid, x.tenant_id, x.event_id FROM audit_personal x WHERE x.tenant_id = t.id AND x.event_id < @before::text
                          ORDER BY x.event_id LIMIT @at_most::int) p
      LEFT JOIN audit_event e ON e.tenant_id = p.tenant_id AND e.id = p.event_id
     WHERE NOT EXISTS (SELECT 1 FROM legal_hold h WHERE h.tenant_id = p.tenant_id AND h.account_id IN ('', coalesce(e.account_id, '')))
     LIMIT @at_most::int));

-- name: RetentionOldest :many
-- The recovery that has been over for longest, unless something holds it, and the one clock.
SELECT r.over_at, holdfast_now()::timestamptz AS now FROM recovery r
 WHERE r.over_at IS NOT NULL
   AND NOT EXISTS (SELECT 1 FROM legal_hold h WHERE h.tenant_id = r.tenant_id AND h.account_id IN ('', coalesce(r.account_id, '')))
 ORDER BY r.over_at LIMIT 1;

-- name: SetLegalHold :one
WITH made AS (
    INSERT INTO legal_hold (tenant_id, account_id, reason, set_at) VALUES (@tenant_id, @account_id, @reason, holdfast_now())
    ON CONFLICT DO NOTHING RETURNING 1)
SELECT count(*) FROM made;

-- name: LiftLegalHold :one
WITH gone AS (DELETE FROM legal_hold h WHERE h.tenant_id = @tenant_id AND h.account_id = @account_id RETURNING 1)
SELECT count(*) FROM gone;

-- name: ListLegalHolds :many
SELECT tenant_id, account_id, reason, set_at FROM legal_hold ORDER BY tenant_id, account_id;
