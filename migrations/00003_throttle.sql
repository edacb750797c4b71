-- +goose Up

-- The edge limits' state: one row per rule, window and keyed hash of what is limited (no address or identifier rests here).
--
-- Unlogged: a hit writes no WAL of its own and waits for no disk. A crash of the database empties the table, which gives
-- every key one fresh burst; what guards a secret is counted in logged rows elsewhere (attempt_counter).
--
-- No index but the primary key, and free space on every page: a hit changes no indexed column, so it is a HOT update that
-- leaves nothing for VACUUM. Expired rows are found by walking the pages (throttle.Limits.Sweep).
CREATE UNLOGGED TABLE throttle_bucket (
    key     bytea       PRIMARY KEY CHECK (octet_length(key) = 16),
    -- GCRA's "theoretical arrival time": when the bucket will be full again. A row whose full_at has passed means no more
    -- than an absent one.
    full_at timestamptz NOT NULL,
    -- Whether the last hit was refused.
    refused boolean     NOT NULL DEFAULT false
) WITH (fillfactor = 50);
