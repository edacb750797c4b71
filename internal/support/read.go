package support

import (
	"context"
	"slices"
	"time"

	"github.com/holdfast/holdfast/internal/audit"
	"github.com/holdfast/holdfast/internal/credential"
	"github.com/holdfast/holdfast/internal/factor"
	"github.com/holdfast/holdfast/internal/fault"
	"github.com/holdfast/holdfast/internal/recovery"
	"github.com/holdfast/holdfast/internal/secret"
)

// Read shows a case, and writes down that it was shown, to whom: what cannot be written down is not shown. Agents read
// open cases; those who decide read what they were given, while it is theirs. Everything else is fault.CodeNotFound.
func (s *Service) Read(ctx context.Context, cmd ReadCommand) (View, error) {
	var out View
	refused := false
	q := Query{Tenant: cmd.Who.Tenant, Case: cmd.Case, Person: cmd.Who.Person()}
	err := s.Store.Reading(ctx, q, func(tx Tx, in Loaded) error {
		ch := s.change(in, cmd.Caller)
		if refused = !in.readable(cmd.Caller); refused {
			ch.Events = []audit.Event{s.event(in, cmd.Caller, audit.CaseRead, audit.Failure, nil)}
			return tx.Apply(ctx, ch)
		}
		if err := s.fill(ctx, tx, &in); err != nil {
			return err
		}
		for _, step := range s.settle(in) { // shown as it stands; whoever acts next writes it down
			in.Case = step.Next
		}
		var err error
		if out, err = s.view(in, cmd.Caller); err != nil {
			return err
		}
		if in.Assignment != nil && cmd.Who.Human() { // what a machine reads, its owner has not read
			ch.ReadBy = in.Assignment.Person
			ch.Assign = in.Assignment
		}
		ch.Events = []audit.Event{s.event(in, cmd.Caller, audit.CaseRead, audit.Success, map[string]any{
			"state": string(in.Case.State), "account_shown": out.Account != nil && out.Account.Known,
		})}
		return tx.Apply(ctx, ch)
	})
	if fault.CodeOf(err) == fault.CodeNotFound {
		return View{}, s.lookedInVain(ctx, cmd.Caller, "case", err)
	}
	if err != nil {
		return View{}, fault.Wrap(err, "read case")
	}
	if refused {
		return View{}, fault.Of(fault.CodeNotFound)
	}
	return out, nil
}

// readable reports whether the caller may see the case.
func (in Loaded) readable(who Caller) bool {
	if in.Assignment.live(in.Now()) && who.Who.Human() {
		return true
	}
	if !in.Case.State.Open() {
		return slices.Contains(in.Case.Workers, who.Who.Person())
	}
	return who.Who.Has(credential.Agent) || who.Who.Kind == credential.AIAgent || slices.Contains(in.Case.Workers, who.Who.Person())
}

// List lists the caller's own open cases, and what they were given to decide. A machine works on its owner's cases, and was given
// nothing.
func (s *Service) List(ctx context.Context, who Caller) (List, error) {
	var out List
	err := s.Store.Listing(ctx, ListQuery{Tenant: who.Who.Tenant, Person: who.Who.Person()}, func(tx Tx, in List) error {
		if !who.Who.Human() {
			in.Cases = slices.DeleteFunc(in.Cases, func(c Listed) bool { return c.Assigned })
		}
		out = in
		return tx.Apply(ctx, Change{Tenant: who.Who.Tenant, At: in.Now, Events: []audit.Event{{
			Tenant: who.Who.Tenant, At: in.Now, Actor: who.Who.Actor(), Action: audit.CaseListed, Subject: who.Who.Name(), Outcome: audit.Success,
			RequestID: who.RequestID, Details: map[string]any{"cases": len(in.Cases)},
		}}})
	})
	return out, fault.Wrap(err, "list cases")
}

func (s *Service) view(in Loaded, who Caller) (View, error) {
	c, machine := in.Case, !who.Who.Human()
	r := s.Recoveries.Due(in.Recovery)
	v := View{
		ID: c.ID, Reference: r.Reference, State: c.State, Via: c.Via, Outcome: c.Outcome, OpenedAt: c.CreatedAt, ExpiresAt: c.ExpiresAt,
		ClosedAt: c.ClosedAt, FlaggedAt: c.FlaggedAt, FlagReason: c.FlagReason, AIInvolved: c.AIInvolved, Security: in.security() && in.proven(),
		Recovery: s.recoveryView(in, r, machine), Missing: []Missing{}, Artefacts: in.Artefacts, Proposal: s.proposalView(in, who),
		Timeline: in.Timeline, Untrusted: machine,
	}
	if c.State.Open() {
		v.Missing = s.missing(in)
	}
	var err error
	if v.Notes, err = s.notes(in, who); err != nil {
		return View{}, err
	}
	if c.State.Open() && in.proven() {
		v.Account, err = s.accountView(in)
	}
	return v, err
}

func (s *Service) recoveryView(in Loaded, r recovery.Recovery, machine bool) RecoveryView {
	shown := s.Recoveries.Shown(in.Recovery, r)
	_, objection := r.Strengths()
	v := RecoveryView{
		State: r.State, Reason: r.Reason, Satisfied: shown.Satisfied, Remaining: shown.Remaining, Objected: objection > factor.None,
		StartedAt: r.CreatedAt, NotBefore: r.NotBefore, ExpiresAt: r.ExpiresAt,
	}
	if !machine && in.proven() { // a tier is nothing to talk a machine out of, and nothing before a first proof
		v.Tier = s.Recoveries.Assess(in.Recovery).Tier.String()
	}
	return v
}

func (s *Service) notes(in Loaded, who Caller) ([]NoteView, error) {
	out := []NoteView{}
	if len(in.Notes) == 0 || in.Case.DataKey == nil {
		return out, nil
	}
	key, err := s.Keys.OpenDataKey(in.Case.DataKey, in.Case.Tenant, in.Case.ID)
	if err != nil {
		return nil, fault.Wrap(err, "open the case's key")
	}
	for _, n := range in.Notes {
		words, err := key.Open(n.Sealed, wordsAAD(in.Case, n.ID))
		if err != nil {
			return nil, fault.Wrap(err, "open a note")
		}
		out = append(out, NoteView{ID: n.ID, AI: n.By.Client != "", Mine: n.By.Name() == who.Who.Name(), At: n.At, Text: string(words)})
	}
	return out, nil
}

// accountView masks what is on file. What is not there, it says: an agent who was shown a proofing is to be able to tell a person
// that they have no account here.
func (s *Service) accountView(in Loaded) (*AccountView, error) {
	a := in.Recovery.Account
	if a == nil {
		return &AccountView{}, nil
	}
	texts, err := s.Vault.Open(in.Case.Tenant, *a, in.Holder)
	if err != nil {
		return nil, fault.Wrap(err, "open addresses")
	}
	v := &AccountView{Known: true, Population: a.Population, AAL: a.AAL, IAL: a.IAL}
	for _, c := range a.Channels {
		if !c.RemovedAt.IsZero() {
			continue
		}
		shown := ChannelView{ID: c.ID, Type: c.Kind, Since: c.Since.Truncate(24 * time.Hour), Suspect: c.Suspect}
		for _, t := range texts {
			if t.Kind == SealedChannel && t.ID == c.ID {
				shown.Masked = mask(c.Kind, t.Text)
			}
		}
		v.Channels = append(v.Channels, shown)
	}
	return v, nil
}

// The kinds of sealed texts that name an account's owner.
const (
	SealedRef        = "ref"        // the tenant's own name of the account
	SealedIdentifier = "identifier" // the ID is its type
	SealedChannel    = "channel"    // the ID is the channel's
)

// mask leaves of an address what its owner recognises and nobody else can use: its first letter and its last part, or two digits.
func mask(kind factor.Method, address secret.String) string {
	text := []rune(address.Reveal())
	if len(text) < 4 {
		return "•••"
	}
	if kind == factor.Email {
		last := ""
		if i := slices.Index(text, '@'); i > 0 {
			for j := len(text) - 1; j > i; j-- {
				if text[j] == '.' {
					last = string(text[j:])
					break
				}
			}
		}
		return string(text[0]) + "•••@•••" + last
	}
	return "••• " + string(text[len(text)-2:])
}

func (s *Service) proposalView(in Loaded, who Caller) *ProposalView {
	p := in.Case.Proposal
	if p == nil {
		return nil
	}
	v := &ProposalView{
		ID: p.ID, Outcome: p.Outcome, Status: p.Status, Hash: p.Hash, AI: p.AI, Security: p.Security && in.proven(), At: p.At, ExpiresAt: p.ExpiresAt,
		Approvals: len(p.consents()),
	}
	if p.Status == ProposalOpen {
		v.Hold = s.bind(in, p.Outcome).Hold
		v.Mine = in.Assignment.live(in.Now()) && in.Assignment.Proposal == p.ID && in.Case.mayDecide(in.as(who)) == nil
	}
	return v
}
