-- +goose Up

-- What a recovery was worked on with goes some time after its end (R-187, R-190, ADR 0033). What stays, and why, is in
-- deploy/retention.md.
ALTER TABLE recovery
    -- Since when nothing can follow; null while something can, and once the working data are gone. Kept by the trigger below.
    ADD COLUMN over_at      timestamptz,
    ADD COLUMN forgotten_at timestamptz;
ALTER TABLE recovery DISABLE TRIGGER recovery_keeps_invariants;
UPDATE recovery SET over_at = CASE WHEN state = 'denied' THEN created_at + interval '30 days' ELSE closed_at END
 WHERE closed_at IS NOT NULL OR state = 'denied';
ALTER TABLE recovery ENABLE TRIGGER recovery_keeps_invariants;
ALTER TABLE recovery ADD CONSTRAINT recovery_forgotten
    CHECK (forgotten_at IS NULL OR (over_at IS NULL AND network = '' AND signals = '{}' AND (closed_at IS NOT NULL OR state = 'denied'))) NOT VALID;
ALTER TABLE recovery VALIDATE CONSTRAINT recovery_forgotten;
CREATE INDEX recovery_over ON recovery (over_at) WHERE over_at IS NOT NULL;

-- As before; and a recovery that is over for thirty days may lose what it says of the claimant, once, without a version of its own:
-- nothing that a decision rests on changes. A denial can be appealed within thirty days of the beginning (R-088).
-- +goose StatementBegin
CREATE OR REPLACE FUNCTION recovery_keeps_invariants() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF (NEW.tenant_id, NEW.id, NEW.reference, NEW.claimant_hash, NEW.subject, NEW.client_id, NEW.created_at, NEW.reason)
       IS DISTINCT FROM (OLD.tenant_id, OLD.id, OLD.reference, OLD.claimant_hash, OLD.subject, OLD.client_id, OLD.created_at, OLD.reason)
       OR NEW.account_id IS DISTINCT FROM OLD.account_id THEN
        RAISE EXCEPTION 'a recovery keeps its identity' USING ERRCODE = 'check_violation', CONSTRAINT = 'recovery_identity';
    END IF;
    IF NEW.version = OLD.version THEN
        IF OLD.forgotten_at IS NULL AND NEW.forgotten_at IS NOT NULL THEN
            IF OLD.over_at IS NULL OR OLD.over_at > holdfast_now() - interval '30 days' THEN
                RAISE EXCEPTION 'the working data of a recovery are kept for 30 days' USING ERRCODE = 'check_violation', CONSTRAINT = 'recovery_kept';
            END IF;
            NEW.over_at := NULL;
            IF (to_jsonb(NEW) - ARRAY['forgotten_at', 'over_at', 'network', 'signals']) IS DISTINCT FROM (to_jsonb(OLD) - ARRAY['forgotten_at', 'over_at', 'network', 'signals']) THEN
                RAISE EXCEPTION 'a recovery changes only with its version' USING ERRCODE = 'check_violation', CONSTRAINT = 'recovery_version';
            END IF;
            RETURN NEW;
        END IF;
        IF (to_jsonb(NEW) - 'wake_at') IS DISTINCT FROM (to_jsonb(OLD) - 'wake_at') THEN
            RAISE EXCEPTION 'a recovery changes only with its version' USING ERRCODE = 'check_violation', CONSTRAINT = 'recovery_version';
        END IF;
        RETURN NEW;
    END IF;
    IF NEW.version <> OLD.version + 1 OR OLD.forgotten_at IS NOT NULL OR NEW.forgotten_at IS NOT NULL THEN
        RAISE EXCEPTION 'versions follow one another' USING ERRCODE = 'check_violation', CONSTRAINT = 'recovery_version';
    END IF;
    IF NOT EXISTS (SELECT 1 FROM recovery_edge WHERE from_state = OLD.state AND to_state = NEW.state) THEN
        RAISE EXCEPTION 'no way from % to %', OLD.state, NEW.state USING ERRCODE = 'check_violation', CONSTRAINT = 'recovery_edge';
    END IF;
    IF OLD.not_before IS NOT NULL AND (NEW.not_before IS NULL OR NEW.not_before < OLD.not_before) THEN
        RAISE EXCEPTION 'not_before never moves earlier' USING ERRCODE = 'check_violation', CONSTRAINT = 'recovery_not_before';
    END IF;
    IF array_position(ARRAY['low', 'moderate', 'high', 'critical'], NEW.tier) < array_position(ARRAY['low', 'moderate', 'high', 'critical'], OLD.tier) THEN
        RAISE EXCEPTION 'a tier never falls' USING ERRCODE = 'check_violation', CONSTRAINT = 'recovery_tier';
    END IF;
    -- The ratchet, as far as the gate reads the plan: a duty is never lost and no time gets shorter.
    IF (coalesce((OLD.plan->>'independent_notice')::boolean, false) AND NOT coalesce((NEW.plan->>'independent_notice')::boolean, false))
       OR (coalesce((OLD.plan->>'assisted')::boolean, false) AND NOT coalesce((NEW.plan->>'assisted')::boolean, false))
       OR (coalesce((OLD.plan->>'defer_to_idp')::boolean, false) AND NOT coalesce((NEW.plan->>'defer_to_idp')::boolean, false))
       OR coalesce((NEW.plan->>'approvals')::int, 0) < coalesce((OLD.plan->>'approvals')::int, 0)
       OR coalesce((NEW.plan->>'hold_ns')::bigint, 0) < coalesce((OLD.plan->>'hold_ns')::bigint, 0) THEN
        RAISE EXCEPTION 'a plan only becomes stricter' USING ERRCODE = 'check_violation', CONSTRAINT = 'recovery_plan';
    END IF;
    NEW.over_at := CASE WHEN NEW.state = 'denied' THEN NEW.created_at + interval '30 days' ELSE NEW.closed_at END;
    RETURN NEW;
END $$;
-- +goose StatementEnd

-- Nothing is forgotten without a line in the trail that says so.
-- +goose StatementBegin
CREATE FUNCTION recovery_forgotten_has_event() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF NOT EXISTS (SELECT 1 FROM audit_event e WHERE e.tenant_id = NEW.tenant_id AND e.subject = NEW.id AND e.action = 'recovery.forgotten') THEN
        RAISE EXCEPTION 'a recovery was forgotten without its audit event' USING ERRCODE = 'check_violation', CONSTRAINT = 'recovery_forgotten_has_event';
    END IF;
    RETURN NULL;
END $$;
-- +goose StatementEnd
CREATE CONSTRAINT TRIGGER recovery_forgotten_has_event AFTER UPDATE ON recovery DEFERRABLE INITIALLY DEFERRED
    FOR EACH ROW WHEN (OLD.forgotten_at IS NULL AND NEW.forgotten_at IS NOT NULL) EXECUTE FUNCTION recovery_forgotten_has_event();

-- Whoever deletes working data has to forget their recovery first, by the rules above. A notice about the account itself is kept
-- for thirty days.
-- +goose StatementBegin
CREATE FUNCTION working_data_are_kept() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    gone     jsonb := to_jsonb(OLD);
    recovery text  := gone->>'recovery_id';
BEGIN
    IF TG_TABLE_NAME = 'support_note' THEN
        recovery := (SELECT c.recovery_id FROM support_case c WHERE c.tenant_id = OLD.tenant_id AND c.id = gone->>'case_id');
    END IF;
    IF recovery IS NULL AND TG_TABLE_NAME = 'notice' AND (gone->>'created_at')::timestamptz <= holdfast_now() - interval '30 days' THEN
        RETURN OLD;
    END IF;
    IF NOT EXISTS (SELECT 1 FROM recovery r WHERE r.tenant_id = OLD.tenant_id AND r.id = recovery AND r.forgotten_at IS NOT NULL) THEN
        RAISE EXCEPTION '% is kept as long as its recovery', TG_TABLE_NAME USING ERRCODE = 'check_violation', CONSTRAINT = 'working_data_are_kept';
    END IF;
    RETURN OLD;
END $$;
-- +goose StatementEnd
CREATE TRIGGER working_data_are_kept BEFORE DELETE ON challenge FOR EACH ROW EXECUTE FUNCTION working_data_are_kept();
CREATE TRIGGER working_data_are_kept BEFORE DELETE ON assessment FOR EACH ROW EXECUTE FUNCTION working_data_are_kept();
CREATE TRIGGER working_data_are_kept BEFORE DELETE ON notice FOR EACH ROW EXECUTE FUNCTION working_data_are_kept();
CREATE TRIGGER working_data_are_kept BEFORE DELETE ON support_note FOR EACH ROW EXECUTE FUNCTION working_data_are_kept();

-- An artefact stays as it was attached. When the account is erased, or the recovery's time is over, its reference becomes the
-- artefact's own id; the hash of its document stays, so that one check still proves one claim.
-- +goose StatementBegin
CREATE OR REPLACE FUNCTION support_artefact_stays() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF (to_jsonb(NEW) - 'reference') IS DISTINCT FROM (to_jsonb(OLD) - 'reference') OR NEW.reference <> NEW.id OR NOT EXISTS (
        SELECT 1 FROM recovery r LEFT JOIN account a ON a.tenant_id = r.tenant_id AND a.id = r.account_id
         WHERE r.tenant_id = NEW.tenant_id AND r.id = NEW.recovery_id AND (a.erased_at IS NOT NULL OR r.forgotten_at IS NOT NULL)) THEN
        RAISE EXCEPTION 'an artefact stays as it was attached' USING ERRCODE = 'check_violation', CONSTRAINT = 'support_artefact_stays';
    END IF;
    RETURN NEW;
END $$;
-- +goose StatementEnd

-- What a provider said goes with its message's recovery, and after ninety days in any case.
-- +goose StatementBegin
CREATE FUNCTION delivery_is_kept() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    gone jsonb := to_jsonb(OLD);
BEGIN
    IF coalesce(gone->>'accepted_at', gone->>'at')::timestamptz > holdfast_now() - interval '90 days' AND NOT EXISTS (
        SELECT 1 FROM delivery d
          LEFT JOIN notice n ON n.tenant_id = d.tenant_id AND n.id = d.notice_id
          LEFT JOIN challenge c ON c.tenant_id = d.tenant_id AND c.id = d.challenge_id
          JOIN recovery r ON r.tenant_id = d.tenant_id AND r.id = coalesce(n.recovery_id, c.recovery_id)
         WHERE d.provider = OLD.provider AND d.reference = OLD.reference AND r.forgotten_at IS NOT NULL) THEN
        RAISE EXCEPTION '% is kept for 90 days', TG_TABLE_NAME USING ERRCODE = 'check_violation', CONSTRAINT = 'kept_for';
    END IF;
    RETURN OLD;
END $$;
-- +goose StatementEnd
DROP TRIGGER kept_for ON delivery;
DROP TRIGGER kept_for ON delivery_report;
CREATE TRIGGER kept_for BEFORE DELETE ON delivery FOR EACH ROW EXECUTE FUNCTION delivery_is_kept();
CREATE TRIGGER kept_for BEFORE DELETE ON delivery_report FOR EACH ROW EXECUTE FUNCTION delivery_is_kept();
CREATE INDEX delivery_challenge ON delivery (tenant_id, challenge_id) WHERE challenge_id IS NOT NULL;

-- A counter that stops nobody any more may go; one that still remembers a failure may not.
-- +goose StatementBegin
CREATE FUNCTION counter_is_idle(k attempt_counter, present timestamptz) RETURNS boolean LANGUAGE plpgsql STABLE AS $$
BEGIN
    RETURN k.consecutive = 0 AND k.disabled_at IS NULL AND coalesce(k.wait_until, '-infinity') <= present
       AND NOT EXISTS (SELECT 1 FROM unnest(k.recent) AS at WHERE at > present - interval '24 hours');
END $$;
-- +goose StatementEnd
GRANT EXECUTE ON FUNCTION counter_is_idle(attempt_counter, timestamptz) TO holdfast_service;
-- +goose StatementBegin
CREATE FUNCTION attempt_counter_is_kept() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF NOT counter_is_idle(OLD, holdfast_now()) THEN
        RAISE EXCEPTION 'a counter is kept while it counts' USING ERRCODE = 'check_violation', CONSTRAINT = 'attempt_counter_is_kept';
    END IF;
    RETURN OLD;
END $$;
-- +goose StatementEnd
CREATE TRIGGER attempt_counter_is_kept BEFORE DELETE ON attempt_counter FOR EACH ROW EXECUTE FUNCTION attempt_counter_is_kept();

-- What was taken off an account, by when.
CREATE INDEX channel_removed ON channel (removed_at) WHERE removed_at IS NOT NULL;
CREATE INDEX factor_removed ON factor (removed_at) WHERE removed_at IS NOT NULL;
CREATE INDEX saved_code_spent ON saved_code ((coalesce(used_at, revoked_at))) WHERE coalesce(used_at, revoked_at) IS NOT NULL;
CREATE INDEX notice_of_account ON notice (created_at) WHERE recovery_id IS NULL;

-- Nothing of an account, or of a whole tenant (account_id ''), is deleted while a hold lasts (R-188).
CREATE TABLE legal_hold (
    tenant_id  text        NOT NULL REFERENCES tenant,
    account_id text        NOT NULL DEFAULT '',
    reason     text        NOT NULL CHECK (length(reason) BETWEEN 3 AND 200),
    set_at     timestamptz NOT NULL,
    PRIMARY KEY (tenant_id, account_id)
);

-- +goose StatementBegin
CREATE FUNCTION account_is_held() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF EXISTS (SELECT 1 FROM legal_hold h WHERE h.tenant_id = NEW.tenant_id AND h.account_id IN ('', NEW.id)) THEN
        RAISE EXCEPTION 'a legal hold keeps the account' USING ERRCODE = 'check_violation', CONSTRAINT = 'account_is_held';
    END IF;
    RETURN NEW;
END $$;
-- +goose StatementEnd
CREATE TRIGGER account_is_held BEFORE UPDATE ON account FOR EACH ROW
    WHEN (OLD.erased_at IS NULL AND NEW.erased_at IS NOT NULL) EXECUTE FUNCTION account_is_held();

GRANT DELETE ON challenge, assessment, notice, support_note, attempt_counter TO holdfast_service;
GRANT SELECT, INSERT, DELETE ON legal_hold TO holdfast_service;
