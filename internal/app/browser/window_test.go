//go:build browser

package browser_test

import (
	"context"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/accessibility"
	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/emulation"
	cdplog "github.com/chromedp/cdproto/log"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"
	"github.com/stretchr/testify/require"

	"github.com/holdfast/holdfast/internal/app/apptest"
)

// device is what somebody looks through.
type device struct {
	language      string // Accept-Language; en when empty
	width, height int64
	phone         bool // touch, and a phone's density
	dark, still   bool // prefers a dark page; prefers no motion
	scriptless    bool
}

func phone() device   { return device{width: 390, height: 844, phone: true, still: true} }
func desktop() device { return device{width: 1280, height: 800, still: true} }

// window is one private window of the browser.
type window struct {
	ctx context.Context //nolint:containedctx // the browser knows a window by its context.
	t   testing.TB

	mu       sync.Mutex
	posts    []string // what it posted
	problems []string // what the console complained of: refused by the policy, thrown, not loaded
}

// open opens a window. What the console complains of fails the test, unless the test takes it away.
func open(t testing.TB, d device) *window {
	t.Helper()
	ctx, cancel := chromedp.NewContext(chromium, chromedp.WithNewBrowserContext())
	w := &window{ctx: ctx, t: t}
	t.Cleanup(func() {
		complaints := w.complaints()
		cancel()
		require.Empty(t, complaints, "the console is quiet")
	})
	require.NoError(t, chromedp.Listen(ctx, w.listen))
	if d.language == "" {
		d.language = "en"
	}
	scale := 1.0
	if d.phone {
		scale = 2
	}
	features := []*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: "light"}, {Name: "prefers-reduced-motion", Value: "no-preference"}}
	if d.dark {
		features[0].Value = "dark"
	}
	if d.still {
		features[1].Value = "reduce"
	}
	call(w, network.SetExtraHTTPHeaders, network.SetExtraHTTPHeadersParams{Headers: network.Headers{"Accept-Language": d.language}})
	call(w, emulation.SetDeviceMetricsOverride, emulation.SetDeviceMetricsOverrideParams{
		Width: d.width, Height: d.height, DeviceScaleFactor: scale, Mobile: d.phone,
	})
	call(w, emulation.SetTouchEmulationEnabled, emulation.SetTouchEmulationEnabledParams{Enabled: d.phone})
	call(w, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{Features: features})
	call(w, emulation.SetScriptExecutionDisabled, emulation.SetScriptExecutionDisabledParams{Value: d.scriptless})
	return w
}

// call sends a command to the window's browser.
func call[P, R any](w *window, command cdp.Command[P, R], params P) R {
	w.t.Helper()
	ctx, cancel := context.WithTimeout(w.ctx, apptest.Patience)
	defer cancel()
	result, err := chromedp.Call(ctx, command, params)
	require.NoError(w.t, err)
	return result
}

// do runs steps; run runs one that has a result.
func (w *window) do(steps ...chromedp.Action[chromedp.Void]) {
	w.t.Helper()
	run(w, chromedp.Steps(steps...))
}

func run[T any](w *window, action chromedp.Action[T]) T {
	w.t.Helper()
	ctx, cancel := context.WithTimeout(w.ctx, apptest.Patience)
	defer cancel()
	out, err := chromedp.Run(ctx, action)
	require.NoError(w.t, err)
	return out
}

func (w *window) listen(event any) {
	w.mu.Lock()
	defer w.mu.Unlock()
	switch e := event.(type) {
	case *network.EventRequestWillBeSent:
		if e.Request.Method != http.MethodGet && e.Request.Method != http.MethodHead {
			w.posts = append(w.posts, e.Request.Method+" "+e.Request.URL)
		}
	case *cdplog.EventEntryAdded:
		if e.Entry.Source == cdplog.EntrySourceNetwork && strings.Contains(e.Entry.URL, "/v1/objections") {
			return // the browser notes each answer that is a refusal
		}
		w.problems = append(w.problems, e.Entry.Text+" "+e.Entry.URL)
	case *runtime.EventExceptionThrown:
		problem := e.ExceptionDetails.Text
		if e.ExceptionDetails.Exception != nil {
			problem += " " + e.ExceptionDetails.Exception.Description
		}
		w.problems = append(w.problems, problem)
	}
}

// complaints takes away what the console complained of.
func (w *window) complaints() []string {
	w.mu.Lock()
	defer w.mu.Unlock()
	out := w.problems
	w.problems = nil
	return out
}

// posted lists what the window sent that is neither GET nor HEAD.
func (w *window) posted() []string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return slices.Clone(w.posts)
}

// visit opens an address.
func (w *window) visit(url string) {
	w.t.Helper()
	w.do(chromedp.Navigate(url))
}

// press presses what a selector names, with real input at its place on the screen.
func (w *window) press(selector string) {
	w.t.Helper()
	w.do(chromedp.Click(chromedp.CSS(selector), chromedp.NodeVisible))
}

// write types into a field, key by key.
func (w *window) write(selector, text string) {
	w.t.Helper()
	w.do(chromedp.SendKeys(chromedp.CSS(selector), text, chromedp.NodeVisible))
}

// keys types keys to whatever has the focus.
func (w *window) keys(keys string) {
	w.t.Helper()
	w.do(chromedp.KeyEvent(keys))
}

// text is what the page shows now.
func (w *window) text() string {
	w.t.Helper()
	return value[string](w, `document.body.innerText`)
}

// see waits until the page shows a text and is not busy, and gives all that it shows.
func (w *window) see(text string) string {
	w.t.Helper()
	var shown string
	require.Eventually(w.t, func() bool {
		shown = w.text()
		return strings.Contains(shown, text) && value[bool](w, `document.querySelector("main").getAttribute("aria-busy") !== "true"`)
	}, apptest.Patience, 20*time.Millisecond, "the page does not show %q", text)
	return shown
}

// value evaluates an expression in the page, and waits for what it promises.
func value[T any](w *window, expression string) T {
	w.t.Helper()
	return run(w, chromedp.Evaluate[T](expression, chromedp.EvalAwaitPromise))
}

// picture takes the page, for people to look at; of a very long one what is on the screen.
func (w *window) picture(name string) {
	w.t.Helper()
	take := chromedp.FullScreenshot(100)
	if value[int](w, `document.documentElement.scrollHeight`) > 5000 {
		take = chromedp.CaptureScreenshot()
	}
	png := run(w, take)
	dir := screenshots()
	require.NoError(w.t, os.MkdirAll(dir, 0o755))
	require.NoError(w.t, os.WriteFile(filepath.Join(dir, name+".png"), png, 0o600))
}

// fits demands that nothing is wider than the window, and that what is pressed is large enough for a finger (WCAG 2.5.5).
func (w *window) fits() {
	w.t.Helper()
	require.LessOrEqual(w.t, value[float64](w, `document.documentElement.scrollWidth - window.innerWidth`), 0.0, "nothing scrolls sideways")
	require.Empty(w.t, value[[]string](w, `[...document.querySelectorAll("button, .choice, #code")]
		.filter((e) => e.offsetParent && (e.offsetHeight < 44 || e.offsetWidth < 44)).map((e) => e.outerHTML)`))
}

// offline cuts the window off, or connects it again.
func (w *window) offline(yes bool) {
	w.t.Helper()
	call(w, network.OverrideNetworkState, network.OverrideNetworkStateParams{Offline: yes, DownloadThroughput: -1, UploadThroughput: -1})
	call(w, network.EmulateNetworkConditionsByRule, network.EmulateNetworkConditionsByRuleParams{
		MatchedNetworkConditions: []*network.Conditions{{Offline: yes, DownloadThroughput: -1, UploadThroughput: -1}},
	})
}

// tree is what a screen reader is told: one line of role and name for each part.
func (w *window) tree() string {
	w.t.Helper()
	var out strings.Builder
	for _, node := range call(w, accessibility.GetFullAXTree, accessibility.GetFullAXTreeParams{}).Nodes {
		if !node.Ignored && node.Role != nil {
			fmt.Fprintln(&out, plain(node.Role), plain(node.Name))
		}
	}
	return out.String()
}

func plain(v *accessibility.Value) string {
	if v == nil {
		return ""
	}
	return strings.Trim(string(v.Value), `"`)
}
