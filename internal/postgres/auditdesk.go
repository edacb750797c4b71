package postgres

import (
	"context"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/holdfast/holdfast/internal/audit"
	"github.com/holdfast/holdfast/internal/auditlog"
	"github.com/holdfast/holdfast/internal/support"
)

var _ auditlog.DeskStore = (*AuditLog)(nil)

// decidedSQL is when who decided was given the proposal, and when they first read the case after that.
const decidedSQL = `
	cross join lateral (select max(a.at) as at from audit_event a
		where a.tenant_id = e.tenant_id and a.subject = e.subject and a.action = 'case.assigned' and a.actor_id = e.actor_id
		  and a.id <= e.id and a.details->>'proposal' = e.details->>'proposal') drawn
	cross join lateral (select min(r.at) as at from audit_event r
		where r.tenant_id = e.tenant_id and r.subject = e.subject and r.action = 'agent.account.read' and r.outcome = 'success'
		  and r.actor_id = e.actor_id and r.at >= drawn.at and r.at <= e.at) looked`

// Decisions implements auditlog.DeskStore.
func (s *AuditLog) Decisions(ctx context.Context, tenant, caseID string) ([]auditlog.Decision, error) {
	rows, err := s.db.pool.Query(ctx, `
		select e.id, e.details->>'proposal', e.details->>'outcome', coalesce(e.details->>'proposed_by', ''), coalesce((e.details->>'proposed_by_ai')::boolean, false),
		       e.actor_id, e.action <> 'case.rejected', coalesce((e.details->>'hasty')::boolean, false), e.at, drawn.at, looked.at
		  from audit_event e`+decidedSQL+`
		 where e.tenant_id = $1 and e.subject = $2 and e.action in ('case.approved', 'case.executed', 'case.rejected') and e.details ? 'took_ms'
		 order by e.id limit 100`, tenant, caseID)
	if err != nil {
		return nil, translate(err, "read decisions")
	}
	out, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (auditlog.Decision, error) {
		var d auditlog.Decision
		var drawn, looked *time.Time
		err := row.Scan(&d.Event, &d.Proposal, &d.Outcome, &d.ProposedBy, &d.ProposedByAI, &d.Person, &d.Consent, &d.Hasty, &d.At, &drawn, &looked)
		d.At, d.DrawnAt, d.FirstLookAt = d.At.UTC(), instant(drawn), instant(looked)
		return d, err
	})
	return out, translate(err, "read decisions")
}

// workersSQL sums a page of people up. Ids sort by time, and a bound on them lets the index stop where the period ends.
const workersSQL = `
	select e.actor_kind, e.actor_id, count(distinct e.subject) filter (where e.subject like 'cas\_%'),
	       count(*) filter (where e.action = 'agent.account.read' and e.outcome = 'success'),
	       count(*) filter (where e.action in ('case.refused', 'agent.lookup.refused') or (e.action = 'agent.account.read' and e.outcome = 'failure')),
	       count(*) filter (where e.action = 'case.proposed'), count(*) filter (where e.action = 'case.flagged'), count(*) filter (where e.action = 'case.assigned'),
	       count(*) filter (where e.decision and e.action <> 'case.rejected'), count(*) filter (where e.decision and e.action = 'case.rejected'),
	       count(*) filter (where e.decision and (e.details->>'hasty')::boolean),
	       coalesce(percentile_cont(0.5) within group (order by extract(epoch from e.at - drawn.at)) filter (where e.decision), 0)::float8,
	       coalesce(percentile_cont(0.5) within group (order by (e.details->>'took_ms')::float8) filter (where e.decision), 0)::float8 / 1000
	  from (select x.tenant_id, x.id, x.at, x.actor_kind, x.actor_id, x.action, x.subject, x.outcome, x.details,
	               x.action in ('case.approved', 'case.executed', 'case.rejected') and x.details ? 'took_ms' as decision
	          from audit_event x
	         where x.tenant_id = @tenant and x.actor_id > @cursor and x.actor_kind in ('agent', 'ai') and x.at >= @from and x.at < @to
	           and x.id >= @floor and x.id <= @ceiling and (x.action like 'case.%' or x.action like 'agent.%')) e
	  left join lateral (select max(a.at) as at from audit_event a
		where e.decision and a.tenant_id = e.tenant_id and a.subject = e.subject and a.action = 'case.assigned' and a.actor_id = e.actor_id
		  and a.id <= e.id and a.details->>'proposal' = e.details->>'proposal') drawn on true
	 group by 1, 2 order by 2 limit @limit`

// pairsSQL is whom a page of people met over proposals: who proposed, and who decided as well.
const pairsSQL = `
	with d as (
		select x.actor_id, x.subject, x.details->>'proposal' as proposal, x.details->>'proposed_by' as proposer from audit_event x
		 where x.tenant_id = @tenant and x.action in ('case.approved', 'case.executed', 'case.rejected') and x.details ? 'took_ms'
		   and x.at >= @from and x.at < @to and x.id >= @floor and x.id <= @ceiling
	), met as (
		select d.actor_id, true as proposer, d.proposer as other from d where d.actor_id = any(@people) and d.proposer <> ''
		union all
		select d.actor_id, false, o.actor_id from d join d o on o.subject = d.subject and o.proposal = d.proposal and o.actor_id <> d.actor_id
		 where d.actor_id = any(@people)
	), ranked as (
		select actor_id, proposer, other, count(*) as n, row_number() over (partition by actor_id, proposer order by count(*) desc, other) as place
		  from met group by 1, 2, 3
	)
	select actor_id, proposer, other, n from ranked where place <= 10 order by actor_id, proposer, place`

// Desk implements auditlog.DeskStore.
func (s *AuditLog) Desk(ctx context.Context, tenant string, f auditlog.DeskFilter, reading audit.Event) (auditlog.Desk, error) {
	var out auditlog.Desk
	args := pgx.NamedArgs{
		"tenant": tenant, "cursor": f.Cursor, "from": f.From, "to": f.To, "floor": idAt(f.From.Add(-idSlack)), "ceiling": lastIDAt(f.To.Add(idSlack)),
		"limit": f.Limit + 1,
	}
	err := s.db.inTx(ctx, func(p *pipeline) error {
		var err error
		if out.Workers, err = readWorkers(ctx, p, args); err != nil {
			return err
		}
		if out.Next = ""; len(out.Workers) > f.Limit {
			out.Workers = out.Workers[:f.Limit]
			out.Next = out.Workers[f.Limit-1].Actor.ID
		}
		if err := readPairs(ctx, p, args, out.Workers); err != nil {
			return err
		}
		reading.Details["actors"] = len(out.Workers)
		return p.appendEvents(reading)
	})
	return out, translate(err, "read the desk")
}

func readWorkers(ctx context.Context, on rower, args pgx.NamedArgs) ([]auditlog.Worker, error) {
	rows, err := on.Query(ctx, workersSQL, args)
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(rows, func(row pgx.CollectableRow) (auditlog.Worker, error) {
		var w auditlog.Worker
		var drawn, looked float64
		err := row.Scan(&w.Actor.Kind, &w.Actor.ID, &w.Cases, &w.Looks, &w.Refused, &w.Proposed, &w.Flagged, &w.Drawn, &w.Approved, &w.Rejected, &w.Hasty, &drawn, &looked)
		w.DrawToDecide, w.LookToDecide = time.Duration(drawn*float64(time.Second)), time.Duration(looked*float64(time.Second))
		return w, err
	})
}

func readPairs(ctx context.Context, on rower, args pgx.NamedArgs, workers []auditlog.Worker) error {
	people, place := make([]string, len(workers)), map[string]int{}
	for i, w := range workers {
		people[i], place[w.Actor.ID] = w.Actor.ID, i
	}
	delete(args, "cursor")
	delete(args, "limit")
	args["people"] = people
	rows, err := on.Query(ctx, pairsSQL, args)
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		var who string
		var proposer bool
		var pair auditlog.Pair
		if err := rows.Scan(&who, &proposer, &pair.Person, &pair.Proposals); err != nil {
			return err
		}
		w := &workers[place[who]]
		if proposer {
			w.Proposers = append(w.Proposers, pair)
		} else {
			w.FellowDecider = append(w.FellowDecider, pair)
		}
	}
	return rows.Err()
}

// Reasons gives the words of a case's decisions as they are kept.
func (s *Cases) Reasons(ctx context.Context, tenant, caseID string) (support.SealedReasons, error) {
	out := support.SealedReasons{Tenant: tenant, Case: caseID, Reasons: map[string][]byte{}}
	rows, err := s.db.pool.Query(ctx, `
		select c.data_key, d.proposal_id || '/' || d.person, d.reason
		  from support_case c join support_proposal p on p.tenant_id = c.tenant_id and p.case_id = c.id
		  join support_decision d on d.tenant_id = p.tenant_id and d.proposal_id = p.id
		 where c.tenant_id = $1 and c.id = $2 order by d.at limit 100`, tenant, caseID)
	if err != nil {
		return out, translate(err, "read reasons")
	}
	defer rows.Close()
	for rows.Next() {
		var id string
		var words []byte
		if err := rows.Scan(&out.DataKey, &id, &words); err != nil {
			return out, translate(err, "read reasons")
		}
		out.Reasons[id] = words
	}
	return out, translate(rows.Err(), "read reasons")
}
