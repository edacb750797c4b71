-- +goose Up

-- Months of the audit log are retired by policy (R-181, ADR 0042): whole, by the schema's owner alone, by the functions below, and
-- with an event that says so. Leaves, tiles, heads and checkpoints stay.

-- What was retired, so that readers can tell an event that went by policy from one that went otherwise, and so that a retirement that was
-- cut short is finished. It is no evidence: that is the event.
CREATE TABLE audit_retired (
    month      text        NOT NULL PRIMARY KEY, -- '202411', or 'before'
    event_id   text        NOT NULL,
    from_id    text        NOT NULL,             -- '' where it had no lower bound
    until_id   text        NOT NULL,
    ended_at   timestamptz NOT NULL,
    retired_at timestamptz NOT NULL,
    events     bigint      NOT NULL CHECK (events >= 0),
    cleared_at timestamptz                       -- when what stood around its events was gone as well
);
GRANT SELECT ON audit_retired TO holdfast_service;

-- +goose StatementBegin
CREATE FUNCTION audit_retired_stays() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'UPDATE' AND OLD.cleared_at IS NULL AND (to_jsonb(NEW) - 'cleared_at') = (to_jsonb(OLD) - 'cleared_at') THEN
        RETURN NEW;
    END IF;
    RAISE EXCEPTION '% admits no %', TG_TABLE_NAME, TG_OP USING ERRCODE = 'insufficient_privilege';
END $$;
-- +goose StatementEnd
CREATE TRIGGER audit_retired_stays BEFORE UPDATE OR DELETE ON audit_retired FOR EACH ROW EXECUTE FUNCTION audit_retired_stays();
CREATE TRIGGER audit_retired_remains BEFORE TRUNCATE ON audit_retired FOR EACH STATEMENT EXECUTE FUNCTION audit_retired_stays();

-- When an id of an event was made: the other direction of event_id_at.
-- +goose StatementBegin
CREATE FUNCTION event_id_time(id text) RETURNS timestamptz LANGUAGE plpgsql IMMUTABLE STRICT AS $$
DECLARE
    ms bigint := 0;
BEGIN
    FOR n IN 5 .. 14 LOOP
        ms := (ms << 5) + strpos('0123456789abcdefghjkmnpqrstvwxyz', substr(id, n, 1)) - 1;
    END LOOP;
    RETURN to_timestamp(ms / 1000.0);
END $$;
-- +goose StatementEnd

-- The months that there are, the oldest first, from the catalogue; without the default partition.
CREATE FUNCTION audit_months() RETURNS TABLE (month text, partition text, from_id text, until_id text, ended_at timestamptz)
    LANGUAGE sql STABLE SET search_path = pg_catalog, public, pg_temp AS $$
    SELECT substr(c.relname, 13), c.relname::text, coalesce(substring(b.bound FROM $q$FROM \('([^']+)'\)$q$), ''), u.id, public.event_id_time(u.id)
      FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid
     CROSS JOIN LATERAL (SELECT pg_get_expr(c.relpartbound, c.oid) AS bound) b
     CROSS JOIN LATERAL (SELECT substring(b.bound FROM $q$TO \('([^']+)'\)$q$) AS id) u
     WHERE i.inhparent = 'public.audit_event'::regclass AND u.id IS NOT NULL AND NOT i.inhdetachpending
     ORDER BY u.id
$$;

-- What keeps a month from being retired: a word for the rule, and what it is about. Nothing where it may go.
-- kept is how many months the installation keeps, 24 at least; origin names the log. The head that covers the month must have been taken by each
-- of these anchors, and by so many of these witnesses: those over a network that are configured. A file was told before anything was signed.
-- +goose StatementBegin
CREATE FUNCTION audit_month_kept(wanted text, origin text, kept integer, anchors text[], witnesses text[], quorum integer) RETURNS TABLE (rule text, about text)
    LANGUAGE plpgsql STABLE SET search_path = pg_catalog, public, pg_temp AS $$
DECLARE
    m       record;
    log     smallint := (SELECT l.id FROM public.audit_log l WHERE l.origin = audit_month_kept.origin);
    events  bigint;
    sealed  bigint;
    first   bigint;
    last    bigint;
    covered bigint;
    taken   bigint;
BEGIN
    SELECT * INTO m FROM public.audit_months() x WHERE x.month = wanted;
    IF NOT FOUND THEN
        RETURN QUERY SELECT 'missing', wanted;
        RETURN;
    END IF;
    IF kept IS NULL OR kept < 24 OR m.ended_at AT TIME ZONE 'UTC' + make_interval(months => kept) > public.holdfast_now() AT TIME ZONE 'UTC' THEN
        RETURN QUERY SELECT 'young', to_char(m.ended_at AT TIME ZONE 'UTC', 'YYYY-MM-DD');
        RETURN;
    END IF;
    EXECUTE format('SELECT count(*), count(l.leaf_index), min(l.leaf_index), max(l.leaf_index) FROM public.%I e
        LEFT JOIN public.audit_leaf l ON l.log_id = $1 AND l.tenant_id = e.tenant_id AND l.event_id = e.id', m.partition)
        INTO events, sealed, first, last USING log;
    IF sealed < events THEN
        RETURN QUERY SELECT 'unsealed', (events - sealed)::text;
        RETURN;
    END IF;
    IF events > 0 THEN
        -- An event that is gone already was not retired, and must not seem so.
        RETURN QUERY SELECT 'gone', l.tenant_id || ' ' || l.event_id FROM public.audit_leaf l
            WHERE l.log_id = log AND l.leaf_index BETWEEN first AND last AND l.event_id >= m.from_id AND l.event_id < m.until_id
              AND NOT EXISTS (SELECT 1 FROM public.audit_event e WHERE e.tenant_id = l.tenant_id AND e.id = l.event_id) LIMIT 100;
        SELECT max(c.size) INTO covered FROM public.audit_checkpoint c WHERE c.log_id = log;
        IF coalesce(covered, 0) <= last THEN
            RETURN QUERY SELECT 'unsigned', last::text;
        END IF;
        RETURN QUERY SELECT 'unanchored', a FROM unnest(anchors) a
            WHERE NOT EXISTS (SELECT 1 FROM public.audit_cosignature w WHERE w.log_id = log AND w.size > last AND w.witness = a);
        SELECT count(DISTINCT w.witness) INTO taken FROM public.audit_cosignature w WHERE w.log_id = log AND w.size > last AND w.witness = ANY (witnesses);
        IF taken < quorum THEN
            RETURN QUERY SELECT 'unanchored', taken || ' of ' || quorum || ' witnesses';
        END IF;
        RETURN QUERY EXECUTE format($q$SELECT 'held', h.tenant_id || ' ' || coalesce(nullif(h.account_id, ''), '(all)') FROM public.legal_hold h
            WHERE EXISTS (SELECT 1 FROM public.%1$I e WHERE e.tenant_id = h.tenant_id AND h.account_id = '')
               OR EXISTS (SELECT 1 FROM public.%1$I e WHERE e.tenant_id = h.tenant_id AND e.account_id = h.account_id) LIMIT 100$q$, m.partition);
        RETURN QUERY EXECUTE format($q$SELECT 'alive', r.tenant_id || ' ' || r.id
            FROM (SELECT DISTINCT e.tenant_id, e.recovery_id FROM public.%I e WHERE e.recovery_id IS NOT NULL) e
            JOIN public.recovery r ON r.tenant_id = e.tenant_id AND r.id = e.recovery_id WHERE r.forgotten_at IS NULL LIMIT 100$q$, m.partition);
    END IF;
END $$;
-- +goose StatementEnd

-- Only the functions below write that a month was retired, or what is carried on from one. Migrations carry as well (00031).
-- +goose StatementBegin
CREATE FUNCTION audit_event_is_owners() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF current_setting('holdfast.retiring', true) IS DISTINCT FROM pg_current_xact_id()::text
       OR NOT pg_has_role(current_user, (SELECT c.relowner FROM pg_class c WHERE c.oid = 'public.audit_event'::regclass), 'USAGE') THEN
        RAISE EXCEPTION '% is written by retiring a month alone', NEW.action USING ERRCODE = 'insufficient_privilege', CONSTRAINT = 'audit_event_is_owners';
    END IF;
    RETURN NEW;
END $$;
-- +goose StatementEnd
CREATE TRIGGER audit_event_is_owners BEFORE INSERT ON audit_event FOR EACH ROW
    WHEN (NEW.action = 'audit.retired' OR (NEW.action = 'audit.carried' AND NEW.reason = 'retention')) EXECUTE FUNCTION audit_event_is_owners();

-- An id of an event of now, as the service makes them.
CREATE FUNCTION event_id_now() RETURNS text LANGUAGE sql VOLATILE SET search_path = pg_catalog, public, pg_temp AS
    $$ SELECT public.event_id_at(public.holdfast_now()) || 'e008' || substr(md5(gen_random_uuid()::text), 1, 12) $$;

-- Writes down what has to be known on of things whose events are about to go: of a recovery up to which version, in which state, and what
-- its events said of its row by then; of any row that stands what was told of it last (ADR 0041). 1000 events at most. Gives how many it wrote.
-- +goose StatementBegin
CREATE FUNCTION audit_carry(wanted text, operator text, said jsonb) RETURNS integer LANGUAGE plpgsql SECURITY DEFINER
    SET search_path = pg_catalog, public, pg_temp AS $$
DECLARE
    n integer;
BEGIN
    IF jsonb_array_length(said) > 1000 OR NOT EXISTS (SELECT 1 FROM public.audit_months() x WHERE x.month = wanted) THEN
        RAISE EXCEPTION 'carries from a month, 1000 at a time' USING ERRCODE = 'check_violation', CONSTRAINT = 'audit_carry';
    END IF;
    PERFORM set_config('holdfast.retiring', pg_current_xact_id()::text, true);
    INSERT INTO public.audit_event (tenant_id, id, at, actor_kind, actor_id, action, subject, recovery_id, account_id, reason, outcome, details)
    SELECT x->>'tenant', public.event_id_now(), public.holdfast_now(), 'operator', operator, 'audit.carried', x->>'subject', x->>'recovery', x->>'account',
           'retention', 'success', (x->'details') || jsonb_build_object('month', wanted)
      FROM jsonb_array_elements(said) x;
    GET DIAGNOSTICS n = ROW_COUNT;
    PERFORM set_config('holdfast.retiring', '', true);
    RETURN n;
END $$;
-- +goose StatementEnd

-- Retires a month: takes the partition off and drops it, and writes the event, in this transaction. Everything is asked again here, under
-- locks that keep it so. expected is how many events were archived; archive names the digest of that, or says 'none'. What was retired before by
-- events of this month is said anew, so that it stays said. Gives the event's id.
-- +goose StatementBegin
CREATE FUNCTION audit_retire(wanted text, origin text, kept integer, anchors text[], witnesses text[], quorum integer, expected bigint, archive text, operator text)
    RETURNS text LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp SET lock_timeout = '2s' AS $$
DECLARE
    m       record;
    why     record;
    log     smallint := (SELECT l.id FROM public.audit_log l WHERE l.origin = audit_retire.origin);
    id      text     := public.event_id_now();
    events  bigint;
    first   bigint;
    last    bigint;
    head    record;
    again   jsonb;
    carried text;
BEGIN
    SELECT * INTO m FROM public.audit_months() x WHERE x.month = wanted;
    IF NOT FOUND THEN
        RAISE EXCEPTION 'no month % in the log', wanted USING ERRCODE = 'check_violation', CONSTRAINT = 'audit_retire_missing';
    END IF;
    IF archive !~ '^(none|sha256:[0-9a-f]{64})$' THEN
        RAISE EXCEPTION 'an archive is named by its digest' USING ERRCODE = 'check_violation', CONSTRAINT = 'audit_retire_archive';
    END IF;
    EXECUTE format('LOCK TABLE public.%I IN SHARE MODE', m.partition);
    LOCK TABLE public.legal_hold IN SHARE MODE;
    FOR why IN SELECT * FROM public.audit_month_kept(wanted, origin, kept, anchors, witnesses, quorum) LIMIT 1 LOOP
        RAISE EXCEPTION 'month % is kept: % %', wanted, why.rule, why.about USING ERRCODE = 'check_violation', CONSTRAINT = 'audit_retire_' || why.rule;
    END LOOP;
    EXECUTE format('SELECT count(*), min(l.leaf_index), max(l.leaf_index) FROM public.%I e
        JOIN public.audit_leaf l ON l.log_id = $1 AND l.tenant_id = e.tenant_id AND l.event_id = e.id', m.partition) INTO events, first, last USING log;
    IF events <> expected THEN
        RAISE EXCEPTION 'month % has % events, and % were looked at', wanted, events, expected USING ERRCODE = 'check_violation', CONSTRAINT = 'audit_retire_expected';
    END IF;
    EXECUTE format($q$SELECT e.tenant_id || ' ' || e.recovery_id FROM (SELECT DISTINCT x.tenant_id, x.recovery_id FROM public.%I x WHERE x.recovery_id IS NOT NULL) e
        WHERE EXISTS (SELECT 1 FROM public.audit_event l WHERE l.tenant_id = e.tenant_id AND l.recovery_id = e.recovery_id AND (l.id >= $1 OR l.id < $3) AND l.action <> 'audit.carried')
          AND NOT EXISTS (SELECT 1 FROM public.audit_event c WHERE c.tenant_id = e.tenant_id AND c.recovery_id = e.recovery_id AND c.action = 'audit.carried'
                             AND c.id >= $1 AND c.details->>'month' = $2 AND c.details ? 'version') LIMIT 1$q$, m.partition) INTO carried USING m.until_id, wanted, m.from_id;
    IF carried IS NOT NULL THEN
        RAISE EXCEPTION 'month % is kept: nothing carries on %', wanted, carried USING ERRCODE = 'check_violation', CONSTRAINT = 'audit_retire_uncarried';
    END IF;
    SELECT h.size, encode(h.root, 'base64') AS root INTO head FROM public.audit_head h JOIN public.audit_checkpoint c ON c.log_id = h.log_id AND c.size = h.size
     WHERE h.log_id = log ORDER BY h.size DESC LIMIT 1;
    EXECUTE format($q$SELECT jsonb_agg(e.details || jsonb_build_object('again', coalesce(e.details->>'again', e.id)) ORDER BY e.id) FROM public.%I e
        WHERE e.tenant_id = '_fleet' AND e.action = 'audit.retired'$q$, m.partition) INTO again;
    EXECUTE format('ALTER TABLE public.audit_event DETACH PARTITION public.%I', m.partition);
    EXECUTE format('DROP TABLE public.%I', m.partition);
    PERFORM set_config('holdfast.retiring', pg_current_xact_id()::text, true);
    INSERT INTO public.audit_event (tenant_id, id, at, actor_kind, actor_id, action, subject, reason, outcome, details)
    SELECT '_fleet', id, public.holdfast_now(), 'operator', operator, 'audit.retired', 'audit_log', 'retention', 'success', jsonb_strip_nulls(jsonb_build_object(
               'log', origin, 'month', wanted, 'from', CASE WHEN m.from_id <> '' THEN to_char(public.event_id_time(m.from_id) AT TIME ZONE 'UTC', 'YYYY-MM-DD') END,
               'until', to_char(m.ended_at AT TIME ZONE 'UTC', 'YYYY-MM-DD'), 'events', events, 'first_leaf', first, 'last_leaf', last,
               'head_size', head.size, 'head_root', head.root, 'kept_months', kept, 'archive', archive))
    UNION ALL
    SELECT '_fleet', public.event_id_now(), public.holdfast_now(), 'operator', operator, 'audit.retired', 'audit_log', 'retention', 'success', x
      FROM jsonb_array_elements(coalesce(again, '[]')) x;
    PERFORM set_config('holdfast.retiring', '', true);
    INSERT INTO public.audit_retired (month, event_id, from_id, until_id, ended_at, retired_at, events)
    VALUES (wanted, id, m.from_id, m.until_id, m.ended_at, public.holdfast_now(), events);
    RETURN id;
END $$;
-- +goose StatementEnd

-- What is kept as long as the log goes when the last event of its recovery has gone, and not before, whoever deletes it.
-- +goose StatementBegin
CREATE FUNCTION kept_as_long_as_the_log() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    gone     jsonb := to_jsonb(OLD);
    recovery text  := coalesce(gone->>'recovery_id', gone->>'id');
BEGIN
    IF TG_TABLE_NAME IN ('support_assignment', 'support_decision') THEN
        recovery := (SELECT p.recovery_id FROM public.support_proposal p WHERE p.tenant_id = OLD.tenant_id AND p.id = gone->>'proposal_id');
    END IF;
    IF recovery IS NULL OR EXISTS (SELECT 1 FROM public.audit_event e WHERE e.tenant_id = OLD.tenant_id AND e.recovery_id = recovery AND e.action <> 'audit.carried')
       OR (TG_TABLE_NAME = 'audit_version' AND EXISTS (SELECT 1 FROM public.recovery r WHERE r.tenant_id = OLD.tenant_id AND r.id = recovery))
       OR EXISTS (SELECT 1 FROM public.recovery r JOIN public.legal_hold h ON h.tenant_id = r.tenant_id AND h.account_id IN ('', r.account_id)
                   WHERE r.tenant_id = OLD.tenant_id AND r.id = recovery) THEN
        RAISE EXCEPTION '% is kept as long as the log', TG_TABLE_NAME USING ERRCODE = 'check_violation', CONSTRAINT = 'kept_as_long_as_the_log';
    END IF;
    RETURN OLD;
END $$;
-- +goose StatementEnd
CREATE TRIGGER kept_as_long_as_the_log BEFORE DELETE ON recovery FOR EACH ROW EXECUTE FUNCTION kept_as_long_as_the_log();
CREATE TRIGGER kept_as_long_as_the_log BEFORE DELETE ON evidence FOR EACH ROW EXECUTE FUNCTION kept_as_long_as_the_log();
CREATE TRIGGER kept_as_long_as_the_log BEFORE DELETE ON objection FOR EACH ROW EXECUTE FUNCTION kept_as_long_as_the_log();
CREATE TRIGGER kept_as_long_as_the_log BEFORE DELETE ON recovery_grant FOR EACH ROW EXECUTE FUNCTION kept_as_long_as_the_log();
CREATE TRIGGER kept_as_long_as_the_log BEFORE DELETE ON support_case FOR EACH ROW EXECUTE FUNCTION kept_as_long_as_the_log();
CREATE TRIGGER kept_as_long_as_the_log BEFORE DELETE ON support_artefact FOR EACH ROW EXECUTE FUNCTION kept_as_long_as_the_log();
CREATE TRIGGER kept_as_long_as_the_log BEFORE DELETE ON support_proposal FOR EACH ROW EXECUTE FUNCTION kept_as_long_as_the_log();
CREATE TRIGGER kept_as_long_as_the_log BEFORE DELETE ON support_assignment FOR EACH ROW EXECUTE FUNCTION kept_as_long_as_the_log();
CREATE TRIGGER kept_as_long_as_the_log BEFORE DELETE ON support_decision FOR EACH ROW EXECUTE FUNCTION kept_as_long_as_the_log();
-- The lock of a recovery's versions outlives their events, as long as there is a row that could take one again.
DROP TRIGGER audit_version_is_final ON audit_version;
CREATE TRIGGER audit_version_is_final BEFORE UPDATE ON audit_version FOR EACH ROW EXECUTE FUNCTION audit_log_is_final();
CREATE TRIGGER kept_as_long_as_the_log BEFORE DELETE ON audit_version FOR EACH ROW EXECUTE FUNCTION kept_as_long_as_the_log();

-- Deletes, after a retirement, up to so many recoveries that have no event left, with what stands around them, and up to so many rows that say
-- whence a retired event came. Gives how many rows of which table went; the months that are done are marked when none is left. To be called again until then.
-- +goose StatementBegin
CREATE FUNCTION audit_retire_rows(at_most integer) RETURNS jsonb LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp SET lock_timeout = '2s' AS $$
DECLARE
    bound text := (SELECT 'rcv_' || substr(max(until_id), 5) FROM public.audit_retired); -- of all: a hold may have kept rows, and be lifted since
    gone  jsonb := '{}';
    m     record;
    n     bigint;
    tab   text;
    ts    text[];
    ids   text[];
BEGIN
    IF bound IS NULL THEN
        RETURN gone;
    END IF;
    SELECT array_agg(x.tenant_id), array_agg(x.id) INTO ts, ids FROM (
        SELECT r.tenant_id, r.id FROM public.recovery r
         WHERE r.id < bound AND r.forgotten_at IS NOT NULL
           AND NOT EXISTS (SELECT 1 FROM public.audit_event e WHERE e.tenant_id = r.tenant_id AND e.recovery_id = r.id AND e.action <> 'audit.carried')
           AND NOT EXISTS (SELECT 1 FROM public.legal_hold h WHERE h.tenant_id = r.tenant_id AND h.account_id IN ('', coalesce(r.account_id, '')))
         ORDER BY r.tenant_id, r.id LIMIT at_most FOR UPDATE OF r SKIP LOCKED) x;
    IF ids IS NOT NULL THEN
        FOREACH tab IN ARRAY ARRAY['support_decision', 'support_assignment'] LOOP
            EXECUTE format('DELETE FROM public.%I d USING public.support_proposal p, unnest($1, $2) AS k (t, i)
                WHERE p.tenant_id = k.t AND p.recovery_id = k.i AND d.tenant_id = p.tenant_id AND d.proposal_id = p.id', tab) USING ts, ids;
            GET DIAGNOSTICS n = ROW_COUNT;
            gone := gone || jsonb_build_object(tab, n);
        END LOOP;
        FOREACH tab IN ARRAY ARRAY['support_proposal', 'support_artefact', 'support_case', 'evidence', 'objection', 'recovery_grant'] LOOP
            EXECUTE format('DELETE FROM public.%I d USING unnest($1, $2) AS k (t, i) WHERE d.tenant_id = k.t AND d.recovery_id = k.i', tab) USING ts, ids;
            GET DIAGNOSTICS n = ROW_COUNT;
            gone := gone || jsonb_build_object(tab, n);
        END LOOP;
        DELETE FROM public.recovery d USING unnest(ts, ids) AS k (t, i) WHERE d.tenant_id = k.t AND d.id = k.i;
        GET DIAGNOSTICS n = ROW_COUNT;
        gone := gone || jsonb_build_object('recovery', n);
        DELETE FROM public.audit_version d USING unnest(ts, ids) AS k (t, i) WHERE d.tenant_id = k.t AND d.recovery_id = k.i;
        GET DIAGNOSTICS n = ROW_COUNT;
        gone := gone || jsonb_build_object('audit_version', n);
        RETURN gone;
    END IF;
    FOR m IN SELECT from_id, until_id FROM public.audit_retired WHERE cleared_at IS NULL LOOP
        DELETE FROM public.audit_personal WHERE ctid = ANY (ARRAY(
            SELECT p.ctid FROM (SELECT tenant.id FROM public.tenant UNION ALL SELECT '_fleet' UNION ALL SELECT '') t
             CROSS JOIN LATERAL (SELECT x.ctid FROM public.audit_personal x WHERE x.tenant_id = t.id AND x.event_id >= m.from_id AND x.event_id < m.until_id
                                  ORDER BY x.event_id LIMIT at_most) p LIMIT at_most));
        GET DIAGNOSTICS n = ROW_COUNT;
        IF n > 0 THEN
            RETURN gone || jsonb_build_object('audit_personal', n);
        END IF;
    END LOOP;
    UPDATE public.audit_retired SET cleared_at = public.holdfast_now() WHERE cleared_at IS NULL;
    RETURN gone;
END $$;
-- +goose StatementEnd

-- How the months stand, for the service's metrics: the end of the oldest, for how long one has been past its time that no hold keeps, how many
-- months are made beyond the present one (-1: not even that), and whether events lie outside of all.
-- +goose StatementBegin
CREATE FUNCTION audit_months_stand(kept integer) RETURNS TABLE (oldest timestamptz, overdue double precision, ahead integer, stray boolean)
    LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
DECLARE
    present timestamptz := public.holdfast_now();
    this    timestamp   := date_trunc('month', present AT TIME ZONE 'UTC');
    m       record;
BEGIN
    overdue := 0;
    FOR m IN SELECT * FROM public.audit_months() LOOP
        oldest := coalesce(oldest, m.ended_at);
        EXIT WHEN (m.ended_at AT TIME ZONE 'UTC' + make_interval(months => kept)) AT TIME ZONE 'UTC' >= present;
        CONTINUE WHEN EXISTS (SELECT 1 FROM public.legal_hold h JOIN public.audit_event e ON e.tenant_id = h.tenant_id AND h.account_id IN ('', e.account_id)
                               WHERE e.id >= m.from_id AND e.id < m.until_id);
        overdue := extract(epoch FROM present - (m.ended_at AT TIME ZONE 'UTC' + make_interval(months => kept)) AT TIME ZONE 'UTC');
        EXIT;
    END LOOP;
    ahead := -1;
    WHILE ahead < 24 AND EXISTS (SELECT 1 FROM public.audit_months() x, public.event_id_at((this + (ahead + 1) * interval '1 month') AT TIME ZONE 'UTC') AS first
                                  WHERE first >= x.from_id AND first < x.until_id) LOOP
        ahead := ahead + 1;
    END LOOP;
    stray := public.audit_event_stray();
    RETURN NEXT;
END $$;
-- +goose StatementEnd

REVOKE ALL ON FUNCTION audit_months(), audit_month_kept(text, text, integer, text[], text[], integer), audit_carry(text, text, jsonb), audit_retire_rows(integer),
    audit_retire(text, text, integer, text[], text[], integer, bigint, text, text), audit_months_stand(integer), event_id_now() FROM PUBLIC;
GRANT EXECUTE ON FUNCTION audit_months_stand(integer) TO holdfast_service;
