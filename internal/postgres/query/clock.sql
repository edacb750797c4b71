-- name: Now :one
SELECT holdfast_now()::timestamptz AS now;

-- name: ClockShift :one
SELECT coalesce((SELECT by FROM clock_shift), interval '0')::interval AS shift;

-- name: AdvanceClock :exec
INSERT INTO clock_shift (by) VALUES (@by::interval) ON CONFLICT (only_row) DO UPDATE SET by = clock_shift.by + EXCLUDED.by;
