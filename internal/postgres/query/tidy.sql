-- name: ForgetAnswers :execrows
-- The clock is read once, not for every row: see DueRecoveries.
DELETE FROM idempotency WHERE key IN (SELECT i.key FROM idempotency i WHERE i.expires_at < (SELECT holdfast_now()) LIMIT @at_most::int);
