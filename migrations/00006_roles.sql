-- +goose Up

-- The service's role. It can do its work and cannot rewrite history; the owner of the schema only migrates. Log-in users
-- are made members of it (see README, "Run it in production").
-- +goose StatementBegin
DO $$
BEGIN
    IF NOT EXISTS (SELECT 1 FROM pg_roles WHERE rolname = 'holdfast_service') THEN
        CREATE ROLE holdfast_service NOLOGIN;
    END IF;
EXCEPTION WHEN duplicate_object OR unique_violation THEN
    NULL; -- another database of this cluster was migrated at the same moment
END $$;
-- +goose StatementEnd

GRANT SELECT ON ALL TABLES IN SCHEMA public TO holdfast_service;
GRANT INSERT, UPDATE ON
    tenant, client, client_credential, account, identifier, channel, factor, saved_code, attempt_counter,
    recovery, challenge, objection, notice, recovery_grant
    TO holdfast_service;
GRANT INSERT ON evidence, assessment, audit_event TO holdfast_service;
GRANT INSERT, UPDATE, DELETE ON idempotency, throttle_bucket TO holdfast_service;
GRANT DELETE ON identifier, channel, factor, saved_code TO holdfast_service;
-- Not on clock_shift: only the owner of the schema moves time, and only in development.
