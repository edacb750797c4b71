-- +goose Up

-- What detectors count: the journal of audit events folded once, minute by minute (ADR 0019). A row says how often something
-- happened to a subject, from a truncated network, by a route. It is working data: a day old at most (R-190).
CREATE TABLE abuse_tally (
    tenant_id text        NOT NULL,
    measure   text        NOT NULL,
    minute    timestamptz NOT NULL,
    subject   text        NOT NULL DEFAULT '',
    source    text        NOT NULL DEFAULT '', -- the network that audit events hold: /24, /48
    route     text        NOT NULL DEFAULT '', -- a method, or a country and the keyed hash of a number's prefix
    n         bigint      NOT NULL CHECK (n > 0),
    PRIMARY KEY (tenant_id, measure, minute, subject, source, route)
) WITH (fillfactor = 80);
CREATE INDEX abuse_tally_window ON abuse_tally (measure, minute);

-- The same by the hour and without whom it concerned, so that a tenant is compared with itself.
CREATE TABLE abuse_hour (
    tenant_id text        NOT NULL,
    measure   text        NOT NULL,
    hour      timestamptz NOT NULL,
    n         bigint      NOT NULL CHECK (n > 0),
    PRIMARY KEY (tenant_id, measure, hour)
);

-- Up to when the journal is folded. It moves in the transaction that folds, so each event counts once, whatever crashes.
CREATE TABLE abuse_watermark (
    only_row boolean PRIMARY KEY DEFAULT true CHECK (only_row),
    at       timestamptz NOT NULL
);

-- From which networks a credential was used, by the minute (R-134). Truncated, and kept for an hour.
CREATE TABLE credential_sighting (
    public_id text        NOT NULL,
    minute    timestamptz NOT NULL,
    network   text        NOT NULL,
    PRIMARY KEY (public_id, minute, network)
);
CREATE INDEX credential_sighting_minute ON credential_sighting (minute);

-- A finding that people look at. tenant_id is '_fleet' for what concerns no single tenant. labels are ids, enumerations and
-- truncated networks.
CREATE TABLE alert (
    tenant_id       text        NOT NULL,
    id              text        NOT NULL,
    detector        text        NOT NULL,
    key             text        NOT NULL CHECK (length(key) <= 200),
    severity        text        NOT NULL CHECK (severity IN ('warning', 'critical')),
    state           text        NOT NULL CHECK (state IN ('open', 'acknowledged', 'resolved')),
    labels          jsonb       NOT NULL DEFAULT '{}',
    count           bigint      NOT NULL,
    peak            bigint      NOT NULL CHECK (peak >= count),
    threshold       bigint      NOT NULL,
    first_seen      timestamptz NOT NULL,
    last_seen       timestamptz NOT NULL CHECK (last_seen >= first_seen),
    escalated_at    timestamptz,
    acknowledged_at timestamptz,
    acknowledged_by text        NOT NULL DEFAULT '',
    acknowledgement text        NOT NULL DEFAULT '' CHECK (length(acknowledgement) <= 500),
    resolved_at     timestamptz,
    version         bigint      NOT NULL CHECK (version > 0),
    PRIMARY KEY (tenant_id, id),
    CHECK ((resolved_at IS NOT NULL) = (state = 'resolved')),
    CHECK (state <> 'acknowledged' OR (acknowledged_at IS NOT NULL AND acknowledged_by <> '' AND acknowledgement <> ''))
);
-- One live alert per finding, however many nodes look.
CREATE UNIQUE INDEX alert_live ON alert (tenant_id, detector, key) WHERE state <> 'resolved';
CREATE INDEX alert_resolved ON alert (resolved_at) WHERE resolved_at IS NOT NULL;

-- What operators have raised, for a tenant or for all ('_fleet'). A control only raises: there is no kind that lowers, and it
-- ends by itself.
CREATE TABLE control (
    tenant_id   text        NOT NULL,
    id          text        NOT NULL,
    kind        text        NOT NULL CHECK (kind IN ('min_tier', 'stop_method', 'stop_country', 'pause_starts')),
    value       text        NOT NULL,
    reason      text        NOT NULL CHECK (length(reason) BETWEEN 3 AND 500),
    set_by_kind text        NOT NULL,
    set_by      text        NOT NULL,
    set_at      timestamptz NOT NULL,
    expires_at  timestamptz NOT NULL CHECK (expires_at > set_at AND expires_at <= set_at + interval '7 days'),
    lifted_at   timestamptz,
    lifted_by   text        NOT NULL DEFAULT '',
    lift_reason text        NOT NULL DEFAULT '' CHECK (length(lift_reason) <= 500),
    PRIMARY KEY (tenant_id, id),
    CHECK ((lifted_at IS NOT NULL) = (lifted_by <> '')),
    CHECK (CASE kind
        WHEN 'min_tier' THEN value IN ('moderate', 'high', 'critical')
        WHEN 'stop_method' THEN value IN ('email', 'sms', 'voice', 'totp', 'recovery_code', 'passkey', 'federated', 'contact', 'reproofing')
        WHEN 'stop_country' THEN value ~ '^[A-Z]{2}$'
        ELSE value = '' END)
);
CREATE INDEX control_in_force ON control (expires_at) WHERE lifted_at IS NULL;

-- A control that was set is history: only its lifting may be added, once.
-- +goose StatementBegin
CREATE FUNCTION control_only_lifts() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF OLD.lifted_at IS NOT NULL
       OR (to_jsonb(NEW) - 'lifted_at' - 'lifted_by' - 'lift_reason') IS DISTINCT FROM (to_jsonb(OLD) - 'lifted_at' - 'lifted_by' - 'lift_reason') THEN
        RAISE EXCEPTION 'a control is lifted once and never changed' USING ERRCODE = 'check_violation', CONSTRAINT = 'control_only_lifts';
    END IF;
    RETURN NEW;
END $$;
-- +goose StatementEnd
CREATE TRIGGER control_only_lifts BEFORE UPDATE ON control FOR EACH ROW EXECUTE FUNCTION control_only_lifts();

GRANT SELECT, INSERT, UPDATE, DELETE ON abuse_tally, abuse_hour, credential_sighting TO holdfast_service;
GRANT SELECT, INSERT, UPDATE ON abuse_watermark, control TO holdfast_service;
GRANT SELECT, INSERT, UPDATE, DELETE ON alert TO holdfast_service;
