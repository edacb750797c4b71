-- name: ReserveText :one
SELECT r.refusal::text AS refusal, r.paused::text AS paused, r.seen::int AS seen, r.typed::int AS typed
  FROM text_reserve(@tenant_id, @challenge_id, @sends, @channel_id, @country, @prefix, @per_prefix, @per_country, @country_most, @per_tenant, @per_day) r;

-- name: TextVerified :exec
SELECT text_verified(@tenant_id, @challenge_id);

-- name: KnowCarrier :exec
-- What was known of a SIM stays known when a later question finds no answer; its age says what it is worth.
UPDATE channel SET carrier_at = holdfast_now(),
       carrier_line = CASE WHEN @line::text = '' THEN carrier_line ELSE @line END,
       sim_known_at = CASE WHEN @sim_known::boolean THEN holdfast_now() ELSE sim_known_at END,
       sim_swapped_at = CASE WHEN @sim_known::boolean THEN sqlc.narg('swapped_at')::timestamptz ELSE sim_swapped_at END
 WHERE tenant_id = @tenant_id AND id = @id;

-- name: ForgetTexts :execrows
DELETE FROM text_send WHERE ctid = ANY (ARRAY(
    SELECT s.ctid FROM text_send s
     WHERE s.at < (SELECT holdfast_now()) - interval '400 days'
        OR (s.at < (SELECT holdfast_now()) - interval '30 days' AND s.verified_at IS NULL)
     LIMIT @at_most));

-- name: ForgetTextCounts :execrows
DELETE FROM text_count WHERE slot < (SELECT holdfast_now()) - interval '30 days';

-- name: ForgetTextBudgets :exec
DELETE FROM text_budget WHERE at < (SELECT holdfast_now()) - interval '2 days';

-- name: LockTenantTexts :exec
SELECT t.id FROM tenant t WHERE t.id = @tenant_id FOR NO KEY UPDATE;

-- name: LoadTextRules :one
SELECT holdfast_now()::timestamptz AS now, t.text_countries, t.text_day, coalesce(w.version, 0)::bigint AS version, coalesce(w.changed_by, '') AS changed_by,
       w.countries, w.lines, w.prefix_hour, w.country_day, w.day, w.changed_at
  FROM tenant t LEFT JOIN text_rule w ON w.tenant_id = t.id WHERE t.id = @tenant_id;

-- name: SetTextRules :one
INSERT INTO text_rule AS w (tenant_id, version, countries, lines, prefix_hour, country_day, day, changed_at, changed_by)
VALUES (@tenant_id, @version, sqlc.narg('countries')::text[], sqlc.narg('lines')::text[], sqlc.narg('prefix_hour'), sqlc.narg('country_day'), sqlc.narg('day'), @changed_at, @changed_by)
ON CONFLICT (tenant_id) DO UPDATE SET version = excluded.version, countries = excluded.countries, lines = excluded.lines, prefix_hour = excluded.prefix_hour,
       country_day = excluded.country_day, day = excluded.day, changed_at = excluded.changed_at, changed_by = excluded.changed_by
 WHERE w.version = excluded.version - 1
RETURNING w.version;

-- name: GrantTexts :exec
UPDATE tenant SET text_countries = sqlc.narg('countries')::text[], text_day = sqlc.narg('per_day')::int WHERE id = @id;
