-- name: LockCase :exec
SELECT 1 FROM recovery r
 WHERE r.tenant_id = @tenant_id AND r.id = (SELECT c.recovery_id FROM support_case c WHERE c.tenant_id = @tenant_id AND c.id = @id)
   FOR NO KEY UPDATE;

-- name: FindRecoveryByReference :one
SELECT r.id FROM recovery r WHERE r.tenant_id = @tenant_id AND r.reference = @reference;

-- name: CaseOf :one
-- The case around a recovery: the open one, or else the latest.
SELECT c.id FROM support_case c WHERE c.tenant_id = @tenant_id AND c.recovery_id = @recovery_id
 ORDER BY (c.closed_at IS NULL) DESC, c.created_at DESC LIMIT 1;

-- name: CasesBefore :one
-- What a recovery's cases leave to the next one.
SELECT ARRAY(SELECT x.person FROM (
          SELECT unnest(c.workers || c.barred) AS person FROM support_case c WHERE c.tenant_id = @tenant_id AND c.recovery_id = @recovery_id
           UNION
          SELECT unnest(ARRAY[d.person, d.account]) FROM support_proposal p JOIN support_decision d ON d.tenant_id = p.tenant_id AND d.proposal_id = p.id
           WHERE p.tenant_id = @tenant_id AND p.recovery_id = @recovery_id) x
        WHERE x.person <> '' ORDER BY x.person)::text[] AS people,
       (SELECT c.flagged_at FROM support_case c
         WHERE c.tenant_id = @tenant_id AND c.recovery_id = @recovery_id AND c.flagged_at IS NOT NULL ORDER BY c.flagged_at, c.created_at LIMIT 1) AS flagged_at,
       coalesce((SELECT c.flag_reason FROM support_case c
         WHERE c.tenant_id = @tenant_id AND c.recovery_id = @recovery_id AND c.flagged_at IS NOT NULL ORDER BY c.flagged_at, c.created_at LIMIT 1), '')::text AS flag_reason,
       EXISTS (SELECT 1 FROM support_case c WHERE c.tenant_id = @tenant_id AND c.recovery_id = @recovery_id AND c.ai_involved) AS ai_involved;

-- name: LoadCase :one
SELECT sqlc.embed(c),
       coalesce((SELECT jsonb_agg(to_jsonb(n) ORDER BY n.at, n.id) FROM support_note n
          WHERE n.tenant_id = c.tenant_id AND n.case_id = c.id), '[]')::jsonb AS notes,
       coalesce((SELECT to_jsonb(p) || jsonb_build_object('decisions', coalesce((SELECT jsonb_agg(to_jsonb(d) ORDER BY d.at, d.person) FROM support_decision d
                    WHERE d.tenant_id = p.tenant_id AND d.proposal_id = p.id), '[]'))
           FROM support_proposal p WHERE p.tenant_id = c.tenant_id AND p.case_id = c.id ORDER BY (p.status = 'open') DESC, p.at DESC, p.id DESC LIMIT 1), 'null')::jsonb AS proposal,
       coalesce((SELECT to_jsonb(s) FROM support_assignment s JOIN support_proposal p ON p.tenant_id = s.tenant_id AND p.id = s.proposal_id
          WHERE p.tenant_id = c.tenant_id AND p.case_id = c.id AND s.person = @person ORDER BY s.at DESC LIMIT 1), 'null')::jsonb AS assignment,
       coalesce((SELECT jsonb_agg(t.line ORDER BY t.at, t.line->>'action', t.id) FROM (
          SELECT e.at, e.id, jsonb_build_object('at', e.at, 'action', e.action, 'actor', e.actor_kind, 'outcome', e.outcome, 'reason', e.reason) AS line
            FROM audit_event e WHERE e.tenant_id = c.tenant_id AND e.subject IN (c.id, c.recovery_id) AND e.action NOT LIKE 'agent.%'
           ORDER BY e.at DESC LIMIT 200) t), '[]')::jsonb AS timeline
  FROM support_case c WHERE c.tenant_id = @tenant_id AND c.id = @id;

-- name: LoadArtefacts :many
SELECT a.id, a.kind, a.provider, a.reference, a.hash, a.performed_at, a.person, a.at
  FROM support_artefact a WHERE a.tenant_id = @tenant_id AND a.recovery_id = @recovery_id ORDER BY a.at, a.id LIMIT 100;

-- name: LoadHolder :one
-- What names the account's owner, sealed: its own name, what a claimant types, addresses that were not removed.
SELECT a.ref_sealed,
       coalesce((SELECT jsonb_agg(jsonb_build_object('type', i.type, 'sealed', i.sealed) ORDER BY i.hash) FROM identifier i
          WHERE i.tenant_id = a.tenant_id AND i.account_id = a.id), '[]')::jsonb AS identifiers,
       coalesce((SELECT jsonb_agg(jsonb_build_object('id', c.id, 'sealed', c.sealed) ORDER BY c.id) FROM channel c
          WHERE c.tenant_id = a.tenant_id AND c.account_id = a.id AND c.removed_at IS NULL), '[]')::jsonb AS channels
  FROM account a WHERE a.tenant_id = @tenant_id AND a.id = @id AND a.erased_at IS NULL;

-- name: LoadAccountStart :one
-- As LoadStart, by the tenant's own name of an account.
WITH named AS (
    SELECT a.id FROM account a WHERE a.tenant_id = @tenant_id AND a.ref_hash = ANY (@ref_hashes::bytea[]) AND a.erased_at IS NULL LIMIT 1
)
SELECT holdfast_now()::timestamptz AS now,
       pg_try_advisory_xact_lock(@idempotency_lock::bigint) AS free,
       (SELECT m.fingerprint FROM idempotency m WHERE m.key = @idempotency_key) AS fingerprint,
       (SELECT m.outcome FROM idempotency m WHERE m.key = @idempotency_key) AS outcome,
       coalesce((SELECT id FROM named), '')::text AS id,
       account_snapshot(@tenant_id, coalesce((SELECT id FROM named), stand_in(@tenant_id))) AS account,
       subject_history(@tenant_id, coalesce((SELECT id FROM named), @decoy_subject::text), '') AS history,
       EXISTS (SELECT 1 FROM tenant t WHERE t.id = @tenant_id AND t.claim_url IS NOT NULL) AS has_page;

-- name: StaffAmong :one
SELECT EXISTS (SELECT 1 FROM support_staff s WHERE s.tenant_id = @tenant_id AND s.person = ANY (@persons::text[]));

-- name: SeeStaff :exec
INSERT INTO support_staff (tenant_id, person, roles, seen_at) VALUES (@tenant_id, @person, @roles, @at)
ON CONFLICT (tenant_id, person) DO UPDATE SET roles = EXCLUDED.roles, seen_at = EXCLUDED.seen_at
 WHERE support_staff.seen_at < EXCLUDED.seen_at - interval '1 minute' OR support_staff.roles <> EXCLUDED.roles;

-- name: InsertCase :exec
INSERT INTO support_case (tenant_id, id, recovery_id, via, opened_by, state, version, workers, barred, flagged_at, flag_reason, ai_involved, data_key, created_at, active_at, expires_at)
VALUES (@tenant_id, @id, @recovery_id, @via, @opened_by, @state, @version, @workers, @barred, @flagged_at, @flag_reason, @ai_involved, @data_key, @created_at, @active_at, @expires_at);

-- name: AdvanceCase :exec
UPDATE support_case
   SET state = @state, version = version + 1, workers = @workers, flagged_at = @flagged_at, flag_reason = @flag_reason, ai_involved = @ai_involved,
       outcome = @outcome, active_at = @active_at, expires_at = @expires_at, closed_at = @closed_at
 WHERE tenant_id = @tenant_id AND id = @id AND version = @version;

-- name: InsertNote :exec
INSERT INTO support_note (tenant_id, id, case_id, person, client, at, sealed) VALUES (@tenant_id, @id, @case_id, @person, @client, @at, @sealed);

-- name: InsertArtefact :exec
INSERT INTO support_artefact (tenant_id, id, recovery_id, case_id, kind, provider, reference, hash, performed_at, person, at)
VALUES (@tenant_id, @id, @recovery_id, @case_id, @kind, @provider, @reference, @hash, @performed_at, @person, @at);

-- name: InsertProposal :exec
INSERT INTO support_proposal (tenant_id, id, case_id, recovery_id, recovery_version, outcome, hash, policy_version, person, client, ai, security, at, expires_at, status)
VALUES (@tenant_id, @id, @case_id, @recovery_id, @recovery_version, @outcome, @hash, @policy_version, @person, @client, @ai, @security, @at, @expires_at, 'open');

-- name: InsertDecision :exec
INSERT INTO support_decision (tenant_id, proposal_id, person, account, consent, security, hash, reason, read_at, at)
VALUES (@tenant_id, @proposal_id, @person, @account, @consent, @security, @hash, @reason, @read_at, @at);

-- name: CloseProposal :exec
UPDATE support_proposal SET status = @status, closed_at = @at WHERE tenant_id = @tenant_id AND id = @id;

-- name: InsertAssignment :exec
INSERT INTO support_assignment (tenant_id, proposal_id, person, at, expires_at) VALUES (@tenant_id, @proposal_id, @person, @at, @expires_at);

-- name: ReadAssignment :exec
UPDATE support_assignment SET read_at = coalesce(read_at, @at) WHERE tenant_id = @tenant_id AND proposal_id = @proposal_id AND person = @person;

-- name: ListCases :many
SELECT c.id, r.reference, c.state, r.state AS recovery_state, c.flagged_at, c.created_at, c.expires_at,
       coalesce((SELECT s.proposal_id FROM support_assignment s JOIN support_proposal p ON p.tenant_id = s.tenant_id AND p.id = s.proposal_id
          WHERE p.tenant_id = c.tenant_id AND p.case_id = c.id AND s.person = @person AND p.status = 'open' AND s.expires_at > @now LIMIT 1), '')::text AS proposal_id
  FROM support_case c JOIN recovery r ON r.tenant_id = c.tenant_id AND r.id = c.recovery_id
 WHERE c.tenant_id = @tenant_id AND c.closed_at IS NULL
   AND (@person = ANY (c.workers) OR EXISTS (SELECT 1 FROM support_assignment s JOIN support_proposal p ON p.tenant_id = s.tenant_id AND p.id = s.proposal_id
          WHERE p.tenant_id = c.tenant_id AND p.case_id = c.id AND s.person = @person AND p.status = 'open' AND s.expires_at > @now))
 ORDER BY c.active_at DESC LIMIT 100;

-- name: LockQueue :exec
SELECT pg_advisory_xact_lock(hashtextextended('holdfast/cases/' || @tenant_id::text, 0));

-- name: HeldAssignment :one
SELECT p.case_id, p.id, p.security, s.expires_at
  FROM support_assignment s JOIN support_proposal p ON p.tenant_id = s.tenant_id AND p.id = s.proposal_id
 WHERE s.tenant_id = @tenant_id AND s.person = @person AND s.expires_at > @now AND p.status = 'open' AND p.expires_at > @now
   AND NOT EXISTS (SELECT 1 FROM support_decision d WHERE d.tenant_id = s.tenant_id AND d.proposal_id = s.proposal_id AND d.person = s.person)
 LIMIT 1;

-- name: WaitingProposals :many
-- What one could be given: of cases that they have no part in, never given to them before, and not in the hands of two already.
SELECT p.case_id, p.id, p.recovery_id, p.security, p.expires_at
  FROM support_proposal p JOIN support_case c ON c.tenant_id = p.tenant_id AND c.id = p.case_id
 WHERE p.tenant_id = @tenant_id AND p.status = 'open' AND p.expires_at > @now
   AND p.person <> @person AND NOT (c.workers && @names::text[]) AND NOT (c.barred && @names::text[])
   AND NOT EXISTS (SELECT 1 FROM support_decision d WHERE d.tenant_id = p.tenant_id AND d.proposal_id = p.id AND (d.person = ANY (@names::text[]) OR d.account = ANY (@names::text[])))
   AND NOT EXISTS (SELECT 1 FROM support_assignment s WHERE s.tenant_id = p.tenant_id AND s.proposal_id = p.id AND s.person = @person)
   AND (SELECT count(*) FROM support_assignment s WHERE s.tenant_id = p.tenant_id AND s.proposal_id = p.id
           AND (s.expires_at > @now OR EXISTS (SELECT 1 FROM support_decision d WHERE d.tenant_id = s.tenant_id AND d.proposal_id = s.proposal_id AND d.person = s.person))) < 2
 ORDER BY p.at, p.id LIMIT 100;

-- name: StaleCases :many
SELECT c.tenant_id, c.id FROM support_case c JOIN recovery r ON r.tenant_id = c.tenant_id AND r.id = c.recovery_id
 WHERE c.closed_at IS NULL
   AND (c.expires_at <= (SELECT holdfast_now()) AND c.flagged_at IS NULL
        OR r.closed_at IS NOT NULL OR r.state IN ('completed', 'denied')
        OR EXISTS (SELECT 1 FROM support_proposal p WHERE p.tenant_id = c.tenant_id AND p.case_id = c.id AND p.status = 'open'
                      AND (p.expires_at <= (SELECT holdfast_now()) OR p.recovery_version <> r.version)))
 LIMIT @at_most::int;
