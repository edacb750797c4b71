package telemetry_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/holdfast/holdfast/internal/fault"
	"github.com/holdfast/holdfast/internal/telemetry"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func scrape(t *testing.T, m *telemetry.Metrics) string {
	t.Helper()
	rec := httptest.NewRecorder()
	m.Handler().ServeHTTP(rec, httptest.NewRequest(http.MethodGet, "/metrics", nil))
	require.Equal(t, http.StatusOK, rec.Code)
	return rec.Body.String()
}

func TestMetrics_CountWhatHappened(t *testing.T) {
	t.Parallel()
	m := telemetry.NewMetrics(telemetry.Build{Version: "v0.1.0", Revision: "abc", GoVersion: "go1.26"})
	done := m.RequestStarted()
	m.Request("/v1/recoveries", "POST", 201, "", 3*time.Millisecond)
	m.Request("/v1/recoveries", "POST", 429, fault.CodeThrottled, time.Millisecond)
	m.Recovery("proof_accepted")
	m.Message("sms", "challenge", "accepted")
	m.Delivery("sms", "hold_entered", "failed", "settled")
	m.Reply("heard")
	m.CallbackRefused("signature")
	m.Throttled("start_source")
	m.AuditEvents(3)
	m.AuditEvents(-1)
	m.Job("deliver", "ok", time.Second)
	require.NoError(t, m.WatchPool("main", func() telemetry.PoolStats {
		return telemetry.PoolStats{Max: 16, Total: 4, Idle: 1, Acquired: 3, Acquisitions: 9, Waits: 2, WaitTime: 1500 * time.Millisecond}
	}))
	require.Error(t, m.WatchPool("main", nil), "one name, one pool")

	page := scrape(t, m)
	for _, line := range []string{
		`holdfast_http_requests_total{code="none",method="POST",route="/v1/recoveries",status_class="2xx"} 1`,
		`holdfast_http_requests_total{code="throttled",method="POST",route="/v1/recoveries",status_class="4xx"} 1`,
		`holdfast_http_request_duration_seconds_count{method="POST",route="/v1/recoveries"} 2`,
		`holdfast_http_requests_in_flight 1`,
		`holdfast_recoveries_total{event="proof_accepted"} 1`,
		`holdfast_messages_total{channel="sms",kind="challenge",outcome="accepted"} 1`,
		`holdfast_deliveries_total{channel="sms",fate="failed",kind="hold_entered",verdict="settled"} 1`,
		`holdfast_replies_total{outcome="heard"} 1`,
		`holdfast_callbacks_refused_total{reason="signature"} 1`,
		`holdfast_throttled_total{rule="start_source"} 1`,
		`holdfast_audit_events_total 3`,
		`holdfast_jobs_total{kind="deliver",outcome="ok"} 1`,
		`holdfast_build_info{go_version="go1.26",revision="abc",version="v0.1.0"} 1`,
		`holdfast_db_pool_connections_acquired{pool="main"} 3`,
		`holdfast_db_pool_wait_seconds_total{pool="main"} 1.5`,
	} {
		require.Contains(t, page, line+"\n")
	}
	done()
	require.Contains(t, scrape(t, m), "holdfast_http_requests_in_flight 0\n")
	require.NotEmpty(t, telemetry.ReadBuild().GoVersion)
}

func TestMetrics_NoCallerCanGrowThem(t *testing.T) {
	t.Parallel()
	m := telemetry.NewMetrics(telemetry.ReadBuild())
	var wg sync.WaitGroup
	for g := range 4 {
		wg.Go(func() {
			for i := range 500 {
				m.Request(fmt.Sprintf("/%d/%d", g, i), fmt.Sprintf("M%d", i), i, fault.Code(fmt.Sprintf("c%d", i)), 0)
				m.Recovery(fmt.Sprintf("e%d", i))
				m.Throttled(strings.Repeat("x", i))
				m.Message(hostile, fmt.Sprint(i), "accepted")
			}
		})
	}
	wg.Wait()
	page := scrape(t, m)
	require.LessOrEqual(t, strings.Count(page, "holdfast_recoveries_total{"), 129)
	require.LessOrEqual(t, strings.Count(page, "holdfast_throttled_total{"), 130)
	require.Contains(t, page, `holdfast_recoveries_total{event="other"}`)
	require.NotContains(t, page, `method="M1"`)
	require.NotContains(t, page, `code="c1"`)
	require.NotContains(t, page, "forged")
}

func TestAdminHandler_SaysWhetherItLivesAndIsReady(t *testing.T) {
	t.Parallel()
	var logged strings.Builder
	var failing error
	ready := telemetry.NewReadiness(telemetry.NewLogger(&logged, slog.LevelInfo, false), time.Second,
		telemetry.Check{Name: "database", Probe: func(context.Context) error { return failing }},
		telemetry.Check{Name: "jobs", Probe: func(context.Context) error { return nil }})
	handler := telemetry.AdminHandler(telemetry.NewMetrics(telemetry.ReadBuild()), ready)
	get := func(method, path string) (int, string) {
		rec := httptest.NewRecorder()
		handler.ServeHTTP(rec, httptest.NewRequest(method, path, nil))
		require.Equal(t, "nosniff", rec.Header().Get("X-Content-Type-Options"))
		return rec.Code, rec.Body.String()
	}

	status, body := get(http.MethodGet, "/readyz")
	require.Equal(t, http.StatusOK, status)
	require.JSONEq(t, `{"status":"ready","checks":{"database":"ok","jobs":"ok"}}`, body)

	failing = errors.New("dial tcp db.example.test:5432: refused")
	status, body = get(http.MethodGet, "/readyz")
	require.Equal(t, http.StatusServiceUnavailable, status)
	require.JSONEq(t, `{"status":"not_ready","checks":{"database":"failed","jobs":"ok"}}`, body)
	require.Contains(t, logged.String(), "db.example.test", "the cause is in the log")

	failing = nil
	ready.Drain()
	status, _ = get(http.MethodGet, "/readyz")
	require.Equal(t, http.StatusServiceUnavailable, status)
	status, _ = get(http.MethodGet, "/healthz")
	require.Equal(t, http.StatusOK, status, "a node that drains still lives")
	status, body = get(http.MethodGet, "/metrics")
	require.Equal(t, http.StatusOK, status)
	require.Contains(t, body, "go_goroutines")
	status, _ = get(http.MethodPost, "/readyz")
	require.Equal(t, http.StatusMethodNotAllowed, status)
	status, _ = get(http.MethodGet, "/v1/recoveries")
	require.Equal(t, http.StatusNotFound, status)
}

func TestReadiness_AProbeThatHangsCostsOneGoroutineAndIsShared(t *testing.T) {
	t.Parallel()
	release, calls := make(chan struct{}), make(chan struct{}, 100)
	ready := telemetry.NewReadiness(slog.New(slog.DiscardHandler), time.Millisecond, telemetry.Check{
		Name: "deaf", Probe: func(context.Context) error { // it does not heed its context
			calls <- struct{}{}
			<-release
			return nil
		},
	})
	for range 10 {
		results, ok := ready.Report(t.Context())
		require.False(t, ok)
		require.Equal(t, map[string]string{"deaf": "failed"}, results)
	}
	require.Len(t, calls, 1)
	close(release)
}
