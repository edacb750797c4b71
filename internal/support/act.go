package support

import (
	"context"
	"encoding/hex"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/holdfast/holdfast/internal/audit"
	"github.com/holdfast/holdfast/internal/fault"
	"github.com/holdfast/holdfast/internal/recovery"
	"github.com/holdfast/holdfast/internal/secret"
)

// What a case holds at most. Everybody who reads it reads all of it, and a proposal is bound to all of it: nothing may be pushed out of
// sight by what comes after it. Machines leave room for people's notes.
const (
	mostWords        = 4000 // of a note or a reason, in characters
	mostNotes        = 200
	mostMachineNotes = 100
	mostArtefacts    = 50 // of a recovery
)

// Note adds words to a case. They are sealed, shown as data, and change nothing; that there is a new note voids an open proposal,
// because those who decide are to have seen everything.
func (s *Service) Note(ctx context.Context, cmd NoteCommand) (Done, error) {
	if err := checkWords("/text", cmd.Text); err != nil {
		return Done{}, err
	}
	return acting(ctx, s, cmd.Caller, Query{Case: cmd.Case, Key: cmd.Key}, func(_ Tx, in Loaded, ch *Change) (Done, error) {
		if err := in.worker(cmd.Caller); err != nil {
			return Done{}, err
		}
		n := Note{ID: s.newID("nte", in.Now()), By: in.as(cmd.Caller), At: in.Now()}
		if len(in.Notes) >= mostNotes || !n.By.Human() && len(in.Notes) >= mostMachineNotes {
			return Done{}, fault.Of(fault.CodeNotAllowedInState).Detail("The case is full of notes.")
		}
		var err error
		if n.Sealed, err = s.seal(in.Case, n.ID, cmd.Text); err != nil {
			return Done{}, err
		}
		if err := ch.step(&in, Event{Kind: Work, By: n.By}, audit.CaseNoted); err != nil {
			return Done{}, err
		}
		ch.Note = &n
		ch.say("note", n.ID)
		return in.done(n.ID), nil
	})
}

// Attach attaches an artefact, which hands the recovery to people: from now on nobody but two of them lets it through.
func (s *Service) Attach(ctx context.Context, cmd ArtefactCommand) (Done, error) {
	out, err := acting(ctx, s, cmd.Caller, Query{Case: cmd.Case, Key: cmd.Key}, func(_ Tx, in Loaded, ch *Change) (Done, error) {
		if err := in.worker(cmd.Caller); err != nil {
			return Done{}, err
		}
		a := cmd.Artefact
		a.ID, a.By, a.At = s.newID("art", in.Now()), cmd.Who.Person(), in.Now()
		a.PerformedAt = a.PerformedAt.UTC()
		if err := a.check(in.Recovery.Recovery.CreatedAt, in.Now()); err != nil {
			return Done{}, err
		}
		if !awaits(in.Recovery.Recovery.State) {
			return Done{}, fault.Of(fault.CodeNotAllowedInState)
		}
		if len(in.Artefacts) >= mostArtefacts {
			return Done{}, fault.Of(fault.CodeNotAllowedInState).Detail("The recovery is full of artefacts.")
		}
		if err := s.frozen(&in, ch, cmd.Caller, "artefact"); err != nil {
			return Done{}, err
		}
		if err := ch.step(&in, Event{Kind: Work, By: in.as(cmd.Caller)}, audit.CaseArtefactAttached); err != nil {
			return Done{}, err
		}
		ch.Artefact = &a
		ch.say("artefact", a.ID)
		ch.say("kind", string(a.Kind))
		ch.say("document_hash", hex.EncodeToString(a.Hash))
		return in.done(a.ID), nil
	})
	if fault.CodeOf(err) == fault.CodeArtefactUsed { // the database knows; that somebody tried is written down
		return Done{}, s.lookedInVain(ctx, cmd.Caller, "used_artefact", err)
	}
	return out, err
}

// Challenge has a code sent to a channel on file. Which one is the service's choice, where the code goes nobody here learns, and
// only the claimant can answer.
func (s *Service) Challenge(ctx context.Context, cmd ChallengeCommand) (Done, error) {
	q := Query{Case: cmd.Case, Key: cmd.Key, Counters: recovery.SendCounters(cmd.Method)}
	return acting(ctx, s, cmd.Caller, q, func(_ Tx, in Loaded, ch *Change) (Done, error) {
		if err := in.worker(cmd.Caller); err != nil {
			return Done{}, err
		}
		c, view, err := s.Recoveries.Asked(in.Recovery, recovery.Act{By: cmd.Who.Actor(), RequestID: cmd.RequestID}, cmd.Method)
		if err != nil {
			return Done{}, err
		}
		if err := ch.adopt(&in, c); err != nil {
			return Done{}, err
		}
		if err := ch.step(&in, Event{Kind: Work, By: in.as(cmd.Caller)}, audit.CaseChallenged); err != nil {
			return Done{}, err
		}
		out := in.done(view.ID)
		out.Challenge = &view
		return out, nil
	})
}

// Flag freezes: the recovery goes to people, a grant that is out is taken back, an open proposal is void, and from now on only a
// proofing and two humans let it through. Any agent may, an AI agent as well, alone.
func (s *Service) Flag(ctx context.Context, cmd FlagCommand) (Done, error) {
	if !slices.Contains(FlagReasons(), cmd.Reason) {
		return Done{}, invalid("/reason", "is not one of the listed values")
	}
	return acting(ctx, s, cmd.Caller, Query{Case: cmd.Case, Key: cmd.Key}, func(_ Tx, in Loaded, ch *Change) (Done, error) {
		if !in.Case.State.Open() {
			return Done{}, fault.Of(fault.CodeNotAllowedInState)
		}
		if err := s.frozen(&in, ch, cmd.Caller, "fraud_flag"); err != nil {
			return Done{}, err
		}
		if err := ch.step(&in, Event{Kind: Flag, By: in.as(cmd.Caller), Reason: cmd.Reason}, ""); err != nil {
			return Done{}, err
		}
		return in.done(""), nil
	})
}

func checkWords(pointer string, text secret.String) error {
	words := text.Reveal()
	if strings.TrimSpace(words) == "" || !utf8.ValidString(words) || utf8.RuneCountInString(words) > mostWords {
		return invalid(pointer, "must be 1 to 4000 characters")
	}
	return nil
}

// seal seals words under the case's own key, for one place. Once the account is erased there is none: fault.CodeNotAllowedInState.
func (s *Service) seal(c Case, id string, words secret.String) ([]byte, error) {
	if c.DataKey == nil { // the account was erased: nothing more is written about it
		return nil, fault.Of(fault.CodeNotAllowedInState)
	}
	key, err := s.Keys.OpenDataKey(c.DataKey, c.Tenant, c.ID)
	if err != nil {
		return nil, fault.Wrap(err, "open the case's key")
	}
	sealed, err := key.Seal([]byte(words.Reveal()), wordsAAD(c, id))
	return sealed, fault.Wrap(err, "seal words")
}

// wordsAAD ties words to their place.
func wordsAAD(c Case, id string) []byte { return secret.Bind("holdfast/v1/words", c.Tenant, c.ID, id) }
