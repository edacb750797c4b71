// Package web holds the few pages of Holdfast: the owner's objection page, the API reference, the page of a problem, and, of a
// development installation, the inbox and the page that stands for a tenant's app where claim links lead.
//
// They are rendered here, load nothing from elsewhere, need no script but the two pages' with a button, and change nothing when they
// are opened. Everything that somebody else wrote is escaped by html/template.
package web

import (
	"embed"
	"fmt"
	"html/template"
	"net/http"
	"strconv"
)

//go:embed assets/objection.js assets/claim.js assets/pages.css templates/*.html
var files embed.FS //nolint:gochecknoglobals // embedding needs a variable; nothing changes it.

// Pages are the pages. They are safe for concurrent use.
type Pages struct {
	templates *template.Template
	script    []byte
	claim     []byte
	style     []byte
	reference []byte // rendered once
}

// New renders the reference page of the contract, an OpenAPI document in YAML, and makes the other pages ready.
func New(contract []byte) (*Pages, error) {
	templates, err := template.New("").ParseFS(files, "templates/*.html")
	if err != nil {
		return nil, fmt.Errorf("web: %w", err)
	}
	p := &Pages{templates: templates}
	if p.script, err = files.ReadFile("assets/objection.js"); err != nil {
		return nil, fmt.Errorf("web: %w", err)
	}
	if p.claim, err = files.ReadFile("assets/claim.js"); err != nil {
		return nil, fmt.Errorf("web: %w", err)
	}
	if p.style, err = files.ReadFile("assets/pages.css"); err != nil {
		return nil, fmt.Errorf("web: %w", err)
	}
	if p.reference, err = renderReference(templates, contract); err != nil {
		return nil, fmt.Errorf("web: the reference page: %w", err)
	}
	return p, nil
}

// The policies. No page may be framed, send a form, or load anything that is not ours.
const (
	policyStatic    = "default-src 'none'; style-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
	policyObjection = "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; " +
		"base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
	// policyClaim lets the page's script run, and send nothing anywhere.
	policyClaim = "default-src 'none'; script-src 'self'; style-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
	// policyInbox lets the inbox's search field send itself.
	policyInbox = "default-src 'none'; style-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
)

// Stylesheet serves the style of all pages.
func (p *Pages) Stylesheet(w http.ResponseWriter, r *http.Request) {
	send(w, r, "text/css; charset=utf-8", policyStatic, "no-cache", p.style)
}

// ObjectionScript serves the objection page's script.
func (p *Pages) ObjectionScript(w http.ResponseWriter, r *http.Request) {
	send(w, r, "text/javascript; charset=utf-8", policyStatic, "no-cache", p.script)
}

// Reference serves the API reference.
func (p *Pages) Reference(w http.ResponseWriter, r *http.Request) {
	send(w, r, "text/html; charset=utf-8", policyStatic, "no-cache", p.reference)
}

// Problem serves the page of one problem. typ is the URI that names it.
func (p *Pages) Problem(w http.ResponseWriter, r *http.Request, typ, title, meaning string, status int) {
	p.render(w, r, "problem.html", policyStatic, map[string]any{
		"Type": typ, "Title": title, "Meaning": meaning, "Status": status, "StatusText": http.StatusText(status),
	})
}

// render makes a page in memory first, so that a failing template cannot leave half of one.
func (p *Pages) render(w http.ResponseWriter, r *http.Request, name, policy string, data any) {
	page, err := execute(p.templates, name, data)
	if err != nil {
		http.Error(w, "This page cannot be shown.", http.StatusInternalServerError)
		return
	}
	send(w, r, "text/html; charset=utf-8", policy, "no-store", page)
}

// send writes an answer to GET or HEAD.
func send(w http.ResponseWriter, r *http.Request, media, policy, cache string, body []byte) {
	header := w.Header()
	header.Set("Content-Type", media)
	header.Set("Content-Length", strconv.Itoa(len(body)))
	header.Set("Content-Security-Policy", policy)
	header.Set("Cache-Control", cache)
	header.Set("Referrer-Policy", "no-referrer")
	header.Set("X-Content-Type-Options", "nosniff")
	w.WriteHeader(http.StatusOK)
	if r.Method != http.MethodHead {
		_, _ = w.Write(body) // a reader that is gone needs nothing
	}
}
