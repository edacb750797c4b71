package telemetry

import (
	"context"
	"encoding/json"
	"log/slog"
	"net/http"
	"sync"
	"sync/atomic"
	"time"
)

// Check asks one part that the service needs whether it answers. The probe must heed its context.
type Check struct {
	Name  string
	Probe func(context.Context) error
}

// Readiness answers whether this node should be sent requests.
type Readiness struct {
	logger   *slog.Logger
	timeout  time.Duration
	checks   []*runningCheck
	draining atomic.Bool
}

// NewReadiness makes a readiness of checks, each of which has the timeout to answer.
func NewReadiness(logger *slog.Logger, timeout time.Duration, checks ...Check) *Readiness {
	r := &Readiness{logger: logger, timeout: timeout}
	for _, c := range checks {
		r.checks = append(r.checks, &runningCheck{Check: c, timeout: timeout})
	}
	return r
}

// Drain makes every later answer "not ready", so that balancers look elsewhere before the listener closes.
func (r *Readiness) Drain() { r.draining.Store(true) }

// Report asks every check at the same time and gives their results by name, "ok" or "failed", and whether all are well.
// Why one failed goes to the log only.
func (r *Readiness) Report(ctx context.Context) (results map[string]string, ready bool) {
	ctx, cancel := context.WithTimeout(ctx, r.timeout)
	defer cancel()
	errs := make([]error, len(r.checks))
	var wg sync.WaitGroup
	for i, c := range r.checks {
		wg.Go(func() { errs[i] = c.result(ctx) })
	}
	wg.Wait()

	results, ready = map[string]string{}, !r.draining.Load()
	for i, c := range r.checks {
		results[c.Name] = "ok"
		if errs[i] != nil {
			results[c.Name], ready = "failed", false
			r.logger.WarnContext(ctx, "readiness check failed", "check", c.Name, "error", errs[i])
		}
	}
	return results, ready
}

// runningCheck never runs twice at a time: callers that come while it runs share its result, and a probe that hangs costs
// one goroutine, however often it is asked.
type runningCheck struct {
	Check
	timeout time.Duration

	mu      sync.Mutex
	current *run
}

// run is one call of the probe; err may be read once done is closed.
type run struct {
	done chan struct{}
	err  error
}

// result joins the probe that runs, or starts it, and waits until it or the context ends.
func (c *runningCheck) result(ctx context.Context) error {
	current := c.join(ctx)
	select {
	case <-current.done:
		return current.err
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (c *runningCheck) join(ctx context.Context) *run {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.current != nil {
		return c.current
	}
	started := &run{done: make(chan struct{})}
	c.current = started
	// The probe outlives the request that began it, because others may have joined.
	probeCtx, cancel := context.WithTimeout(context.WithoutCancel(ctx), c.timeout)
	go func() {
		defer cancel()
		started.err = c.Probe(probeCtx)
		c.mu.Lock()
		c.current = nil
		c.mu.Unlock()
		close(started.done)
	}()
	return started
}

// AdminHandler serves the admin port: /healthz says that the process lives, /readyz whether it should be sent requests,
// /metrics everything that is counted. It must never be reachable from outside.
func AdminHandler(m *Metrics, r *Readiness) http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) {
		writeStatus(w, http.StatusOK, map[string]any{"status": "ok"})
	})
	mux.HandleFunc("GET /readyz", func(w http.ResponseWriter, req *http.Request) {
		results, ready := r.Report(req.Context())
		status, word := http.StatusOK, "ready"
		if !ready {
			status, word = http.StatusServiceUnavailable, "not_ready"
		}
		writeStatus(w, status, map[string]any{"status": word, "checks": results})
	})
	mux.Handle("GET /metrics", m.Handler())
	return http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		w.Header().Set("Cache-Control", "no-store")
		w.Header().Set("X-Content-Type-Options", "nosniff")
		mux.ServeHTTP(w, req)
	})
}

func writeStatus(w http.ResponseWriter, status int, body map[string]any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(body) // the caller has gone: nobody is left to tell
}
