-- +goose Up

-- What a tenant lets its own text messages reach and cost, within what operators let it (ADR 0022). Null: what operators let it;
-- an empty list: nowhere.
CREATE TABLE text_rule (
    tenant_id   text PRIMARY KEY REFERENCES tenant,
    version     bigint      NOT NULL CHECK (version > 0),
    countries   text[] CHECK (cardinality(countries) <= 250),
    lines       text[] CHECK (cardinality(lines) > 0 AND lines <@ '{mobile,fixed_or_mobile,voip}'),
    prefix_hour integer CHECK (prefix_hour > 0),
    country_day integer CHECK (country_day > 0),
    day         integer CHECK (day > 0),
    changed_at  timestamptz NOT NULL,
    changed_by  text        NOT NULL CHECK (changed_by <> '')
);

-- A day's budget that is used up by seven tenths or more: its size when a code was judged by it last. Who looks counts what of it is
-- used; a budget that was raised meanwhile leaves with the next code. scope 'installation' has the tenant ''.
CREATE TABLE text_budget (
    tenant_id text        NOT NULL,
    scope     text        NOT NULL CHECK (scope IN ('country', 'tenant', 'installation')),
    country   text        NOT NULL,
    size      bigint      NOT NULL CHECK (size > 0),
    at        timestamptz NOT NULL,
    PRIMARY KEY (tenant_id, scope, country)
) WITH (fillfactor = 70);

-- Notes that a budget is nearly used up, or that it is not any more. A budget of nothing is nobody's surprise.
-- +goose StatementBegin
CREATE FUNCTION text_budget_note(in_tenant text, in_scope text, in_country text, used bigint, size bigint, present timestamptz) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    IF size > 0 AND (used + 1) * 10 >= size * 7 THEN
        INSERT INTO text_budget AS b (tenant_id, scope, country, size, at) VALUES (in_tenant, in_scope, in_country, size, present)
        ON CONFLICT (tenant_id, scope, country) DO UPDATE SET size = excluded.size, at = excluded.at;
    ELSE
        DELETE FROM text_budget b WHERE b.tenant_id = in_tenant AND b.scope = in_scope AND b.country = in_country;
    END IF;
END $$;
-- +goose StatementEnd

-- text_reserve of migration 00013, with a most for a country that a tenant sets itself (0 for none), and with budgets noted.
-- +goose StatementBegin
CREATE FUNCTION text_reserve(in_tenant text, in_challenge text, in_sends integer, in_channel text, in_country text, in_prefix bytea,
                             per_prefix integer, per_country integer, country_most integer, per_tenant integer, per_day integer)
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
    IF country_most > 0 THEN
        cap := least(cap, country_most);
    END IF;
    SELECT coalesce(sum(c.sent), 0) INTO used FROM text_count c WHERE c.tenant_id = in_tenant AND c.country = in_country AND c.slot >= day_ago;
    PERFORM text_budget_note(in_tenant, 'country', in_country, used, cap, present);
    IF used >= text_share(cap, known) THEN
        refusal := 'text_country_spent'; RETURN NEXT; RETURN;
    END IF;
    SELECT coalesce(sum(c.sent), 0) INTO used FROM text_count c WHERE c.tenant_id = in_tenant AND c.country = '' AND c.slot >= day_ago;
    PERFORM text_budget_note(in_tenant, 'tenant', '', used, per_tenant, present);
    IF used >= text_share(per_tenant, known) THEN
        refusal := 'text_tenant_spent'; RETURN NEXT; RETURN;
    END IF;
    SELECT coalesce(sum(c.sent), 0) INTO used FROM text_count c WHERE c.tenant_id = '' AND c.country = '' AND c.slot >= day_ago;
    PERFORM text_budget_note('', 'installation', '', used, per_day, present);
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

-- As the release before calls it.
-- +goose StatementBegin
CREATE OR REPLACE FUNCTION text_reserve(in_tenant text, in_challenge text, in_sends integer, in_channel text, in_country text, in_prefix bytea,
                                        per_prefix integer, per_country integer, per_tenant integer, per_day integer)
RETURNS TABLE (refusal text, paused text, seen integer, typed integer) LANGUAGE plpgsql AS $$
BEGIN
    RETURN QUERY SELECT r.refusal, r.paused, r.seen, r.typed
      FROM text_reserve(in_tenant, in_challenge, in_sends, in_channel, in_country, in_prefix, per_prefix, per_country, 0, per_tenant, per_day) r;
END $$;
-- +goose StatementEnd

GRANT SELECT, INSERT, UPDATE ON text_rule TO holdfast_service;
GRANT SELECT, INSERT, UPDATE, DELETE ON text_budget TO holdfast_service;
GRANT EXECUTE ON FUNCTION text_budget_note(text, text, text, bigint, bigint, timestamptz),
    text_reserve(text, text, integer, text, text, bytea, integer, integer, integer, integer, integer) TO holdfast_service;
