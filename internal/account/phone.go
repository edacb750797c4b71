package account

import (
	"strings"

	"github.com/nyaruka/phonenumbers"
)

const maxPhone = 32 // characters with their separators; E.164 has 15 digits

// canonicalPhone accepts an international number, with a plus and the usual separators, and gives E.164. The library takes
// much more (letters, extensions, "++", other scripts' digits), and none of that is wanted in a number that is dialled by a
// machine. Premium-rate lines are refused: who asks for a code there wants the fee.
func canonicalPhone(text string) (string, bool) {
	text = strings.TrimSpace(text)
	digits, plus := strings.CutPrefix(text, "+")
	if !plus || len(text) > maxPhone || strings.ContainsFunc(digits, notDialled) {
		return "", false
	}
	number, ok := e164(text)
	if !ok {
		return "", false
	}
	// The library drops a trunk prefix. A number that then still begins with one would change each time that it is read.
	if again, ok := e164(number); !ok || again != number {
		return "", false
	}
	return number, true
}

func e164(text string) (string, bool) {
	number, err := phonenumbers.Parse(text, phonenumbers.UNKNOWN_REGION)
	if err != nil || number.GetExtension() != "" {
		return "", false
	}
	if phonenumbers.IsPossibleNumberWithReason(number) != phonenumbers.IS_POSSIBLE {
		return "", false
	}
	if phonenumbers.GetNumberType(number) == phonenumbers.PREMIUM_RATE {
		return "", false
	}
	return phonenumbers.Format(number, phonenumbers.E164), true
}

func notDialled(r rune) bool {
	return (r < '0' || r > '9') && !strings.ContainsRune(" -.()/", r)
}
