package notify

import (
	"errors"
	"net/netip"
	"net/url"
	"strings"

	"github.com/holdfast/holdfast/internal/secret"
)

// Links makes the links to this service that messages carry. They are built from configuration alone: nothing that a request says, its
// Host header for instance, can reach them.
type Links struct {
	base *url.URL
}

// NewLinks takes the public address of this service. It must be an https URL with a host and without user, query and
// fragment. With allowLoopback, for development, http to a loopback host is accepted too.
func NewLinks(base *url.URL, allowLoopback bool) (Links, error) {
	if err := safe(base, allowLoopback); err != nil {
		return Links{}, err
	}
	clone := *base
	return Links{base: &clone}, nil
}

// safe says why a link must not begin with base.
func safe(base *url.URL, allowLoopback bool) error {
	switch {
	case base == nil || base.Hostname() == "" || base.Opaque != "":
		return errors.New("links: the URL has no host")
	case base.User != nil || base.RawQuery != "" || base.ForceQuery || base.Fragment != "":
		return errors.New("links: the URL must have no user, query or fragment")
	case base.Scheme == "https", base.Scheme == "http" && allowLoopback && loopback(base.Hostname()):
		return nil
	default:
		return errors.New("links: the URL must be https (http only to a loopback host in development)")
	}
}

// Page is a page of a tenant's own app that links lead to: where a claimant goes on with a recovery that support started.
type Page struct {
	url *url.URL
}

// maxPage is the longest address of a page: a text message has to hold it.
const maxPage = 200

// ParsePage reads the address of a page. It must be an https URL with a host and without user, query and fragment; with
// allowLoopback, for development, http to a loopback host is accepted too.
func ParsePage(text string, allowLoopback bool) (Page, error) {
	u, err := url.Parse(text)
	if err != nil || len(text) > maxPage || strings.ContainsAny(text, "?# \t\r\n") {
		return Page{}, errors.New("links: the page is no URL, has a query or a fragment, or is longer than 200 characters")
	}
	if err := safe(u, allowLoopback); err != nil {
		return Page{}, err
	}
	return Page{url: u}, nil
}

// String gives the page's address.
func (p Page) String() string {
	if p.url == nil {
		return ""
	}
	return p.url.String()
}

// Claim is the link that hands a claimant's seat over. The token is in the fragment; the app's page sends it after a
// person has pressed a button there.
func (p Page) Claim(token secret.String) secret.String {
	if p.url == nil || token.IsZero() {
		return secret.String{}
	}
	u := *p.url
	u.Fragment = token.Reveal()
	return secret.NewString(u.String())
}

// Objection is the link by which the owner objects. The token is in the fragment, which no browser sends and no server or
// proxy logs; the page posts it after a person has pressed the button.
func (l Links) Objection(token secret.String) secret.String {
	if l.base == nil || token.IsZero() {
		return secret.String{}
	}
	u := l.base.JoinPath("objection")
	u.Fragment = token.Reveal()
	return secret.NewString(u.String())
}

func loopback(host string) bool {
	if host == "localhost" {
		return true
	}
	addr, err := netip.ParseAddr(host)
	return err == nil && addr.IsLoopback()
}
