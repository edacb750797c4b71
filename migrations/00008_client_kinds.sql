-- +goose Up

-- AI agents are clients too (R-139). What each kind can have at most is said in Go (credential.Kind.Scopes) and, where a slip
-- would let a machine decide, here as well.
ALTER TABLE client DROP CONSTRAINT client_kind_check;
ALTER TABLE client ADD CONSTRAINT client_kind CHECK (kind IN ('service', 'publishable', 'ai_agent'));
ALTER TABLE client ADD CONSTRAINT client_ai_agent_scopes
    CHECK (kind <> 'ai_agent' OR scopes <@ '{cases:read,cases:note,cases:propose,cases:flag}');
-- Deciding about a proposal and about clients is for people, who are no clients.
ALTER TABLE client ADD CONSTRAINT client_people_only CHECK (NOT scopes && '{cases:decide,clients:write}');
