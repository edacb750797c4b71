package app_test

import (
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"

	"github.com/holdfast/holdfast/internal/app/apptest"
)

// masks hides what differs from one recovery to the next and tells nothing: ids, tokens, references, times, and the jitter of
// waits. What stays has to be equal.
var masks = []struct {
	form *regexp.Regexp
	mask string
}{
	{regexp.MustCompile(`\b(rcv|chl|req|acc|evt)_[0-9a-z]{26}\b`), "${1}_…"},
	{regexp.MustCompile(`\bhfc_[0-9A-Za-z]{43}\b`), "hfc_…"},
	{regexp.MustCompile(`\bHF-[0-9A-Z]{4}-[0-9A-Z]{4}\b`), "HF-…"},
	{regexp.MustCompile(`\b\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z`), "TIME"},
}

// masked writes an answer down for comparison: status, every header, and the body to its last byte.
func masked(a apptest.Answer) string {
	var b strings.Builder
	fmt.Fprintln(&b, a.Status)
	for _, name := range slices.Sorted(maps.Keys(a.Header)) {
		value := strings.Join(a.Header[name], " | ")
		switch name {
		case "Date", "Retry-After":
			value = "…" // Retry-After is coarse and jittered
		case "Ratelimit":
			value = "…" // the client's own count of its own calls
		case "Content-Length":
			// Times are written with as many digits as they have, so that length follows the clock. The body is compared as it is.
			value = "…"
		}
		fmt.Fprintf(&b, "%s: %s\n", name, hide(value))
	}
	b.WriteString(hide(a.Body))
	return b.String()
}

func hide(text string) string {
	for _, m := range masks {
		text = m.form.ReplaceAllString(text, m.mask)
	}
	return text
}
