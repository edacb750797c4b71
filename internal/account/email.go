package account

import (
	"strings"
	"unicode"

	"golang.org/x/net/idna"
	"golang.org/x/text/unicode/norm"
)

const (
	maxLocal  = 64 // bytes, RFC 5321 section 4.5.3.1.1
	maxDomain = 253
	maxLabel  = 63
)

// canonicalEmail accepts one plain address: no display name, no quoted local part, no comment, no list, no address literal.
// Whatever could make two recipients of one, or open a header, is refused.
func canonicalEmail(text string) (string, bool) {
	local, domain, found := strings.Cut(text, "@")
	if !found || strings.ContainsRune(domain, '@') {
		return "", false
	}
	local = norm.NFC.String(local)
	if !isLocalPart(local) {
		return "", false
	}
	domain, ok := canonicalDomain(domain)
	if !ok || len(local)+1+len(domain) > maxIdentifier {
		return "", false
	}
	return local + "@" + domain, true
}

func isLocalPart(s string) bool {
	if s == "" || len(s) > maxLocal || s[0] == '.' || s[len(s)-1] == '.' || strings.Contains(s, "..") {
		return false
	}
	return !strings.ContainsFunc(s, func(r rune) bool {
		return unprintable(r) || unicode.IsSpace(r) || strings.ContainsRune(`,;:<>()[]\"@`, r)
	})
}

// canonicalDomain gives the name as it stands in the DNS.
func canonicalDomain(domain string) (string, bool) {
	if domain == "" || len(domain) > maxIdentifier || strings.ContainsFunc(domain, unprintable) {
		return "", false
	}
	ascii, err := idna.Lookup.ToASCII(domain)
	if err != nil || len(ascii) > maxDomain {
		return "", false
	}
	labels := strings.Split(ascii, ".")
	for _, l := range labels {
		if l == "" || len(l) > maxLabel {
			return "", false
		}
	}
	// One label is a host of somebody's own network, and digits at the end are an address.
	last := labels[len(labels)-1]
	if len(labels) < 2 || strings.Trim(last, "0123456789") == "" {
		return "", false
	}
	return ascii, true
}

func coarseEmail(exact string) string {
	local, domain, _ := strings.Cut(exact, "@")
	coarse, _, _ := strings.Cut(fold(norm.NFKC.String(local)), "+")
	coarse = strings.ReplaceAll(coarse, ".", "")
	if coarse == "" {
		coarse = local // "+tag@" has nothing else
	}
	return coarse + "@" + domain
}
