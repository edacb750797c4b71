// Package twilio sends text messages through Twilio's Programmable Messaging: the port notify.Sender on twilio-go.
//
// The library knows no context, reads its region from the environment, loses Retry-After, and leaves the bodies of error
// replies unread, so that each costs a connection. It is therefore used for what it knows best, the shape of the call, and
// every exchange goes through a round tripper of ours (exchange.go) that does the rest. Holdfast makes its own codes and
// does not use Twilio Verify, which would send the same code again.
package twilio

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"regexp"
	"time"
	"unicode/utf8"

	"github.com/twilio/twilio-go/client"
	api "github.com/twilio/twilio-go/rest/api/v2010"

	"github.com/holdfast/holdfast/internal/factor"
	"github.com/holdfast/holdfast/internal/notify"
	"github.com/holdfast/holdfast/internal/secret"
)

const (
	// Provider is what receipts and reports call this provider.
	Provider = "twilio"
	// DefaultTimeout bounds one call from the dial to the last byte of the reply.
	DefaultTimeout = 15 * time.Second

	maxText      = 1600 // characters; Twilio refuses more (error 21617)
	codeValidity = 600  // seconds; Twilio drops a code that it could not hand over within R-025's ten minutes
	idleTime     = 90 * time.Second
	idlePerHost  = 16
)

// Config is what a sender needs to know.
type Config struct {
	AccountSID          string
	APIKey              string        // SK…; empty to sign in as the account itself
	AuthToken           secret.String // the API key's secret, or the account's token
	From                string        // a number, a short code or a name; or else
	MessagingServiceSID string        // MG…
	StatusCallback      *url.URL      // where Twilio reports what became of a message; optional
	Edge, Region        string        // for data residency; both empty for Twilio's default. The environment is never read.
	BaseURL             *url.URL      // another host than Twilio's, in tests and development
	Timeout             time.Duration // DefaultTimeout when 0
}

// Sender sends text messages. It is safe for concurrent use; Close it when it is no longer used.
type Sender struct {
	cfg       Config
	transport *http.Transport
}

// New checks the configuration. It does not connect.
func New(cfg Config) (*Sender, error) {
	if cfg.Timeout == 0 {
		cfg.Timeout = DefaultTimeout
	}
	plain := regexp.MustCompile(`^[A-Za-z0-9]+$`) // what the library accepts in credentials; empty ones it would not send at all
	switch {
	case !plain.MatchString(cfg.AccountSID), cfg.APIKey != "" && !plain.MatchString(cfg.APIKey), !plain.MatchString(cfg.AuthToken.Reveal()):
		return nil, errors.New("twilio: the account and its token are needed, in letters and digits")
	case (cfg.From == "") == (cfg.MessagingServiceSID == ""):
		return nil, errors.New("twilio: either a sender or a messaging service is needed")
	case cfg.BaseURL != nil && (cfg.BaseURL.Host == "" || (cfg.BaseURL.Scheme != "https" && cfg.BaseURL.Scheme != "http")):
		return nil, errors.New("twilio: the base URL must be http or https and have a host")
	case cfg.Timeout < 0:
		return nil, errors.New("twilio: the timeout must be positive")
	}
	return &Sender{cfg: cfg, transport: &http.Transport{
		// No time limits here: the call's context has the one that counts, and two would race for the reason.
		Proxy:               http.ProxyFromEnvironment,
		ForceAttemptHTTP2:   true,
		MaxIdleConnsPerHost: idlePerHost,
		IdleConnTimeout:     idleTime,
	}}, nil
}

// Close drops the connections that wait for further use.
func (s *Sender) Close() { s.transport.CloseIdleConnections() }

// Send hands m to Twilio. The receipt names the message's SID.
//
// There is no key by which Twilio would know a repeat, so that a missing reply is *notify.Unknown and sending again may
// deliver twice.
func (s *Sender) Send(ctx context.Context, m notify.Message) (notify.Receipt, error) {
	switch {
	case m.Channel != factor.SMS, m.Text == "", utf8.RuneCountInString(m.Text) > maxText:
		return notify.Receipt{}, &notify.Rejected{Reason: notify.ReasonBadMessage}
	case !isE164(m.To.Reveal()):
		return notify.Receipt{}, &notify.Rejected{Reason: notify.ReasonBadAddress}
	}
	ctx, cancel := context.WithTimeout(ctx, s.cfg.Timeout)
	defer cancel()

	x := &exchange{transport: s.transport, base: s.cfg.BaseURL}
	sent, err := s.service(ctx, x).CreateMessage(s.params(m))
	if err != nil {
		return notify.Receipt{}, x.outcome(ctx)
	}
	if sent == nil || sent.Sid == nil || *sent.Sid == "" {
		return notify.Receipt{}, &notify.Unknown{Reason: notify.ReasonProvider}
	}
	return notify.Receipt{Provider: Provider, ProviderRef: *sent.Sid}, nil
}

func (s *Sender) params(m notify.Message) *api.CreateMessageParams {
	p := (&api.CreateMessageParams{}).SetTo(m.To.Reveal()).SetBody(m.Text).SetSmartEncoded(true)
	if s.cfg.From != "" {
		p.SetFrom(s.cfg.From)
	} else {
		p.SetMessagingServiceSid(s.cfg.MessagingServiceSID)
	}
	if s.cfg.StatusCallback != nil {
		p.SetStatusCallback(s.cfg.StatusCallback.String())
	}
	if m.Kind.CarriesCode() {
		p.SetValidityPeriod(codeValidity)
	}
	return p
}

// service makes a client for one call, which costs half a microsecond, because the call's context has no other way in.
// The request handler is made by hand: the library's constructor would read TWILIO_EDGE and TWILIO_REGION.
func (s *Sender) service(ctx context.Context, x *exchange) *api.ApiService {
	user := s.cfg.AccountSID
	if s.cfg.APIKey != "" {
		user = s.cfg.APIKey
	}
	c := &client.Client{
		Credentials: client.NewCredentials(user, s.cfg.AuthToken.Reveal()),
		HTTPClient: &http.Client{
			Transport:     x.within(ctx),
			CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		},
	}
	c.SetAccountSid(s.cfg.AccountSID)
	return api.NewApiService(&client.RequestHandler{Client: c, Edge: s.cfg.Edge, Region: s.cfg.Region})
}

// isE164 reports whether s is a number as ITU-T E.164 writes it, and nothing else: no list, no "whatsapp:" in front.
func isE164(s string) bool {
	const shortest, longest = 8, 16 // with the plus sign
	if len(s) < shortest || len(s) > longest || s[0] != '+' || s[1] == '0' {
		return false
	}
	for _, c := range []byte(s[1:]) {
		if c < '0' || c > '9' {
			return false
		}
	}
	return true
}
