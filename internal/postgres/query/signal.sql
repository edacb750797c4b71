-- name: LockEndpoints :exec
-- One change of a tenant's endpoints at a time: they are few, and their number is bounded.
SELECT pg_advisory_xact_lock(@lock::bigint);

-- name: LoadEndpoints :one
SELECT holdfast_now()::timestamptz AS now,
       pg_try_advisory_xact_lock(@idempotency_lock::bigint) AS free,
       (SELECT m.fingerprint FROM idempotency m WHERE m.key = @idempotency_key) AS fingerprint,
       (SELECT m.outcome FROM idempotency m WHERE m.key = @idempotency_key) AS outcome,
       EXISTS (SELECT 1 FROM tenant t WHERE t.id = @tenant_id) AS tenant,
       (SELECT count(*) FROM webhook_endpoint e WHERE e.tenant_id = @tenant_id AND e.state <> 'deleted') AS endpoints;

-- name: LoadEndpoint :one
SELECT e.tenant_id, e.id, e.kind, e.url, e.description, e.events, e.audience, e.subject_issuer, e.saved_code_type, e.state, e.keys, e.public_keys,
       e.previous_until, e.created_at, e.changed_at
  FROM webhook_endpoint e WHERE e.tenant_id = @tenant_id AND e.id = @id AND e.state <> 'deleted' FOR NO KEY UPDATE;

-- name: ListEndpoints :many
SELECT e.tenant_id, e.id, e.kind, e.url, e.description, e.events, e.audience, e.subject_issuer, e.saved_code_type, e.state, e.keys, e.public_keys,
       e.previous_until, e.created_at, e.changed_at
  FROM webhook_endpoint e WHERE e.tenant_id = @tenant_id AND e.state <> 'deleted' ORDER BY e.id;

-- name: InsertEndpoint :exec
INSERT INTO webhook_endpoint (tenant_id, id, kind, url, description, events, audience, subject_issuer, saved_code_type, state, keys, public_keys, created_at, changed_at)
VALUES (@tenant_id, @id, @kind, @url, @description, @events, @audience, @subject_issuer, @saved_code_type, @state, @keys, @public_keys, @at, @at);

-- name: RekeyEndpoint :exec
UPDATE webhook_endpoint SET keys = @keys, public_keys = @public_keys, previous_until = @previous_until, changed_at = @at
 WHERE tenant_id = @tenant_id AND id = @id AND state <> 'deleted';

-- name: TurnEndpoint :exec
UPDATE webhook_endpoint SET state = @state, changed_at = @at, keys = CASE WHEN @state = 'deleted' THEN NULL ELSE keys END
 WHERE tenant_id = @tenant_id AND id = @id AND state <> 'deleted';

-- name: ResumeDeliveries :exec
UPDATE signal_delivery SET wake_at = @at WHERE tenant_id = @tenant_id AND endpoint_id = @endpoint_id AND status = 'pending';

-- name: RestDeliveries :exec
-- While an endpoint is paused nobody looks at what waits for it.
UPDATE signal_delivery SET wake_at = 'infinity' WHERE tenant_id = @tenant_id AND endpoint_id = @endpoint_id AND status = 'pending';

-- name: EndDeliveries :exec
UPDATE signal_delivery SET status = 'dead', ended_at = @at
 WHERE tenant_id = @tenant_id AND endpoint_id = @endpoint_id AND status = 'pending';

-- name: SealedEndpoints :many
SELECT e.tenant_id, e.id, e.keys FROM webhook_endpoint e
 WHERE e.state <> 'deleted' AND (e.tenant_id, e.id) > (@tenant_id::text, @id::text) ORDER BY e.tenant_id, e.id LIMIT @at_most::int;

-- name: ResealEndpoint :exec
UPDATE webhook_endpoint SET keys = @keys WHERE tenant_id = @tenant_id AND id = @id AND keys = @was;

-- name: ListDeliveries :many
SELECT d.id, d.endpoint_id, d.type, d.event_uri, d.txn, d.recovery_id, d.at, d.status, d.attempts, d.next_at, d.ended_at, d.tries
  FROM signal_delivery d
 WHERE d.tenant_id = @tenant_id AND d.endpoint_id = @endpoint_id
   AND (sqlc.narg('status')::text IS NULL OR d.status = sqlc.narg('status'))
   AND (sqlc.narg('before')::text IS NULL OR d.id < sqlc.narg('before'))
   AND (sqlc.narg('id')::text IS NULL OR d.id = sqlc.narg('id'))
 ORDER BY d.id DESC LIMIT @at_most::int;

-- name: InsertVerification :exec
INSERT INTO signal_delivery (tenant_id, id, endpoint_id, event_id, nth, type, event_uri, claims, txn, at, next_at, wake_at)
VALUES (@tenant_id, @id, @endpoint_id, @event_id, 0, 'stream.verification', @event_uri, @claims, @event_id, @at, @at, @at);

-- name: RedeliverSignals :exec
UPDATE signal_delivery SET status = 'pending', attempts = 0, next_at = @now, wake_at = @now, ended_at = NULL, leased_until = NULL,
       overdue_at = CASE WHEN status = 'dead' THEN overdue_at END
 WHERE tenant_id = @tenant_id AND endpoint_id = @endpoint_id AND status <> 'pending'
   AND (sqlc.narg('id')::text IS NULL OR id = sqlc.narg('id'))
   AND (sqlc.narg('from_at')::timestamptz IS NULL OR at >= sqlc.narg('from_at'))
   AND (sqlc.narg('to_at')::timestamptz IS NULL OR at < sqlc.narg('to_at'))
   AND (@with_delivered::boolean OR status = 'dead');

-- name: ClaimDelivery :one
-- Two nodes that ask at the same time meet at the row: the second one finds it leased.
WITH claimed AS (
    UPDATE signal_delivery d
       SET attempts = d.attempts + 1, claims_taken = d.claims_taken + 1, leased_until = n.now + @lease::interval, wake_at = n.now + @lease::interval
      FROM webhook_endpoint e, (SELECT holdfast_now()::timestamptz AS now) n
     WHERE d.tenant_id = @tenant_id AND d.id = @id AND e.tenant_id = d.tenant_id AND e.id = d.endpoint_id
       AND e.state = 'active' AND d.status = 'pending' AND d.next_at <= n.now AND (d.leased_until IS NULL OR d.leased_until <= n.now)
       AND (NOT d.follows OR NOT EXISTS (
           SELECT 1 FROM signal_delivery b WHERE b.tenant_id = d.tenant_id AND b.endpoint_id = d.endpoint_id AND b.txn = d.txn
              AND NOT b.follows AND b.status <> 'delivered'))
    RETURNING d.tenant_id, d.id, d.endpoint_id, d.type, d.event_uri, d.claims, d.agreed, d.txn, d.account_id, d.recovery_id, d.at, d.attempts, d.claims_taken, n.now
)
SELECT c.id, c.type, c.event_uri, c.claims, c.agreed, c.txn, c.account_id, c.recovery_id, c.at, c.attempts, c.claims_taken, c.now::timestamptz AS now,
       e.id AS endpoint_id, e.kind, e.url, e.audience, e.subject_issuer, e.saved_code_type, e.keys,
       a.data_key, a.ref_sealed, s.sealed AS last_sealed
  FROM claimed c
  JOIN webhook_endpoint e ON e.tenant_id = c.tenant_id AND e.id = c.endpoint_id
  LEFT JOIN account a ON a.tenant_id = c.tenant_id AND a.id = c.account_id
  LEFT JOIN signal_subject s ON s.tenant_id = c.tenant_id AND s.account_id = c.account_id;

-- name: ReturnDelivery :exec
UPDATE signal_delivery SET attempts = attempts - 1, leased_until = NULL, wake_at = holdfast_now() + @wait::interval
 WHERE tenant_id = @tenant_id AND id = @id AND status = 'pending' AND claims_taken = @claim AND attempts > 0;

-- name: RecordDelivery :one
UPDATE signal_delivery d
   SET status = @status, next_at = coalesce(sqlc.narg('next_at'), d.next_at), wake_at = coalesce(sqlc.narg('next_at'), d.wake_at), leased_until = NULL,
       ended_at = CASE WHEN @status = 'pending' THEN NULL ELSE holdfast_now() END,
       tries = (CASE WHEN jsonb_array_length(d.tries) >= 20 THEN d.tries - 0 ELSE d.tries END) || @try::jsonb
 WHERE d.tenant_id = @tenant_id AND d.id = @id AND d.status = 'pending' AND d.claims_taken = @claim
RETURNING holdfast_now()::timestamptz AS now;

-- name: WakeFollowers :exec
UPDATE signal_delivery SET wake_at = @now WHERE tenant_id = @tenant_id AND endpoint_id = @endpoint_id AND txn = @txn AND follows AND status = 'pending';

-- name: DisableEndpoint :one
UPDATE webhook_endpoint SET state = 'disabled', changed_at = @at WHERE tenant_id = @tenant_id AND id = @id AND state IN ('active', 'paused') RETURNING id;

-- name: OverdueRevocations :many
-- What was acknowledged once, and is sent again because somebody asked for it, has not gone unacknowledged.
UPDATE signal_delivery d SET overdue_at = n.now
  FROM (SELECT holdfast_now()::timestamptz AS now) n
 WHERE (d.tenant_id, d.id) IN (
    SELECT x.tenant_id, x.id FROM signal_delivery x
     WHERE x.status <> 'delivered' AND x.overdue_at IS NULL AND x.event_uri = @event_uri
       AND NOT x.tries @> '[{"outcome": "accepted"}]'
       AND x.at <= (SELECT holdfast_now()) - @after::interval
     ORDER BY x.at LIMIT @at_most::int FOR UPDATE SKIP LOCKED)
RETURNING d.tenant_id, d.id, d.endpoint_id, d.recovery_id, d.status, d.attempts, n.now::timestamptz AS now;

-- name: SignalBacklog :one
SELECT count(*) FILTER (WHERE d.status = 'pending') AS pending,
       count(*) FILTER (WHERE d.status = 'dead' AND e.state <> 'deleted') AS dead,
       count(*) FILTER (WHERE d.overdue_at IS NOT NULL AND e.state <> 'deleted') AS unacknowledged,
       coalesce(extract(epoch FROM (SELECT holdfast_now()) - min(d.at) FILTER (WHERE d.status = 'pending' AND e.state = 'active')), 0)::float8 AS oldest
  FROM signal_delivery d JOIN webhook_endpoint e ON e.tenant_id = d.tenant_id AND e.id = d.endpoint_id
 WHERE d.status <> 'delivered';

-- name: TidyDeliveries :execrows
-- What another delivery waits for stays: without it, that one would be sent as if it had been acknowledged.
DELETE FROM signal_delivery WHERE (tenant_id, id) IN (
    SELECT d.tenant_id, d.id FROM signal_delivery d WHERE d.status <> 'pending' AND d.ended_at <= (SELECT holdfast_now()) - @after::interval
       AND NOT EXISTS (SELECT 1 FROM signal_delivery f WHERE f.tenant_id = d.tenant_id AND f.endpoint_id = d.endpoint_id AND f.txn = d.txn
                          AND f.follows AND f.status = 'pending' AND d.status = 'dead')
     ORDER BY d.ended_at LIMIT @at_most::int);

-- name: TidySubjects :execrows
-- A name goes as soon as nobody is left to be told, and in any case when its time is over.
DELETE FROM signal_subject s
 WHERE s.until <= (SELECT holdfast_now())
    OR NOT EXISTS (SELECT 1 FROM signal_delivery d WHERE d.tenant_id = s.tenant_id AND d.account_id = s.account_id AND d.status <> 'delivered');

-- name: KeepSubject :exec
INSERT INTO signal_subject (tenant_id, account_id, sealed, until)
SELECT @tenant_id::text, @account_id::text, @sealed::bytea, @until::timestamptz
 WHERE EXISTS (SELECT 1 FROM webhook_endpoint e WHERE e.tenant_id = @tenant_id::text AND e.state IN ('active', 'paused'))
ON CONFLICT DO NOTHING;
