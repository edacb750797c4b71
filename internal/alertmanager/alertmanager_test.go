package alertmanager_test

import (
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/holdfast/holdfast/internal/abuse"
	"github.com/holdfast/holdfast/internal/alertmanager"
	"github.com/holdfast/holdfast/internal/secret"
)

const patience = 60 * time.Second

// receiver is where Alertmanager sends what it has grouped.
type receiver struct {
	mu   sync.Mutex
	sent []notification
	url  string
}

type notification struct {
	Status      string
	GroupLabels map[string]string
	Alerts      []struct {
		Status      string
		Labels      map[string]string
		Annotations map[string]string
	}
}

func newReceiver(t *testing.T) *receiver {
	t.Helper()
	r := &receiver{}
	server := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, req *http.Request) {
		var n notification
		if json.NewDecoder(req.Body).Decode(&n) == nil {
			r.mu.Lock()
			r.sent = append(r.sent, n)
			r.mu.Unlock()
		}
	}))
	t.Cleanup(server.Close)
	r.url = server.URL
	return r
}

// await waits until a notification is as wanted.
func (r *receiver) await(t *testing.T, what string, match func(notification) bool) notification {
	t.Helper()
	var found notification
	require.Eventually(t, func() bool {
		r.mu.Lock()
		defer r.mu.Unlock()
		for _, n := range r.sent {
			if match(n) {
				found = n
				return true
			}
		}
		return false
	}, patience, 20*time.Millisecond, what)
	return found
}

// start runs a real Alertmanager that groups by alert and tenant and tells the receiver; it gives its address.
func start(t *testing.T, tell string) string {
	t.Helper()
	program, err := exec.LookPath("prometheus-alertmanager")
	if err != nil {
		if os.Getenv("CI") != "" { //nolint:forbidigo // whether a missing server is a failure.
			t.Fatal("prometheus-alertmanager is missing: ./.ci/prometheus")
		}
		t.Skip("prometheus-alertmanager is not installed: ./.ci/prometheus")
	}
	dir := t.TempDir()
	config := filepath.Join(dir, "alertmanager.yml")
	require.NoError(t, os.WriteFile(config, fmt.Appendf(nil, `
route: {receiver: here, group_by: [alertname, tenant], group_wait: 200ms, group_interval: 500ms, repeat_interval: 1h}
receivers: [{name: here, webhook_configs: [{url: %q, send_resolved: true}]}]
`, tell), 0o600))
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	address := l.Addr().String()
	require.NoError(t, l.Close())
	cmd := exec.CommandContext(t.Context(), program, "--config.file="+config, "--storage.path="+filepath.Join(dir, "data"), "--web.listen-address="+address, "--cluster.listen-address=")
	require.NoError(t, cmd.Start())
	t.Cleanup(func() { _ = cmd.Process.Kill(); _ = cmd.Wait() })
	require.Eventually(t, func() bool {
		req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://"+address+"/-/ready", nil)
		require.NoError(t, err)
		res, err := client().Do(req)
		if err != nil {
			return false
		}
		defer func() { _ = res.Body.Close() }()
		return res.StatusCode == http.StatusOK
	}, patience, 50*time.Millisecond)
	return "http://" + address
}

func client() *http.Client { return &http.Client{Timeout: 5 * time.Second} }

func alert(now time.Time, id, tenant string) abuse.Alert {
	return abuse.Alert{
		Tenant: tenant, ID: id, Detector: "SourceCodeSpray", Severity: abuse.Warning, State: abuse.Open, Labels: map[string]string{"source": "203.0.113.0/24"},
		Count: 44, Peak: 44, Threshold: 30, FirstSeen: now.Add(-time.Minute), LastSeen: now, Version: 1,
	}
}

// A real Alertmanager takes what we push: alerts fire, those of one tenant come as one group, and they resolve. The database's
// clock is years ahead of it, which changes nothing.
func TestPush_FiresGroupsAndResolvesInARealAlertmanager(t *testing.T) {
	t.Parallel()
	told := newReceiver(t)
	c, err := alertmanager.New(alertmanager.Config{
		URL: secret.NewString(start(t, told.url)), Runbooks: "https://example.com/runbooks/", Now: time.Now, //nolint:forbidigo // Alertmanager's clock is this machine's.
	})
	require.NoError(t, err)
	now := time.Date(2031, 3, 1, 9, 0, 0, 0, time.UTC)
	live := []abuse.Alert{alert(now, "alr_1", "acme"), alert(now, "alr_2", "acme"), alert(now, "alr_3", "other")}
	live[1].Labels = map[string]string{"source": "2001:db8:7::/48"}
	require.NoError(t, c.Push(t.Context(), now, live))
	require.NoError(t, c.Push(t.Context(), now, live), "again is the same")

	group := told.await(t, "the two of one tenant fire together", func(n notification) bool {
		return n.Status == "firing" && n.GroupLabels["tenant"] == "acme" && len(n.Alerts) == 2
	})
	require.Equal(t, "SourceCodeSpray", group.GroupLabels["alertname"])
	require.Equal(t, "https://example.com/runbooks/SourceCodeSpray.md", group.Alerts[0].Annotations["runbook_url"])
	require.NotEmpty(t, group.Alerts[0].Annotations["summary"])
	require.Equal(t, "warning", group.Alerts[0].Labels["severity"])
	require.Contains(t, []string{"203.0.113.0/24", "2001:db8:7::/48"}, group.Alerts[0].Labels["about_source"])
	told.await(t, "the other tenant's is a group of its own", func(n notification) bool {
		return n.Status == "firing" && n.GroupLabels["tenant"] == "other" && len(n.Alerts) == 1
	})

	for i := range live {
		live[i].State, live[i].ResolvedAt = abuse.Resolved, now
	}
	require.NoError(t, c.Push(t.Context(), now.Add(time.Second), live))
	told.await(t, "they resolve", func(n notification) bool {
		return n.Status == "resolved" && n.GroupLabels["tenant"] == "acme" && len(n.Alerts) == 2
	})
}

// A receiver that refuses, or is not there, is an error that names no password.
func TestPush_SaysWhatWentWrongWithoutThePassword(t *testing.T) {
	t.Parallel()
	var seen string
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, seen, _ = r.BasicAuth()
		_, _ = io.WriteString(w, "")
		w.WriteHeader(http.StatusUnauthorized)
	}))
	address := server.Listener.Addr().String()
	now := time.Date(2026, 3, 1, 9, 0, 0, 0, time.UTC)
	for _, c := range []string{"http://robin:hunter22@" + address, "http://robin:hunter22@" + address + "/below"} {
		am, err := alertmanager.New(alertmanager.Config{URL: secret.NewString(c), Now: func() time.Time { return now }})
		require.NoError(t, err)
		require.NoError(t, am.Push(t.Context(), now, nil), "nothing to tell is nothing to send")
		_ = am.Push(t.Context(), now, []abuse.Alert{alert(now, "alr_1", "acme")})
		require.Equal(t, "hunter22", seen)
	}
	server.Close()
	am, err := alertmanager.New(alertmanager.Config{URL: secret.NewString("http://robin:hunter22@" + address), Now: func() time.Time { return now }})
	require.NoError(t, err)
	err = am.Push(t.Context(), now, []abuse.Alert{alert(now, "alr_1", "acme")})
	require.Error(t, err)
	require.NotContains(t, err.Error(), "hunter22")
	for _, bad := range []string{"", "alertmanager:9093", "ftp://alertmanager", "http://", "http://robin:hunter22@[::1"} {
		_, err := alertmanager.New(alertmanager.Config{URL: secret.NewString(bad), Now: time.Now}) //nolint:forbidigo // never asked.
		require.Error(t, err, bad)
		require.NotContains(t, err.Error(), "hunter22")
	}
}
