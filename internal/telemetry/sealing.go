package telemetry

import (
	"slices"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// sealing is the metrics of the audit log.
type sealing struct {
	events  prometheus.Counter
	size    prometheus.Gauge
	lag     prometheus.Gauge
	stopped *prometheus.GaugeVec
	anchors *prometheus.CounterVec
	behind  *prometheus.GaugeVec
}

// stopReasons are the reasons for which sealing refuses to go on.
func stopReasons() []string { return []string{"went_back", "forked", "broken", "anchor", "unheard"} }

func newSealing(registry *prometheus.Registry) *sealing {
	s := &sealing{
		events: prometheus.NewCounter(prometheus.CounterOpts{Name: "holdfast_audit_sealed_total", Help: "Audit events that this node sealed into the log."}),
		size:   prometheus.NewGauge(prometheus.GaugeOpts{Name: "holdfast_audit_log_size", Help: "Events in the log, as this node last saw it."}),
		lag: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "holdfast_audit_sealing_lag_seconds", Help: "How long the oldest event that is not sealed has been waiting, whoever seals.",
		}),
		stopped: prometheus.NewGaugeVec(prometheus.GaugeOpts{
			Name: "holdfast_audit_sealing_stopped", Help: "1 while sealing refuses to go on for this reason.",
		}, []string{"reason"}),
		anchors: counters("holdfast_audit_anchored_total", "Checkpoints given to an anchor, by anchor and outcome.", "anchor", "outcome"),
		behind: prometheus.NewGaugeVec(prometheus.GaugeOpts{
			Name: "holdfast_audit_anchor_lag_seconds", Help: "For how long there has been a checkpoint that this anchor has not taken, whoever tells it.",
		}, []string{"anchor"}),
	}
	registry.MustRegister(s.events, s.size, s.lag, s.stopped, s.anchors, s.behind)
	for _, reason := range stopReasons() {
		s.stopped.WithLabelValues(reason).Set(0)
	}
	return s
}

// Sealed counts events that this node sealed, and notes the log's size.
func (m *Metrics) Sealed(events int, size int64) {
	if events > 0 {
		m.sealing.events.Add(float64(events))
	}
	m.sealing.size.Set(float64(size))
}

// SealingLag notes how far sealing is behind.
func (m *Metrics) SealingLag(lag time.Duration) { m.sealing.lag.Set(lag.Seconds()) }

// SealingStopped notes why sealing refuses to go on; "" when it does not.
func (m *Metrics) SealingStopped(reason string) {
	for _, known := range stopReasons() {
		value := 0.0
		if known == reason {
			value = 1
		}
		m.sealing.stopped.WithLabelValues(known).Set(value)
	}
	if reason != "" && !slices.Contains(stopReasons(), reason) {
		m.sealing.stopped.WithLabelValues(other).Set(1)
	}
}

// Anchored counts one attempt to give a checkpoint to an anchor.
func (m *Metrics) Anchored(anchor, outcome string) {
	m.sealing.anchors.WithLabelValues(m.bounds.keep("anchor", anchor), m.bounds.keep("anchor_outcome", outcome)).Inc()
}

// AnchorLag notes for how long there has been a checkpoint that an anchor has not taken.
func (m *Metrics) AnchorLag(anchor string, lag time.Duration) {
	m.sealing.behind.WithLabelValues(m.bounds.keep("anchor", anchor)).Set(lag.Seconds())
}
