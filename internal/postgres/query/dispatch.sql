-- name: LoadDelivery :one
SELECT c.method, c.channel_id, c.sends, c.expires_at, c.consumed_at, c.accepted_at, r.id AS recovery_id, r.state, r.version, r.plan, r.account_id, r.reference,
       holdfast_now()::timestamptz AS now,
       ch.sealed AS address_sealed, a.data_key, coalesce(a.locale, '') AS locale,
       t.name AS tenant_name, t.locale AS tenant_locale, t.support_contact, t.text_countries, t.text_day,
       w.countries AS own_countries, w.lines AS own_lines, w.prefix_hour AS own_prefix_hour, w.country_day AS own_country_day, w.day AS own_day,
       ch.carrier_at, coalesce(ch.carrier_line, '') AS carrier_line, ch.sim_swapped_at
  FROM challenge c
  JOIN recovery r ON r.tenant_id = c.tenant_id AND r.id = c.recovery_id
  JOIN tenant t ON t.id = c.tenant_id
  LEFT JOIN text_rule w ON w.tenant_id = c.tenant_id
  LEFT JOIN channel ch ON ch.tenant_id = c.tenant_id AND ch.id = c.channel_id AND ch.removed_at IS NULL
  LEFT JOIN account a ON a.tenant_id = r.tenant_id AND a.id = r.account_id
 WHERE c.tenant_id = @tenant_id AND c.id = @id;

-- name: MintChallenge :one
UPDATE challenge SET code_hash = @code_hash, minted_at = holdfast_now()
 WHERE tenant_id = @tenant_id AND id = @id AND sends = @sends AND consumed_at IS NULL
 RETURNING id;

-- name: AcceptChallenge :exec
UPDATE challenge SET accepted_at = holdfast_now() WHERE tenant_id = @tenant_id AND id = @id AND sends = @sends AND consumed_at IS NULL;

-- name: UnheardChannels :many
SELECT c.id FROM channel c
 WHERE c.tenant_id = @tenant_id AND c.account_id = @account_id AND c.removed_at IS NULL
   AND NOT EXISTS (SELECT 1 FROM notice n WHERE n.tenant_id = c.tenant_id AND n.channel_id = c.id AND n.kind = 'recovery_started'
                      AND n.created_at > (SELECT holdfast_now()) - interval '24 hours')
 ORDER BY c.id LIMIT 20;

-- name: LoadNotice :one
SELECT n.kind, n.recovery_id, n.account_id, n.channel_id, n.objection_hash, n.claim_hash, n.created_at, n.accepted_at, n.failed_at,
       ch.kind AS channel_kind, ch.sealed AS address_sealed, a.data_key, a.locale,
       r.not_before, coalesce(r.reference, '') AS reference,
       t.name AS tenant_name, t.locale AS tenant_locale, t.support_contact, t.text_countries,
       w.countries AS own_countries, w.lines AS own_lines, coalesce(t.claim_url, '') AS claim_url,
       -- A seat that was taken, that is too late, or whose recovery is over is nothing to send a link to.
       coalesce((SELECT s.taken_at IS NULL AND s.expires_at > (SELECT holdfast_now()) AND r.closed_at IS NULL FROM claim_seat s
                  WHERE s.tenant_id = n.tenant_id AND s.recovery_id = n.recovery_id), false)::boolean AS seat_free,
       coalesce((SELECT s.expires_at FROM claim_seat s WHERE s.tenant_id = n.tenant_id AND s.recovery_id = n.recovery_id), n.created_at)::timestamptz AS seat_until
  FROM notice n
  JOIN channel ch ON ch.tenant_id = n.tenant_id AND ch.id = n.channel_id
  JOIN account a ON a.tenant_id = n.tenant_id AND a.id = n.account_id
  JOIN tenant t ON t.id = n.tenant_id
  LEFT JOIN text_rule w ON w.tenant_id = n.tenant_id
  LEFT JOIN recovery r ON r.tenant_id = n.tenant_id AND r.id = n.recovery_id
 WHERE n.tenant_id = @tenant_id AND n.id = @id;

-- name: AcceptNotice :one
UPDATE notice SET accepted_at = holdfast_now() WHERE tenant_id = @tenant_id AND id = @id AND accepted_at IS NULL AND failed_at IS NULL
RETURNING accepted_at::timestamptz;

-- name: FailNotice :one
UPDATE notice SET failed_at = holdfast_now(), failed_reason = @reason WHERE tenant_id = @tenant_id AND id = @id AND accepted_at IS NULL AND failed_at IS NULL
RETURNING failed_at::timestamptz;
