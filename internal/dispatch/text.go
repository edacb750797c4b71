package dispatch

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/holdfast/holdfast/internal/factor"
	"github.com/holdfast/holdfast/internal/fault"
	"github.com/holdfast/holdfast/internal/limit"
	"github.com/holdfast/holdfast/internal/phone"
	"github.com/holdfast/holdfast/internal/secret"
	"github.com/holdfast/holdfast/internal/textrule"
)

// TextRules is what an installation lets its text messages cost and reach. Operators let a tenant other
// countries and less a day, and the tenant narrows that (package textrule).
type TextRules struct {
	Countries   []string     // where texts may go when nothing else is said of a tenant; none by default
	Lines       []phone.Line // to which lines, of those that may be texted at all; nil for all of them
	Fiction     bool         // numbers of films and examples count as real; development only
	PrefixHour  int          // codes an hour to numbers that differ in their last four digits alone
	CountryDay  int          // codes a day to a tenant's numbers of one country, at least; three times what is verified if that is more
	CountryMost int          // codes a day to one country at most, whatever is verified; 0 for no such bound
	TenantDay   int          // codes a day of one tenant
	Day         int          // codes a day of the installation
}

// Ceiling is what a tenant may make of its texts at most, when operators say nothing else.
func (r TextRules) Ceiling() textrule.Rules {
	return textrule.Rules{Countries: r.Countries, Lines: textrule.Lines(), PrefixHour: r.PrefixHour, CountryDay: r.TenantDay, Day: r.TenantDay}
}

// of is the rules for one tenant's texts.
func (r TextRules) of(t textrule.Tenant) TextRules {
	e := t.Effective(r.Ceiling())
	r.Countries, r.Lines, r.PrefixHour, r.CountryMost, r.TenantDay = e.Countries, e.Lines, e.PrefixHour, t.Own.CountryDay, e.Day
	return r
}

// judge says why no text message goes to a number, or nothing. Both words about its line have to be on the list.
func (r TextRules) judge(number phone.Number, carrier phone.Line) phone.Refusal {
	if refusal := number.Texts(r.Countries, carrier); refusal != "" || r.Lines == nil {
		return refusal
	}
	if !slices.Contains(r.Lines, number.Line) || (carrier != "" && !slices.Contains(r.Lines, carrier)) {
		return phone.RefusedLine
	}
	return ""
}

// DefaultTextRules are the numbers of requirements.md, section 3, without a country.
func DefaultTextRules() TextRules {
	return TextRules{PrefixHour: 20, CountryDay: 20, TenantDay: 2_000, Day: 10_000}
}

// Limits tells of the budgets.
func (r TextRules) Limits() []limit.Limit {
	const down = "nothing is sent"
	day := 24 * time.Hour
	of := func(n int, per time.Duration) string {
		return limit.Per(int64(n), per) + "; a fifth of it only for numbers that verified a code before"
	}
	return []limit.Limit{
		{
			Wall: limit.Messages, Name: "text_prefix", Per: "tenant and number without its last 4 digits", Bound: of(r.PrefixHour, time.Hour), WhenDown: down,
			Reason: "who pumps messages rents ten thousand numbers in a row",
		},
		{
			Wall: limit.Messages, Name: "text_country", Per: "tenant and country",
			Bound:    fmt.Sprintf("%s, or 3 times the 95th percentile of what was verified a day over 28 days", of(r.CountryDay, day)),
			WhenDown: down, Reason: "a global cap trips too late for a country with little traffic; one that is not on the list gets none",
		},
		{Wall: limit.Messages, Name: "text_tenant", Per: "tenant", Bound: of(r.TenantDay, day), WhenDown: down, Reason: "what a day may cost a tenant, which sets less by /v1/text-rules, as it does for prefixes and countries"},
		{Wall: limit.Messages, Name: "text_day", Per: "installation", Bound: of(r.Day, day), WhenDown: down, Reason: "what a day may cost in all"},
		{
			Wall: limit.Messages, Name: "text_watch", Per: "tenant and country over an hour, or prefix over a day",
			Bound:    "20 codes of which fewer than 3 in 10 are typed in pause it for an hour, the second time for a day; numbers that verified before are still served",
			WhenDown: down, Reason: "codes that nobody types in were never meant to be",
		},
	}
}

// MayText reports whether a tenant's text messages go to a number, by its own line and country.
func (r TextRules) MayText(of textrule.Tenant, number secret.String) bool {
	return r.of(of).judge(phone.Read(number.Reveal(), r.Fiction), "") == ""
}

// Text is one code on its way to a number, as the budgets see it.
type Text struct {
	Country string
	Prefix  []byte // keyed hash of the number without its last four digits
	Rules   TextRules
}

// Carrier asks a number's carrier. It is network: never asked within a transaction.
type Carrier interface {
	// Report gives what the carrier says of the number's line and SIM. Whatever it does not say is unknown; an error says
	// nothing either, and is no reason to trust.
	Report(ctx context.Context, tenant string, number secret.String, now time.Time) (phone.Report, error)
}

const (
	// carrierFor is how long a carrier's word is not asked for again.
	carrierFor = time.Hour
	// carrierWait bounds one question, well below what a job may take.
	carrierWait = 4 * time.Second
	// swapBlocks is for how long a number that moved to another SIM gets no codes.
	swapBlocks = factor.AgedFactor

	refusedSwap    = "text_sim_swapped"
	refusedStopped = "text_country_stopped" // by an operator's control
)

// mayText says why no code goes to the number, or nothing. All of it happens behind the outbox, where nobody sees whether
// there is a number at all.
func (d *Dispatcher) mayText(ctx context.Context, work Delivery, to secret.String) (string, error) {
	number := phone.Read(to.Reveal(), d.Texts.Fiction)
	rules := d.Texts.of(work.Texts)
	if refusal := rules.judge(number, ""); refusal != "" {
		return string(refusal), nil
	}
	if d.Stops != nil && d.Stops(work.Tenant, number.Country) {
		return refusedStopped, nil
	}
	report, err := d.ask(ctx, work, to)
	if err != nil {
		return "", err
	}
	if refusal := rules.judge(number, report.Line); refusal != "" {
		return string(refusal), nil
	}
	if !report.SwappedAt.IsZero() && work.Now.Sub(report.SwappedAt) < swapBlocks {
		return refusedSwap, nil
	}
	prefix := d.Keys.MAC(secret.PurposeDestination, "prefix", work.Tenant, number.Prefix())
	refusal, err := d.Store.ReserveText(ctx, work, Text{Country: number.Country, Prefix: prefix[:16], Rules: rules})
	return refusal, fault.Wrap(err, "reserve text")
}

// ask gives what is known of the number, after asking its carrier if that was not done lately. A carrier that does not answer
// leaves what was known before, which ages; it keeps no code back.
func (d *Dispatcher) ask(ctx context.Context, work Delivery, to secret.String) (phone.Report, error) {
	known := phone.Report{Line: work.CarrierLine, SwappedAt: work.SIMSwappedAt}
	if d.Carrier == nil || (!work.CarrierAt.IsZero() && work.Now.Sub(work.CarrierAt) < carrierFor) {
		return known, nil
	}
	bounded, cancel := context.WithTimeout(ctx, carrierWait)
	defer cancel()
	report, err := d.Carrier.Report(bounded, work.Tenant, to, work.Now)
	outcome := "answered"
	switch {
	case err != nil:
		outcome, report = "failed", phone.Report{}
	case !report.SIMKnown:
		outcome = "unknown"
	}
	d.Metrics.Carrier(outcome)
	if err := d.Store.KnowCarrier(ctx, work, report); err != nil {
		return phone.Report{}, fault.Wrap(err, "keep the carrier's word")
	}
	if report.Line == "" {
		report.Line = known.Line
	}
	if !report.SIMKnown {
		report.SwappedAt = known.SwappedAt
	}
	return report, nil
}
