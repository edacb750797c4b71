-- +goose Up

-- Taking the whole log away, and replaying recoveries from it, are events too (R-176), whoever signs in to the database for it. The
-- auditor's role may write nothing; this is the one event that it has written for it, by the owner of the schema. It can say which of two
-- readings, of which tenant, of how much, and no word of its own; who reads is the login of the session, which no client chooses. What the session
-- says that its transaction wrote (holdfast.told, which anybody can set) is not told by it.
-- +goose StatementBegin
CREATE FUNCTION audit_reading(what text, whose text, size bigint, cosignatures integer) RETURNS text
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp SET holdfast.told = '' AS $$
DECLARE
    at      timestamptz := public.holdfast_now();
    exactly numeric     := extract(epoch FROM at) * 1000;
    ms      bigint      := floor(exactly);
    random  bytea       := substring(uuid_send(gen_random_uuid()) FROM 9);
    bits    bit varying;
    id      text        := 'evt_';
BEGIN
    IF (what IN ('export', 'replay') AND (whose = '_fleet' OR what = 'replay' AND EXISTS (SELECT 1 FROM public.tenant t WHERE t.id = whose))
        AND size >= 0 AND cosignatures BETWEEN 0 AND 64) IS NOT TRUE THEN
        RAISE EXCEPTION 'no such reading, or no such tenant' USING ERRCODE = 'check_violation', CONSTRAINT = 'audit_reading';
    END IF;
    -- An id as the service makes them: a UUID of version 7 (RFC 9562), in Crockford's base32.
    bits := B'00' || ms::bit(48) || B'0111' || floor((exactly - ms) * 4096)::integer::bit(12) || ('x' || encode(random, 'hex'))::bit(64);
    FOR n IN 0 .. 25 LOOP
        id := id || substr('0123456789abcdefghjkmnpqrstvwxyz', substring(bits FROM 5 * n + 1 FOR 5)::bit(5)::integer + 1, 1);
    END LOOP;
    INSERT INTO public.audit_event (tenant_id, id, at, actor_kind, actor_id, action, subject, outcome, details)
    VALUES (whose, id, at, 'operator', session_user, CASE what WHEN 'export' THEN 'audit.exported' ELSE 'audit.read' END, 'audit_log', 'success',
            CASE what WHEN 'export' THEN jsonb_build_object('whole', true, 'format', 'ndjson', 'size', size, 'cosignatures', cosignatures)
                      ELSE jsonb_build_object('replay', true) END);
    RETURN id;
END $$;
-- +goose StatementEnd
REVOKE ALL ON FUNCTION audit_reading(text, text, bigint, integer) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION audit_reading(text, text, bigint, integer) TO holdfast_service, holdfast_auditor;
