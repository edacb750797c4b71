//go:build browser

package browser_test

import (
	"context"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/holdfast/holdfast/api"
	"github.com/holdfast/holdfast/internal/web"
)

// The other pages share the style: they are readable on a telephone, by night, and quiet.
func TestTheOtherPages_FitATelephoneAndADesktop(t *testing.T) {
	t.Parallel()
	pages, err := web.New(api.OpenAPI())
	require.NoError(t, err)
	mux := http.NewServeMux()
	mux.HandleFunc("/pages.css", pages.Stylesheet)
	mux.HandleFunc("/docs", pages.Reference)
	mux.HandleFunc("/problem", func(w http.ResponseWriter, r *http.Request) {
		pages.Problem(w, r, "https://recovery.example.com/problems/throttled", "Too many requests", "Too many requests. Please try again later.", 429)
	})
	mux.Handle("/inbox", pages.Inbox(func(context.Context, string) ([]web.InboxMessage, error) {
		return []web.InboxMessage{{
			ID: "msg_1", At: time.Date(2026, 3, 1, 9, 0, 0, 0, time.UTC), Channel: "email", To: "ada@example.com", Kind: "recovery_code",
			Subject: "Your code", Text: "Your code is 12345678.\n\nIt is good for 10 minutes.", Code: "12345678",
			Links: []string{"https://recovery.example.com/objection#hfo_k1_0000000000000000000000000000000000000000000"},
		}}, nil
	}))
	mux.HandleFunc("/favicon.ico", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusNoContent) })
	server := httptest.NewServer(mux)
	defer server.Close()
	dark := desktop()
	dark.dark = true
	for name, d := range map[string]device{"phone": phone(), "desktop": desktop(), "dark": dark} {
		w := open(t, d)
		for _, page := range []string{"docs", "problem", "inbox"} {
			w.visit(server.URL + "/" + page)
			require.LessOrEqual(t, value[float64](w, `document.documentElement.scrollWidth - window.innerWidth`), 0.0, "%s on a %s", page, name)
			w.picture("page-" + page + "-" + name)
		}
	}
}
