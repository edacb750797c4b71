package support

import (
	"encoding/hex"
	"maps"
	"slices"
	"time"

	"github.com/holdfast/holdfast/internal/audit"
)

// The periods of requirements.md, section 3.
const (
	IdleFor     = 24 * time.Hour
	ProposalFor = 30 * time.Minute
	// AssignFor is how long one who was given a case has it to themselves. It is shorter than a proposal's life, so that another
	// can be asked when they do not come to it.
	AssignFor = 10 * time.Minute
	// HastyUnder is how soon after reading an approval is hardly one. It is written down, not refused: a limit would teach
	// people to wait.
	HastyUnder = 20 * time.Second
)

// mostWorkers bounds who is remembered as having worked on a case, each by two names. Whoever comes after them is turned away.
const mostWorkers = 100

// Case is support's container around one recovery. It is a value; Apply gives the next one.
type Case struct {
	ID       string
	Tenant   string
	Recovery string
	Via      Via
	OpenedBy string // PersonID; empty for an appeal
	State    State
	Version  int64

	Workers    []string // everybody who did anything in it, by person and by account; none of them decides
	Barred     []string // likewise those who worked on or decided about this recovery in cases before: what they left is for others
	FlaggedAt  time.Time
	FlagReason FlagReason
	AIInvolved bool
	DataKey    []byte    // wrapped; words are sealed under it; gone once the account is erased
	Outcome    Outcome   // what two humans decided
	Proposal   *Proposal // the latest; nil when there is none

	CreatedAt time.Time
	ActiveAt  time.Time
	ExpiresAt time.Time
	ClosedAt  time.Time
}

// Step is what follows from one event. Only Apply and Open make one.
type Step struct { //nolint:recvcheck // Apply fills it through a pointer; for everyone else it is a value.
	From, To State
	Event    EventKind
	Action   audit.Action
	By       Party
	At       time.Time
	Next     Case

	NewProposal   bool
	NewDecision   *Decision
	CloseProposal ProposalStatus // what became of the proposal; empty: nothing
	Execute       bool           // the recovery is to be changed as proposed
	Details       map[string]any // what else the trail says of it: ids and enumerations, never words
}

// Valid reports whether the step was made by Apply or Open.
func (s Step) Valid() bool { return s.Next.Version > 0 && s.Action != "" }

// Open gives the first step of a case.
func Open(c Case, by Party, now time.Time) Step {
	c.State, c.Version = Opened, 0
	c.CreatedAt = now
	s := Step{To: Opened, Action: audit.CaseOpened, By: by, At: now, Next: c}
	s.joined(by)
	s.active(now)
	s.finish(now)
	return s
}

func (s *Step) active(now time.Time) {
	s.Next.ActiveAt, s.Next.ExpiresAt = now, now.Add(IdleFor)
}

// worked keeps who worked on it. They decide nothing about it any more.
func (s *Step) worked(ev Event, now time.Time) {
	s.active(now)
	s.joined(ev.By)
	if ev.By.Client != "" {
		s.Next.AIInvolved = true
	}
}

// joined remembers a party under both of its names.
func (s *Step) joined(by Party) {
	for _, name := range []string{by.Person, by.Account} {
		if name != "" && !slices.Contains(s.Next.Workers, name) {
			s.Next.Workers = append(slices.Clone(s.Next.Workers), name)
		}
	}
}

func (s *Step) raise(ev Event, now time.Time) {
	s.worked(ev, now)
	if s.Next.FlaggedAt.IsZero() {
		s.Next.FlaggedAt, s.Next.FlagReason = now, ev.Reason
	}
}

func (s *Step) decide(ev Event) {
	p := *s.Next.Proposal
	p.Decisions = append(slices.Clone(p.Decisions), *ev.Decision)
	s.Next.Proposal = &p
	s.NewDecision = ev.Decision
}

// close ends the proposal that is open, if there is one.
func (s *Step) close(status ProposalStatus, now time.Time) {
	if s.Next.Proposal == nil || s.Next.Proposal.Status != ProposalOpen {
		return
	}
	p := *s.Next.Proposal
	p.Status, p.ClosedAt = status, now
	s.Next.Proposal = &p
	s.CloseProposal = status
}

func (s *Step) finish(now time.Time) {
	s.Next.Version++
	if !s.To.Open() {
		s.Next.ClosedAt = now
	}
}

// full reports whether no further worker can be remembered.
func (c Case) full(person string) bool {
	return len(c.Workers) >= mostWorkers && !slices.Contains(c.Workers, person)
}

// openProposal is the proposal that waits for decisions, or nil.
func (c Case) openProposal() *Proposal {
	if c.Proposal == nil || c.Proposal.Status != ProposalOpen {
		return nil
	}
	return c.Proposal
}

// AuditEvent is the line in the trail that the step's version must have. Whoever acted is an agent or an AI agent; where nobody
// did, time or a change elsewhere.
func (s Step) AuditEvent() audit.Event {
	e := audit.Event{
		Tenant: s.Next.Tenant, At: s.At, Actor: s.By.actor(), Action: s.Action, Subject: s.Next.ID, Recovery: s.Next.Recovery, Outcome: audit.Success,
		Details: map[string]any{"version": s.Next.Version, "from": string(s.From), "to": string(s.To)},
	}
	if s.Next.AIInvolved {
		e.Details["ai_involved"] = true
	}
	maps.Copy(e.Details, s.Details)
	if s.Event == Join {
		e.Details["joined"] = true
	}
	if s.Event == Flag {
		e.Reason = string(s.Next.FlagReason)
	}
	if p := s.Next.Proposal; p != nil && (s.NewProposal || s.NewDecision != nil || s.CloseProposal != "") {
		e.PolicyVersion = p.Policy
		e.Details["proposal"], e.Details["outcome"], e.Details["evidence_hash"] = p.ID, string(p.Outcome), hex.EncodeToString(p.Hash)
		e.Details["proposed_by"], e.Details["proposed_by_ai"], e.Details["security"] = p.By.Person, p.By.Client != "", p.Security
	}
	if d := s.NewDecision; d != nil {
		took := d.At.Sub(d.ReadAt)
		e.Details["took_ms"], e.Details["hasty"] = took.Milliseconds(), d.Consent && took < HastyUnder
		e.Details["approvers"] = s.Next.Proposal.consents()
	}
	return e
}

// actor is the party in the trail.
func (p Party) actor() audit.Actor {
	switch {
	case p.Client != "":
		return audit.Actor{Kind: audit.ActorAI, ID: p.Client}
	case p.Person != "":
		return audit.Actor{Kind: audit.ActorAgent, ID: p.Person}
	default:
		return audit.Actor{Kind: audit.ActorSystem, ID: "cases"}
	}
}
