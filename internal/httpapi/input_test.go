package httpapi_test

import (
	"context"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/holdfast/holdfast/internal/credential"
	"github.com/holdfast/holdfast/internal/httpapi"
)

func TestBadInput_IsRefusedAndNothingReachesTheCore(t *testing.T) {
	t.Parallel()
	const start = "/v1/recoveries"
	body := func(identifier string) string { return `{"identifier":` + identifier + `,"reason":"lost_mfa"}` }
	huge := strings.Repeat("a", 70<<10)
	for name, tc := range map[string]struct {
		in     sent
		status int
		code   string
		field  string
	}{
		"nothing":               {sent{path: start}, 400, "invalid_json", ""},
		"no JSON":               {sent{path: start, body: `identifier=a&identifier=b`}, 400, "invalid_json", ""},
		"cut off":               {sent{path: start, body: `{"identifier":{"type":"email"`}, 400, "invalid_json", ""},
		"trailing junk":         {sent{path: start, body: body(`{"type":"email","value":"a@example.com"}`) + `{}`}, 400, "invalid_json", ""},
		"two values":            {sent{path: start, body: `{} {}`}, 400, "invalid_json", ""},
		"byte order mark":       {sent{path: start, body: "\ufeff{}"}, 400, "invalid_json", ""},
		"repeated name":         {sent{path: start, body: body(`{"type":"email","value":"a@example.com","value":"b@example.com"}`)}, 400, "invalid_json", ""},
		"repeated by escape":    {sent{path: start, body: body(`{"type":"email","value":"a@example.com","v\u0061lue":"b@example.com"}`)}, 400, "invalid_json", ""},
		"bad UTF-8":             {sent{path: start, body: body("{\"type\":\"email\",\"value\":\"\xff\xfe\"}")}, 400, "invalid_json", ""},
		"UTF-16":                {sent{path: start, body: "{\x00}\x00"}, 400, "invalid_json", ""},
		"half a character":      {sent{path: start, body: body(`{"type":"email","value":"\ud800@example.com"}`)}, 400, "invalid_json", ""},
		"nested deeply":         {sent{path: start, body: strings.Repeat(`[`, 30000) + strings.Repeat(`]`, 30000)}, 400, "invalid_json", ""},
		"nested just too deep":  {sent{path: start, body: strings.Repeat(`[`, 33) + strings.Repeat(`]`, 33)}, 400, "invalid_json", ""},
		"a comment":             {sent{path: start, body: `{/* */}`}, 400, "invalid_json", ""},
		"not a number":          {sent{path: start, body: `{"a":NaN}`}, 400, "invalid_json", ""},
		"too large":             {sent{path: start, body: body(`{"type":"email","value":"` + huge + `"}`)}, 413, "body_too_large", ""},
		"an array":              {sent{path: start, body: `[]`}, 422, "invalid_request", ""},
		"null":                  {sent{path: start, body: `null`}, 422, "invalid_request", ""},
		"empty object":          {sent{path: start, body: `{}`}, 422, "invalid_request", "/identifier"},
		"unknown field":         {sent{path: start, body: `{"identifier":{"type":"email","value":"a@example.com"},"reason":"lost_mfa","destination":"evil@example.net"}`}, 422, "invalid_request", "/destination"},
		"other case":            {sent{path: start, body: `{"Identifier":{"type":"email","value":"a@example.com"},"reason":"lost_mfa"}`}, 422, "invalid_request", "/Identifier"},
		"unknown inner field":   {sent{path: start, body: body(`{"type":"email","value":"a@example.com","send_to":"x"}`)}, 422, "invalid_request", "/identifier/send_to"},
		"wrong type":            {sent{path: start, body: body(`"a@example.com"`)}, 422, "invalid_request", "/identifier"},
		"two addresses":         {sent{path: start, body: body(`{"type":"email","value":["a@example.com","b@example.com"]}`)}, 422, "invalid_request", "/identifier/value"},
		"null value":            {sent{path: start, body: body(`{"type":"email","value":null}`)}, 422, "invalid_request", "/identifier/value"},
		"unknown enumeration":   {sent{path: start, body: body(`{"type":"pigeon","value":"a"}`)}, 422, "invalid_request", "/identifier/type"},
		"huge identifier":       {sent{path: start, body: body(`{"type":"email","value":"` + strings.Repeat("a", 321) + `"}`)}, 422, "invalid_request", "/identifier/value"},
		"a NUL":                 {sent{path: start, body: body(`{"type":"email","value":"a\u0000@example.com"}`)}, 422, "invalid_request", "/identifier/value"},
		"a header injection":    {sent{path: start, body: body(`{"type":"email","value":"a@example.com\r\nBcc: evil@example.net"}`)}, 422, "invalid_request", "/identifier/value"},
		"a bad address":         {sent{path: start, body: `{"identifier":{"type":"email","value":"a@example.com"},"reason":"lost_mfa","client":{"ip":"1.2.3"}}`}, 422, "invalid_request", "/client/ip"},
		"a query":               {sent{path: start + "?email=a&email=b", body: body(`{"type":"email","value":"a@example.com"}`)}, 422, "invalid_request", "query"},
		"a form":                {sent{path: start, body: `a=b`, header: http.Header{"Content-Type": {"application/x-www-form-urlencoded"}}}, 415, "unsupported_media_type", ""},
		"no media type":         {sent{path: start, body: `{}`, header: http.Header{"Content-Type": nil}}, 415, "unsupported_media_type", ""},
		"two media types":       {sent{path: start, body: `{}`, header: http.Header{"Content-Type": {"application/json", "text/plain"}}}, 415, "unsupported_media_type", ""},
		"another character set": {sent{path: start, body: `{}`, header: http.Header{"Content-Type": {"application/json; charset=utf-7"}}}, 415, "unsupported_media_type", ""},
		"a compressed body":     {sent{path: start, body: `{}`, header: http.Header{"Content-Encoding": {"gzip"}}}, 415, "unsupported_media_type", ""},
		"an import as JSON":     {sent{path: "/v1/accounts/import", body: `{}`}, 415, "unsupported_media_type", ""},
		"a fraction":            {sent{method: "PUT", path: "/v1/accounts/user-1", body: `{"population":"consumer","identifiers":[],"channels":[],"assurance":{"aal":1.0}}`}, 422, "invalid_request", "/assurance/aal"},
		"out of range":          {sent{method: "PUT", path: "/v1/accounts/user-1", body: `{"population":"consumer","identifiers":[],"channels":[],"assurance":{"aal":9}}`}, 422, "invalid_request", "/assurance/aal"},
		"an enormous number":    {sent{method: "PUT", path: "/v1/accounts/user-1", body: `{"population":"consumer","identifiers":[],"channels":[],"assurance":{"aal":1e999}}`}, 422, "invalid_request", "/assurance/aal"},
		"no such day":           {sent{method: "PUT", path: "/v1/accounts/user-1", body: `{"population":"consumer","identifiers":[],"channels":[{"type":"email","address":"a@example.com","verified_at":"2025-02-30T00:00:00Z"}],"assurance":{"aal":1}}`}, 422, "invalid_request", "/channels/0/verified_at"},
		"a leap second":         {sent{method: "PUT", path: "/v1/accounts/user-1", body: `{"population":"consumer","identifiers":[],"channels":[{"type":"email","address":"a@example.com","verified_at":"2016-12-31T23:59:60Z"}],"assurance":{"aal":1}}`}, 422, "invalid_request", ""},
		"an account's name":     {sent{method: "GET", path: "/v1/accounts/a%20b"}, 422, "invalid_request", "path account_ref"},
		"a name with a slash":   {sent{method: "GET", path: "/v1/accounts/a%2Fb"}, 422, "invalid_request", "path account_ref"},
		"SQL in a name":         {sent{method: "GET", path: "/v1/accounts/x'%3BDROP%20TABLE%20account--"}, 422, "invalid_request", "path account_ref"},
		"a NUL in a name":       {sent{method: "GET", path: "/v1/accounts/a%00"}, 422, "invalid_request", "path account_ref"},
		"a long name":           {sent{method: "GET", path: "/v1/accounts/" + strings.Repeat("a", 201)}, 422, "invalid_request", "path account_ref"},
		"a body to a GET":       {sent{method: "GET", path: "/v1/accounts/user-1", body: `{}`}, 422, "invalid_request", ""},
		"an empty grant":        {sent{path: "/v1/grants/redeem", body: `{"grant":""}`}, 422, "invalid_request", "/grant"},
		"a body to a cancel":    {sent{path: "/v1/recoveries/" + recoveryID + "/cancel", body: `{"force":true}`}, 422, "invalid_request", "/force"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := setup(t)
			if tc.in.method == "" {
				tc.in.method = http.MethodPost
			}
			a := b.send(t, tc.in)
			require.Equal(t, tc.status, a.status, a.body)
			require.Equal(t, tc.code, a.code(), a.body)
			if tc.field != "" {
				require.Contains(t, a.body, `"pointer":"`+tc.field+`"`)
			}
			for _, value := range []string{"@example", "example.net", "pigeon", "Bcc", "DROP"} {
				require.NotContains(t, a.body, value, "a problem document repeats no value")
				require.NotContains(t, b.log.String(), value, "nor does the log")
			}
			require.Zero(t, b.core.calls())
		})
	}
}

func TestImport_StreamsAndEndsAtItsLimit(t *testing.T) {
	t.Parallel()
	b := setup(t)
	a := b.send(t, good()["importAccounts"])
	require.Equal(t, http.StatusOK, a.status)
	require.Equal(t, "{}\n{\n", b.core.body)

	send := func(size int64) *http.Response {
		t.Helper()
		r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, b.base+"/v1/accounts/import", io.LimitReader(endless{}, size))
		require.NoError(t, err)
		r.Header.Set("Authorization", "Bearer all")
		r.Header.Set("Content-Type", "application/x-ndjson")
		res, err := b.client.Do(r) // chunked: the size is not told beforehand
		require.NoError(t, err)
		return res
	}
	require.Equal(t, http.StatusOK, send(1<<20).StatusCode)
	require.Equal(t, http.StatusRequestEntityTooLarge, send(1<<20+1).StatusCode)
}

type endless struct{}

func (endless) Read(p []byte) (int, error) {
	for i := range p {
		p[i] = '\n'
	}
	return len(p), nil
}

func TestDevRoutes_ExistInDevelopmentOnly(t *testing.T) {
	t.Parallel()
	var advanced time.Duration
	var signedIn httpapi.DevPerson
	b := setup(t, func(c *httpapi.Config) {
		c.Dev = &httpapi.Dev{
			Inbox: http.HandlerFunc(word("text/html", "inbox")),
			Advance: func(_ context.Context, by time.Duration) (time.Time, error) {
				advanced = by
				return t0(), nil
			},
			Token: func(_ context.Context, p httpapi.DevPerson) (string, string, time.Time, error) {
				signedIn = p
				return "a.b.c", "stf_1", t0(), nil
			},
		}
	})
	a := b.send(t, sent{method: "POST", path: "/dev/tokens", body: `{"role":"agent","subject":"sam","signed_in_ago":"1h"}`, noKey: true})
	require.Equal(t, map[string]any{"token": "a.b.c", "token_type": "Bearer", "person": "stf_1", "expires_at": "2026-03-01T09:00:00Z"}, a.json)
	require.Equal(t, httpapi.DevPerson{Subject: "sam", Roles: []credential.Role{credential.Agent}, SignedIn: time.Hour}, signedIn)
	for _, body := range []string{`{}`, `{"role":"root","subject":"x"}`, `{"role":"agent"}`, `{"subject":"x"}`} {
		require.Equal(t, http.StatusUnprocessableEntity, b.send(t, sent{method: "POST", path: "/dev/tokens", body: body}).status, body)
	}
	require.Equal(t, "inbox", b.send(t, sent{method: "GET", path: "/dev/inbox?to=robin@example.com"}).body)
	for body, want := range map[string]time.Duration{
		`{"advance":"72h"}`: 72 * time.Hour, `{"advance":90}`: 90 * time.Second, `{"advance":"1h30m"}`: 90 * time.Minute,
	} {
		a := b.send(t, sent{method: "POST", path: "/dev/clock", body: body, noKey: true})
		require.Equal(t, http.StatusOK, a.status, a.body)
		require.Equal(t, want, advanced)
		require.Equal(t, "2026-03-01T09:00:00Z", a.json["now"])
	}
	for _, body := range []string{`{"advance":"-1h"}`, `{"advance":0}`, `{"advance":"soon"}`, `{"advance":1.5}`, `{}`, `{"advance":"9000h"}`, `{"advance":null}`} {
		require.Equal(t, http.StatusUnprocessableEntity, b.send(t, sent{method: "POST", path: "/dev/clock", body: body}).status, body)
	}
}
