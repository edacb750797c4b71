package notify

import (
	"errors"
	"net/netip"
	"net/url"

	"github.com/holdfast/holdfast/internal/secret"
)

// Links makes the links that messages carry. They are built from configuration alone: nothing that a request says, its
// Host header for instance, can reach them.
type Links struct {
	base *url.URL
}

// NewLinks takes the public address of this service. It must be an https URL with a host and without user, query and
// fragment. With allowLoopback, for development, http to a loopback host is accepted too.
func NewLinks(base *url.URL, allowLoopback bool) (Links, error) {
	switch {
	case base == nil || base.Hostname() == "" || base.Opaque != "":
		return Links{}, errors.New("links: the base URL has no host")
	case base.User != nil || base.RawQuery != "" || base.ForceQuery || base.Fragment != "":
		return Links{}, errors.New("links: the base URL must have no user, query or fragment")
	case base.Scheme == "https", base.Scheme == "http" && allowLoopback && loopback(base.Hostname()):
		clone := *base
		return Links{base: &clone}, nil
	default:
		return Links{}, errors.New("links: the base URL must be https (http only to a loopback host in development)")
	}
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
