package postgres

import (
	"context"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/holdfast/holdfast/internal/abuse"
)

// agentsLooking is who looked for what is not there, or not theirs, $2 times at least since $1.
const agentsLooking = `
SELECT e.tenant_id, e.actor_id, '' AS other, count(*) AS n
  FROM audit_event e
 WHERE e.at > $1 AND (e.action = 'agent.lookup.refused' OR (e.action IN ('agent.account.read', 'case.refused') AND e.outcome = 'failure'))
 GROUP BY 1, 2 HAVING count(*) >= $2 ORDER BY n DESC, 1, 2 LIMIT 100`

// hastyApprovals is who approved within twenty seconds of reading, $2 times at least since $1.
const hastyApprovals = `
SELECT d.tenant_id, d.person, '' AS other, count(*) AS n
  FROM support_decision d
 WHERE d.at > $1 AND d.consent AND d.at < d.read_at + interval '20 seconds'
 GROUP BY 1, 2 HAVING count(*) >= $2 ORDER BY n DESC, 1, 2 LIMIT 100`

// approvalPairs is who approved what one other person proposed, $2 times at least since $1, and in most of what they approved: the
// service draws who decides, so that pairs do not come about by themselves.
const approvalPairs = `
SELECT x.tenant_id, x.person, x.proposer AS other, x.n
  FROM (SELECT d.tenant_id, d.person, p.person AS proposer, count(*) AS n, sum(count(*)) OVER (PARTITION BY d.tenant_id, d.person) AS total
          FROM support_decision d JOIN support_proposal p ON p.tenant_id = d.tenant_id AND p.id = d.proposal_id
         WHERE d.at > $1 AND d.consent GROUP BY 1, 2, 3) x
 WHERE x.n >= $2 AND x.n * 10 > x.total * 6
   AND (SELECT count(DISTINCT p.person) FROM support_proposal p WHERE p.tenant_id = x.tenant_id AND p.at > $1) > 2
 ORDER BY x.n DESC, 1, 2 LIMIT 100`

// machinesMisused is which machines' credentials came from browsers, $2 times at least since $1. A node writes each down once a minute.
const machinesMisused = `
SELECT e.tenant_id, e.subject, '' AS other, count(*) AS n
  FROM audit_event e
 WHERE e.at > $1 AND e.action = 'nhi.interactive_use'
 GROUP BY 1, 2 HAVING count(*) >= $2 ORDER BY n DESC, 1, 2 LIMIT 100`

// probeDesk answers the probes about people at the desk.
func (s *Abuse) probeDesk(ctx context.Context, d abuse.Detector, now time.Time) ([]abuse.Finding, error) {
	question := map[abuse.Probe]string{
		abuse.ProbeLooking: agentsLooking, abuse.ProbeHasty: hastyApprovals, abuse.ProbePairs: approvalPairs, abuse.ProbeMisused: machinesMisused,
	}[d.Probe]
	rows, err := s.db.pool.Query(ctx, question, now.Add(-d.Window), d.Limit)
	if err != nil {
		return nil, translate(err, "look at the desk")
	}
	out, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (abuse.Finding, error) {
		f := abuse.Finding{Limit: d.Limit}
		var other string
		err := row.Scan(&f.Tenant, &f.Key, &other, &f.Count)
		f.Labels = map[string]string{"person": f.Key}
		if d.Probe == abuse.ProbeMisused {
			f.Labels = map[string]string{"client": f.Key}
		}
		if other != "" {
			f.Labels["proposer"] = other
			f.Key += "/" + other
		}
		return f, err
	})
	return out, translate(err, "look at the desk")
}
