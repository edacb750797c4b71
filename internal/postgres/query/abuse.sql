-- name: AloneForAbuse :one
SELECT pg_try_advisory_xact_lock(@lock_id::bigint) AS alone, holdfast_now()::timestamptz AS now;

-- name: AbuseWatermark :one
SELECT w.at FROM abuse_watermark w;

-- name: AbuseLag :one
SELECT greatest(holdfast_now() - w.at, interval '0')::interval AS lag FROM abuse_watermark w;

-- name: MoveAbuseWatermark :exec
INSERT INTO abuse_watermark (at) VALUES (@at) ON CONFLICT (only_row) DO UPDATE SET at = EXCLUDED.at;

-- name: ForgetTallies :exec
DELETE FROM abuse_tally WHERE ctid = ANY (ARRAY(SELECT a.ctid FROM abuse_tally a WHERE a.minute < @before AND a.measure = ANY (@measures::text[]) LIMIT 20000));

-- name: ForgetHours :exec
DELETE FROM abuse_hour WHERE hour < @before;

-- name: ForgetSightings :exec
DELETE FROM credential_sighting WHERE ctid = ANY (ARRAY(SELECT s.ctid FROM credential_sighting s WHERE s.minute < @before LIMIT 20000));

-- name: ForgetAlerts :exec
DELETE FROM alert WHERE ctid = ANY (ARRAY(SELECT a.ctid FROM alert a WHERE a.resolved_at < @before LIMIT 1000));

-- name: DormantCredentials :many
SELECT k.tenant_id, k.client_id, k.public_id, coalesce(k.last_used_at, k.created_at)::timestamptz AS since
  FROM client_proof k JOIN client c ON c.tenant_id = k.tenant_id AND c.id = k.client_id
 WHERE k.revoked_at IS NULL AND c.disabled_at IS NULL AND k.expires_at > @now AND coalesce(k.last_used_at, k.created_at) < @before
 ORDER BY coalesce(k.last_used_at, k.created_at), k.public_id LIMIT 100;

-- name: ExpiringCredentials :many
SELECT k.tenant_id, k.client_id, k.public_id, k.expires_at
  FROM client_proof k JOIN client c ON c.tenant_id = k.tenant_id AND c.id = k.client_id
 WHERE k.revoked_at IS NULL AND c.disabled_at IS NULL AND k.expires_at > @now AND k.expires_at <= @before AND k.last_used_at > @used_since
   AND NOT EXISTS (SELECT 1 FROM client_proof l
                    WHERE l.tenant_id = k.tenant_id AND l.client_id = k.client_id AND l.revoked_at IS NULL AND l.expires_at > @before
                      AND right(l.public_id, 9) <> '@workload')
 ORDER BY k.expires_at, k.public_id LIMIT 100;

-- name: SharedCredentials :many
-- Minutes in which a server's credential was used from more than one network of one family: a workload that moves has one.
SELECT k.tenant_id, k.client_id, k.public_id, count(*) AS minutes
  FROM (SELECT s.public_id, s.minute FROM credential_sighting s
         WHERE s.minute >= @since
         GROUP BY s.public_id, s.minute, strpos(s.network, ':') > 0 HAVING count(*) > 1) m
  JOIN client_proof k ON k.public_id = m.public_id
  JOIN client c ON c.tenant_id = k.tenant_id AND c.id = k.client_id AND c.kind <> 'publishable'
 GROUP BY k.tenant_id, k.client_id, k.public_id HAVING count(*) >= @at_least::bigint
 ORDER BY 4 DESC, 3 LIMIT 100;

-- name: SeeCredentials :exec
INSERT INTO credential_sighting (public_id, minute, network)
SELECT DISTINCT u.public_id, date_trunc('minute', (SELECT holdfast_now())), u.network
  FROM (SELECT unnest(@public_ids::text[]) AS public_id, unnest(@networks::text[]) AS network) u
ON CONFLICT DO NOTHING;
