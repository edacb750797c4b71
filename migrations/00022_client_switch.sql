-- +goose Up

-- Switches that stop clients: every AI agent of a tenant or of all ('_fleet'; subject 'ai', R-142), and new clients of a person
-- who was disabled (subject is the person, R-136). The last version holds, and none says that it is on. Rows are never changed: who
-- switched, when and why stays.
CREATE TABLE client_switch (
    tenant_id  text        NOT NULL,
    subject    text        NOT NULL CHECK (subject ~ '^(ai|stf_[0-9a-hjkmnp-tv-z]{26})$'),
    version    bigint      NOT NULL CHECK (version > 0),
    off        boolean     NOT NULL,
    at         timestamptz NOT NULL,
    changed_by text        NOT NULL CHECK (changed_by <> ''),
    reason     text        NOT NULL CHECK (length(reason) <= 500 AND (subject <> 'ai' OR length(reason) >= 3)),
    PRIMARY KEY (tenant_id, subject, version)
);

-- +goose StatementBegin
CREATE FUNCTION ai_off(tenant text) RETURNS boolean LANGUAGE sql STABLE AS $$
    SELECT coalesce(bool_or(last.off), false)
      FROM unnest(ARRAY[tenant, '_fleet']) AS t(id),
           LATERAL (SELECT s.off FROM client_switch s WHERE s.tenant_id = t.id AND s.subject = 'ai' ORDER BY s.version DESC LIMIT 1) AS last
$$;
-- +goose StatementEnd

GRANT SELECT, INSERT ON client_switch TO holdfast_service;
