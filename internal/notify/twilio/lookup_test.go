package twilio_test

import (
	"net/http"
	"net/http/httptest"
	"net/url"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/holdfast/holdfast/internal/notify/twilio"
	"github.com/holdfast/holdfast/internal/notify/twilio/twiliotest"
	"github.com/holdfast/holdfast/internal/phone"
	"github.com/holdfast/holdfast/internal/secret"
)

func lookup(t *testing.T, double http.Handler, timeout time.Duration) *twilio.Lookup {
	t.Helper()
	server := httptest.NewServer(double)
	t.Cleanup(server.Close)
	base, err := url.Parse(server.URL)
	require.NoError(t, err)
	l, err := twilio.NewLookup(twilio.LookupConfig{
		AccountSID: twiliotest.AccountSID, AuthToken: secret.NewString(twiliotest.AuthToken), BaseURL: base, Timeout: timeout,
	})
	require.NoError(t, err)
	t.Cleanup(l.Close)
	return l
}

// what is not said is unknown, whatever way it is not said.
func TestLookup_SaysNoMoreThanTwilioDoes(t *testing.T) {
	t.Parallel()
	const number = "+447700900123"
	now := time.Date(2026, 3, 10, 9, 0, 0, 0, time.UTC)
	swapped := now.Add(-72 * time.Hour)
	for name, tc := range map[string]struct {
		line, sim string
		want      phone.Report
	}{
		"swapped, with the time":              {twiliotest.LineMobile, twiliotest.SIMSwapped("2026-03-07T09:00:00Z"), phone.Report{Line: phone.Mobile, SIMKnown: true, SwappedAt: swapped}},
		"swapped some time within the day":    {twiliotest.LineMobile, twiliotest.SIMInPeriod, phone.Report{Line: phone.Mobile, SIMKnown: true, SwappedAt: now}},
		"not swapped for long":                {twiliotest.LineMobile, twiliotest.SIMNotSwapped, phone.Report{Line: phone.Mobile, SIMKnown: true}},
		"not swapped today says too little":   {twiliotest.LineMobile, twiliotest.SIMShortPeriod, phone.Report{Line: phone.Mobile}},
		"60620, the carrier did not answer":   {twiliotest.LineMobile, twiliotest.SIMIncomplete, phone.Report{Line: phone.Mobile}},
		"null, a carrier without agreement":   {twiliotest.LineMobile, "null", phone.Report{Line: phone.Mobile}},
		"nothing at all":                      {"null", "null", phone.Report{}},
		"a landline":                          {twiliotest.LineLandline, "null", phone.Report{Line: phone.Fixed}},
		"a premium line":                      {twiliotest.LinePremium, twiliotest.SIMNotSwapped, phone.Report{Line: phone.Premium, SIMKnown: true}},
		"a rented number has no SIM":          {twiliotest.LineVoIP, twiliotest.SIMNotSwapped, phone.Report{Line: phone.VoIP}},
		"a word that nobody knows is no line": {twiliotest.LineOdd, "null", phone.Report{Line: phone.Invalid}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			double := twiliotest.NewLookups()
			double.Say(number, tc.line, tc.sim)
			got, err := lookup(t, double, time.Minute).Report(t.Context(), secret.NewString(number), now)
			require.NoError(t, err)
			require.Equal(t, tc.want, got)
		})
	}
}

// a question is asked once; timeouts, throttling, failures and other answers say nothing, and no error repeats a number.
func TestLookup_FailsWithoutAWordAndWithoutTheNumber(t *testing.T) {
	t.Parallel()
	const number = "+447700900123"
	for name, tc := range map[string]struct {
		double func() (http.Handler, func() int)
	}{
		"a failure":       {fails(number, http.StatusInternalServerError, 20500)},
		"too many":        {fails(number, http.StatusTooManyRequests, 20429)},
		"not found":       {fails(number, http.StatusNotFound, 20404)},
		"unauthorised":    {fails(number, http.StatusUnauthorized, 20003)},
		"no answer":       {func() (http.Handler, func() int) { d := twiliotest.NewLookups(); d.Hang(number); return d, d.Requests }},
		"another number":  {answers(`{"phone_number":"+447700900999","sim_swap":{"last_sim_swap":{"swapped_period":"P30D"}}}`)},
		"no number":       {answers(`{"sim_swap":{"last_sim_swap":{"swapped_period":"P30D","swapped_in_period":false}}}`)},
		"no JSON":         {answers(`<html>`)},
		"an empty answer": {answers(``)},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			double, asked := tc.double()
			got, err := lookup(t, double, 200*time.Millisecond).Report(t.Context(), secret.NewString(number), time.Now())
			require.Error(t, err)
			require.Zero(t, got)
			require.NotContains(t, err.Error(), "7700900")
			require.Equal(t, 1, asked())
		})
	}
	double := twiliotest.NewLookups()
	_, err := lookup(t, double, time.Minute).Report(t.Context(), secret.NewString("+1/../x?Fields=y"), time.Now())
	require.Error(t, err)
	require.Zero(t, double.Requests(), "what is no number is not asked about")
}

func fails(number string, status, code int) func() (http.Handler, func() int) {
	return func() (http.Handler, func() int) {
		d := twiliotest.NewLookups()
		d.Fail(number, status, code)
		return d, d.Requests
	}
}

func answers(body string) func() (http.Handler, func() int) {
	return func() (http.Handler, func() int) {
		n := make(chan struct{}, 16)
		return http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			n <- struct{}{}
			w.Header().Set("Content-Type", "application/json")
			_, _ = w.Write([]byte(body))
		}), func() int { return len(n) }
	}
}
