package telemetry

import (
	"bytes"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/stretchr/testify/require"
)

// everything is Metrics with every metric that a node has.
func everything(t *testing.T) *Metrics {
	t.Helper()
	m := NewMetrics(Build{Version: "v1", Revision: "r", GoVersion: "go"})
	require.NoError(t, m.WatchPool("main", func() PoolStats { return PoolStats{Max: 16} }))
	return m
}

// exported lists the names of what is exported: those of the metrics, and of a histogram's series.
func exported(t *testing.T, m *Metrics) []string {
	t.Helper()
	name := regexp.MustCompile(`fqName: "([^"]+)"`)
	descs := make(chan *prometheus.Desc, 1024)
	m.registry.Describe(descs)
	close(descs)
	var out []string
	for d := range descs {
		n := name.FindStringSubmatch(d.String())[1]
		out = append(out, n)
		if strings.HasSuffix(n, "_seconds") {
			out = append(out, n+"_bucket", n+"_sum", n+"_count")
		}
	}
	return out
}

// Rules and dashboards ask for metrics that the service has, and every rule has a runbook.
func TestRulesAndDashboards_AskForWhatIsExported(t *testing.T) {
	t.Parallel()
	have := exported(t, everything(t))
	asked := regexp.MustCompile(`holdfast_[a-z0-9_]+`)
	root := filepath.Join("..", "..", "deploy")
	rules, err := os.ReadFile(filepath.Join(root, "alerts", "holdfast.yaml"))
	require.NoError(t, err)
	board, err := os.ReadFile(filepath.Join(root, "dashboards", "holdfast.json"))
	require.NoError(t, err)
	log, err := os.ReadFile(filepath.Join(root, "alerts", "audit.yaml"))
	require.NoError(t, err)
	for _, text := range [][]byte{regexp.MustCompile(`(?m)^#.*$`).ReplaceAll(log, nil), regexp.MustCompile(`(?m)^#.*$`).ReplaceAll(rules, nil), board} {
		found := asked.FindAllString(string(text), -1)
		require.NotEmpty(t, found)
		for _, name := range found {
			require.Contains(t, have, name)
		}
	}
	for _, name := range []string{"holdfast", "audit"} {
		rules, err := os.ReadFile(filepath.Join(root, "alerts", name+".yaml"))
		require.NoError(t, err)
		files, err := filepath.Glob(filepath.Join(root, "alerts", name+"*_test.yaml"))
		require.NoError(t, err)
		var tests []byte
		for _, file := range files {
			text, err := os.ReadFile(file)
			require.NoError(t, err)
			tests = append(tests, text...)
		}
		alerts := regexp.MustCompile(`- alert: (\w+)`).FindAllStringSubmatch(string(rules), -1)
		require.NotEmpty(t, alerts)
		for _, a := range alerts {
			require.FileExists(t, filepath.Join(root, "runbooks", a[1]+".md"))
			require.Contains(t, string(rules), "runbook: "+a[1]+".md")
			require.Contains(t, string(tests), "alertname: "+a[1]+"\n        exp_alerts", "%s fires in a test", a[1])
			require.Contains(t, string(tests), "alertname: "+a[1]+" }", "%s is silent in a test", a[1])
		}
	}
}

// The dashboard is what Grafana takes: panels with queries, places and the data source's variable.
func TestDashboard_IsWhole(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile(filepath.Join("..", "..", "deploy", "dashboards", "holdfast.json"))
	require.NoError(t, err)
	var board struct {
		UID, Title string
		Panels     []struct {
			ID         int
			Type       string
			Title      string
			GridPos    struct{ H, W, X, Y int }
			Datasource struct{ UID string }
			Targets    []struct{ Expr string }
		}
		Templating struct{ List []struct{ Name, Type string } }
	}
	require.NoError(t, json.Unmarshal(text, &board))
	require.NotEmpty(t, board.UID)
	require.Equal(t, "datasource", board.Templating.List[0].Name)
	var ids []int
	for _, p := range board.Panels {
		require.NotContains(t, ids, p.ID)
		ids = append(ids, p.ID)
		require.LessOrEqual(t, p.GridPos.X+p.GridPos.W, 24, p.Title)
		if p.Type == "row" {
			continue
		}
		require.NotEmpty(t, p.Targets, p.Title)
		require.Equal(t, "${datasource}", p.Datasource.UID, p.Title)
		for _, target := range p.Targets {
			require.NotEmpty(t, target.Expr, p.Title)
		}
	}
	require.True(t, slices.IsSorted(ids))
}

// Prometheus' own tool finds nothing wrong with the names and the help of what we export.
func TestMetrics_PassPromtool(t *testing.T) {
	t.Parallel()
	promtool, err := exec.LookPath("promtool")
	if err != nil {
		if os.Getenv("CI") != "" { //nolint:forbidigo // whether a missing tool is a failure.
			t.Fatal("promtool is missing: ./.ci/prometheus")
		}
		t.Skip("promtool is not installed: ./.ci/prometheus")
	}
	m := everything(t)
	m.Request("/v1/recoveries", http.MethodPost, 201, "", time.Second)
	m.Recovery("initiated")
	m.Message("email", "recovery_code", "accepted")
	m.Throttled("start_source")
	m.Job("notice", "done", time.Second)
	m.AlertRaised("CodeSpray", "critical")
	m.Alerts(func(set func(detector, severity, state string, n int64)) { set("CodeSpray", "critical", "open", 1) })
	m.DetectorLag(time.Second)
	m.DetectorsLooked(true, false)
	m.DetectorFailed("CodeSpray")
	m.Controls("min_tier", 1)
	m.ControlsUnread()
	m.AlertsTold(true)
	m.Stage("started", "low", "", time.Second)
	m.AnchorLag("witness.example/w1", time.Minute)
	m.Anchored("webhook", "done")
	m.SealingStopped("unheard")
	w := httptest.NewRecorder()
	m.Handler().ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/metrics", nil))
	var ours []string // what client_golang exports of the process is its own affair
	for line := range strings.Lines(w.Body.String()) {
		if strings.Contains(line, "holdfast_") {
			ours = append(ours, line)
		}
	}
	cmd := exec.CommandContext(t.Context(), promtool, "check", "metrics")
	cmd.Stdin = bytes.NewBufferString(strings.Join(ours, ""))
	out, err := cmd.CombinedOutput()
	require.NoError(t, err, "%s", out)
	require.Empty(t, string(out))
}
