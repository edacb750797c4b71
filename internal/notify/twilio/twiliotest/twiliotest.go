// Package twiliotest is a double of Twilio's Programmable Messaging that keeps state: it checks credentials and parameters,
// stores what it accepts, answers in Twilio's shape, and misbehaves to order.
//
// It is written from Twilio's public description of the API (twilio.com/docs/messaging/api/message-resource) and covers
// the part that Holdfast uses: creating a message, reading it back, and calling back (callback.go).
package twiliotest

import (
	"crypto/rand"
	"crypto/subtle"
	"encoding/hex"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"unicode/utf8"
)

// The double's own account.
const (
	AccountSID = "AC00000000000000000000000000000000"
	AuthToken  = "00112233445566778899aabbccddeeff"
)

// Message is what the double accepted.
type Message struct {
	SID                 string
	To                  string
	From                string
	MessagingServiceSID string
	Body                string
	StatusCallback      string
	ValidityPeriod      string
}

// Double is the double: an http.Handler. It is safe for concurrent use.
type Double struct {
	mux *http.ServeMux

	mu       sync.Mutex
	messages []Message
	numbers  map[string]Behaviour // by the number that is written to
	next     []Behaviour          // for the next requests, in order; before the numbers'
	requests int
}

// New makes a double that accepts everything valid.
func New() *Double {
	d := &Double{mux: http.NewServeMux(), numbers: map[string]Behaviour{}}
	d.mux.HandleFunc("POST /2010-04-01/Accounts/{account}/Messages.json", d.create)
	d.mux.HandleFunc("GET /2010-04-01/Accounts/{account}/Messages/{file}", d.fetch)
	d.mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		fail(w, http.StatusNotFound, 20404, "The requested resource "+r.URL.Path+" was not found")
	})
	return d
}

// ServeHTTP answers one request.
func (d *Double) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	d.mu.Lock()
	d.requests++
	d.mu.Unlock()
	d.mux.ServeHTTP(w, r)
}

// Number makes every message to a number end in b; nil ends that.
func (d *Double) Number(number string, b Behaviour) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if b == nil {
		delete(d.numbers, number)
		return
	}
	d.numbers[number] = b
}

// Next makes the next n messages, whatever their number, end in b. Calls add up in order.
func (d *Double) Next(n int, b Behaviour) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.next = append(d.next, slices.Repeat([]Behaviour{b}, n)...)
}

// Messages lists what was accepted, oldest first.
func (d *Double) Messages() []Message {
	d.mu.Lock()
	defer d.mu.Unlock()
	return slices.Clone(d.messages)
}

// Requests counts the requests, those that failed included.
func (d *Double) Requests() int {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.requests
}

func (d *Double) create(w http.ResponseWriter, r *http.Request) {
	if !authorized(w, r) {
		return
	}
	if err := r.ParseForm(); err != nil || !strings.HasPrefix(r.Header.Get("Content-Type"), "application/x-www-form-urlencoded") {
		fail(w, http.StatusBadRequest, 20001, "The request body is no form")
		return
	}
	if code, text := invalid(r.PostForm); code != 0 {
		fail(w, http.StatusBadRequest, code, text)
		return
	}
	if b := d.behaviour(r.PostForm.Get("To")); b != nil {
		b(Exchange{double: d, w: w, r: r, form: r.PostForm})
		return
	}
	writeMessage(w, http.StatusCreated, d.accept(r.PostForm))
}

// fetch reads a stored message back.
func (d *Double) fetch(w http.ResponseWriter, r *http.Request) {
	if !authorized(w, r) {
		return
	}
	sid, found := strings.CutSuffix(r.PathValue("file"), ".json")
	for _, m := range d.Messages() {
		if found && m.SID == sid {
			writeMessage(w, http.StatusOK, m)
			return
		}
	}
	fail(w, http.StatusNotFound, 20404, "The requested resource "+r.URL.Path+" was not found")
}

func (d *Double) behaviour(to string) Behaviour {
	d.mu.Lock()
	defer d.mu.Unlock()
	if len(d.next) > 0 {
		b := d.next[0]
		d.next = d.next[1:]
		return b
	}
	return d.numbers[to]
}

// accept stores a message.
func (d *Double) accept(form url.Values) Message {
	var id [16]byte
	_, _ = rand.Read(id[:]) // never fails (crypto/rand)
	m := Message{
		SID: "SM" + hex.EncodeToString(id[:]), To: form.Get("To"), From: form.Get("From"), MessagingServiceSID: form.Get("MessagingServiceSid"),
		Body: form.Get("Body"), StatusCallback: form.Get("StatusCallback"), ValidityPeriod: form.Get("ValidityPeriod"),
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	d.messages = append(d.messages, m)
	return m
}

func authorized(w http.ResponseWriter, r *http.Request) bool {
	user, password, _ := r.BasicAuth()
	if user == AccountSID && subtle.ConstantTimeCompare([]byte(password), []byte(AuthToken)) == 1 && r.PathValue("account") == AccountSID {
		return true
	}
	w.Header().Set("WWW-Authenticate", `Basic realm="Twilio API"`)
	fail(w, http.StatusUnauthorized, 20003, "Authenticate")
	return false
}

// invalid checks the parameters as far as Twilio does at once. It gives Twilio's error number, or 0.
func invalid(form url.Values) (int, string) {
	to, body := form.Get("To"), form.Get("Body")
	switch {
	case to == "":
		return 21604, "A 'To' phone number is required."
	case !dialable(to):
		return 21211, fmt.Sprintf("Invalid 'To' Phone Number: %s", to)
	case form.Get("From") == "" && form.Get("MessagingServiceSid") == "":
		return 21603, "A 'From' phone number is required."
	case body == "":
		return 21602, "Message body is required."
	case utf8.RuneCountInString(body) > 1600:
		return 21617, "The concatenated message body exceeds the 1600 character limit."
	}
	if callback := form.Get("StatusCallback"); callback != "" {
		if u, err := url.Parse(callback); err != nil || u.Host == "" {
			return 21609, "The StatusCallback URL is not a valid URL."
		}
	}
	return 0, ""
}

func dialable(number string) bool {
	digits, plus := strings.CutPrefix(number, "+")
	return plus && len(digits) >= 7 && len(digits) <= 15 && strings.Trim(digits, "0123456789") == ""
}
