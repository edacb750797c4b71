package web_test

import (
	"context"
	"encoding/json"
	"math"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.yaml.in/yaml/v3"

	"github.com/holdfast/holdfast/api"
	"github.com/holdfast/holdfast/internal/web"
)

func pages(t *testing.T) *web.Pages {
	t.Helper()
	p, err := web.New(api.OpenAPI())
	require.NoError(t, err)
	return p
}

func get(t *testing.T, h http.HandlerFunc, method, target string, header http.Header) *httptest.ResponseRecorder {
	t.Helper()
	r := httptest.NewRequestWithContext(t.Context(), method, target, nil)
	for name, values := range header {
		r.Header[name] = values
	}
	w := httptest.NewRecorder()
	h(w, r)
	return w
}

// loads finds everything that a browser would fetch by itself.
var loads = regexp.MustCompile(`(?i)(?:src|action|href)\s*=\s*"([^"#]*)"|url\(([^)]*)\)|@import`)

func TestPages_LoadNothingFromElsewhereAndRunNothingInline(t *testing.T) {
	t.Parallel()
	p := pages(t)
	for name, h := range map[string]http.HandlerFunc{
		"reference": p.Reference, "objection": p.Objection, "style": p.Stylesheet,
		"problem": func(w http.ResponseWriter, r *http.Request) {
			p.Problem(w, r, "https://recovery.example.com/problems/throttled", "Too many", "Wait.", 429)
		},
		"inbox": p.Inbox(func(context.Context, string) ([]web.InboxMessage, error) { return nil, nil }).ServeHTTP,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			body := get(t, h, http.MethodGet, "/", nil).Body.String()
			for _, found := range loads.FindAllStringSubmatch(body, -1) {
				require.Regexp(t, `^(/[a-z]|$)`, found[1], "a page may name only our own paths")
				require.NotContains(t, found[0], "//")
			}
			require.NotRegexp(t, `(?i)<script(?:>| (?:[^>]*)>[^<])|<style|style=| on[a-z]+=`, body)
		})
	}
}

func TestReference_ShowsEveryOperationAndSchemaOfTheContract(t *testing.T) {
	t.Parallel()
	body := get(t, pages(t).Reference, http.MethodGet, "/docs", nil).Body.String()
	var doc struct {
		Paths      map[string]map[string]any `yaml:"paths"`
		Components struct {
			Schemas map[string]any `yaml:"schemas"`
		} `yaml:"components"`
	}
	require.NoError(t, yaml.Unmarshal(api.OpenAPI(), &doc))
	for path, item := range doc.Paths {
		for verb, op := range item {
			if verb == "parameters" {
				continue
			}
			id, ok := op.(map[string]any)["operationId"].(string)
			require.True(t, ok, path)
			require.Contains(t, body, `id="`+id+`"`)
		}
	}
	for name := range doc.Components.Schemas {
		require.Contains(t, body, `id="schema-`+name+`"`)
	}
	for _, link := range regexp.MustCompile(`href="#([^"]+)"`).FindAllStringSubmatch(body, -1) {
		require.Contains(t, body, `id="`+link[1]+`"`, "a link within the page leads nowhere")
	}
	require.Contains(t, body, "&#34;claimant_token&#34;", "examples are shown")
}

func TestObjectionPage_IsInertWhateverOpensIt(t *testing.T) {
	t.Parallel()
	p := pages(t)
	first := get(t, p.Objection, http.MethodGet, "/objection", nil)
	for _, method := range []string{http.MethodGet, http.MethodHead, http.MethodGet} {
		w := get(t, p.Objection, method, "/objection?token=hfo_k1_abc", nil)
		require.Equal(t, http.StatusOK, w.Code)
		require.Equal(t, "no-store", w.Header().Get("Cache-Control"))
		require.Equal(t, "no-referrer", w.Header().Get("Referrer-Policy"))
		require.Empty(t, w.Header().Values("Set-Cookie"))
		if method == http.MethodGet {
			require.Equal(t, first.Body.String(), w.Body.String(), "the page does not depend on the request")
		} else {
			require.Empty(t, w.Body.String())
		}
	}
	policy := first.Header().Get("Content-Security-Policy")
	for _, want := range []string{"default-src 'none'", "script-src 'self'", "style-src 'self'", "connect-src 'self'", "form-action 'none'", "frame-ancestors 'none'"} {
		require.Contains(t, policy, want)
	}
	require.NotContains(t, policy, "unsafe")
}

func TestDevClaimPage_IsInertAndSendsNothing(t *testing.T) {
	t.Parallel()
	p := pages(t)
	for _, method := range []string{http.MethodGet, http.MethodHead} {
		w := get(t, p.DevClaim, method, "/dev/claim", nil)
		require.Equal(t, http.StatusOK, w.Code)
		require.Equal(t, "no-store", w.Header().Get("Cache-Control"))
		require.Equal(t, "no-referrer", w.Header().Get("Referrer-Policy"))
		require.Contains(t, w.Header().Get("Content-Security-Policy"), "default-src 'none'; script-src 'self'")
		require.NotContains(t, w.Header().Get("Content-Security-Policy"), "connect-src")
	}
	script := get(t, p.DevClaimScript, http.MethodGet, "/dev/claim.js", nil).Body.String()
	for _, sends := range []string{"fetch(", "XMLHttpRequest", "sendBeacon", "submit", "innerHTML", "localStorage"} {
		require.NotContains(t, script, sends)
	}
	require.Contains(t, script, "isTrusted")
}

// the page promises no more than the machine keeps. A claimant who shows more ends a pause before its time, so that the
// time alone is no promise.
func TestObjectionPage_DoesNotPromiseThePausesWholeTime(t *testing.T) {
	t.Parallel()
	for tongue, unless := range map[string]string{"en": "or until", "de": "oder bis", "fr": "ou jusqu’à"} {
		page := get(t, pages(t).Objection, http.MethodGet, "/objection", http.Header{"Accept-Language": {tongue}}).Body.String()
		said := 0
		for line := range strings.SplitSeq(page, "\n") {
			if strings.Contains(line, "data-says") && strings.Contains(line, "{until}") {
				require.Contains(t, line, unless)
				said++
			}
		}
		require.Equal(t, 3, said)
	}
}

// The browser tests prove the behaviour (internal/app/browser); this keeps the script small enough to be read.
func TestObjectionScript_HasOnePlaceThatSends(t *testing.T) {
	t.Parallel()
	script := get(t, pages(t).ObjectionScript, http.MethodGet, "/objection.js", nil).Body.String()
	require.Equal(t, 1, strings.Count(script, "fetch("), "one place sends")
	require.Equal(t, 1, strings.Count(script, "await send("), "one place calls it")
	require.Equal(t, 3, strings.Count(script, " object("), "which is called from two buttons")
	require.Equal(t, 3, strings.Count(script, "human(event)")-1, "for a person's press or key alone")
	require.Contains(t, script, "replaceState", "the token leaves the address bar")
	for _, forbidden := range []string{"innerHTML", "outerHTML", "insertAdjacent", "eval(", "localStorage", "sessionStorage", "document.cookie", "http://"} {
		require.NotContains(t, script, forbidden)
	}
}

// viewNames are the views that the script chooses from.
var viewNames = regexp.MustCompile(`"(paused|already|counts|people|noted|taken|takenCounts|spent|over)"`)

func TestObjectionPage_HasEveryViewOfTheScriptInEveryLanguage(t *testing.T) {
	t.Parallel()
	p := pages(t)
	script := get(t, p.ObjectionScript, http.MethodGet, "/objection.js", nil).Body.String()
	names := map[string]bool{"vetoed": true, "reversed": true} // these it takes from the answer
	for _, found := range viewNames.FindAllStringSubmatch(script, -1) {
		names[found[1]] = true
	}
	require.Len(t, names, 11)
	for _, tongue := range []string{"en", "de", "fr"} {
		body := get(t, p.Objection, http.MethodGet, "/objection", http.Header{"Accept-Language": {tongue}}).Body.String()
		require.Equal(t, len(names), strings.Count(body, "data-view="), tongue)
		for name := range names {
			require.Contains(t, body, `data-view="`+name+`"`, tongue)
		}
		require.NotRegexp(t, `(?s)<(h1|h2|p|li|label|small|button)[^>]*>\s*</(h1|h2|li|small|button)>`, body, "a text is missing")
		require.NotContains(t, body, "<no value>")
	}
}

// WCAG 1.4.3, 1.4.11: text on its ground at 4.5 to 1, edges and marks at 3 to 1, by day and by night.
func TestStylesheet_HasEnoughContrastInLightAndDark(t *testing.T) {
	t.Parallel()
	css := get(t, pages(t).Stylesheet, http.MethodGet, "/pages.css", nil).Body.String()
	light, dark, found := strings.Cut(css, "@media (prefers-color-scheme: dark)")
	require.True(t, found)
	dark, _, _ = strings.Cut(dark, "* {")
	colour := regexp.MustCompile(`--([a-z-]+): #([0-9a-f]{6});`)
	for name, text := range map[string]string{"light": light, "dark": dark} {
		palette := map[string]float64{}
		for _, m := range colour.FindAllStringSubmatch(text, -1) {
			palette[m[1]] = luminance(t, m[2])
		}
		for _, pair := range []struct {
			on, what string
			least    float64
		}{
			{"paper", "ink", 7},
			{"card", "ink", 7},
			{"paper", "soft", 4.5},
			{"card", "soft", 4.5},
			{"paper", "accent", 4.5},
			{"card", "accent", 4.5},
			{"paper", "bad", 4.5},
			{"card", "bad", 4.5},
			{"paper", "good", 3},
			{"alarm", "on-alarm", 4.5},
			{"accent", "on-accent", 4.5},
			{"code", "ink", 7},
			{"paper", "alarm", 3},
			{"card", "alarm", 3},
		} {
			a, b := palette[pair.on], palette[pair.what]
			require.Positive(t, a*b, "%s: %v", name, pair)
			require.GreaterOrEqual(t, (max(a, b)+0.05)/(min(a, b)+0.05), pair.least, "%s: %s on %s", name, pair.what, pair.on)
		}
	}
}

// luminance is WCAG's relative luminance of a colour.
func luminance(t *testing.T, hex string) float64 {
	t.Helper()
	sum := 0.0
	for i, weight := range []float64{0.2126, 0.7152, 0.0722} {
		v, err := strconv.ParseUint(hex[2*i:2*i+2], 16, 8)
		require.NoError(t, err)
		c := float64(v) / 255
		if c <= 0.04045 {
			c /= 12.92
		} else {
			c = math.Pow((c+0.055)/1.055, 2.4)
		}
		sum += weight * c
	}
	return sum
}

func FuzzObjectionPage_AnswersAnyAcceptLanguage(f *testing.F) {
	for _, seed := range []string{"", "de", "de-CH,en;q=0.5", "fr;q=0", "*", "en;q=nonsense", "de;q=0.5;x=1,,;", strings.Repeat("de,", 400), "\x00;q=\xff"} {
		f.Add(seed)
	}
	p, err := web.New(api.OpenAPI())
	require.NoError(f, err)
	f.Fuzz(func(t *testing.T, accept string) {
		w := get(t, p.Objection, http.MethodGet, "/objection", http.Header{"Accept-Language": {accept}})
		require.Equal(t, http.StatusOK, w.Code)
		require.Contains(t, []string{"en", "de", "fr"}, w.Header().Get("Content-Language"))
		require.Contains(t, w.Body.String(), `<html lang="`+w.Header().Get("Content-Language")+`">`)
	})
}

func TestObjectionPage_SpeaksTheReadersLanguage(t *testing.T) {
	t.Parallel()
	p := pages(t)
	for accept, want := range map[string]string{
		"":                          "en",
		"de":                        "de",
		"de-CH,en;q=0.5":            "de",
		"fr-CA;q=0.8, en;q=0.3":     "fr",
		"en;q=0.2,fr;q=0.9,de;q=.1": "fr",
		"nl, sv":                    "en",
		"de;q=nonsense":             "en",
		"de;q=0":                    "en",
		"*":                         "en",
		strings.Repeat("de,", 400):  "en",
	} {
		w := get(t, p.Objection, http.MethodGet, "/objection", http.Header{"Accept-Language": {accept}})
		require.Contains(t, w.Body.String(), `<html lang="`+want+`">`, accept)
		require.Equal(t, want, w.Header().Get("Content-Language"))
	}
}

func TestInbox_EscapesWhatMessagesSay(t *testing.T) {
	t.Parallel()
	hostile := `<script>alert(1)</script>"><img src=x onerror=alert(1)>`
	h := pages(t).Inbox(func(_ context.Context, to string) ([]web.InboxMessage, error) {
		return []web.InboxMessage{{
			ID: "msg_1", At: time.Date(2026, 3, 1, 9, 0, 0, 0, time.UTC), Channel: "email", To: hostile, Kind: "code",
			Subject: hostile, Text: hostile, Code: "12345678", Links: []string{"javascript:alert(1)", "https://recovery.example.com/objection#t"},
		}}, nil
	})
	body := get(t, h.ServeHTTP, http.MethodGet, "/dev/inbox?to=%22%3E%3Cb%3E", nil).Body.String()
	require.NotContains(t, body, "<script")
	require.NotContains(t, body, "<img")
	require.NotContains(t, body, "<b>")
	require.NotContains(t, body, `href="javascript:`)
	require.Contains(t, body, `href="https://recovery.example.com/objection#t"`)
	require.Contains(t, body, "12345678")
}

func TestInbox_AnswersJSONToWhoAsksForIt(t *testing.T) {
	t.Parallel()
	h := pages(t).Inbox(func(_ context.Context, to string) ([]web.InboxMessage, error) {
		require.Equal(t, "robin@example.com", to)
		return nil, nil
	})
	w := get(t, h.ServeHTTP, http.MethodGet, "/dev/inbox?to=robin@example.com", http.Header{"Accept": {"application/json"}})
	require.Equal(t, "application/json", w.Header().Get("Content-Type"))
	var answer map[string][]any
	require.NoError(t, json.Unmarshal(w.Body.Bytes(), &answer))
	require.NotNil(t, answer["messages"])

	w = get(t, h.ServeHTTP, http.MethodGet, "/dev/inbox?to=robin@example.com", http.Header{"Accept": {"text/html,application/json;q=0.9"}})
	require.Contains(t, w.Header().Get("Content-Type"), "text/html")
}

func TestProblemPage_DocumentsURITitleAndStatus(t *testing.T) {
	t.Parallel()
	p := pages(t)
	w := httptest.NewRecorder()
	r := httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/problems/throttled", nil)
	p.Problem(w, r, "https://recovery.example.com/problems/throttled", "Too many requests", "Please try again later.", 429)
	for _, want := range []string{"https://recovery.example.com/problems/throttled", "Too many requests", "429", "Please try again later."} {
		require.Contains(t, w.Body.String(), want)
	}
}
