package twilio

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"time"

	"github.com/twilio/twilio-go/client"
	lookups "github.com/twilio/twilio-go/rest/lookups/v2"

	"github.com/holdfast/holdfast/internal/phone"
	"github.com/holdfast/holdfast/internal/secret"
)

// LookupConfig is what a Lookup needs to know.
type LookupConfig struct {
	AccountSID string
	AuthToken  secret.String
	BaseURL    *url.URL      // another host than Twilio's, in tests and development
	Timeout    time.Duration // 3 seconds when 0
}

// Lookup asks Twilio Lookup v2 what line a number is and whether its SIM was swapped. It is safe for concurrent use.
type Lookup struct {
	cfg       LookupConfig
	transport *http.Transport
}

const (
	lookupTimeout = 3 * time.Second
	lookupFields  = "line_type_intelligence,sim_swap"
	// swapWindow is the shortest look-back for which "not swapped" says anything: the time in which a swap blocks.
	swapWindow = 7 * 24
)

var errLookup = errors.New("twilio: no answer of Lookup that says anything")

// NewLookup makes a Lookup. It does not connect.
func NewLookup(cfg LookupConfig) (*Lookup, error) {
	if cfg.AccountSID == "" || cfg.AuthToken.IsZero() {
		return nil, errors.New("twilio: the account and its token are needed")
	}
	if cfg.Timeout <= 0 {
		cfg.Timeout = lookupTimeout
	}
	return &Lookup{cfg: cfg, transport: &http.Transport{
		Proxy: http.ProxyFromEnvironment, ForceAttemptHTTP2: true, MaxIdleConnsPerHost: idlePerHost, IdleConnTimeout: idleTime,
	}}, nil
}

// Close drops the connections that wait for further use.
func (l *Lookup) Close() { l.transport.CloseIdleConnections() }

// Report asks. What Twilio does not say, says as null, or says with an error of its own (60620: the carrier did not answer) is
// unknown in the report. An error holds no number. A question is never asked twice: what is unknown is dealt with as such.
func (l *Lookup) Report(ctx context.Context, number secret.String, now time.Time) (phone.Report, error) {
	if !isE164(number.Reveal()) {
		return phone.Report{}, errLookup
	}
	ctx, cancel := context.WithTimeout(ctx, l.cfg.Timeout)
	defer cancel()
	x := &exchange{transport: l.transport, base: l.cfg.BaseURL}
	c := &client.Client{
		Credentials: client.NewCredentials(l.cfg.AccountSID, l.cfg.AuthToken.Reveal()),
		HTTPClient: &http.Client{
			Transport:     x.within(ctx),
			CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		},
	}
	c.SetAccountSid(l.cfg.AccountSID)
	said, err := lookups.NewApiService(&client.RequestHandler{Client: c}).
		FetchPhoneNumber(number.Reveal(), (&lookups.FetchPhoneNumberParams{}).SetFields(lookupFields))
	if err != nil || said == nil {
		return phone.Report{}, errors.Join(errLookup, x.outcome(ctx))
	}
	if said.PhoneNumber == nil || *said.PhoneNumber != number.Reveal() {
		return phone.Report{}, errLookup // an answer about something else
	}
	return read(said, now), nil
}

// read turns an answer into what it says.
func read(said *lookups.LookupResponse, now time.Time) phone.Report {
	var out phone.Report
	if t := said.LineTypeIntelligence; t.ErrorCode == 0 {
		out.Line = line(t.Type)
	}
	s := said.SimSwap
	if s.ErrorCode != 0 || out.Line == phone.VoIP { // who rents a number on the Internet has no SIM to look at
		return out
	}
	last := s.LastSimSwap
	switch {
	case !last.LastSimSwapDate.IsZero():
		out.SIMKnown, out.SwappedAt = true, last.LastSimSwapDate.UTC()
	case last.SwappedInPeriod && last.SwappedPeriod != "":
		out.SIMKnown, out.SwappedAt = true, now // some time in the period: the worst of it
	case phone.Hours(last.SwappedPeriod) >= swapWindow:
		out.SIMKnown = true
	}
	return out
}

// line reads Twilio's word for a line; empty for one that it does not know. A word that we do not know is no line to text to.
func line(word string) phone.Line {
	switch word {
	case "", "unknown":
		return ""
	case "mobile":
		return phone.Mobile
	case "landline":
		return phone.Fixed
	case "fixedVoip", "nonFixedVoip":
		return phone.VoIP
	case "personal":
		return phone.Personal
	case "tollFree":
		return phone.TollFree
	case "premium":
		return phone.Premium
	case "sharedCost":
		return phone.SharedCost
	case "uan":
		return phone.Company
	case "voicemail":
		return phone.Voicemail
	case "pager":
		return phone.Pager
	default:
		return phone.Invalid
	}
}
