package apptest

import (
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/holdfast/holdfast/internal/app"
	"github.com/holdfast/holdfast/internal/config"
	"github.com/holdfast/holdfast/internal/factor"
	"github.com/holdfast/holdfast/internal/notify"
	"github.com/holdfast/holdfast/internal/notify/twilio/twiliotest"
)

// OurNumber is what text messages come from.
const OurNumber = "+15550100100"

// Where Twilio reaches the service, as it knows it.
const (
	StatusURL  = Public + "/v1/providers/twilio/status"
	MessageURL = Public + "/v1/providers/twilio/messages"
)

// Phones is the provider of text messages: a double of its API, which sends signed callbacks as it would.
type Phones struct {
	*twiliotest.Double

	s   *Service
	url string
}

func newPhones(t testing.TB, s *Service) *Phones {
	t.Helper()
	double := twiliotest.New()
	server := httptest.NewServer(double)
	t.Cleanup(server.Close)
	return &Phones{Double: double, s: s, url: server.URL}
}

func (x *Phones) environ() []string {
	return []string{
		"HOLDFAST_TWILIO_ACCOUNT_SID=" + twiliotest.AccountSID, "HOLDFAST_TWILIO_AUTH_TOKEN=" + twiliotest.AuthToken,
		"HOLDFAST_TWILIO_FROM=" + OurNumber, "HOLDFAST_TWILIO_BASE_URL=" + x.url, "HOLDFAST_TWILIO_REPLIES=true",
	}
}

// route sends mail to the Mailbox and text messages to the double, by the sender that the service would build.
func (x *Phones) route(t testing.TB, cfg config.Config, mail *Mailbox) notify.Sender {
	t.Helper()
	real, err := app.NewSender(cfg)
	require.NoError(t, err)
	return notify.NewRouter(map[factor.Method]notify.Sender{factor.Email: mail, factor.SMS: real})
}

// To lists the messages to a number that hold a text, oldest first.
func (x *Phones) To(number, containing string) []twiliotest.Message {
	var out []twiliotest.Message
	for _, m := range x.Messages() {
		if m.To == number && strings.Contains(m.Body, containing) {
			out = append(out, m)
		}
	}
	return out
}

// Await waits for the nth message (from 1) to a number that holds a text.
func (x *Phones) Await(t testing.TB, number, containing string, nth int) twiliotest.Message {
	t.Helper()
	var found []twiliotest.Message
	require.Eventually(t, func() bool { found = x.To(number, containing); return len(found) >= nth }, Patience, 10*time.Millisecond,
		"no message to %s with %q", number, containing)
	return found[nth-1]
}

// Report has Twilio report a message's status; code is empty for none.
func (x *Phones) Report(t testing.TB, m twiliotest.Message, status, code string) Answer {
	t.Helper()
	require.Equal(t, StatusURL, m.StatusCallback)
	return x.Call(t, twiliotest.Signed(m.StatusCallback, twiliotest.StatusForm(m, status, code)))
}

// Reply has a person answer our text messages. It gives what Twilio sent, so that it can be sent again.
func (x *Phones) Reply(t testing.TB, from, body string) (Answer, twiliotest.Callback) {
	t.Helper()
	call := twiliotest.Signed(MessageURL, twiliotest.ReplyForm(from, OurNumber, body))
	return x.Call(t, call), call
}

// Call sends a callback as it is.
func (x *Phones) Call(t testing.TB, call twiliotest.Callback) Answer {
	t.Helper()
	res, body, err := call.Send(t.Context(), x.s.client, x.s.Base) //nolint:bodyclose // Send has read and closed it.
	require.NoError(t, err)
	return Answer{Status: res.StatusCode, Header: res.Header, Body: body}
}
