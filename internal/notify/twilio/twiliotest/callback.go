package twiliotest

import (
	"context"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha1" //nolint:gosec // what Twilio signs with.
	"encoding/base64"
	"encoding/hex"
	"io"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"
)

// Callback is a request of Twilio's to us. It may be changed before it is sent, as a forger would.
type Callback struct {
	URL        string     // as Twilio was told it: what is signed
	Form       url.Values // what is sent
	Body       string     // sent in place of Form, when set
	Signatures []string
}

// Signed is a callback as Twilio sends it, signed with the account's token.
func Signed(address string, form url.Values) Callback {
	return Callback{URL: address, Form: form, Signatures: []string{Sign(AuthToken, address, form)}}
}

// Sign is Twilio's signature, written down from its description (twilio.com/docs/usage/security): the address, then each
// field's name and value, sorted by name, through HMAC-SHA1 under the token, in base64.
func Sign(token, address string, form url.Values) string {
	mac := hmac.New(sha1.New, []byte(token))
	_, _ = io.WriteString(mac, address) // a hash takes everything
	for _, name := range slices.Sorted(maps.Keys(form)) {
		_, _ = io.WriteString(mac, name+form.Get(name))
	}
	return base64.StdEncoding.EncodeToString(mac.Sum(nil))
}

// StatusForm is what a status callback of a message says; code is 0 for none.
func StatusForm(m Message, status, code string) url.Values {
	form := url.Values{
		"AccountSid": {AccountSID}, "ApiVersion": {"2010-04-01"}, "MessageSid": {m.SID}, "SmsSid": {m.SID},
		"MessageStatus": {status}, "SmsStatus": {status}, "To": {m.To}, "From": {m.From},
	}
	if code != "" {
		form.Set("ErrorCode", code)
	}
	return form
}

// ReplyForm is an incoming message as Twilio hands it over, under a SID of its own.
func ReplyForm(from, to, body string) url.Values {
	var id [16]byte
	_, _ = rand.Read(id[:]) // never fails (crypto/rand)
	sid := "SM" + hex.EncodeToString(id[:])
	return url.Values{
		"AccountSid": {AccountSID}, "ApiVersion": {"2010-04-01"}, "MessageSid": {sid}, "SmsSid": {sid}, "SmsMessageSid": {sid},
		"SmsStatus": {"received"}, "From": {from}, "To": {to}, "Body": {body}, "NumMedia": {"0"}, "NumSegments": {"1"},
		"FromCity": {""}, "FromState": {"CA"}, "FromZip": {""}, "FromCountry": {"US"}, "ToCity": {"TORONTO"}, "ToState": {""}, "ToZip": {""}, "ToCountry": {"US"},
	}
}

// Send makes the request and gives the answer, whose body is read. The host of base takes the place of the address's, which
// is the public one.
func (c Callback) Send(ctx context.Context, client *http.Client, base string) (*http.Response, string, error) {
	address, err := url.Parse(c.URL)
	if err != nil {
		return nil, "", err
	}
	body := c.Body
	if body == "" {
		body = c.Form.Encode()
	}
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, base+address.RequestURI(), strings.NewReader(body))
	if err != nil {
		return nil, "", err
	}
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	r.Header["X-Twilio-Signature"] = c.Signatures
	res, err := client.Do(r)
	if err != nil {
		return nil, "", err
	}
	defer res.Body.Close() //nolint:errcheck // read to its end.
	text, err := io.ReadAll(res.Body)
	return res, string(text), err
}
