package throttle

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/ulule/limiter/v3"

	"github.com/holdfast/holdfast/internal/limit"
)

// Name is the name of a rule, as in the log and in the settings. It never reaches a caller.
type Name string

// The rules. The last word says what their key is: a source (SourceKey), the network around it (NetworkKey), a hashed identifier or device, or an API client.
const (
	StartSource      Name = "start_source"
	StartNetwork     Name = "start_network"
	StartIdentifier  Name = "start_identifier"
	StartDevice      Name = "start_device"
	VerifySource     Name = "verify_source"
	ChallengeSource  Name = "challenge_source"
	ReadSource       Name = "read_source"
	ObjectionSource  Name = "objection_source"
	CredentialSource Name = "credential_source" //nolint:gosec // a rule's name
	DocsSource       Name = "docs_source"
	ProviderSource   Name = "provider_source"
	RequestClient    Name = "request_client"
	GrantClient      Name = "grant_client"
	AccountClient    Name = "account_client"
	LookupTenant     Name = "lookup_tenant"
	AuditClient      Name = "audit_client"
	CaseOpenAgent    Name = "case_open_agent"
	CaseReadAgent    Name = "case_read_agent"
	CaseWorkAgent    Name = "case_work_agent"
	ClaimLinkAgent   Name = "claim_link_agent"
	ClaimLinkAccount Name = "claim_link_account"
)

const (
	maxLimit          = 1_000_000_000
	maxPeriod         = 366 * 24 * time.Hour
	minPeriod         = time.Second
	maxWindowsPerRule = 4
)

// WhenDown is what a rule decides when its store does not answer. The zero value refuses.
type WhenDown uint8

// The choices.
const (
	Refuse WhenDown = iota // fail closed
	Pass                   // only where the limit guards nothing but capacity
)

// Window is one bucket of a rule: Limit hits per Period in the long run, Burst of them at once.
type Window struct {
	Limit  int64
	Period time.Duration
	Burst  int64 // 0 means Limit
}

func (w Window) burst() int64 {
	if w.Burst == 0 {
		return w.Limit
	}
	return w.Burst
}

// Rule is one limit. All of its windows must have room.
type Rule struct {
	Name     Name
	Windows  []Window
	WhenDown WhenDown
	Reason   string
}

// Rules is the whole table of limits.
type Rules []Rule

// DefaultRules is the table that holds unless the settings say otherwise (requirements ).
func DefaultRules() Rules {
	return Rules{
		{
			Name:    StartSource,
			Windows: []Window{perHour(10), perDay(30)},
			Reason:  "one household starts few recoveries; a script that walks a list of addresses starts many",
		},
		{
			Name:    StartNetwork,
			Windows: []Window{perHour(300)},
			Reason:  "one customer of a provider is often given a /24 or a /48 to rotate in, which is 65,536 sources; no place of honest people starts so many",
		},
		{
			Name:    StartIdentifier,
			Windows: []Window{perHour(30), perDay(60)},
			Reason:  "many sources against one person; looser than the source's, so that no single source can use it up and lock the owner out",
		},
		{
			Name:    StartDevice,
			Windows: []Window{perHour(10)},
			Reason:  "one telephone in many hands' worth of networks; only a server's word about a device is believed, so nobody fills a stranger's",
		},
		{
			Name:    VerifySource,
			Windows: []Window{perHour(30), perDay(150)},
			Reason:  "guessing over many accounts from one place; what one account endures is counted in its own row",
		},
		{
			Name:    ChallengeSource,
			Windows: []Window{perHour(30), perDay(100)},
			Reason:  "each challenge may send a message that somebody pays for and somebody else receives",
		},
		{
			Name:    ReadSource,
			Windows: []Window{{Limit: 1800, Period: time.Hour, Burst: 120}},
			Reason:  "a page that shows the progress asks every few seconds",
		},
		{
			Name:     ObjectionSource,
			Windows:  []Window{perHour(60), perDay(300)},
			WhenDown: Pass,
			Reason:   "a link carries 256 bits, so this limit saves only work; an owner's objection is never lost to it",
		},
		{
			Name:    CredentialSource,
			Windows: []Window{{Limit: 120, Period: time.Hour, Burst: 60}},
			Reason:  "wrong client credentials from one place",
		},
		{
			Name:    ProviderSource,
			Windows: []Window{{Limit: 120, Period: time.Hour, Burst: 60}},
			Reason:  "callbacks that no provider signed, from one place; what a provider signed is never counted, so that no NO of an owner is shed",
		},
		{
			Name:     DocsSource,
			Windows:  []Window{perMinute(120)},
			WhenDown: Pass,
			Reason:   "static pages, nothing to guard but capacity",
		},
		{
			Name:    RequestClient,
			Windows: []Window{{Limit: 3_750, Period: time.Minute, Burst: 1_000}},
			Reason:  "a runaway client must not starve the others; its budget of 60,000 a minute lies in sixteen shares",
		},
		{
			Name:    GrantClient,
			Windows: []Window{perMinute(3000)},
			Reason:  "issuing and redeeming grants: far above any honest use",
		},
		{
			Name:    AccountClient,
			Windows: []Window{perMinute(6000)},
			Reason:  "single account writes; bulk goes through the import",
		},
		{
			Name:    LookupTenant,
			Windows: []Window{perHour(500), perDay(3000)},
			Reason:  "questions to carriers cost money; beyond it every SIM is unknown, which raises the tier",
		},
		{
			Name:    AuditClient,
			Windows: []Window{perMinute(1200)},
			Reason:  "an auditor pages and fetches proofs; each reading is an event itself",
		},
		{
			Name:    CaseOpenAgent,
			Windows: []Window{perHour(30), perDay(120)},
			Reason:  "one person answers so many calls; who tries references or account names shows here first",
		},
		{
			Name:    CaseReadAgent,
			Windows: []Window{perMinute(30), perHour(300)},
			Reason:  "a person reads a case a few times, a machine thirty a minute; who carries data away reads many",
		},
		{
			Name:    CaseWorkAgent,
			Windows: []Window{perMinute(30), perHour(300)},
			Reason:  "notes, artefacts, proposals and decisions of one person, or of one AI agent",
		},
		{
			Name:    ClaimLinkAgent,
			Windows: []Window{perHour(10), perDay(40)},
			Reason:  "cases that one agent opens for accounts: each sends links to somebody who may not have asked",
		},
		{
			Name:    ClaimLinkAccount,
			Windows: []Window{perHour(3), perDay(6)},
			Reason:  "links to one account's addresses, whichever agents ask; counted by the name, whether an account has it or not",
		},
	}
}

// Limits tells of the rules.
func (r Rules) Limits() []limit.Limit {
	out := make([]limit.Limit, 0, len(r))
	for _, rule := range r {
		l := limit.Limit{Wall: limit.Edge, Name: string(rule.Name), Per: rule.per(), WhenDown: "refuses (503)", Reason: rule.Reason}
		switch l.Per {
		case "source":
		case "network":
			l.Per = "network (/24, /48)"
		default:
			l.Wall = limit.Identity
		}
		if rule.WhenDown == Pass {
			l.WhenDown = "lets pass"
		}
		bounds := make([]string, 0, len(rule.Windows))
		for _, w := range rule.Windows {
			bound := limit.Per(w.Limit, w.Period)
			if w.burst() != w.Limit {
				bound += fmt.Sprintf(" (%d at once)", w.burst())
			}
			bounds = append(bounds, bound)
		}
		l.Bound = strings.Join(bounds, ", ")
		out = append(out, l)
	}
	return out
}

// per is what the rule counts by: the last word of its name.
func (r Rule) per() string {
	name := string(r.Name)
	return name[strings.LastIndexByte(name, '_')+1:]
}

func perMinute(n int64) Window { return Window{Limit: n, Period: time.Minute} }
func perHour(n int64) Window   { return Window{Limit: n, Period: time.Hour} }
func perDay(n int64) Window    { return Window{Limit: n, Period: 24 * time.Hour} }

// Scaled gives a copy of the table whose limits and bursts are n times as high, for development, demonstrations and
// measurements, which come from one address. Below 1 it changes nothing: no factor closes a service by accident.
func (r Rules) Scaled(n int64) Rules {
	out := r.clone()
	if n <= 1 {
		return out
	}
	times := func(v int64) int64 {
		if v > maxLimit/n {
			return maxLimit
		}
		return v * n
	}
	for i := range out {
		for j, w := range out[i].Windows {
			out[i].Windows[j] = Window{Limit: times(w.Limit), Period: w.Period, Burst: times(w.Burst)}
		}
	}
	return out
}

// With gives a copy of the table with other windows for the rules named, each written as comma-separated rates of the
// library's form: "20-H,60-D" is 20 an hour and 60 a day. The result is validated.
func (r Rules) With(overrides map[Name]string) (Rules, error) {
	out := r.clone()
	for name, text := range overrides {
		at := slices.IndexFunc(out, func(rule Rule) bool { return rule.Name == name })
		if at < 0 {
			return nil, fmt.Errorf("throttle: there is no rule %q", name)
		}
		windows, err := ParseWindows(text)
		if err != nil {
			return nil, fmt.Errorf("throttle: rule %s: %w", name, err)
		}
		out[at].Windows = windows
	}
	return out, out.Validate()
}

// ParseOverrides reads "rule=windows;rule=windows", as With takes them; nothing for an empty text.
func ParseOverrides(text string) (map[Name]string, error) {
	out := map[Name]string{}
	for part := range strings.SplitSeq(text, ";") {
		if part = strings.TrimSpace(part); part == "" {
			continue
		}
		name, windows, found := strings.Cut(part, "=")
		rule := Name(strings.TrimSpace(name))
		if _, twice := out[rule]; twice || !found {
			return nil, fmt.Errorf("throttle: limits are written as rule=20-H,60-D;rule=5-H, each rule once")
		}
		out[rule] = windows
	}
	return out, nil
}

// ParseWindows reads comma-separated rates such as "20-H,60-D" (S, M, H or D). Each admits its whole limit at once.
func ParseWindows(text string) ([]Window, error) {
	var windows []Window
	for part := range strings.SplitSeq(text, ",") {
		rate, err := limiter.NewRateFromFormatted(strings.TrimSpace(part))
		if err != nil {
			return nil, err
		}
		windows = append(windows, Window{Limit: rate.Limit, Period: rate.Period})
	}
	return windows, errors.Join(validateWindows(windows)...)
}

// Validate refuses a table that is incomplete, out of bounds, or that lets one source use up an identifier's bucket.
func (r Rules) Validate() error {
	var errs []error
	byName := map[Name]Rule{}
	for _, rule := range r {
		if _, twice := byName[rule.Name]; twice {
			errs = append(errs, fmt.Errorf("throttle: rule %s is there twice", rule.Name))
		}
		byName[rule.Name] = rule
		if rule.WhenDown > Pass {
			errs = append(errs, fmt.Errorf("throttle: rule %s does not say what happens when the store is down", rule.Name))
		}
		for _, err := range validateWindows(rule.Windows) {
			errs = append(errs, fmt.Errorf("throttle: rule %s: %w", rule.Name, err))
		}
	}
	for _, rule := range DefaultRules() {
		if _, ok := byName[rule.Name]; !ok {
			errs = append(errs, fmt.Errorf("throttle: rule %s is missing", rule.Name))
		}
	}
	return errors.Join(append(errs, looser(byName[StartIdentifier], byName[StartSource]))...)
}

func validateWindows(windows []Window) []error {
	if len(windows) == 0 || len(windows) > maxWindowsPerRule {
		return []error{fmt.Errorf("needs one to %d windows", maxWindowsPerRule)}
	}
	var errs []error
	seen := map[time.Duration]bool{}
	for _, w := range windows {
		switch {
		case w.Limit < 1 || w.Limit > maxLimit:
			errs = append(errs, fmt.Errorf("a limit must lie between 1 and %d", maxLimit))
		case w.Burst < 0 || w.Burst > w.Limit:
			errs = append(errs, errors.New("a burst must lie between 1 and the limit"))
		case w.Period < minPeriod || w.Period > maxPeriod:
			errs = append(errs, fmt.Errorf("a period must lie between %s and %s", minPeriod, maxPeriod))
		case seen[w.Period]:
			errs = append(errs, fmt.Errorf("two windows of %s", w.Period))
		}
		seen[w.Period] = true
	}
	return errs
}

// looser demands that for every window of the identifier's rule the source's rule has a tighter one of the same period.
func looser(identifier, source Rule) error {
	for _, w := range identifier.Windows {
		tighter := slices.ContainsFunc(source.Windows, func(s Window) bool {
			return s.Period == w.Period && s.Limit < w.Limit && s.burst() < w.burst()
		})
		if !tighter {
			return fmt.Errorf("throttle: rule %s must be tighter than %s over %s, or one source can lock an owner out",
				StartSource, StartIdentifier, w.Period)
		}
	}
	return nil
}

func (r Rules) clone() Rules {
	out := slices.Clone(r)
	for i := range out {
		out[i].Windows = slices.Clone(out[i].Windows)
	}
	return out
}
