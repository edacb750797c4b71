-- +goose Up

-- Each endpoint has its turn (ADR 0031): what is due is looked for endpoint by endpoint, so that a long queue of one keeps nobody's
-- delivery from being looked at. The index by time alone would read through the whole of that queue.
CREATE INDEX signal_delivery_turn ON signal_delivery (tenant_id, endpoint_id, wake_at) WHERE status = 'pending';
DROP INDEX signal_delivery_wake;
