-- +goose Up

-- What text messages may cost and reach (R-054 to R-061, ADR 0022).

-- Which countries a tenant's texts may go to (ISO 3166, two letters), and how many of them a day. Null: what the
-- installation says; an empty list: none.
ALTER TABLE tenant
    ADD COLUMN text_countries text[] CHECK (cardinality(text_countries) <= 250),
    ADD COLUMN text_day       integer CHECK (text_day BETWEEN 0 AND 10000000);

-- What a carrier said of a number, and when. Facts for later decisions; a carrier that did not answer leaves none, and unknown
-- is not "no swap" (R-056).
ALTER TABLE channel
    ADD COLUMN carrier_at      timestamptz, -- when it was asked last, with or without an answer
    ADD COLUMN carrier_line    text NOT NULL DEFAULT '' CHECK (length(carrier_line) <= 20),
    ADD COLUMN sim_known_at    timestamptz, -- when it last said whether and when the number moved to another SIM
    ADD COLUMN sim_swapped_at  timestamptz;

-- One code that was let through to a number. prefix is a keyed hash of the number without its last four digits.
CREATE TABLE text_send (
    tenant_id    text        NOT NULL,
    challenge_id text        NOT NULL,
    sends        integer     NOT NULL CHECK (sends BETWEEN 1 AND 5),
    channel_id   text        NOT NULL,
    country      text        NOT NULL CHECK (country ~ '^[A-Z0-9]{2,3}$'),
    prefix       bytea       NOT NULL CHECK (length(prefix) = 16),
    at           timestamptz NOT NULL,
    verified_at  timestamptz,
    PRIMARY KEY (tenant_id, challenge_id, sends)
);
CREATE INDEX text_send_prefix ON text_send (tenant_id, prefix, at);
CREATE INDEX text_send_country ON text_send (tenant_id, country, at);
CREATE INDEX text_send_known ON text_send (tenant_id, channel_id) WHERE verified_at IS NOT NULL;
CREATE INDEX text_send_at ON text_send (at);

-- How many were let through and verified, by hour: per tenant and country, per tenant (country ''), and in all (tenant '').
CREATE TABLE text_count (
    tenant_id text        NOT NULL,
    country   text        NOT NULL,
    slot      timestamptz NOT NULL,
    sent      integer     NOT NULL DEFAULT 0 CHECK (sent >= 0),
    verified  integer     NOT NULL DEFAULT 0 CHECK (verified >= 0),
    PRIMARY KEY (tenant_id, country, slot)
) WITH (fillfactor = 70);

-- A country or prefix whose codes nobody types in is left alone for a while (R-061).
CREATE TABLE text_pause (
    tenant_id text        NOT NULL,
    scope     text        NOT NULL CHECK (scope IN ('country', 'prefix')),
    key       text        NOT NULL,
    since     timestamptz NOT NULL,
    until     timestamptz NOT NULL CHECK (until > since),
    sent      integer     NOT NULL,
    verified  integer     NOT NULL,
    PRIMARY KEY (tenant_id, scope, key)
);

-- Pauses a country or a prefix when fewer than three in ten codes were typed in, of twenty at least, all of them verified or
-- three minutes old. The second pause within a day lasts a day. Gives whether it paused just now.
-- +goose StatementBegin
CREATE FUNCTION text_watch(in_tenant text, in_scope text, in_key text, seen integer, typed integer, present timestamptz) RETURNS boolean LANGUAGE plpgsql AS $$
BEGIN
    IF seen < 20 OR typed * 10 >= seen * 3 THEN
        RETURN false;
    END IF;
    INSERT INTO text_pause AS p (tenant_id, scope, key, since, until, sent, verified)
    VALUES (in_tenant, in_scope, in_key, present, present + interval '1 hour', seen, typed)
    ON CONFLICT (tenant_id, scope, key) DO UPDATE
       SET since = present, sent = seen, verified = typed,
           until = present + CASE WHEN p.since > present - interval '24 hours' THEN interval '24 hours' ELSE interval '1 hour' END;
    RETURN true;
END $$;
-- +goose StatementEnd

-- Lets one code through, or says by name what stands against it. Repeated for one sending it gives the first yes again.
-- Numbers that verified a code before have the last fifth of every budget to themselves, and no pause stops them (T12).
-- One tenant's are judged one after the other, so its budgets are exact; the installation's may be passed by as many as are
-- judged at the same moment. Budgets slide: a day is the last 24 hours and what has begun of the hour before them.
-- +goose StatementBegin
CREATE FUNCTION text_reserve(in_tenant text, in_challenge text, in_sends integer, in_channel text, in_country text, in_prefix bytea,
                             per_prefix integer, per_country integer, per_tenant integer, per_day integer)
RETURNS TABLE (refusal text, paused text, seen integer, typed integer) LANGUAGE plpgsql AS $$
DECLARE
    present timestamptz;
    day_ago timestamptz;
    known   boolean;
    used    bigint;
    cap     bigint;
BEGIN
    refusal := ''; paused := ''; seen := 0; typed := 0;
    PERFORM pg_advisory_xact_lock(hashtextextended('text ' || in_tenant, 0));
    present := holdfast_now();
    day_ago := date_trunc('hour', present - interval '24 hours');
    IF EXISTS (SELECT 1 FROM text_send s WHERE s.tenant_id = in_tenant AND s.challenge_id = in_challenge AND s.sends = in_sends) THEN
        RETURN NEXT; RETURN;
    END IF;
    known := EXISTS (SELECT 1 FROM text_send s WHERE s.tenant_id = in_tenant AND s.channel_id = in_channel AND s.verified_at IS NOT NULL);

    IF NOT known THEN
        IF EXISTS (SELECT 1 FROM text_pause p WHERE p.tenant_id = in_tenant AND p.until > present
                      AND ((p.scope = 'country' AND p.key = in_country) OR (p.scope = 'prefix' AND p.key = encode(in_prefix, 'hex')))) THEN
            refusal := 'text_paused'; RETURN NEXT; RETURN;
        END IF;
        SELECT count(*), count(w.verified_at) INTO seen, typed FROM (
            SELECT s.verified_at FROM text_send s
             WHERE s.tenant_id = in_tenant AND s.prefix = in_prefix AND s.at > present - interval '24 hours'
               AND (s.verified_at IS NOT NULL OR s.at < present - interval '3 minutes')
             ORDER BY s.at DESC LIMIT 200) w;
        IF text_watch(in_tenant, 'prefix', encode(in_prefix, 'hex'), seen, typed, present) THEN
            refusal := 'text_paused'; paused := 'prefix'; RETURN NEXT; RETURN;
        END IF;
        SELECT count(*), count(w.verified_at) INTO seen, typed FROM (
            SELECT s.verified_at FROM text_send s
             WHERE s.tenant_id = in_tenant AND s.country = in_country AND s.at > present - interval '1 hour'
               AND (s.verified_at IS NOT NULL OR s.at < present - interval '3 minutes')
             ORDER BY s.at DESC LIMIT 200) w;
        IF text_watch(in_tenant, 'country', in_country, seen, typed, present) THEN
            refusal := 'text_paused'; paused := 'country'; RETURN NEXT; RETURN;
        END IF;
    END IF;

    SELECT count(*) INTO used FROM (
        SELECT 1 FROM text_send s WHERE s.tenant_id = in_tenant AND s.prefix = in_prefix AND s.at > present - interval '1 hour' LIMIT per_prefix) w;
    IF used >= text_share(per_prefix, known) THEN
        refusal := 'text_prefix_spent'; RETURN NEXT; RETURN;
    END IF;
    SELECT greatest(per_country, 3 * coalesce(percentile_disc(0.95) WITHIN GROUP (ORDER BY d.verified), 0)) INTO cap FROM (
        SELECT coalesce(sum(c.verified), 0) AS verified
          FROM generate_series(1, 28) AS n
          LEFT JOIN text_count c ON c.tenant_id = in_tenant AND c.country = in_country
                AND c.slot >= date_trunc('day', present) - n * interval '1 day' AND c.slot < date_trunc('day', present) - (n - 1) * interval '1 day'
         GROUP BY n) d;
    SELECT coalesce(sum(c.sent), 0) INTO used FROM text_count c WHERE c.tenant_id = in_tenant AND c.country = in_country AND c.slot >= day_ago;
    IF used >= text_share(cap, known) THEN
        refusal := 'text_country_spent'; RETURN NEXT; RETURN;
    END IF;
    SELECT coalesce(sum(c.sent), 0) INTO used FROM text_count c WHERE c.tenant_id = in_tenant AND c.country = '' AND c.slot >= day_ago;
    IF used >= text_share(per_tenant, known) THEN
        refusal := 'text_tenant_spent'; RETURN NEXT; RETURN;
    END IF;
    SELECT coalesce(sum(c.sent), 0) INTO used FROM text_count c WHERE c.tenant_id = '' AND c.country = '' AND c.slot >= day_ago;
    IF used >= text_share(per_day, known) THEN
        refusal := 'text_day_spent'; RETURN NEXT; RETURN;
    END IF;

    INSERT INTO text_send (tenant_id, challenge_id, sends, channel_id, country, prefix, at)
    VALUES (in_tenant, in_challenge, in_sends, in_channel, in_country, in_prefix, present);
    INSERT INTO text_count AS c (tenant_id, country, slot, sent)
    VALUES (in_tenant, in_country, date_trunc('hour', present), 1), (in_tenant, '', date_trunc('hour', present), 1), ('', '', date_trunc('hour', present), 1)
    ON CONFLICT (tenant_id, country, slot) DO UPDATE SET sent = c.sent + 1;
    RETURN NEXT;
END $$;
-- +goose StatementEnd

-- What of a budget is there: all of it for who verified before, four fifths for everybody else.
-- +goose StatementBegin
CREATE FUNCTION text_share(budget bigint, known boolean) RETURNS bigint LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
    SELECT CASE WHEN known THEN budget ELSE budget * 4 / 5 END
$$;
-- +goose StatementEnd

-- A code that was sent by text was typed in. Once for each challenge.
-- +goose StatementBegin
CREATE FUNCTION text_verified(in_tenant text, in_challenge text) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    present timestamptz := holdfast_now();
    sent    record;
BEGIN
    UPDATE text_send s SET verified_at = present
     WHERE s.tenant_id = in_tenant AND s.challenge_id = in_challenge AND s.verified_at IS NULL
       AND s.sends = (SELECT max(x.sends) FROM text_send x WHERE x.tenant_id = in_tenant AND x.challenge_id = in_challenge)
    RETURNING s.country INTO sent;
    IF FOUND THEN
        INSERT INTO text_count AS c (tenant_id, country, slot, verified) VALUES (in_tenant, sent.country, date_trunc('hour', present), 1)
        ON CONFLICT (tenant_id, country, slot) DO UPDATE SET verified = c.verified + 1;
    END IF;
END $$;
-- +goose StatementEnd

-- The snapshot as before, with what carriers said. A number that moved to another SIM within a week is suspect (R-055).
-- +goose StatementBegin
CREATE OR REPLACE FUNCTION account_snapshot(in_tenant text, in_account text) RETURNS jsonb LANGUAGE plpgsql STABLE AS $$
DECLARE
    present timestamptz := holdfast_now();
BEGIN
    RETURN (SELECT jsonb_build_object(
        'id', a.id, 'population', a.population, 'aal', a.aal, 'ial', a.ial, 'locale', a.locale,
        'data_key', a.data_key, 'ref_sealed', a.ref_sealed, 'erased', a.erased_at IS NOT NULL, 'erasure_asked_at', a.erasure_asked_at,
        'channels', coalesce((
            SELECT jsonb_agg(jsonb_build_object('id', c.id, 'kind', c.kind, 'since', c.since, 'removed_at', c.removed_at,
                       'suspect_at', coalesce(suspect_now(c.suspect_at, c.suspect_until, present), suspect_now(c.sim_swapped_at, c.sim_swapped_at + interval '7 days', present)),
                       'sim_known_at', c.sim_known_at, 'sim_swapped_at', c.sim_swapped_at) ORDER BY c.since, c.id)
              FROM channel c WHERE c.tenant_id = a.tenant_id AND c.account_id = a.id), '[]'),
        'factors', coalesce((
            SELECT jsonb_agg(jsonb_build_object('id', f.id, 'kind', f.kind, 'sealed', f.sealed, 'since', f.confirmed_at,
                       'suspect_at', suspect_now(f.suspect_at, f.suspect_until, present), 'last_step', f.last_step) ORDER BY f.enrolled_at, f.id)
              FROM factor f WHERE f.tenant_id = a.tenant_id AND f.account_id = a.id AND f.confirmed_at IS NOT NULL AND f.removed_at IS NULL), '[]'),
        'saved', (
            SELECT jsonb_build_object('left', count(*), 'since', min(s.issued_at))
              FROM saved_code s WHERE s.tenant_id = a.tenant_id AND s.account_id = a.id AND s.used_at IS NULL AND s.revoked_at IS NULL),
        'disabled', coalesce((
            SELECT jsonb_agg(k.kind) FROM attempt_counter k
             WHERE k.tenant_id = a.tenant_id AND k.subject = a.id AND k.disabled_at IS NOT NULL), '[]'))
      FROM account a WHERE a.tenant_id = in_tenant AND a.id = in_account);
END $$;
-- +goose StatementEnd

GRANT SELECT, INSERT, UPDATE, DELETE ON text_send, text_count, text_pause TO holdfast_service;
GRANT EXECUTE ON FUNCTION text_watch(text, text, text, integer, integer, timestamptz), text_share(bigint, boolean),
    text_reserve(text, text, integer, text, text, bytea, integer, integer, integer, integer), text_verified(text, text) TO holdfast_service;
