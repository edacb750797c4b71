-- +goose Up

CREATE TABLE audit_event (
    tenant_id        text        NOT NULL,
    id               text        NOT NULL,
    at               timestamptz NOT NULL,
    actor_kind       text        NOT NULL CHECK (actor_kind IN ('client', 'claimant', 'owner', 'agent', 'ai', 'operator', 'system')),
    actor_id         text        NOT NULL DEFAULT '',
    action           text        NOT NULL,
    subject          text        NOT NULL,
    recovery_id      text,
    recovery_version bigint,
    from_state       recovery_state,
    to_state         recovery_state,
    reason           text        NOT NULL DEFAULT '',
    policy_version   text        NOT NULL DEFAULT '',
    outcome          text        NOT NULL CHECK (outcome IN ('success', 'failure')),
    origin           text        NOT NULL DEFAULT '',
    request_id       text        NOT NULL DEFAULT '',
    details          jsonb       NOT NULL DEFAULT '{}',
    PRIMARY KEY (tenant_id, id),
    CHECK ((recovery_version IS NULL) = (to_state IS NULL)),
    CHECK (recovery_version IS NULL OR recovery_id IS NOT NULL)
);
-- The optimistic lock and the proof in one: a version of a recovery has exactly one event (ADR 0012).
CREATE UNIQUE INDEX audit_event_version ON audit_event (tenant_id, recovery_id, recovery_version) WHERE recovery_version IS NOT NULL;
CREATE INDEX audit_event_subject ON audit_event (tenant_id, subject, at);
CREATE INDEX audit_event_at ON audit_event USING brin (at);

-- +goose StatementBegin
CREATE FUNCTION audit_event_is_final() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'audit events admit no %', TG_OP USING ERRCODE = 'insufficient_privilege';
END $$;
-- +goose StatementEnd
CREATE TRIGGER audit_event_is_final BEFORE UPDATE OR DELETE ON audit_event FOR EACH ROW EXECUTE FUNCTION audit_event_is_final();
CREATE TRIGGER audit_event_stays BEFORE TRUNCATE ON audit_event FOR EACH STATEMENT EXECUTE FUNCTION audit_event_is_final();

-- I10, one way: no version of a recovery without its event at commit.
-- +goose StatementBegin
CREATE FUNCTION recovery_has_event() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF NOT EXISTS (SELECT 1 FROM audit_event
                    WHERE tenant_id = NEW.tenant_id AND recovery_id = NEW.id AND recovery_version = NEW.version AND to_state = NEW.state) THEN
        RAISE EXCEPTION 'recovery version without its audit event' USING ERRCODE = 'check_violation', CONSTRAINT = 'recovery_has_event';
    END IF;
    RETURN NULL;
END $$;
-- +goose StatementEnd
CREATE CONSTRAINT TRIGGER recovery_has_event_insert AFTER INSERT ON recovery DEFERRABLE INITIALLY DEFERRED
    FOR EACH ROW EXECUTE FUNCTION recovery_has_event();
CREATE CONSTRAINT TRIGGER recovery_has_event_update AFTER UPDATE ON recovery DEFERRABLE INITIALLY DEFERRED
    FOR EACH ROW WHEN (NEW.version <> OLD.version) EXECUTE FUNCTION recovery_has_event();

-- And the other: no event of a version that the recovery did not reach. A guarded UPDATE that met no row ends here.
-- +goose StatementBegin
CREATE FUNCTION audit_event_has_recovery() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF NOT EXISTS (SELECT 1 FROM recovery
                    WHERE tenant_id = NEW.tenant_id AND id = NEW.recovery_id AND version >= NEW.recovery_version) THEN
        RAISE EXCEPTION 'audit event without its recovery version' USING ERRCODE = 'check_violation', CONSTRAINT = 'audit_event_has_recovery';
    END IF;
    RETURN NULL;
END $$;
-- +goose StatementEnd
CREATE CONSTRAINT TRIGGER audit_event_has_recovery AFTER INSERT ON audit_event DEFERRABLE INITIALLY DEFERRED
    FOR EACH ROW WHEN (NEW.recovery_version IS NOT NULL) EXECUTE FUNCTION audit_event_has_recovery();

-- What a recovery's row may do. It says by name which invariant stopped a hand-written UPDATE.
-- +goose StatementBegin
CREATE FUNCTION recovery_keeps_invariants() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF (NEW.tenant_id, NEW.id, NEW.reference, NEW.claimant_hash, NEW.subject, NEW.client_id, NEW.created_at, NEW.reason)
       IS DISTINCT FROM (OLD.tenant_id, OLD.id, OLD.reference, OLD.claimant_hash, OLD.subject, OLD.client_id, OLD.created_at, OLD.reason)
       OR NEW.account_id IS DISTINCT FROM OLD.account_id THEN
        RAISE EXCEPTION 'a recovery keeps its identity' USING ERRCODE = 'check_violation', CONSTRAINT = 'recovery_identity';
    END IF;
    IF NEW.version = OLD.version THEN
        IF (to_jsonb(NEW) - 'wake_at') IS DISTINCT FROM (to_jsonb(OLD) - 'wake_at') THEN
            RAISE EXCEPTION 'a recovery changes only with its version' USING ERRCODE = 'check_violation', CONSTRAINT = 'recovery_version';
        END IF;
        RETURN NEW;
    END IF;
    IF NEW.version <> OLD.version + 1 THEN
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
    -- The ratchet, as far as the gate below reads the plan: a duty is never lost and no time gets shorter.
    IF (coalesce((OLD.plan->>'independent_notice')::boolean, false) AND NOT coalesce((NEW.plan->>'independent_notice')::boolean, false))
       OR (coalesce((OLD.plan->>'assisted')::boolean, false) AND NOT coalesce((NEW.plan->>'assisted')::boolean, false))
       OR (coalesce((OLD.plan->>'defer_to_idp')::boolean, false) AND NOT coalesce((NEW.plan->>'defer_to_idp')::boolean, false))
       OR coalesce((NEW.plan->>'approvals')::int, 0) < coalesce((OLD.plan->>'approvals')::int, 0)
       OR coalesce((NEW.plan->>'hold_ns')::bigint, 0) < coalesce((OLD.plan->>'hold_ns')::bigint, 0) THEN
        RAISE EXCEPTION 'a plan only becomes stricter' USING ERRCODE = 'check_violation', CONSTRAINT = 'recovery_plan';
    END IF;
    RETURN NEW;
END $$;
-- +goose StatementEnd
CREATE TRIGGER recovery_keeps_invariants BEFORE UPDATE ON recovery FOR EACH ROW EXECUTE FUNCTION recovery_keeps_invariants();

-- A recovery begins at version 1, before its first challenge, and nowhere else.
-- +goose StatementBegin
CREATE FUNCTION recovery_begins() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF NEW.state <> 'initiated' OR NEW.version <> 1 OR NEW.grant_id IS NOT NULL OR NEW.not_before IS NOT NULL OR cardinality(NEW.approved) > 0 THEN
        RAISE EXCEPTION 'a recovery begins at its beginning' USING ERRCODE = 'check_violation', CONSTRAINT = 'recovery_begins';
    END IF;
    RETURN NEW;
END $$;
-- +goose StatementEnd
CREATE TRIGGER recovery_begins BEFORE INSERT ON recovery FOR EACH ROW EXECUTE FUNCTION recovery_begins();

-- The gate (I1), judged at commit for the two states that let somebody in. Evidence is judged in the core; that there is
-- some, that the hold is over, that no objection stands and that an address outside the evidence accepted the notice, or
-- the plan names its deviation, is judged here as well.
-- +goose StatementBegin
CREATE FUNCTION recovery_gate() RETURNS trigger LANGUAGE plpgsql AS $$
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
               NOT EXISTS (SELECT 1 FROM evidence e WHERE e.tenant_id = n.tenant_id AND e.recovery_id = n.recovery_id AND e.source = n.channel_id)
               -- One that came lately, or is suspect, could be the thief's own.
               AND EXISTS (SELECT 1 FROM channel c WHERE c.tenant_id = n.tenant_id AND c.id = n.channel_id
                              AND c.suspect_at IS NULL AND c.since <= NEW.held_at - interval '7 days')))
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
CREATE CONSTRAINT TRIGGER recovery_gate AFTER UPDATE ON recovery DEFERRABLE INITIALLY DEFERRED
    FOR EACH ROW WHEN (NEW.state IN ('granted', 'completed') AND OLD.state <> NEW.state) EXECUTE FUNCTION recovery_gate();

-- What is used once is used once, whoever writes: a code, a saved code, a TOTP step, a grant.
-- +goose StatementBegin
CREATE FUNCTION used_once() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION '% is used once', TG_TABLE_NAME USING ERRCODE = 'check_violation', CONSTRAINT = 'used_once';
END $$;
-- +goose StatementEnd
CREATE TRIGGER used_once BEFORE UPDATE ON recovery_grant FOR EACH ROW
    WHEN (OLD.redeemed_at IS NOT NULL OR OLD.voided_at IS NOT NULL) EXECUTE FUNCTION used_once();
CREATE TRIGGER used_once BEFORE UPDATE ON challenge FOR EACH ROW
    WHEN (OLD.consumed_at IS NOT NULL AND NEW.consumed_at IS DISTINCT FROM OLD.consumed_at) EXECUTE FUNCTION used_once();
CREATE TRIGGER used_once BEFORE UPDATE ON saved_code FOR EACH ROW
    WHEN (OLD.used_at IS NOT NULL AND NEW.used_at IS DISTINCT FROM OLD.used_at) EXECUTE FUNCTION used_once();
CREATE TRIGGER used_once BEFORE UPDATE ON factor FOR EACH ROW
    WHEN (NEW.last_step < OLD.last_step OR (NEW.last_step = OLD.last_step AND NEW IS NOT DISTINCT FROM OLD)) EXECUTE FUNCTION used_once();
