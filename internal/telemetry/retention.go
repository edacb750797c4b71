package telemetry

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// retention is the metrics of what is deleted when its time is over.
type retention struct {
	forgotten *prometheus.CounterVec
	overdue   prometheus.Gauge
}

func newRetention(registry *prometheus.Registry) *retention {
	r := &retention{
		forgotten: counters("holdfast_retention_forgotten_total", "Rows that this node deleted or emptied because their time was over, by table.", "table"),
		overdue: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "holdfast_retention_overdue_seconds", Help: "How far past its time the oldest recovery is whose working data are still there, whoever deletes.",
		}),
	}
	registry.MustRegister(r.forgotten, r.overdue)
	return r
}

// Forgotten counts rows that were deleted, or emptied.
func (m *Metrics) Forgotten(table string, rows int64) {
	if rows > 0 {
		m.retention.forgotten.WithLabelValues(m.bounds.keep("table", table)).Add(float64(rows))
	}
}

// RetentionOverdue notes how far deletion is behind.
func (m *Metrics) RetentionOverdue(by time.Duration) { m.retention.overdue.Set(by.Seconds()) }
