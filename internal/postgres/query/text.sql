-- name: ReserveText :one
SELECT r.refusal::text AS refusal, r.paused::text AS paused, r.seen::int AS seen, r.typed::int AS typed
  FROM text_reserve(@tenant_id, @challenge_id, @sends, @channel_id, @country, @prefix, @per_prefix, @per_country, @per_tenant, @per_day) r;

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

-- name: SetTenantTexts :execrows
UPDATE tenant SET text_countries = sqlc.narg('countries')::text[], text_day = sqlc.narg('per_day')::int WHERE id = @id;
