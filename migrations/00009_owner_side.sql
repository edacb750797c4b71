-- +goose Up

-- The last reminder of a hold (R-101): at half-time, and twelve hours before its end.
ALTER TABLE recovery ADD COLUMN reminded_at timestamptz;

-- What a claim rested on that the owner stopped is suspect for a while, and then no more: whoever vetoes an owner must not
-- take the owner's own means away for ever (I4, I5). Without an end it is suspect until it is verified anew.
ALTER TABLE channel ADD COLUMN suspect_until timestamptz;
ALTER TABLE factor ADD COLUMN suspect_until timestamptz;

-- An erasure that was asked for while a recovery or a probation was open waits for its end (R-189).
ALTER TABLE account
    ADD COLUMN erasure_asked_at timestamptz,
    ADD COLUMN erasure_asked_by text,
    ADD CONSTRAINT account_erasure CHECK ((erasure_asked_at IS NULL) = (erasure_asked_by IS NULL));
CREATE INDEX account_erasure ON account (erasure_asked_at) WHERE erasure_asked_at IS NOT NULL AND erased_at IS NULL;

-- +goose StatementBegin
CREATE FUNCTION suspect_now(suspect_at timestamptz, suspect_until timestamptz, present timestamptz) RETURNS timestamptz LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
    SELECT CASE WHEN suspect_until IS NULL OR suspect_until > present THEN suspect_at END
$$;
-- +goose StatementEnd

-- +goose StatementBegin
CREATE OR REPLACE FUNCTION account_snapshot(in_tenant text, in_account text) RETURNS jsonb LANGUAGE plpgsql STABLE AS $$
DECLARE
    present timestamptz := holdfast_now();
BEGIN
    RETURN (SELECT jsonb_build_object(
        'id', a.id, 'population', a.population, 'aal', a.aal, 'ial', a.ial, 'locale', a.locale,
        'data_key', a.data_key, 'ref_sealed', a.ref_sealed, 'erased', a.erased_at IS NOT NULL, 'erasure_asked_at', a.erasure_asked_at,
        'channels', coalesce((
            SELECT jsonb_agg(jsonb_build_object('id', c.id, 'kind', c.kind, 'since', c.since, 'removed_at', c.removed_at,
                       'suspect_at', suspect_now(c.suspect_at, c.suspect_until, present)) ORDER BY c.since, c.id)
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

-- The gate as before, with a suspicion that ends.
-- +goose StatementBegin
CREATE OR REPLACE FUNCTION recovery_gate() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    independent boolean := coalesce((NEW.plan->>'independent_notice')::boolean, true);
    present     timestamptz := holdfast_now();
BEGIN
    IF NEW.not_before > present THEN
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
               NOT EXISTS (SELECT 1 FROM evidence e WHERE e.tenant_id = n.tenant_id AND e.recovery_id = n.recovery_id AND e.source = n.channel_id)
               -- One that came lately, or is suspect, could be the thief's own.
               AND EXISTS (SELECT 1 FROM channel c WHERE c.tenant_id = n.tenant_id AND c.id = n.channel_id
                              AND suspect_now(c.suspect_at, c.suspect_until, present) IS NULL AND c.since <= NEW.held_at - interval '7 days')))
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

-- I9: while a claim that proved something is open, and in probation, an account stays as it is (R-092, R-107, R-189). The core
-- says so first, with a fault of its own; this is for whoever writes by hand. Statement by statement, so that an import pays
-- one look-up of its rows together.
-- +goose StatementBegin
CREATE FUNCTION freezes(r recovery, present timestamptz) RETURNS boolean LANGUAGE sql STABLE AS $$
    SELECT r.account_id IS NOT NULL AND CASE r.state
        WHEN 'completed' THEN r.probation_until > present
        WHEN 'verifying' THEN r.expires_at > present
             AND EXISTS (SELECT 1 FROM evidence e WHERE e.tenant_id = r.tenant_id AND e.recovery_id = r.id)
        ELSE r.state IN ('assisted', 'cooling_off', 'contested', 'ready', 'granted') AND r.expires_at > present
    END
$$;
-- +goose StatementEnd

-- +goose StatementBegin
CREATE FUNCTION account_frozen(in_tenant text, in_account text) RETURNS boolean LANGUAGE plpgsql VOLATILE AS $$
DECLARE
    present timestamptz := holdfast_now();
BEGIN
    RETURN EXISTS (SELECT 1 FROM recovery r
                    WHERE r.tenant_id = in_tenant AND r.subject = in_account AND r.closed_at IS NULL AND freezes(r, present));
END $$;
-- +goose StatementEnd

-- +goose StatementBegin
CREATE FUNCTION account_stays_frozen() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    present timestamptz := holdfast_now();
BEGIN
    IF EXISTS (SELECT 1 FROM changed c JOIN recovery r ON r.tenant_id = c.tenant_id AND r.subject = c.account_id
                WHERE r.closed_at IS NULL AND freezes(r, present)) THEN
        RAISE EXCEPTION 'a recovery keeps the account as it is' USING ERRCODE = 'check_violation', CONSTRAINT = 'account_frozen';
    END IF;
    RETURN NULL;
END $$;
-- +goose StatementEnd
CREATE TRIGGER account_stays_frozen AFTER INSERT ON channel REFERENCING NEW TABLE AS changed FOR EACH STATEMENT EXECUTE FUNCTION account_stays_frozen();
CREATE TRIGGER account_stays_frozen_delete AFTER DELETE ON channel REFERENCING OLD TABLE AS changed FOR EACH STATEMENT EXECUTE FUNCTION account_stays_frozen();
CREATE TRIGGER account_stays_frozen AFTER INSERT ON identifier REFERENCING NEW TABLE AS changed FOR EACH STATEMENT EXECUTE FUNCTION account_stays_frozen();
CREATE TRIGGER account_stays_frozen_delete AFTER DELETE ON identifier REFERENCING OLD TABLE AS changed FOR EACH STATEMENT EXECUTE FUNCTION account_stays_frozen();
CREATE TRIGGER account_stays_frozen AFTER INSERT ON factor REFERENCING NEW TABLE AS changed FOR EACH STATEMENT EXECUTE FUNCTION account_stays_frozen();
CREATE TRIGGER account_stays_frozen_delete AFTER DELETE ON factor REFERENCING OLD TABLE AS changed FOR EACH STATEMENT EXECUTE FUNCTION account_stays_frozen();

-- Of an update, only what takes something away or lets something count is a change: keys rotate, and suspicions come and go.
-- +goose StatementBegin
CREATE FUNCTION account_row_stays_frozen() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF account_frozen(NEW.tenant_id, CASE WHEN TG_TABLE_NAME = 'account' THEN to_jsonb(NEW)->>'id' ELSE to_jsonb(NEW)->>'account_id' END) THEN
        RAISE EXCEPTION 'a recovery keeps the account as it is' USING ERRCODE = 'check_violation', CONSTRAINT = 'account_frozen';
    END IF;
    RETURN NEW;
END $$;
-- +goose StatementEnd
CREATE TRIGGER account_stays_frozen_update BEFORE UPDATE ON channel FOR EACH ROW
    WHEN ((NEW.removed_at, NEW.since, NEW.kind, NEW.account_id) IS DISTINCT FROM (OLD.removed_at, OLD.since, OLD.kind, OLD.account_id)) EXECUTE FUNCTION account_row_stays_frozen();
CREATE TRIGGER account_stays_frozen_update BEFORE UPDATE ON factor FOR EACH ROW
    WHEN ((NEW.removed_at, NEW.confirmed_at, NEW.kind, NEW.account_id) IS DISTINCT FROM (OLD.removed_at, OLD.confirmed_at, OLD.kind, OLD.account_id)) EXECUTE FUNCTION account_row_stays_frozen();
CREATE TRIGGER account_stays_frozen_update BEFORE UPDATE ON account FOR EACH ROW
    WHEN ((NEW.erased_at, NEW.population, NEW.aal, NEW.ial) IS DISTINCT FROM (OLD.erased_at, OLD.population, OLD.aal, OLD.ial)) EXECUTE FUNCTION account_row_stays_frozen();

GRANT EXECUTE ON FUNCTION suspect_now(timestamptz, timestamptz, timestamptz), freezes(recovery, timestamptz), account_frozen(text, text) TO holdfast_service;
