-- name: ForgetAnswers :execrows
DELETE FROM idempotency WHERE key IN (SELECT i.key FROM idempotency i WHERE i.expires_at < holdfast_now() LIMIT @at_most::int);
