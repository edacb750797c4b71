package notify

import (
	"errors"
	"strings"
	"time"
	"unicode"

	"github.com/holdfast/holdfast/internal/factor"
	"github.com/holdfast/holdfast/internal/secret"
)

// Data is what a message is about. It holds nothing about the person who asked beyond the moment.
type Data struct {
	TenantName     string        // as the owner knows the brand
	TenantLocale   string        // the language when the account's own is not to be had; may be empty
	SupportContact string        // where the owner reaches people: a number, an address or a page; may be empty
	Code           secret.String // of the two kinds that carry one, and of no other
	ValidFor       time.Duration // how long the code is good, with Code
	At             time.Time     // when it happened; always set
	NotBefore      time.Time     // when the hold ends, for the kinds that need it
	Link           secret.String // the link to object, from Links; optional, for the kinds that may have one
	Claim          secret.String // the claim link, from Page; of ClaimLink, and of no other kind
	Until          time.Time     // how long the claim link is good, with Claim
	CanReply       bool          // a text message may be answered with NO, with Link
	Reference      string        // what the owner may name to support; optional
	Method         factor.Method // what was added, removed or disabled; optional
}

// The longest names that a tenant may give; what is longer is cut.
const (
	maxTenantName = 60
	maxContact    = 120
	maxReference  = 40
)

// The refusals. They are programming errors of the caller: nothing that a claimant sends can cause them.
var (
	errUnknownKind    = errors.New("render: unknown kind")
	errUnknownChannel = errors.New("render: messages go by email, sms or voice only")
	errNoTenant       = errors.New("render: the tenant has no name")
	errNoTime         = errors.New("render: the time is missing")
	errCode           = errors.New("render: a code belongs in a code message, with its validity, and nowhere else")
	errClaim          = errors.New("render: a claim link belongs in its own message, with its end, and nowhere else")
	errLink           = errors.New("render: a link belongs in a notice of a recovery that can be stopped, and nowhere else")
)

// check refuses what must not be said.
func (d Data) check(kind Kind, channel factor.Method) error {
	switch {
	case !kind.Valid():
		return errUnknownKind
	case channel != factor.Email && channel != factor.SMS && channel != factor.Voice:
		return errUnknownChannel
	case clean(d.TenantName, maxTenantName) == "":
		return errNoTenant
	case d.At.IsZero(), kind.NeedsHold() && d.NotBefore.IsZero():
		return errNoTime
	case kind.CarriesCode() == d.Code.IsZero(), kind.CarriesCode() && d.ValidFor <= 0:
		return errCode
	case (kind == ClaimLink) == d.Claim.IsZero(), kind == ClaimLink && d.Until.IsZero():
		return errClaim
	case !kind.MayLink() && !d.Link.IsZero(), d.CanReply && d.Link.IsZero():
		return errLink
	default:
		return nil
	}
}

// words are the data as the templates see them: text in one language.
type words struct {
	Tenant, Contact, Reference string
	Code, Link, Claim          string
	Valid                      string // how long the code is good: "10 minutes"
	At, AtShort                string
	NotBefore, NotBeforeShort  string
	Until                      string // how long the claim link is good
	Method                     string
	Reply                      bool // say that NO is an answer
}

// words puts the data into a language. A voice message is read aloud: it has its code spelled and no link.
func (d Data) words(t tongue, channel factor.Method) words {
	w := words{
		Tenant:    clean(d.TenantName, maxTenantName),
		Contact:   clean(d.SupportContact, maxContact),
		Reference: clean(d.Reference, maxReference),
		Code:      d.Code.Reveal(),
		Link:      d.Link.Reveal(),
		Claim:     d.Claim.Reveal(),
		Valid:     t.duration(d.ValidFor),
		At:        t.long(d.At),
		AtShort:   t.short(d.At),
		Method:    t.method(d.Method),
		Reply:     d.CanReply && channel == factor.SMS,
	}
	if !d.NotBefore.IsZero() {
		w.NotBefore, w.NotBeforeShort = t.long(d.NotBefore), t.short(d.NotBefore)
	}
	if !d.Until.IsZero() {
		w.Until = t.long(d.Until)
	}
	if channel == factor.Voice {
		w.Code, w.Link, w.Claim = strings.Join(strings.Split(w.Code, ""), ", "), "", ""
	}
	return w
}

// clean makes s one line of visible characters, at most limit of them. Line breaks would open a mail header, and invisible
// characters can turn the direction of the text around.
func clean(s string, limit int) string {
	s = strings.Map(func(r rune) rune {
		switch {
		case unicode.IsSpace(r):
			return ' '
		case r == unicode.ReplacementChar || !unicode.IsPrint(r):
			return -1
		default:
			return r
		}
	}, s)
	s = strings.Join(strings.Fields(s), " ")
	if runes := []rune(s); len(runes) > limit {
		s = strings.TrimSpace(string(runes[:limit]))
	}
	return s
}
