-- +goose Up

-- When a client was last used by a cluster's tokens (ADR 0030): they are no credential of ours, and have no row but this.
CREATE TABLE client_workload (
    tenant_id     text        NOT NULL,
    client_id     text        NOT NULL,
    first_used_at timestamptz NOT NULL,
    last_used_at  timestamptz NOT NULL CHECK (last_used_at >= first_used_at),
    PRIMARY KEY (tenant_id, client_id),
    FOREIGN KEY (tenant_id, client_id) REFERENCES client (tenant_id, id)
);

-- What clients prove themselves by, for the detectors: credentials, keys as "client/key", and clusters' tokens as
-- "client@workload", which have no end of their own.
CREATE OR REPLACE VIEW client_proof AS
    SELECT public_id, tenant_id, client_id, created_at, expires_at, revoked_at, last_used_at FROM client_credential
    UNION ALL
    SELECT client_id || '/' || kid, tenant_id, client_id, created_at, expires_at, revoked_at, last_used_at FROM client_key
    UNION ALL
    SELECT client_id || '@workload', tenant_id, client_id, first_used_at, timestamptz '9999-01-01 00:00:00+00', NULL, last_used_at FROM client_workload;

GRANT SELECT, INSERT ON client_workload TO holdfast_service;
GRANT UPDATE (last_used_at) ON client_workload TO holdfast_service;
