package signal

import (
	"net/netip"
	"net/url"
	"slices"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/holdfast/holdfast/internal/fault"
	"github.com/holdfast/holdfast/internal/secret"
)

// State is what becomes of an endpoint's deliveries.
type State string

// The states.
const (
	Active   State = "active"
	Paused   State = "paused"   // deliveries wait
	Disabled State = "disabled" // the receiver answered 410: nothing new is written down for it
	Deleted  State = "deleted"
)

// MaxEndpoints bounds the endpoints of a tenant.
const MaxEndpoints = 10

// Endpoint is where a tenant hears of what happens.
type Endpoint struct {
	Tenant        string
	ID            string // whk_…
	Kind          Kind
	URL           string
	Description   string
	Events        []Type // what it listens to; empty for everything
	Audience      string // aud of its tokens
	SubjectIssuer string // whose name for the account it is; the subject is opaque without it
	SavedCodeType string // what both sides call saved codes; without it tokens about them are not sent
	State         State
	Keys          []byte   // sealed
	PublicKeys    []string // the newest first; empty for tokens, whose keys are in the JWKS
	PreviousUntil time.Time
	CreatedAt     time.Time
	ChangedAt     time.Time
}

// Registration is what a tenant says of a new endpoint.
type Registration struct {
	Kind          Kind
	URL           string
	Description   string
	Events        []Type
	Audience      string
	SubjectIssuer string
	SavedCodeType string
	Authorization secret.String // sent as the Authorization header of tokens
}

const (
	maxURL  = 2048
	maxText = 200
)

// check judges a registration. Whether the address is internal is judged when it is connected to; what can be seen
// already is refused here, so that the mistake shows at once.
func (r Registration) check(insecure bool) error {
	switch {
	case r.Kind != Webhook && r.Kind != SET:
		return invalid("/kind", "must be webhook or set")
	case !usable(r.URL, insecure):
		return invalid("/url", "must be an https:// URL with a host name, without user and fragment")
	case !line(r.Description):
		return invalid("/description", "must be 200 visible characters at most")
	case r.Kind == Webhook && (r.Audience != "" || r.SubjectIssuer != "" || r.SavedCodeType != "" || !r.Authorization.IsZero()):
		return invalid("/kind", "of webhook has no audience, subject_issuer, saved_code_type and authorization")
	case !line(r.Audience):
		return invalid("/audience", "must be 200 visible characters at most")
	case r.SubjectIssuer != "" && !usable(r.SubjectIssuer, insecure):
		return invalid("/subject_issuer", "must be an https:// URL")
	case !line(r.SavedCodeType) || strings.Contains(r.SavedCodeType, " "):
		return invalid("/saved_code_type", "must be one word")
	case !header(r.Authorization.Reveal()):
		return invalid("/authorization", "must be 2048 visible ASCII characters at most")
	}
	for i, t := range r.Events {
		if !t.known() || slices.Contains(r.Events[:i], t) {
			return invalid("/events", "must be known types, each once")
		}
	}
	return nil
}

// usable reports whether the text is a URL that signals may go to. Plain HTTP is for development.
func usable(text string, insecure bool) bool {
	u, err := url.Parse(text)
	// A name outside ASCII is written in its encoded form: what is shown is then what is connected to.
	if err != nil || len(text) > maxURL || strings.ContainsFunc(text, func(r rune) bool { return r <= ' ' || r > '~' }) || u.User != nil || u.Hostname() == "" || strings.Contains(text, "#") || u.Opaque != "" {
		return false
	}
	if u.Scheme == "http" && insecure {
		return true
	}
	// A literal address has no name that a certificate could be for; those that have one are not worth the exception.
	_, literal := netip.ParseAddr(u.Hostname())
	return u.Scheme == "https" && literal != nil
}

func line(s string) bool {
	return utf8.ValidString(s) && utf8.RuneCountInString(s) <= maxText && strings.TrimSpace(s) == s &&
		!strings.ContainsFunc(s, func(r rune) bool { return !unicode.IsPrint(r) })
}

func header(s string) bool {
	return len(s) <= maxURL && strings.TrimSpace(s) == s && !strings.ContainsFunc(s, func(r rune) bool { return r < ' ' || r > '~' })
}

func invalid(pointer, detail string) *fault.Fault {
	return fault.Of(fault.CodeInvalidRequest).At(pointer, detail)
}
