package web

import (
	"context"
	"encoding/json"
	"net/http"
	"strings"
	"time"
)

// InboxMessage is a message that a development installation kept instead of sending it.
type InboxMessage struct {
	ID      string    `json:"id"`
	At      time.Time `json:"at"`
	Channel string    `json:"channel"`
	To      string    `json:"to"`
	Kind    string    `json:"kind"`
	Subject string    `json:"subject"`
	Text    string    `json:"text"`
	Code    string    `json:"code,omitempty"`
	Links   []string  `json:"links"`
}

// Messages lists the messages to an address, newest first; all of them for the empty address.
type Messages func(ctx context.Context, to string) ([]InboxMessage, error)

// Inbox serves the messages of a development installation: JSON to whoever accepts it before HTML, else a page. ?to= narrows
// them to one address. It is for development only: it shows codes and links.
func (p *Pages) Inbox(messages Messages) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		to := r.URL.Query().Get("to")
		found, err := messages(r.Context(), to)
		if err != nil {
			http.Error(w, "The inbox cannot be read.", http.StatusInternalServerError)
			return
		}
		for i := range found {
			found[i].At = found[i].At.UTC()
			if found[i].Links == nil {
				found[i].Links = []string{}
			}
		}
		if found == nil {
			found = []InboxMessage{}
		}
		w.Header().Set("Vary", "Accept")
		if prefersJSON(r.Header.Get("Accept")) {
			p.inboxJSON(w, r, found)
			return
		}
		p.render(w, r, "inbox.html", policyInbox, map[string]any{"To": to, "Messages": found})
	})
}

func (p *Pages) inboxJSON(w http.ResponseWriter, r *http.Request, found []InboxMessage) {
	body, err := json.Marshal(map[string][]InboxMessage{"messages": found})
	if err != nil {
		http.Error(w, "The inbox cannot be shown.", http.StatusInternalServerError)
		return
	}
	send(w, r, "application/json", policyStatic, "no-store", body)
}

// prefersJSON reports whether JSON is named and HTML is not named before it. Browsers name HTML first.
func prefersJSON(accept string) bool {
	asJSON, asHTML := strings.Index(accept, "application/json"), strings.Index(accept, "text/html")
	return asJSON >= 0 && (asHTML < 0 || asJSON < asHTML)
}
