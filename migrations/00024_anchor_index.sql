-- +goose Up

-- audit_cosignature keeps what each anchor outside took: a witness with the lines that it added, others with none. How far one is behind
-- is asked every few seconds, and must not cost more the longer it is down. The table is empty before this release.
CREATE INDEX audit_cosignature_anchor ON audit_cosignature (log_id, witness, size);
