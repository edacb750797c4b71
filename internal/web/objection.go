package web

import (
	"bytes"
	"html/template"
	"net/http"
	"slices"
	"strconv"
	"strings"
)

// Objection serves the page where the links of notices lead. It does not see the token: that is in the fragment, which
// stays in the browser until a person presses the button.
func (p *Pages) Objection(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Vary", "Accept-Language")
	w.Header().Set("Content-Language", tongueOf(r.Header.Get("Accept-Language")))
	p.render(w, r, "objection.html", policyObjection, textsOf(tongueOf(r.Header.Get("Accept-Language"))))
}

// tongues are the languages of the page, the first of which is for everybody else.
func tongues() []string { return []string{"en", "de", "fr"} }

// tongueOf picks a language by Accept-Language (RFC 9110, section 12.5.4): the one of the highest weight that the page has,
// of equal ones the first.
func tongueOf(header string) string {
	best, weight := tongues()[0], 0.0
	if len(header) > 512 {
		return best
	}
	for part := range strings.SplitSeq(header, ",") {
		tag, params, _ := strings.Cut(strings.TrimSpace(part), ";")
		q := 1.0
		if text, ok := strings.CutPrefix(strings.ReplaceAll(params, " ", ""), "q="); ok {
			parsed, err := strconv.ParseFloat(text, 64)
			if err != nil || parsed < 0 || parsed > 1 {
				continue
			}
			q = parsed
		}
		primary, _, _ := strings.Cut(strings.ToLower(tag), "-")
		if slices.Contains(tongues(), primary) && q > weight {
			best, weight = primary, q
		}
	}
	return best
}

func execute(templates *template.Template, name string, data any) ([]byte, error) {
	var page bytes.Buffer
	if err := templates.ExecuteTemplate(&page, name, data); err != nil {
		return nil, err
	}
	return page.Bytes(), nil
}
