-- +goose Up

-- Public keys by which clients sign assertions of their own (RFC 7523; R-134, R-135). A key is one client's alone: its name says
-- whose it is, and its form says the one algorithm that it verifies.
CREATE TABLE client_key (
    client_id    text        NOT NULL,
    kid          text        NOT NULL CHECK (kid ~ '^[A-Za-z0-9._~-]{1,100}$'),
    tenant_id    text        NOT NULL,
    algorithm    text        NOT NULL CHECK (algorithm IN ('EdDSA', 'ES256', 'RS256')),
    jwk          text        NOT NULL CHECK (length(jwk) BETWEEN 2 AND 4096),
    created_at   timestamptz NOT NULL,
    expires_at   timestamptz NOT NULL CHECK (expires_at > created_at AND expires_at <= created_at + interval '400 days'),
    revoked_at   timestamptz,
    last_used_at timestamptz,
    PRIMARY KEY (client_id, kid),
    FOREIGN KEY (tenant_id, client_id) REFERENCES client (tenant_id, id)
);

-- Two live keys at once are a rotation, as with credentials.
-- +goose StatementBegin
CREATE FUNCTION client_key_two_live() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM 1 FROM client WHERE tenant_id = NEW.tenant_id AND id = NEW.client_id FOR UPDATE;
    IF (SELECT count(*) FROM client_key
         WHERE client_id = NEW.client_id AND revoked_at IS NULL AND expires_at > NEW.created_at) > 2 THEN
        RAISE EXCEPTION 'a client has at most two live keys' USING ERRCODE = 'check_violation', CONSTRAINT = 'client_key_two_live';
    END IF;
    RETURN NULL;
END $$;
-- +goose StatementEnd
CREATE TRIGGER client_key_two_live AFTER INSERT ON client_key FOR EACH ROW EXECUTE FUNCTION client_key_two_live();

-- Assertions that were presented, by the hash of their jti. Each is good once; a row is of no use once the assertion is over.
CREATE TABLE client_assertion (
    client_id  text        NOT NULL,
    jti_hash   bytea       NOT NULL CHECK (length(jti_hash) = 32),
    expires_at timestamptz NOT NULL,
    PRIMARY KEY (client_id, jti_hash)
);
CREATE INDEX client_assertion_expires ON client_assertion (expires_at);

-- What clients prove themselves by, for the detectors: credentials, and keys as "client/key".
CREATE VIEW client_proof AS
    SELECT public_id, tenant_id, client_id, created_at, expires_at, revoked_at, last_used_at FROM client_credential
    UNION ALL
    SELECT client_id || '/' || kid, tenant_id, client_id, created_at, expires_at, revoked_at, last_used_at FROM client_key;

GRANT SELECT ON client_proof TO holdfast_service;
GRANT SELECT, INSERT ON client_key TO holdfast_service;
GRANT UPDATE (revoked_at, last_used_at) ON client_key TO holdfast_service;
GRANT SELECT, INSERT, DELETE ON client_assertion TO holdfast_service;
