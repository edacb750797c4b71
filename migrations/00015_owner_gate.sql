-- +goose Up

-- Whether an address can speak for nobody about a hold that began at held_at: it was suspect then or came to be, or its number
-- moved to another SIM within the week before, or later. That a suspicion ended since does not count: what was sent there while
-- the hold ran went to whom it was suspected of (R-055, R-096, ADR 0017).
-- +goose StatementBegin
CREATE FUNCTION speaks_for_nobody(c channel, held_at timestamptz) RETURNS boolean LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
    SELECT suspect_now(c.suspect_at, c.suspect_until, held_at) IS NOT NULL
        OR suspect_now(c.sim_swapped_at, c.sim_swapped_at + interval '7 days', held_at) IS NOT NULL
$$;
-- +goose StatementEnd
GRANT EXECUTE ON FUNCTION speaks_for_nobody(channel, timestamptz) TO holdfast_service;

-- The gate as before; whether an address that took the notice speaks for the owner is judged as of the hold's beginning.
-- +goose StatementBegin
CREATE OR REPLACE FUNCTION recovery_gate() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    independent boolean := coalesce((NEW.plan->>'independent_notice')::boolean, true);
BEGIN
    IF NEW.not_before > holdfast_now() THEN
        RAISE EXCEPTION 'the hold is not over' USING ERRCODE = 'check_violation', CONSTRAINT = 'recovery_gate_hold';
    END IF;
    IF EXISTS (SELECT 1 FROM objection WHERE tenant_id = NEW.tenant_id AND recovery_id = NEW.id AND resolved_at IS NULL) THEN
        RAISE EXCEPTION 'an objection stands' USING ERRCODE = 'check_violation', CONSTRAINT = 'recovery_gate_objection';
    END IF;
    IF cardinality(NEW.approved) < 2 AND NOT EXISTS (SELECT 1 FROM evidence WHERE tenant_id = NEW.tenant_id AND recovery_id = NEW.id) THEN
        RAISE EXCEPTION 'no evidence' USING ERRCODE = 'check_violation', CONSTRAINT = 'recovery_gate_evidence';
    END IF;
    IF NOT EXISTS (
        SELECT 1 FROM notice n
         WHERE n.tenant_id = NEW.tenant_id AND n.recovery_id = NEW.id AND n.kind = 'hold_entered' AND n.accepted_at IS NOT NULL
           AND (NOT independent OR (
               NOT EXISTS (SELECT 1 FROM evidence e WHERE e.tenant_id = n.tenant_id AND e.recovery_id = n.recovery_id AND e.source = n.channel_id)
               -- One that came lately, or is suspect, could be the thief's own.
               AND EXISTS (SELECT 1 FROM channel c WHERE c.tenant_id = n.tenant_id AND c.id = n.channel_id
                              AND NOT speaks_for_nobody(c, NEW.held_at) AND c.since <= NEW.held_at - interval '7 days')))
    ) THEN
        RAISE EXCEPTION 'no notice was accepted' USING ERRCODE = 'check_violation', CONSTRAINT = 'recovery_gate_notice';
    END IF;
    IF NOT EXISTS (
        SELECT 1 FROM recovery_grant g
         WHERE g.tenant_id = NEW.tenant_id AND g.recovery_id = NEW.id AND g.id = NEW.grant_id AND g.voided_at IS NULL
           AND (NEW.state = 'granted') = (g.redeemed_at IS NULL)
    ) THEN
        RAISE EXCEPTION 'no grant, or none redeemed' USING ERRCODE = 'check_violation', CONSTRAINT = 'recovery_gate_grant';
    END IF;
    RETURN NULL;
END $$;
-- +goose StatementEnd

-- What providers said of messages is of no use once no recovery can rest on it, and their names for messages lead to numbers
-- at the provider's (R-190). A NO stays longest: its row is what refuses a repeat of it.
CREATE INDEX delivery_accepted ON delivery (accepted_at);
CREATE INDEX delivery_report_at ON delivery_report (at);
CREATE INDEX reply_received ON reply (received_at);

-- Nobody takes a fate back, or has an answer heard twice, by deleting what says so.
-- +goose StatementBegin
CREATE FUNCTION kept_for() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF (to_jsonb(OLD)->>TG_ARGV[0])::timestamptz > holdfast_now() - TG_ARGV[1]::interval THEN
        RAISE EXCEPTION '% is kept for %', TG_TABLE_NAME, TG_ARGV[1] USING ERRCODE = 'check_violation', CONSTRAINT = 'kept_for';
    END IF;
    RETURN OLD;
END $$;
-- +goose StatementEnd
CREATE TRIGGER kept_for BEFORE DELETE ON delivery FOR EACH ROW EXECUTE FUNCTION kept_for('accepted_at', '90 days');
CREATE TRIGGER kept_for BEFORE DELETE ON delivery_report FOR EACH ROW EXECUTE FUNCTION kept_for('at', '90 days');
CREATE TRIGGER kept_for BEFORE DELETE ON reply FOR EACH ROW EXECUTE FUNCTION kept_for('received_at', '400 days');
GRANT DELETE ON delivery, delivery_report, reply TO holdfast_service;
