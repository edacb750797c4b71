package auditlog

import (
	"context"
	"time"

	"github.com/holdfast/holdfast/internal/audit"
	"github.com/holdfast/holdfast/internal/fault"
)

// Decision is one human's word on a proposal, as the events have it.
type Decision struct {
	Event        string
	Proposal     string
	Outcome      string // what was proposed: approve or deny
	ProposedBy   string // the person; a machine's owner
	ProposedByAI bool
	Person       string
	Consent      bool
	Hasty        bool
	At           time.Time
	DrawnAt      time.Time // when the person was given the proposal; zero if no event says so
	FirstLookAt  time.Time // when they first read the case after that
	Reason       string    // their words; empty once the account was erased
}

// CaseTrail is who looked at a case, who did what, and how fast it was decided.
type CaseTrail struct {
	Page
	Decisions []Decision // the earliest first; 100 at most
}

// longestPeriod bounds what Desk is asked for.
const longestPeriod = 31 * 24 * time.Hour

// maxPeople bounds one page of people.
const maxPeople = 100

// DeskFilter says which people's work is meant.
type DeskFilter struct {
	From, To time.Time // 31 days at most; From included, To not
	Cursor   string    // the last actor of the page before
	Limit    int       // 1 to 100; 100 when zero
}

// Worker is what one human or AI agent did at the desk in a period.
type Worker struct {
	Actor         audit.Actor
	Cases         int // on which they did something, a look included
	Looks         int
	Refused       int // what they tried and must not, or was not there
	Proposed      int
	Flagged       int
	Drawn         int // proposals that they were given to decide
	Approved      int
	Rejected      int
	Hasty         int
	DrawToDecide  time.Duration // the median; zero without decisions
	LookToDecide  time.Duration // the median from the last look before it
	Proposers     []Pair        // whose proposals they decided about, the most first; ten at most
	FellowDecider []Pair        // who decided about the same proposals
}

// Pair is how often two people met over a proposal.
type Pair struct {
	Person    string
	Proposals int
}

// Desk is a page of people by their id.
type Desk struct {
	Workers []Worker
	Next    string
}

// DeskStore reads what people did on cases, from the events alone. The event that tells of the reading is committed together with
// it, or nothing is given.
type DeskStore interface {
	Decisions(ctx context.Context, tenant, caseID string) ([]Decision, error)
	Desk(ctx context.Context, tenant string, f DeskFilter, reading audit.Event) (Desk, error)
}

// Case gives the trail of a support case, newest first, and every decision with how long it took. One that the tenant has no
// event of is fault.CodeNotFound.
func (l *Log) Case(ctx context.Context, who Reader, caseID, cursor string, limit int) (CaseTrail, error) {
	f := Filter{Tenant: who.Tenant, Subject: caseID, Cursor: cursor, Limit: limit}
	if f.Limit == 0 {
		f.Limit = defaultLimit
	}
	if !f.valid() {
		return CaseTrail{}, fault.Of(fault.CodeInvalidRequest)
	}
	now, err := l.Store.Now(ctx)
	if err != nil {
		return CaseTrail{}, err
	}
	page, err := l.Store.Events(ctx, l.Origin, f, l.reading(who, now, audit.AuditRead, subjectLog, f.details()))
	if err != nil {
		return CaseTrail{}, err
	}
	if len(page.Records) == 0 && cursor == "" {
		return CaseTrail{}, fault.Of(fault.CodeNotFound)
	}
	out := CaseTrail{Page: page}
	if out.Decisions, err = l.Desks.Decisions(ctx, who.Tenant, caseID); err != nil || len(out.Decisions) == 0 {
		return out, err
	}
	words, err := l.Reasons(ctx, who.Tenant, caseID)
	for i, d := range out.Decisions {
		out.Decisions[i].Reason = words[d.Proposal+"/"+d.Person]
	}
	return out, fault.Wrap(err, "read reasons")
}

// Desk gives what people and AI agents did on cases in a period. A period that cannot be, or is longer than 31 days, is
// fault.CodeInvalidRequest.
func (l *Log) Desk(ctx context.Context, who Reader, f DeskFilter) (Desk, error) {
	now, err := l.Store.Now(ctx)
	if err != nil {
		return Desk{}, err
	}
	if f.To.IsZero() {
		f.To = now
	}
	if f.From.IsZero() {
		f.From = f.To.Add(-longestPeriod)
	}
	if f.Limit == 0 {
		f.Limit = maxPeople
	}
	if !f.From.Before(f.To) || f.To.Sub(f.From) > longestPeriod || f.Limit < 1 || f.Limit > maxPeople || len(f.Cursor) > 200 {
		return Desk{}, fault.Of(fault.CodeInvalidRequest).At("query since", "must be before until, by 31 days at most")
	}
	details := map[string]any{"from": f.From.UTC(), "to": f.To.UTC(), "limit": f.Limit, "people": true}
	out, err := l.Desks.Desk(ctx, who.Tenant, f, l.reading(who, now, audit.AuditRead, subjectLog, details))
	return out, fault.Wrap(err, "read the desk")
}
