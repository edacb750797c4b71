package postgres

// What detectors ask the database, written by hand: sqlc does not follow lateral joins.

// firstEvent is one step down each tenant's primary key; ids sort by time. $1 is the id to begin at.
const firstEvent = `
SELECT min(x.at) AS at
  FROM tenant t
 CROSS JOIN LATERAL (SELECT e.at FROM audit_event e WHERE e.tenant_id = t.id AND e.id >= $1 ORDER BY e.id LIMIT 1) x`

// foldJournal counts the events of a stretch of time, once: from the id $1 on, before $2. Each tenant's part is a range of the
// primary key: OFFSET 0 keeps the planner from joining the whole tables instead. MATERIALIZED, because two tables are filled
// from one reading.
const foldJournal = `
WITH counted AS MATERIALIZED (
    SELECT e.tenant_id, date_trunc('minute', e.at) AS minute, m.measure, m.subject, m.source, m.route, count(*) AS n
      FROM tenant t
     CROSS JOIN LATERAL (
        SELECT x.tenant_id, x.at, x.action, x.subject, x.recovery_id, x.details,
               coalesce((SELECT p.origin FROM audit_personal p WHERE p.tenant_id = x.tenant_id AND p.event_id = x.id), '') AS origin
          FROM audit_event x
         WHERE x.tenant_id = t.id AND x.id >= $1 AND x.id < $2
           AND x.action IN ('recovery.initiated', 'recovery.proof.rejected', 'recovery.contested', 'recovery.objected', 'recovery.vetoed',
                            'recovery.reversal.requested', 'recovery.reversed', 'recovery.grant.replayed', 'recovery.claim.replayed', 'notice.accepted', 'notice.failed', 'notice.undelivered')
        OFFSET 0) e
      LEFT JOIN LATERAL (
        SELECT y.account_id, y.subject FROM recovery y WHERE y.tenant_id = e.tenant_id AND y.id = e.recovery_id OFFSET 0) r ON true
     CROSS JOIN LATERAL (
        SELECT CASE e.action
                   WHEN 'recovery.initiated' THEN CASE WHEN r.account_id IS NULL THEN 'decoyed' ELSE 'started' END
                   WHEN 'recovery.proof.rejected' THEN 'failed'
                   WHEN 'recovery.grant.replayed' THEN 'replayed'
                   WHEN 'recovery.claim.replayed' THEN 'retaken'
                   WHEN 'notice.accepted' THEN 'delivered'
                   WHEN 'notice.failed' THEN 'undelivered'
                   WHEN 'notice.undelivered' THEN 'undelivered'
                   ELSE 'objected' END AS measure,
               coalesce(r.subject, e.subject) AS subject,
               CASE WHEN e.action IN ('recovery.initiated', 'recovery.proof.rejected') THEN e.origin ELSE '' END AS source,
               CASE e.action WHEN 'recovery.proof.rejected' THEN coalesce(e.details->>'method', '') ELSE '' END AS route) m
     GROUP BY 1, 2, 3, 4, 5, 6
), minutes AS (
    INSERT INTO abuse_tally AS a (tenant_id, measure, minute, subject, source, route, n)
    SELECT c.tenant_id, c.measure, c.minute, c.subject, c.source, c.route, c.n FROM counted c
    ON CONFLICT (tenant_id, measure, minute, subject, source, route) DO UPDATE SET n = a.n + EXCLUDED.n
)
INSERT INTO abuse_hour AS h (tenant_id, measure, hour, n)
SELECT c.tenant_id, c.measure, date_trunc('hour', c.minute), sum(c.n)::bigint FROM counted c GROUP BY 1, 2, 3
ON CONFLICT (tenant_id, measure, hour) DO UPDATE SET n = h.n + EXCLUDED.n`

// abuseSums sums what was counted. What is usual is the hour that three in four of the last seven days' hours stay below, so
// that a day of attack does not make itself usual. In order: per, counted, against, since, until, at most so
// many rows, total, whether what is usual is asked for.
const abuseSums = `
WITH seen AS (
    SELECT CASE WHEN $1::text = 'fleet' THEN '_fleet' ELSE t.tenant_id END AS owner, t.tenant_id,
           (CASE $1::text
                WHEN 'subject' THEN t.subject
                WHEN 'source' THEN t.source
                ELSE '' END)::text AS key,
           t.subject, t.source, t.n,
           t.measure = ANY ($2::text[]) AS counts, t.measure = ANY ($3::text[]) AS weighs
      FROM (SELECT a.tenant_id, a.measure, a.minute, a.subject, a.source, a.route, a.n
              FROM abuse_tally a
             WHERE a.measure = ANY ($2::text[] || $3::text[]) AND a.minute >= $4 AND a.minute < $5
             ORDER BY a.minute DESC LIMIT $6::int) t
), sums AS (
    SELECT s.owner, s.key, coalesce(sum(s.n) FILTER (WHERE s.counts), 0)::bigint AS total,
           count(DISTINCT s.subject) FILTER (WHERE s.counts) AS subjects, count(DISTINCT s.source) FILTER (WHERE s.counts) AS sources,
           count(DISTINCT s.tenant_id) FILTER (WHERE s.counts) AS tenants, coalesce(sum(s.n) FILTER (WHERE s.weighs), 0)::bigint AS against
      FROM seen s
     WHERE s.key <> '' OR $1::text IN ('tenant', 'fleet')
     GROUP BY s.owner, s.key
    HAVING coalesce(sum(s.n) FILTER (WHERE s.counts), 0) >= $7::bigint
     ORDER BY 3 DESC, 1, 2 LIMIT 100
)
SELECT u.owner::text AS owner, u.key::text AS key, u.total, u.subjects, u.sources, u.tenants, u.against,
       (CASE WHEN $8::boolean THEN (
            SELECT coalesce(percentile_cont(0.75) WITHIN GROUP (ORDER BY coalesce(x.n, 0)), 0)
              FROM generate_series(date_trunc('hour', $5::timestamptz) - interval '168 hours', date_trunc('hour', $5::timestamptz) - interval '1 hour', interval '1 hour') g (hour)
              LEFT JOIN (SELECT h.hour, sum(h.n) AS n FROM abuse_hour h
                          WHERE h.measure = ANY ($2::text[]) AND (u.owner = '_fleet' OR h.tenant_id = u.owner)
                            AND h.hour >= date_trunc('hour', $5::timestamptz) - interval '168 hours'
                          GROUP BY h.hour) x ON x.hour = g.hour)
        ELSE 0 END)::float8 AS usual_per_hour
  FROM sums u ORDER BY u.total DESC, u.owner, u.key`

// textPumping is the prefixes whose codes hardly anybody types in: of $2 at least since $1, to five numbers at least, fewer than
// three in ten, all of them verified or older than $3.
const textPumping = `
SELECT s.tenant_id, encode(s.prefix, 'hex'), count(*) AS sent
  FROM (SELECT x.tenant_id, x.prefix, x.channel_id, x.verified_at FROM text_send x
         WHERE x.at > $1 AND (x.verified_at IS NOT NULL OR x.at < $3) ORDER BY x.at DESC LIMIT 200000) s
 GROUP BY s.tenant_id, s.prefix
HAVING count(*) >= $2 AND count(DISTINCT s.channel_id) >= 5 AND count(s.verified_at) * 10 < count(*) * 3
 ORDER BY 3 DESC, 1, 2 LIMIT 100`

// textBudgets is the day's budgets of which $2 hundredths are used at $1, by what was judged last; a part of one code counts for
// those who are refused already. With $3 only tenants' and the installation's. What is used slides, as text_reserve counts it.
const textBudgets = `
SELECT b.tenant_id, b.scope, b.country, b.size, u.used
  FROM text_budget b
 CROSS JOIN LATERAL (
    SELECT coalesce(sum(c.sent), 0)::bigint AS used FROM text_count c
     WHERE c.tenant_id = b.tenant_id AND c.country = b.country AND c.slot >= date_trunc('hour', $1::timestamptz - interval '24 hours')) u
 WHERE u.used >= b.size * $2::int / 100 AND u.used > 0 AND (NOT $3::boolean OR b.scope <> 'country')
 ORDER BY u.used::float8 / b.size DESC, 1, 2, 3 LIMIT 100`

// textPauses is what is paused at $1.
const textPauses = `SELECT p.tenant_id, p.scope, p.key, p.sent FROM text_pause p WHERE p.until > $1 ORDER BY p.since DESC, p.tenant_id, p.key LIMIT 100`
