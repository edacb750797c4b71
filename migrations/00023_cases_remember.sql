-- +goose Up

-- A provider can come to call a person by another address between two acts, and one human would be two (R-123): a decision keeps the
-- account too that it was given by.
ALTER TABLE support_decision ADD COLUMN account text NOT NULL DEFAULT '';
CREATE UNIQUE INDEX support_decision_account ON support_decision (tenant_id, proposal_id, account) WHERE account <> '';

-- As before; and what a recovery's cases leave to the next one is not forgotten: that fraud was flagged, and who had a part in them.
-- +goose StatementBegin
CREATE OR REPLACE FUNCTION support_case_keeps() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    flagged timestamptz;
BEGIN
    IF TG_OP = 'INSERT' THEN
        IF NEW.state <> 'opened' OR NEW.version <> 1 THEN
            RAISE EXCEPTION 'a case begins at its beginning' USING ERRCODE = 'check_violation', CONSTRAINT = 'support_case_begins';
        END IF;
        SELECT min(c.flagged_at) INTO flagged FROM support_case c WHERE c.tenant_id = NEW.tenant_id AND c.recovery_id = NEW.recovery_id;
        IF NEW.flagged_at IS DISTINCT FROM flagged OR EXISTS (
            SELECT 1 FROM support_case c
             WHERE c.tenant_id = NEW.tenant_id AND c.recovery_id = NEW.recovery_id AND NOT (NEW.barred @> (c.workers || c.barred))) THEN
            RAISE EXCEPTION 'a case forgets nothing' USING ERRCODE = 'check_violation', CONSTRAINT = 'support_case_forgets';
        END IF;
        RETURN NEW;
    END IF;
    IF (NEW.tenant_id, NEW.id, NEW.recovery_id, NEW.via, NEW.opened_by, NEW.created_at, NEW.barred)
       IS DISTINCT FROM (OLD.tenant_id, OLD.id, OLD.recovery_id, OLD.via, OLD.opened_by, OLD.created_at, OLD.barred) THEN
        RAISE EXCEPTION 'a case keeps its identity' USING ERRCODE = 'check_violation', CONSTRAINT = 'support_case_identity';
    END IF;
    IF NEW.version = OLD.version THEN
        IF (to_jsonb(NEW) - 'data_key') IS DISTINCT FROM (to_jsonb(OLD) - 'data_key') THEN
            RAISE EXCEPTION 'a case changes only with its version' USING ERRCODE = 'check_violation', CONSTRAINT = 'support_case_version';
        END IF;
        RETURN NEW;
    END IF;
    IF NEW.version <> OLD.version + 1 OR OLD.closed_at IS NOT NULL THEN
        RAISE EXCEPTION 'a case goes on step by step to its end' USING ERRCODE = 'check_violation', CONSTRAINT = 'support_case_version';
    END IF;
    IF (OLD.flagged_at IS NOT NULL AND NEW.flagged_at IS DISTINCT FROM OLD.flagged_at) OR (OLD.ai_involved AND NOT NEW.ai_involved)
       OR NOT (NEW.workers @> OLD.workers) THEN
        RAISE EXCEPTION 'a case forgets nothing' USING ERRCODE = 'check_violation', CONSTRAINT = 'support_case_forgets';
    END IF;
    RETURN NEW;
END $$;
-- +goose StatementEnd

-- As before, by either name of who decides.
-- +goose StatementBegin
CREATE OR REPLACE FUNCTION support_decision_is_another_humans() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    p support_proposal;
    c support_case;
BEGIN
    SELECT * INTO p FROM support_proposal x WHERE x.tenant_id = NEW.tenant_id AND x.id = NEW.proposal_id FOR UPDATE;
    SELECT * INTO c FROM support_case x WHERE x.tenant_id = NEW.tenant_id AND x.id = p.case_id;
    IF p.status <> 'open' OR NEW.at >= p.expires_at OR NEW.hash <> p.hash THEN
        RAISE EXCEPTION 'not this proposal, or not any more' USING ERRCODE = 'check_violation', CONSTRAINT = 'support_decision_stands';
    END IF;
    IF NEW.person = p.person OR ARRAY[NEW.person, nullif(NEW.account, '')] && (c.workers || c.barred) OR EXISTS (
        SELECT 1 FROM support_decision d
         WHERE d.tenant_id = NEW.tenant_id AND d.proposal_id = NEW.proposal_id AND d.person <> NEW.person
           AND (d.person = NEW.account OR d.account = NEW.person)) THEN
        RAISE EXCEPTION 'nobody decides about their own work' USING ERRCODE = 'check_violation', CONSTRAINT = 'support_decision_four_eyes';
    END IF;
    IF p.security AND NOT NEW.security THEN
        RAISE EXCEPTION 'security staff decides' USING ERRCODE = 'check_violation', CONSTRAINT = 'support_decision_security';
    END IF;
    RETURN NEW;
END $$;
-- +goose StatementEnd
