package app_test

import (
	"fmt"
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/holdfast/holdfast/api/client"
	"github.com/holdfast/holdfast/internal/app/apptest"
	"github.com/holdfast/holdfast/internal/throttle/redistest"
)

// begin asks for a recovery of the n-th unknown name and gives what came back.
func begin(t *testing.T, s *apptest.Service, n int, change func(*client.StartRequest)) apptest.Answer {
	t.Helper()
	body := apptest.Claimant{Identifier: apptest.Email(fmt.Sprintf("nobody-%d@example.com", n))}.Body()
	if change != nil {
		change(&body)
	}
	return s.Do(t, apptest.Request{Method: http.MethodPost, Path: "/v1/recoveries", As: s.AppToken, Body: body})
}

// The limits of a whole service lie in Redis when the configuration says so, and each says what it does while Redis is away.
func TestRedis_LimitsAWholeServiceAndItsOutageIsRefusedByName(t *testing.T) { // R-069 R-079 R-156
	t.Parallel()
	redis := redistest.Start(t)
	s := apptest.New(t, apptest.WithEnv("HOLDFAST_LIMIT_STORE=redis", "HOLDFAST_REDIS_URL="+redis.URL))
	s.Register(t, apptest.Person{Ref: "ada", Email: ada, Phone: adaPhone})
	from := "203.0.113.9"
	one := func(b *client.StartRequest) { b.Client.IP = &from }
	for n := range 10 {
		require.Equal(t, http.StatusCreated, begin(t, s, n, one).Status)
	}
	refused := begin(t, s, 10, one)
	apptest.Refused(t, refused, http.StatusTooManyRequests, client.ProblemCodeThrottled)
	require.Regexp(t, `^[0-9]+$`, refused.Header.Get("Retry-After"))
	require.Empty(t, refused.Header.Values("RateLimit"), "whoever starts is told of no bucket by source or name")
	require.Zero(t, apptest.Query[int](t, s, `SELECT count(*) FROM throttle_bucket`), "PostgreSQL holds none of it")

	redis.Down()
	apptest.Refused(t, begin(t, s, 11, nil), http.StatusServiceUnavailable, client.ProblemCodeUnavailable)
	apptest.Refused(t, s.Object(t, "hfo_k1_0000000000000000000000000000000000000000000"), http.StatusUnprocessableEntity, client.ProblemCodeObjectionRefused)

	redis.Up()
	require.Eventually(t, func() bool { return begin(t, s, 12, nil).Status == http.StatusCreated }, apptest.Patience, 10*time.Millisecond)
}

// A device is limited like a source, wherever it says it is and whatever name it tries, if a server vouches for it.
func TestADevice_IsLimitedWhateverItsNetworkAndNames(t *testing.T) {
	t.Parallel()
	s := apptest.New(t)
	device, app := "device-7", s.Publishable(t, apptest.Tenant)
	one := func(b *client.StartRequest) { b.Client.DeviceID = &device }
	for n := range 10 {
		require.Equal(t, http.StatusCreated, begin(t, s, n, one).Status)
	}
	apptest.Refused(t, begin(t, s, 10, one), http.StatusTooManyRequests, client.ProblemCodeThrottled)
	require.Equal(t, http.StatusCreated, begin(t, s, 10, nil).Status, "the name was not used up by it")
	other := "device-8"
	require.Equal(t, http.StatusCreated, begin(t, s, 11, func(b *client.StartRequest) { b.Client.DeviceID = &other }).Status)

	body := apptest.Claimant{Identifier: apptest.Email("nobody-12@example.com")}.Body()
	body.Client.DeviceID = &other
	for n := range 9 { // an app's word about a device uses nobody's up
		body.Identifier = apptest.Email(fmt.Sprintf("nobody-%d@example.com", 20+n))
		a := s.Do(t, apptest.Request{Method: http.MethodPost, Path: "/v1/recoveries", As: app, Body: body})
		require.Equal(t, http.StatusCreated, a.Status, a.Body)
	}
	for n := range 9 {
		require.Equal(t, http.StatusCreated, begin(t, s, 40+n, func(b *client.StartRequest) { b.Client.DeviceID = &other }).Status)
	}
	apptest.Refused(t, begin(t, s, 50, func(b *client.StartRequest) { b.Client.DeviceID = &other }), http.StatusTooManyRequests, client.ProblemCodeThrottled)
}

// a server-side client reads its own quota, counted down, and nothing beside it.
func TestAServer_ReadsItsOwnQuota(t *testing.T) {
	t.Parallel()
	s := apptest.New(t, apptest.WithEnv("HOLDFAST_LIMITS=account_client=3-M"))
	status := apptest.Request{Method: http.MethodGet, Path: "/v1/accounts/nobody/status", As: s.IdentityToken}
	for left := range 3 {
		a := s.Do(t, status)
		require.Equal(t, http.StatusNotFound, a.Status)
		require.Equal(t, `"account_client";q=3;w=60`, a.Header.Get("RateLimit-Policy"))
		require.Regexp(t, fmt.Sprintf(`^"account_client";r=%d;t=[1-6][0-9]$`, 2-left), a.Header.Get("RateLimit"))
	}
	a := s.Do(t, status)
	require.Equal(t, http.StatusTooManyRequests, a.Status)
	require.Regexp(t, `^"account_client";r=0;t=`, a.Header.Get("RateLimit"))
	require.Regexp(t, `^(1[0-9]|20)$`, a.Header.Get("Retry-After"), "exact: a third of the minute, no coarse step")
	require.Empty(t, begin(t, s, 1, nil).Header.Values("RateLimit"))
}

// T41. Who rotates through the /64s of one /48, or the addresses of one /24, is one network; the next one is
// another's, and a refusal is alike for known and unknown.
func TestANetwork_IsLimitedWhateverSourceOfItAsks(t *testing.T) {
	t.Parallel()
	s := apptest.New(t, apptest.WithEnv("HOLDFAST_LIMITS=start_network=12-H"))
	s.Register(t, apptest.Person{Ref: "ada", Email: ada})
	for name, tc := range map[string]struct{ from, other string }{
		"/48": {"2001:db8:7:%x::1", "2001:db8:8:%x::1"},
		"/24": {"203.0.113.%d", "198.51.100.%d"},
	} {
		from := func(pattern string, n int) func(*client.StartRequest) {
			ip := fmt.Sprintf(pattern, n+1)
			return func(b *client.StartRequest) { b.Client.IP = &ip }
		}
		for n := range 12 {
			require.Equal(t, http.StatusCreated, begin(t, s, n, from(tc.from, n)).Status, name)
		}
		apptest.Refused(t, begin(t, s, 20, from(tc.from, 20)), http.StatusTooManyRequests, client.ProblemCodeThrottled)
		known := apptest.Claimant{Identifier: apptest.Email(ada)}.Body()
		from(tc.from, 21)(&known)
		apptest.Refused(t, s.Do(t, apptest.Request{Method: http.MethodPost, Path: "/v1/recoveries", As: s.AppToken, Body: known}), http.StatusTooManyRequests, client.ProblemCodeThrottled)
		require.Equal(t, http.StatusCreated, begin(t, s, 21, from(tc.other, 1)).Status, name)
	}
}
