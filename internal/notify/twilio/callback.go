package twilio

import (
	"errors"
	"fmt"
	"maps"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/twilio/twilio-go/client"

	"github.com/holdfast/holdfast/internal/delivery"
	"github.com/holdfast/holdfast/internal/secret"
)

// HeaderSignature is the header in which Twilio signs what it sends to us.
const HeaderSignature = "X-Twilio-Signature"

// CallbackConfig is what is needed to believe a callback.
type CallbackConfig struct {
	AccountSID string
	AuthToken  secret.String // the account's own token: no API key signs callbacks
	StatusURL  *url.URL      // where Twilio reaches us, from configuration alone: never from a request's Host
	MessageURL *url.URL
	Fields     []string // names of fields to accept beyond those known here: Twilio adds some now and then
}

// Callbacks checks and reads what Twilio sends to us. It is safe for concurrent use.
//
// The signature is an HMAC over the address and the sorted fields, names and values joined without anything between them
// (twilio.com/docs/usage/security). So one signature fits several readings of the same bytes, of a field that comes twice only
// one is signed, and an old request stays valid for ever. Hence: no token, no callback; a field comes once; a name that is not
// known is refused; and a name that decides something may stand nowhere in the signed text but where a field of that name
// begins. Repeats are refused where they are stored, by the message's SID.
type Callbacks struct {
	account   string
	validator client.RequestValidator
	status    string
	message   string
	known     map[string]bool
	sid       *regexp.Regexp
}

// Refused says why a callback is not believed: a constant that is fit for logs and metrics.
type Refused struct{ Why string }

// Error names the reason and nothing of the request.
func (e *Refused) Error() string { return "twilio: callback refused: " + e.Why }

// The reasons.
const (
	whySignature = "signature"
	whyMalformed = "malformed"
	whyTwice     = "field_twice"
	whyUnknown   = "unknown_field"
	whyAmbiguous = "ambiguous"
	whyAccount   = "another_account"
)

// knownFields are those that Twilio documents for status callbacks and incoming messages.
func knownFields() []string {
	return strings.Fields(`
		AccountSid ApiVersion MessageSid SmsSid SmsMessageSid MessageStatus SmsStatus MessagingServiceSid To From Body
		ErrorCode ErrorMessage RawDlrDoneDate NumMedia NumSegments OptOutType ForwardedFrom ReferralNumMedia
		ToCity ToState ToZip ToCountry FromCity FromState FromZip FromCountry AddOns MessagePrice MessagePriceUnit
		ChannelToAddress ChannelInstallSid ChannelPrefix ChannelStatusCode ChannelStatusMessage StructuredMessage EventType
		ProfileName WaId ButtonText ButtonPayload ButtonType OriginalRepliedMessageSender OriginalRepliedMessageSid
		MediaContentType0 MediaUrl0 MediaContentType1 MediaUrl1 MediaContentType2 MediaUrl2 MediaContentType3 MediaUrl3
		MediaContentType4 MediaUrl4 MediaContentType5 MediaUrl5 MediaContentType6 MediaUrl6 MediaContentType7 MediaUrl7
		MediaContentType8 MediaUrl8 MediaContentType9 MediaUrl9 MessageType Latitude Longitude Address Label`)
}

// deciding are the beginnings of what a callback is believed for. A number is told from a name that begins alike by its plus.
func deciding() []string {
	return []string{"AccountSid", "Body", "ErrorCode", "From+", "MessageSid", "MessageStatus", "To+"}
}

// NewCallbacks checks the configuration. Without a token nothing could be told from a forgery, and the library would believe
// everything, so that it is refused here.
func NewCallbacks(cfg CallbackConfig) (*Callbacks, error) {
	switch {
	case !regexp.MustCompile(`^AC[0-9a-fA-F]{32}$`).MatchString(cfg.AccountSID):
		return nil, errors.New("twilio: callbacks need the account's SID")
	case len(cfg.AuthToken.Reveal()) < 16:
		return nil, errors.New("twilio: callbacks need the account's token, of 16 characters or more")
	case !usable(cfg.StatusURL), !usable(cfg.MessageURL):
		return nil, errors.New("twilio: callbacks need addresses without a query")
	}
	c := &Callbacks{
		account: cfg.AccountSID, validator: client.NewRequestValidator(cfg.AuthToken.Reveal()),
		status: cfg.StatusURL.String(), message: cfg.MessageURL.String(), known: map[string]bool{},
		sid: regexp.MustCompile(`^(SM|MM)[0-9a-fA-F]{32}$`),
	}
	for _, name := range slices.Concat(knownFields(), cfg.Fields) {
		c.known[name] = true
	}
	return c, nil
}

func usable(u *url.URL) bool {
	return u != nil && u.Host != "" && u.RawQuery == "" && !u.ForceQuery && u.Fragment == "" && u.User == nil
}

// Status reads a report of a message's status: signatures are the values of HeaderSignature, body is the request's.
// Everything that is not surely Twilio's word about our account is *Refused. A status that is not known is on the way.
func (c *Callbacks) Status(signatures []string, body []byte) (delivery.Report, error) {
	form, err := c.open(c.status, signatures, body)
	if err != nil {
		return delivery.Report{}, err
	}
	r := delivery.Report{Provider: Provider, Reference: form["MessageSid"], Fate: delivery.Accepted}
	if code := form["ErrorCode"]; code != "" {
		if r.Code, err = strconv.Atoi(code); err != nil || r.Code < 0 || r.Code > 999_999 {
			return delivery.Report{}, &Refused{whyMalformed}
		}
	}
	switch form["MessageStatus"] {
	case "delivered", "read":
		r.Fate, r.Code = delivery.Delivered, 0
	case "undelivered", "failed", "canceled":
		r.Fate, r.Reason = delivery.Failed, ending(r.Code)
	case "":
		return delivery.Report{}, &Refused{whyMalformed}
	}
	return r, nil
}

// Message reads an incoming text message, with the same care.
func (c *Callbacks) Message(signatures []string, body []byte) (delivery.Reply, error) {
	form, err := c.open(c.message, signatures, body)
	if err != nil {
		return delivery.Reply{}, err
	}
	return delivery.Reply{Provider: Provider, Reference: form["MessageSid"], From: secret.NewString(form["From"]), Text: form["Body"]}, nil
}

// open checks the signature and then what it cannot say.
func (c *Callbacks) open(address string, signatures []string, body []byte) (map[string]string, error) {
	form, err := parseOnce(string(body))
	if err != nil {
		return nil, err
	}
	if len(signatures) != 1 || !c.validator.Validate(address, form, signatures[0]) {
		return nil, &Refused{whySignature}
	}
	for name := range form {
		if !c.known[name] {
			return nil, &Refused{whyUnknown}
		}
	}
	if ambiguous(form) {
		return nil, &Refused{whyAmbiguous}
	}
	if form["AccountSid"] != c.account {
		return nil, &Refused{whyAccount}
	}
	if !c.sid.MatchString(form["MessageSid"]) {
		return nil, &Refused{whyMalformed}
	}
	return form, nil
}

// parseOnce reads a form in which each field comes once.
func parseOnce(body string) (map[string]string, error) {
	values, err := url.ParseQuery(body)
	if err != nil || len(values) == 0 {
		return nil, &Refused{whyMalformed}
	}
	form := make(map[string]string, len(values))
	for name, all := range values {
		if len(all) != 1 {
			return nil, &Refused{whyTwice}
		}
		form[name] = all[0]
	}
	return form, nil
}

// ambiguous reports whether the signed text holds a deciding name anywhere but where a field of that name, or one that ends
// in it, begins. The count over the whole text is the same however it is cut into fields, so that no other cut passes.
func ambiguous(form map[string]string) bool {
	var signed strings.Builder
	for _, name := range slices.Sorted(maps.Keys(form)) {
		signed.WriteString(name)
		signed.WriteString(form[name])
	}
	for _, word := range deciding() {
		begun := 0
		for name, value := range form {
			begun += strings.Count(name+value[:min(1, len(value))], word)
		}
		if strings.Count(signed.String(), word) != begun {
			return true
		}
	}
	return false
}

// ending turns Twilio's number of a failure into a reason: twilio.com/docs/api/errors.
func ending(code int) delivery.Reason {
	switch code {
	case 30003, 30017, 30024:
		return delivery.Unreachable
	case 30005, 30006, 30011, 21211, 21614:
		return delivery.BadAddress
	case 30004, 21610, 30018:
		return delivery.Blocked
	case 30007, 30034, 30035:
		return delivery.Filtered
	case 30001, 30002, 30036, 30410:
		return delivery.Withdrawn
	default:
		return delivery.Undelivered
	}
}

// String names the account's addresses for the log, and no secret.
func (c *Callbacks) String() string { return fmt.Sprintf("twilio callbacks at %s", c.status) }

// GoString is String.
func (c *Callbacks) GoString() string { return c.String() }
