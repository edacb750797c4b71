-- name: LiveAlerts :many
SELECT sqlc.embed(a) FROM alert a WHERE a.state <> 'resolved' ORDER BY a.first_seen, a.id LIMIT 1000;

-- name: FreshAlerts :many
SELECT sqlc.embed(a) FROM alert a
 WHERE a.state <> 'resolved' OR a.resolved_at > (SELECT holdfast_now()) - @since::interval
 ORDER BY (a.state = 'resolved'), a.first_seen, a.id LIMIT 1000;

-- name: AlertLevels :many
SELECT a.detector, a.severity, a.state, count(*) AS alerts FROM alert a WHERE a.state <> 'resolved' GROUP BY 1, 2, 3 ORDER BY 1, 2, 3;

-- name: InsertAlert :one
-- One that another node raised in this moment is left alone, and no row comes back.
INSERT INTO alert (tenant_id, id, detector, key, severity, state, labels, count, peak, threshold, first_seen, last_seen, escalated_at, version)
VALUES (@tenant_id, @id, @detector, @key, @severity, @state, @labels, @count, @peak, @threshold, @first_seen, @last_seen, @escalated_at, 1)
ON CONFLICT (tenant_id, detector, key) WHERE state <> 'resolved' DO NOTHING RETURNING version;

-- name: UpdateAlert :one
UPDATE alert
   SET severity = @severity, state = @state, count = @count, peak = @peak, threshold = @threshold, last_seen = @last_seen, escalated_at = @escalated_at,
       acknowledged_at = @acknowledged_at, acknowledged_by = @acknowledged_by, acknowledgement = @acknowledgement, resolved_at = @resolved_at,
       version = version + 1
 WHERE tenant_id = @tenant_id AND id = @id AND version = @version RETURNING version;

-- name: GetAlert :one
SELECT sqlc.embed(a) FROM alert a WHERE a.id = @id AND (a.tenant_id = @tenant_id OR @tenant_id::text = '*');

-- name: ListAlerts :many
SELECT sqlc.embed(a) FROM alert a
 WHERE (a.tenant_id = @tenant_id OR @tenant_id::text = '*')
   AND (sqlc.narg('before')::text IS NULL OR a.id < sqlc.narg('before'))
   AND (sqlc.narg('state')::text IS NULL OR a.state = sqlc.narg('state'))
   AND (sqlc.narg('severity')::text IS NULL OR a.severity = sqlc.narg('severity'))
   AND (sqlc.narg('detector')::text IS NULL OR a.detector = sqlc.narg('detector'))
 ORDER BY a.id DESC LIMIT @at_most::int;

-- name: LockAlert :one
SELECT sqlc.embed(a), holdfast_now()::timestamptz AS now,
       pg_try_advisory_xact_lock(@idempotency_lock::bigint) AS free,
       (SELECT m.fingerprint FROM idempotency m WHERE m.key = @idempotency_key) AS fingerprint,
       (SELECT m.outcome FROM idempotency m WHERE m.key = @idempotency_key) AS outcome
  FROM alert a WHERE a.id = @id AND (a.tenant_id = @tenant_id OR @tenant_id::text = '*') FOR UPDATE OF a;

-- name: LoadForControl :one
SELECT holdfast_now()::timestamptz AS now,
       (@tenant_id::text = '_fleet' OR EXISTS (SELECT 1 FROM tenant t WHERE t.id = @tenant_id::text))::boolean AS known,
       (SELECT count(*) FROM control c WHERE c.tenant_id = @tenant_id::text AND c.lifted_at IS NULL AND c.expires_at > (SELECT holdfast_now())) AS in_force,
       pg_try_advisory_xact_lock(@idempotency_lock::bigint) AS free,
       (SELECT m.fingerprint FROM idempotency m WHERE m.key = @idempotency_key) AS fingerprint,
       (SELECT m.outcome FROM idempotency m WHERE m.key = @idempotency_key) AS outcome;

-- name: LockControl :one
SELECT sqlc.embed(c) FROM control c WHERE c.id = @id AND (c.tenant_id = @tenant_id OR @tenant_id::text = '*') FOR UPDATE;

-- name: ControlsInForce :many
SELECT sqlc.embed(c) FROM control c WHERE c.lifted_at IS NULL AND c.expires_at > (SELECT holdfast_now()) ORDER BY c.id;

-- name: ListControls :many
SELECT sqlc.embed(c), holdfast_now()::timestamptz AS now FROM control c
 WHERE (c.tenant_id = @tenant_id OR @tenant_id::text = '*')
   AND (@ended::boolean OR (c.lifted_at IS NULL AND c.expires_at > (SELECT holdfast_now())))
 ORDER BY c.id DESC LIMIT 200;

-- name: InsertControl :exec
INSERT INTO control (tenant_id, id, kind, value, reason, set_by_kind, set_by, set_at, expires_at)
VALUES (@tenant_id, @id, @kind, @value, @reason, @set_by_kind, @set_by, @set_at, @expires_at);

-- name: LiftControl :exec
UPDATE control SET lifted_at = @at, lifted_by = @lifted_by, lift_reason = @lift_reason WHERE tenant_id = @tenant_id AND id = @id;
