package telemetry

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// watchMetrics are about detectors, alerts and controls. What describes the whole installation (alerts, lag, controls) is the
// same on every node: take the maximum, not the sum.
type watchMetrics struct {
	alerts   *prometheus.GaugeVec
	raised   *prometheus.CounterVec
	lag      prometheus.Gauge
	looks    *prometheus.CounterVec
	failures *prometheus.CounterVec
	controls *prometheus.GaugeVec
	unread   prometheus.Counter
	told     *prometheus.CounterVec
	stages   *prometheus.CounterVec
	times    *prometheus.HistogramVec
}

func newWatchMetrics() watchMetrics {
	return watchMetrics{
		alerts: prometheus.NewGaugeVec(prometheus.GaugeOpts{
			Name: "holdfast_alerts", Help: "Alerts that are not resolved, by detector, severity and state. The same on every node.",
		}, []string{"detector", "severity", "state"}),
		raised:   counters("holdfast_alerts_raised_total", "Alerts raised by this node, by detector and first severity.", "detector", "severity"),
		lag:      prometheus.NewGauge(prometheus.GaugeOpts{Name: "holdfast_detector_lag_seconds", Help: "How far the detectors are behind the journal. The same on every node."}),
		looks:    counters("holdfast_detector_looks_total", "Looks of this node at the journal, by outcome: looked, left_to_another, failed.", "outcome"),
		failures: counters("holdfast_detector_failures_total", "Detectors that could not be asked, by detector.", "detector"),
		controls: prometheus.NewGaugeVec(prometheus.GaugeOpts{
			Name: "holdfast_controls", Help: "Controls in force, by kind. The same on every node.",
		}, []string{"kind"}),
		unread: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "holdfast_controls_unread_total", Help: "Times that this node could not read the controls and kept what it knew.",
		}),
		told:   counters("holdfast_alertmanager_pushes_total", "Pushes of alerts to Alertmanager, by outcome: accepted, failed.", "outcome"),
		stages: counters("holdfast_funnel_total", "Recoveries that reached a stage, by stage, tier at that moment and method of the first proof.", "stage", "tier", "method"),
		times: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "holdfast_funnel_seconds", Help: "Time from the start of a recovery to a stage, by stage.",
			Buckets: []float64{10, 30, 60, 300, 900, 3600, 6 * 3600, 24 * 3600, 48 * 3600, 72 * 3600, 7 * 24 * 3600, 14 * 24 * 3600, 30 * 24 * 3600},
		}, []string{"stage"}),
	}
}

func (w watchMetrics) all() []prometheus.Collector {
	return []prometheus.Collector{w.alerts, w.raised, w.lag, w.looks, w.failures, w.controls, w.unread, w.told, w.stages, w.times}
}

// Alerts shows how many alerts are live; fill gives all of them anew.
func (m *Metrics) Alerts(fill func(set func(detector, severity, state string, n int64))) {
	m.watch.alerts.Reset()
	fill(func(detector, severity, state string, n int64) {
		m.watch.alerts.WithLabelValues(m.bounds.keep("detector", detector), m.bounds.keep("severity", severity), m.bounds.keep("alert_state", state)).Set(float64(n))
	})
}

// AlertRaised counts a new alert.
func (m *Metrics) AlertRaised(detector, severity string) {
	m.watch.raised.WithLabelValues(m.bounds.keep("detector", detector), m.bounds.keep("severity", severity)).Inc()
}

// DetectorLag shows how far the detectors are behind.
func (m *Metrics) DetectorLag(lag time.Duration) { m.watch.lag.Set(lag.Seconds()) }

// DetectorsLooked counts one look of this node.
func (m *Metrics) DetectorsLooked(ran, failed bool) {
	outcome := "left_to_another"
	switch {
	case failed:
		outcome = "failed"
	case ran:
		outcome = "looked"
	}
	m.watch.looks.WithLabelValues(outcome).Inc()
}

// DetectorFailed counts a detector that could not be asked.
func (m *Metrics) DetectorFailed(detector string) {
	m.watch.failures.WithLabelValues(m.bounds.keep("detector", detector)).Inc()
}

// Controls shows how many controls of a kind are in force.
func (m *Metrics) Controls(kind string, n int) {
	m.watch.controls.WithLabelValues(m.bounds.keep("control", kind)).Set(float64(n))
}

// AlertsTold counts one push to Alertmanager.
func (m *Metrics) AlertsTold(ok bool) {
	outcome := "accepted"
	if !ok {
		outcome = "failed"
	}
	m.watch.told.WithLabelValues(outcome).Inc()
}

// Stage counts a recovery that reached a stage of the funnel.
func (m *Metrics) Stage(stage, tier, method string, after time.Duration) {
	stage = m.bounds.keep("stage", stage)
	m.watch.stages.WithLabelValues(stage, m.bounds.keep("tier", tier), m.bounds.keep("method", method)).Inc()
	m.watch.times.WithLabelValues(stage).Observe(after.Seconds())
}

// ControlsUnread counts a failed reading of the controls.
func (m *Metrics) ControlsUnread() { m.watch.unread.Inc() }
