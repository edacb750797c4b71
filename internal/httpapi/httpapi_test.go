package httpapi_test

import (
	"errors"
	"net/http"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/holdfast/holdfast/internal/account"
	"github.com/holdfast/holdfast/internal/factor"
	"github.com/holdfast/holdfast/internal/fault"
	"github.com/holdfast/holdfast/internal/httpapi"
	"github.com/holdfast/holdfast/internal/idempotency"
	"github.com/holdfast/holdfast/internal/recovery"
)

func TestEveryOperation_AnswersAsTheContractSays(t *testing.T) {
	t.Parallel()
	b := setup(t)
	require.Len(t, good(), len(b.contract.Operations()), "every operation of the contract is tried")
	for name, s := range good() {
		a := b.send(t, s)
		require.Less(t, a.status, 300, "%s: %s", name, a.body)
		require.Equal(t, 1, b.contract.Seen()[name][a.status], "%s was the operation that answered", name)
		if strings.HasPrefix(s.path, "/v1/") {
			require.Equal(t, "no-store", a.header.Get("Cache-Control"))
		}
		for header, want := range map[string]string{
			"X-Content-Type-Options": "nosniff", "Referrer-Policy": "no-referrer", "X-Frame-Options": "DENY",
			"Strict-Transport-Security": "max-age=63072000", "Server": "", "X-Powered-By": "",
		} {
			require.Equal(t, want, a.header.Get(header), "%s: %s", name, header)
		}
	}
}

func TestEveryRoute_IsClosedToWhoeverMayNotCallIt(t *testing.T) {
	t.Parallel()
	b := setup(t)
	publishable := map[string]bool{
		"startRecovery": true, "claimRecovery": true, "getRecovery": true, "createChallenge": true, "answerChallenge": true, "cancelRecovery": true, "takeGrant": true, "appealRecovery": true,
	}
	for name, s := range good() {
		if s.bearer == "-" {
			continue
		}
		s.header = http.Header{}
		for k, v := range good()[name].header {
			s.header[k] = v
		}
		s.bearer = "-"
		a := b.send(t, s)
		require.Equal(t, http.StatusUnauthorized, a.status, name)
		require.Equal(t, `Bearer realm="holdfast"`, a.header.Get("WWW-Authenticate"))
		s.bearer = "none"
		require.Equal(t, http.StatusForbidden, b.send(t, s).status, name)
		s.bearer = "down"
		require.Equal(t, http.StatusServiceUnavailable, b.send(t, s).status, name)
		s.bearer = "app"
		want := http.StatusForbidden
		if publishable[name] {
			want = good2xx(name)
		}
		require.Equal(t, want, b.send(t, s).status, name)
		b.limits.mu.Lock()
		b.limits.refused = 0
		b.limits.mu.Unlock()
	}
}

func good2xx(name string) int {
	switch name {
	case "startRecovery", "claimRecovery", "createChallenge", "takeGrant":
		return http.StatusCreated
	default:
		return http.StatusOK
	}
}

func TestCredentials_AreReadStrictlyAndGuessingEnds(t *testing.T) {
	t.Parallel()
	s := good()["getAccount"]
	for name, header := range map[string][]string{
		"unknown": {"Bearer nonsense"}, "another scheme": {"Basic YTpi"}, "no token": {"Bearer "}, "only a scheme": {"Bearer"},
		"two": {"Bearer all", "Bearer all"}, "huge": {"Bearer " + strings.Repeat("a", 5000)},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := setup(t)
			in := s
			in.header = http.Header{"Authorization": header}
			a := b.send(t, in)
			require.Equal(t, http.StatusUnauthorized, a.status)
			require.Contains(t, a.header.Get("WWW-Authenticate"), `error="invalid_token"`)
			for range 3 {
				a = b.send(t, in)
			}
			require.Equal(t, http.StatusTooManyRequests, a.status, "the fourth refused credential of one source")
			require.Equal(t, "60", a.header.Get("Retry-After"))
			require.Zero(t, b.core.calls())
		})
	}
}

func TestClaimant_WithoutItsTokenMeetsAnUnknownRecovery(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.core.err = fault.Of(fault.CodeNotFound)
	unknown := b.send(t, sent{method: "GET", path: "/v1/recoveries/" + recoveryID})
	b.core.err = nil
	for name, s := range map[string]sent{
		"no token":         {method: "GET", path: "/v1/recoveries/" + recoveryID, noClaimant: true},
		"malformed token":  {method: "GET", path: "/v1/recoveries/" + recoveryID, header: http.Header{"Holdfast-Claimant": {"hfc_short"}}},
		"a grant":          {method: "GET", path: "/v1/recoveries/" + recoveryID, header: http.Header{"Holdfast-Claimant": {grantTok}}},
		"two tokens":       {method: "GET", path: "/v1/recoveries/" + recoveryID, header: http.Header{"Holdfast-Claimant": {claimantTok, claimantTok}}},
		"a malformed id":   {method: "GET", path: "/v1/recoveries/rcv_1"},
		"another id":       {method: "GET", path: "/v1/recoveries/" + factorID},
		"an encoded slash": {method: "GET", path: "/v1/recoveries/rcv%2F01kagx3z8fet0a1m6c9d2v4w7y"},
	} {
		a := b.send(t, s)
		require.Equal(t, unknown.status, a.status, name)
		delete(a.json, "request_id")
		same := map[string]any{}
		for k, v := range unknown.json {
			if k != "request_id" {
				same[k] = v
			}
		}
		require.Equal(t, same, a.json, name)
	}
	require.Equal(t, 1, b.core.calls(), "only the first reached the core")
}

func TestCommands_CarryWhatTheRequestSaid(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.send(t, good()["startRecovery"])
	start, ok := b.core.last(t).(recovery.StartCommand)
	require.True(t, ok)
	require.Equal(t, "acme", start.Tenant)
	require.Equal(t, "cli_1", start.Client)
	require.False(t, start.Publishable)
	require.Equal(t, netip.MustParseAddr("192.0.2.1"), start.Caller.Addr)
	require.Equal(t, recovery.IdentifierEmail, start.Type)
	require.Equal(t, "robin@example.com", start.Value.Reveal())
	require.Equal(t, recovery.LostMFA, start.Reason)
	require.Equal(t, netip.MustParseAddr("203.0.113.7"), start.User.Addr)
	require.True(t, *start.User.KnownDevice)
	require.NotZero(t, start.Key.ID)

	b.send(t, good()["answerChallenge"])
	answered, ok := b.core.last(t).(recovery.AnswerCommand)
	require.True(t, ok)
	require.Equal(t, recovery.Ref{ID: recoveryID, Claimant: answered.Claimant}, answered.Ref)
	require.Equal(t, claimantTok, answered.Claimant.Reveal())
	require.Equal(t, challengeID, answered.Challenge)
	require.Equal(t, "40713926", answered.Code.Reveal())

	s := good()["startRecovery"]
	s.bearer = "app"
	b.send(t, s)
	start, ok = b.core.last(t).(recovery.StartCommand)
	require.True(t, ok)
	require.True(t, start.Publishable)

	require.Contains(t, b.send(t, good()["objectByLink"]).body, `"support":{"name":"Acme","contact":"555 0100"}`, "as the notice shows it")
	objection, ok := b.core.last(t).(recovery.ObjectCommand)
	require.True(t, ok)
	require.Equal(t, factor.Method(""), objection.Method)
	require.Zero(t, objection.Key.ID, "no key was sent, and none is made up")

	s = good()["putAccount"]
	s.path = "/v1/accounts/auth0%7Cuser%40a"
	require.Equal(t, http.StatusCreated, b.send(t, s).status)
	put, ok := b.core.last(t).(account.PutCommand)
	require.True(t, ok)
	require.Equal(t, "auth0|user@a", put.Ref, "the name in the path is decoded once")
	require.Equal(t, 2, put.AAL)
	s.path = "/v1/accounts/known"
	require.Equal(t, http.StatusOK, b.send(t, s).status)
	s.path = "/v1/accounts/import"
	require.Equal(t, http.StatusCreated, b.send(t, s).status, "an account may be called import")
}

func TestIdempotencyKey_IsReadAndBound(t *testing.T) {
	t.Parallel()
	b := setup(t)
	s := good()["createChallenge"]
	keyOf := func(s sent) idempotency.Key {
		t.Helper()
		require.Equal(t, http.StatusCreated, b.send(t, s).status)
		cmd, ok := b.core.last(t).(recovery.ChallengeCommand)
		require.True(t, ok)
		return cmd.Key
	}
	first := keyOf(s)
	require.Equal(t, first.ID, keyOf(s).ID, "the same request")
	require.Equal(t, first.Fingerprint, keyOf(s).Fingerprint)

	other := s
	other.body = `{"method":"sms"}`
	require.Equal(t, first.ID, keyOf(other).ID)
	require.NotEqual(t, first.Fingerprint, keyOf(other).Fingerprint, "another body is another request")

	other = s
	other.header = http.Header{"Idempotency-Key": {`"key-2"`}}
	require.NotEqual(t, first.ID, keyOf(other).ID)

	other = s
	other.header = http.Header{"Holdfast-Claimant": {"hfc_" + strings.Repeat("Z", 43)}}
	require.NotEqual(t, first.ID, keyOf(other).ID, "another claimant never meets the first one's answers")

	for name, values := range map[string][]string{
		"unquoted": {"key-1"}, "twice": {`"a"`, `"b"`}, "empty": {`""`}, "too long": {`"` + strings.Repeat("a", 256) + `"`}, "with parameters": {`"a";q=1`},
	} {
		bad := s
		bad.header = http.Header{"Idempotency-Key": values}
		a := b.send(t, bad)
		require.Equal(t, http.StatusBadRequest, a.status, name)
		require.Equal(t, "idempotency_key_invalid", a.code(), name)
	}
	for name, s := range good() {
		if s.method != http.MethodPost {
			continue
		}
		s.noKey = true
		a := b.send(t, s)
		if name == "importAccounts" || name == "objectByLink" || strings.HasPrefix(name, "twilio") {
			require.Less(t, a.status, 300, name)
			continue
		}
		require.Equal(t, http.StatusBadRequest, a.status, name)
		require.Equal(t, "idempotency_key_missing", a.code(), name)
	}
}

func TestFaults_BecomeProblemDocuments(t *testing.T) {
	t.Parallel()
	want := map[fault.Code]int{
		fault.CodeInternal: 500, fault.CodeInvalidRequest: 422, fault.CodeInvalidJSON: 400, fault.CodeIdempotencyKey: 400,
		fault.CodeIdempotencyMissing: 400, fault.CodeIdempotencyReused: 422, fault.CodeIdempotencyInFlight: 409,
		fault.CodeUnauthenticated: 401, fault.CodeForbidden: 403, fault.CodeNotFound: 404, fault.CodeMethodNotAllowed: 405,
		fault.CodeTooLarge: 413, fault.CodeUnsupportedMedia: 415, fault.CodeConflict: 409, fault.CodeNotAllowedInState: 409,
		fault.CodeRecoveryOpen: 409, fault.CodeProofRefused: 422, fault.CodeNotReady: 409, fault.CodeGrantRefused: 422,
		fault.CodeGrantUsed: 409, fault.CodeObjectionRefused: 422, fault.CodeResendTooSoon: 429, fault.CodeThrottled: 429,
		fault.CodeUnavailable: 503, fault.CodeOverloaded: 503, fault.CodeFactorRefused: 422, fault.CodeIdentifierTaken: 409,
		fault.CodePolicyInvalid: 422, fault.CodeMethodUnavailable: 422, fault.CodeTimeout: 503,
		fault.CodeStepUp: 401, fault.CodeInteractiveUse: 403,
		fault.CodeRecoveriesPaused: 503, fault.CodeNotSealed: 409,
		fault.CodeEvidenceShort: 422, fault.CodeProposalOpen: 409,
		fault.CodeProposalVoid: 409, fault.CodeConflictOfInterest: 403, fault.CodeArtefactUsed: 409, fault.CodeClaimRefused: 422,
		fault.CodeEventRetired: 410,
	}
	require.Len(t, want, len(fault.Codes()))
	b := setup(t)
	for _, code := range fault.Codes() {
		if code == fault.CodeMethodNotAllowed || code == fault.CodeEventRetired {
			continue // no use case answers the one, and no operation declares it; the other is the audit log's alone
		}
		b.core.err = fault.Wrap(fault.Of(code).After(90*time.Second).Because(errors.New("the cause is ours")), "op")
		a := b.send(t, good()["createChallenge"])
		require.Equal(t, want[code], a.status, code)
		d, _ := fault.Define(code)
		require.Equal(t, map[string]any{
			"type": "https://recovery.example.com/problems/" + string(code), "title": d.Title, "status": float64(want[code]),
			"detail": d.Public, "code": string(code), "request_id": a.header.Get("X-Request-Id"),
		}, a.json)
		require.Equal(t, "90", a.header.Get("Retry-After"))
		require.Equal(t, http.StatusOK, b.send(t, sent{method: "GET", path: "/problems/" + string(code), bearer: "-"}).status)
	}
	require.Contains(t, b.log.String(), "the cause is ours", "the log has the story")
}

func TestForeignErrorsAndPanics_ShowNothing(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.core.err = errors.New("dial tcp 10.0.0.5: secret-host robin@example.com")
	a := b.send(t, good()["getAccount"])
	require.Equal(t, http.StatusInternalServerError, a.status)
	require.Equal(t, "internal", a.code())
	require.NotContains(t, a.body, "secret-host")

	b.core.err, b.core.panics = nil, "robin@example.com hfc_secret"
	a = b.send(t, good()["getAccount"])
	require.Equal(t, http.StatusInternalServerError, a.status)
	require.Equal(t, "internal", a.code())
	require.Contains(t, b.log.String(), "panic of type string")
	require.NotContains(t, b.log.String(), "hfc_secret", "the value of a panic could be anything")
	b.core.panics = nil
	require.Equal(t, http.StatusOK, b.send(t, good()["getAccount"]).status, "the next request is served")
}

func TestLimits_RefuseBeforeAnythingIsLookedUp(t *testing.T) {
	t.Parallel()
	b := setup(t)
	for name, s := range good() {
		if strings.HasPrefix(name, "twilio") {
			continue // what a provider signed is not limited; texts_test.go
		}
		b.limits.mu.Lock()
		b.limits.full, b.limits.asked = "", nil
		b.limits.mu.Unlock()
		b.send(t, s)
		b.limits.mu.Lock()
		require.Len(t, b.limits.asked, 1, "%s is limited once", name)
		b.limits.full = b.limits.asked[0]
		b.limits.mu.Unlock()
		before := b.core.calls()
		a := b.send(t, s)
		require.Equal(t, http.StatusTooManyRequests, a.status, name)
		require.Equal(t, "2", a.header.Get("Retry-After"), "whole seconds, rounded up")
		require.Equal(t, before, b.core.calls(), name)
		if s.bearer != "" { // nobody, a person or an AI agent; R-080: quotas are clients'
			require.Empty(t, a.header.Values("RateLimit"), name)
			require.Empty(t, a.header.Values("RateLimit-Policy"), name)
			continue
		}
		require.Equal(t, `"test_client";r=7;t=19`, a.header.Get("RateLimit"), name)
		require.Equal(t, `"test_client";q=10;w=60`, a.header.Get("RateLimit-Policy"), name)
	}
}

// a credential that lies in an app is anybody's, and is told nothing of a quota.
func TestLimits_TellAPublishableClientNothing(t *testing.T) {
	t.Parallel()
	b := setup(t)
	s := good()["startRecovery"]
	s.bearer = "app"
	a := b.send(t, s)
	require.Equal(t, http.StatusCreated, a.status)
	require.Empty(t, a.header.Values("RateLimit"))
	require.Empty(t, a.header.Values("RateLimit-Policy"))
}

func TestUntellableSource_IsRefused(t *testing.T) {
	t.Parallel()
	b := setup(t, func(c *httpapi.Config) {
		c.Source = func(*http.Request) (netip.Addr, error) { return netip.Addr{}, errors.New("no source") }
	})
	require.Equal(t, http.StatusServiceUnavailable, b.send(t, good()["getAccount"]).status)
	require.Zero(t, b.core.calls())
}

func TestMethods_ThatARouteDoesNotHaveAreRefused(t *testing.T) {
	t.Parallel()
	b := setup(t)
	for name, tc := range map[string]struct{ method, path, allow string }{
		"trace":              {"TRACE", "/v1/recoveries", "POST"},
		"options":            {"OPTIONS", "/v1/accounts/user-1042", "PUT, GET, DELETE"},
		"patch":              {"PATCH", "/v1/accounts/user-1042", "PUT, GET, DELETE"},
		"get where post is":  {"GET", "/v1/recoveries", "POST"},
		"post where get is":  {"POST", "/objection", "GET, HEAD"},
		"an invented method": {"PWN", "/docs", "GET, HEAD"},
		"head of the api":    {"HEAD", "/v1/recoveries/" + recoveryID, "GET"},
	} {
		a := b.send(t, sent{method: tc.method, path: tc.path, noKey: true})
		require.Equal(t, http.StatusMethodNotAllowed, a.status, name)
		require.Equal(t, tc.allow, a.header.Get("Allow"), name)
	}
	for _, path := range []string{"/", "/v1", "/v1/", "/v2/recoveries", "/v1/recoveries/", "/dev/inbox", "/dev/clock", "/healthz", "/metrics", "/problems/nonsense", "/problems/Über"} {
		for _, method := range []string{"GET", "TRACE"} {
			if method == "TRACE" && strings.HasPrefix(path, "/problems/") {
				continue
			}
			require.Equal(t, http.StatusNotFound, b.send(t, sent{method: method, path: path}).status, method+" "+path)
		}
	}
	require.Zero(t, b.core.calls())
}

func TestHostileHosts_ReachNoAnswer(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.core.err = fault.Of(fault.CodeConflict)
	for _, s := range good() {
		r, err := http.NewRequestWithContext(t.Context(), s.method, b.base+s.path, strings.NewReader(s.body))
		require.NoError(t, err)
		r.Host = "evil.example.net"
		for _, name := range []string{"X-Forwarded-Host", "X-Forwarded-Proto", "X-Host", "Origin", "X-Original-Url", "X-Rewrite-Url"} {
			r.Header.Set(name, "evil.example.net")
		}
		r.Header.Set("Forwarded", "host=evil.example.net")
		r.Header.Set("X-Request-Id", "evil.example.net\tX")
		res, err := b.client.Do(r)
		require.NoError(t, err)
		var got strings.Builder
		require.NoError(t, res.Write(&got))
		require.NotContains(t, got.String(), "evil")
	}
}

func TestRequestID_IsTheCallersOrOurs(t *testing.T) {
	t.Parallel()
	b := setup(t)
	s := good()["getAccount"]
	s.header = http.Header{"X-Request-Id": {"trace-77"}}
	require.Equal(t, "trace-77", b.send(t, s).header.Get("X-Request-Id"))
	require.Contains(t, b.log.String(), `"request_id":"trace-77"`)
	s.header = http.Header{"X-Request-Id": {strings.Repeat("a", 5000)}}
	require.Regexp(t, `^req_[a-z0-9]{26}$`, b.send(t, s).header.Get("X-Request-Id"))
}

func TestLog_HoldsNoSecretAndNoPersonalData(t *testing.T) {
	t.Parallel()
	b := setup(t)
	for _, s := range good() {
		b.send(t, s)
	}
	b.core.err = fault.Of(fault.CodeProofRefused)
	for _, s := range good() {
		b.send(t, s)
	}
	for _, secret := range []string{claimantTok, grantTok, "robin@example.com", "40713926", "492039", "hfo_k1_abc", "hfl_k1_abc", "key-1", goodSignature, "203.0.113.7", "user-1042", "GEZDGNBV"} {
		require.NotContains(t, b.log.String(), secret)
	}
	require.Equal(t, 2*len(good()), strings.Count(b.log.String(), `"msg":"http request"`), "one line for each request")
}

func TestNew_RefusesAnIncompleteConfiguration(t *testing.T) {
	t.Parallel()
	_, err := httpapi.New(httpapi.Config{})
	require.ErrorContains(t, err, "is missing")
}
