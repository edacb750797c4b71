package policy

import (
	"fmt"
	"slices"
	"strings"

	"github.com/holdfast/holdfast/internal/factor"
)

// Status says how a document stands to a clause.
type Status string

// The statuses.
const (
	StatusMet        Status = "met"
	StatusDeviated   Status = "deviated"
	StatusNotOffered Status = "not offered" // the clause is about a method that no population allows
	StatusFailed     Status = "failed"
)

// Clause is one clause of NIST SP 800-63B-4 and how the document stands to it.
type Clause struct {
	Section string `json:"section"`
	Title   string `json:"title"`
	Status  Status `json:"status"`
	Detail  string `json:"detail"`
	Reason  string `json:"reason,omitempty"` // the document's own, for a deviation
}

// clauses judges the clauses of section 4.2 and 4.6. What concerns the making of codes (length, life, hashing) is code in
// other packages and the same under every document.
func (c *prover) clauses() []Clause {
	return []Clause{
		c.clause("4.2.1", "Recovery methods", "Only listed methods, others with a written risk analysis (R-002).", false, reqMethods),
		c.offered("4.2.1.1", "Saved recovery codes", factor.Saved),
		c.offered("4.2.1.2", "Issued recovery codes", factor.Issued),
		c.offered("4.2.1.3", "Recovery contacts", factor.Trusted),
		c.clause("4.2.2.1", "Recovery at AAL1", "One recovery method; proofing only for the proofed (R-005).", c.oneClass[1], reqOneClass),
		c.clause("4.2.2.2", "Recovery at AAL2", "Two recovery codes by different methods, one with an authenticator, or proofing (R-003).", c.oneClass[2], reqTwoClasses),
		c.clause("4.2.2.3", "Recovery at AAL3", "As at AAL2; at IAL3 people make a biometric comparison (R-004).", c.oneClass[3], reqHighest),
		c.clause("4.2.3", "Notification", "Every recovery is notified to all addresses on file (R-094); no document can silence it.", false),
		c.clause("4.6", "Account notifications", "A notice reaches an address outside the evidence, and a postal one at AAL3 (R-096).", false, reqNotice, reqPostal),
	}
}

// clause is met, unless the document names one of the requirements, or the enumeration broke it without.
func (c *prover) clause(section, title, detail string, broken bool, requirements ...string) Clause {
	out := Clause{Section: section, Title: title, Status: StatusMet, Detail: detail}
	var reasons []string
	for _, d := range c.policy.doc.Deviations {
		if slices.Contains(requirements, d.Requirement) {
			reasons = append(reasons, d.Requirement+": "+d.Reason)
		}
	}
	switch {
	case len(reasons) > 0:
		out.Status, out.Reason = StatusDeviated, strings.Join(reasons, " ")
	case broken:
		out.Status = StatusFailed
	}
	return out
}

// offered says which populations have methods of a class.
func (c *prover) offered(section, title string, class factor.Class) Clause {
	var names []string
	for _, name := range c.policy.Populations() {
		pop := c.policy.doc.Populations[name]
		if !pop.DeferToIDP && len(need{Class: class}.allowed(pop.Methods)) > 0 {
			names = append(names, name)
		}
	}
	if len(names) == 0 {
		return Clause{Section: section, Title: title, Status: StatusNotOffered, Detail: "No population allows it."}
	}
	return Clause{Section: section, Title: title, Status: StatusMet, Detail: "Allowed for " + strings.Join(names, ", ") + "."}
}

// Text renders the report for a terminal, one fact per line.
func (r Report) Text() string {
	var b strings.Builder
	fmt.Fprintf(&b, "policy %s (sha256 %.12s)\n\n", r.Version, r.Hash)
	if r.OK() {
		fmt.Fprintf(&b, "OK: over %d comparisons, no stricter tier is easier to pass than a laxer one.\n", r.Compared)
	}
	for _, f := range r.Failures {
		fmt.Fprintf(&b, "FAIL: %s\n", f)
	}
	b.WriteString("\nNIST SP 800-63B-4\n")
	for _, c := range r.Clauses {
		fmt.Fprintf(&b, "  %-8s %-24s %-12s %s\n", c.Section, c.Title, c.Status, c.Detail)
		if c.Reason != "" {
			fmt.Fprintf(&b, "  %-8s %-24s %-12s %s\n", "", "", "", c.Reason)
		}
	}
	b.WriteString("\nAn account with a single e-mail address, from a known device, with nothing against it\n")
	for _, s := range r.SingleAddress {
		fmt.Fprintf(&b, "  %-16s AAL%d  %s\n", s.Population, s.AAL, s.Outcome)
	}
	if len(r.Deviations) == 0 {
		b.WriteString("\nDeviations: none\n")
		return b.String()
	}
	b.WriteString("\nDeviations\n")
	for _, d := range r.Deviations {
		fmt.Fprintf(&b, "  %-14s %s\n", d.Requirement, d.Reason)
	}
	return b.String()
}
