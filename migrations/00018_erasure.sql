-- +goose Up

-- What an erasure left behind (R-182, R-188): the truncated network that a recovery was started from, and the number under which a
-- provider keeps the check of a person. Both lead to somebody from outside.

-- A recovery's row keeps its rules, but for one change that has no version of its own: the network goes when the account is erased.
-- +goose StatementBegin
CREATE FUNCTION network_goes_with_account(was recovery, becomes recovery) RETURNS boolean LANGUAGE plpgsql STABLE AS $$
BEGIN
    RETURN (to_jsonb(becomes) - 'network') = (to_jsonb(was) - 'network') AND becomes.network = ''
       AND EXISTS (SELECT 1 FROM account a WHERE a.tenant_id = was.tenant_id AND a.id = was.account_id AND a.erased_at IS NOT NULL);
END $$;
-- +goose StatementEnd
GRANT EXECUTE ON FUNCTION network_goes_with_account(recovery, recovery) TO holdfast_service;
DROP TRIGGER recovery_keeps_invariants ON recovery;
CREATE TRIGGER recovery_keeps_invariants BEFORE UPDATE ON recovery FOR EACH ROW
    WHEN (NEW.version <> OLD.version OR NEW.network = OLD.network OR NOT network_goes_with_account(OLD, NEW))
    EXECUTE FUNCTION recovery_keeps_invariants();

-- An artefact stays as it was attached. When the account is erased its reference becomes the artefact's own id; the hash of its
-- document stays, so that one check still proves one claim.
-- +goose StatementBegin
CREATE FUNCTION support_artefact_stays() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF (to_jsonb(NEW) - 'reference') IS DISTINCT FROM (to_jsonb(OLD) - 'reference') OR NEW.reference <> NEW.id OR NOT EXISTS (
        SELECT 1 FROM recovery r JOIN account a ON a.tenant_id = r.tenant_id AND a.id = r.account_id
         WHERE r.tenant_id = NEW.tenant_id AND r.id = NEW.recovery_id AND a.erased_at IS NOT NULL) THEN
        RAISE EXCEPTION 'an artefact stays as it was attached' USING ERRCODE = 'check_violation', CONSTRAINT = 'support_artefact_stays';
    END IF;
    RETURN NEW;
END $$;
-- +goose StatementEnd
CREATE TRIGGER support_artefact_stays BEFORE UPDATE ON support_artefact FOR EACH ROW EXECUTE FUNCTION support_artefact_stays();
GRANT UPDATE (reference) ON support_artefact TO holdfast_service;

-- +goose StatementBegin
CREATE FUNCTION account_leaves_no_trace() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    UPDATE recovery r SET network = '' WHERE r.tenant_id = NEW.tenant_id AND r.subject = NEW.id AND r.network <> '';
    UPDATE support_artefact x SET reference = x.id
      FROM recovery r
     WHERE r.tenant_id = NEW.tenant_id AND r.subject = NEW.id AND x.tenant_id = r.tenant_id AND x.recovery_id = r.id;
    RETURN NULL;
END $$;
-- +goose StatementEnd
CREATE TRIGGER account_leaves_no_trace AFTER UPDATE ON account FOR EACH ROW
    WHEN (OLD.erased_at IS NULL AND NEW.erased_at IS NOT NULL) EXECUTE FUNCTION account_leaves_no_trace();

-- Those who were erased before.
UPDATE recovery r SET network = '' FROM account a
 WHERE a.tenant_id = r.tenant_id AND a.id = r.account_id AND a.erased_at IS NOT NULL AND r.network <> '';
UPDATE support_artefact x SET reference = x.id FROM recovery r JOIN account a ON a.tenant_id = r.tenant_id AND a.id = r.account_id
 WHERE r.tenant_id = x.tenant_id AND r.id = x.recovery_id AND a.erased_at IS NOT NULL;
UPDATE channel c SET carrier_at = NULL, carrier_line = '', sim_known_at = NULL, sim_swapped_at = NULL FROM account a
 WHERE a.tenant_id = c.tenant_id AND a.id = c.account_id AND a.erased_at IS NOT NULL AND c.carrier_at IS NOT NULL;
