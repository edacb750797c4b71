package support

import (
	"slices"
	"time"
)

// EventKind names what can happen to a case.
type EventKind string

// The events.
const (
	Work    EventKind = "work"    // a note, an artefact or a challenge
	Propose EventKind = "propose" // somebody proposes an outcome
	Consent EventKind = "consent" // one human decides for the proposal
	Dissent EventKind = "dissent" // one human decides against it
	Alter   EventKind = "alter"   // something that the proposal is bound to has changed
	Lapse   EventKind = "lapse"   // its time is over
	Flag    EventKind = "flag"    // fraud is suspected
	End     EventKind = "end"     // the recovery ended by itself
	Idle    EventKind = "idle"    // nobody worked on the case for a day
	Join    EventKind = "join"    // another agent takes the telephone
)

// EventKinds lists all events.
func EventKinds() []EventKind {
	return []EventKind{Work, Propose, Consent, Dissent, Alter, Lapse, Flag, End, Idle, Join}
}

// Event is one thing that happened. Only the fields of its kind are read.
type Event struct {
	Kind     EventKind
	By       Party
	Proposal *Proposal  // Propose: the new one
	Enough   bool       // Propose: the case holds what the outcome demands
	Decision *Decision  // Consent, Dissent
	Reason   FlagReason // Flag
}

// Party is who acts on a case: a human, or a machine with the human who answers for it. A machine and its owner are one
//
type Party struct {
	Person   string // PersonID
	Account  string // a human's account, named like a person; empty where it is not known
	Client   string // empty for a human
	Security bool   // a human of the security staff
	Holder   bool   // the account is theirs
}

// Human reports whether it is a human.
func (p Party) Human() bool { return p.Client == "" && p.Person != "" }

// Name is what the trail calls the party.
func (p Party) Name() string {
	if p.Client != "" {
		return p.Client
	}
	return p.Person
}

// among reports whether the party is one of these people, by who they are or by the account that they signed in with: what a
// provider says of a person can change between two acts, and one human would be two.
func (p Party) among(people []string) bool {
	return slices.ContainsFunc(people, func(one string) bool { return one != "" && (one == p.Person || one == p.Account) })
}

// Decision is one human's word on a proposal.
type Decision struct {
	Person   string
	Account  string // that they signed in with
	Security bool   // decided as security staff
	Consent  bool
	Hash     []byte // what the human saw
	ReadAt   time.Time
	At       time.Time
	Reason   []byte // sealed; words, which change nothing
}

// Proposal is an outcome that two humans are asked to decide about, bound to a hash of everything that it rests on.
type Proposal struct {
	ID        string
	Outcome   Outcome
	Hash      []byte
	By        Party
	Security  bool // two of the security staff have to decide
	AI        bool // an AI agent proposed it, or had a part in the case before
	Policy    string
	Recovery  int64 // the recovery's version
	At        time.Time
	ExpiresAt time.Time
	Status    ProposalStatus
	ClosedAt  time.Time
	Decisions []Decision
}

// consents are the people who decided for it.
func (p *Proposal) consents() []string {
	var out []string
	for _, d := range p.Decisions {
		if d.Consent {
			out = append(out, d.Person)
		}
	}
	return out
}
