package support

import (
	"context"
	"io"
	"slices"
	"time"

	"github.com/holdfast/holdfast/internal/audit"
	"github.com/holdfast/holdfast/internal/credential"
	"github.com/holdfast/holdfast/internal/fault"
	"github.com/holdfast/holdfast/internal/idempotency"
	"github.com/holdfast/holdfast/internal/recovery"
	"github.com/holdfast/holdfast/internal/secret"
)

// Config is what a Service is made of.
type Config struct {
	Store      Store
	Recoveries Recoveries
	Vault      Vault
	Keys       *secret.Keyring
	Rand       io.Reader // crypto/rand outside tests
	Limits     Limits
}

// Service is the use cases of support. It is safe for concurrent use and holds no state of its own.
type Service struct{ Config }

// NewService makes a Service.
func NewService(cfg Config) *Service { return &Service{Config: cfg} }

func (s *Service) newID(prefix string, now time.Time) string {
	return secret.NewID(prefix, now, s.Rand)
}

// answer is what a request is answered with, as it is stored for a retry: a value, or the refusal that was committed.
type answer[T any] struct {
	Value   T          `json:"value"`
	Refusal fault.Code `json:"refusal,omitempty"`
}

func (a answer[T]) err() error {
	if a.Refusal == "" {
		return nil
	}
	return fault.Of(a.Refusal)
}

// replay opens the stored answer to a request that was made before with the same Idempotency-Key.
func replay[T any](key idempotency.Key, rec *idempotency.Record, out *answer[T]) error {
	if err := key.Check(*rec); err != nil {
		return err
	}
	return key.Open(rec.Outcome, out)
}

func remember[T any](key idempotency.Key, out answer[T]) (*idempotency.Record, error) {
	if key.IsZero() {
		return nil, nil //nolint:nilnil // without a key there is nothing to remember.
	}
	outcome, err := key.Seal(out)
	if err != nil {
		return nil, fault.Wrap(err, "seal answer")
	}
	rec := key.Record(outcome)
	return &rec, nil
}

// acting runs one act on a case: it loads it, lets time and change have their say first, and commits what follows with the
// answer to a retry. A refusal that follows from what time brought is committed, and then returned.
func acting[T any](ctx context.Context, s *Service, who Caller, q Query, act func(tx Tx, in Loaded, ch *Change) (T, error)) (T, error) {
	var out answer[T]
	q.Tenant, q.Person = who.Who.Tenant, who.Who.Person()
	err := s.Store.Changing(ctx, q, func(tx Tx, in Loaded) error {
		out = answer[T]{}
		if in.Recovery.Replay != nil {
			return replay(q.Key, in.Recovery.Replay, &out)
		}
		if err := s.fill(ctx, tx, &in); err != nil {
			return err
		}
		ch := s.change(in, who)
		settled := s.settle(in)
		ch.Steps = settled
		if len(settled) > 0 {
			in.Case = settled[len(settled)-1].Next
		}
		value, err := act(tx, in, &ch)
		if err != nil {
			f := fault.From(err)
			if !recorded(f.Code) {
				return err
			}
			// What was tried is written down, and what time brought is not lost with it.
			ch = s.change(in, who)
			ch.Steps = settled
			ch.Events = append(ch.Events, s.event(in, who, audit.CaseActRefused, audit.Failure, map[string]any{"code": string(f.Code)}))
			out.Refusal = f.Code
		} else {
			out.Value = value
		}
		if ch.Remember, err = remember(q.Key, out); err != nil {
			return err
		}
		return tx.Apply(ctx, ch)
	})
	if err != nil {
		return out.Value, fault.Wrap(err, "act on case")
	}
	return out.Value, out.err()
}

// recorded tells the refusals that are worth a line in the trail: somebody tried what they must not, or what no longer stands.
// All of them commit, so that what time brought is kept; an internal failure commits nothing.
func recorded(c fault.Code) bool {
	return slices.Contains([]fault.Code{
		fault.CodeConflictOfInterest, fault.CodeForbidden, fault.CodeProposalVoid, fault.CodeProposalOpen, fault.CodeEvidenceShort,
		fault.CodeNotAllowedInState, fault.CodeArtefactUsed, fault.CodeNotFound,
	}, c)
}

// change begins the change of a loaded case.
func (s *Service) change(in Loaded, who Caller) Change {
	ch := Change{Tenant: in.Case.Tenant, Case: in.Case.ID, At: in.Now(), RecoveryID: in.Case.Recovery, RequestID: who.RequestID}
	if who.Who.Human() {
		ch.Staff = seen(who.Who)
	}
	return ch
}

func seen(p credential.Principal) *Seen {
	roles := make([]string, 0, len(p.Staff.Roles))
	for _, r := range p.Staff.Roles {
		roles = append(roles, string(r))
	}
	return &Seen{Person: p.Person(), Roles: roles}
}

// fill works out who the account's owner could be among the company's people.
func (s *Service) fill(ctx context.Context, tx Tx, in *Loaded) error {
	a := in.Recovery.Account
	if a == nil {
		return nil
	}
	persons, err := s.persons(in.Case.Tenant, *a, in.Holder)
	if err != nil {
		return err
	}
	in.HolderPersons = persons
	in.HolderIsStaff, err = tx.StaffAmong(ctx, in.Case.Tenant, persons)
	return fault.Wrap(err, "look for the owner among the staff")
}

// persons is who the account's owner would be if they worked here: by the account's own name, its identifiers and its
// addresses, as the company's directory could name a person. They are worked out when they are needed, and kept nowhere.
func (s *Service) persons(tenant string, a recovery.Account, sealed []Sealed) ([]string, error) {
	texts, err := s.Vault.Open(tenant, a, sealed)
	if err != nil {
		return nil, fault.Wrap(err, "open what names the owner")
	}
	var out []string
	for _, t := range texts {
		if id := credential.PersonID(t.Text.Reveal()); !slices.Contains(out, id) {
			out = append(out, id)
		}
	}
	return out, nil
}

// as is the caller's party, knowing whether the account is theirs.
func (in Loaded) as(who Caller) Party {
	p := who.party()
	p.Holder = slices.Contains(in.HolderPersons, p.Person)
	return p
}

// settle gives the steps that time and change have brought to a case before anybody acts on it.
func (s *Service) settle(in Loaded) []Step {
	var steps []Step
	c, now := in.Case, in.Now()
	add := func(kind EventKind) bool {
		step, err := c.Apply(Event{Kind: kind}, now)
		if err != nil {
			return false
		}
		steps = append(steps, step)
		c = step.Next
		return true
	}
	if !c.State.Open() {
		return nil
	}
	if !s.Recoveries.Due(in.Recovery).State.Open() {
		add(End)
		return steps
	}
	if c.openProposal() != nil && !add(Lapse) && s.altered(in, c) {
		add(Alter)
	}
	add(Idle)
	return steps
}

// altered reports whether anything that the open proposal is bound to is no longer as it was. What cannot be encoded has changed.
func (s *Service) altered(in Loaded, c Case) bool {
	p := c.openProposal()
	in.Case = c
	h, err := s.bind(in, p.Outcome).hash()
	return err != nil || !secret.Equal(h, p.Hash)
}

// step applies an event to the loaded case and adds the step to the change.
func (ch *Change) step(in *Loaded, ev Event, action audit.Action) error {
	step, err := in.Case.Apply(ev, ch.At)
	if err != nil {
		return err
	}
	if step.Action == "" {
		step.Action = action
	}
	ch.Steps = append(ch.Steps, step)
	in.Case = step.Next
	return nil
}

// say adds to what the trail says of the latest step.
func (ch *Change) say(name string, value any) {
	last := &ch.Steps[len(ch.Steps)-1]
	if last.Details == nil {
		last.Details = map[string]any{}
	}
	last.Details[name] = value
}

// event is a line in the trail about a case that is no step of it.
func (s *Service) event(in Loaded, who Caller, action audit.Action, outcome audit.Outcome, details map[string]any) audit.Event {
	return audit.Event{
		Tenant: in.Case.Tenant, At: in.Now(), Actor: who.Who.Actor(), Action: action, Subject: in.Case.ID, Recovery: in.Case.Recovery,
		Outcome: outcome, RequestID: who.RequestID, Details: details,
	}
}

// adopt adds the recovery's change, and lets what follows see the recovery as it will be. A step that says that its event came
// too late refuses the act.
func (ch *Change) adopt(in *Loaded, c recovery.Change) error {
	last := c.Steps[len(c.Steps)-1]
	if err := last.Refusal(); err != nil {
		return err
	}
	ch.Recovery = &c
	in.Recovery.Recovery = last.Next
	return nil
}

// frozen hands the recovery to people where it is not with them yet.
func (s *Service) frozen(in *Loaded, ch *Change, who Caller, reason string) error {
	if in.Recovery.Recovery.State == recovery.Assisted {
		return nil
	}
	c, err := s.Recoveries.Escalation(in.Recovery, recovery.Act{By: who.Who.Actor(), RequestID: who.RequestID, Reason: reason})
	if err != nil {
		return err
	}
	return ch.adopt(in, c)
}

// worker refuses who must not work on the case.
func (in Loaded) worker(who Caller) error {
	p := in.as(who)
	switch {
	case p.Person == "", !in.Case.State.Open():
		return fault.Of(fault.CodeNotAllowedInState).Detail("The case is over.")
	case p.Holder, in.Case.full(p.Person):
		return fault.Of(fault.CodeConflictOfInterest)
	}
	return nil
}

// done is the answer to an act.
func (in Loaded) done(made string) Done {
	return Done{
		Case: in.Case.ID, Reference: in.Recovery.Recovery.Reference, State: in.Case.State, ExpiresAt: in.Case.ExpiresAt, Made: made,
	}
}
