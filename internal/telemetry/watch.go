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
	}
}

func (w watchMetrics) all() []prometheus.Collector {
	return []prometheus.Collector{w.alerts, w.raised, w.lag, w.looks, w.failures, w.controls, w.unread}
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

// ControlsUnread counts a failed reading of the controls.
func (m *Metrics) ControlsUnread() { m.watch.unread.Inc() }
