package twiliotest_test

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/holdfast/holdfast/internal/notify/twilio/twiliotest"
)

const messages = "/2010-04-01/Accounts/" + twiliotest.AccountSID + "/Messages"

func do(t *testing.T, d *twiliotest.Double, method, path string, form url.Values, auth bool) (int, map[string]any) {
	t.Helper()
	r := httptest.NewRequestWithContext(t.Context(), method, path, strings.NewReader(form.Encode()))
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	if auth {
		r.SetBasicAuth(twiliotest.AccountSID, twiliotest.AuthToken)
	}
	w := httptest.NewRecorder()
	d.ServeHTTP(w, r)
	var out map[string]any
	require.NoError(t, json.NewDecoder(w.Body).Decode(&out))
	return w.Code, out
}

func form(change ...string) url.Values {
	f := url.Values{"To": {"+15550100123"}, "From": {"+15550100100"}, "Body": {"hello"}}
	for i := 0; i < len(change); i += 2 {
		f.Set(change[i], change[i+1])
	}
	return f
}

// The double keeps what it accepts and gives it back, as Twilio does.
func TestDouble_KeepsMessages(t *testing.T) {
	t.Parallel()
	d := twiliotest.New()

	status, created := do(t, d, http.MethodPost, messages+".json", form(), true)
	require.Equal(t, http.StatusCreated, status)
	require.Equal(t, "queued", created["status"])

	status, read := do(t, d, http.MethodGet, messages+"/"+created["sid"].(string)+".json", nil, true)
	require.Equal(t, http.StatusOK, status)
	require.Equal(t, created, read)

	status, missing := do(t, d, http.MethodGet, messages+"/SM1.json", nil, true)
	require.Equal(t, http.StatusNotFound, status)
	require.EqualValues(t, 20404, missing["code"])
	require.Equal(t, 3, d.Requests())
}

func TestDouble_RefusesWhatTwilioRefuses(t *testing.T) {
	t.Parallel()
	d := twiliotest.New()
	for name, tc := range map[string]struct {
		form url.Values
		auth bool
		want int
	}{
		"no credentials": {form(), false, 20003},
		"no number":      {form("To", ""), true, 21604},
		"a bad number":   {form("To", "15550100123"), true, 21211},
		"no sender":      {form("From", ""), true, 21603},
		"no text":        {form("Body", ""), true, 21602},
		"a long text":    {form("Body", strings.Repeat("x", 1601)), true, 21617},
		"a bad callback": {form("StatusCallback", "nowhere"), true, 21609},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			status, body := do(t, d, http.MethodPost, messages+".json", tc.form, tc.auth)
			require.GreaterOrEqual(t, status, 400)
			require.EqualValues(t, tc.want, body["code"])
			require.Empty(t, d.Messages())
		})
	}
}

// Orders for the next requests come before those for a number, and are used up.
func TestDouble_MisbehavesToOrder(t *testing.T) {
	t.Parallel()
	d := twiliotest.New()
	d.Number("+15550100123", twiliotest.Reject(21610))
	d.Next(1, twiliotest.Status(http.StatusInternalServerError, 20500))

	got := make([]int, 0, 4)
	for range 2 {
		status, _ := do(t, d, http.MethodPost, messages+".json", form(), true)
		got = append(got, status)
	}
	status, _ := do(t, d, http.MethodPost, messages+".json", form("To", "+15550100199"), true)
	got = append(got, status)
	d.Number("+15550100123", nil)
	status, _ = do(t, d, http.MethodPost, messages+".json", form(), true)
	got = append(got, status)

	require.Equal(t, []int{500, 400, 201, 201}, got)
}
