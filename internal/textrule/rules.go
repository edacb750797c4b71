package textrule

import (
	"slices"
	"strconv"
	"strings"

	"github.com/holdfast/holdfast/internal/fault"
	"github.com/holdfast/holdfast/internal/phone"
)

// Rules says what text messages may reach and cost. A nil list and a zero number say nothing; an empty list of countries is
// nowhere.
type Rules struct {
	Countries  []string     `json:"countries,omitempty"` // ISO 3166, two capital letters
	Lines      []phone.Line `json:"lines,omitempty"`
	PrefixHour int          `json:"prefix_hour,omitempty"` // codes an hour to numbers that differ in their last four digits alone
	CountryDay int          `json:"country_day,omitempty"` // codes a day to one country at most
	Day        int          `json:"day,omitempty"`         // codes a day
}

// Granted is what operators let one tenant. A nil list is the installation's, an empty one nowhere; a negative day is the
// installation's.
type Granted struct {
	Countries []string
	Day       int
}

// Tenant is both parts of a tenant's rules.
type Tenant struct {
	Granted Granted
	Own     Rules
}

// Lines are the lines that may be texted at all.
func Lines() []phone.Line { return []phone.Line{phone.Mobile, phone.FixedOrMobile, phone.VoIP} }

// Ceiling is what the tenant may make of its texts at most, given what the installation lets all. Its Day may be 0: nothing.
// Its CountryDay is its Day: a country's budget grows with what is verified there, and only a tenant bounds it.
func (t Tenant) Ceiling(installation Rules) Rules {
	c := installation
	if t.Granted.Countries != nil {
		c.Countries = t.Granted.Countries
	}
	if t.Granted.Day >= 0 {
		c.Day = min(c.Day, t.Granted.Day)
	}
	c.Lines, c.CountryDay = Lines(), c.Day
	return c
}

// Effective is what counts: the ceiling, narrowed by the tenant's own rules. Own rules that are wider, because the ceiling sank
// since, widen nothing.
func (t Tenant) Effective(installation Rules) Rules {
	c := t.Ceiling(installation)
	if t.Own.Countries != nil {
		c.Countries = common(c.Countries, t.Own.Countries)
	}
	if t.Own.Lines != nil {
		c.Lines = common(c.Lines, t.Own.Lines)
	}
	c.PrefixHour = lesser(c.PrefixHour, t.Own.PrefixHour)
	c.CountryDay = lesser(c.CountryDay, t.Own.CountryDay)
	c.Day = lesser(c.Day, t.Own.Day)
	return c
}

func common[T comparable](of, with []T) []T {
	out := []T{}
	for _, x := range of {
		if slices.Contains(with, x) {
			out = append(out, x)
		}
	}
	return out
}

func lesser(ceiling, own int) int {
	if own == 0 {
		return ceiling
	}
	return min(ceiling, own)
}

const (
	mostShown = 150 // characters of a list in a fault's text
	mostNamed = 20  // parts of a request that a fault names
)

// within refuses rules that are wider than the ceiling, naming each of them and its bound.
func (r Rules) within(ceiling Rules) error {
	f := fault.Of(fault.CodeInvalidRequest)
	named := 0
	refuse := func(pointer, detail string) {
		if named++; named <= mostNamed {
			f = f.At(pointer, detail)
		}
	}
	for i, c := range r.Countries {
		switch {
		case !phone.IsCountry(c):
			refuse("/countries/"+strconv.Itoa(i), "must be a country in two capital letters")
		case !slices.Contains(ceiling.Countries, c):
			refuse("/countries/"+strconv.Itoa(i), "must be one that operators let this tenant: "+listed(ceiling.Countries))
		}
	}
	for i, l := range r.Lines {
		if !slices.Contains(ceiling.Lines, l) {
			refuse("/lines/"+strconv.Itoa(i), "must be one of mobile, fixed_or_mobile, voip")
		}
	}
	if r.Lines != nil && len(r.Lines) == 0 {
		refuse("/lines", "must name a line; for no text messages at all leave the countries empty")
	}
	for _, n := range []struct {
		pointer    string
		own, bound int
	}{{"/prefix_hour", r.PrefixHour, ceiling.PrefixHour}, {"/country_day", r.CountryDay, ceiling.CountryDay}, {"/day", r.Day, ceiling.Day}} {
		if n.own < 0 || n.own > n.bound {
			refuse(n.pointer, "must be at most "+strconv.Itoa(n.bound))
		}
	}
	if named > 0 {
		return f
	}
	return nil
}

func listed(countries []string) string {
	if len(countries) == 0 {
		return "none"
	}
	text := strings.Join(countries, ", ")
	if len(text) > mostShown {
		return "see ceiling"
	}
	return text
}

// tidy sorts the lists and takes out what is there twice, so that the same rules are the same bytes.
func (r Rules) tidy() Rules {
	if r.Countries != nil {
		r.Countries = set(r.Countries)
	}
	if r.Lines != nil {
		r.Lines = set(r.Lines)
	}
	return r
}

func set[T ~string](list []T) []T {
	out := append([]T{}, list...)
	slices.Sort(out)
	return slices.Compact(out)
}

// same reports whether two rules say the same.
func (r Rules) same(o Rules) bool {
	return (r.Countries == nil) == (o.Countries == nil) && slices.Equal(r.Countries, o.Countries) && slices.Equal(r.Lines, o.Lines) &&
		r.PrefixHour == o.PrefixHour && r.CountryDay == o.CountryDay && r.Day == o.Day
}

// details is the rules as an audit event has them: enumerations and numbers.
func (r Rules) details() map[string]any {
	out := map[string]any{}
	if r.Countries != nil {
		out["countries"] = r.Countries
	}
	if r.Lines != nil {
		out["lines"] = r.Lines
	}
	for name, n := range map[string]int{"prefix_hour": r.PrefixHour, "country_day": r.CountryDay, "day": r.Day} {
		if n > 0 {
			out[name] = n
		}
	}
	return out
}

func (g Granted) details() map[string]any {
	out := map[string]any{}
	if g.Countries != nil {
		out["countries"] = g.Countries
	}
	if g.Day >= 0 {
		out["day"] = g.Day
	}
	return out
}
