package web_test

import (
	"context"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"regexp"
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

func TestObjectionScript_SendsOnlyAfterAPersonPressed(t *testing.T) {
	t.Parallel()
	script := get(t, pages(t).ObjectionScript, http.MethodGet, "/objection.js", nil).Body.String()
	require.Equal(t, 1, strings.Count(script, "fetch("), "one place sends")
	require.Equal(t, 2, strings.Count(script, "await object("), "and only two buttons call it")
	require.Equal(t, 2, strings.Count(script, "isTrusted"), "neither for a synthetic event")
	require.Contains(t, script, "replaceState", "the token leaves the address bar")
	for _, forbidden := range []string{"innerHTML", "eval(", "localStorage", "sessionStorage", "document.cookie", "http://", "https://"} {
		require.NotContains(t, script, forbidden)
	}
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
		require.NotContains(t, w.Body.String(), `=""`, "a text is missing")
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
