-- +goose Up

-- Support can take over a recovery that has just begun. A decoy goes to people like any other, and no further (design.md, section 3).
INSERT INTO recovery_edge VALUES ('initiated', 'assisted');
-- +goose StatementBegin
DO $$
DECLARE
    old text;
BEGIN
    SELECT conname INTO STRICT old FROM pg_constraint
     WHERE conrelid = 'recovery'::regclass AND contype = 'c' AND pg_get_constraintdef(oid) LIKE '%account_id IS NOT NULL%';
    EXECUTE format('ALTER TABLE recovery DROP CONSTRAINT %I', old);
END $$;
-- +goose StatementEnd
ALTER TABLE recovery ADD CONSTRAINT recovery_decoy
    CHECK (account_id IS NOT NULL OR state IN ('initiated', 'verifying', 'assisted', 'denied', 'cancelled', 'expired'));

-- Support's container around one recovery. Words are sealed under a key of the case's own, which goes when the account is erased.
CREATE TABLE support_case (
    tenant_id   text        NOT NULL,
    id          text        NOT NULL,
    recovery_id text        NOT NULL,
    via         text        NOT NULL CHECK (via IN ('reference', 'account', 'appeal')),
    opened_by   text        NOT NULL,
    state       text        NOT NULL CHECK (state IN ('opened', 'evidence_pending', 'flagged', 'proposed', 'decided', 'closed', 'expired')),
    version     bigint      NOT NULL CHECK (version > 0),
    workers     text[]      NOT NULL DEFAULT '{}',
    barred      text[]      NOT NULL DEFAULT '{}',
    flagged_at  timestamptz,
    flag_reason text        NOT NULL DEFAULT '',
    ai_involved boolean     NOT NULL DEFAULT false,
    data_key    bytea,
    outcome     text        NOT NULL DEFAULT '' CHECK (outcome IN ('', 'approve', 'deny')),
    created_at  timestamptz NOT NULL,
    active_at   timestamptz NOT NULL,
    expires_at  timestamptz NOT NULL,
    closed_at   timestamptz,
    PRIMARY KEY (tenant_id, id),
    FOREIGN KEY (tenant_id, recovery_id) REFERENCES recovery (tenant_id, id),
    CHECK ((closed_at IS NOT NULL) = (state IN ('decided', 'closed', 'expired'))),
    CHECK ((outcome <> '') = (state = 'decided')),
    CHECK (state <> 'flagged' OR flagged_at IS NOT NULL)
);
CREATE UNIQUE INDEX support_case_open ON support_case (tenant_id, recovery_id) WHERE closed_at IS NULL;
CREATE INDEX support_case_recovery ON support_case (tenant_id, recovery_id, created_at);
CREATE INDEX support_case_expiry ON support_case (expires_at) WHERE closed_at IS NULL;

-- What somebody wrote: data, sealed.
CREATE TABLE support_note (
    tenant_id text        NOT NULL,
    id        text        NOT NULL,
    case_id   text        NOT NULL,
    person    text        NOT NULL,
    client    text        NOT NULL DEFAULT '',
    at        timestamptz NOT NULL,
    sealed    bytea       NOT NULL,
    PRIMARY KEY (tenant_id, id),
    FOREIGN KEY (tenant_id, case_id) REFERENCES support_case (tenant_id, id)
);
CREATE INDEX support_note_case ON support_note (tenant_id, case_id, at);

-- What somebody else established. One check proves one claim: neither its reference nor its document is attached twice.
CREATE TABLE support_artefact (
    tenant_id    text        NOT NULL,
    id           text        NOT NULL,
    recovery_id  text        NOT NULL,
    case_id      text        NOT NULL,
    kind         text        NOT NULL CHECK (kind IN ('reproofing', 'in_person', 'contact_attestation', 'organisation_attests')),
    provider     text        NOT NULL,
    reference    text        NOT NULL,
    hash         bytea       NOT NULL CHECK (length(hash) = 32),
    performed_at timestamptz NOT NULL,
    person       text        NOT NULL,
    at           timestamptz NOT NULL,
    PRIMARY KEY (tenant_id, id),
    FOREIGN KEY (tenant_id, case_id) REFERENCES support_case (tenant_id, id)
);
CREATE UNIQUE INDEX support_artefact_reference ON support_artefact (tenant_id, provider, reference);
CREATE UNIQUE INDEX support_artefact_hash ON support_artefact (tenant_id, hash);
CREATE INDEX support_artefact_recovery ON support_artefact (tenant_id, recovery_id, at);

CREATE TABLE support_proposal (
    tenant_id        text        NOT NULL,
    id               text        NOT NULL,
    case_id          text        NOT NULL,
    recovery_id      text        NOT NULL,
    recovery_version bigint      NOT NULL,
    outcome          text        NOT NULL CHECK (outcome IN ('approve', 'deny')),
    hash             bytea       NOT NULL CHECK (length(hash) = 32),
    policy_version   text        NOT NULL,
    person           text        NOT NULL CHECK (person <> ''),
    client           text        NOT NULL DEFAULT '',
    ai               boolean     NOT NULL,
    security         boolean     NOT NULL,
    at               timestamptz NOT NULL,
    expires_at       timestamptz NOT NULL CHECK (expires_at <= at + interval '30 minutes'),
    status           text        NOT NULL CHECK (status IN ('open', 'void', 'lapsed', 'rejected', 'executed')),
    closed_at        timestamptz,
    PRIMARY KEY (tenant_id, id),
    FOREIGN KEY (tenant_id, case_id) REFERENCES support_case (tenant_id, id),
    CHECK ((closed_at IS NULL) = (status = 'open'))
);
CREATE UNIQUE INDEX support_proposal_open ON support_proposal (tenant_id, case_id) WHERE status = 'open';
CREATE INDEX support_proposal_case ON support_proposal (tenant_id, case_id, at);
CREATE INDEX support_proposal_waiting ON support_proposal (tenant_id, expires_at) WHERE status = 'open';

-- Who was given a proposal to decide. Nobody is given the same one twice.
CREATE TABLE support_assignment (
    tenant_id   text        NOT NULL,
    proposal_id text        NOT NULL,
    person      text        NOT NULL CHECK (person <> ''),
    at          timestamptz NOT NULL,
    expires_at  timestamptz NOT NULL,
    read_at     timestamptz,
    PRIMARY KEY (tenant_id, proposal_id, person),
    FOREIGN KEY (tenant_id, proposal_id) REFERENCES support_proposal (tenant_id, id)
);
CREATE INDEX support_assignment_person ON support_assignment (tenant_id, person, expires_at);

CREATE TABLE support_decision (
    tenant_id   text        NOT NULL,
    proposal_id text        NOT NULL,
    person      text        NOT NULL CHECK (person <> ''),
    consent     boolean     NOT NULL,
    security    boolean     NOT NULL,
    hash        bytea       NOT NULL CHECK (length(hash) = 32),
    reason      bytea       NOT NULL,
    read_at     timestamptz NOT NULL,
    at          timestamptz NOT NULL CHECK (at >= read_at),
    PRIMARY KEY (tenant_id, proposal_id, person),
    FOREIGN KEY (tenant_id, proposal_id, person) REFERENCES support_assignment (tenant_id, proposal_id, person)
);

-- People of the workforce who were seen at work here, by a hash that says nothing by itself.
CREATE TABLE support_staff (
    tenant_id text        NOT NULL,
    person    text        NOT NULL CHECK (person <> ''),
    roles     text[]      NOT NULL,
    seen_at   timestamptz NOT NULL,
    PRIMARY KEY (tenant_id, person)
);

-- A case begins at its beginning, keeps its identity, changes version by version, and does not come back from its end. What froze
-- it, and who worked on it, is never forgotten.
-- +goose StatementBegin
CREATE FUNCTION support_case_keeps() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'INSERT' THEN
        IF NEW.state <> 'opened' OR NEW.version <> 1 OR NEW.flagged_at IS NOT NULL THEN
            RAISE EXCEPTION 'a case begins at its beginning' USING ERRCODE = 'check_violation', CONSTRAINT = 'support_case_begins';
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
CREATE TRIGGER support_case_keeps BEFORE INSERT OR UPDATE ON support_case FOR EACH ROW EXECUTE FUNCTION support_case_keeps();

-- No version of a case without its line in the trail at commit.
-- +goose StatementBegin
CREATE FUNCTION support_case_has_event() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF NOT EXISTS (SELECT 1 FROM audit_event e
                    WHERE e.tenant_id = NEW.tenant_id AND e.subject = NEW.id AND (e.details->>'version')::bigint = NEW.version AND e.details->>'to' = NEW.state) THEN
        RAISE EXCEPTION 'a version of a case without its audit event' USING ERRCODE = 'check_violation', CONSTRAINT = 'support_case_has_event';
    END IF;
    RETURN NULL;
END $$;
-- +goose StatementEnd
CREATE CONSTRAINT TRIGGER support_case_has_event_insert AFTER INSERT ON support_case DEFERRABLE INITIALLY DEFERRED
    FOR EACH ROW EXECUTE FUNCTION support_case_has_event();
CREATE CONSTRAINT TRIGGER support_case_has_event_update AFTER UPDATE ON support_case DEFERRABLE INITIALLY DEFERRED
    FOR EACH ROW WHEN (NEW.version <> OLD.version) EXECUTE FUNCTION support_case_has_event();

-- A decision is one human's, about a proposal that is open, on the hash of it, by somebody who has no part in the case (R-123,
-- R-124), as security staff where only they decide (R-133).
-- +goose StatementBegin
CREATE FUNCTION support_decision_is_another_humans() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    p support_proposal;
    c support_case;
BEGIN
    SELECT * INTO p FROM support_proposal x WHERE x.tenant_id = NEW.tenant_id AND x.id = NEW.proposal_id FOR UPDATE;
    SELECT * INTO c FROM support_case x WHERE x.tenant_id = NEW.tenant_id AND x.id = p.case_id;
    IF p.status <> 'open' OR NEW.at >= p.expires_at OR NEW.hash <> p.hash THEN
        RAISE EXCEPTION 'not this proposal, or not any more' USING ERRCODE = 'check_violation', CONSTRAINT = 'support_decision_stands';
    END IF;
    IF NEW.person = p.person OR NEW.person = ANY (c.workers) OR NEW.person = ANY (c.barred) THEN
        RAISE EXCEPTION 'nobody decides about their own work' USING ERRCODE = 'check_violation', CONSTRAINT = 'support_decision_four_eyes';
    END IF;
    IF p.security AND NOT NEW.security THEN
        RAISE EXCEPTION 'security staff decides' USING ERRCODE = 'check_violation', CONSTRAINT = 'support_decision_security';
    END IF;
    RETURN NEW;
END $$;
-- +goose StatementEnd
CREATE TRIGGER support_decision_is_another_humans BEFORE INSERT ON support_decision FOR EACH ROW EXECUTE FUNCTION support_decision_is_another_humans();

-- A proposal keeps what it is bound to, ends once, and is executed by two.
-- +goose StatementBegin
CREATE FUNCTION support_proposal_keeps() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF OLD.status <> 'open' OR (to_jsonb(NEW) - 'status' - 'closed_at') IS DISTINCT FROM (to_jsonb(OLD) - 'status' - 'closed_at') THEN
        RAISE EXCEPTION 'a proposal keeps what it is bound to, and ends once' USING ERRCODE = 'check_violation', CONSTRAINT = 'support_proposal_keeps';
    END IF;
    IF NEW.status = 'executed' AND ((SELECT count(*) FROM support_decision d WHERE d.tenant_id = NEW.tenant_id AND d.proposal_id = NEW.id AND d.consent) < 2
       OR EXISTS (SELECT 1 FROM support_decision d WHERE d.tenant_id = NEW.tenant_id AND d.proposal_id = NEW.id AND NOT d.consent)) THEN
        RAISE EXCEPTION 'two humans decide' USING ERRCODE = 'check_violation', CONSTRAINT = 'support_proposal_two_humans';
    END IF;
    RETURN NEW;
END $$;
-- +goose StatementEnd
CREATE TRIGGER support_proposal_keeps BEFORE UPDATE ON support_proposal FOR EACH ROW EXECUTE FUNCTION support_proposal_keeps();

-- I11: people let a recovery through, or end it, only by a proposal that two of them decided about, at the version that they saw.
-- +goose StatementBegin
CREATE FUNCTION recovery_was_decided() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    wanted text := CASE WHEN NEW.state = 'denied' THEN 'deny' ELSE 'approve' END;
BEGIN
    IF NOT EXISTS (
        SELECT 1 FROM support_proposal p
         WHERE p.tenant_id = NEW.tenant_id AND p.recovery_id = NEW.id AND p.status = 'executed' AND p.outcome = wanted AND p.recovery_version = OLD.version
           AND (SELECT count(*) FROM support_decision d
                 WHERE d.tenant_id = p.tenant_id AND d.proposal_id = p.id AND d.consent AND d.hash = p.hash
                   AND (wanted = 'deny' OR d.person = ANY (NEW.approved))) = 2) THEN
        RAISE EXCEPTION 'two humans decide' USING ERRCODE = 'check_violation', CONSTRAINT = 'recovery_two_humans';
    END IF;
    RETURN NULL;
END $$;
-- +goose StatementEnd
CREATE CONSTRAINT TRIGGER recovery_was_decided AFTER UPDATE ON recovery DEFERRABLE INITIALLY DEFERRED
    FOR EACH ROW WHEN ((OLD.state = 'assisted' AND NEW.state IN ('cooling_off', 'denied')) OR (cardinality(NEW.approved) > 0 AND NEW.approved IS DISTINCT FROM OLD.approved))
    EXECUTE FUNCTION recovery_was_decided();

-- What two humans accepted as proof is evidence with an artefact behind it, and no challenge.
ALTER TABLE evidence DROP CONSTRAINT evidence_tenant_id_challenge_id_fkey;
-- +goose StatementBegin
CREATE FUNCTION evidence_has_origin() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF NOT EXISTS (SELECT 1 FROM challenge c WHERE c.tenant_id = NEW.tenant_id AND c.id = NEW.challenge_id AND c.recovery_id = NEW.recovery_id)
       AND NOT EXISTS (SELECT 1 FROM support_artefact a WHERE a.tenant_id = NEW.tenant_id AND a.id = NEW.challenge_id AND a.recovery_id = NEW.recovery_id
                          AND NEW.class = CASE WHEN a.kind IN ('reproofing', 'in_person') THEN 'P' ELSE 'K' END) THEN
        RAISE EXCEPTION 'evidence comes from a challenge or an artefact' USING ERRCODE = 'foreign_key_violation', CONSTRAINT = 'evidence_has_origin';
    END IF;
    RETURN NEW;
END $$;
-- +goose StatementEnd
CREATE TRIGGER evidence_has_origin BEFORE INSERT ON evidence FOR EACH ROW EXECUTE FUNCTION evidence_has_origin();

-- Erasing an account takes the key of what was written in its cases: proofs of the trail still hold, words are gone (R-188).
-- +goose StatementBegin
CREATE FUNCTION support_case_forgets_words() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    UPDATE support_case c SET data_key = NULL
      FROM recovery r
     WHERE r.tenant_id = NEW.tenant_id AND r.subject = NEW.id AND c.tenant_id = r.tenant_id AND c.recovery_id = r.id;
    RETURN NULL;
END $$;
-- +goose StatementEnd
CREATE TRIGGER support_case_forgets_words AFTER UPDATE ON account FOR EACH ROW
    WHEN (OLD.erased_at IS NULL AND NEW.erased_at IS NOT NULL) EXECUTE FUNCTION support_case_forgets_words();

GRANT SELECT ON support_case, support_note, support_artefact, support_proposal, support_assignment, support_decision, support_staff TO holdfast_service;
GRANT INSERT ON support_case, support_note, support_artefact, support_proposal, support_assignment, support_decision, support_staff TO holdfast_service;
GRANT UPDATE ON support_case, support_proposal, support_staff TO holdfast_service;
GRANT UPDATE (read_at) ON support_assignment TO holdfast_service;
