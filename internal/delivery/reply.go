package delivery

import (
	"context"
	"strings"
	"unicode"

	"github.com/holdfast/holdfast/internal/fault"
	"github.com/holdfast/holdfast/internal/secret"
)

// Reply is what somebody answered to a text message.
type Reply struct {
	Provider  string
	Reference string        // the provider's own name for the answer
	From      secret.String // the number it came from, in E.164: it can be forged
	Text      string        // a stranger's words: data, never kept
}

// KeptReply is an answer of NO that is to be heard: who sent it is there as keyed hashes only.
type KeptReply struct {
	Provider, Reference string
	Hashes              [][]byte
}

// ReplyID names a kept reply in one word, for a job.
func ReplyID(provider, reference string) string { return provider + "/" + reference }

// Told is a recovery of which the number was told, by this channel.
type Told struct{ Tenant, Recovery, Channel string }

// Objector has a recovery hear an objection by reply.
type Objector interface {
	// ObjectByReply weighs it like the link of the notice: it pauses, once per channel. One that can no longer be objected to
	// is fault.CodeObjectionRefused.
	ObjectByReply(ctx context.Context, told Told) error
}

// Config is what a Service is made of.
type Config struct {
	Store    Store
	Objector Objector
	Keys     *secret.Keyring
	Metrics  Metrics
}

// Service hears. It is safe for concurrent use.
type Service struct{ Config }

// NewService makes a Service.
func NewService(cfg Config) *Service { return &Service{cfg} }

// longestNo bounds what is looked at: the longest of the words with a person's punctuation around it.
const longestNo = 32

// SaysNo reports whether a text is an answer of NO and nothing else, in a language of the templates: no, nein, non. Case,
// blanks and what stands around the word do not count ("No!", "„Nein“."); other words beside it do, because a person who
// writes a sentence is to be read by people. The words by which one opts out of text messages (STOP and its like) are no
// objection: the provider acts on them, and what an owner who wants no more messages says is not that a claim is false.
func SaysNo(text string) bool {
	if len(text) > longestNo {
		return false
	}
	word := strings.ToLower(strings.TrimFunc(text, func(r rune) bool { return !unicode.IsLetter(r) && !unicode.IsMark(r) && !unicode.IsNumber(r) }))
	return word == "no" || word == "nein" || word == "non"
}

// Reply takes an answer in. What is not NO is only counted. A NO is kept with a job that has it heard, in one transaction, so
// that none is lost once this has returned; a repeated one is taken once. The sender learns nothing: there is one answer.
//
// Faults: CodeUnavailable when it could not be kept.
func (s *Service) Reply(ctx context.Context, r Reply) error {
	if !SaysNo(r.Text) {
		s.Metrics.Reply("other_words")
		return nil
	}
	fresh, err := s.Store.TakeReply(ctx, KeptReply{
		Provider: r.Provider, Reference: r.Reference, Hashes: s.Keys.MACs(secret.PurposeReply, r.From.Reveal()),
	})
	if err != nil {
		return fault.Wrap(err, "take a reply")
	}
	if !fresh {
		s.Metrics.Reply("repeated")
	}
	return nil
}

// Hear has every recovery that was told to the number of a reply hear its NO; id is its ReplyID. It may be called again: what heard it already
// notes no second pause.
//
// Faults: CodeUnavailable, CodeConflict: to be tried again.
func (s *Service) Hear(ctx context.Context, id string) error {
	provider, reference, _ := strings.Cut(id, "/")
	told, err := s.Store.Reply(ctx, provider, reference)
	if err != nil {
		return fault.Wrap(err, "load a reply")
	}
	outcome := "nothing_to_stop"
	for _, t := range told {
		switch err := s.Objector.ObjectByReply(ctx, t); fault.CodeOf(err) {
		case "":
			outcome = "heard"
		case fault.CodeObjectionRefused:
		default:
			return fault.Wrap(err, "object by reply")
		}
	}
	if err := s.Store.ReplyHeard(ctx, provider, reference); err != nil {
		return fault.Wrap(err, "mark a reply")
	}
	s.Metrics.Reply(outcome)
	return nil
}
