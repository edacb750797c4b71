-- name: LockTenantShared :exec
SELECT pg_advisory_xact_lock_shared(@lock::bigint);

-- name: LockTenant :exec
SELECT pg_advisory_xact_lock(@lock::bigint);

-- name: LockNames :exec
SELECT pg_advisory_xact_lock(k) FROM unnest(@locks::bigint[]) AS k;

-- name: LockAccount :exec
SELECT 1 FROM account a WHERE a.tenant_id = @tenant_id AND a.ref_hash = ANY (@ref_hashes::bytea[]) FOR NO KEY UPDATE;

-- name: ShareRecoveries :exec
SELECT 1 FROM recovery r
 WHERE r.tenant_id = @tenant_id AND r.closed_at IS NULL
   AND r.subject = (SELECT a.id FROM account a WHERE a.tenant_id = @tenant_id AND a.ref_hash = ANY (@ref_hashes::bytea[]) LIMIT 1)
 ORDER BY r.id FOR SHARE;

-- name: LoadAccount :one
WITH named AS (
    SELECT a.id FROM account a WHERE a.tenant_id = @tenant_id AND a.ref_hash = ANY (@ref_hashes::bytea[]) LIMIT 1
)
SELECT holdfast_now()::timestamptz AS now,
       pg_try_advisory_xact_lock(@idempotency_lock::bigint) AS free,
       (SELECT m.fingerprint FROM idempotency m WHERE m.key = @idempotency_key) AS fingerprint,
       (SELECT m.outcome FROM idempotency m WHERE m.key = @idempotency_key) AS outcome,
       coalesce((SELECT t.name FROM tenant t WHERE t.id = @tenant_id), '')::text AS tenant_name,
       (SELECT t.text_countries FROM tenant t WHERE t.id = @tenant_id) AS text_countries,
       (SELECT w.countries FROM text_rule w WHERE w.tenant_id = @tenant_id) AS own_countries,
       (SELECT w.lines FROM text_rule w WHERE w.tenant_id = @tenant_id) AS own_lines,
       (SELECT jsonb_build_object(
            'id', a.id, 'population', a.population, 'aal', a.aal, 'ial', a.ial, 'locale', a.locale,
            'created_at', a.created_at, 'changed_at', a.changed_at, 'ref_hash', a.ref_hash, 'ref_sealed', a.ref_sealed, 'data_key', a.data_key,
            'erasure_asked_at', a.erasure_asked_at,
            'identifiers', (SELECT jsonb_agg(jsonb_build_object('hash', i.hash, 'type', i.type, 'sealed', i.sealed) ORDER BY i.type, i.hash)
                FROM identifier i WHERE i.tenant_id = a.tenant_id AND i.account_id = a.id),
            'channels', (SELECT jsonb_agg(jsonb_build_object('id', c.id, 'kind', c.kind, 'hash', c.address_hash, 'sealed', c.sealed,
                    'since', c.since, 'removed_at', c.removed_at,
                    'suspect_at', suspect_now(c.suspect_at, c.suspect_until, (SELECT holdfast_now()))) ORDER BY c.since, c.id)
                FROM channel c WHERE c.tenant_id = a.tenant_id AND c.account_id = a.id),
            'factors', (SELECT jsonb_agg(jsonb_build_object('id', f.id, 'kind', f.kind, 'sealed', f.sealed, 'enrolled_at', f.enrolled_at,
                    'confirmed_at', f.confirmed_at, 'suspect_at', suspect_now(f.suspect_at, f.suspect_until, (SELECT holdfast_now()))) ORDER BY f.enrolled_at, f.id)
                FROM factor f WHERE f.tenant_id = a.tenant_id AND f.account_id = a.id AND f.removed_at IS NULL),
            'saved_left', (SELECT count(*) FROM saved_code s
                WHERE s.tenant_id = a.tenant_id AND s.account_id = a.id AND s.used_at IS NULL AND s.revoked_at IS NULL))
          FROM account a WHERE a.tenant_id = @tenant_id AND a.id = (SELECT id FROM named))::jsonb AS account,
       EXISTS (SELECT 1 FROM identifier i WHERE i.tenant_id = @tenant_id AND i.hash = ANY (@identifier_hashes::bytea[])
                  AND i.account_id IS DISTINCT FROM (SELECT id FROM named)) AS taken,
       coalesce((SELECT jsonb_agg(jsonb_build_object('id', r.id, 'state', r.state, 'created_at', r.created_at, 'not_before', r.not_before,
                    'expires_at', r.expires_at, 'probation_until', r.probation_until, 'completed_at', r.completed_at, 'closed_at', r.closed_at,
                    'proven', EXISTS (SELECT 1 FROM evidence e WHERE e.tenant_id = @tenant_id AND e.recovery_id = r.id),
                    'disputed', EXISTS (SELECT 1 FROM objection b WHERE b.tenant_id = @tenant_id AND b.recovery_id = r.id AND b.resolved_at IS NULL)))
           FROM ((SELECT o.id, o.state, o.created_at, o.not_before, o.expires_at, o.probation_until, o.completed_at, o.closed_at FROM recovery o
                  WHERE o.tenant_id = @tenant_id AND o.subject = (SELECT id FROM named) AND o.closed_at IS NULL
                  ORDER BY freezes(o, (SELECT holdfast_now())) DESC, o.created_at DESC LIMIT @recoveries::int)
                 UNION ALL
                 (SELECT o.id, o.state, o.created_at, o.not_before, o.expires_at, o.probation_until, o.completed_at, o.closed_at FROM recovery o
                  WHERE o.tenant_id = @tenant_id AND o.subject = (SELECT id FROM named) AND o.state = 'reversed'
                    AND o.closed_at > (SELECT holdfast_now()) - interval '30 days'
                  ORDER BY o.closed_at DESC LIMIT @recoveries::int)) r), '[]')::jsonb AS recoveries,
       EXISTS (SELECT 1 FROM legal_hold h WHERE h.tenant_id = @tenant_id AND h.account_id IN ('', (SELECT id FROM named))) AS held,
       coalesce((SELECT jsonb_agg(k.kind) FROM attempt_counter k
           WHERE k.tenant_id = @tenant_id AND k.subject = (SELECT id FROM named) AND k.disabled_at IS NOT NULL), '[]')::jsonb AS disabled,
       coalesce((SELECT k.consecutive FROM attempt_counter k
           WHERE k.tenant_id = @tenant_id AND k.subject = (SELECT id FROM named) AND k.kind = @failure_kind), 0)::int AS failures;

-- One index probe for each hash, whatever the planner believes of tables that an import has just filled: LIMIT keeps the
-- lateral query from being turned into a join.
-- name: ExistingAccounts :many
SELECT jsonb_build_object(
           'id', a.id, 'population', a.population, 'aal', a.aal, 'ial', a.ial, 'locale', a.locale, 'ref_hash', a.ref_hash,
           'identifiers', (SELECT jsonb_agg(jsonb_build_object('hash', i.hash, 'type', i.type))
               FROM identifier i WHERE i.tenant_id = a.tenant_id AND i.account_id = a.id),
           'channels', (SELECT jsonb_agg(jsonb_build_object('id', c.id, 'kind', c.kind, 'hash', c.address_hash))
               FROM channel c WHERE c.tenant_id = a.tenant_id AND c.account_id = a.id AND c.removed_at IS NULL))::jsonb AS account
  FROM unnest(@ref_hashes::bytea[]) AS h
 CROSS JOIN LATERAL (SELECT b.tenant_id, b.id, b.population, b.aal, b.ial, b.locale, b.ref_hash FROM account b WHERE b.tenant_id = @tenant_id AND b.ref_hash = h LIMIT 1) a;

-- name: HashesOnFile :many
SELECT a.ref_hash::bytea AS hash
  FROM unnest(@ref_hashes::bytea[]) AS h
 CROSS JOIN LATERAL (SELECT b.ref_hash FROM account b WHERE b.tenant_id = @tenant_id AND b.ref_hash = h LIMIT 1) a
UNION ALL
SELECT i.hash
  FROM unnest(@identifier_hashes::bytea[]) AS h
 CROSS JOIN LATERAL (SELECT b.hash FROM identifier b WHERE b.tenant_id = @tenant_id AND b.hash = h LIMIT 1) i;

-- name: InsertAccounts :exec
INSERT INTO account (tenant_id, id, ref_hash, data_key, ref_sealed, population, aal, ial, locale, created_at, changed_at)
SELECT @tenant_id, unnest(@ids::text[]), unnest(@ref_hashes::bytea[]), unnest(@data_keys::bytea[]), unnest(@refs_sealed::bytea[]),
       unnest(@populations::text[]), unnest(@aals::smallint[]), unnest(@ials::smallint[]), unnest(@locales::text[]),
       @created_at::timestamptz, @created_at::timestamptz;

-- name: InsertIdentifiers :exec
INSERT INTO identifier (tenant_id, hash, account_id, type, sealed)
SELECT @tenant_id, unnest(@hashes::bytea[]), unnest(@account_ids::text[]), unnest(@types::text[]), unnest(@sealed::bytea[]);

-- name: InsertChannels :exec
INSERT INTO channel (tenant_id, id, account_id, kind, address_hash, sealed, since)
SELECT @tenant_id, unnest(@ids::text[]), unnest(@account_ids::text[]), unnest(@kinds::text[]), unnest(@address_hashes::bytea[]),
       unnest(@sealed::bytea[]), unnest(@since::timestamptz[]);

-- name: UpdateProfile :exec
UPDATE account SET population = @population, aal = @aal, ial = @ial, locale = @locale, changed_at = @at
 WHERE tenant_id = @tenant_id AND id = @id;

-- name: DropIdentifiers :exec
DELETE FROM identifier WHERE tenant_id = @tenant_id AND account_id = @account_id AND hash = ANY (@hashes::bytea[]);

-- name: RemoveChannels :exec
UPDATE channel SET removed_at = @at WHERE tenant_id = @tenant_id AND account_id = @account_id AND id = ANY (@ids::text[]) AND removed_at IS NULL;

-- name: InsertFactor :exec
INSERT INTO factor (tenant_id, id, account_id, kind, sealed, enrolled_at) VALUES (@tenant_id, @id, @account_id, @kind, @sealed, @enrolled_at);

-- name: ConfirmFactor :exec
UPDATE factor SET confirmed_at = @at, last_step = @step WHERE tenant_id = @tenant_id AND account_id = @account_id AND id = @id;

-- name: RemoveFactor :exec
UPDATE factor SET removed_at = @at WHERE tenant_id = @tenant_id AND account_id = @account_id AND id = @id;

-- name: DropPendingFactors :exec
DELETE FROM factor WHERE tenant_id = @tenant_id AND account_id = @account_id AND id = ANY (@ids::text[]) AND confirmed_at IS NULL;

-- name: RevokeSavedCodes :exec
UPDATE saved_code SET revoked_at = @at WHERE tenant_id = @tenant_id AND account_id = @account_id AND used_at IS NULL AND revoked_at IS NULL;

-- name: EraseIdentifiers :exec
DELETE FROM identifier WHERE tenant_id = @tenant_id AND account_id = @account_id;

-- name: EraseFactors :exec
DELETE FROM factor WHERE tenant_id = @tenant_id AND account_id = @account_id;

-- name: EraseSavedCodes :exec
DELETE FROM saved_code WHERE tenant_id = @tenant_id AND account_id = @account_id;

-- Notices point to channels, so their rows stay, with nothing in them. The hash becomes a random one. The networks of recoveries,
-- what was written in cases, and the references of checks go by triggers on the account.
-- name: EraseChannels :exec
UPDATE channel
   SET sealed = '', address_hash = sha256(convert_to(gen_random_uuid()::text || gen_random_uuid()::text, 'UTF8')),
       removed_at = coalesce(removed_at, @at), carrier_at = NULL, carrier_line = '', sim_known_at = NULL, sim_swapped_at = NULL
 WHERE tenant_id = @tenant_id AND account_id = @account_id;

-- name: EraseAccount :exec
UPDATE account SET ref_hash = NULL, data_key = NULL, ref_sealed = NULL, locale = '', erased_at = @at, changed_at = @at
 WHERE tenant_id = @tenant_id AND id = @id AND erased_at IS NULL;

-- name: LockWalk :exec
SELECT 1 FROM account a
 WHERE (a.tenant_id, a.id) > (@tenant_id::text, @id::text) AND a.erased_at IS NULL
 ORDER BY a.tenant_id, a.id LIMIT @at_most::int FOR NO KEY UPDATE;

-- name: LoadWalk :many
SELECT a.tenant_id, a.id,
       jsonb_build_object(
           'id', a.id, 'ref_hash', a.ref_hash, 'ref_sealed', a.ref_sealed, 'data_key', a.data_key,
           'identifiers', (SELECT jsonb_agg(jsonb_build_object('hash', i.hash, 'type', i.type, 'sealed', i.sealed))
               FROM identifier i WHERE i.tenant_id = a.tenant_id AND i.account_id = a.id),
           'channels', (SELECT jsonb_agg(jsonb_build_object('id', c.id, 'kind', c.kind, 'hash', c.address_hash, 'sealed', c.sealed))
               FROM channel c WHERE c.tenant_id = a.tenant_id AND c.account_id = a.id))::jsonb AS account
  FROM account a
 WHERE (a.tenant_id, a.id) > (@tenant_id::text, @id::text) AND a.erased_at IS NULL
 ORDER BY a.tenant_id, a.id LIMIT @at_most::int;

-- name: RewrapAccount :exec
UPDATE account SET data_key = coalesce(sqlc.narg('data_key')::bytea, data_key), ref_hash = coalesce(sqlc.narg('ref_hash')::bytea, ref_hash)
 WHERE tenant_id = @tenant_id AND id = @id AND erased_at IS NULL;

-- name: RehashIdentifier :exec
UPDATE identifier SET hash = @new_hash WHERE tenant_id = @tenant_id AND account_id = @account_id AND hash = @old_hash;

-- name: RehashChannel :exec
UPDATE channel SET address_hash = @new_hash WHERE tenant_id = @tenant_id AND account_id = @account_id AND id = @id;
