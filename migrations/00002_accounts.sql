-- +goose Up

-- An account holds no personal data in clear: account_ref, addresses and seeds are sealed under the account's own data
-- key, which is wrapped by the keyring. Erasing the account destroys the data key; the row stays as a tombstone.
CREATE TABLE account (
    tenant_id    text        NOT NULL REFERENCES tenant,
    id           text        NOT NULL,
    ref_hash     bytea,
    data_key     bytea,
    ref_sealed   bytea,
    population   text        NOT NULL,
    aal          smallint    NOT NULL CHECK (aal BETWEEN 1 AND 3),
    ial          smallint    NOT NULL CHECK (ial BETWEEN 0 AND 3),
    locale       text        NOT NULL DEFAULT '',
    created_at   timestamptz NOT NULL,
    changed_at   timestamptz NOT NULL,
    erased_at    timestamptz,
    PRIMARY KEY (tenant_id, id),
    CHECK ((erased_at IS NULL) = (data_key IS NOT NULL)),
    CHECK ((erased_at IS NULL) = (ref_hash IS NOT NULL)),
    CHECK ((erased_at IS NULL) = (ref_sealed IS NOT NULL))
);
CREATE UNIQUE INDEX account_ref ON account (tenant_id, ref_hash) WHERE ref_hash IS NOT NULL;

-- What a claimant types. Only a keyed hash is looked up; the sealed text is kept so that the hash can follow a new key.
CREATE TABLE identifier (
    tenant_id  text  NOT NULL,
    hash       bytea NOT NULL CHECK (length(hash) = 32),
    account_id text  NOT NULL,
    type       text  NOT NULL CHECK (type IN ('email', 'phone', 'username')),
    sealed     bytea NOT NULL,
    PRIMARY KEY (tenant_id, hash),
    FOREIGN KEY (tenant_id, account_id) REFERENCES account (tenant_id, id)
);
CREATE INDEX identifier_account ON identifier (tenant_id, account_id);

-- A verified address on file. Removed ones stay for as long as they may still hear of a recovery (R-093).
CREATE TABLE channel (
    tenant_id    text        NOT NULL,
    id           text        NOT NULL,
    account_id   text        NOT NULL,
    kind         text        NOT NULL CHECK (kind IN ('email', 'sms', 'voice')),
    address_hash bytea       NOT NULL CHECK (length(address_hash) = 32),
    sealed       bytea       NOT NULL,
    since        timestamptz NOT NULL,
    removed_at   timestamptz,
    suspect_at   timestamptz,
    PRIMARY KEY (tenant_id, id),
    FOREIGN KEY (tenant_id, account_id) REFERENCES account (tenant_id, id)
);
CREATE INDEX channel_account ON channel (tenant_id, account_id);
CREATE UNIQUE INDEX channel_once ON channel (tenant_id, account_id, kind, address_hash) WHERE removed_at IS NULL;

-- An enrolled authenticator. last_step is the last TOTP time step that was accepted: a code is good once (R-046).
CREATE TABLE factor (
    tenant_id    text        NOT NULL,
    id           text        NOT NULL,
    account_id   text        NOT NULL,
    kind         text        NOT NULL CHECK (kind IN ('totp')),
    sealed       bytea       NOT NULL,
    enrolled_at  timestamptz NOT NULL,
    confirmed_at timestamptz,
    removed_at   timestamptz,
    suspect_at   timestamptz,
    last_step    bigint      NOT NULL DEFAULT 0,
    PRIMARY KEY (tenant_id, id),
    FOREIGN KEY (tenant_id, account_id) REFERENCES account (tenant_id, id)
);
CREATE INDEX factor_account ON factor (tenant_id, account_id);

-- A saved recovery code: a public prefix to find it by, and an argon2id hash of a peppered secret (R-016 to R-022).
CREATE TABLE saved_code (
    tenant_id  text        NOT NULL,
    id         text        NOT NULL,
    account_id text        NOT NULL,
    prefix     text        NOT NULL,
    phc        text        NOT NULL,
    issued_at  timestamptz NOT NULL,
    used_at    timestamptz,
    revoked_at timestamptz,
    PRIMARY KEY (tenant_id, id),
    UNIQUE (tenant_id, prefix),
    FOREIGN KEY (tenant_id, account_id) REFERENCES account (tenant_id, id)
);
CREATE INDEX saved_code_account ON saved_code (tenant_id, account_id) WHERE used_at IS NULL AND revoked_at IS NULL;

-- Failures and sends per subject (an account, or the pseudonym of an unknown identifier) and method, across recoveries
-- (R-050, R-067, R-068). recent holds the times of the last day: limits slide, they have no window edge (R-077).
-- No foreign key to tenant here and below: its check would make all recoveries of a tenant share one row's lock.
CREATE TABLE attempt_counter (
    tenant_id   text          NOT NULL,
    subject     text          NOT NULL,
    kind        text          NOT NULL,
    consecutive integer       NOT NULL DEFAULT 0 CHECK (consecutive >= 0 AND consecutive <= 100),
    recent      timestamptz[] NOT NULL DEFAULT '{}' CHECK (cardinality(recent) <= 64),
    wait_until  timestamptz,
    disabled_at timestamptz,
    PRIMARY KEY (tenant_id, subject, kind)
) WITH (fillfactor = 70);
