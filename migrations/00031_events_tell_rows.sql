-- +goose Up

-- An event says what became of the rows that its transaction wrote (ADR 0041): each row as it stands after it, by table and id, in
-- the member "rows" of its details; "rows_nth" is the order of such events. The database says so, not the program: nobody can forget to, and replay can hold every row
-- that decides something against the log. What is secret or somebody's is told as a short digest; words that people wrote, keyed
-- hashes of names and addresses, and what is only counted are not told.

-- In which order rows were told. Who writes a row after another writes its event after that one's too, whatever time either began at.
CREATE SEQUENCE audit_told_nth;
GRANT USAGE ON SEQUENCE audit_told_nth TO holdfast_service;

-- What this transaction wrote and no event has told yet stands in the setting holdfast.told, as members of a JSON array:
-- [scope, table, id, fields]. The scope is what an event has to be about to tell it. It ends with the transaction.
-- +goose StatementBegin
CREATE FUNCTION to_tell(said text) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    PERFORM set_config('holdfast.told', CASE WHEN coalesce(current_setting('holdfast.told', true), '') = '' THEN said
                                             ELSE current_setting('holdfast.told') || ',' || said END, true);
END $$;
-- +goose StatementEnd

-- Makes or makes anew what tells of a table: functions and triggers by the name told_…. scope and id are expressions over x, a row.
-- A field with # before it is told as a digest. bulk says that rows are inserted many to a statement; insert and remove whether
-- it is told that a row was made or deleted. What stands in the table already is taken over as it stands, by events of the action audit.carried:
-- whoever changes what is told of a table calls this again, and nothing is unjustified for it.
-- +goose StatementBegin
CREATE PROCEDURE make_told(tab regclass, scope text, id text, fields text, makes boolean, bulk boolean, removes boolean) LANGUAGE plpgsql SET timezone = 'UTC' AS $$
DECLARE
    name   text := (SELECT c.relname FROM pg_class c WHERE c.oid = tab);
    mine   text := CASE WHEN tab = 'tenant'::regclass THEN 'x.id' ELSE 'x.tenant_id' END;
    state  text;
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
    state := format('jsonb_build_array(%s, %L, %s, jsonb_strip_nulls(jsonb_build_object(%s)))::text', scope, name, id, state);
    EXECUTE format('DROP TRIGGER IF EXISTS told_insert ON %1$s; DROP TRIGGER IF EXISTS told_update ON %1$s; DROP TRIGGER IF EXISTS told_delete ON %1$s', tab);
    EXECUTE format($f$CREATE OR REPLACE FUNCTION %I() RETURNS trigger LANGUAGE plpgsql SET timezone = 'UTC' AS $b$
        DECLARE x %s%%ROWTYPE; BEGIN x := NEW; PERFORM to_tell(%s); RETURN NULL; END $b$ $f$, 'told_' || name, tab, state);
    EXECUTE format('CREATE TRIGGER told_update AFTER UPDATE ON %s FOR EACH ROW WHEN (%s) EXECUTE FUNCTION %I()', tab, differ, 'told_' || name);
    IF makes AND bulk THEN
        EXECUTE format($f$CREATE OR REPLACE FUNCTION %I() RETURNS trigger LANGUAGE plpgsql SET timezone = 'UTC' AS $b$
            DECLARE said text; BEGIN SELECT string_agg(%s, ',') INTO said FROM fresh x; IF said IS NOT NULL THEN PERFORM to_tell(said); END IF; RETURN NULL; END $b$ $f$,
            'told_' || name || '_made', state);
        EXECUTE format('CREATE TRIGGER told_insert AFTER INSERT ON %s REFERENCING NEW TABLE AS fresh FOR EACH STATEMENT EXECUTE FUNCTION %I()', tab, 'told_' || name || '_made');
    ELSIF makes THEN
        EXECUTE format('CREATE TRIGGER told_insert AFTER INSERT ON %s FOR EACH ROW EXECUTE FUNCTION %I()', tab, 'told_' || name);
    END IF;
    IF removes THEN
        EXECUTE format($f$CREATE OR REPLACE FUNCTION %I() RETURNS trigger LANGUAGE plpgsql AS $b$
            DECLARE x %s%%ROWTYPE; BEGIN x := OLD; PERFORM to_tell(jsonb_build_array(%s, %L, %s, NULL)::text); RETURN NULL; END $b$ $f$,
            'told_' || name || '_gone', tab, scope, name, id);
        EXECUTE format('CREATE TRIGGER told_delete AFTER DELETE ON %s FOR EACH ROW EXECUTE FUNCTION %I()', tab, 'told_' || name || '_gone');
    END IF;
    EXECUTE format($f$INSERT INTO audit_event (tenant_id, id, at, actor_kind, action, subject, recovery_id, reason, outcome, details)
        SELECT tenant, event_id_at(holdfast_now()) || substr(md5(gen_random_uuid()::text), 1, 16), holdfast_now(), 'system', 'audit.carried',
               scope, CASE WHEN starts_with(scope, 'rcv_') THEN scope END, 'migration', 'success', jsonb_build_object('rows', jsonb_build_object(%L, ids))
          FROM (SELECT tenant, r->>0 AS scope, jsonb_object_agg(r->>2, r->3) AS ids FROM (SELECT %s AS tenant, (%s)::jsonb AS r FROM %s x) rows
                 WHERE r->>0 IS NOT NULL AND (%L OR r->3 <> '{}') GROUP BY 1, 2) carried$f$, name, mine, state, tab, makes);
END $$;
-- +goose StatementEnd
REVOKE ALL ON PROCEDURE make_told(regclass, text, text, text, boolean, boolean, boolean) FROM PUBLIC;

-- Whoever writes an event: salt and transaction are the database's, the account is the recovery's, what is personal goes beside it,
-- and what the transaction wrote of what the event is about is told by it. An import tells of all that it brought.
-- +goose StatementBegin
CREATE OR REPLACE FUNCTION audit_event_prepare() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    said text := current_setting('holdfast.told', true);
    tale jsonb;
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
        IF current_user = 'holdfast_service' THEN
            RAISE EXCEPTION 'what no event told is carried by the schema''s owner alone' USING ERRCODE = 'insufficient_privilege', CONSTRAINT = 'audit_event_carried';
        END IF;
        NEW.details := NEW.details || jsonb_build_object('rows_nth', nextval('audit_told_nth'));
    ELSIF said <> '' THEN
        WITH told AS (
            SELECT t, n, t->>0 IN (NEW.subject, NEW.recovery_id, NEW.account_id) OR NEW.action = 'account.imported' AS mine
              FROM jsonb_array_elements(('[' || said || ']')::jsonb) WITH ORDINALITY AS x(t, n)
        ), tables AS (
            SELECT t->>1 AS tab, jsonb_object_agg(t->>2, t->3 ORDER BY n) AS ids FROM told WHERE mine GROUP BY 1
        )
        SELECT (SELECT jsonb_object_agg(tab, ids) FROM tables), (SELECT string_agg(t::text, ',' ORDER BY n) FROM told WHERE mine IS NOT TRUE) INTO tale, rest;
        IF tale IS NOT NULL THEN
            NEW.details := NEW.details || jsonb_build_object('rows', tale, 'rows_nth', nextval('audit_told_nth'));
            PERFORM set_config('holdfast.told', coalesce(rest, ''), true);
        END IF;
    END IF;
    RETURN NEW;
END $$;
-- +goose StatementEnd

-- Accounts and what proves that somebody owns one.
CALL make_told('account', 'x.id', 'x.id', 'population aal ial locale created_at erased_at erasure_asked_at erasure_asked_by', true, true, true);
CALL make_told('channel', 'x.account_id', 'x.id', 'account_id kind since removed_at suspect_at suspect_until #sealed', true, true, true);
CALL make_told('factor', 'x.account_id', 'x.id', 'account_id kind enrolled_at confirmed_at removed_at suspect_at suspect_until #sealed', true, false, true);
CALL make_told('saved_code', 'x.account_id', 'x.id', 'account_id issued_at used_at revoked_at #phc', true, false, true);
CALL make_told('legal_hold', 'coalesce(nullif(x.account_id, ''''), x.tenant_id)', 'x.account_id', 'set_at', true, false, true);
-- Around a recovery. Its own row is told by the program (ADR 0028), but for who holds the claimant's seat.
CALL make_told('recovery', 'x.id', 'x.id', '#claimant_hash client_id subject created_at', true, false, false);
CALL make_told('recovery_grant', 'x.recovery_id', 'x.id', 'recovery_id #token_hash issued_at expires_at voided_at redeemed_at redeemed_by', true, false, false);
CALL make_told('challenge', 'x.recovery_id', 'x.id', 'recovery_id method channel_id sends attempts created_at expires_at accepted_at consumed_at', true, false, false);
CALL make_told('objection', 'x.recovery_id', 'x.id', 'recovery_id channel strength at resolved_at', true, false, false);
CALL make_told('claim_seat', 'x.recovery_id', 'x.recovery_id', 'expires_at taken_at taken_by notice_id', true, false, false);
CALL make_told('notice', 'x.id', 'x.id', 'accepted_at failed_at delivered_at failed_reason', false, false, false);
-- Cases.
CALL make_told('support_case', 'x.id', 'x.id', 'recovery_id via opened_by state version workers barred flagged_at flag_reason ai_involved outcome created_at expires_at closed_at', true, false, false);
CALL make_told('support_note', 'x.case_id', 'x.id', 'person client at #sealed', true, false, false);
CALL make_told('support_artefact', 'x.case_id', 'x.id', 'recovery_id kind provider #hash performed_at person at', true, false, false);
CALL make_told('support_proposal', 'x.case_id', 'x.id', 'recovery_id recovery_version outcome #hash policy_version person client ai security at expires_at status closed_at', true, false, false);
CALL make_told('support_assignment', '(SELECT p.case_id FROM support_proposal p WHERE p.tenant_id = x.tenant_id AND p.id = x.proposal_id)',
    'x.proposal_id || ''/'' || x.person', 'at expires_at read_at', true, false, false);
CALL make_told('support_decision', '(SELECT p.case_id FROM support_proposal p WHERE p.tenant_id = x.tenant_id AND p.id = x.proposal_id)',
    'x.proposal_id || ''/'' || x.person', 'consent security #hash #reason account read_at at', true, false, false);
-- Who may call, and what operators and tenants set.
CALL make_told('client', 'x.id', 'x.id', 'kind scopes #owner created_at disabled_at', true, false, false);
CALL make_told('client_credential', 'x.client_id', 'x.public_id', 'client_id #secret_hash created_at expires_at revoked_at', true, false, false);
CALL make_told('client_key', 'x.client_id', 'x.client_id || ''/'' || x.kid', 'algorithm #jwk created_at expires_at revoked_at', true, false, false);
CALL make_told('client_switch', 'x.subject', 'x.subject || ''/'' || x.version', 'off at changed_by', true, false, false);
CALL make_told('control', 'x.id', 'x.id', 'kind value set_by_kind set_by set_at expires_at lifted_at lifted_by', true, false, false);
CALL make_told('text_rule', 'x.tenant_id', 'x.tenant_id', 'version countries lines prefix_hour country_day day changed_at changed_by', true, false, false);
CALL make_told('webhook_endpoint', 'x.id', 'x.id', 'kind #url events #audience #subject_issuer saved_code_type state public_keys previous_until created_at', true, false, false);
CALL make_told('tenant', 'x.id', 'x.id', '#claim_url text_countries text_day', false, false, false);


-- Replay asks for the rows of many accounts, recoveries and cases at once, live or not.
DROP INDEX saved_code_account;
CREATE INDEX saved_code_account ON saved_code (tenant_id, account_id);
CREATE INDEX recovery_grant_recovery ON recovery_grant (tenant_id, recovery_id);
CREATE INDEX support_artefact_case ON support_artefact (tenant_id, case_id);
