package main

import (
	"cmp"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"text/tabwriter"
)

// row is one cell: a flow at one degree of concurrency. What is not a rate or a time is per request, a whole recovery
// counting as one.
type row struct {
	Flow       string  `json:"flow"`
	Clients    int     `json:"clients"`
	Count      int     `json:"count"` // in the measured span
	PerSecond  float64 `json:"per_second"`
	P50        float64 `json:"p50_ms"`
	P99        float64 `json:"p99_ms"`
	Trips      float64 `json:"round_trips"`        // SQL round trips of the request's own
	Foreground float64 `json:"foreground_commits"` // durable ones that the client waited for
	Background float64 `json:"background_commits"` // durable ones of the jobs that it caused
	Commits    float64 `json:"commits"`            // of any kind, as pg_stat_database counts
	Syncs      float64 `json:"wal_syncs"`
	WAL        float64 `json:"wal_bytes"`
	Images     float64 `json:"wal_full_page_images"`
	Inserted   float64 `json:"rows_inserted"`
	OfFloor    float64 `json:"of_floor,omitempty"`    // of the pipelined floor's rate
	OfStepwise float64 `json:"of_stepwise,omitempty"` // of the stepwise floor's rate
}

func rowOf(flow string, clients int, s sample, did reading) row {
	n := float64(max(s.total, 1))
	return row{
		Flow: flow, Clients: clients, Count: len(s.times), PerSecond: s.perSecond(), P50: millis(percentile(s.times, 50)), P99: millis(percentile(s.times, 99)),
		Commits: float64(did.Commits) / n, Syncs: float64(did.Syncs) / n, WAL: float64(did.WAL) / n, Images: float64(did.Images) / n,
		Inserted: float64(did.Inserted) / n,
	}
}

// stepRow is one kind of request within a flow, per flow.
type stepRow struct {
	Flow     string  `json:"flow"`
	Clients  int     `json:"clients"`
	Step     string  `json:"step"`
	Requests float64 `json:"requests"`
	Mean     float64 `json:"mean_ms"` // of a request, in the server
	Trips    float64 `json:"round_trips"`
	Durable  float64 `json:"durable_commits"`
}

type importResult struct {
	Accounts  int     `json:"accounts"`
	Seconds   float64 `json:"seconds"`
	PerSecond float64 `json:"per_second"`
	PeakMiB   float64 `json:"peak_mib"`
}

type scaleResult struct {
	Few     int     `json:"few"`
	Many    int     `json:"many"`
	Starts  int     `json:"starts"` // of each
	FewP50  float64 `json:"few_p50_ms"`
	FewP99  float64 `json:"few_p99_ms"`
	ManyP50 float64 `json:"many_p50_ms"`
	ManyP99 float64 `json:"many_p99_ms"`
}

// signalResult is the medians without an endpoint and with one, in turns.
type signalResult struct {
	Starts       int     `json:"starts"` // of each
	Wholes       int     `json:"wholes"`
	StartWithout float64 `json:"start_without_p50_ms"`
	StartWith    float64 `json:"start_with_p50_ms"`
	WholeWithout float64 `json:"whole_without_p50_ms"`
	WholeWith    float64 `json:"whole_with_p50_ms"`
}

type decoyResult struct {
	Request    string  `json:"request"`
	Pairs      int     `json:"pairs"`
	AUC        float64 `json:"auc"`
	Error      float64 `json:"auc_standard_error"`
	KnownP50   float64 `json:"known_p50_ms"`
	UnknownP50 float64 `json:"unknown_p50_ms"`
}

type idleResult struct {
	ResidentMiB  float64 `json:"resident_mib"`
	AnonymousMiB float64 `json:"anonymous_mib"`
	PeakMiB      float64 `json:"peak_mib"`
}

// result is all that was measured.
type result struct {
	Processors int             `json:"processors"`
	LoadBefore string          `json:"load_before"` // of one, five and fifteen minutes: above nothing, others were at work
	LoadAfter  string          `json:"load_after"`
	Rows       []row           `json:"rows"`
	Steps      []stepRow       `json:"steps"`
	Import     *importResult   `json:"import"`
	ImportMore *importResult   `json:"import_more,omitempty"` // up to the size of the large database
	Scale      *scaleResult    `json:"scale,omitempty"`
	Signals    *signalResult   `json:"signals,omitempty"`
	Verify     *verifyResult   `json:"verify,omitempty"`
	Decoys     []decoyResult   `json:"decoys,omitempty"`
	Idle       *idleResult     `json:"idle,omitempty"`
	Notes      []string        `json:"notes,omitempty"`
	Limits     *limitsResult   `json:"limits,omitempty"`
	Overload   *overloadResult `json:"overload,omitempty"`
}

func (r *result) add(rows ...row)  { r.Rows = append(r.Rows, rows...) }
func (r *result) note(text string) { r.Notes = append(r.Notes, text) }

// steps keeps what each kind of request did, per recovery.
func (r *result) steps(flow string, clients int, did map[string]counts) {
	flows := float64(max(did["start"].Requests, 1))
	names := []string{"start", "challenge", "answer", "read", "grant", "redeem", ""}
	for _, name := range names {
		c := did[name]
		if name == "" {
			name = "(background)"
		}
		r.Steps = append(r.Steps, stepRow{
			Flow: flow, Clients: clients, Step: name, Requests: float64(c.Requests) / flows, Mean: ratio(float64(c.Nanos)/1e6, float64(c.Requests)),
			Trips: float64(c.Trips) / flows, Durable: float64(c.Durable) / flows,
		})
	}
}

// print writes the tables for people, with the goals beside what was reached.
func (r *result) print(w io.Writer) {
	p := func(format string, args ...any) { _, _ = fmt.Fprintf(w, format+"\n", args...) }
	p("\n%d processors, shared by PostgreSQL, the service and the load generator; PostgreSQL with default durability", r.Processors)
	p("load of the machine before: %s, after: %s\n", r.LoadBefore, r.LoadAfter)
	if len(r.Rows) > 0 {
		r.printRows(w)
		p("\n  Per request, or per whole recovery. trips: SQL round trips of the requests themselves. commits: durable ones, waited for")
		p("  by a client (fg) or by jobs (bg); all: every transaction that ended well, those that only read or touch the unlogged table of")
		p("  the edge limits, and the idle loops' included. syncs: of the log to the disk. of floor: of the pipelined and of the stepwise one; goal ≥ 0.5.")
	}
	if len(r.Steps) > 0 {
		r.printSteps(w)
	}
	p("")
	for _, i := range []*importResult{r.Import, r.ImportMore} {
		if i != nil {
			p("import    %d accounts in %.1f s: %.0f/s (goal ≥ 5000), at most %.0f MiB resident", i.Accounts, i.Seconds, i.PerSecond, i.PeakMiB)
		}
	}
	if s := r.Scale; s != nil {
		p("scale     start with %d accounts p50 %.2f p99 %.2f ms, with %d p50 %.2f p99 %.2f ms: %.2f and %.2f times (goal ≤ 1.2); %d each, by turns",
			s.Few, s.FewP50, s.FewP99, s.Many, s.ManyP50, s.ManyP99, ratio(s.ManyP50, s.FewP50), ratio(s.ManyP99, s.FewP99), s.Starts)
	}
	if s := r.Signals; s != nil {
		p("signals   p50 without an endpoint and with one: start %.2f and %.2f ms (%.2f times), whole %.2f and %.2f ms (%.2f times); %d and %d each, by turns",
			s.StartWithout, s.StartWith, ratio(s.StartWith, s.StartWithout), s.WholeWithout, s.WholeWith, ratio(s.WholeWith, s.WholeWithout), s.Starts, s.Wholes)
	}
	if v := r.Verify; v != nil {
		p("verify    a log of %d events (%.0f MiB) in %.1f s: %.0f/s (goal: 1,000,000 in 60 s, 16,667/s), at most %.0f MiB resident; of %d events %.0f MiB",
			v.Events, v.FileMiB, v.Seconds, v.PerSecond, v.PeakMiB, v.FewEvents, v.FewPeak)
	}
	for _, d := range r.Decoys {
		p("decoys    %-9s AUC %.3f ± %.3f (goal 0.47 to 0.53), p50 known %.2f unknown %.2f ms, %d pairs", d.Request, d.AUC, d.Error, d.KnownP50, d.UnknownP50, d.Pairs)
	}
	if i := r.Idle; i != nil {
		p("idle      %.1f MiB resident (goal < 60), %.1f of them anonymous, %.1f at most since its start", i.ResidentMiB, i.AnonymousMiB, i.PeakMiB)
	}
	if x := r.Limits; x != nil {
		p("limits    starts with limits %.0f/s, without %.0f/s (medians of %d rounds by turns): %.2f (goal ≥ 0.85)", median(x.With), median(x.Without), x.Rounds, x.Ratio)
	}
	if x := r.Overload; x != nil {
		p("overload  %.0f starts/s offered where %.0f/s are sustained: %d started, %d shed, %d failed; %d objections, %d lost, p99 %.2f ms against %.2f ms idle: %.1f times (goal < 5)",
			x.Offered, x.Sustained, x.Started, x.Shed, x.Failed, x.Objections, x.Lost, x.LoadedP99, x.IdleP99, ratio(x.LoadedP99, x.IdleP99))
	}
	for _, n := range r.Notes {
		p("note      %s", n)
	}
}

func (r *result) printRows(w io.Writer) {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', tabwriter.AlignRight)
	_, _ = fmt.Fprintln(t, "flow\tclients\t/s\tp50 ms\tp99 ms\ttrips\tfg\tbg\tall\tsyncs\tWAL bytes\trows\tof floor\t")
	rows := slices.Clone(r.Rows)
	order := map[string]int{}
	for _, x := range rows {
		if _, ok := order[x.Flow]; !ok {
			order[x.Flow] = len(order)
		}
	}
	slices.SortStableFunc(rows, func(a, b row) int { return cmp.Compare(order[a.Flow], order[b.Flow]) })
	for _, x := range rows {
		floor := ""
		if x.OfFloor > 0 {
			floor = fmt.Sprintf("%.2f/%.2f", x.OfFloor, x.OfStepwise)
		}
		_, _ = fmt.Fprintf(t, "%s\t%d\t%.1f\t%.2f\t%.2f\t%.2f\t%.2f\t%.2f\t%.1f\t%.2f\t%.0f\t%.1f\t%s\t\n",
			x.Flow, x.Clients, x.PerSecond, x.P50, x.P99, x.Trips, x.Foreground, x.Background, x.Commits, x.Syncs, x.WAL, x.Inserted, floor)
	}
	_ = t.Flush()
}

func (r *result) printSteps(w io.Writer) {
	_, _ = fmt.Fprintln(w)
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', tabwriter.AlignRight)
	_, _ = fmt.Fprintln(t, "of a whole recovery\tclients\trequest\tcount\tmean ms\ttrips\tdurable commits\t")
	for _, s := range r.Steps {
		_, _ = fmt.Fprintf(t, "%s\t%d\t%s\t%.2f\t%.2f\t%.2f\t%.2f\t\n", s.Flow, s.Clients, s.Step, s.Requests, s.Mean, s.Trips, s.Durable)
	}
	_ = t.Flush()
}

// save writes the results as JSON, if a file is named.
func (r *result) save(name string) error {
	if name == "" {
		return nil
	}
	text, err := json.MarshalIndent(r, "", "  ")
	if err != nil {
		return err
	}
	return os.WriteFile(name, append(text, '\n'), 0o644) //nolint:gosec // it holds numbers.
}

// load gives the machine's load averages, where the system tells them.
func load() string {
	text, err := os.ReadFile("/proc/loadavg")
	fields := strings.Fields(string(text))
	if err != nil || len(fields) < 3 {
		return "unknown"
	}
	return strings.Join(fields[:3], " ")
}

func ratio(a, b float64) float64 {
	if b == 0 {
		return 0
	}
	return a / b
}
