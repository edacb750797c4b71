// Package phone tells what a telephone number is, and whether text messages may go to it. The library's word
// that a number is valid means little: premium lines, satellites and words in letters are valid too. So everything is refused
// that is not of a listed kind in a listed country.
package phone

import (
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/nyaruka/phonenumbers"
)

// Line is what kind of line a number belongs to.
type Line string

// The lines. The empty Line is one that nothing is known of.
const (
	Mobile        Line = "mobile"
	FixedOrMobile Line = "fixed_or_mobile" // where numbers do not tell, as in North America
	VoIP          Line = "voip"
	Personal      Line = "personal" // a number that follows its owner, at its caller's expense
	Fixed         Line = "fixed"
	Premium       Line = "premium"
	SharedCost    Line = "shared_cost"
	TollFree      Line = "toll_free"
	Pager         Line = "pager"
	Voicemail     Line = "voicemail"
	Company       Line = "uan"
	Satellite     Line = "satellite"
	Invalid       Line = "invalid"
)

// Number is a number in E.164 and what it tells of itself.
type Number struct {
	Text    string
	Country string // ISO 3166, two letters; empty for satellites and other numbers of no country
	Line    Line
}

// prefixDrops is how many digits a prefix leaves out: ten thousand numbers share one.
const prefixDrops = 4

// Prefix is the number without its last four digits, which whoever pumps messages rents at once.
func (n Number) Prefix() string { return n.Text[:max(len(n.Text)-prefixDrops, 0)] }

// Read reads a number in E.164. It never fails: what cannot be dialled is Invalid. With fiction, the ranges that are set aside
// for films and examples are mobile numbers of their country; nobody has one.
func Read(text string, fiction bool) Number {
	n := Number{Text: text, Line: Invalid}
	if !dialled(text) {
		return n
	}
	if country := fictional(text); fiction && country != "" {
		n.Country, n.Line = country, Mobile
		return n
	}
	parsed, err := phonenumbers.Parse(text, phonenumbers.UNKNOWN_REGION)
	if err != nil || parsed.GetExtension() != "" || phonenumbers.Format(parsed, phonenumbers.E164) != text {
		return n
	}
	if strings.HasPrefix(text, "+881") || strings.HasPrefix(text, "+870") {
		n.Line = Satellite
		return n
	}
	if !phonenumbers.IsValidNumber(parsed) {
		return n
	}
	n.Line = lineOf(phonenumbers.GetNumberType(parsed))
	if region := phonenumbers.GetRegionCodeForNumber(parsed); IsCountry(region) {
		n.Country = region
	}
	return n
}

// dialled reports whether the text is a plus and digits, as many as E.164 has: no letters, blanks, extensions or "++".
func dialled(text string) bool {
	digits, plus := strings.CutPrefix(text, "+")
	return plus && len(digits) >= 7 && len(digits) <= 15 && digits[0] != '0' && strings.Trim(digits, "0123456789") == ""
}

// fictional gives the country of a number that is set aside for fiction: Ofcom's 07700 900xxx, and North America's 555.
func fictional(text string) string {
	switch {
	case strings.HasPrefix(text, "+447700900") && len(text) == len("+447700900000"):
		return "GB"
	case strings.HasPrefix(text, "+1555") && len(text) == len("+15550100000"):
		return "US"
	default:
		return ""
	}
}

// IsCountry reports whether text is written like a country: two capital letters.
func IsCountry(text string) bool {
	return len(text) == 2 && text[0] >= 'A' && text[0] <= 'Z' && text[1] >= 'A' && text[1] <= 'Z'
}

func lineOf(t phonenumbers.PhoneNumberType) Line {
	switch t {
	case phonenumbers.MOBILE:
		return Mobile
	case phonenumbers.FIXED_LINE:
		return Fixed
	case phonenumbers.FIXED_LINE_OR_MOBILE:
		return FixedOrMobile
	case phonenumbers.VOIP:
		return VoIP
	case phonenumbers.PERSONAL_NUMBER:
		return Personal
	case phonenumbers.PREMIUM_RATE:
		return Premium
	case phonenumbers.SHARED_COST:
		return SharedCost
	case phonenumbers.TOLL_FREE:
		return TollFree
	case phonenumbers.PAGER:
		return Pager
	case phonenumbers.VOICEMAIL:
		return Voicemail
	case phonenumbers.UAN:
		return Company
	case phonenumbers.UNKNOWN:
		return Invalid
	default:
		return Invalid
	}
}

// Refusal says why no text message goes to a number, as logs, metrics and audit events have it. Empty means that one may.
type Refusal string

// The refusals.
const (
	RefusedLine     Refusal = "text_line"     // premium, shared-cost, toll-free, personal, pager, voicemail, satellite, or no number at all
	RefusedLandline Refusal = "text_landline" // calls only
	RefusedCountry  Refusal = "text_country"  // not on the list
)

// Texts judges the number by its line and the allowed countries. carrier is what its carrier said of the line, if anything;
// the stricter of the two words counts.
func (n Number) Texts(countries []string, carrier Line) Refusal {
	for _, line := range []Line{n.Line, carrier} {
		switch line {
		case "", Mobile, FixedOrMobile, VoIP:
		case Fixed:
			return RefusedLandline
		case Personal, Premium, SharedCost, TollFree, Pager, Voicemail, Company, Satellite, Invalid:
			return RefusedLine
		default:
			return RefusedLine
		}
	}
	if n.Country == "" || !slices.Contains(countries, n.Country) {
		return RefusedCountry
	}
	return ""
}

// Report is what a carrier said of a number. The zero Report says nothing: it is unknown, which is not "no swap".
type Report struct {
	Line      Line      // empty for unknown
	SIMKnown  bool      // it said whether the number moved to another SIM, and when
	SwappedAt time.Time // the last move; zero for none that it knows of
}

// Hours reads an ISO 8601 duration of days and hours ("P7D", "PT24H") as carriers write one; 0 for anything else.
func Hours(text string) int {
	rest, ok := strings.CutPrefix(text, "P")
	if !ok {
		return 0
	}
	date, clock, _ := strings.Cut(rest, "T")
	total := 0
	for _, part := range []struct {
		text, unit string
		hours      int
	}{{date, "D", 24}, {clock, "H", 1}} {
		if part.text == "" {
			continue
		}
		digits, ok := strings.CutSuffix(part.text, part.unit)
		n, err := strconv.ParseUint(digits, 10, 16)
		if !ok || err != nil {
			return 0
		}
		total += int(n) * part.hours //nolint:gosec // 16 bits.
	}
	return total
}
