-- +goose Up

-- Where a tenant's claimants go on with a recovery that support started: a page of the tenant's own app. Without one no case is
-- opened for an account (R-035: links are built of this and of nothing that a request says).
ALTER TABLE tenant ADD COLUMN claim_url text CHECK (claim_url ~ '^https?://[^\s#?]+$' AND length(claim_url) <= 500);

-- The link that a notice carries, by the hash of its secret (ADR 0007).
ALTER TABLE notice ADD COLUMN claim_hash bytea CHECK (length(claim_hash) = 32);
CREATE UNIQUE INDEX notice_claim ON notice (claim_hash) WHERE claim_hash IS NOT NULL;

-- The claimant's seat in a recovery that support started: any of its links hands it over, once for all of them.
CREATE TABLE claim_seat (
    tenant_id   text        NOT NULL,
    recovery_id text        NOT NULL,
    expires_at  timestamptz NOT NULL,
    taken_at    timestamptz,
    taken_by    text,        -- the client that brought the link
    notice_id   text,        -- the notice whose link it was
    PRIMARY KEY (tenant_id, recovery_id),
    FOREIGN KEY (tenant_id, recovery_id) REFERENCES recovery (tenant_id, id),
    FOREIGN KEY (tenant_id, notice_id) REFERENCES notice (tenant_id, id),
    CHECK ((taken_at IS NULL) = (taken_by IS NULL) AND (taken_at IS NULL) = (notice_id IS NULL)),
    CHECK (taken_at < expires_at)
);

-- It is taken once, in the life of a recovery that goes on, by a link of that very recovery.
-- +goose StatementBegin
CREATE FUNCTION claim_seat_is_taken_once() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF OLD.taken_at IS NOT NULL OR (NEW.tenant_id, NEW.recovery_id, NEW.expires_at) IS DISTINCT FROM (OLD.tenant_id, OLD.recovery_id, OLD.expires_at) THEN
        RAISE EXCEPTION 'a seat is taken once' USING ERRCODE = 'check_violation', CONSTRAINT = 'claim_seat_taken_once';
    END IF;
    IF NOT EXISTS (SELECT 1 FROM notice n JOIN recovery r ON r.tenant_id = n.tenant_id AND r.id = n.recovery_id
                    WHERE n.tenant_id = NEW.tenant_id AND n.id = NEW.notice_id AND n.recovery_id = NEW.recovery_id AND n.claim_hash IS NOT NULL
                      AND r.closed_at IS NULL) THEN
        RAISE EXCEPTION 'a seat is taken by a link of its recovery' USING ERRCODE = 'check_violation', CONSTRAINT = 'claim_seat_link';
    END IF;
    RETURN NEW;
END $$;
-- +goose StatementEnd
CREATE TRIGGER claim_seat_is_taken_once BEFORE UPDATE ON claim_seat FOR EACH ROW EXECUTE FUNCTION claim_seat_is_taken_once();

CREATE TRIGGER working_data_are_kept BEFORE DELETE ON claim_seat FOR EACH ROW EXECUTE FUNCTION working_data_are_kept();

GRANT SELECT, INSERT, DELETE ON claim_seat TO holdfast_service;
GRANT UPDATE (taken_at, taken_by, notice_id) ON claim_seat TO holdfast_service;
