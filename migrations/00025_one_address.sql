-- +goose Up

-- A number that is texted and called is one address, and so is a mailbox that was removed and added again (R-096, R-104, R-106): what
-- was used for a claim cannot speak against it under another id, and nobody pauses twice from one place.

-- The snapshot as before, with what addresses are compared by. It is a keyed hash, and stays within the service.
-- +goose StatementBegin
CREATE OR REPLACE FUNCTION account_snapshot(in_tenant text, in_account text) RETURNS jsonb LANGUAGE plpgsql STABLE AS $$
DECLARE
    present timestamptz := holdfast_now();
BEGIN
    RETURN (SELECT jsonb_build_object(
        'id', a.id, 'population', a.population, 'aal', a.aal, 'ial', a.ial, 'locale', a.locale,
        'data_key', a.data_key, 'ref_sealed', a.ref_sealed, 'erased', a.erased_at IS NOT NULL, 'erasure_asked_at', a.erasure_asked_at,
        'channels', coalesce((
            SELECT jsonb_agg(jsonb_build_object('id', c.id, 'kind', c.kind, 'hash', c.address_hash, 'since', c.since, 'removed_at', c.removed_at,
                       'suspect_at', coalesce(suspect_now(c.suspect_at, c.suspect_until, present), suspect_now(c.sim_swapped_at, c.sim_swapped_at + interval '7 days', present)),
                       'sim_known_at', c.sim_known_at, 'sim_swapped_at', c.sim_swapped_at) ORDER BY c.since, c.id)
              FROM channel c WHERE c.tenant_id = a.tenant_id AND c.account_id = a.id), '[]'),
        'factors', coalesce((
            SELECT jsonb_agg(jsonb_build_object('id', f.id, 'kind', f.kind, 'sealed', f.sealed, 'since', f.confirmed_at,
                       'suspect_at', suspect_now(f.suspect_at, f.suspect_until, present), 'last_step', f.last_step) ORDER BY f.enrolled_at, f.id)
              FROM factor f WHERE f.tenant_id = a.tenant_id AND f.account_id = a.id AND f.confirmed_at IS NOT NULL AND f.removed_at IS NULL), '[]'),
        'saved', (
            SELECT jsonb_build_object('left', count(*), 'since', min(s.issued_at))
              FROM saved_code s WHERE s.tenant_id = a.tenant_id AND s.account_id = a.id AND s.used_at IS NULL AND s.revoked_at IS NULL),
        'disabled', coalesce((
            SELECT jsonb_agg(k.kind) FROM attempt_counter k
             WHERE k.tenant_id = a.tenant_id AND k.subject = a.id AND k.disabled_at IS NOT NULL), '[]'))
      FROM account a WHERE a.tenant_id = in_tenant AND a.id = in_account);
END $$;
-- +goose StatementEnd

-- Whether two channels lead to one address: they are one, or rows of one account with the same keyed hash.
-- +goose StatementBegin
CREATE FUNCTION same_address(in_tenant text, one text, other text) RETURNS boolean LANGUAGE sql STABLE PARALLEL SAFE AS $$
    SELECT one = other OR EXISTS (
        SELECT 1 FROM channel a JOIN channel b ON b.tenant_id = a.tenant_id AND b.account_id = a.account_id AND b.address_hash = a.address_hash
         WHERE a.tenant_id = in_tenant AND a.id = one AND b.id = other)
$$;
-- +goose StatementEnd
GRANT EXECUTE ON FUNCTION same_address(text, text, text) TO holdfast_service;

-- The gate as before, by addresses.
-- +goose StatementBegin
CREATE OR REPLACE FUNCTION recovery_gate() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    independent boolean := coalesce((NEW.plan->>'independent_notice')::boolean, true);
BEGIN
    IF NEW.not_before > holdfast_now() THEN
        RAISE EXCEPTION 'the hold is not over' USING ERRCODE = 'check_violation', CONSTRAINT = 'recovery_gate_hold';
    END IF;
    IF EXISTS (SELECT 1 FROM objection WHERE tenant_id = NEW.tenant_id AND recovery_id = NEW.id AND resolved_at IS NULL) THEN
        RAISE EXCEPTION 'an objection stands' USING ERRCODE = 'check_violation', CONSTRAINT = 'recovery_gate_objection';
    END IF;
    IF cardinality(NEW.approved) < 2 AND NOT EXISTS (SELECT 1 FROM evidence WHERE tenant_id = NEW.tenant_id AND recovery_id = NEW.id) THEN
        RAISE EXCEPTION 'no evidence' USING ERRCODE = 'check_violation', CONSTRAINT = 'recovery_gate_evidence';
    END IF;
    IF NOT EXISTS (
        SELECT 1 FROM notice n
         WHERE n.tenant_id = NEW.tenant_id AND n.recovery_id = NEW.id AND n.kind = 'hold_entered' AND n.accepted_at IS NOT NULL
           AND (NOT independent OR (
               NOT EXISTS (SELECT 1 FROM evidence e WHERE e.tenant_id = n.tenant_id AND e.recovery_id = n.recovery_id
                              AND same_address(n.tenant_id, e.source, n.channel_id))
               -- One that came lately, or is suspect, could be the thief's own.
               AND EXISTS (SELECT 1 FROM channel c WHERE c.tenant_id = n.tenant_id AND c.id = n.channel_id
                              AND NOT speaks_for_nobody(c, NEW.held_at) AND c.since <= NEW.held_at - interval '7 days')))
    ) THEN
        RAISE EXCEPTION 'no notice was accepted' USING ERRCODE = 'check_violation', CONSTRAINT = 'recovery_gate_notice';
    END IF;
    IF NOT EXISTS (
        SELECT 1 FROM recovery_grant g
         WHERE g.tenant_id = NEW.tenant_id AND g.recovery_id = NEW.id AND g.id = NEW.grant_id AND g.voided_at IS NULL
           AND (NEW.state = 'granted') = (g.redeemed_at IS NULL)
    ) THEN
        RAISE EXCEPTION 'no grant, or none redeemed' USING ERRCODE = 'check_violation', CONSTRAINT = 'recovery_gate_grant';
    END IF;
    RETURN NULL;
END $$;
-- +goose StatementEnd
