package account

import (
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"

	"github.com/holdfast/holdfast/internal/fault"
	"github.com/holdfast/holdfast/internal/secret"
)

// The types of identifiers.
const (
	TypeEmail    = "email"
	TypePhone    = "phone"
	TypeUsername = "username"
)

const (
	maxIdentifier = 320 // bytes; RFC 3696 (erratum 1690) bounds an address at 64 + 1 + 255
	maxUsername   = 128 // characters
)

// errIdentifier is the one answer to everything that cannot be an identifier. It does not say why: callers outside ask with
// what a claimant typed.
func errIdentifier() *fault.Fault {
	return fault.Of(fault.CodeInvalidRequest).At("/identifier/value", "is not a usable identifier of this type")
}

// Canonical gives the exact form of an identifier that look-ups are made by, or fault.CodeInvalidRequest. It is
// idempotent.
//
// email: the domain in lower case and punycode, the local part as it is, for only its own mail server knows what it ignores.
// phone: E.164. username: trimmed, NFC and case-folded; two names that differ in case are one identifier here, so that a
// tenant that keeps both learns of it at registration rather than from somebody who is locked out.
func Canonical(typ string, value secret.String) (string, error) {
	text := value.Reveal()
	if len(text) > maxIdentifier || !utf8.ValidString(text) {
		return "", errIdentifier()
	}
	var out string
	var ok bool
	switch typ {
	case TypeEmail:
		out, ok = canonicalEmail(text)
	case TypePhone:
		out, ok = canonicalPhone(text)
	case TypeUsername:
		out, ok = canonicalUsername(text)
	default:
		return "", fault.Of(fault.CodeInvalidRequest).At("/identifier/type", "is not one of email, phone, username")
	}
	if !ok {
		return "", errIdentifier()
	}
	return out, nil
}

// ThrottleKey gives the coarse form of an identifier that limits are counted on, or fault.CodeInvalidRequest exactly where
// Canonical does. Case, dots, a +tag and compatibility characters do not make another one, so that variants of one mailbox
// share one limit. It must never find an account: two people may have the same.
func ThrottleKey(typ string, value secret.String) (string, error) {
	exact, err := Canonical(typ, value)
	if err != nil {
		return "", err
	}
	switch typ {
	case TypeEmail:
		return coarseEmail(exact), nil
	case TypeUsername:
		return coarseUsername(exact), nil
	default:
		return exact, nil
	}
}

func canonicalUsername(text string) (string, bool) {
	name := strings.TrimSpace(fold(strings.TrimSpace(text)))
	n := utf8.RuneCountInString(name)
	if n < 1 || n > maxUsername || len(name) > maxIdentifier || strings.ContainsFunc(name, unprintable) {
		return "", false
	}
	return name, true
}

func coarseUsername(exact string) string {
	coarse := fold(norm.NFKC.String(strings.Map(dropSeparator, exact)))
	if coarse == "" {
		return exact // it has nothing else
	}
	return coarse
}

// fold removes case, in NFC. Folding can take a text out of NFC and composing can bring a foldable letter back, so it is done
// until nothing changes. It folds letter by letter (so ß stays): x/text's full folding does not come to rest for some scripts.
func fold(s string) string {
	for range 4 {
		next := norm.NFC.String(strings.Map(foldRune, norm.NFC.String(s)))
		if next == s {
			break
		}
		s = next
	}
	return s
}

// foldRune gives the one letter that stands for all that differ in case only.
func foldRune(r rune) rune {
	least := r
	for next := unicode.SimpleFold(r); next != r; next = unicode.SimpleFold(next) {
		least = min(least, next)
	}
	return unicode.ToLower(least)
}

// unprintable finds what cannot be seen: control and format characters, line and paragraph separators, private use.
func unprintable(r rune) bool { return r == utf8.RuneError || !unicode.IsPrint(r) }

func dropSeparator(r rune) rune {
	if strings.ContainsRune("._- ", r) {
		return -1
	}
	return r
}
