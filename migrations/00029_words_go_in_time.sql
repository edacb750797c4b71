-- +goose Up

-- As before; and the words of a case go as well when its recovery is forgotten, which the recovery's own rules date (ADR 0033).
-- +goose StatementBegin
CREATE OR REPLACE FUNCTION support_case_keeps_words() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF NEW.data_key IS NOT NULL OR NOT EXISTS (
        SELECT 1 FROM recovery r LEFT JOIN account a ON a.tenant_id = r.tenant_id AND a.id = r.subject
         WHERE r.tenant_id = NEW.tenant_id AND r.id = NEW.recovery_id AND (a.erased_at IS NOT NULL OR r.forgotten_at IS NOT NULL)) THEN
        RAISE EXCEPTION 'a case keeps its words' USING ERRCODE = 'check_violation', CONSTRAINT = 'support_case_keeps_words';
    END IF;
    RETURN NEW;
END $$;
-- +goose StatementEnd
