package telemetry

import (
	"net/http"
	"runtime/debug"
	"strconv"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/holdfast/holdfast/internal/fault"
)

// Build names what is running.
type Build struct {
	Version   string
	Revision  string
	GoVersion string
}

// ReadBuild gives what the Go toolchain wrote into the binary; what it did not write reads "unknown".
func ReadBuild() Build {
	b := Build{Version: "unknown", Revision: "unknown", GoVersion: "unknown"}
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return b
	}
	b.GoVersion = info.GoVersion
	if info.Main.Version != "" {
		b.Version = info.Main.Version
	}
	for _, s := range info.Settings {
		if s.Key == "vcs.revision" {
			b.Revision = s.Value
		}
	}
	return b
}

// Metrics is every metric of the service, on a registry of its own. All labels come from small sets: routes are the
// patterns of the route table, codes the registered ones, and what is over a label's bound reads "other" (labels.go).
// Its methods may be called by any number of goroutines.
type Metrics struct {
	registry *prometheus.Registry
	bounds   *bounds

	requests   *prometheus.CounterVec
	durations  *prometheus.HistogramVec
	inFlight   prometheus.Gauge
	recoveries *prometheus.CounterVec
	messages   *prometheus.CounterVec
	deliveries *prometheus.CounterVec
	replies    *prometheus.CounterVec
	callbacks  *prometheus.CounterVec
	throttled  *prometheus.CounterVec
	carriers   *prometheus.CounterVec
	shed       *prometheus.CounterVec
	audit      prometheus.Counter
	sealing    *sealing
	retention  *retention
	jobs       *prometheus.CounterVec
	jobTimes   *prometheus.HistogramVec
	signals    *prometheus.CounterVec
	backlog    *prometheus.GaugeVec
	oldest     prometheus.Gauge
	watch      watchMetrics
}

// NewMetrics makes and registers the metrics.
func NewMetrics(build Build) *Metrics {
	m := &Metrics{
		registry: prometheus.NewRegistry(),
		bounds:   newBounds(),
		requests: counters("holdfast_http_requests_total", "Requests answered, by route pattern, method, class of status and fault code.",
			"route", "method", "status_class", "code"),
		durations: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "holdfast_http_request_duration_seconds", Help: "Time to answer, by route pattern and method.",
			Buckets: []float64{.001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10},
		}, []string{"route", "method"}),
		inFlight:   prometheus.NewGauge(prometheus.GaugeOpts{Name: "holdfast_http_requests_in_flight", Help: "Requests being answered now."}),
		recoveries: counters("holdfast_recoveries_total", "Transitions of recoveries, by the event that caused them.", "event"),
		messages:   counters("holdfast_messages_total", "Messages handed to a provider, by channel, kind and outcome.", "channel", "kind", "outcome"),
		deliveries: counters("holdfast_deliveries_total", "What providers said of messages after they took them, by channel, kind, fate and what it changed.", "channel", "kind", "fate", "verdict"),
		replies:    counters("holdfast_replies_total", "Answers to text messages, by outcome.", "outcome"),
		callbacks:  counters("holdfast_callbacks_refused_total", "Requests to a provider's routes that were not believed, by reason.", "reason"),
		throttled:  counters("holdfast_throttled_total", "Requests refused by a limit, by the rule's name.", "rule"),
		shed:       counters("holdfast_shed_total", "Requests turned away because the node was full, by class of route.", "class"),
		carriers:   counters("holdfast_carrier_lookups_total", "Questions to carriers about a number, by outcome.", "outcome"),
		audit:      prometheus.NewCounter(prometheus.CounterOpts{Name: "holdfast_audit_events_total", Help: "Audit events written."}),
		jobs:       counters("holdfast_jobs_total", "Jobs worked, by kind and outcome.", "kind", "outcome"),
		jobTimes: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "holdfast_job_duration_seconds", Help: "Time to work one job, by kind.",
			Buckets: []float64{.005, .025, .1, .5, 1, 5, 15, 60},
		}, []string{"kind"}),
	}
	m.signals = counters("holdfast_signals_total", "Attempts to tell other systems, by kind of endpoint, type and outcome.", "kind", "type", "outcome")
	m.backlog = prometheus.NewGaugeVec(prometheus.GaugeOpts{
		Name: "holdfast_signals_waiting", Help: "Deliveries that wait (pending), were given up on (dead), or are session-revoked tokens that are overdue (unacknowledged).",
	}, []string{"status"})
	m.oldest = prometheus.NewGauge(prometheus.GaugeOpts{Name: "holdfast_signals_oldest_seconds", Help: "Age of the oldest delivery that waits."})
	m.sealing, m.retention = newSealing(m.registry), newRetention(m.registry)
	info := prometheus.NewGauge(prometheus.GaugeOpts{
		Name: "holdfast_build_info", Help: "Always 1; the labels say what runs.",
		ConstLabels: prometheus.Labels{"version": build.Version, "revision": build.Revision, "go_version": build.GoVersion},
	})
	info.Set(1)
	m.watch = newWatchMetrics()
	m.registry.MustRegister(m.watch.all()...)
	m.registry.MustRegister(
		m.requests, m.durations, m.inFlight, m.recoveries, m.messages, m.deliveries, m.replies, m.callbacks, m.throttled, m.carriers, m.shed, m.audit, m.jobs, m.jobTimes, m.signals, m.backlog, m.oldest, info,
		collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}),
	)
	return m
}

func counters(name, help string, labels ...string) *prometheus.CounterVec {
	return prometheus.NewCounterVec(prometheus.CounterOpts{Name: name, Help: help}, labels)
}

// Request counts one answered request. The route is its pattern in the route table, "" when none matched; the code is ""
// when it did not fail.
func (m *Metrics) Request(route, method string, status int, code fault.Code, took time.Duration) {
	route, method = m.bounds.keep("route", route), boundedMethod(method)
	class := strconv.Itoa(status/100) + "xx"
	if status < 100 || status > 599 {
		class = other
	}
	m.requests.WithLabelValues(route, method, class, boundedCode(code)).Inc()
	m.durations.WithLabelValues(route, method).Observe(took.Seconds())
}

// RequestStarted counts a request as being answered until the returned function is called.
func (m *Metrics) RequestStarted() (done func()) {
	m.inFlight.Inc()
	return m.inFlight.Dec
}

// Recovery counts one transition by its event.
func (m *Metrics) Recovery(event string) {
	m.recoveries.WithLabelValues(m.bounds.keep("event", event)).Inc()
}

// Message counts one attempt to hand a message over.
func (m *Metrics) Message(channel, kind, outcome string) {
	m.messages.WithLabelValues(m.bounds.keep("channel", channel), m.bounds.keep("message_kind", kind), m.bounds.keep("message_outcome", outcome)).Inc()
}

// Delivery counts one report about a message that a provider took. Channel and kind are empty where the message is not known.
func (m *Metrics) Delivery(channel, kind, fate, verdict string) {
	m.deliveries.WithLabelValues(m.bounds.keep("channel", channel), m.bounds.keep("message_kind", kind),
		m.bounds.keep("fate", fate), m.bounds.keep("verdict", verdict)).Inc()
}

// Reply counts one answer to a text message.
func (m *Metrics) Reply(outcome string) {
	m.replies.WithLabelValues(m.bounds.keep("reply_outcome", outcome)).Inc()
}

// CallbackRefused counts one request that pretended to be a provider's.
func (m *Metrics) CallbackRefused(reason string) {
	m.callbacks.WithLabelValues(m.bounds.keep("callback_reason", reason)).Inc()
}

// Throttled counts one request that a limit refused, by the rule's name.
func (m *Metrics) Throttled(rule string) {
	m.throttled.WithLabelValues(m.bounds.keep("rule", rule)).Inc()
}

// Shed counts one request that was turned away because the node was full.
func (m *Metrics) Shed(class string) { m.shed.WithLabelValues(m.bounds.keep("class", class)).Inc() }

// Carrier counts one question to a carrier.
func (m *Metrics) Carrier(outcome string) {
	m.carriers.WithLabelValues(m.bounds.keep("carrier_outcome", outcome)).Inc()
}

// AuditEvents counts audit events after their commit. A count below one is ignored.
func (m *Metrics) AuditEvents(n int) {
	if n > 0 {
		m.audit.Add(float64(n))
	}
}

// Job counts one job that was worked.
func (m *Metrics) Job(kind, outcome string, took time.Duration) {
	kind = m.bounds.keep("job_kind", kind)
	m.jobs.WithLabelValues(kind, m.bounds.keep("job_outcome", outcome)).Inc()
	m.jobTimes.WithLabelValues(kind).Observe(took.Seconds())
}

// Signal counts one attempt to tell another system.
func (m *Metrics) Signal(kind, typ, outcome string) {
	m.signals.WithLabelValues(m.bounds.keep("signal_kind", kind), m.bounds.keep("signal_type", typ), m.bounds.keep("signal_outcome", outcome)).Inc()
}

// SignalBacklog sets what waits to be told.
func (m *Metrics) SignalBacklog(pending, dead, unacknowledged int, oldest time.Duration) {
	m.backlog.WithLabelValues("pending").Set(float64(pending))
	m.backlog.WithLabelValues("dead").Set(float64(dead))
	m.backlog.WithLabelValues("unacknowledged").Set(float64(unacknowledged))
	m.oldest.Set(oldest.Seconds())
}

// Handler serves the metrics in the formats that Prometheus asks for.
func (m *Metrics) Handler() http.Handler {
	return promhttp.HandlerFor(m.registry, promhttp.HandlerOpts{MaxRequestsInFlight: 4})
}
