package abuse

import (
	"slices"
	"time"
)

// Measure is one thing that is counted in the journal.
type Measure string

// The measures. Each counts a kind of audit event, by subject, truncated network and route.
const (
	Failed      Measure = "failed"      // refused proofs; the route is the method
	Started     Measure = "started"     // recoveries of accounts
	Decoyed     Measure = "decoyed"     // recoveries of unknown identifiers
	Delivered   Measure = "delivered"   // notices that a provider took
	Undelivered Measure = "undelivered" // notices that nobody will get
	Objected    Measure = "objected"    // objections
	Replayed    Measure = "replayed"    // grants presented a second time
	Retaken     Measure = "retaken"     // claim links brought for a seat that was taken
)

// Measures lists the measures.
func Measures() []Measure {
	return []Measure{Failed, Started, Decoyed, Delivered, Undelivered, Objected, Replayed, Retaken}
}

// Per is what a query counts by.
type Per string

// What is counted by. All but PerFleet keep tenants apart.
const (
	PerTenant  Per = "tenant"
	PerSubject Per = "subject" // an account, or the pseudonym of an unknown identifier
	PerSource  Per = "source"  // a truncated network
	PerFleet   Per = "fleet"
)

// Query says when sums over the journal are a finding. All conditions have to hold; a zero one always does.
type Query struct {
	Count    []Measure // summed
	Per      Per
	Total    int64 // at least so many
	Subjects int64 // on at least so many subjects
	Sources  int64 // from at least so many networks
	Tenants  int64 // at at least so many tenants
	// Times compares with the same tenant's last seven days: at least so many times its usual rate. Total is the floor of it,
	// so that what is small stays a matter of course.
	Times int64
	// Against and AtMost compare with another measure over the same window: it is a finding while Against is below AtMost
	// times the sum.
	Against []Measure
	AtMost  float64
}

// limit is from where on the total is a finding, given what is usual for the window.
func (q Query) limit(usual float64) int64 {
	return max(q.Total, int64(float64(q.Times)*usual))
}

// Sum is what the store measured for one key.
type Sum struct {
	Tenant   string // or Fleet
	Key      string // "" where the key is the tenant or the fleet itself
	Total    int64
	Subjects int64
	Sources  int64
	Tenants  int64
	Against  int64
	Usual    float64 // what seven days make usual for such a window; 0 without a history
}

// finds judges one sum.
func (q Query) finds(s Sum) (limit int64, ok bool) {
	limit = q.limit(s.Usual)
	ok = s.Total >= limit && s.Subjects >= q.Subjects && s.Sources >= q.Sources && s.Tenants >= q.Tenants &&
		(len(q.Against) == 0 || float64(s.Against) < q.AtMost*float64(s.Total))
	return limit, ok
}

// Probe names a question about the present that is not a sum over the journal. The store answers it with findings.
type Probe string

// The probes.
const (
	ProbeDormant  Probe = "dormant_credentials"  // issued or used last a long time ago, and still good
	ProbeShared   Probe = "shared_credentials"   // used from several networks side by side
	ProbeExpiring Probe = "expiring_credentials" // end soon, and have no successor
	ProbePumping  Probe = "text_pumping"         // prefixes whose codes, of so many to five numbers at least, hardly anybody types in
	ProbePaused   Probe = "text_paused"          // countries and prefixes whose text messages are paused
	ProbeBudgets  Probe = "text_budgets"         // day's budgets of text messages of which so many hundredths are used
	ProbeSpent    Probe = "text_budgets_spent"   // the same, where nothing is left for numbers without a history, of tenants and of all
	ProbeLooking  Probe = "agents_looking"       // agents who look for what is not there, or not theirs
	ProbeHasty    Probe = "hasty_approvals"      // approvals within seconds of reading
	ProbePairs    Probe = "approval_pairs"       // the same two people, again and again
	ProbeMisused  Probe = "machines_misused"     // a machine's credential in a person's hands
)

// Probes lists the probes.
func Probes() []Probe {
	return []Probe{ProbeDormant, ProbeShared, ProbeExpiring, ProbePumping, ProbePaused, ProbeBudgets, ProbeSpent, ProbeLooking, ProbeHasty, ProbePairs, ProbeMisused}
}

// Detector is one declared way to notice abuse. It asks either by Query or by Probe.
type Detector struct {
	Name     string   // the alert's name and its runbook's: deploy/runbooks/<Name>.md
	Means    string   // one sentence for who is called
	Honest   string   // how honest traffic looks beside it; its test plays it
	Severity Severity // at first
	Window   time.Duration
	Query    Query
	Probe    Probe
	Limit    int64         // of a probe: from how many on
	Quiet    time.Duration // resolved after so long without a finding
	// EscalateAfter makes an open warning critical; 0 for never.
	EscalateAfter time.Duration
}

// grown tells whether a finding is so far over its limit that it is critical. What is counted from one on has no such scale.
func (d Detector) grown(f Finding) bool { return f.Limit > 1 && f.Count >= growth*f.Limit }

// finding makes a finding of a sum.
func (d Detector) finding(s Sum, limit int64) Finding {
	f := Finding{Tenant: s.Tenant, Key: s.Key, Count: s.Total, Limit: limit, Labels: map[string]string{}}
	if s.Key != "" {
		f.Labels[string(d.Query.Per)] = s.Key
	}
	return f
}

// longest is how far back the detectors look.
func longest(detectors []Detector) time.Duration {
	var out time.Duration
	for _, d := range detectors {
		if d.Probe == "" {
			out = max(out, d.Window)
		}
	}
	return out
}

// named finds a detector.
func named(detectors []Detector, name string) (Detector, bool) {
	i := slices.IndexFunc(detectors, func(d Detector) bool { return d.Name == name })
	if i < 0 {
		return Detector{}, false
	}
	return detectors[i], true
}
