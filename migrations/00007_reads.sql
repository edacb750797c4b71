-- +goose Up

-- What a decision needs to know of an account, in one value: one round trip instead of five.
-- +goose StatementBegin
CREATE FUNCTION account_snapshot(in_tenant text, in_account text) RETURNS jsonb LANGUAGE plpgsql STABLE AS $$
BEGIN
    RETURN (SELECT jsonb_build_object(
        'id', a.id, 'population', a.population, 'aal', a.aal, 'ial', a.ial, 'locale', a.locale,
        'data_key', a.data_key, 'ref_sealed', a.ref_sealed, 'erased', a.erased_at IS NOT NULL,
        'channels', coalesce((
            SELECT jsonb_agg(jsonb_build_object('id', c.id, 'kind', c.kind, 'since', c.since, 'removed_at', c.removed_at, 'suspect_at', c.suspect_at) ORDER BY c.since, c.id)
              FROM channel c WHERE c.tenant_id = a.tenant_id AND c.account_id = a.id), '[]'),
        'factors', coalesce((
            SELECT jsonb_agg(jsonb_build_object('id', f.id, 'kind', f.kind, 'sealed', f.sealed, 'since', f.confirmed_at, 'suspect_at', f.suspect_at, 'last_step', f.last_step) ORDER BY f.enrolled_at, f.id)
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

-- An account whose snapshot is read and thrown away where there is none, so that an unknown identifier costs the same work
-- (R-072). Which one it is does not matter; it has to exist.
-- +goose StatementBegin
CREATE FUNCTION stand_in(in_tenant text) RETURNS text LANGUAGE plpgsql STABLE AS $$
BEGIN
    RETURN (SELECT a.id FROM account a WHERE a.tenant_id = in_tenant AND a.erased_at IS NULL ORDER BY a.id LIMIT 1);
END $$;
-- +goose StatementEnd

-- What happened to a subject before: a real account or the pseudonym of an unknown identifier, alike. Of earlier recoveries
-- only those count that were proven: else any stranger could raise the risk of an owner's recovery by starting others (R-106).
-- +goose StatementBegin
CREATE FUNCTION subject_history(in_tenant text, in_subject text, in_recovery text) RETURNS jsonb LANGUAGE plpgsql VOLATILE AS $$
DECLARE
    present timestamptz := holdfast_now();
BEGIN
    RETURN (SELECT jsonb_build_object(
        'recoveries', count(*) FILTER (WHERE r.held_at IS NOT NULL),
        'objected', coalesce(bool_or(EXISTS (SELECT 1 FROM objection o WHERE o.tenant_id = in_tenant AND o.recovery_id = r.id)) FILTER (WHERE r.held_at IS NOT NULL), false),
        'failures', (SELECT count(*) FROM attempt_counter k, unnest(k.recent) t
                      WHERE k.tenant_id = in_tenant AND k.subject = in_subject AND k.kind NOT LIKE 'send:%' AND t > present - interval '24 hours'))
      FROM (SELECT x.id, x.held_at FROM recovery x
             WHERE x.tenant_id = in_tenant AND x.subject = in_subject AND x.id <> in_recovery AND x.created_at > present - interval '30 days'
             ORDER BY x.created_at DESC LIMIT 1000) r);
END $$;
-- +goose StatementEnd

GRANT EXECUTE ON FUNCTION account_snapshot(text, text), subject_history(text, text, text), stand_in(text), holdfast_now() TO holdfast_service;
