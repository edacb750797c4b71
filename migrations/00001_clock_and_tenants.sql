-- +goose Up

-- The one clock. Everything that decides whether something is due reads holdfast_now() inside its transaction (ADR 0005).
-- clock_shift is empty in production, and the service refuses to start there when it is not; development and tests move
-- time by it, and all timers with it.
--
-- It moves while a statement runs: where many rows are compared with it, write (SELECT holdfast_now()), which is one moment
-- and lets an index be used. It is PL/pgSQL, here and below, because that keeps its plan from call to call.
CREATE TABLE clock_shift (
    only_row boolean PRIMARY KEY DEFAULT true CHECK (only_row),
    by       interval NOT NULL
);

-- +goose StatementBegin
CREATE FUNCTION holdfast_now() RETURNS timestamptz LANGUAGE plpgsql VOLATILE PARALLEL SAFE AS $$
BEGIN
    RETURN clock_timestamp() + coalesce((SELECT by FROM clock_shift), interval '0');
END $$;
-- +goose StatementEnd

CREATE TABLE tenant (
    id              text PRIMARY KEY CHECK (id ~ '^[a-z0-9][a-z0-9_-]{0,62}$'),
    name            text        NOT NULL CHECK (length(name) BETWEEN 1 AND 100),
    support_contact text        NOT NULL DEFAULT '',
    locale          text        NOT NULL DEFAULT 'en',
    created_at      timestamptz NOT NULL
);

-- A non-human caller. Every client has a human owner (R-136).
CREATE TABLE client (
    tenant_id   text        NOT NULL REFERENCES tenant,
    id          text        NOT NULL,
    name        text        NOT NULL,
    kind        text        NOT NULL CHECK (kind IN ('service', 'publishable')),
    owner       text        NOT NULL CHECK (owner <> ''),
    scopes      text[]      NOT NULL CHECK (cardinality(scopes) > 0),
    created_at  timestamptz NOT NULL,
    disabled_at timestamptz,
    PRIMARY KEY (tenant_id, id),
    -- A publishable credential lies in an app that anybody can open: it starts and continues recoveries, nothing else.
    CHECK (kind <> 'publishable' OR scopes = '{recoveries:start}')
);

CREATE TABLE client_credential (
    public_id    text PRIMARY KEY,
    tenant_id    text        NOT NULL,
    client_id    text        NOT NULL,
    secret_hash  bytea       NOT NULL CHECK (length(secret_hash) = 32),
    created_at   timestamptz NOT NULL,
    expires_at   timestamptz NOT NULL CHECK (expires_at > created_at AND expires_at <= created_at + interval '400 days'),
    revoked_at   timestamptz,
    last_used_at timestamptz,
    FOREIGN KEY (tenant_id, client_id) REFERENCES client (tenant_id, id)
);
CREATE INDEX client_credential_client ON client_credential (tenant_id, client_id);

-- Two live credentials at once are a rotation; three are a habit.
-- +goose StatementBegin
CREATE FUNCTION client_credential_two_live() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM 1 FROM client WHERE tenant_id = NEW.tenant_id AND id = NEW.client_id FOR UPDATE;
    IF (SELECT count(*) FROM client_credential
         WHERE tenant_id = NEW.tenant_id AND client_id = NEW.client_id AND revoked_at IS NULL AND expires_at > NEW.created_at) > 2 THEN
        RAISE EXCEPTION 'a client has at most two live credentials' USING ERRCODE = 'check_violation', CONSTRAINT = 'client_credential_two_live';
    END IF;
    RETURN NULL;
END $$;
-- +goose StatementEnd
CREATE TRIGGER client_credential_two_live AFTER INSERT ON client_credential FOR EACH ROW EXECUTE FUNCTION client_credential_two_live();
