package policy

import (
	"cmp"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"

	"go.yaml.in/yaml/v3"

	"github.com/holdfast/holdfast/internal/factor"
)

// The bounds of what a document may hold. They are no part of the floor: nothing deviates from them.
const (
	maxWeight       = 1000
	maxPopulations  = 64
	maxAlternatives = 16
	maxNeeds        = 3
	maxApprovals    = 5
	maxText         = 500
	minReasonLength = 10
	minReady        = time.Hour
	maxReady        = 7 * day
	maxProbation    = 90 * day
	maxAgeing       = 365 * day
	maxLife         = 30 * day // of a recovery as a whole (requirements.md, section 3)
	toHold          = day      // of it, to reach the hold
	maxPause        = 7 * day  // of it, for objections (I4)
)

//nolint:gochecknoglobals // compiled once, never changed.
var namePattern = regexp.MustCompile(`^[a-z0-9][a-z0-9_.-]{0,63}$`)

//nolint:gochecknoglobals // compiled once, never changed.
var keyPattern = regexp.MustCompile(`^[a-z0-9][a-z0-9_-]{0,63}$`)

// checker collects the problems of one document.
type checker struct {
	doc      document
	root     *yaml.Node
	problems []Problem
	below    map[string]bool
}

// fail notes that the document is not valid at a dotted path.
func (c *checker) fail(path, format string, args ...any) {
	c.problems = append(c.problems, Problem{Path: path, Line: lineOf(c.root, path), Message: fmt.Sprintf(format, args...)})
}

// sorted gives the problems by line.
func (c *checker) sorted() []Problem {
	slices.SortStableFunc(c.problems, func(x, y Problem) int { return cmp.Compare(x.Line, y.Line) })
	return c.problems
}

// validate checks that the document is complete, and makes sense in itself.
func (c *checker) validate() {
	c.header()
	c.scores()
	c.tiers("tiers", c.doc.Tiers, true)
	c.evidence("evidence", c.doc.Evidence)
	c.ages("ageing", c.doc.Ageing)
	for m := range c.doc.RiskAnalyses {
		c.method("risk_analysis_refs."+string(m), m)
	}
	if n := len(c.doc.Populations); n == 0 || n > maxPopulations {
		c.fail("populations", "1 to %d populations are expected", maxPopulations)
	}
	for _, name := range sortedKeys(c.doc.Populations) {
		c.population("populations."+name, name)
	}
	c.fallback()
	c.deviations()
}

func (c *checker) header() {
	if !namePattern.MatchString(c.doc.Version) {
		c.fail("version", "a version is required: lower-case letters, digits, '.', '-', '_'; at most 64")
	}
	c.text("description", c.doc.Description, 0)
	if d := time.Duration(c.doc.ReadyFor); d < minReady || d > maxReady {
		c.fail("ready_for", "must lie between %s and %s", inDays(minReady), inDays(maxReady))
	}
}

// scores checks thresholds and weights. Every signal must be weighed: what is left out could not raise.
func (c *checker) scores() {
	if t := c.doc.Thresholds; t.Moderate < 1 || t.High <= t.Moderate || t.Critical <= t.High || t.Critical > maxWeight {
		c.fail("thresholds", "0 < moderate < high < critical <= %d is expected", maxWeight)
	}
	for _, s := range Signals() {
		if _, ok := c.doc.Signals[s]; !ok {
			c.fail("signals", "%s is missing: every signal needs its weights", s)
		}
	}
	for _, s := range sortedKeys(c.doc.Signals) {
		path := "signals." + string(s)
		if !slices.Contains(Signals(), s) {
			c.fail(path, "there is no such signal")
			continue
		}
		w := c.doc.Signals[s]
		for _, n := range []int{w.Present, w.Absent, w.Unknown, w.Each, w.Most} {
			if n < 0 || n > maxWeight {
				c.fail(path, "weights must lie between 0 and %d: nothing lowers a tier (R-091)", maxWeight)
				break
			}
		}
		switch {
		case s.counted() && (w.Each < 1 || w.Most < w.Each || w.Present != 0 || w.Absent != 0):
			c.fail(path, "a counted signal has each, most (at least each) and unknown, and no other weights")
		case !s.counted() && (w.Each != 0 || w.Most != 0):
			c.fail(path, "each and most belong to counted signals only")
		}
	}
}

// tiers checks the terms; all four must be there for the document, and none need for a population.
func (c *checker) tiers(path string, terms map[Tier]terms, all bool) {
	for _, t := range Tiers() {
		x, ok := terms[t]
		at := path + "." + t.String()
		if !ok {
			if all {
				c.fail(path, "tier %s is missing", t)
			}
			continue
		}
		if longest := maxLife - toHold - maxPause - time.Duration(c.doc.ReadyFor); x.Hold < 0 || time.Duration(x.Hold) > longest {
			c.fail(at+".hold", "must lie between 0h and %s, so that a recovery ends within %s", inDays(longest), inDays(maxLife))
		}
		if x.Probation < 0 || time.Duration(x.Probation) > maxProbation {
			c.fail(at+".probation", "must lie between 0h and %s", inDays(maxProbation))
		}
		if x.Approvals < 0 || x.Approvals > maxApprovals {
			c.fail(at+".approvals", "must lie between 0 and %d", maxApprovals)
		}
	}
}

// rising checks that no stricter tier of a population is laxer in its terms.
func (c *checker) rising(path string, pop population) {
	for i, t := range Tiers()[1:] {
		lax, strict := c.doc.terms(pop, Tiers()[i]), c.doc.terms(pop, t)
		if strict.Hold < lax.Hold || strict.Probation < lax.Probation || strict.Approvals < lax.Approvals {
			c.fail(path, "tier %s is laxer than tier %s in hold, probation or approvals", t, Tiers()[i])
		}
	}
}

func (c *checker) evidence(path string, levels map[string][]alternative) {
	for _, level := range sortedKeys(levels) {
		at := path + "." + level
		if level != assuranceOne && level != assuranceTwo && level != assuranceHigh {
			c.fail(at, "aal1, aal2 and aal3 are the levels")
			continue
		}
		if n := len(levels[level]); n == 0 || n > maxAlternatives {
			c.fail(at, "1 to %d alternatives are expected", maxAlternatives)
		}
		for i, a := range levels[level] {
			c.alternative(at+"."+strconv.Itoa(i), a)
		}
	}
}

func (c *checker) alternative(path string, a alternative) {
	if len(a) == 0 || len(a) > maxNeeds {
		c.fail(path, "1 to %d needs are expected", maxNeeds)
	}
	seen := map[factor.Class]bool{}
	for _, n := range a {
		if rank(n.Class) == rank("") {
			c.fail(path, "a class is one of S, I, K, A, P")
			continue
		}
		if seen[n.Class] {
			c.fail(path, "class %s stands twice: two proofs of one class count once (R-003)", n.Class)
		}
		seen[n.Class] = true
		if n.MinAge < 0 || time.Duration(n.MinAge) > maxAgeing {
			c.fail(path, "min_age must lie between 0h and %s", inDays(maxAgeing))
		}
		for _, m := range n.Methods {
			if class, ok := m.Class(); !ok || class != n.Class {
				c.fail(path, "methods must be of class %s", n.Class)
			}
		}
	}
}

func (c *checker) ages(path string, ages map[factor.Method]duration) {
	for _, m := range sortedKeys(ages) {
		c.method(path+"."+string(m), m)
		if d := time.Duration(ages[m]); d < 0 || d > maxAgeing {
			c.fail(path+"."+string(m), "must lie between 0h and %s", inDays(maxAgeing))
		}
	}
}

func (c *checker) population(path, name string) {
	pop := c.doc.Populations[name]
	if !keyPattern.MatchString(name) {
		c.fail(path, "a name is lower-case letters, digits, '-', '_'; at most 64")
	}
	c.text(path+".description", pop.Description, 0)
	if len(pop.Methods) == 0 {
		c.fail(path+".methods", "at least one method is required")
	}
	for i, m := range pop.Methods {
		at := path + ".methods." + strconv.Itoa(i)
		c.method(at, m)
		if slices.Contains(pop.Methods[:i], m) {
			c.fail(at, "the method stands twice")
		}
	}
	c.tiers(path+".tiers", pop.Tiers, false)
	c.evidence(path+".evidence", pop.Evidence)
	c.ages(path+".ageing", pop.Ageing)
	if pop.DeferToIDP {
		return // no evidence is ever asked for
	}
	c.rising(path, pop)
	for aal := 1; aal <= highestAAL; aal++ {
		if len(c.doc.alternatives(pop, aal)) == 0 {
			c.fail(path, "no evidence is given for %s, neither here nor for the document", assuranceKey(aal))
		}
	}
}

func (c *checker) method(path string, m factor.Method) {
	if _, ok := m.Class(); !ok {
		c.fail(path, "there is no such method")
	}
}

func (c *checker) fallback() {
	pop, ok := c.doc.Populations[c.doc.Fallback]
	if !ok || pop.DeferToIDP {
		c.fail("fallback_population", "must name a population of the document that does not defer")
	}
}

func (c *checker) deviations() {
	for i, d := range c.doc.Deviations {
		path := "deviations." + strconv.Itoa(i)
		if !slices.Contains(deviable(), d.Requirement) {
			c.fail(path, "requirement must be one that can be deviated from: %s", deviable())
		}
		if slices.ContainsFunc(c.doc.Deviations[:i], func(x deviationDoc) bool { return x.Requirement == d.Requirement }) {
			c.fail(path, "the requirement stands twice")
		}
		c.text(path+".reason", d.Reason, minReasonLength)
	}
}

// text checks prose: its length, and that it is printable on one line, for it goes to records and reports.
func (c *checker) text(path, s string, least int) {
	if len(s) < least || len(s) > maxText || strings.ContainsFunc(s, func(r rune) bool { return !unicode.IsPrint(r) }) {
		c.fail(path, "printable text of %d to %d bytes is expected", least, maxText)
	}
}

// compile compiles the tenant's rules.
func (c *checker) compile() []rule {
	if len(c.doc.Rules) == 0 {
		return nil
	}
	env, err := ruleEnv()
	if err != nil {
		c.fail("rules", "the rule language is not available: %v", err)
		return nil
	}
	if len(c.doc.Rules) > maxRules {
		c.fail("rules", "at most %d rules are allowed", maxRules)
		return nil
	}
	var out []rule
	for i, r := range c.doc.Rules {
		path := "rules." + strconv.Itoa(i)
		if !keyPattern.MatchString(r.Name) || slices.ContainsFunc(c.doc.Rules[:i], func(x ruleDoc) bool { return x.Name == r.Name }) {
			c.fail(path+".name", "a name of its own is required: lower-case letters, digits, '-', '_'")
		}
		if !r.RaiseTo.Valid() {
			c.fail(path+".raise_to", "a tier is required")
		}
		c.text(path+".reason", r.Reason, minReasonLength)
		if compiled, err := compileRule(env, r); err != nil {
			c.fail(path+".when", "%v", err)
		} else {
			out = append(out, compiled)
		}
	}
	return out
}
