-- +goose Up

-- The audit events, by month (ADR 0039). The key is the event's id, which begins with its time: the primary key holds it, so an id is
-- still good once, and a page of any filter is in order. What was written until now becomes the first partition as it is: it is looked
-- through once and not copied.

-- The optimistic lock (ADR 0012). A version of a recovery has one event, in whichever month: a unique index over partitions would
-- have to hold their key, so the rule has a narrow table of its own. Only the trigger on events writes it.
CREATE TABLE audit_version (
    tenant_id        text           NOT NULL,
    recovery_id      text           NOT NULL,
    recovery_version bigint         NOT NULL,
    to_state         recovery_state NOT NULL
);

LOCK TABLE audit_event IN ACCESS EXCLUSIVE MODE;
INSERT INTO audit_version SELECT tenant_id, recovery_id, recovery_version, to_state FROM audit_event WHERE recovery_version IS NOT NULL;
DROP INDEX audit_event_version;
ALTER TABLE audit_version ADD CONSTRAINT audit_event_version PRIMARY KEY (tenant_id, recovery_id, recovery_version);

DROP TRIGGER audit_event_is_final ON audit_event;
DROP TRIGGER audit_event_stays ON audit_event;
DROP TRIGGER audit_event_has_recovery ON audit_event;
DROP TRIGGER audit_event_prepare ON audit_event;
ALTER TABLE audit_event RENAME TO audit_event_before;
ALTER TABLE audit_event_before RENAME CONSTRAINT audit_event_pkey TO audit_event_before_pkey;
ALTER INDEX audit_event_subject RENAME TO audit_event_before_subject;
ALTER INDEX audit_event_account RENAME TO audit_event_before_account;
ALTER INDEX audit_event_recovery RENAME TO audit_event_before_recovery;
ALTER INDEX audit_event_action RENAME TO audit_event_before_action;
ALTER INDEX audit_event_actor RENAME TO audit_event_before_actor;
ALTER INDEX audit_event_xact RENAME TO audit_event_before_xact;
ALTER INDEX audit_event_at RENAME TO audit_event_before_at;

CREATE TABLE audit_event (
    tenant_id        text        NOT NULL,
    id               text        NOT NULL,
    at               timestamptz NOT NULL,
    actor_kind       text        NOT NULL CONSTRAINT audit_event_actor_kind_check CHECK (actor_kind IN ('client', 'claimant', 'owner', 'agent', 'ai', 'operator', 'system')),
    actor_id         text        NOT NULL DEFAULT '',
    action           text        NOT NULL,
    subject          text        NOT NULL,
    recovery_id      text,
    recovery_version bigint,
    from_state       recovery_state,
    to_state         recovery_state,
    reason           text        NOT NULL DEFAULT '',
    policy_version   text        NOT NULL DEFAULT '',
    outcome          text        NOT NULL CONSTRAINT audit_event_outcome_check CHECK (outcome IN ('success', 'failure')),
    origin           text        NOT NULL DEFAULT '',
    request_id       text        NOT NULL DEFAULT '',
    details          jsonb       NOT NULL DEFAULT '{}',
    account_id       text,
    salt             bytea       NOT NULL DEFAULT uuid_send(gen_random_uuid()),
    xact             xid8        NOT NULL DEFAULT pg_current_xact_id(),
    PRIMARY KEY (tenant_id, id),
    CONSTRAINT audit_event_check CHECK ((recovery_version IS NULL) = (to_state IS NULL)),
    CONSTRAINT audit_event_check1 CHECK (recovery_version IS NULL OR recovery_id IS NOT NULL)
) PARTITION BY RANGE (id);
CREATE INDEX audit_event_subject ON audit_event (tenant_id, subject, id);
CREATE INDEX audit_event_account ON audit_event (tenant_id, account_id, id) WHERE account_id IS NOT NULL;
CREATE INDEX audit_event_recovery ON audit_event (tenant_id, recovery_id, id) WHERE recovery_id IS NOT NULL;
CREATE INDEX audit_event_action ON audit_event (tenant_id, action, id);
CREATE INDEX audit_event_actor ON audit_event (tenant_id, actor_id, id) WHERE actor_id <> '';
CREATE INDEX audit_event_xact ON audit_event (xact);
CREATE INDEX audit_event_at ON audit_event USING brin (at);

-- What no month was made for: an insert never fails for want of a partition.
CREATE TABLE audit_event_default PARTITION OF audit_event DEFAULT;

-- The beginning of the event ids of a moment: its milliseconds in ten digits of Crockford's base32, as the service makes ids.
-- +goose StatementBegin
CREATE FUNCTION event_id_at(moment timestamptz) RETURNS text LANGUAGE plpgsql IMMUTABLE AS $$
DECLARE
    left_over bigint := floor(extract(epoch FROM moment) * 1000);
    digits    text   := '';
BEGIN
    FOR n IN 1 .. 10 LOOP
        digits := substr('0123456789abcdefghjkmnpqrstvwxyz', (left_over & 31)::int + 1, 1) || digits;
        left_over := left_over >> 5;
    END LOOP;
    RETURN 'evt_' || digits;
END $$;
-- +goose StatementEnd

-- +goose StatementBegin
DO $$
DECLARE
    bound text := event_id_at((date_trunc('month', holdfast_now() AT TIME ZONE 'UTC') + interval '1 month') AT TIME ZONE 'UTC');
BEGIN
    -- Where the development clock was put back, or an id is none of the service's.
    WITH later AS (DELETE FROM audit_event_before WHERE id >= bound RETURNING *) INSERT INTO audit_event_default SELECT * FROM later;
    EXECUTE format('ALTER TABLE audit_event ATTACH PARTITION audit_event_before FOR VALUES FROM (MINVALUE) TO (%L)', bound);
END $$;
-- +goose StatementEnd
REVOKE ALL ON audit_event_before FROM holdfast_service, holdfast_auditor;

-- The version of a recovery is taken by the event that was written first, whoever writes and in whichever month.
-- +goose StatementBegin
CREATE FUNCTION audit_event_takes_version() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
BEGIN
    INSERT INTO audit_version (tenant_id, recovery_id, recovery_version, to_state) VALUES (NEW.tenant_id, NEW.recovery_id, NEW.recovery_version, NEW.to_state);
    RETURN NULL;
END $$;
-- +goose StatementEnd
REVOKE ALL ON FUNCTION audit_event_takes_version() FROM PUBLIC;

CREATE TRIGGER audit_event_prepare BEFORE INSERT ON audit_event FOR EACH ROW EXECUTE FUNCTION audit_event_prepare();
CREATE TRIGGER audit_event_takes_version AFTER INSERT ON audit_event FOR EACH ROW
    WHEN (NEW.recovery_version IS NOT NULL) EXECUTE FUNCTION audit_event_takes_version();
CREATE CONSTRAINT TRIGGER audit_event_has_recovery AFTER INSERT ON audit_event DEFERRABLE INITIALLY DEFERRED
    FOR EACH ROW WHEN (NEW.recovery_version IS NOT NULL) EXECUTE FUNCTION audit_event_has_recovery();
CREATE TRIGGER audit_event_is_final BEFORE UPDATE OR DELETE ON audit_event FOR EACH ROW EXECUTE FUNCTION audit_event_is_final();
-- Partitions inherit what is done for each row, and not this: each has its own.
CREATE TRIGGER audit_event_stays BEFORE TRUNCATE ON audit_event FOR EACH STATEMENT EXECUTE FUNCTION audit_event_is_final();
CREATE TRIGGER audit_event_stays BEFORE TRUNCATE ON audit_event_before FOR EACH STATEMENT EXECUTE FUNCTION audit_event_is_final();
CREATE TRIGGER audit_event_stays BEFORE TRUNCATE ON audit_event_default FOR EACH STATEMENT EXECUTE FUNCTION audit_event_is_final();
CREATE TRIGGER audit_version_is_final BEFORE UPDATE OR DELETE ON audit_version FOR EACH ROW EXECUTE FUNCTION audit_log_is_final();
CREATE TRIGGER audit_version_stays BEFORE TRUNCATE ON audit_version FOR EACH STATEMENT EXECUTE FUNCTION audit_log_is_final();

-- I10, one way, as before.
-- +goose StatementBegin
CREATE OR REPLACE FUNCTION recovery_has_event() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF NOT EXISTS (SELECT 1 FROM audit_version
                    WHERE tenant_id = NEW.tenant_id AND recovery_id = NEW.id AND recovery_version = NEW.version AND to_state = NEW.state) THEN
        RAISE EXCEPTION 'recovery version without its audit event' USING ERRCODE = 'check_violation', CONSTRAINT = 'recovery_has_event';
    END IF;
    RETURN NULL;
END $$;
-- +goose StatementEnd

-- Makes the months to come, as the owner of the schema, so that the service needs no right to make tables and owns none. A month that is
-- there is left alone, and so is one whose events lie in the default partition already. Gives how many it made.
-- To attach one locks the default partition for a moment, which readers wait for: where they keep it waiting, it gives up until it is called again.
-- +goose StatementBegin
CREATE FUNCTION audit_event_months(ahead integer) RETURNS integer LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp SET lock_timeout = '2s' AS $$
DECLARE
    this  timestamp := date_trunc('month', public.holdfast_now() AT TIME ZONE 'UTC');
    first text;
    last  text;
    name  text;
    made  integer := 0;
BEGIN
    IF ahead NOT BETWEEN 1 AND 24 THEN
        RAISE EXCEPTION 'from 1 to 24 months' USING ERRCODE = 'check_violation', CONSTRAINT = 'audit_event_months';
    END IF;
    FOR n IN 1 .. ahead LOOP
        name := 'audit_event_' || to_char(this + n * interval '1 month', 'YYYYMM');
        CONTINUE WHEN to_regclass('public.' || name) IS NOT NULL;
        -- Nodes look at the same moment; one of them makes it, and nobody waits.
        IF NOT pg_try_advisory_xact_lock(hashtextextended('audit_event_months', 0)) THEN
            RETURN made;
        END IF;
        first := public.event_id_at((this + n * interval '1 month') AT TIME ZONE 'UTC');
        last  := public.event_id_at((this + (n + 1) * interval '1 month') AT TIME ZONE 'UTC');
        CONTINUE WHEN to_regclass('public.' || name) IS NOT NULL OR EXISTS (SELECT 1 FROM public.audit_event_default WHERE id >= first AND id < last);
        EXECUTE format('CREATE TABLE public.%I (LIKE public.audit_event INCLUDING DEFAULTS INCLUDING CONSTRAINTS)', name);
        EXECUTE format('REVOKE ALL ON public.%I FROM PUBLIC, holdfast_service, holdfast_auditor', name);
        EXECUTE format('CREATE TRIGGER audit_event_stays BEFORE TRUNCATE ON public.%I FOR EACH STATEMENT EXECUTE FUNCTION public.audit_event_is_final()', name);
        EXECUTE format('ALTER TABLE public.audit_event ATTACH PARTITION public.%I FOR VALUES FROM (%L) TO (%L)', name, first, last);
        made := made + 1;
    END LOOP;
    RETURN made;
END $$;
-- +goose StatementEnd
-- Whether events lie outside of all months. Asked of the whole, it would look through every month.
CREATE FUNCTION audit_event_stray() RETURNS boolean LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS
    'SELECT EXISTS (SELECT 1 FROM public.audit_event_default)';
REVOKE ALL ON FUNCTION audit_event_months(integer), audit_event_stray() FROM PUBLIC;
GRANT EXECUTE ON FUNCTION audit_event_months(integer), audit_event_stray(), event_id_at(timestamptz) TO holdfast_service;
SELECT audit_event_months(3);

GRANT SELECT, INSERT ON audit_event TO holdfast_service;
GRANT SELECT ON audit_version TO holdfast_service;
GRANT SELECT ON audit_event TO holdfast_auditor;
