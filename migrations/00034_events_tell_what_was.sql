-- +goose Up

-- What an event tells of a row is held against the telling before it (ADR 0041): "rows_was" says, as a digest, what a row that was changed or deleted was before
-- the transaction. Without it whoever edits a row waits for the service to write it the next time, and that event tells the edit as its own.
CREATE FUNCTION told_as(state jsonb) RETURNS text LANGUAGE sql IMMUTABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp AS $$
    SELECT left(encode(sha256(convert_to(state::text, 'UTF8')), 'hex'), 24)
$$;

-- As before. What was set outside this transaction, for a session, a role or a database, is nothing that it wrote.
-- +goose StatementBegin
CREATE OR REPLACE FUNCTION to_tell(said text) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    mine text := pg_current_xact_id()::text || ' ';
    told text := coalesce(current_setting('holdfast.told', true), '');
BEGIN
    PERFORM set_config('holdfast.told', CASE WHEN starts_with(told, mine) AND told <> mine THEN told || ',' || said ELSE mine || said END, true);
END $$;
-- +goose StatementEnd

-- Makes or makes anew the functions and triggers that tell of a table, as make_told did; each telling says also what was before, and whose row it is. Nothing is
-- carried: for tables of which the same is told on.
-- +goose StatementBegin
CREATE PROCEDURE retell(tab regclass, scope text, id text, fields text, makes boolean, bulk boolean, removes boolean, INOUT state text DEFAULT NULL) LANGUAGE plpgsql SET timezone = 'UTC' AS $$
DECLARE
    name   text := (SELECT c.relname FROM pg_class c WHERE c.oid = tab);
    mine   text := CASE WHEN tab = 'tenant'::regclass THEN 'x.id' ELSE 'x.tenant_id' END;
    telling text;
    differ text;
BEGIN
    SELECT string_agg(format('%L, %s', ltrim(f, '#'), CASE WHEN NOT starts_with(f, '#') THEN 'x.' || f
               WHEN a.atttypid = 'bytea'::regtype THEN format('left(encode(sha256(x.%I), ''hex''), 24)', a.attname)
               ELSE format('left(encode(sha256(convert_to(x.%I, ''UTF8'')), ''hex''), 24)', a.attname) END), ', ' ORDER BY n),
           string_agg(format('OLD.%1$I IS DISTINCT FROM NEW.%1$I', a.attname), ' OR ' ORDER BY n)
      INTO STRICT state, differ
      FROM unnest(string_to_array(fields, ' ')) WITH ORDINALITY AS given(f, n)
      JOIN pg_attribute a ON a.attrelid = tab AND a.attname = ltrim(f, '#') AND NOT a.attisdropped
    HAVING count(*) = cardinality(string_to_array(fields, ' '));
    state := format('jsonb_strip_nulls(jsonb_build_object(%s))', state);
    telling := format('jsonb_build_array(%s, %L, %s, %s, %%s, %s)', scope, name, id, '%s', mine); -- what is, and what was
    EXECUTE format('DROP TRIGGER IF EXISTS told_insert ON %1$s; DROP TRIGGER IF EXISTS told_update ON %1$s; DROP TRIGGER IF EXISTS told_delete ON %1$s', tab);
    EXECUTE format($f$CREATE OR REPLACE FUNCTION %I() RETURNS trigger LANGUAGE plpgsql SET timezone = 'UTC' AS $b$
        DECLARE x %s%%ROWTYPE; was text;
        BEGIN
            IF TG_OP = 'UPDATE' THEN x := OLD; was := told_as(%s); END IF;
            x := NEW; PERFORM to_tell(%s::text); RETURN NULL;
        END $b$ $f$, 'told_' || name, tab, state, format(telling, state, 'was'));
    EXECUTE format('CREATE TRIGGER told_update AFTER UPDATE ON %s FOR EACH ROW WHEN (%s) EXECUTE FUNCTION %I()', tab, differ, 'told_' || name);
    IF makes AND bulk THEN
        EXECUTE format($f$CREATE OR REPLACE FUNCTION %I() RETURNS trigger LANGUAGE plpgsql SET timezone = 'UTC' AS $b$
            DECLARE said text; BEGIN SELECT string_agg(%s::text, ',') INTO said FROM fresh x; IF said IS NOT NULL THEN PERFORM to_tell(said); END IF; RETURN NULL; END $b$ $f$,
            'told_' || name || '_made', format(telling, state, 'NULL'));
        EXECUTE format('CREATE TRIGGER told_insert AFTER INSERT ON %s REFERENCING NEW TABLE AS fresh FOR EACH STATEMENT EXECUTE FUNCTION %I()', tab, 'told_' || name || '_made');
    ELSIF makes THEN
        EXECUTE format('CREATE TRIGGER told_insert AFTER INSERT ON %s FOR EACH ROW EXECUTE FUNCTION %I()', tab, 'told_' || name);
    END IF;
    IF removes THEN
        EXECUTE format($f$CREATE OR REPLACE FUNCTION %I() RETURNS trigger LANGUAGE plpgsql SET timezone = 'UTC' AS $b$
            DECLARE x %s%%ROWTYPE; BEGIN x := OLD; PERFORM to_tell(%s::text); RETURN NULL; END $b$ $f$,
            'told_' || name || '_gone', tab, format(telling, 'NULL', format('told_as(%s)', state)));
        EXECUTE format('CREATE TRIGGER told_delete AFTER DELETE ON %s FOR EACH ROW EXECUTE FUNCTION %I()', tab, 'told_' || name || '_gone');
    END IF;
END $$;
-- +goose StatementEnd

-- As before: what tells of a table, and what stands in it taken over, for a table of which other things are told than before.
-- +goose StatementBegin
CREATE OR REPLACE PROCEDURE make_told(tab regclass, scope text, id text, fields text, makes boolean, bulk boolean, removes boolean) LANGUAGE plpgsql SET timezone = 'UTC' AS $$
DECLARE
    name  text := (SELECT c.relname FROM pg_class c WHERE c.oid = tab);
    state text;
BEGIN
    CALL retell(tab, scope, id, fields, makes, bulk, removes, state);
    EXECUTE format($f$INSERT INTO audit_event (tenant_id, id, at, actor_kind, action, subject, recovery_id, reason, outcome, details)
        SELECT tenant, event_id_at(holdfast_now()) || substr(md5(gen_random_uuid()::text), 1, 16), holdfast_now(), 'system', 'audit.carried',
               scope, CASE WHEN starts_with(scope, 'rcv_') THEN scope END, 'migration', 'success', jsonb_build_object('rows', jsonb_build_object(%L, ids))
          FROM (SELECT tenant, scope, jsonb_object_agg(id, told) AS ids
                  FROM (SELECT %s AS tenant, %s AS scope, %s AS id, %s AS told FROM %s x) rows
                 WHERE scope IS NOT NULL AND (%L OR told <> '{}') GROUP BY 1, 2) carried$f$,
        name, CASE WHEN tab = 'tenant'::regclass THEN 'x.id' ELSE 'x.tenant_id' END, scope, id, state, tab, makes);
END $$;
-- +goose StatementEnd
REVOKE ALL ON PROCEDURE make_told(regclass, text, text, text, boolean, boolean, boolean), retell(regclass, text, text, text, boolean, boolean, boolean, text) FROM PUBLIC;

-- As before; an event tells rows of its own tenant alone, nothing but this says what rows became, and what is carried is the schema's owner's to say: who may
-- act as the service's role need not be it at the moment.
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
        NEW.details := NEW.details || jsonb_build_object('rows_nth', nextval('audit_told_nth'));
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

CALL retell('account', 'x.id', 'x.id', 'population aal ial locale created_at erased_at erasure_asked_at erasure_asked_by', true, true, true);
CALL retell('channel', 'x.account_id', 'x.id', 'account_id kind since removed_at suspect_at suspect_until #sealed', true, true, true);
CALL retell('saved_code', 'x.account_id', 'x.id', 'account_id issued_at used_at revoked_at #phc', true, false, true);
CALL retell('legal_hold', 'coalesce(nullif(x.account_id, ''''), x.tenant_id)', 'x.account_id', 'set_at', true, false, true);
CALL retell('recovery', 'x.id', 'x.id', '#claimant_hash client_id subject created_at', true, false, false);
CALL retell('recovery_grant', 'x.recovery_id', 'x.id', 'recovery_id #token_hash issued_at expires_at voided_at redeemed_at redeemed_by', true, false, false);
CALL retell('challenge', 'x.recovery_id', 'x.id', 'recovery_id method channel_id sends attempts created_at expires_at accepted_at consumed_at', true, false, false);
CALL retell('objection', 'x.recovery_id', 'x.id', 'recovery_id channel strength at resolved_at', true, false, false);
CALL retell('claim_seat', 'x.recovery_id', 'x.recovery_id', 'expires_at taken_at taken_by notice_id', true, false, false);
CALL retell('support_case', 'x.id', 'x.id', 'recovery_id via opened_by state version workers barred flagged_at flag_reason ai_involved outcome created_at expires_at closed_at', true, false, false);
CALL retell('support_note', 'x.case_id', 'x.id', 'person client at #sealed', true, false, false);
CALL retell('support_artefact', 'x.case_id', 'x.id', 'recovery_id kind provider #hash performed_at person at', true, false, false);
CALL retell('support_proposal', 'x.case_id', 'x.id', 'recovery_id recovery_version outcome #hash policy_version person client ai security at expires_at status closed_at', true, false, false);
CALL retell('support_assignment', '(SELECT p.case_id FROM support_proposal p WHERE p.tenant_id = x.tenant_id AND p.id = x.proposal_id)',
    'x.proposal_id || ''/'' || x.person', 'at expires_at read_at', true, false, false);
CALL retell('support_decision', '(SELECT p.case_id FROM support_proposal p WHERE p.tenant_id = x.tenant_id AND p.id = x.proposal_id)',
    'x.proposal_id || ''/'' || x.person', 'consent security #hash #reason account read_at at', true, false, false);
CALL retell('client', 'x.id', 'x.id', 'kind scopes #owner created_at disabled_at', true, false, false);
CALL retell('client_credential', 'x.client_id', 'x.public_id', 'client_id #secret_hash created_at expires_at revoked_at', true, false, false);
CALL retell('client_key', 'x.client_id', 'x.client_id || ''/'' || x.kid', 'algorithm #jwk created_at expires_at revoked_at', true, false, false);
CALL retell('client_switch', 'x.subject', 'x.subject || ''/'' || x.version', 'off at changed_by', true, false, false);
CALL retell('control', 'x.id', 'x.id', 'kind value set_by_kind set_by set_at expires_at lifted_at lifted_by', true, false, false);
CALL retell('text_rule', 'x.tenant_id', 'x.tenant_id', 'version countries lines prefix_hour country_day day changed_at changed_by', true, false, false);
CALL retell('webhook_endpoint', 'x.id', 'x.id', 'kind #url events #audience #subject_issuer saved_code_type state public_keys previous_until created_at', true, false, false);
CALL retell('tenant', 'x.id', 'x.id', '#claim_url text_countries text_day', false, false, false);

-- Told of from now on: what of a proof weighs (whose age, how suspect), which notice it was whose acceptance opens the gate, whose links stop a recovery or hand
-- over its seat, and the step of the last code of a factor, which is good once.
CALL make_told('evidence', 'x.recovery_id', 'x.recovery_id || ''/'' || x.challenge_id',
    'recovery_id method class source source_since accepted_at phishing_resistant aal suspect', true, false, false);
CALL make_told('notice', 'coalesce(x.recovery_id, x.id)', 'x.id',
    'account_id recovery_id kind channel_id #objection_hash #claim_hash created_at accepted_at failed_at delivered_at failed_reason', true, false, false);
CALL make_told('factor', 'x.account_id', 'x.id', 'account_id kind enrolled_at confirmed_at removed_at suspect_at suspect_until last_step #sealed', true, false, true);
