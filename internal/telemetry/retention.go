package telemetry

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// retention is the metrics of what is deleted when its time is over.
type retention struct {
	forgotten *prometheus.CounterVec
	overdue   prometheus.Gauge

	oldestMonth, monthOverdue, monthsMissing, stray prometheus.Gauge
}

func newRetention(registry *prometheus.Registry) *retention {
	r := &retention{
		forgotten: counters("holdfast_retention_forgotten_total", "Rows that this node deleted or emptied because their time was over, by table.", "table"),
		overdue: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "holdfast_retention_overdue_seconds", Help: "How far past its time the oldest recovery is whose working data are still there, whoever deletes.",
		}),
	}
	gauge := func(name, help string) prometheus.Gauge {
		return prometheus.NewGauge(prometheus.GaugeOpts{Name: name, Help: help})
	}
	r.oldestMonth = gauge("holdfast_audit_oldest_month_end_timestamp_seconds", "When the oldest month of audit events that is kept ended; 0 where nobody has looked.")
	r.monthOverdue = gauge("holdfast_audit_month_overdue_seconds", "For how long a month of audit events has been past its time that no legal hold keeps.")
	r.monthsMissing = gauge("holdfast_audit_months_missing", "How many of the months of audit events that are to be made ahead are not, the present one included.")
	r.stray = gauge("holdfast_audit_events_stray", "1 where audit events lie outside of all months, and are never retired.")
	registry.MustRegister(r.forgotten, r.overdue, r.oldestMonth, r.monthOverdue, r.monthsMissing, r.stray)
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

// AuditMonths notes how the months of the audit log stand: when the oldest ended, for how long one is past its time, how many are missing ahead, and
// whether events lie outside of all.
func (m *Metrics) AuditMonths(oldest time.Time, overdue time.Duration, missing int, stray bool) {
	r := m.retention
	r.monthOverdue.Set(overdue.Seconds())
	r.monthsMissing.Set(float64(missing))
	if r.oldestMonth.Set(0); !oldest.IsZero() {
		r.oldestMonth.Set(float64(oldest.Unix()))
	}
	if r.stray.Set(0); stray {
		r.stray.Set(1)
	}
}
