-- name: ForgetAnswers :execrows
-- The clock is read once, not for every row: see DueRecoveries.
DELETE FROM idempotency WHERE key IN (SELECT i.key FROM idempotency i WHERE i.expires_at < (SELECT holdfast_now()) LIMIT @at_most::int);

-- name: ForgetDeliveries :execrows
-- What became of the message stands in its notice and in the trail.
DELETE FROM delivery WHERE ctid = ANY (ARRAY(
    SELECT d.ctid FROM delivery d WHERE d.accepted_at < (SELECT holdfast_now()) - interval '90 days' LIMIT @at_most));

-- name: ForgetReports :execrows
DELETE FROM delivery_report WHERE ctid = ANY (ARRAY(
    SELECT r.ctid FROM delivery_report r WHERE r.at < (SELECT holdfast_now()) - interval '90 days' LIMIT @at_most));

-- name: ForgetReplies :execrows
-- One that nobody heard yet stays, whatever its age.
DELETE FROM reply WHERE ctid = ANY (ARRAY(
    SELECT p.ctid FROM reply p
     WHERE p.received_at < (SELECT holdfast_now()) - interval '400 days' AND p.heard_at IS NOT NULL LIMIT @at_most));

-- name: MakeAuditMonths :one
SELECT audit_event_months(@ahead);

-- name: StrayAuditEvents :one
-- Whether events lie outside of all months.
SELECT audit_event_stray();
