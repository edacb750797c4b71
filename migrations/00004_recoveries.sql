-- +goose Up

CREATE TYPE recovery_state AS ENUM (
    'initiated', 'verifying', 'assisted', 'cooling_off', 'contested', 'ready', 'granted', 'completed',
    'closed', 'rebind', 'vetoed', 'cancelled', 'expired', 'denied', 'reversed'
);

-- The edges of the transition table (internal/recovery/machine.go). A test compares the two.
CREATE TABLE recovery_edge (
    from_state recovery_state NOT NULL,
    to_state   recovery_state NOT NULL,
    PRIMARY KEY (from_state, to_state)
);
INSERT INTO recovery_edge VALUES
    ('initiated', 'verifying'), ('verifying', 'verifying'), ('assisted', 'assisted'), ('contested', 'contested'),
    ('verifying', 'rebind'), ('verifying', 'cooling_off'), ('verifying', 'assisted'), ('contested', 'assisted'),
    ('contested', 'cooling_off'), ('cooling_off', 'assisted'), ('ready', 'assisted'), ('granted', 'assisted'),
    ('assisted', 'cooling_off'), ('assisted', 'denied'), ('denied', 'assisted'),
    ('initiated', 'expired'), ('verifying', 'expired'), ('assisted', 'expired'), ('cooling_off', 'expired'),
    ('cooling_off', 'cooling_off'), ('cooling_off', 'ready'), ('contested', 'expired'), ('ready', 'expired'),
    ('granted', 'ready'), ('granted', 'expired'), ('completed', 'closed'),
    ('verifying', 'vetoed'), ('assisted', 'vetoed'), ('ready', 'cooling_off'), ('cooling_off', 'vetoed'),
    ('cooling_off', 'contested'), ('ready', 'vetoed'), ('ready', 'ready'), ('ready', 'contested'),
    ('granted', 'vetoed'), ('granted', 'granted'), ('granted', 'contested'), ('contested', 'vetoed'),
    ('completed', 'reversed'), ('completed', 'completed'), ('ready', 'granted'), ('granted', 'completed'),
    ('initiated', 'cancelled'), ('verifying', 'cancelled'), ('assisted', 'cancelled'), ('cooling_off', 'cancelled'),
    ('contested', 'cancelled'), ('ready', 'cancelled'), ('granted', 'cancelled');

-- One claim. account_id is null for a decoy; subject is what counters hang on for either.
CREATE TABLE recovery (
    tenant_id       text           NOT NULL,
    id              text           NOT NULL,
    reference       text           NOT NULL,
    claimant_hash   bytea          NOT NULL CHECK (length(claimant_hash) = 32),
    account_id      text,
    subject         text           NOT NULL,
    client_id       text           NOT NULL,
    reason          text           NOT NULL CHECK (reason IN ('lost_password', 'lost_mfa', 'lost_all', 'suspected_takeover')),
    network         text           NOT NULL DEFAULT '',
    signals         jsonb          NOT NULL,
    state           recovery_state NOT NULL,
    version         bigint         NOT NULL CHECK (version > 0),
    tier            text           NOT NULL CHECK (tier IN ('low', 'moderate', 'high', 'critical')),
    plan            jsonb          NOT NULL,
    policy_version  text           NOT NULL,
    approved        text[]         NOT NULL DEFAULT '{}',
    paused_total    interval       NOT NULL DEFAULT '0' CHECK (paused_total <= interval '7 days'),
    contested_at    timestamptz,
    grant_id        text,
    grant_expires   timestamptz,
    created_at      timestamptz    NOT NULL,
    changed_at      timestamptz    NOT NULL,
    held_at         timestamptz,
    not_before      timestamptz,
    ready_until     timestamptz,
    expires_at      timestamptz    NOT NULL,
    completed_at    timestamptz,
    probation_until timestamptz,
    closed_at       timestamptz,
    wake_at         timestamptz,
    PRIMARY KEY (tenant_id, id),
    FOREIGN KEY (tenant_id, account_id) REFERENCES account (tenant_id, id),
    CHECK ((closed_at IS NOT NULL) = (state IN ('closed', 'rebind', 'vetoed', 'cancelled', 'expired', 'reversed'))),
    CHECK ((completed_at IS NOT NULL) = (state IN ('completed', 'closed', 'reversed'))),
    CHECK ((probation_until IS NOT NULL) = (completed_at IS NOT NULL)),
    CHECK (state NOT IN ('cooling_off', 'contested', 'ready', 'granted', 'completed', 'closed', 'reversed') OR not_before IS NOT NULL),
    CHECK (state NOT IN ('ready', 'granted') OR ready_until IS NOT NULL),
    CHECK (state NOT IN ('granted', 'completed', 'closed', 'reversed') OR grant_id IS NOT NULL),
    CHECK ((state = 'contested') = (contested_at IS NOT NULL)),
    CHECK (expires_at <= created_at + interval '30 days 10 minutes'),
    -- A decoy leads nowhere.
    CHECK (account_id IS NOT NULL OR state IN ('initiated', 'verifying', 'cancelled', 'expired'))
);
CREATE INDEX recovery_wake ON recovery (wake_at) WHERE wake_at IS NOT NULL;
CREATE INDEX recovery_subject ON recovery (tenant_id, subject, created_at);
CREATE UNIQUE INDEX recovery_reference ON recovery (tenant_id, reference);

CREATE TABLE challenge (
    tenant_id   text        NOT NULL,
    id          text        NOT NULL,
    recovery_id text        NOT NULL,
    method      text        NOT NULL CHECK (method IN ('email', 'sms', 'voice', 'totp', 'recovery_code', 'passkey', 'federated', 'contact', 'reproofing')),
    channel_id  text,                 -- null for a decoy challenge and for methods without a channel
    sends       integer     NOT NULL DEFAULT 1 CHECK (sends BETWEEN 1 AND 5),
    attempts    integer     NOT NULL DEFAULT 0 CHECK (attempts BETWEEN 0 AND 5),
    code_hash   bytea,                -- null until the sender minted it
    created_at  timestamptz NOT NULL,
    expires_at  timestamptz NOT NULL CHECK (expires_at <= created_at + interval '31 days'),
    resend_at   timestamptz NOT NULL,
    minted_at   timestamptz,
    accepted_at timestamptz,          -- when the provider took it
    consumed_at timestamptz,
    PRIMARY KEY (tenant_id, id),
    UNIQUE (tenant_id, recovery_id, method),
    FOREIGN KEY (tenant_id, recovery_id) REFERENCES recovery (tenant_id, id)
) WITH (fillfactor = 80);

-- One accepted proof. A challenge gives one piece of evidence at most.
CREATE TABLE evidence (
    tenant_id          text        NOT NULL,
    recovery_id        text        NOT NULL,
    challenge_id       text        NOT NULL,
    method             text        NOT NULL,
    class              text        NOT NULL CHECK (class IN ('S', 'I', 'K', 'A', 'P')),
    source             text        NOT NULL,
    source_since       timestamptz NOT NULL,
    accepted_at        timestamptz NOT NULL,
    phishing_resistant boolean     NOT NULL,
    aal                smallint    NOT NULL,
    suspect            boolean     NOT NULL,
    PRIMARY KEY (tenant_id, recovery_id, challenge_id),
    FOREIGN KEY (tenant_id, challenge_id) REFERENCES challenge (tenant_id, id)
);

CREATE TABLE objection (
    tenant_id   text        NOT NULL,
    id          text        NOT NULL,
    recovery_id text        NOT NULL,
    channel     text        NOT NULL,
    strength    smallint    NOT NULL CHECK (strength BETWEEN 1 AND 5),
    evidence    jsonb       NOT NULL DEFAULT '[]',
    at          timestamptz NOT NULL,
    resolved_at timestamptz,
    PRIMARY KEY (tenant_id, id),
    FOREIGN KEY (tenant_id, recovery_id) REFERENCES recovery (tenant_id, id)
);
CREATE INDEX objection_recovery ON objection (tenant_id, recovery_id);

-- A security message to one address, about a recovery or about the account itself.
CREATE TABLE notice (
    tenant_id      text        NOT NULL,
    id             text        NOT NULL,
    account_id     text        NOT NULL,
    recovery_id    text,
    kind           text        NOT NULL,
    channel_id     text        NOT NULL,
    objection_hash bytea CHECK (length(objection_hash) = 32),
    created_at     timestamptz NOT NULL,
    accepted_at    timestamptz,
    failed_at      timestamptz,
    PRIMARY KEY (tenant_id, id),
    FOREIGN KEY (tenant_id, channel_id) REFERENCES channel (tenant_id, id),
    FOREIGN KEY (tenant_id, recovery_id) REFERENCES recovery (tenant_id, id),
    CHECK (accepted_at IS NULL OR failed_at IS NULL)
);
CREATE INDEX notice_recovery ON notice (tenant_id, recovery_id);
CREATE INDEX notice_channel ON notice (tenant_id, channel_id, kind, created_at);
CREATE UNIQUE INDEX notice_objection ON notice (objection_hash) WHERE objection_hash IS NOT NULL;

-- "grant" is a reserved word.
CREATE TABLE recovery_grant (
    tenant_id   text        NOT NULL,
    id          text        NOT NULL,
    recovery_id text        NOT NULL,
    token_hash  bytea       NOT NULL CHECK (length(token_hash) = 32),
    issued_at   timestamptz NOT NULL,
    expires_at  timestamptz NOT NULL CHECK (expires_at <= issued_at + interval '15 minutes'),
    voided_at   timestamptz,
    redeemed_at timestamptz,
    redeemed_by text,
    PRIMARY KEY (tenant_id, id),
    FOREIGN KEY (tenant_id, recovery_id) REFERENCES recovery (tenant_id, id),
    CHECK (voided_at IS NULL OR redeemed_at IS NULL)
);
CREATE UNIQUE INDEX recovery_grant_token ON recovery_grant (token_hash);
CREATE UNIQUE INDEX recovery_grant_live ON recovery_grant (tenant_id, recovery_id) WHERE voided_at IS NULL;

-- What the policy was asked and what it said, so that it can be replayed (R-086).
CREATE TABLE assessment (
    tenant_id      text        NOT NULL,
    recovery_id    text        NOT NULL,
    version        bigint      NOT NULL,
    at             timestamptz NOT NULL,
    policy_version text        NOT NULL,
    facts          jsonb       NOT NULL,
    decision       jsonb       NOT NULL,
    PRIMARY KEY (tenant_id, recovery_id, version),
    FOREIGN KEY (tenant_id, recovery_id) REFERENCES recovery (tenant_id, id)
);

-- Answers to POSTs, sealed under a key that only the caller's Idempotency-Key gives (ADR 0013).
CREATE TABLE idempotency (
    key         bytea       NOT NULL CHECK (length(key) = 32),
    fingerprint bytea       NOT NULL CHECK (length(fingerprint) = 32),
    outcome     bytea       NOT NULL,
    expires_at  timestamptz NOT NULL,
    PRIMARY KEY (key)
);
CREATE INDEX idempotency_expiry ON idempotency USING brin (expires_at);
