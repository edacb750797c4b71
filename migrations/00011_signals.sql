-- +goose Up

-- Where a tenant hears of what happens: webhooks, or Security Event Tokens by push. Its keys are sealed.
CREATE TABLE webhook_endpoint (
    tenant_id       text        NOT NULL REFERENCES tenant,
    id              text        NOT NULL,
    kind            text        NOT NULL CHECK (kind IN ('webhook', 'set')),
    url             text        NOT NULL CHECK (length(url) BETWEEN 1 AND 2048),
    description     text        NOT NULL DEFAULT '',
    events          text[]      NOT NULL DEFAULT '{}',
    audience        text        NOT NULL DEFAULT '',
    subject_issuer  text        NOT NULL DEFAULT '',
    saved_code_type text        NOT NULL DEFAULT '',
    state           text        NOT NULL CHECK (state IN ('active', 'paused', 'disabled', 'deleted')),
    keys            bytea,
    public_keys     text[]      NOT NULL DEFAULT '{}',
    previous_until  timestamptz,
    created_at      timestamptz NOT NULL,
    changed_at      timestamptz NOT NULL,
    PRIMARY KEY (tenant_id, id),
    CHECK ((keys IS NULL) = (state = 'deleted')),
    CHECK (kind <> 'set' OR audience <> '')
);

-- One signal to one endpoint: the outbox and the delivery log in one. It holds ids, enumerations and times: neither the
-- account's name, which is opened when it is sent, nor any body that was sent or received.
CREATE TABLE signal_delivery (
    tenant_id    text        NOT NULL,
    id           text        NOT NULL,
    endpoint_id  text        NOT NULL,
    event_id     text        NOT NULL, -- the audit event that it tells of
    nth          smallint    NOT NULL, -- which of the event's signals
    type         text        NOT NULL,
    event_uri    text        NOT NULL DEFAULT '',
    claims       jsonb       NOT NULL,
    agreed       boolean     NOT NULL DEFAULT false,
    follows      boolean     NOT NULL DEFAULT false, -- waits until what came of the same cause before it is acknowledged
    txn          text        NOT NULL,
    account_id   text,
    recovery_id  text,
    at           timestamptz NOT NULL,
    status       text        NOT NULL DEFAULT 'pending' CHECK (status IN ('pending', 'delivered', 'dead')),
    attempts     integer     NOT NULL DEFAULT 0 CHECK (attempts >= 0), -- since it was last asked for
    claims_taken bigint      NOT NULL DEFAULT 0, -- grows with every claim: whoever records must hold the last one
    next_at      timestamptz NOT NULL,
    leased_until timestamptz,
    wake_at      timestamptz NOT NULL,
    ended_at     timestamptz,
    overdue_at   timestamptz, -- when it was written down that nobody had acknowledged it in time
    tries        jsonb       NOT NULL DEFAULT '[]',
    PRIMARY KEY (tenant_id, id),
    FOREIGN KEY (tenant_id, endpoint_id) REFERENCES webhook_endpoint (tenant_id, id),
    CHECK ((ended_at IS NULL) = (status = 'pending'))
) WITH (fillfactor = 80);
-- An event is told once to an endpoint, whoever tries to write it twice.
CREATE UNIQUE INDEX signal_delivery_once ON signal_delivery (tenant_id, endpoint_id, event_id, nth);
CREATE INDEX signal_delivery_wake ON signal_delivery (wake_at) WHERE status = 'pending';
CREATE INDEX signal_delivery_cause ON signal_delivery (tenant_id, endpoint_id, txn) WHERE status <> 'delivered';
CREATE INDEX signal_delivery_log ON signal_delivery (tenant_id, endpoint_id, id);
CREATE INDEX signal_delivery_account ON signal_delivery (tenant_id, account_id) WHERE status <> 'delivered';
CREATE INDEX signal_delivery_ended ON signal_delivery (ended_at) WHERE status <> 'pending';

-- The name of an erased account, sealed by itself, for as long as somebody has yet to be told that it is gone, and only
-- where somebody is to be told (ADR 0031).
CREATE TABLE signal_subject (
    tenant_id  text        NOT NULL,
    account_id text        NOT NULL,
    sealed     bytea       NOT NULL,
    until      timestamptz NOT NULL,
    PRIMARY KEY (tenant_id, account_id)
);
CREATE INDEX signal_subject_until ON signal_subject (until);

GRANT SELECT, INSERT, UPDATE ON webhook_endpoint TO holdfast_service;
GRANT SELECT, INSERT, UPDATE, DELETE ON signal_delivery TO holdfast_service;
GRANT SELECT, INSERT, DELETE ON signal_subject TO holdfast_service;
