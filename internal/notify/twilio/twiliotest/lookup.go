package twiliotest

import (
	"crypto/subtle"
	"encoding/json"
	"net/http"
	"net/url"
	"strings"
	"sync"
)

// Lookups is a double of Twilio's Lookup v2 (twilio.com/docs/lookup/v2-api): what it says of a number is to order. It is an
// http.Handler of its own, because Lookup lives on another host than messages. What it knows nothing of is a valid mobile
// number whose SIM it cannot tell, as where Twilio has no agreement with the carrier.
type Lookups struct {
	mu       sync.Mutex
	orders   map[string]lookup // by number
	requests int
}

// lookup answers a question about a number.
type lookup func(w http.ResponseWriter, r *http.Request, number string)

// NewLookups makes the double.
func NewLookups() *Lookups { return &Lookups{orders: map[string]lookup{}} }

// Line and SIM are what Twilio says in line_type_intelligence and sim_swap, as JSON; null for nothing.
const (
	LineMobile   = `{"mobile_country_code":"234","mobile_network_code":"15","carrier_name":"Example","type":"mobile","error_code":null}`
	LineLandline = `{"mobile_country_code":null,"mobile_network_code":null,"carrier_name":"Example","type":"landline","error_code":null}`
	LinePremium  = `{"mobile_country_code":null,"mobile_network_code":null,"carrier_name":"Example","type":"premium","error_code":null}`
	LineVoIP     = `{"mobile_country_code":null,"mobile_network_code":null,"carrier_name":"Example","type":"nonFixedVoip","error_code":null}`
	LineOdd      = `{"mobile_country_code":null,"mobile_network_code":null,"carrier_name":"Example","type":"carrierPigeon","error_code":null}`

	SIMNotSwapped  = `{"last_sim_swap":{"last_sim_swap_date":null,"swapped_period":"P30D","swapped_in_period":false},"carrier_name":"Example","mobile_country_code":"234","mobile_network_code":"15","error_code":null}`
	SIMShortPeriod = `{"last_sim_swap":{"last_sim_swap_date":null,"swapped_period":"PT24H","swapped_in_period":false},"carrier_name":"Example","mobile_country_code":"234","mobile_network_code":"15","error_code":null}`
	SIMInPeriod    = `{"last_sim_swap":{"last_sim_swap_date":null,"swapped_period":"PT24H","swapped_in_period":true},"carrier_name":"Example","mobile_country_code":"234","mobile_network_code":"15","error_code":null}`
	SIMIncomplete  = `{"last_sim_swap":null,"carrier_name":null,"mobile_country_code":null,"mobile_network_code":null,"error_code":60620}`
)

// SIMSwapped is a SIM that was swapped at a time (RFC 3339).
func SIMSwapped(at string) string {
	return `{"last_sim_swap":{"last_sim_swap_date":"` + at + `","swapped_period":"P30D","swapped_in_period":true},"carrier_name":"Example","mobile_country_code":"234","mobile_network_code":"15","error_code":null}`
}

// Say orders the answer about a number: its line and its SIM as JSON, "null" for nothing.
func (l *Lookups) Say(number, line, sim string) { l.order(number, saying(line, sim)) }

func saying(line, sim string) lookup {
	return func(w http.ResponseWriter, _ *http.Request, number string) {
		quoted, _ := json.Marshal(number) //nolint:errchkjson // a string.
		w.Header().Set("Content-Type", "application/json")
		_, _ = w.Write([]byte(`{"calling_country_code":"44","country_code":"GB","phone_number":` + string(quoted) +
			`,"national_format":"","valid":true,"validation_errors":[],"caller_name":null,"sim_swap":` + sim +
			`,"call_forwarding":null,"line_type_intelligence":` + line + `,"line_status":null,"identity_match":null,` +
			`"reassigned_number":null,"sms_pumping_risk":null,"url":"https://lookups.twilio.com/v2/PhoneNumbers/"}`))
	}
}

// Fail orders a status and one of Twilio's numbers for every question about a number.
func (l *Lookups) Fail(number string, status, code int) {
	l.order(number, func(w http.ResponseWriter, _ *http.Request, number string) {
		fail(w, status, code, "Lookup of "+number+" failed")
	})
}

// Hang says nothing about a number until the client gives up.
func (l *Lookups) Hang(number string) {
	l.order(number, func(_ http.ResponseWriter, r *http.Request, _ string) { <-r.Context().Done() })
}

func (l *Lookups) order(number string, answer lookup) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.orders[number] = answer
}

// Requests counts the questions, those that failed included.
func (l *Lookups) Requests() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.requests
}

// ServeHTTP answers one question.
func (l *Lookups) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	l.mu.Lock()
	l.requests++
	l.mu.Unlock()
	user, password, _ := r.BasicAuth()
	if user != AccountSID || subtle.ConstantTimeCompare([]byte(password), []byte(AuthToken)) != 1 {
		w.Header().Set("WWW-Authenticate", `Basic realm="Twilio API"`)
		fail(w, http.StatusUnauthorized, 20003, "Authenticate")
		return
	}
	number, found := strings.CutPrefix(r.URL.EscapedPath(), "/v2/PhoneNumbers/")
	if plain, err := url.PathUnescape(number); err == nil {
		number = plain
	}
	if !found || r.Method != http.MethodGet || !dialable(number) {
		fail(w, http.StatusNotFound, 20404, "The requested resource was not found")
		return
	}
	if r.URL.Query().Get("Fields") != "line_type_intelligence,sim_swap" {
		fail(w, http.StatusBadRequest, 60600, "Fields are missing")
		return
	}
	l.mu.Lock()
	answer := l.orders[number]
	l.mu.Unlock()
	if answer == nil {
		answer = saying(LineMobile, SIMIncomplete)
	}
	answer(w, r, number)
}
