package twilio_test

import (
	"maps"
	"net/url"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"github.com/twilio/twilio-go/client"

	"github.com/holdfast/holdfast/internal/delivery"
	"github.com/holdfast/holdfast/internal/notify/twilio"
	"github.com/holdfast/holdfast/internal/notify/twilio/twiliotest"
	"github.com/holdfast/holdfast/internal/secret"
)

const (
	statusURL  = "https://recovery.example.com/v1/providers/twilio/status"
	messageURL = "https://recovery.example.com/v1/providers/twilio/messages"
)

func callbackConfig(t testing.TB) twilio.CallbackConfig {
	t.Helper()
	status, err := url.Parse(statusURL)
	require.NoError(t, err)
	message, err := url.Parse(messageURL)
	require.NoError(t, err)
	return twilio.CallbackConfig{
		AccountSID: twiliotest.AccountSID, AuthToken: secret.NewString(twiliotest.AuthToken), StatusURL: status, MessageURL: message,
	}
}

func callbacks(t testing.TB, change ...func(*twilio.CallbackConfig)) *twilio.Callbacks {
	t.Helper()
	cfg := callbackConfig(t)
	for _, f := range change {
		f(&cfg)
	}
	c, err := twilio.NewCallbacks(cfg)
	require.NoError(t, err)
	return c
}

func sentMessage() twiliotest.Message {
	return twiliotest.Message{SID: "SM" + strings.Repeat("0a", 16), To: "+15550100123", From: "+15550100100"}
}

// why is the reason of a refusal, "" for none.
func why(t testing.TB, err error) string {
	t.Helper()
	if err == nil {
		return ""
	}
	var refused *twilio.Refused
	require.ErrorAs(t, err, &refused)
	return refused.Why
}

func TestCallbacks_ReadWhatTwilioSaysOfAMessage(t *testing.T) {
	t.Parallel()
	c := callbacks(t)
	for _, tc := range []struct {
		status, code string
		fate         delivery.Fate
		reason       delivery.Reason
	}{
		{"queued", "", delivery.Accepted, ""},
		{"sending", "", delivery.Accepted, ""},
		{"sent", "", delivery.Accepted, ""},
		{"invented_tomorrow", "", delivery.Accepted, ""},
		{"delivered", "", delivery.Delivered, ""},
		{"read", "", delivery.Delivered, ""},
		{"undelivered", "30003", delivery.Failed, delivery.Unreachable},
		{"undelivered", "30005", delivery.Failed, delivery.BadAddress},
		{"undelivered", "30004", delivery.Failed, delivery.Blocked},
		{"undelivered", "30007", delivery.Failed, delivery.Filtered},
		{"failed", "30002", delivery.Failed, delivery.Withdrawn},
		{"failed", "30008", delivery.Failed, delivery.Undelivered},
		{"failed", "", delivery.Failed, delivery.Undelivered},
		{"canceled", "", delivery.Failed, delivery.Undelivered},
	} {
		call := twiliotest.Signed(statusURL, twiliotest.StatusForm(sentMessage(), tc.status, tc.code))
		got, err := c.Status(call.Signatures, []byte(call.Form.Encode()))
		require.NoError(t, err, tc.status)
		require.Equal(t, "twilio", got.Provider)
		require.Equal(t, sentMessage().SID, got.Reference)
		require.Equal(t, tc.fate, got.Fate, tc.status)
		require.Equal(t, tc.reason, got.Reason, tc.status+tc.code)
	}
}

func TestCallbacks_ReadAnAnswer(t *testing.T) {
	t.Parallel()
	form := twiliotest.ReplyForm("+15550100123", "+15550100100", "Nein, danke & tschüß")
	call := twiliotest.Signed(messageURL, form)
	got, err := callbacks(t).Message(call.Signatures, []byte(form.Encode()))
	require.NoError(t, err)
	require.Equal(t, form.Get("MessageSid"), got.Reference)
	require.Equal(t, "+15550100123", got.From.Reveal())
	require.Equal(t, "Nein, danke & tschüß", got.Text)
}

// Whatever is not surely Twilio's word about our account is refused, whoever signed it.
func TestCallbacks_BelieveNothingElse(t *testing.T) {
	t.Parallel()
	good := func() url.Values { return twiliotest.ReplyForm("+15550100123", "+15550100100", "NO") }
	signed := func(change func(url.Values)) twiliotest.Callback {
		form := good()
		change(form)
		return twiliotest.Signed(messageURL, form)
	}
	for name, tc := range map[string]struct {
		call twiliotest.Callback
		want string
	}{
		"no signature":       {twiliotest.Callback{Form: good()}, "signature"},
		"an empty signature": {twiliotest.Callback{Form: good(), Signatures: []string{""}}, "signature"},
		"two signatures": {func() twiliotest.Callback {
			c := signed(func(url.Values) {})
			c.Signatures = append(c.Signatures, c.Signatures[0])
			return c
		}(), "signature"},
		"another token": {func() twiliotest.Callback {
			f := good()
			return twiliotest.Callback{Form: f, Signatures: []string{twiliotest.Sign("x"+twiliotest.AuthToken, messageURL, f)}}
		}(), "signature"},
		"an empty token": {func() twiliotest.Callback {
			f := good()
			return twiliotest.Callback{Form: f, Signatures: []string{twiliotest.Sign("", messageURL, f)}}
		}(), "signature"},
		"another address":   {twiliotest.Signed("https://evil.example.com/v1/providers/twilio/messages", good()), "signature"},
		"the other route's": {twiliotest.Signed(statusURL, good()), "signature"},
		"plain http":        {twiliotest.Signed("http://recovery.example.com/v1/providers/twilio/messages", good()), "signature"},
		"a tampered value": {func() twiliotest.Callback {
			c := signed(func(url.Values) {})
			c.Form.Set("From", "+15550100199")
			return c
		}(), "signature"},
		"an added field": {func() twiliotest.Callback {
			c := signed(func(url.Values) {})
			c.Form.Set("OptOutType", "STOP")
			return c
		}(), "signature"},
		"a lost field": {func() twiliotest.Callback { c := signed(func(url.Values) {}); c.Form.Del("NumMedia"); return c }(), "signature"},
		"a field twice": {func() twiliotest.Callback {
			c := signed(func(url.Values) {})
			c.Form.Add("From", "+15550100199")
			return c
		}(), "field_twice"},
		"a field twice, first": {func() twiliotest.Callback {
			c := signed(func(url.Values) {})
			c.Body = "From=%2B15550100199&" + c.Form.Encode()
			return c
		}(), "field_twice"},
		"an unknown field":     {signed(func(f url.Values) { f.Set("Frm", "x") }), "unknown_field"},
		"no form":              {twiliotest.Callback{Body: "%zz", Signatures: []string{"x"}}, "malformed"},
		"nothing":              {twiliotest.Callback{Body: " ", Signatures: []string{"x"}}, "signature"},
		"another account":      {signed(func(f url.Values) { f.Set("AccountSid", "AC"+strings.Repeat("1", 32)) }), "another_account"},
		"no account":           {signed(func(f url.Values) { f.Del("AccountSid") }), "another_account"},
		"no SID":               {signed(func(f url.Values) { f.Del("MessageSid") }), "malformed"},
		"a malformed SID":      {signed(func(f url.Values) { f.Set("MessageSid", "SM1") }), "malformed"},
		"a number in the text": {signed(func(f url.Values) { f.Set("Body", "NOFrom+15550100199G") }), "ambiguous"},
		"a SID in the text":    {signed(func(f url.Values) { f.Set("Body", "MessageSidSM1") }), "ambiguous"},
		"a word in a city":     {signed(func(f url.Values) { f.Set("FromCity", "BodyNO") }), "ambiguous"},
		"the boundary moved":   {moved(signed(func(url.Values) {}), "MessageSid", 1), "unknown_field"},
		"into a value":         {moved(signed(func(url.Values) {}), "From", -1), "unknown_field"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			body := tc.call.Body
			if body == "" {
				body = tc.call.Form.Encode()
			}
			_, err := callbacks(t).Message(tc.call.Signatures, []byte(body))
			require.Equal(t, tc.want, why(t, err))
			require.NotContains(t, err.Error(), "5550100", "no number in an error")
		})
	}
}

// moved shifts the boundary between a field's name and its value: the signed bytes stay the same.
func moved(c twiliotest.Callback, name string, by int) twiliotest.Callback {
	value := c.Form.Get(name)
	c.Form.Del(name)
	if by > 0 { // part of the value goes to the name
		c.Form.Set(name+value[:by], value[by:])
	} else {
		c.Form.Set(name[:len(name)+by], name[len(name)+by:]+value)
	}
	return c
}

// However the signed text is cut into fields, a second reading of it never says something else and is believed.
func TestCallbacks_NoOtherCutOfTheSignedTextIsBelieved(t *testing.T) {
	t.Parallel()
	c := callbacks(t, func(cfg *twilio.CallbackConfig) { cfg.Fields = []string{"GF", "G", "Fr", "Ody"} }) // what a later version may add
	form := twiliotest.ReplyForm("+15550100199", "+15550100100", "NOFrom+15550100123G")                   // a stranger's text that holds a victim's number
	for _, name := range []string{"FromCity", "FromState", "FromZip", "FromCountry"} {
		form.Del(name)
	}
	call := twiliotest.Signed(messageURL, form)

	cut := maps.Clone(form) // the same bytes: …BodyNO|From+15550100123|GFrom+15550100199|MessageSid…
	cut.Set("Body", "NO")
	cut.Set("From", "+15550100123")
	cut.Set("GF", "rom+15550100199")
	require.Equal(t, call.Signatures[0], twiliotest.Sign(twiliotest.AuthToken, messageURL, cut), "the signature does not see the difference")
	_, err := c.Message(call.Signatures, []byte(cut.Encode()))
	require.Equal(t, "ambiguous", why(t, err))
	_, err = c.Message(call.Signatures, []byte(form.Encode()))
	require.Equal(t, "ambiguous", why(t, err), "nor the text that invites it")
}

// A field that Twilio adds is refused until the operator has named it.
func TestCallbacks_TakeANewFieldWhenItIsNamed(t *testing.T) {
	t.Parallel()
	form := twiliotest.StatusForm(sentMessage(), "delivered", "")
	form.Set("NewField", "x")
	call := twiliotest.Signed(statusURL, form)
	_, err := callbacks(t).Status(call.Signatures, []byte(form.Encode()))
	require.Equal(t, "unknown_field", why(t, err))
	_, err = callbacks(t, func(cfg *twilio.CallbackConfig) { cfg.Fields = []string{"NewField"} }).Status(call.Signatures, []byte(form.Encode()))
	require.NoError(t, err)
}

func TestNewCallbacks_RefusesWhatCannotTellAForgery(t *testing.T) {
	t.Parallel()
	for name, spoil := range map[string]func(*twilio.CallbackConfig){
		"no token":    func(c *twilio.CallbackConfig) { c.AuthToken = secret.String{} },
		"a short one": func(c *twilio.CallbackConfig) { c.AuthToken = secret.NewString("short") },
		"no account":  func(c *twilio.CallbackConfig) { c.AccountSID = "" },
		"no address":  func(c *twilio.CallbackConfig) { c.StatusURL = nil },
		"with a query": func(c *twilio.CallbackConfig) {
			c.MessageURL = &url.URL{Scheme: "https", Host: "x", RawQuery: "bodySHA256=1"}
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			cfg := callbackConfig(t)
			spoil(&cfg)
			_, err := twilio.NewCallbacks(cfg)
			require.Error(t, err)
			require.NotContains(t, err.Error(), twiliotest.AuthToken)
		})
	}
	require.NotContains(t, callbacks(t).String(), twiliotest.AuthToken)
}

// The double signs as the provider's own library does.
func TestDouble_SignsAsTwilioDoes(t *testing.T) {
	t.Parallel()
	form := twiliotest.ReplyForm("+15550100123", "+15550100100", "Ümläut & more=stuff")
	params := map[string]string{}
	for name := range form {
		params[name] = form.Get(name)
	}
	v := client.NewRequestValidator(twiliotest.AuthToken)
	require.True(t, v.Validate(messageURL, params, twiliotest.Sign(twiliotest.AuthToken, messageURL, form)))
}

// Whatever is sent, it is refused for a reason or read; and what is read is about our account and names a message.
func FuzzCallbacks(f *testing.F) {
	for _, form := range []url.Values{
		twiliotest.ReplyForm("+15550100123", "+15550100100", "NO"), twiliotest.StatusForm(sentMessage(), "delivered", ""),
		{"Body": {"NOFrom+15550100123G"}},
		{},
		{"": {""}},
	} {
		f.Add(form.Encode())
	}
	f.Add("a=1&a=2")
	f.Add("%zz&;=")
	c := callbacks(f)
	f.Fuzz(func(t *testing.T, body string) {
		form, err := url.ParseQuery(body)
		signature := "x"
		if err == nil {
			signature = twiliotest.Sign(twiliotest.AuthToken, messageURL, form)
		}
		got, err := c.Message([]string{signature}, []byte(body))
		if err != nil {
			require.NotEmpty(t, why(t, err))
			return
		}
		require.Regexp(t, `^(SM|MM)[0-9a-fA-F]{32}$`, got.Reference)
		require.Equal(t, twiliotest.AccountSID, form.Get("AccountSid"))
		require.Equal(t, form.Get("From"), got.From.Reveal())
		_, err = c.Message([]string{"x" + signature}, []byte(body))
		require.Equal(t, "signature", why(t, err))
	})
}
