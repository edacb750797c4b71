package abuse

import (
	"regexp"
	"slices"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/holdfast/holdfast/internal/audit"
	"github.com/holdfast/holdfast/internal/factor"
	"github.com/holdfast/holdfast/internal/fault"
	"github.com/holdfast/holdfast/internal/policy"
)

// ControlKind is what a control does. There are only kinds that raise the bar; the database knows no others either.
type ControlKind string

// The kinds.
const (
	MinTier     ControlKind = "min_tier"     // no recovery is judged below the tier
	StopMethod  ControlKind = "stop_method"  // the method gives no new proof
	StopCountry ControlKind = "stop_country" // no code goes to the country's numbers
	PauseStarts ControlKind = "pause_starts" // no new recoveries
)

// ControlKinds lists the kinds.
func ControlKinds() []ControlKind {
	return []ControlKind{MinTier, StopMethod, StopCountry, PauseStarts}
}

// The bounds of a control's life. What should last longer belongs into the policy, where two people sign it.
const (
	ShortestControl = time.Minute
	LongestControl  = 7 * 24 * time.Hour
	// mostInForce bounds the controls of one tenant that are in force at once.
	mostInForce = 100
)

// Control is one raise of the bar, for a tenant or for the fleet.
type Control struct {
	Tenant     string // or Fleet
	ID         string // ctl_…
	Kind       ControlKind
	Value      string // a tier, a method, a country (ISO 3166-1 alpha-2); "" for PauseStarts
	Reason     string // why, in the words of who set it
	By         audit.Actor
	SetAt      time.Time
	ExpiresAt  time.Time
	LiftedAt   time.Time // zero unless it was lifted
	LiftedBy   string
	LiftReason string
}

// InForce reports whether the control acts at that time.
func (c Control) InForce(now time.Time) bool { return c.LiftedAt.IsZero() && now.Before(c.ExpiresAt) }

//nolint:gochecknoglobals // compiled once; it is a constant.
var country = regexp.MustCompile(`^[A-Z]{2}$`)

// checkValue judges what a control of the kind is to do, or gives CodeInvalidRequest.
func checkValue(kind ControlKind, value string) error {
	var ok bool
	switch kind {
	case MinTier:
		tier, err := policy.ParseTier(value)
		ok = err == nil && tier > policy.Low // the lowest tier is no raise
	case StopMethod:
		ok = slices.Contains(factor.Methods(), factor.Method(value))
	case StopCountry:
		ok = country.MatchString(value)
	case PauseStarts:
		ok = value == ""
	default:
		return fault.Of(fault.CodeInvalidRequest).At("/kind", "is not a kind of control")
	}
	if !ok {
		return fault.Of(fault.CodeInvalidRequest).At("/value", "does not fit the kind of control")
	}
	return nil
}

// checkReason demands a word that somebody else can make sense of.
func checkReason(text string) error {
	n := utf8.RuneCountInString(text)
	if n < 3 || n > 500 || !utf8.ValidString(text) || strings.TrimSpace(text) != text || strings.ContainsFunc(text, unicode.IsControl) {
		return fault.Of(fault.CodeInvalidRequest).At("/reason", "must be 3 to 500 visible characters")
	}
	return nil
}

// event tells of the control. The words of the reason stay in its row.
func (c Control) event(by audit.Actor, action audit.Action, requestID string, now time.Time) audit.Event {
	return audit.Event{
		Tenant: c.Tenant, At: now, Actor: by, Action: action, Subject: c.ID, Reason: string(c.Kind), Outcome: audit.Success, RequestID: requestID,
		Details: map[string]any{"value": c.Value, "expires_at": c.ExpiresAt},
	}
}
