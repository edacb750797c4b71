-- +goose Up

-- The sealed audit log (ADR 0022). An event stays as it is written; the sealer appends it to a tree, in tables of its own, to
-- which it only ever adds.

-- What sealing needs of an event. The table is rewritten once.
ALTER TABLE audit_event
    -- The account concerned, so that its events are found after its recoveries' rows are gone. Null for decoys.
    ADD COLUMN account_id text,
    -- What the leaf's commitment to subject, account, recovery, actor and details is salted with. 122 random bits.
    ADD COLUMN salt bytea NOT NULL DEFAULT uuid_send(gen_random_uuid()),
    -- The transaction that wrote it. When all transactions before a number have ended, no event of a smaller one can appear any
    -- more: that is how the sealer knows that it has seen everything (its own order never meets a late commit).
    ADD COLUMN xact xid8 NOT NULL DEFAULT pg_current_xact_id();

-- What an event says about the person behind the request. Outside the tree and outside the event, under a salt of its own, and
-- the one part of the trail that may be deleted: by erasure, and when its time is over. The columns of audit_event stay empty.
CREATE TABLE audit_personal (
    tenant_id  text  NOT NULL,
    event_id   text  NOT NULL,
    salt       bytea NOT NULL DEFAULT uuid_send(gen_random_uuid()),
    origin     text  NOT NULL,
    request_id text  NOT NULL,
    PRIMARY KEY (tenant_id, event_id)
);

INSERT INTO audit_personal (tenant_id, event_id, origin, request_id)
SELECT tenant_id, id, origin, request_id FROM audit_event WHERE origin <> '' OR request_id <> '';
ALTER TABLE audit_event DISABLE TRIGGER audit_event_is_final;
UPDATE audit_event e
   SET origin = '', request_id = '',
       account_id = CASE WHEN recovery_id IS NULL THEN CASE WHEN subject LIKE 'acc\_%' THEN subject END
                         ELSE (SELECT r.account_id FROM recovery r WHERE r.tenant_id = e.tenant_id AND r.id = e.recovery_id) END;
ALTER TABLE audit_event ENABLE TRIGGER audit_event_is_final;

-- Whoever writes an event: salt and transaction are the database's, the account is the recovery's, and what is personal goes
-- beside it.
-- +goose StatementBegin
CREATE FUNCTION audit_event_prepare() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    NEW.salt := uuid_send(gen_random_uuid());
    NEW.xact := pg_current_xact_id();
    IF NEW.recovery_id IS NOT NULL THEN
        NEW.account_id := (SELECT r.account_id FROM recovery r WHERE r.tenant_id = NEW.tenant_id AND r.id = NEW.recovery_id);
    ELSIF NEW.account_id IS NULL AND starts_with(NEW.subject, 'acc_') THEN
        NEW.account_id := NEW.subject;
    END IF;
    IF NEW.origin <> '' OR NEW.request_id <> '' THEN
        INSERT INTO audit_personal (tenant_id, event_id, origin, request_id) VALUES (NEW.tenant_id, NEW.id, NEW.origin, NEW.request_id);
        NEW.origin := '';
        NEW.request_id := '';
    END IF;
    RETURN NEW;
END $$;
-- +goose StatementEnd
CREATE TRIGGER audit_event_prepare BEFORE INSERT ON audit_event FOR EACH ROW EXECUTE FUNCTION audit_event_prepare();

-- How events are looked for. Ids sort by time, so each index also gives a page of its own filter in order.
DROP INDEX audit_event_subject;
CREATE INDEX audit_event_subject ON audit_event (tenant_id, subject, id);
CREATE INDEX audit_event_account ON audit_event (tenant_id, account_id, id) WHERE account_id IS NOT NULL;
CREATE INDEX audit_event_recovery ON audit_event (tenant_id, recovery_id, id) WHERE recovery_id IS NOT NULL;
CREATE INDEX audit_event_action ON audit_event (tenant_id, action, id);
CREATE INDEX audit_event_actor ON audit_event (tenant_id, actor_id, id) WHERE actor_id <> '';
CREATE INDEX audit_event_xact ON audit_event (xact);

-- One log has one origin: the name that its checkpoints carry. A further one is begun when a log cannot go on, after a restore
-- that would fork it; the old one stays as it is.
CREATE TABLE audit_log (
    id         smallint    PRIMARY KEY,
    origin     text        NOT NULL UNIQUE CHECK (origin <> ''),
    created_at timestamptz NOT NULL
);

-- The leaves in their order: the canonical encoding that was hashed. An event is sealed once.
CREATE TABLE audit_leaf (
    log_id     smallint NOT NULL REFERENCES audit_log,
    leaf_index bigint   NOT NULL CHECK (leaf_index >= 0),
    tenant_id  text     NOT NULL,
    event_id   text     NOT NULL,
    leaf       bytea    NOT NULL,
    PRIMARY KEY (log_id, leaf_index)
);
CREATE UNIQUE INDEX audit_leaf_event ON audit_leaf (log_id, tenant_id, event_id);

-- Full tiles (C2SP tlog-tiles), each with the root of what it covers. Partial ones are worked out.
CREATE TABLE audit_tile (
    log_id smallint NOT NULL REFERENCES audit_log,
    level  smallint NOT NULL CHECK (level BETWEEN 0 AND 7),
    n      bigint   NOT NULL CHECK (n >= 0),
    hashes bytea    NOT NULL CHECK (length(hashes) = 8192),
    root   bytea    NOT NULL CHECK (length(root) = 32),
    PRIMARY KEY (log_id, level, n)
);

-- The states that the log has had, one for each batch. There is one root for a size, for ever: only what stands here is ever
-- signed (R-178). xact, tenant_id and event_id say up to where events are sealed, system in which cluster xact counts.
CREATE TABLE audit_head (
    log_id    smallint    NOT NULL REFERENCES audit_log,
    size      bigint      NOT NULL CHECK (size > 0),
    root      bytea       NOT NULL CHECK (length(root) = 32),
    sealed_at timestamptz NOT NULL,
    system    bigint      NOT NULL,
    xact      xid8        NOT NULL,
    tenant_id text        NOT NULL,
    event_id  text        NOT NULL,
    PRIMARY KEY (log_id, size)
);

-- Signed heads, as published. keys names who signed, so that a head is signed again when keys rotate.
CREATE TABLE audit_checkpoint (
    log_id    smallint    NOT NULL,
    size      bigint      NOT NULL,
    keys      text        NOT NULL,
    note      text        NOT NULL,
    signed_at timestamptz NOT NULL,
    PRIMARY KEY (log_id, size, keys),
    FOREIGN KEY (log_id, size) REFERENCES audit_head (log_id, size)
);

-- What witnesses added to a checkpoint: their signature lines.
CREATE TABLE audit_cosignature (
    log_id  smallint    NOT NULL,
    size    bigint      NOT NULL,
    witness text        NOT NULL,
    lines   text        NOT NULL,
    at      timestamptz NOT NULL,
    PRIMARY KEY (log_id, size, witness),
    FOREIGN KEY (log_id, size) REFERENCES audit_head (log_id, size)
);

-- +goose StatementBegin
CREATE FUNCTION audit_log_is_final() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION '% admits no %', TG_TABLE_NAME, TG_OP USING ERRCODE = 'insufficient_privilege';
END $$;
-- +goose StatementEnd
CREATE TRIGGER audit_log_is_final BEFORE UPDATE OR DELETE ON audit_log FOR EACH ROW EXECUTE FUNCTION audit_log_is_final();
CREATE TRIGGER audit_log_stays BEFORE TRUNCATE ON audit_log FOR EACH STATEMENT EXECUTE FUNCTION audit_log_is_final();
CREATE TRIGGER audit_leaf_is_final BEFORE UPDATE OR DELETE ON audit_leaf FOR EACH ROW EXECUTE FUNCTION audit_log_is_final();
CREATE TRIGGER audit_leaf_stays BEFORE TRUNCATE ON audit_leaf FOR EACH STATEMENT EXECUTE FUNCTION audit_log_is_final();
CREATE TRIGGER audit_tile_is_final BEFORE UPDATE OR DELETE ON audit_tile FOR EACH ROW EXECUTE FUNCTION audit_log_is_final();
CREATE TRIGGER audit_tile_stays BEFORE TRUNCATE ON audit_tile FOR EACH STATEMENT EXECUTE FUNCTION audit_log_is_final();
CREATE TRIGGER audit_head_is_final BEFORE UPDATE OR DELETE ON audit_head FOR EACH ROW EXECUTE FUNCTION audit_log_is_final();
CREATE TRIGGER audit_head_stays BEFORE TRUNCATE ON audit_head FOR EACH STATEMENT EXECUTE FUNCTION audit_log_is_final();
CREATE TRIGGER audit_checkpoint_is_final BEFORE UPDATE OR DELETE ON audit_checkpoint FOR EACH ROW EXECUTE FUNCTION audit_log_is_final();
CREATE TRIGGER audit_checkpoint_stays BEFORE TRUNCATE ON audit_checkpoint FOR EACH STATEMENT EXECUTE FUNCTION audit_log_is_final();
CREATE TRIGGER audit_cosignature_is_final BEFORE UPDATE OR DELETE ON audit_cosignature FOR EACH ROW EXECUTE FUNCTION audit_log_is_final();
CREATE TRIGGER audit_cosignature_stays BEFORE TRUNCATE ON audit_cosignature FOR EACH STATEMENT EXECUTE FUNCTION audit_log_is_final();
CREATE TRIGGER audit_personal_is_final BEFORE UPDATE ON audit_personal FOR EACH ROW EXECUTE FUNCTION audit_log_is_final();

-- A log grows: a head covers exactly the leaves that are there, and more than the one before it.
-- +goose StatementBegin
CREATE FUNCTION audit_head_grows() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF NEW.size <= (SELECT h.size FROM audit_head h WHERE h.log_id = NEW.log_id ORDER BY h.size DESC LIMIT 1) THEN
        RAISE EXCEPTION 'the log has had this size' USING ERRCODE = 'check_violation', CONSTRAINT = 'audit_head_grows';
    END IF;
    IF NEW.size - 1 IS DISTINCT FROM (SELECT l.leaf_index FROM audit_leaf l WHERE l.log_id = NEW.log_id ORDER BY l.leaf_index DESC LIMIT 1) THEN
        RAISE EXCEPTION 'a head covers all leaves' USING ERRCODE = 'check_violation', CONSTRAINT = 'audit_head_grows';
    END IF;
    RETURN NEW;
END $$;
-- +goose StatementEnd
CREATE TRIGGER audit_head_grows BEFORE INSERT ON audit_head FOR EACH ROW EXECUTE FUNCTION audit_head_grows();

-- Only what stands as a head is published as a checkpoint, under the log's own name.
-- +goose StatementBegin
CREATE FUNCTION audit_checkpoint_is_head() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF NOT EXISTS (SELECT 1 FROM audit_head h JOIN audit_log l ON l.id = h.log_id
                    WHERE h.log_id = NEW.log_id AND h.size = NEW.size
                      AND starts_with(NEW.note, l.origin || E'\n' || h.size || E'\n' || encode(h.root, 'base64') || E'\n\n')) THEN
        RAISE EXCEPTION 'a checkpoint that is no head of the log' USING ERRCODE = 'check_violation', CONSTRAINT = 'audit_checkpoint_is_head';
    END IF;
    RETURN NEW;
END $$;
-- +goose StatementEnd
CREATE TRIGGER audit_checkpoint_is_head BEFORE INSERT ON audit_checkpoint FOR EACH ROW EXECUTE FUNCTION audit_checkpoint_is_head();

GRANT SELECT, INSERT ON audit_log, audit_leaf, audit_tile, audit_head, audit_checkpoint, audit_cosignature TO holdfast_service;
GRANT SELECT, INSERT, DELETE ON audit_personal TO holdfast_service;

-- The auditor's role reads the log and nothing else.
-- +goose StatementBegin
DO $$
BEGIN
    IF NOT EXISTS (SELECT 1 FROM pg_roles WHERE rolname = 'holdfast_auditor') THEN
        CREATE ROLE holdfast_auditor NOLOGIN;
    END IF;
EXCEPTION WHEN duplicate_object OR unique_violation THEN
    NULL; -- another database of this cluster was migrated at the same moment
END $$;
-- +goose StatementEnd
GRANT SELECT ON audit_event, audit_personal, audit_log, audit_leaf, audit_tile, audit_head, audit_checkpoint, audit_cosignature TO holdfast_auditor;
