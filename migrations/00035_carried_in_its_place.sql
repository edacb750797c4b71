-- +goose Up

-- As before; what is carried on from a month that is retired keeps its place in the order of tellings (ADR 0042). With a place of its own it would come after
-- what the service told of the same row meanwhile.
-- +goose StatementBegin
CREATE OR REPLACE FUNCTION audit_event_prepare() RETURNS trigger LANGUAGE plpgsql SET search_path = pg_catalog, public, pg_temp AS $$
DECLARE
    this text := pg_current_xact_id()::text || ' ';
    said text := current_setting('holdfast.told', true);
    tale jsonb;
    was  jsonb;
    rest text;
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
    IF NEW.action = 'audit.carried' THEN
        IF NOT pg_has_role(current_user, (SELECT c.relowner FROM pg_class c WHERE c.oid = 'public.audit_event'::regclass), 'USAGE') THEN
            RAISE EXCEPTION 'what no event told is carried by the schema''s owner alone' USING ERRCODE = 'insufficient_privilege', CONSTRAINT = 'audit_event_carried';
        END IF;
        IF NOT NEW.details ? 'rows_nth' THEN
            NEW.details := NEW.details || jsonb_build_object('rows_nth', nextval('audit_told_nth'));
        END IF;
        RETURN NEW;
    END IF;
    NEW.details := NEW.details - '{rows,rows_was,rows_nth}'::text[];
    IF starts_with(said, this) AND said <> this THEN
        WITH told AS (
            SELECT t, n, coalesce(t->>5 = NEW.tenant_id AND (NEW.action = 'account.imported' OR t->>0 IN (NEW.subject, NEW.recovery_id, NEW.account_id)), false) AS mine
              FROM jsonb_array_elements(('[' || substr(said, length(this) + 1) || ']')::jsonb) WITH ORDINALITY AS x(t, n)
        ), tables AS ( -- the last word of what is, and the first of what was
            SELECT t->>1 AS tab, jsonb_object_agg(t->>2, t->3 ORDER BY n) AS ids, jsonb_object_agg(t->>2, t->4 ORDER BY n DESC) AS was FROM told WHERE mine GROUP BY 1
        )
        SELECT (SELECT jsonb_object_agg(tab, ids) FROM tables), (SELECT jsonb_object_agg(tab, w) FROM (SELECT tab, jsonb_strip_nulls(tables.was) AS w FROM tables) x WHERE w <> '{}'),
               (SELECT string_agg(t::text, ',' ORDER BY n) FROM told WHERE NOT mine) INTO tale, was, rest;
        IF tale IS NOT NULL THEN
            NEW.details := NEW.details || jsonb_build_object('rows', tale, 'rows_nth', nextval('audit_told_nth')) || CASE WHEN was IS NULL THEN '{}' ELSE jsonb_build_object('rows_was', was) END;
            PERFORM set_config('holdfast.told', this || coalesce(rest, ''), true);
        END IF;
    END IF;
    RETURN NEW;
END $$;
-- +goose StatementEnd
