package telemetry

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// PoolStats is how a pool of database connections is doing. The counts of acquisitions only ever grow.
type PoolStats struct {
	Max, Total, Idle, Acquired int64
	Acquisitions               int64         // connections handed out
	Waits                      int64         // of these, how many had to wait
	Cancelled                  int64         // given up while waiting
	WaitTime                   time.Duration // spent waiting, all together
}

// WatchPool shows a pool's figures, read anew at each scrape. The name is constant and unique.
func (m *Metrics) WatchPool(name string, read func() PoolStats) error {
	describe := func(metric, help string) *prometheus.Desc {
		return prometheus.NewDesc("holdfast_db_pool_"+metric, help, nil, prometheus.Labels{"pool": name})
	}
	return m.registry.Register(&poolCollector{
		read: read,
		figures: []poolFigure{
			{describe("connections_max", "Most connections allowed."), prometheus.GaugeValue, func(s PoolStats) float64 { return float64(s.Max) }},
			{describe("connections", "Connections open."), prometheus.GaugeValue, func(s PoolStats) float64 { return float64(s.Total) }},
			{describe("connections_idle", "Connections open and unused."), prometheus.GaugeValue, func(s PoolStats) float64 { return float64(s.Idle) }},
			{describe("connections_acquired", "Connections in use."), prometheus.GaugeValue, func(s PoolStats) float64 { return float64(s.Acquired) }},
			{describe("acquisitions_total", "Connections handed out."), prometheus.CounterValue, func(s PoolStats) float64 { return float64(s.Acquisitions) }},
			{describe("waits_total", "Acquisitions that had to wait."), prometheus.CounterValue, func(s PoolStats) float64 { return float64(s.Waits) }},
			{describe("cancelled_total", "Acquisitions given up."), prometheus.CounterValue, func(s PoolStats) float64 { return float64(s.Cancelled) }},
			{describe("wait_seconds_total", "Time spent waiting for a connection."), prometheus.CounterValue, func(s PoolStats) float64 { return s.WaitTime.Seconds() }},
		},
	})
}

type poolFigure struct {
	desc *prometheus.Desc
	kind prometheus.ValueType
	of   func(PoolStats) float64
}

type poolCollector struct {
	read    func() PoolStats
	figures []poolFigure
}

// Describe implements prometheus.Collector.
func (p *poolCollector) Describe(out chan<- *prometheus.Desc) {
	for _, f := range p.figures {
		out <- f.desc
	}
}

// Collect implements prometheus.Collector.
func (p *poolCollector) Collect(out chan<- prometheus.Metric) {
	stats := p.read()
	for _, f := range p.figures {
		out <- prometheus.MustNewConstMetric(f.desc, f.kind, f.of(stats))
	}
}
