-- +goose Up

-- Delivery truth (ADR 0020). A provider's yes is not the last word: a text message may end undelivered and a mail may bounce
-- after it was taken. What was accepted and then failed is accepted no more, so that every guard that asks for an accepted
-- notice, in the core and in recovery_gate, hears of it without asking anything else.
ALTER TABLE notice
    ADD COLUMN delivered_at  timestamptz,
    ADD COLUMN failed_reason text CHECK (length(failed_reason) <= 40),
    -- Keyed hash of the number that may answer NO; on notices by text message that can be objected to, and on no others.
    ADD COLUMN reply_hash    bytea CHECK (length(reply_hash) = 32);
ALTER TABLE notice ADD CONSTRAINT notice_delivered CHECK (delivered_at IS NULL OR accepted_at IS NOT NULL) NOT VALID;
ALTER TABLE notice VALIDATE CONSTRAINT notice_delivered;
CREATE INDEX notice_reply ON notice (reply_hash, created_at) WHERE reply_hash IS NOT NULL;

-- A notice's fate only moves forward: open, accepted, delivered or failed. What failed is never accepted again, and what was
-- delivered stays so, whoever writes.
-- +goose StatementBegin
CREATE FUNCTION notice_moves_forward() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF (OLD.failed_at IS NOT NULL AND (NEW.failed_at IS DISTINCT FROM OLD.failed_at OR NEW.accepted_at IS NOT NULL))
       OR (OLD.delivered_at IS NOT NULL AND (NEW.delivered_at IS DISTINCT FROM OLD.delivered_at OR NEW.accepted_at IS DISTINCT FROM OLD.accepted_at))
       OR (OLD.accepted_at IS NOT NULL AND NEW.accepted_at IS DISTINCT FROM OLD.accepted_at AND NEW.failed_at IS NULL) THEN
        RAISE EXCEPTION 'the fate of a notice only moves forward' USING ERRCODE = 'check_violation', CONSTRAINT = 'notice_moves_forward';
    END IF;
    RETURN NEW;
END $$;
-- +goose StatementEnd
CREATE TRIGGER notice_moves_forward BEFORE UPDATE ON notice FOR EACH ROW EXECUTE FUNCTION notice_moves_forward();

-- A message that a provider took: the provider's own name for it, which is all that a provider's report names, and what
-- became of it. It is looked up without a tenant. No address, no text.
CREATE TABLE delivery (
    provider     text        NOT NULL CHECK (provider ~ '^[a-z]{1,20}$'),
    reference    text        NOT NULL CHECK (length(reference) BETWEEN 1 AND 255),
    tenant_id    text        NOT NULL,
    notice_id    text,
    challenge_id text,
    fate         text        NOT NULL DEFAULT 'accepted' CHECK (fate IN ('accepted', 'delivered', 'failed')),
    reason       text        NOT NULL DEFAULT '' CHECK (length(reason) <= 40),
    accepted_at  timestamptz NOT NULL,
    settled_at   timestamptz,
    PRIMARY KEY (provider, reference),
    FOREIGN KEY (tenant_id, notice_id) REFERENCES notice (tenant_id, id),
    FOREIGN KEY (tenant_id, challenge_id) REFERENCES challenge (tenant_id, id),
    CHECK ((notice_id IS NULL) <> (challenge_id IS NULL)),
    CHECK ((settled_at IS NULL) = (fate = 'accepted'))
);
CREATE INDEX delivery_notice ON delivery (tenant_id, notice_id) WHERE notice_id IS NOT NULL;

-- +goose StatementBegin
CREATE FUNCTION delivery_settles_once() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'a delivery settles once' USING ERRCODE = 'check_violation', CONSTRAINT = 'delivery_settles_once';
END $$;
-- +goose StatementEnd
CREATE TRIGGER delivery_settles_once BEFORE UPDATE ON delivery FOR EACH ROW
    WHEN (OLD.fate <> 'accepted' OR NEW.fate = 'accepted' OR (NEW.provider, NEW.reference, NEW.tenant_id) IS DISTINCT FROM (OLD.provider, OLD.reference, OLD.tenant_id)
          OR NEW.notice_id IS DISTINCT FROM OLD.notice_id OR NEW.challenge_id IS DISTINCT FROM OLD.challenge_id)
    EXECUTE FUNCTION delivery_settles_once();

-- What a provider reported of a message's end, each word once: it says it again, late, in the wrong order, and before its own
-- answer to the sending has reached us. So there is no foreign key: a report may wait for its delivery.
CREATE TABLE delivery_report (
    provider  text        NOT NULL CHECK (provider ~ '^[a-z]{1,20}$'),
    reference text        NOT NULL CHECK (length(reference) BETWEEN 1 AND 255),
    status    text        NOT NULL CHECK (status IN ('delivered', 'failed')),
    reason    text        NOT NULL DEFAULT '' CHECK (length(reason) <= 40),
    at        timestamptz NOT NULL,
    PRIMARY KEY (provider, reference, status)
);

-- Answers of NO to text messages, each taken once by the provider's name for it. The hashes go when it was heard.
CREATE TABLE reply (
    provider     text        NOT NULL CHECK (provider ~ '^[a-z]{1,20}$'),
    reference    text        NOT NULL CHECK (length(reference) BETWEEN 1 AND 255),
    reply_hashes bytea[]     NOT NULL,
    received_at  timestamptz NOT NULL,
    heard_at     timestamptz,
    PRIMARY KEY (provider, reference),
    CHECK (heard_at IS NULL OR cardinality(reply_hashes) = 0)
);

GRANT SELECT, INSERT, UPDATE ON delivery, reply TO holdfast_service;
GRANT SELECT, INSERT ON delivery_report TO holdfast_service;
