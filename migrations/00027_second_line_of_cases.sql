-- +goose Up

-- What somebody with the service's own role could still do by hand to cases and clients, and cannot any more (ADR 0035).

-- Who was seen at work stays who they are: a changed name would make a colleague's own account anybody's (R-133).
REVOKE UPDATE ON support_staff FROM holdfast_service;
GRANT UPDATE (roles, seen_at) ON support_staff TO holdfast_service;

-- One check proves one claim, however its provider and its number are written.
DROP INDEX support_artefact_reference;
CREATE UNIQUE INDEX support_artefact_reference ON support_artefact (tenant_id, lower(provider), lower(reference));

-- The words of a case are lost only with the account that it is about.
-- +goose StatementBegin
CREATE FUNCTION support_case_keeps_words() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF NEW.data_key IS NOT NULL OR NOT EXISTS (
        SELECT 1 FROM recovery r JOIN account a ON a.tenant_id = r.tenant_id AND a.id = r.subject
         WHERE r.tenant_id = NEW.tenant_id AND r.id = NEW.recovery_id AND a.erased_at IS NOT NULL) THEN
        RAISE EXCEPTION 'a case keeps its words' USING ERRCODE = 'check_violation', CONSTRAINT = 'support_case_keeps_words';
    END IF;
    RETURN NEW;
END $$;
-- +goose StatementEnd
CREATE TRIGGER support_case_keeps_words BEFORE UPDATE ON support_case FOR EACH ROW
    WHEN (OLD.data_key IS DISTINCT FROM NEW.data_key) EXECUTE FUNCTION support_case_keeps_words();

-- What hangs on a case hangs on its own recovery. A proposal begins open, by somebody who worked on the case; about a privileged
-- account it is for security staff (R-133).
-- +goose StatementBegin
CREATE FUNCTION support_begins() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    c support_case;
BEGIN
    SELECT * INTO c FROM support_case x WHERE x.tenant_id = NEW.tenant_id AND x.id = NEW.case_id;
    IF c.recovery_id IS DISTINCT FROM NEW.recovery_id OR c.closed_at IS NOT NULL OR NOT (NEW.person = ANY (c.workers)) THEN
        RAISE EXCEPTION 'of another case, or by somebody who has no part in it' USING ERRCODE = 'check_violation', CONSTRAINT = 'support_begins';
    END IF;
    IF TG_TABLE_NAME = 'support_proposal' THEN
        IF to_jsonb(NEW)->>'status' <> 'open' THEN
            RAISE EXCEPTION 'a proposal begins open' USING ERRCODE = 'check_violation', CONSTRAINT = 'support_begins';
        END IF;
        IF NOT (to_jsonb(NEW)->>'security')::boolean AND EXISTS (
            SELECT 1 FROM recovery r JOIN account a ON a.tenant_id = r.tenant_id AND a.id = r.account_id
             WHERE r.tenant_id = NEW.tenant_id AND r.id = NEW.recovery_id AND a.population = 'privileged') THEN
            RAISE EXCEPTION 'security staff decides' USING ERRCODE = 'check_violation', CONSTRAINT = 'support_proposal_security';
        END IF;
    END IF;
    RETURN NEW;
END $$;
-- +goose StatementEnd
CREATE TRIGGER support_begins BEFORE INSERT ON support_proposal FOR EACH ROW EXECUTE FUNCTION support_begins();
CREATE TRIGGER support_begins BEFORE INSERT ON support_artefact FOR EACH ROW EXECUTE FUNCTION support_begins();

-- Reading is written down once, when it happens.
-- +goose StatementBegin
CREATE FUNCTION support_assignment_is_read_once() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF OLD.read_at IS NOT NULL AND NEW.read_at IS DISTINCT FROM OLD.read_at OR NEW.read_at < OLD.at OR NEW.read_at > holdfast_now() + interval '1 minute' THEN
        RAISE EXCEPTION 'a case is read when it is read' USING ERRCODE = 'check_violation', CONSTRAINT = 'support_assignment_read';
    END IF;
    RETURN NEW;
END $$;
-- +goose StatementEnd
CREATE TRIGGER support_assignment_is_read_once BEFORE UPDATE ON support_assignment FOR EACH ROW EXECUTE FUNCTION support_assignment_is_read_once();

-- A decision is made now, by somebody who has read the case and whose time for it is not over.
-- +goose StatementBegin
CREATE FUNCTION support_decision_in_time() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    a support_assignment;
BEGIN
    SELECT * INTO a FROM support_assignment x WHERE x.tenant_id = NEW.tenant_id AND x.proposal_id = NEW.proposal_id AND x.person = NEW.person;
    IF FOUND AND (a.read_at IS NULL OR NEW.read_at < a.read_at OR NEW.at >= a.expires_at)
       OR NEW.at NOT BETWEEN holdfast_now() - interval '5 minutes' AND holdfast_now() + interval '1 minute' THEN
        RAISE EXCEPTION 'not read, or not in time' USING ERRCODE = 'check_violation', CONSTRAINT = 'support_decision_in_time';
    END IF;
    RETURN NEW;
END $$;
-- +goose StatementEnd
CREATE TRIGGER support_decision_timely BEFORE INSERT ON support_decision FOR EACH ROW EXECUTE FUNCTION support_decision_in_time();

-- No artefact, proposal, assignment or decision without its line in the trail at commit, in the name of whoever it is of.
-- +goose StatementBegin
CREATE FUNCTION support_has_event() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    made jsonb := to_jsonb(NEW);
    about text := coalesce(made->>'case_id', (SELECT p.case_id FROM support_proposal p WHERE p.tenant_id = NEW.tenant_id AND p.id = made->>'proposal_id'));
BEGIN
    IF NOT EXISTS (
        SELECT 1 FROM audit_event e
         WHERE e.tenant_id = NEW.tenant_id AND e.subject = about AND e.outcome = 'success' AND e.actor_id IN (made->>'person', made->>'client')
           AND CASE TG_TABLE_NAME
               WHEN 'support_artefact' THEN e.action = 'case.artefact.attached' AND e.details->>'artefact' = made->>'id'
               WHEN 'support_proposal' THEN e.action = 'case.proposed' AND e.details->>'proposal' = made->>'id' AND e.details->>'evidence_hash' = encode((made->>'hash')::bytea, 'hex')
               WHEN 'support_assignment' THEN e.action = 'case.assigned' AND e.details->>'proposal' = made->>'proposal_id'
               WHEN 'support_decision' THEN e.action = ANY (CASE WHEN (made->>'consent')::boolean THEN ARRAY['case.approved', 'case.executed'] ELSE ARRAY['case.rejected'] END)
                   AND e.details->>'proposal' = made->>'proposal_id' AND e.details->>'evidence_hash' = encode((made->>'hash')::bytea, 'hex')
               ELSE false END) THEN
        RAISE EXCEPTION '% without its audit event', TG_TABLE_NAME USING ERRCODE = 'check_violation', CONSTRAINT = 'support_has_event';
    END IF;
    RETURN NULL;
END $$;
-- +goose StatementEnd
CREATE CONSTRAINT TRIGGER support_has_event AFTER INSERT ON support_artefact DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION support_has_event();
CREATE CONSTRAINT TRIGGER support_has_event AFTER INSERT ON support_proposal DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION support_has_event();
CREATE CONSTRAINT TRIGGER support_has_event AFTER INSERT ON support_assignment DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION support_has_event();
CREATE CONSTRAINT TRIGGER support_has_event AFTER INSERT ON support_decision DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION support_has_event();

-- What people let through is held, and for no less than the floor of tier high (requirements.md, section 4.2).
-- +goose StatementBegin
CREATE FUNCTION recovery_approved_is_held() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF NEW.tier NOT IN ('high', 'critical') OR NEW.held_at IS NULL OR NEW.held_at < OLD.changed_at
       OR NEW.not_before < NEW.held_at + (CASE NEW.tier WHEN 'critical' THEN interval '72 hours' ELSE interval '48 hours' END) THEN
        RAISE EXCEPTION 'what people let through is held' USING ERRCODE = 'check_violation', CONSTRAINT = 'recovery_approved_is_held';
    END IF;
    RETURN NEW;
END $$;
-- +goose StatementEnd
CREATE TRIGGER recovery_approved_is_held BEFORE UPDATE ON recovery FOR EACH ROW
    WHEN (OLD.state = 'assisted' AND NEW.state = 'cooling_off') EXECUTE FUNCTION recovery_approved_is_held();

-- A client is what it was registered as, and what has ended has ended (R-135, R-136): the service's role touches nothing else.
REVOKE UPDATE ON client, client_credential FROM holdfast_service;
GRANT UPDATE (disabled_at) ON client TO holdfast_service;
GRANT UPDATE (revoked_at, last_used_at) ON client_credential TO holdfast_service;
-- +goose StatementBegin
CREATE FUNCTION ended_for_good() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION '% ended for good', TG_TABLE_NAME USING ERRCODE = 'check_violation', CONSTRAINT = 'ended_for_good';
END $$;
-- +goose StatementEnd
CREATE TRIGGER ended_for_good BEFORE UPDATE ON client FOR EACH ROW
    WHEN (OLD.disabled_at IS NOT NULL AND NEW.disabled_at IS DISTINCT FROM OLD.disabled_at) EXECUTE FUNCTION ended_for_good();
CREATE TRIGGER ended_for_good BEFORE UPDATE ON client_credential FOR EACH ROW
    WHEN (OLD.revoked_at IS NOT NULL AND NEW.revoked_at IS DISTINCT FROM OLD.revoked_at) EXECUTE FUNCTION ended_for_good();
CREATE TRIGGER ended_for_good BEFORE UPDATE ON client_key FOR EACH ROW
    WHEN (OLD.revoked_at IS NOT NULL AND NEW.revoked_at IS DISTINCT FROM OLD.revoked_at) EXECUTE FUNCTION ended_for_good();

-- An assertion is good once, also for who could delete that it was presented.
CREATE TRIGGER kept_for BEFORE DELETE ON client_assertion FOR EACH ROW EXECUTE FUNCTION kept_for('expires_at', '0 seconds');
